"""People who sign in: accounts, their sessions, and who the person behind this request is.

A session is a random token in a cookie; the database holds its keyed digest, so a copy of the table signs nobody in,
and deleting the row ends the session at once. Passwords are kept as argon2id.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeAlias
from uuid import UUID

import argon2
import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from hub import revisions
from hub.access import known_accounts, limits
from hub.access.known_accounts import Account as Account
from hub.errors import HubError
from hub.runtime import Hub
from hub.runtime import current as current_hub
from hub.tables import accounts, web_sessions
from lrs.database import insert_missing
from lrs.precompiled import Precompiled

#: What an account may be: learner (an employee), admin (connects systems), auditor (reads everything, writes
#: nothing), operator (runs the hub).
ROLES = ("learner", "admin", "auditor", "operator")

COOKIE = "wkmb_session"
LIFETIME = timedelta(hours=8)

#: CONTRACTS, "Processes": failed logins, per account and address.
MOST_FAILURES = 10
FAILURE_WINDOW_SECONDS = 60

SHORTEST_PASSWORD = 8
#: argon2 reads all of it before anybody is known.
LONGEST_PASSWORD = 1024
LONGEST_USERNAME = 64

P = ParamSpec("P")
Answer: TypeAlias = ResponseReturnValue


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. ``id`` is the digest of her cookie, ``learner`` whose hours she sees as her own.

    ``numbers`` are `hub.revisions` as they were when it was looked for, None where it has just been made.
    """

    id: bytes
    username: str
    role: str
    learner: UUID | None
    numbers: Mapping[str, int] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session, and what the browser's cookie holds."""

    session: Session
    token: str


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """``code``: "wrong" (account or password, never which one) or "too_many"."""

    code: str


# -- accounts


def add(conn: sa.Connection, hub: Hub, username: str, role: str, password: str, learner: UUID | None = None) -> Account:
    """Make an account. Raises `HubError` for a name that is taken, an unknown role or an unusable password."""
    username = normalize(username)
    _check_name(username, role, learner)
    account = Account(username, role, learner, False, hub.clock())
    row = {
        "username": username,
        "password": hash_password(password),
        "role": role,
        "learner": learner,
        "disabled": False,
        "created_at": account.created_at,
    }
    if not insert_missing(conn, accounts, [row]):
        action = "Choose another name, or give that one a new password with `wkmb user password`."
        raise HubError("account_taken", f"There is an account {username} already.", action=action, status=409)
    return account


def _check_name(username: str, role: str, learner: UUID | None) -> None:
    if not username or len(username) > LONGEST_USERNAME or any(c.isspace() for c in username):
        action = f"Use up to {LONGEST_USERNAME} characters without spaces."
        raise HubError("account_name", f"{username!r} is no name for an account.", action=action)
    if role not in ROLES:
        raise HubError("account_role", f"{role} is no role.", action=f"Use one of {', '.join(ROLES)}.")
    if role == "learner" and learner is None:
        detail = "An account with the role learner belongs to an employee."
        raise HubError("account_learner", detail, action="Give her NIP with --nip.")


def hash_password(password: str) -> str:
    """What is kept of a password. Raises `HubError` for one that is too short or too long."""
    if len(password) < SHORTEST_PASSWORD:
        action = f"Use at least {SHORTEST_PASSWORD} characters, better a whole sentence."
        raise HubError("password_short", "The password is too short.", action=action)
    if len(password) > LONGEST_PASSWORD:
        action = f"Use at most {LONGEST_PASSWORD} characters."
        raise HubError("password_long", "The password is too long.", action=action)
    return _hasher().hash(password)


def find(conn: sa.Connection, username: str) -> Account | None:
    """The account of that name."""
    row = _ACCOUNT.first(conn, who=normalize(username))
    return None if row is None else _read(row)


def list_accounts(conn: sa.Connection, *, limit: int = 200, after: str = "") -> tuple[Account, ...]:
    """Accounts by name, those behind ``after``."""
    query = _account().where(accounts.c.username > after).order_by(accounts.c.username).limit(limit)
    return tuple(_read(row) for row in conn.execute(query))


def set_disabled(conn: sa.Connection, username: str, disabled: bool) -> bool:
    """Lock an account, which ends its sessions with their next request, or open it again; False: no such account."""
    update = accounts.update().where(accounts.c.username == normalize(username)).values(disabled=disabled)
    revisions.bump(conn, known_accounts.REVISION)
    return conn.execute(update).rowcount == 1


def set_password(conn: sa.Connection, username: str, password: str) -> bool:
    """Give an account another password; False where there is no such account."""
    name = normalize(username)
    update = accounts.update().where(accounts.c.username == name).values(password=hash_password(password))
    return conn.execute(update).rowcount == 1


def normalize(username: str) -> str:
    """Names are equal however they are capitalized."""
    return username.strip().casefold()


