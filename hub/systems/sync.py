"""Pulls: what another LRS has stored since the last time, into ours.

One run of a connector is: take its lease -> fetch a batch (network, no transaction) -> one write with statements,
inbox, origin, counts and cursor -> … -> give the lease back, with the outcome. Killed anywhere, the cursor says what
is stored for certain; started again, what was fetched but not committed comes again with the same ids.

- **The lease** is a row per connector, so that two workers never run one connector together. Its owner is the run
  itself and every write asks for it: a run that slept through its lease can commit nothing any more.
- **The circuit breaker** is two columns: a system that keeps failing is asked less and less often (`next_attempt`).
- **A statement that ours must refuse** (invalid, or different from the stored one of its id) is set aside with its
  bytes and the reason, and the rest goes on: one bad statement must not stop a system's reports for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from connectors.base import Batch, Connector, ConnectorError, Received
from connectors.external_lrs import ExternalLRS, LRSSettings
from connectors.http import MIB, GuardedSession
from hub.systems.sync_tables import connector_runs, connector_state, pulled_statements, set_aside_statements
from lrs import statements
from lrs.database import Database, insert_new
from lrs.errors import Conflict, Invalid, Malformed, TooMuch, VoidRefused
from lrs.sequence import Sequence as Numbers
from lrs.sequence import Ticket
from lrs.statements import Prepared, Writer
from lrs.store import Saved

#: A worker that died gives its connector back after this long; a living one renews it.
LEASE = timedelta(seconds=10)
RENEW_SECONDS = 3.0

#: A page of statements may be this long.
PAGE_BYTES = 16 * MIB

#: The breaker: so many failures in a row open it, for a time that doubles with each further one.
FAILURES_TO_OPEN = 3
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Source:
    """One connector to pull from, ready to be asked."""

    id: int
    connector: Connector
    every: timedelta
    authority: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pull:
    """What one run did. `state` is "ok", "failed", "stopped" (the worker ends; it is due again at once) or "lost"
    (another worker took over)."""

    run: UUID
    started: datetime
    cursor_from: str | None
    cursor: str | None
    state: str = "running"
    stored: int = 0
    repeated: int = 0
    set_aside: int = 0
    error: ConnectorError | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether it has a row: only if it brought something."""
        return self.stored + self.set_aside > 0


