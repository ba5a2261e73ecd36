"""What the views of the tool share: reading a request's parameters, this browser's name, and the page of a refusal."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qsl

import flask
import structlog
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from hub.bodies import read_body
from hub.errors import HubError
from hub.lti_tool import cookies, frames
from hub.lti_tool.claims import LaunchRefused
from hub.lti_tool.platforms import Platform
from hub.operations import outcomes

log = structlog.get_logger()

#: The whole of a request's parameters; an id_token with every claim has some 4 KiB.
LARGEST = 64 * 1024

_LONGEST_COOKIE = 64


def read_parameters(repeatable: str = "") -> MultiDict[str, str]:
    """The parameters of the request. One that comes twice is refused (RFC 6749 section 3.1), but for this one."""
    request = flask.request
    given: MultiDict[str, str]
    if request.method == "POST":
        if request.mimetype != "application/x-www-form-urlencoded":
            raise _unreadable(_("The body must be a form (x-www-form-urlencoded)."))
        given = _form(read_body(request.environ, limit=LARGEST))
    else:
        given = request.args
        if len(request.query_string) > LARGEST:
            raise _unreadable(_("The query is too long."))
    if any(len(values) > 1 for name, values in given.lists() if name != repeatable):
        raise _unreadable(_("A parameter stands in the request twice."))
    return given


def browser() -> str:
    """What this browser is called; empty where it has no name yet."""
    value = flask.request.cookies.get(cookies.BROWSER, "")
    return value if len(value) <= _LONGEST_COOKIE else ""


def refused(what: str, found: LaunchRefused) -> flask.Response:
    """The page that says which check failed, and why."""
    outcomes.note("tool_launch", found.check)
    log.info("tool_launch_refused", step=what, check=found.check, why=found.why)
    page = flask.render_template("lti_tool/refused.html", refused=found)
    return flask.Response(page, HTTPStatus.BAD_REQUEST, content_type="text/html; charset=utf-8")


def for_platform(platform: Platform, template: str, **values: object) -> flask.Response:
    """A page that the platform may have in a frame."""
    frames.allow(platform)
    page = flask.render_template(template, platform=platform, **values)
    return flask.Response(page, content_type="text/html; charset=utf-8")


def _form(body: bytes) -> MultiDict[str, str]:
    try:
        return MultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise _unreadable(_("The body is not a form in UTF-8.")) from None


def _unreadable(why: str) -> HubError:
    return HubError("lti_request", why, action=_("Tell the administrator of your learning platform."))
