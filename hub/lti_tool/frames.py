"""Pages inside another site's page: where the hub lets itself be framed, and where it asks for a window of its own.

A platform may open its tools in a frame. Where the two are one site, the hub's pages work there, and may be framed by
that platform alone. Where they are not, browsers keep a frame's cookies apart or away: whoever signs in there is
signed in nowhere else, forms fail, and the next LMS in the chain has the same trouble. So a launch in such a frame is
taken up in a window of its own (LTI 1.3 Core 5.4.4 ``document_target``: a wish, not a duty).
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import flask
from werkzeug.wrappers import Response

from hub import headers
from hub.access import accounts
from hub.lti_tool.platforms import Platform
from hub.runtime import current

#: Names the platform in whose frame this session is.
COOKIE = "wkmb_frame"

_PURPOSE = "frame-ancestor"
_FRAMES = frozenset({"iframe", "frame", "embed", "object"})


def is_framed() -> bool:
    """Whether this request is for a frame. Browsers say so where the hub is served over TLS or on this machine."""
    return flask.request.headers.get("Sec-Fetch-Dest") in _FRAMES


def is_framed_by_another_site() -> bool:
    """Whether it is for a frame that another site's page has opened."""
    return is_framed() and flask.request.headers.get("Sec-Fetch-Site") == "cross-site"


def allow(platform: Platform) -> None:
    """Let this answer be framed by the platform."""
    flask.g.frame_ancestor = _origin(platform)


def remember(response: Response, platform: Platform) -> None:
    """Let the pages that follow be framed by the platform, if this one is."""
    if is_framed():
        hub, seconds = current(), int(accounts.LIFETIME.total_seconds())
        value = hub.keyring.sign(_PURPOSE, _origin(platform), hub.clock() + timedelta(seconds=seconds))
        secure = hub.settings.is_https
        response.set_cookie(COOKIE, value, max_age=seconds, httponly=True, samesite="Lax", secure=secure)
    elif COOKIE in flask.request.cookies:
        response.delete_cookie(COOKIE)


def secure(response: flask.Response) -> flask.Response:
    """Say who may frame this page, where somebody may. For ``after_app_request``."""
    if response.mimetype != "text/html":
        return response
    origin = flask.g.get("frame_ancestor") or _remembered()
    if origin:
        policy = response.headers.get("Content-Security-Policy", headers.content_security_policy())
        allowed = policy.replace("frame-ancestors 'self'", f"frame-ancestors 'self' {origin}")
        response.headers["Content-Security-Policy"] = allowed
    return response


def _remembered() -> str | None:
    if COOKIE not in flask.request.cookies:
        return None
    hub = current()
    value = hub.keyring.verify(_PURPOSE, flask.request.cookies[COOKIE], hub.clock())
    return value if isinstance(value, str) else None


def _origin(platform: Platform) -> str:
    """The platform's pages are where its people sign in."""
    parts = urlsplit(platform.auth_url)
    return f"{parts.scheme}://{parts.netloc}"
