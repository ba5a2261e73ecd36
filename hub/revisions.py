"""Numbers that go up with each change of something that processes keep in memory.

Who keeps it reads all of them by one small query, and reads the thing itself only when its number is another one.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from hub.tables import revisions
from lrs.database import insert_missing
from lrs.precompiled import Precompiled

#: The number of what each recomputation goes by: policies kept up, schemes, rules of follow-up.
FOLLOWED = "followed"

_ALL = Precompiled(sa.select(revisions.c.name, revisions.c.number))


def read(conn: sa.Connection) -> Mapping[str, int]:
    """Every number by its name; what was never changed has none, and counts as 0."""
    return {row.name: row.number for row in _ALL.all(conn)}


def bump(conn: sa.Connection, name: str) -> None:
    """Have every process read it again, once this transaction has ended."""
    insert_missing(conn, revisions, [{"name": name, "number": 0}])
    conn.execute(sa.update(revisions).where(revisions.c.name == name).values(number=revisions.c.number + 1))