@dataclass(frozen=True, slots=True)
class Reject:
    """A statement that is set aside, and why."""

    received: Received
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that keeps the rules, and how it came."""

    prepared: Prepared
    received: Received


class _LeaseLost(Exception):
    """Another worker has this connector now; nothing of this write is kept."""


#: Stores prepared statements and whatever has to stand beside them (the inbox) in the caller's transaction.
Accept = Callable[[sa.Connection, Sequence[Prepared], Ticket], Saved]


@dataclass(frozen=True)
class Sync:
    """Runs pulls. Its collaborators are the process's own: database, numbers, clock."""

    db: Database
    numbers: Numbers
    accept: Accept
    open_source: Callable[[int], AbstractContextManager[Source]]
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    stopping: Callable[[], bool] = lambda: False

    def run(self, connector: int, *, force: bool = False) -> Pull | None:
        """Pull everything new from one connector; `None` if it is running, or not due and not forced."""
        run, now = self.new_id(), self.clock()
        claimed = self.db.run(lambda conn: _claim(conn, connector, run, now, force=force))
        if not claimed:
            return None
        with self._kept(connector, run):
            pull, every = self._pull(connector, Pull(run, now, claimed[0], claimed[0]))
        ended = self.clock()
        self.db.run(lambda conn: _finish(conn, connector, pull, every, ended))
        return pull

    def _pull(self, connector: int, pull: Pull) -> tuple[Pull, timedelta]:
        """Fetch and keep until there is no more; gives also how often this connector is asked."""
        every = FIRST_PAUSE
        try:
            with self.open_source(connector) as source:
                every = source.every
                writer = Writer(source.authority, source.id, f"run:{pull.run}")
                for batch in source.connector.fetch(pull.cursor):
                    pull = self._keep(source, writer, batch, pull)
                    if self.stopping():
                        return replace(pull, state="stopped"), every
        except ConnectorError as error:
            return replace(pull, state="failed", error=error), every
        except _LeaseLost:
            return replace(pull, state="lost"), every
        return replace(pull, state="ok"), every

    def _keep(self, source: Source, writer: Writer, batch: Batch, pull: Pull) -> Pull:
        """Commit one batch with its cursor; what the database refuses joins what the rules refused."""
        good, rejects = prepare(batch, writer, new_id=self.new_id, extra_keys=self.extra_keys)
        while True:
            try:
                with self.numbers.writing() as ticket:
                    work = partial(self._write, ticket, source.id, batch.cursor, pull, tuple(good.values()), rejects)
                    return self.db.run(work)
            except (Conflict, VoidRefused) as refusal:
                refused = [id for id, each in good.items() if _concerns(refusal, each.prepared)]
                if not refused:
                    raise
                rejects = [*rejects, *(Reject(good.pop(id).received, str(refusal)) for id in refused)]
            except TooMuch as refusal:
                if len(good) > 1:
                    return self._keep_halves(source, writer, batch, pull)
                rejects = [*rejects, *(Reject(each.received, str(refusal)) for each in good.values())]
                good = {}

    def _keep_halves(self, source: Source, writer: Writer, batch: Batch, pull: Pull) -> Pull:
        """What is too much for one transaction in two, of which the last has the cursor."""
        middle = len(batch.statements) // 2
        first = replace(batch, statements=batch.statements[:middle], cursor=pull.cursor)
        last = replace(batch, statements=batch.statements[middle:])
        return self._keep(source, writer, last, self._keep(source, writer, first, pull))

    def _write(
        self,
        ticket: Ticket,
        connector: int,
        cursor: str | None,
        pull: Pull,
        good: tuple[Candidate, ...],
        rejects: list[Reject],
        conn: sa.Connection,
    ) -> Pull:
        """Everything of one batch, in the caller's transaction."""
        now = self.clock()
        if not _update_state(conn, connector, pull.run, cursor=cursor, lease_until=now + LEASE):
            raise _LeaseLost
        saved = self.accept(conn, [each.prepared for each in good], ticket) if good else None
        new = {each.id for each in saved.new} if saved else set()
        _remember_origin(conn, pull.run, [each for each in good if each.prepared.id in new])
        done = replace(
            pull,
            stored=pull.stored + len(new),
            repeated=pull.repeated + len(good) - len(new),
            set_aside=pull.set_aside + _set_aside(conn, connector, pull.run, rejects, now),
            cursor=cursor,
        )
        if done.is_recorded:
            _record_run(conn, connector, pull, done)
        return done

    @contextmanager
    def _kept(self, connector: int, run: UUID) -> Iterator[None]:
        """Renew the lease while a slow system lets us wait."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(RENEW_SECONDS):
                self.db.run(partial(_renew, connector, run, self.clock() + LEASE))

        thread = threading.Thread(target=renew, name=f"lease-{connector}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def external_lrs(
    id: int, name: str, settings: LRSSettings, *, every: timedelta, internal: bool, hub_url: str
) -> Iterator[Source]:
    """The source that an xapi-pull connector is. The hub vouches for its statements in the connector's name."""
    with GuardedSession(internal=internal, max_bytes=PAGE_BYTES) as session:
        authority = xapi.account(hub_url, f"connector/{name}")
        yield Source(id, ExternalLRS(settings, session), every, authority)


def schedule(conn: sa.Connection, connector: int, now: datetime) -> None:
    """Have a connector pulled from now on; one that is scheduled already keeps its cursor."""
    insert_new(conn, connector_state, [{"connector": connector, "due_at": now, "failures": 0}])


def list_due(conn: sa.Connection, now: datetime, *, limit: int = 100) -> list[int]:
    """The connectors whose time has come, whose breaker is closed and that nobody runs; the longest due first."""
    state = connector_state.c
    query = sa.select(state.connector).where(state.due_at <= now, *_free(now)).order_by(state.due_at).limit(limit)
    return [row.connector for row in conn.execute(query)]


