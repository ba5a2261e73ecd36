"""What the LRS refuses, and why. Only the HTTP face turns these into status codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


class LRSError(Exception):
    """Something was refused. The message says what, why and what to do."""


class Malformed(LRSError):
    """The bytes are not the strict JSON, multipart or parameter that was expected."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One requirement that is not met: where, which one, and why."""

    path: str
    requirement: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({self.requirement})"


class TooMuch(LRSError):
    """More at once than one transaction should hold; the message says how much is taken."""


#: How many problems are told at once. Whoever sends a million wrong things is not answered with a larger page.
MOST_PROBLEMS = 1000


class Invalid(LRSError):
    """The statements break requirements; ``problems`` lists every one of them, up to `MOST_PROBLEMS`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems[:MOST_PROBLEMS])
        listed = [str(problem) for problem in self.problems]
        more = ["there may be more problems: mend these first"] if len(problems) >= MOST_PROBLEMS else []
        super().__init__("; ".join(listed + more))


class Conflict(LRSError):
    """Another statement is stored under one of these ids; it stays as it is."""

    def __init__(self, ids: Sequence[UUID]) -> None:
        self.ids = tuple(ids)
        names = ", ".join(str(each) for each in self.ids)
        super().__init__(f"Different from what is stored under the same id: {names}. The stored statement stays.")


class VoidRefused(LRSError):
    """The target of a voiding statement was stored by somebody else."""

    def __init__(self, targets: Sequence[UUID]) -> None:
        self.targets = tuple(targets)
        names = ", ".join(str(each) for each in self.targets)
        super().__init__(f"Only the source that stored a statement may void it; not yours: {names}.")


class PreconditionFailed(LRSError):
    """The document is not in the state that If-Match or If-None-Match asks for."""


class PreconditionMissing(LRSError):
    """The document exists, and the request does not say which state of it it means to change."""


class NoPartition(LRSError):
    """No partition of the table takes what was written, because nobody made the one of this month."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"The database has no partition of {table} for the present: nothing was stored. Send it again later; "
            "the operator runs `wkmb db partition` and sees that a worker runs."
        )
        self.table = table
