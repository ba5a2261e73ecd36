"""The web application: which blueprint answers under which path, and how they get their hub."""

from __future__ import annotations

from functools import partial
from typing import cast

import flask
import structlog

from hub import api, auth, errors, ingest, lti, operators, web, xapi
from hub.runtime import Hub, current


def create_app(hub: Hub) -> flask.Flask:
    """The web application of one hub. Two of them in one process do not notice each other."""
    app = flask.Flask("hub")
    app.extensions["hub"] = hub
    app.extensions["xapi"] = _lrs_services(hub)
    # Bodies are read and bounded by hub.bodies; this is for the forms that Flask parses itself.
    app.config.update(SECRET_KEY=hub.keyring.key("flask"), MAX_FORM_MEMORY_SIZE=4 * 1024 * 1024)
    errors.register(app)
    app.register_blueprint(operators.create_blueprint())
    app.register_blueprint(xapi.create_blueprint(lambda: cast(xapi.Services, flask.current_app.extensions["xapi"])))
    app.register_blueprint(lti.create_blueprint())
    api.register(app)
    web.register(app)
    app.before_request(_name_request)
    return app


def _name_request() -> None:
    """Each request has a name in the logs."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=current().new_id().hex[:12], method=flask.request.method)


def _lrs_services(hub: Hub) -> xapi.Services:
    return xapi.Services(
        db=hub.db,
        sequence=hub.sequence,
        clock=hub.clock,
        new_id=hub.new_id,
        authenticate=partial(auth.authenticate, hub),
        accept=partial(ingest.accept, hub),
        key=hub.keyring.key("xapi-more"),
        extra_keys=ingest.extra_keys,
        default_version=hub.settings.xapi_default_version,
        max_body_bytes=hub.settings.max_body_bytes,
    )
