"""Picking courses at a provider: LTI Deep Linking 2.0, from an administrator's click to what the provider sends back.

`start` writes the picking and gives the address at which the tool's login begins, as for a launch. The picker's
answer comes to `hub.lti.deeplink`; what it holds lands as drafts (`hub.lti.drafts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from connectors import xapi
from hub.access.accounts import Session
from hub.errors import HubError
from hub.lti.launches import HINT_LIFE, with_parameters
from hub.systems.registry import Deployment, Tool
from hub.tables import pickings
from lrs.database import insert_all

if TYPE_CHECKING:
    from hub.runtime import Hub

#: How long somebody may look around in a picker.
LIFE = timedelta(hours=2)

#: Who may pick courses.
ROLES = ("admin", "operator")

_HINT = "picking-hint"
_DATA = "picking-data"


@dataclass(frozen=True, slots=True)
class Picking:
    """One visit of one administrator to a provider's picker. ``response`` is the digest of the answer."""

    id: UUID
    username: str
    session: bytes
    tool: int
    deployment: int
    locale: str
    created_at: datetime
    hint_used_at: datetime | None
    response: bytes | None
    login_hint: str

    def is_of(self, session: Session) -> bool:
        """Whether it was begun in this browser, by somebody who still may."""
        return session.id == self.session and session.role in ROLES


def start(hub: Hub, tool: Tool, deployment: Deployment, session: Session, locale: str) -> str:
    """Begin: where to send the browser. Refused is a tool that has no picker, or is switched off."""
    if tool.deep_linking_url is None:
        action = "Ask its administrator for a deep linking URL and enter it."
        raise HubError("no_picker", f"{tool.name} has no page on which courses are picked.", action=action)
    if tool.disabled or deployment.disabled:
        raise HubError("switched_off", f"{tool.name}/{deployment.name} is switched off.", action="Enable it first.")
    now, picking = hub.clock(), hub.new_id()
    row = {
        "id": picking,
        "username": session.username,
        "session": session.id,
        "tool": tool.id,
        "deployment": deployment.id,
        "locale": locale,
        "created_at": now,
    }
    with hub.db.write() as conn:
        insert_all(conn, pickings, [row])
    parameters = {
        "iss": hub.base_url,
        "login_hint": _login_hint(hub, session.username),
        "target_link_uri": tool.deep_linking_url,
        "lti_message_hint": hub.keyring.sign(_HINT, str(picking), now + HINT_LIFE),
        "client_id": tool.client_id,
        "lti_deployment_id": deployment.deployment_id,
    }
    return with_parameters(tool.login_url, parameters)


def read_hint(hub: Hub, hint: str) -> UUID | None:
    """The picking that this ``lti_message_hint`` was given for; None where it is none of a picking, or over."""
    value = hub.keyring.verify(_HINT, hint, hub.clock())
    return UUID(value) if isinstance(value, str) else None


def data_of(hub: Hub, picking: Picking) -> str:
    """What the tool sends back as it got it (Deep Linking 2.0 section 4.4.1): it binds the answer to the picking."""
    return hub.keyring.sign(_DATA, str(picking.id), picking.created_at + LIFE)


def read_data(hub: Hub, data: str) -> UUID | None:
    """The picking that this ``data`` was given for; None where it is forged or over."""
    value = hub.keyring.verify(_DATA, data, hub.clock())
    return UUID(value) if isinstance(value, str) else None


def find(conn: sa.Connection, hub: Hub, picking_id: UUID) -> Picking | None:
    """The picking with that id."""
    row = conn.execute(sa.select(pickings).where(pickings.c.id == picking_id)).first()
    return None if row is None else Picking(**row._mapping, login_hint=_login_hint(hub, row.username))


def consume(conn: sa.Connection, picking: Picking, now: datetime) -> bool:
    """Let the picker be opened; False if it was opened before. One statement decides."""
    unused = sa.update(pickings).where(pickings.c.id == picking.id, pickings.c.hint_used_at.is_(None))
    return conn.execute(unused.values(hint_used_at=now)).rowcount == 1


def answer(conn: sa.Connection, picking: Picking, digest: bytes) -> bool:
    """Take the picker's answer; False if there is one already."""
    waiting = sa.update(pickings).where(pickings.c.id == picking.id, pickings.c.response.is_(None))
    return conn.execute(waiting.values(response=digest)).rowcount == 1


def purge(conn: sa.Connection, now: datetime) -> int:
    """Forget pickings that nothing can answer any more; tells how many."""
    return conn.execute(sa.delete(pickings).where(pickings.c.created_at <= now - LIFE)).rowcount


def _login_hint(hub: Hub, username: str) -> str:
    """Who it is for the tool: opaque, and the same each time."""
    return str(xapi.statement_id("picker", hub.base_url, username))
