"""The web application: which blueprint answers under which path, and how they get their hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import flask

from hub import api, errors, lti, web
from hub.access import auth
from hub.lti_tool import blueprint as tool_blueprint
from hub.operations import operators, outcomes
from hub.operations.metrics import Metrics
from hub.runtime import Hub
from hub.statements import ingest, xapi
from lrs.statements import Prepared
from lrs.store import Saved

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Application(flask.Flask):
    """Flask with views and functions around them that are plain ones, without looking at each request what they are."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # An LMS puts "/statements" behind the address of the LRS, which people give with a slash at its end. A redirect
        # would be followed by some, and by no browser of another origin.
        path = environ["PATH_INFO"]
        if path.startswith("/xapi//"):
            environ["PATH_INFO"] = f"/xapi/{path[6:].lstrip('/')}"
        return super().wsgi_app(environ, start_response)


def create_app(hub: Hub, metrics: Metrics | None = None) -> flask.Flask:
    """The web application of one hub. Two of them in one process do not notice each other."""
    metrics = metrics or Metrics()
    metrics.watch(hub.db)
    app = _Application("hub")
    # No address stands for another one's default: it need not be asked of each request.
    app.url_map.redirect_defaults = False
    app.extensions["hub"] = hub
    hub.trace.watch_app(app)
    app.extensions["xapi"] = _lrs_services(hub, metrics)
    # Bodies are read and bounded by hub.bodies; this is for the forms that Flask parses itself.
    app.config.update(SECRET_KEY=hub.keyring.key("flask"), MAX_FORM_MEMORY_SIZE=4 * 1024 * 1024)
    # First, so that a request that is refused before it comes to a view is measured too.
    app.before_request(_begin_request)
    app.after_request(partial(_end_request, metrics))
    errors.register(app)
    app.register_blueprint(operators.create_blueprint(metrics))
    app.register_blueprint(xapi.create_blueprint(lambda: cast(xapi.Services, flask.current_app.extensions["xapi"])))
    app.register_blueprint(lti.create_blueprint())
    app.register_blueprint(tool_blueprint.create_blueprint())
    api.register(app)
    web.register(app)
    return app


def _begin_request() -> None:
    flask.g.began = time.perf_counter()


def _end_request(metrics: Metrics, response: flask.Response) -> flask.Response:
    seconds = time.perf_counter() - flask.g.began
    for what, outcome in outcomes.noted():
        metrics.outcome(what, outcome)
    metrics.request(flask.request.endpoint, flask.request.method, response.status_code, seconds)
    # A body that is there whole goes to granian as its list, which it sends at once; anything else it takes piece by
    # piece, and asks whether there is another.
    response.direct_passthrough |= response.is_sequence
    return response


def _lrs_services(hub: Hub, metrics: Metrics) -> xapi.Services:
    intake = ingest.Intake(hub)

    def accept(prepared: tuple[Prepared, ...], data: Mapping[str, bytes] | None) -> Saved:
        saved = intake.accept(prepared, data)
        metrics.saved(prepared, saved)
        return saved

    return xapi.Services(
        db=hub.db,
        sequence=hub.sequence,
        clock=hub.clock,
        new_id=hub.new_id,
        authenticate=partial(auth.authenticate, hub),
        accept=accept,
        key=hub.keyring.key("xapi-more"),
        extra_keys=ingest.extra_keys,
        default_version=hub.settings.xapi_default_version,
        max_body_bytes=hub.settings.max_body_bytes,
    )
