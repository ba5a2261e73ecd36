"""Who was let in a moment ago, in the memory of one process: an LMS sends its statements one after the other.

Each is asked for again after some milliseconds, so that whoever is let in no more is out by then in every process.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, TypeVar

Caller = TypeVar("Caller")

#: How long who was let in is let in again without asking the database.
STANDS = timedelta(milliseconds=20)

#: With more than these they are forgotten, and read again as they come. A longer header (it may be filled up with
#: spaces) is not kept at all.
_MOST, _LONGEST = 1000, 1024


class KnownCallers(Generic[Caller]):
    """Callers by the Authorization header that let them in. Threads share it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, Caller]] = {}

    def find(self, authorization: str, now: datetime) -> Caller | None:
        """Whom this header has let in just now."""
        found = self._known.get(authorization)
        return found[1] if found is not None and timedelta(0) <= now - found[0] < STANDS else None

    def remember(self, authorization: str, asked: datetime, caller: Caller) -> None:
        """She was let in; ``asked`` is before the database was."""
        if len(authorization) > _LONGEST:
            return
        if len(self._known) >= _MOST:
            self._known = {}
        self._known[authorization] = asked, caller

    def forget(self) -> None:
        """Ask for everybody again: this process has just decided anew who may come in."""
        self._known = {}
