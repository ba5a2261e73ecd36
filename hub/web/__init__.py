"""The pages: employees, admins, auditors. Views read the request, call one use case, and fill a template."""

from __future__ import annotations

import flask

from hub.web import (
    admin,
    audit,
    catalogue,
    certifications,
    comparison,
    competencies,
    courses,
    employee,
    follow_up,
    identities,
    identity_rules,
    layout,
    people,
    picking,
    platforms,
    policies,
    reports,
    rtl,
    session,
    transcripts,
    verify,
)


def register(app: flask.Flask) -> None:
    """Give the application its pages."""
    layout.register(app)
    for each in (
        session, employee, catalogue, rtl, follow_up, certifications, competencies, transcripts, verify, reports,
        comparison, policies, platforms, admin, picking, courses, identities, identity_rules, people, audit,
    ):  # fmt: skip
        app.register_blueprint(each.pages)
