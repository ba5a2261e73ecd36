"""From exceptions to answers, in the form that the asker reads: problem+json (RFC 9457) for machines, a page with a
reference number for people. What the LRS and LTI's token endpoint refuse has a form of its own, in their blueprints."""

from __future__ import annotations

import flask
import orjson
import structlog
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException, InternalServerError

from lrs.errors import NoPartition

log = structlog.get_logger()

#: Under these paths the asker is a machine.
_MACHINES = ("/api/", "/xapi/", "/lti/platform/contexts/", "/healthz", "/readyz", "/metrics", "/.well-known/")


class HubError(Exception):
    """What the asker did wrong or may not do, in words: what and why (``detail``), and what to do (``action``)."""

    status = 400
    title = "Bad request"

    def __init__(self, code: str, detail: str, *, action: str = "", status: int | None = None) -> None:
        super().__init__(f"{detail} {action}".strip())
        self.code, self.detail, self.action = code, detail, action
        self.status = status or type(self).status


class NotFound(HubError):
    """There is no such thing, or not for this asker."""

    status = 404
    title = "Not found"


class Refused(HubError):
    """The asker is known and may not do this."""

    status = 403
    title = "Forbidden"


def register(app: flask.Flask) -> None:
    """Answer for every exception that reaches the application."""
    app.register_error_handler(HubError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(NoPartition, _answer_no_partition)
    # The outermost loop of a request: what nobody expected is logged once, with the number that the asker is given.
    app.register_error_handler(Exception, _answer_crash)


def _answer_refusal(error: HubError) -> flask.typing.ResponseReturnValue:
    return _answer(error.status, error.code, error.title, error.detail, error.action)


def _answer_http(error: HTTPException) -> flask.typing.ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    answer = _answer(error.code, error.name.lower().replace(" ", "_"), error.name, error.description or error.name, "")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


def _answer_no_partition(error: NoPartition) -> flask.typing.ResponseReturnValue:
    log.error("no_partition", table=error.table)
    return _answer(503, "no_partition", "Service unavailable", str(error), "")


def _answer_crash(error: Exception) -> flask.typing.ResponseReturnValue:
    reference = _new_reference()
    log.error("request_failed", reference=reference, path=flask.request.path, exc_info=error)
    detail = "The hub failed at this request. Nothing half-done was kept."
    return _answer(500, "internal", InternalServerError().name, detail, "Try again; if it stays, report this number.",
                   reference=reference)  # fmt: skip


def _new_reference() -> str:
    """A name for an error, to find it by in the logs. Not by `hub.runtime`, whose parts raise errors of this file."""
    return str(flask.current_app.extensions["hub"].new_id().hex[:12])


def _answer(
    status: int, code: str, title: str, detail: str, action: str, *, reference: str | None = None
) -> flask.Response:
    """The answer in the asker's form; both carry a reference number that stands in the log as well."""
    reference = reference or _new_reference()
    if status != 500:
        log.info("request_refused", reference=reference, status=status, code=code, path=flask.request.path)
    if flask.request.path.startswith(_MACHINES):
        return problem(status, code, title, f"{detail} {action}".strip(), reference=reference)
    page = flask.render_template(
        "error.html",
        code=status,
        title=people_title(status),
        detail=people_detail(status, detail, code),
        action="" if status >= 500 else action,
        reference=reference,
    )
    return flask.Response(page, status=status, content_type="text/html; charset=utf-8")


def problem(status: int, code: str, title: str, detail: str, **members: object) -> flask.Response:
    """A problem of RFC 9457; ``code`` is its stable name."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **members}
    return flask.Response(orjson.dumps(body), status=status, content_type="application/problem+json")


def people_title(status: int) -> str:
    """What happened, for a person."""
    if status == 404:
        return str(_("This page does not exist"))
    if status == 403:
        return str(_("You may not open this"))
    if status == 429:
        return str(_("Too many attempts"))
    if status >= 500:
        return str(_("Something went wrong at the hub"))
    return str(_("The request could not be carried out"))


def people_detail(status: int, detail: str, code: str) -> str:
    """Why, for a person: the exception's own words where somebody wrote them for people."""
    if status == 404 and code == "not_found":
        return str(_("The address is wrong, or what was here has moved. Start again from the home page."))
    if status == 403 and code == "forbidden":
        return str(_("Your account has no right to it. Ask an administrator if you need it."))
    if status == 408:
        return str(_("What you sent has not arrived in full. Check your connection, then send it again."))
    if status == 429 and code == "too_many_requests":
        return str(_("Wait a minute, then try again."))
    if status >= 500:
        return str(_("Nothing half-done was kept. Try again; if it stays, report the number below."))
    return detail
