"""The two cookies of a launch: the browser's own name, and the session that a launch begins.

Both come back with what another site's page posts (the id_token), and inside its frame, so they are ``SameSite=None``
and partitioned by the site around them (CHIPS). Browsers take such cookies over TLS only; without it they are
``Lax``, which is enough where hub and platform are one site, as on a developer's machine.
"""

from __future__ import annotations

from werkzeug.wrappers import Response

from hub.access import accounts
from hub.runtime import Hub

#: Names a browser to the logins that it begins. Longer-lived than any of them, so that several may be under way.
BROWSER = "wkmb_lti"
BROWSER_SECONDS = 24 * 3600


def set_browser(hub: Hub, response: Response, value: str) -> None:
    """Give the browser its name."""
    _set(hub, response, BROWSER, value, BROWSER_SECONDS)


def set_session(hub: Hub, response: Response, token: str) -> None:
    """Give the browser its session."""
    _set(hub, response, accounts.COOKIE, token, int(accounts.LIFETIME.total_seconds()))


def _set(hub: Hub, response: Response, name: str, value: str, seconds: int) -> None:
    is_https = hub.settings.is_https
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite="None" if is_https else "Lax",
        secure=is_https,
        partitioned=is_https,
    )
