"""Accounts in the memory of one process: every request of somebody who is signed in asks for hers.

They are good at one revision (`hub.revisions`): whoever locks an account or gives it to another person bumps it in the
same transaction, and every process forgets all of them with its next request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

#: The row of `hub.revisions` that goes up when an account is another one than it was.
REVISION = "accounts"

#: With more than these they are forgotten, and read again as they come.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Account:
    """Who may sign in."""

    username: str
    role: str
    learner: UUID | None
    is_disabled: bool
    created_at: datetime


class KnownAccounts:
    """The accounts of one process by their names. Threads share it."""

    def __init__(self) -> None:
        self._revision = 0
        self._known: dict[str, Account] = {}
        self._lock = threading.Lock()

    def find(self, numbers: Mapping[str, int], name: str, read: Callable[[], Account | None]) -> Account | None:
        """The account of that name; ``read`` asks the database, ``numbers`` are the revisions, read before that."""
        revision = numbers.get(REVISION, 0)
        with self._lock:
            if self._revision != revision:
                self._revision, self._known = revision, {}
            known = self._known.get(name)
        return known if known is not None else self._read(revision, name, read)

    def _read(self, revision: int, name: str, read: Callable[[], Account | None]) -> Account | None:
        found = read()
        with self._lock:
            # Another thread may have seen a newer number meanwhile: what I read could be from before it.
            if found is not None and self._revision == revision:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[name] = found
        return found