def _account() -> sa.Select[Any]:
    return sa.select(*(accounts.c[name] for name in ("username", "role", "learner", "disabled", "created_at")))


# Of every request.
_ACCOUNT = Precompiled(_account().where(accounts.c.username == sa.bindparam("who")))
_SESSION = Precompiled(
    revisions.with_numbers(sa.select(web_sessions.c.username)).where(
        web_sessions.c.id == sa.bindparam("which"), web_sessions.c.expires > sa.bindparam("now")
    )
)


def _read(row: sa.Row[Any]) -> Account:
    return Account(row.username, row.role, row.learner, row.disabled, row.created_at)


# -- signing in and out


def sign_in(hub: Hub, username: str, password: str, address: str) -> SignedIn | SignInRefused:
    """A new session for whoever knows the password.

    An unknown, a locked and a wrong account take the same time and get the same answer: the form must not tell who
    works here. Every attempt counts until one succeeds, so that many at once cannot slip under the limit.
    """
    username = normalize(username)[: LONGEST_USERNAME + 1]
    who = f"{username}\n{address}"
    if not limits.allow(hub, "login", who, most=MOST_FAILURES, seconds=FAILURE_WINDOW_SECONDS):
        return SignInRefused("too_many")
    with hub.db.read() as conn:
        query = sa.select(accounts.c.password, accounts.c.role, accounts.c.learner, accounts.c.disabled)
        row = conn.execute(query.where(accounts.c.username == username)).first()
    stored = _nobody() if row is None else row.password
    is_right = _is_right(stored, password[: LONGEST_PASSWORD + 1])
    if row is None or row.disabled or not is_right:
        return SignInRefused("wrong")
    limits.forget(hub, "login", who)
    token = base64.urlsafe_b64encode(hub.random(32)).rstrip(b"=").decode()
    session = Session(session_id(hub, token), username, row.role, row.learner)
    now = hub.clock()
    with hub.db.write() as conn:
        values = {"id": session.id, "username": username, "created_at": now, "expires": now + LIFETIME}
        conn.execute(web_sessions.insert().values(values))
    return SignedIn(session, token)


def sign_out(conn: sa.Connection, session: Session) -> None:
    """End a session."""
    conn.execute(web_sessions.delete().where(web_sessions.c.id == session.id))


def find_session(conn: sa.Connection, hub: Hub, token: str) -> Session | None:
    """The session of a cookie, while it lasts and its account is open."""
    found = session_id(hub, token)
    rows = _SESSION.all(conn, which=found, now=hub.clock())
    if not rows:
        return None
    username, numbers = rows[0].username, revisions.numbers_of(rows)
    account = hub.accounts.find(numbers, username, lambda: find(conn, username))
    if account is None or account.is_disabled:
        return None
    return Session(found, account.username, account.role, account.learner, numbers)


def forget_expired(conn: sa.Connection, now: datetime) -> int:
    """Delete the sessions that are over; tells how many."""
    return conn.execute(web_sessions.delete().where(web_sessions.c.expires <= now)).rowcount


def session_id(hub: Hub, token: str) -> bytes:
    """The name of the session that a browser's cookie is for."""
    return hub.keyring.digest("web-session", token)


def _hasher() -> argon2.PasswordHasher:
    # 0.05 s here; more would let few logins keep both processors busy (docs/dependencies.md).
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@functools.cache
def _nobody() -> str:
    """What an unknown account's password is compared with."""
    return _hasher().hash("nobody has this password")


def _is_right(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


# -- this request


def current() -> Session | None:
    """Who sends this request; None where nobody is signed in. Asked of the database once a request."""
    if "wkmb_session" not in flask.g:
        with current_hub().db.singly() as conn:
            return current_in(conn)
    session: Session | None = flask.g.wkmb_session
    return session


def current_in(conn: sa.Connection) -> Session | None:
    """The same for a view that reads more in this transaction."""
    if "wkmb_session" not in flask.g:
        token = flask.request.cookies.get(COOKIE, "")
        flask.g.wkmb_session = find_session(conn, current_hub(), token) if 0 < len(token) <= 64 else None
    session: Session | None = flask.g.wkmb_session
    return session


def require(*roles: str) -> Callable[[Callable[P, Answer]], Callable[P, Answer]]:
    """A view for signed-in people with one of these roles (none named: any). Others sign in first, or get 403."""

    def decorate(view: Callable[P, Answer]) -> Callable[P, Answer]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Answer:
            session = current()
            if session is None:
                return _to_login()
            if roles and session.role not in roles:
                raise Forbidden
            return view(*args, **kwargs)

        return guarded

    return decorate


def _to_login() -> Response:
    # After a form there is no page to come back to: its address takes no GET.
    path = flask.request.full_path.rstrip("?") if flask.request.method == "GET" else None
    return flask.redirect(flask.url_for("session.login", next=None if path == "/" else path), 303)
