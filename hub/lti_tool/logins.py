"""Logins that platforms initiate, from the first redirect to the launch that consumes them.

A login is tied to the browser that began it, by a cookie, and to one nonce; it goes through exactly once. PyLTI1p3
checks a nonce without consuming it and takes it with any state: who can show an id_token twice, or another's, gets in
(docs/lti-tool.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from hub.lti_tool.messages import Launch
from hub.lti_tool.tables import tool_logins
from lrs.database import insert_all

if TYPE_CHECKING:
    from hub.runtime import Hub

#: A platform asks for a password in between, at times.
LIFE = timedelta(minutes=10)

#: How long what was launched is remembered: a refreshed page, signing in, or choosing a course belongs to it.
REMEMBERED = timedelta(hours=1)

_STATE, _NONCE, _BROWSER, _TOKEN = ("tool-login-state", "tool-login-nonce", "tool-login-browser", "tool-login-token")


@dataclass(frozen=True, slots=True)
class Login:
    """A login and, once consumed, what was launched with it and whom the hub took for the person."""

    id: bytes
    platform: int
    browser: bytes
    nonce: bytes
    target_link_uri: str
    created_at: datetime
    expires: datetime
    consumed_at: datetime | None
    token: bytes | None
    launch: Launch | None
    learner: UUID | None


def write(
    conn: sa.Connection, hub: Hub, *, platform: int, state: str, nonce: str, browser: str, target_link_uri: str
) -> None:
    """Remember a login that begins. What is secret is kept as a digest."""
    now = hub.clock()
    row = {
        "id": hub.keyring.digest(_STATE, state),
        "platform": platform,
        "browser": hub.keyring.digest(_BROWSER, browser),
        "nonce": digest_nonce(hub, nonce),
        "target_link_uri": target_link_uri,
        "created_at": now,
        "expires": now + LIFE,
    }
    insert_all(conn, tool_logins, [row])


def find(conn: sa.Connection, hub: Hub, state: str) -> Login | None:
    """The login that this state was made for, unless it is over."""
    query = sa.select(tool_logins).where(tool_logins.c.id == hub.keyring.digest(_STATE, state))
    row = conn.execute(query.where(tool_logins.c.expires > hub.clock())).first()
    return None if row is None else _read(row)


def is_of_browser(hub: Hub, login: Login, cookie: str) -> bool:
    """Whether the browser with this cookie began the login."""
    return bool(cookie) and hub.keyring.digest(_BROWSER, cookie) == login.browser


def digest_nonce(hub: Hub, nonce: str) -> bytes:
    """What is kept of a nonce."""
    return hub.keyring.digest(_NONCE, nonce)


def digest_token(hub: Hub, id_token: str) -> bytes:
    """What is kept of an id_token, to know it again when a page is refreshed."""
    return hub.keyring.digest(_TOKEN, id_token)


def consume(conn: sa.Connection, hub: Hub, login: Login, id_token: str, launch: Launch) -> bool:
    """Let the login go through; False if it went through before. One statement decides, so there is no second."""
    now = hub.clock()
    statement = (
        sa.update(tool_logins)
        .where(tool_logins.c.id == login.id, tool_logins.c.consumed_at.is_(None))
        .values(
            consumed_at=now,
            expires=now + REMEMBERED,
            token=digest_token(hub, id_token),
            launch=launch.to_json(),
        )
    )
    return conn.execute(statement).rowcount == 1


def set_learner(conn: sa.Connection, login: Login, learner: UUID) -> None:
    """Note whom the hub takes for the person."""
    conn.execute(sa.update(tool_logins).where(tool_logins.c.id == login.id).values(learner=learner))


def purge(conn: sa.Connection, now: datetime) -> int:
    """Delete the logins that are over; tells how many."""
    return conn.execute(sa.delete(tool_logins).where(tool_logins.c.expires <= now)).rowcount


def _read(row: sa.Row[Any]) -> Login:
    kept = dict(row._mapping) | {"launch": None if row.launch is None else Launch.from_json(row.launch)}
    return Login(**kept)
