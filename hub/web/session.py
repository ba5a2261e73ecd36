"""Signing in and out."""

from __future__ import annotations

from urllib.parse import urlsplit

import flask
from flask_babel import gettext as _
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from hub.access import accounts
from hub.runtime import Hub, current

pages = flask.Blueprint("session", __name__)

#: Where somebody begins who came for nothing in particular.
_BEGIN = {"admin": "admin.systems", "operator": "admin.systems", "auditor": "audit.search"}


@pages.get("/login")
def login() -> flask.typing.ResponseReturnValue:
    session = accounts.current()
    if session is not None:
        return flask.redirect(begin(session, flask.request.args.get("next")), 303)
    return _form(flask.request.args.get("next"))


@pages.post("/login")
def sign_in() -> flask.typing.ResponseReturnValue:
    hub, form = current(), flask.request.form
    username, after = form.get("username", ""), form.get("next")
    outcome = accounts.sign_in(hub, username, form.get("password", ""), flask.request.remote_addr or "")
    if isinstance(outcome, accounts.SignedIn):
        # What the browser's forms held before belongs to whoever used it before.
        flask.session.clear()
        return _set_cookie(hub, flask.redirect(begin(outcome.session, after), 303), outcome.token)
    if outcome.code == "too_many":
        raise TooManyRequests(retry_after=accounts.FAILURE_WINDOW_SECONDS)
    return _form(after, username, _("Account name or password is wrong. Check both and try again."))


@pages.post("/logout")
def logout() -> flask.typing.ResponseReturnValue:
    hub, session = current(), accounts.current()
    if session is not None:
        with hub.db.write() as conn:
            accounts.sign_out(conn, session)
    flask.session.clear()
    flask.flash(_("You are signed out."), "success")
    return _set_cookie(hub, flask.redirect(flask.url_for("session.login"), 303), "")


def begin(session: accounts.Session, after: str | None = None) -> str:
    """Where somebody goes after signing in: to what she had asked for, else where her work is."""
    if after and is_local(after):
        return after
    return flask.url_for(_BEGIN.get(session.role, "employee.home"))


def is_local(address: str) -> bool:
    """Whether this is a path of the hub. Browsers read a backslash as a slash, and skip control characters."""
    if not address.startswith("/") or address[1:2] in ("/", "\\") or any(ord(c) <= 32 or c == "\\" for c in address):
        return False
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc


def _form(after: str | None, username: str = "", error: str = "") -> flask.typing.ResponseReturnValue:
    after = after if after and is_local(after) else ""
    page = flask.render_template("login.html", after=after, username=username, error=error)
    return page, 401 if error else 200


def _set_cookie(hub: Hub, response: Response, token: str) -> Response:
    """Give the browser its session; without a token, take it away."""
    is_https = hub.settings.is_https
    response.set_cookie(
        accounts.COOKIE,
        token,
        max_age=int(accounts.LIFETIME.total_seconds()) if token else 0,
        httponly=True,
        # A tool's authentication request comes back as a form of another site, and the session must come with it
        # (LTI Security Framework, 5.1.1.2). Browsers take such a cookie over TLS only.
        samesite="None" if is_https else "Lax",
        secure=is_https,
        partitioned=is_https,
    )
    return response
