"""What every connector gives: `Connector.fetch` and `Connector.test`, and the one error root.

A connector is one external system. What differs per kind of system is here in `connectors`; what is done with the
result (statements stored, cursor kept, runs recorded) is the hub's business. Nothing here opens a database, reads
the wall clock, or knows what a learner is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

#: Gives the time now, in UTC. Connectors do not read the clock themselves.
Clock = Callable[[], datetime]


class ConnectorError(Exception):
    """Something between the hub and an external system did not work.

    `where` is the system (an address without its query, a file and line), `why` what happened, `advice` what a
    person can do about it. `code` is stable, for pages that translate it. `retryable` says that the same call may
    succeed later with nothing changed. A message never carries a secret: no query string, no header, no body.
    """

    def __init__(
        self,
        where: str,
        why: str,
        advice: str,
        *,
        code: str,
        retryable: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{where}: {why}. {advice}")
        self.where = where
        self.why = why
        self.advice = advice
        self.code = code
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Received:
    """One statement exactly as the other system sent it.

    `stored` and `authority` are the other system's own words about it. The hub sets its own on acceptance and
    keeps these with the origin.
    """

    raw: bytes
    id: str | None = None
    stored: str | None = None
    authority: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements to store together with `cursor`, in one transaction.

    Whoever starts again with `cursor` misses nothing that came after this batch; it may meet some of it twice,
    with the same ids.
    """

    statements: tuple[Received, ...]
    cursor: str | None
    version: str = "1.0.3"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the admin's "test" button: a tick, or the reason and what to do.

    `code` names the check, `reason` the outcome (both stable, for translation); `detail` is an English sentence.
    `subject` is the one of several things that was looked at, where a system has several.
    """

    code: str
    outcome: Literal["ok", "warning", "failed", "skipped"]
    reason: str
    detail: str
    subject: str = ""


class Connector(Protocol):
    """The side of an external system that the hub asks by itself."""

    def fetch(self, cursor: str | None) -> Iterator[Batch]:
        """What is new since ``cursor``, oldest first, in bounded batches; raises `ConnectorError`."""
        ...

    def test(self, clock: Clock) -> tuple[Check, ...]:
        """Whether the system can be reached and lets us in; expected failures are values."""
        ...
