"""Whom a launch is about: the platform's ``sub``, the learner that it is here, and the session that she gets.

A platform's word for a person (issuer, ``sub``) is an identity like any other (`hub.people.identity`). It is linked to
a learner when she launches while she is signed in here, or by whoever decides on unresolved identities. A NIP or an
e-mail address in the launch proves nothing: a teacher of that LMS may have typed it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from hub import journal
from hub.access import accounts
from hub.lti_tool.messages import Launch
from hub.people import identity
from hub.tables import accounts as account_rows
from hub.tables import web_sessions
from lrs.agents import Identifier, agent_key

if TYPE_CHECKING:
    from hub.runtime import Hub

#: How a link says that a launch made it.
BY = "launch"


@dataclass(frozen=True, slots=True)
class Known:
    """The learner that a launch is about. ``is_new``: this launch linked her."""

    learner: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whose identity this is. ``other``: the signed-in learner has another one at that platform."""

    other: bool


def who(launch: Launch) -> Identifier:
    """The identity that the platform speaks of; a Moodle names the same pair in its statements."""
    return Identifier("account", launch.issuer, launch.sub)


def recognize(conn: sa.Connection, hub: Hub, launch: Launch, session: accounts.Session | None) -> Known | Unknown:
    """Whose launch it is, linked to whoever is signed in in this browser where nobody has it yet."""
    known = identity.learner_of(conn, agent_key(who(launch)))
    if known is not None:
        return Known(known, is_new=False)
    identity.note_unknown(conn, [who(launch)], now=hub.clock())
    if session is None or session.learner is None:
        return Unknown(other=False)
    # Somebody who is known there under another name is not this person: she forgot to sign out here.
    if _is_known_there(conn, session.learner, launch.issuer):
        return Unknown(other=True)
    identity.link(conn, who(launch), session.learner, by=BY, now=hub.clock(), new_id=hub.new_id)
    journal.record(
        conn,
        who=session.username,
        action="identity.link",
        object=f"identity:{launch.issuer} {launch.sub}",
        now=hub.clock(),
        new_id=hub.new_id,
        by=BY,
    )
    return Known(session.learner, is_new=True)


def _is_known_there(conn: sa.Connection, learner: UUID, issuer: str) -> bool:
    theirs = identity.identities_of(conn, learner)
    return any(each.who.homepage == issuer and each.linked_by == BY for each in theirs)


def begin_session(conn: sa.Connection, hub: Hub, learner: UUID) -> str | None:
    """Sign the learner in: what her browser's cookie is to hold; None where she has no account here.

    The account is one of the role learner: an LMS elsewhere makes nobody an administrator.
    """
    at = account_rows.c
    query = sa.select(at.username).where(
        at.learner == learner, at.role == "learner", at.disabled.is_(sa.false())
    )  # fmt: skip
    username = conn.execute(query.order_by(at.username).limit(1)).scalar()
    if username is None:
        return None
    token = base64.urlsafe_b64encode(hub.random(32)).rstrip(b"=").decode()
    now = hub.clock()
    row = {
        "id": accounts.session_id(hub, token),
        "username": username,
        "created_at": now,
        "expires": now + accounts.LIFETIME,
    }
    conn.execute(web_sessions.insert().values(row))
    return token
