"""Hand over recognized hours to SIASN, each once, and remember what became of each.

SIASN cannot be asked to take something back, so what was handed over is on record here: the entry, SIASN's id for it,
or why it was refused. A run goes one call at a time and stops at the first failure that is not about one entry (the
system is down, a token is refused): whatever comes after would fail too, and the next run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connectors.base import ConnectorError
from connectors.siasn import SIASN, AlreadyThere, Hours, NotSaved, Outcome, Saved
from hub.siasn_tables import siasn_entries
from lrs.database import Database, upsert

#: A process that has been handing over one entry for so long is dead.
SENDING = timedelta(minutes=10)

#: The certificate's PDF of an entry, where there is one.
FindCertificate = Callable[[Hours], bytes | None]


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of one entry."""

    entry: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Export:
    """What a run did, in order, and why it stopped early, if it did."""

    handed: tuple[Handed, ...]
    error: ConnectorError | None = None


@dataclass(frozen=True)
class SIASNExport:
    """Exports of one siasn connector."""

    db: Database
    siasn: SIASN
    connector: int
    clock: Callable[[], datetime]
    find_certificate: FindCertificate = lambda _hours: None

    def run(self, hours: Sequence[Hours], *, dry_run: bool = False, again: bool = False) -> Export:
        """Hand over what is not there yet.

        ``again`` tries what was refused too. ``dry_run`` shows what would be sent, and keeps nothing.
        """
        with self.db.read() as conn:
            known = _known(conn, self.connector, [each.entry for each in hours])
        handed: list[Handed] = []
        try:
            for each in hours:
                before = known.get(each.entry)
                if _is_settled(before, again=again):
                    continue
                if dry_run:
                    handed.append(Handed(each.entry, self.siasn.save(each, dry_run=True)))
                elif self._begin(each):
                    handed.append(Handed(each.entry, self._hand_over(each, before)))
        except ConnectorError as error:
            return Export(tuple(handed), error)
        return Export(tuple(handed))

    def _begin(self, hours: Hours) -> bool:
        """Reserve an entry; false if another process is handing it over. SIASN would keep both attempts."""
        now = self.clock()
        row = {
            "connector": self.connector,
            "entry": hours.entry,
            "hours": hours.whole_hours,
            "is_settled": False,
            "sending_until": now + SENDING,
            "at": now,
        }
        until = siasn_entries.c.sending_until
        free = sa.or_(until.is_(None), until <= now)
        return self.db.run(lambda conn: upsert(conn, siasn_entries, row, update=["sending_until"], where=free))

    def _end(self, handed: Hours, **outcome: Any) -> None:
        row = siasn_entries.c
        update = sa.update(siasn_entries).where(row.connector == self.connector, row.entry == handed.entry)
        self.db.run(lambda conn: conn.execute(update.values(sending_until=None, at=self.clock(), **outcome)))

    def _hand_over(self, hours: Hours, before: sa.Row[Any] | None) -> Outcome:
        try:
            if before is not None and before.siasn_id is not None:
                outcome: Outcome = AlreadyThere(before.siasn_id)
            else:
                outcome = self.siasn.save(hours)
            if isinstance(outcome, NotSaved):
                self._end(hours, reason=outcome.reason, detail=outcome.detail)
            elif isinstance(outcome, Saved | AlreadyThere):
                # On record before the certificate goes out: whatever happens to that, the entry is at SIASN.
                self._end(hours, siasn_id=outcome.id, hours=hours.whole_hours, reason=None, detail=None)
                outcome = self._attach(hours, outcome)
        except ConnectorError:
            self._end(hours)
            raise
        return outcome

    def _attach(self, hours: Hours, outcome: Saved | AlreadyThere) -> Outcome:
        pdf = self.find_certificate(hours)
        refused = None if pdf is None else self.siasn.upload_certificate(outcome.id, pdf)
        if refused is not None:
            return NotSaved("document_refused", refused.detail)
        self._end(hours, is_settled=True)
        return outcome


def _known(conn: sa.Connection, connector: int, entries: Iterable[str]) -> dict[str, sa.Row[Any]]:
    found: dict[str, sa.Row[Any]] = {}
    wanted = list(entries)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        row = siasn_entries.c
        query = sa.select(siasn_entries).where(row.connector == connector, row.entry.in_(part))
        found |= {each.entry: each for each in conn.execute(query)}
    return found


def _is_settled(before: sa.Row[Any] | None, *, again: bool) -> bool:
    """Whether there is nothing more to do: at SIASN with its certificate, or refused and not asked for again."""
    if before is None:
        return False
    return bool(before.is_settled) or (before.reason is not None and not again)
