"""What people see of the institution behind a connector: its title, or its technical name where it has none.

Files, addresses and the API's members name a connector by its name; whatever people read goes through here.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.tables import connectors


def shown(name: str, title: str | None) -> str:
    """What people see of a connector."""
    return title or name


def by_number(conn: sa.Connection) -> dict[int, str]:
    """What people see of each connector, by its number. There is one per institution, so they are read whole."""
    return {row.id: shown(row.name, row.title) for row in _rows(conn)}


def by_name(conn: sa.Connection) -> dict[str, str]:
    """What people see of each connector, by its name."""
    return {row.name: shown(row.name, row.title) for row in _rows(conn)}


def _rows(conn: sa.Connection) -> sa.CursorResult[tuple[int, str, str | None]]:
    return conn.execute(sa.select(connectors.c.id, connectors.c.name, connectors.c.title))