def next_attempt(
    failures: int, error: ConnectorError | None, every: timedelta, now: datetime
) -> tuple[int, datetime, datetime | None]:
    """After a run: how many failures in a row there are, when it is due again, and until when the breaker is open.

    What no repetition can mend (a refused credential) opens it at once; somebody has to do something, and then asks
    for a run, which closes it.
    """
    if error is None:
        return 0, now + every, None
    failures += 1
    pause = timedelta(seconds=error.retry_after or 0)
    if failures >= FAILURES_TO_OPEN or not error.retryable:
        # The exponent is bounded so that a year of failures does not make an integer of a year's bits.
        doubled = FIRST_PAUSE * 2 ** min(max(failures - FAILURES_TO_OPEN, 0), 10)
        pause = max(pause, min(doubled, LONGEST_PAUSE))
    return failures, now + max(every, pause), now + pause if pause else None


def prepare(
    batch: Batch,
    writer: Writer,
    *,
    new_id: Callable[[], UUID],
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None,
) -> tuple[dict[UUID, Candidate], list[Reject]]:
    """Each statement by itself, so that a bad one says so alone. The first of a repeated id counts."""
    good: dict[UUID, Candidate] = {}
    rejects: list[Reject] = []
    for received in batch.statements:
        try:
            parsed = statements.parse(received.raw)
            [prepared] = statements.prepare(
                parsed, version=batch.version, writer=writer, new_id=new_id, extra_keys=extra_keys
            )
        except (Invalid, Malformed, TooMuch) as refusal:
            rejects.append(Reject(received, str(refusal)))
            continue
        if received.id is None:
            # An LRS gives every statement an id. Without one it would be a new statement with every pull.
            rejects.append(Reject(received, "The statement has no id"))
        else:
            good.setdefault(prepared.id, Candidate(prepared, received))
    return good, rejects


def _concerns(refusal: Conflict | VoidRefused, prepared: Prepared) -> bool:
    if isinstance(refusal, Conflict):
        return prepared.id in refusal.ids
    return prepared.is_voiding and prepared.target in refusal.targets


# Reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """How a connector's pulls go. `health` is "ok", "running", "failing" (tried again) or "paused" (breaker open)."""

    connector: int
    health: str
    cursor: str | None
    due_at: datetime
    last_ended: datetime | None
    failures: int
    paused_until: datetime | None
    error_code: str | None
    error: str | None


def status(conn: sa.Connection, connector: int, now: datetime) -> Status | None:
    """How a scheduled connector is; `None` for one that is not pulled."""
    row = conn.execute(sa.select(connector_state).where(connector_state.c.connector == connector)).first()
    if row is None:
        return None
    paused = row.open_until if row.open_until is not None and row.open_until > now else None
    running = row.lease_until is not None and row.lease_until > now
    health = "running" if running else "paused" if paused else "failing" if row.failures else "ok"
    error = (row.last_error_code, row.last_error)
    return Status(connector, health, row.cursor, row.due_at, row.last_ended, row.failures, paused, *error)


def recent_runs(conn: sa.Connection, connector: int, *, limit: int = 20) -> list[sa.Row[Any]]:
    """The newest runs that brought something or failed."""
    run = connector_runs.c
    query = sa.select(connector_runs).where(run.connector == connector).order_by(run.started.desc()).limit(limit)
    return list(conn.execute(query))


def list_set_aside(conn: sa.Connection, connector: int, *, limit: int = 50) -> list[sa.Row[Any]]:
    """The newest statements that had to be refused, with their bytes and the reason."""
    row = set_aside_statements.c
    query = sa.select(set_aside_statements).where(row.connector == connector).order_by(row.at.desc()).limit(limit)
    return list(conn.execute(query))


def find_origin(conn: sa.Connection, statement: UUID) -> sa.Row[Any] | None:
    """What the other LRS had set on a pulled statement, and which run brought it."""
    return conn.execute(sa.select(pulled_statements).where(pulled_statements.c.id == statement)).first()


