"""Numbers that go up with each change of something that processes keep in memory.

Who keeps it reads all of them by one small query, and reads the thing itself only when its number is another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from hub.tables import revisions
from lrs.database import insert_missing
from lrs.precompiled import Precompiled

T = TypeVar("T")

#: The number of what each recomputation goes by: policies kept up, schemes, rules of follow-up.
FOLLOWED = "followed"

_ALL = Precompiled(sa.select(revisions.c.name, revisions.c.number))


def read(conn: sa.Connection) -> Mapping[str, int]:
    """Every number by its name; what was never changed has none, and counts as 0."""
    return numbers_of(_ALL.all(conn))


def with_numbers(query: sa.Select[Any]) -> sa.Select[Any]:
    """What asks for one row and for every number (`numbers_of`) at once: the row stands beside each of them."""
    return query.outerjoin(revisions, sa.true()).add_columns(revisions.c.name, revisions.c.number)


def numbers_of(rows: Iterable[Any]) -> Mapping[str, int]:
    """The numbers in these rows."""
    return {row.name: row.number for row in rows if row.name is not None}


def bump(conn: sa.Connection, name: str) -> None:
    """Have every process read it again, once this transaction has ended."""
    insert_missing(conn, revisions, [{"name": name, "number": 0}])
    conn.execute(sa.update(revisions).where(revisions.c.name == name).values(number=revisions.c.number + 1))


class Kept(Generic[T]):
    """What a process keeps in memory whole, and ``read``s again only when the number of that name is another one.

    Threads share it.
    """

    def __init__(self, name: str, read: Callable[[sa.Connection], T]) -> None:
        self._name = name
        self._read = read
        self._known: tuple[int, T] | None = None
        self._lock = threading.Lock()

    def current(self, conn: sa.Connection, numbers: Mapping[str, int] | None = None) -> T:
        """The newest; ``numbers`` are those of this transaction, where they were read already.

        Not for the transaction that changes it: others would see what may be taken back.
        """
        number = (read(conn) if numbers is None else numbers).get(self._name, 0)
        known = self._known
        if known is not None and known[0] == number:
            return known[1]
        # After the number: what was changed in between is read once more, never missed.
        found = self._read(conn)
        with self._lock:
            # Another thread may have read a newer one meanwhile.
            if self._known is None or self._known[0] < number:
                self._known = number, found
        return found
