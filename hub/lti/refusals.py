"""What was refused to a tool, for the administrator who looks why it does not work: the newest of each kind.

One row for a tool, a door and a check, however often it happens, and not written more often than `EVERY`: whoever
makes requests up in a tool's name fills nothing and slows nothing down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub.systems.registry import Tool
from hub.tables import refusals
from lrs.database import upsert

if TYPE_CHECKING:
    from hub.runtime import Hub

#: The same check of the same tool is written down at most so often.
EVERY = timedelta(seconds=2)

#: What is older has been mended, or the tool has given up.
KEPT = timedelta(days=30)

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Refused:
    """``door`` is launch, token or picking; ``detail`` says what was found, with the value."""

    door: str
    failed: str
    error: str
    detail: str
    at: datetime


def note(hub: Hub, tool: Tool, door: str, failed: str, error: str, detail: str) -> None:
    """Write down what was refused; a transaction of its own."""
    now = hub.clock()
    row = {"tool": tool.id, "door": door, "failed": failed, "at": now, "error": error}
    # A NUL is no text that PostgreSQL could keep.
    row["detail"] = detail[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}")
    where = refusals.c.at <= now - EVERY
    hub.db.run(lambda conn: upsert(conn, refusals, row, update=["at", "error", "detail"], where=where))


def of_tool(conn: sa.Connection, tool: Tool) -> list[Refused]:
    """The newest first; there are no more than there are checks."""
    columns = (refusals.c.door, refusals.c.failed, refusals.c.error, refusals.c.detail, refusals.c.at)
    rows = conn.execute(sa.select(*columns).where(refusals.c.tool == tool.id).order_by(refusals.c.at.desc()))
    return [Refused(*row) for row in rows]


def purge(conn: sa.Connection, now: datetime) -> int:
    """Forget what has not happened for a while; tells how many."""
    return conn.execute(sa.delete(refusals).where(refusals.c.at <= now - KEPT)).rowcount
