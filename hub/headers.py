"""The headers that every answer for a browser carries: nothing inline, nothing from elsewhere, no frames around it.

``form-action`` deserves a word. Browsers hold the redirects that follow a form against it: a launch begins as a form
of the hub and goes on to the provider, so a page with such a form names the provider's origin (`allow_form_action`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

import flask

_ALWAYS = (("X-Content-Type-Options", "nosniff"),)

#: A year, as browsers' preload lists ask for.
_BY_HTTPS = (*_ALWAYS, ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))

_WITH_PAGES = (
    # Not no-referrer: browsers then send `Origin: null` with forms, and CSRF checks have nothing to go by.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    # Pages are about one person; nothing between her and the hub keeps them.
    ("Cache-Control", "no-store"),
)


def allow_form_action(url: str) -> None:
    """Let this page's forms go, or be redirected, to the origin of ``url``."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        origins: set[str] = flask.g.setdefault("form_actions", set())
        origins.add(_origin(url))


def allow_frames(urls: Iterable[str], *, internal: bool) -> None:
    """Let this page show another system's pages in a frame; from the first one they go on to hosts of their own."""
    flask.g.frames = ["'self'", *sorted({_origin(url) for url in urls}), "https:", *(["http:"] if internal else [])]


def _origin(url: str) -> str:
    """Scheme and host; what is behind the @ of a netloc is the host, a source expression has no user."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def content_security_policy() -> str:
    """The policy of this answer."""
    form_actions = " ".join(["'self'", *sorted(flask.g.get("form_actions", ()))])
    frames = f"frame-src {' '.join(flask.g.frames)}; " if "frames" in flask.g else ""
    return (
        f"default-src 'none'; {frames}script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action {form_actions}; base-uri 'none'; frame-ancestors 'self'"
    )


def register(app: flask.Flask) -> None:
    """Put the headers on every answer of the application that does not say otherwise itself."""
    is_https = app.extensions["hub"].settings.is_https
    app.after_request(partial(_secure, _BY_HTTPS if is_https else _ALWAYS))


def _secure(wanted: tuple[tuple[str, str], ...], response: flask.Response) -> flask.Response:
    headers = response.headers
    # Not by Werkzeug's setdefault: it makes an HTTP exception for each that is not there.
    said = {name.lower() for name, _ in headers}
    if response.mimetype == "text/html":
        wanted += _WITH_PAGES
        if "content-security-policy" not in said:
            headers.add("Content-Security-Policy", content_security_policy())
    for name, value in wanted:
        if name.lower() not in said:
            headers.add(name, value)
    return response