def find_origins(conn: sa.Connection, statements: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """What other LRSs had set (``stored``, ``authority``) on those of a page of statements that were pulled."""
    query = sa.select(pulled_statements).where(pulled_statements.c.id.in_(list(statements)))
    return {
        row.id: {"stored": row.stored, "authority": orjson.loads(row.authority) if row.authority else None}
        for row in conn.execute(query)
    }


# Rows ----------------------------------------------------------------------------------------------------------


def _free(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    state = connector_state.c
    return (
        sa.or_(state.lease_until.is_(None), state.lease_until <= now),
        sa.or_(state.open_until.is_(None), state.open_until <= now),
    )


def _claim(conn: sa.Connection, connector: int, run: UUID, now: datetime, *, force: bool) -> tuple[str | None] | None:
    """Take the lease, if it is free; gives the cursor. A run that was killed is closed here."""
    state = connector_state.c
    leased, opened = _free(now)
    conditions = [leased] if force else [leased, opened, state.due_at <= now]
    update = sa.update(connector_state).where(state.connector == connector, *conditions)
    row = conn.execute(update.values(lease_owner=run, lease_until=now + LEASE).returning(state.cursor)).first()
    if row is None:
        return None
    left = sa.update(connector_runs).where(connector_runs.c.connector == connector, connector_runs.c.state == "running")
    conn.execute(left.values(state="interrupted", ended=now))
    return (row.cursor,)


def _update_state(conn: sa.Connection, connector: int, run: UUID, **values: Any) -> bool:
    """Change the connector's row, if this run still has the lease."""
    update = sa.update(connector_state).where(
        connector_state.c.connector == connector, connector_state.c.lease_owner == run
    )
    return conn.execute(update.values(**values)).rowcount == 1


def _renew(connector: int, run: UUID, until: datetime, conn: sa.Connection) -> None:
    _update_state(conn, connector, run, lease_until=until)


def _record_run(conn: sa.Connection, connector: int, before: Pull, pull: Pull, **outcome: Any) -> None:
    values = {"stored": pull.stored, "repeated": pull.repeated, "set_aside": pull.set_aside, "state": pull.state,
              "cursor_to": pull.cursor, **outcome}  # fmt: skip
    run = connector_runs.c
    if before.is_recorded:
        conn.execute(sa.update(connector_runs).where(run.connector == connector, run.id == pull.run).values(values))
    else:
        key = {"connector": connector, "id": pull.run, "started": pull.started, "cursor_from": pull.cursor_from}
        conn.execute(sa.insert(connector_runs).values({**key, **values}))


def _finish(conn: sa.Connection, connector: int, pull: Pull, every: timedelta, now: datetime) -> None:
    if pull.state == "lost":
        return
    state = connector_state.c
    query = sa.select(state.failures).where(state.connector == connector, state.lease_owner == pull.run)
    before = conn.execute(query.with_for_update()).scalar()
    if before is None:
        return
    failures, due, opened = next_attempt(before, pull.error, every, now)
    if pull.state == "stopped":
        due = now
    error = {"error_code": pull.error.code, "error": str(pull.error)[:2000]} if pull.error else {}
    outcome = {"failures": failures, "due_at": due, "open_until": opened, "last_ended": now}
    last = {"last_error_code": error.get("error_code"), "last_error": error.get("error")}
    _update_state(conn, connector, pull.run, lease_owner=None, lease_until=None, **outcome, **last)
    if pull.is_recorded or error:
        _record_run(conn, connector, pull, pull, ended=now, **error)


def _remember_origin(conn: sa.Connection, run: UUID, new: Sequence[Candidate]) -> None:
    """What the other LRS had set on each statement, beside ours."""
    rows = [
        {
            "id": each.prepared.id,
            "run": run,
            "stored": each.received.stored,
            "authority": orjson.dumps(each.received.authority),
        }
        for each in new
    ]
    insert_new(conn, pulled_statements, rows)


def _set_aside(conn: sa.Connection, connector: int, run: UUID, rejects: Sequence[Reject], now: datetime) -> int:
    """Keep what was refused, once however often it comes; gives how many are new."""
    rows = {
        id: {"connector": connector, "id": id, "run": run, "statement_id": each.received.id,
             "payload": each.received.raw, "reason": each.reason[:2000], "at": now}
        for each in rejects
        for id in [UUID(bytes=blake2b(each.received.raw, digest_size=16).digest())]
    }  # fmt: skip
    return len(insert_new(conn, set_aside_statements, list(rows.values()), returning=[set_aside_statements.c.id]))
