"""Who did what: an append-only record of every change that a person or a command made to the hub's configuration,
people and decisions. What machines report is in the LRS; what was recognized is in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub.tables import audit_log
from lrs.database import insert_all


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody did. ``who`` is an account's name, or "cli:" and the operating system's user."""

    at: datetime
    id: UUID
    who: str
    action: str
    object: str
    detail: dict[str, Any]


def record(
    conn: sa.Connection,
    *,
    who: str,
    action: str,
    object: str,
    now: datetime,
    new_id: Callable[[], UUID],
    **detail: Any,
) -> None:
    """Write down an act in the transaction that did it. ``action`` is the command's words: "tool.add"."""
    row = {"month": now.strftime("%Y-%m"), "at": now, "id": new_id(), "who": who, "action": action, "object": object}
    insert_all(conn, audit_log, [row | {"detail": orjson.dumps(detail, default=str).decode()}])


def read(conn: sa.Connection, month: str, *, limit: int, after: tuple[datetime, UUID] | None = None) -> tuple[Act, ...]:
    """The acts of a month (``2026-11``), newest first; ``after`` is the time and id of the last one seen."""
    table = audit_log.c
    query = sa.select(table.at, table.id, table.who, table.action, table.object, table.detail)
    query = query.where(table.month == month)
    if after is not None:
        query = query.where(sa.or_(table.at < after[0], sa.and_(table.at == after[0], table.id < after[1])))
    rows = conn.execute(query.order_by(table.at.desc(), table.id.desc()).limit(limit))
    return tuple(Act(row.at, row.id, row.who, row.action, row.object, orjson.loads(row.detail)) for row in rows)
