"""The pages: employees, admins, auditors. Views read the request, call one use case, and fill a template."""

from __future__ import annotations

import flask

from hub.web import admin, audit, catalogue, employee, layout, session


def register(app: flask.Flask) -> None:
    """Give the application its pages."""
    layout.register(app)
    for pages in (session.pages, employee.pages, catalogue.pages, admin.pages, audit.pages):
        app.register_blueprint(pages)
