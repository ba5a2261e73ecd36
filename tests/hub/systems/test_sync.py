"""Pulls: statements and cursor in one write, one run at a time, and a system that fails is left alone for a while."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from connectors.base import Batch, Check, ConnectorError, Received
from hub.systems import sync as pulls
from hub.systems.sync import Source, Sync, list_due, next_attempt
from hub.systems.sync_tables import connector_runs, connector_state, pulled_statements, set_aside_statements
from lrs import query, statements, store
from lrs.database import Database
from lrs.sequence import Sequence as Numbers

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
EVERY = timedelta(minutes=5)
AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://hub.example", "name": "connector/asn"}}
THEIRS = {"objectType": "Agent", "mbox": "mailto:lrs@asn.example"}


def statement(number: int, **changes: Any) -> Received:
    made = {
        "id": str(UUID(int=number)),
        "actor": {"mbox": f"mailto:{number}@asn.example"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": "https://asn.example/course/1"},
        "timestamp": "2026-11-01T00:00:00Z",
        "stored": stored(number),
        "authority": THEIRS,
    } | changes
    raw = json.dumps({key: value for key, value in made.items() if value is not None}, indent=1).encode()
    return Received(raw, made["id"], made["stored"], THEIRS)


def stored(number: int) -> str:
    return f"2026-11-02T00:00:00.{number:03}Z"


@dataclass
class Other:
    """Another LRS: gives what lies after the cursor in batches; may fail, or do something between two batches."""

    statements: list[Received]
    size: int = 2
    fail_after: int | None = None
    error: ConnectorError = field(default_factory=lambda: failure())
    between: Callable[[int], None] = lambda batch: None
    asked: list[str | None] = field(default_factory=list)

    def fetch(self, cursor: str | None) -> Iterator[Batch]:
        self.asked.append(cursor)
        new = [each for each in self.statements if cursor is None or (each.stored or "") > cursor]
        for number, start in enumerate(range(0, len(new), self.size)):
            if number == self.fail_after:
                raise self.error
            batch = new[start : start + self.size]
            yield Batch(tuple(batch), batch[-1].stored)
            self.between(number)
        if self.fail_after is not None and not new:
            raise self.error

    def test(self, clock: Callable[[], datetime]) -> tuple[Check, ...]:
        return ()


def failure(*, retryable: bool = True, retry_after: float | None = None) -> ConnectorError:
    return ConnectorError("lrs", "x", "y", code="timeout", retryable=retryable, retry_after=retry_after)


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class World:
    """One hub with one connector, id 7."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = Clock()
        self.other = Other([statement(number) for number in range(1, 8)])
        with db.write() as conn:
            pulls.schedule(conn, 7, NOW)

    def worker(self, **changes: Any) -> Sync:
        """A worker's process: its own numbers, the same database."""

        def accept(conn: sa.Connection, prepared: Sequence[Any], ticket: Any) -> store.Saved:
            return store.save(conn, prepared, ticket)

        numbers = Numbers(self.db, self.clock, uuid4)
        source = Source(7, self.other, EVERY, AUTHORITY)
        known: dict[str, Any] = {
            "db": self.db, "numbers": numbers, "accept": accept, "open_source": lambda id: nullcontext(source),
            "clock": self.clock, "new_id": uuid4,
        }  # fmt: skip
        return Sync(**(known | changes))

    def run(self, **settings: Any) -> pulls.Pull:
        pull = self.worker().run(7, **settings)
        assert pull is not None
        return pull

    def all(self, table: sa.Table) -> list[sa.Row[Any]]:
        with self.db.read() as conn:
            return list(conn.execute(sa.select(table)))

    @property
    def state(self) -> sa.Row[Any]:
        return self.all(connector_state)[0]

    def ids(self) -> list[int]:
        with self.db.read() as conn:
            page = query.find(conn, query.StatementQuery(ascending=True), limit=100)
        return [each.id.int for each in page.statements]


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


# One run -------------------------------------------------------------------------------------------------------


def test_a_run_stores_everything_new_and_keeps_the_cursor(world: World) -> None:
    pull = world.run()

    assert (pull.state, pull.stored, pull.repeated, pull.set_aside) == ("ok", 7, 0, 0)
    assert world.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert world.state.cursor == stored(7)


def test_the_next_run_asks_from_the_cursor_and_stores_only_what_is_new(world: World) -> None:
    world.run()
    world.other.statements.append(statement(8))
    world.clock.forward(minutes=5)

    pull = world.run()

    assert (pull.stored, pull.repeated) == (1, 0)
    assert world.other.asked == [None, stored(7)]


def test_statements_are_stored_under_our_authority_and_keep_theirs_as_origin(world: World) -> None:
    pull = world.run()

    with world.db.read() as conn:
        kept = query.get(conn, UUID(int=1))
    assert kept is not None
    assert json.loads(kept.payload)["authority"] == AUTHORITY
    assert (kept.owner, kept.origin) == (7, f"run:{pull.run}")
    [origin] = [row for row in world.all(pulled_statements) if row.id == UUID(int=1)]
    assert (origin.run, origin.stored, json.loads(origin.authority)) == (pull.run, stored(1), THEIRS)


def test_a_run_is_recorded_with_its_counts(world: World) -> None:
    pull = world.run()

    [row] = world.all(connector_runs)
    assert (row.id, row.connector, row.state, row.stored, row.cursor_from, row.cursor_to) == (
        pull.run, 7, "ok", 7, None, stored(7),
    )  # fmt: skip
    assert row.ended is not None
    assert row.error is None


def test_a_run_that_finds_nothing_leaves_no_row_but_its_time(world: World) -> None:
    world.other.statements = []

    world.run()

    assert world.all(connector_runs) == []
    assert world.state.last_ended == NOW


# Bad statements ------------------------------------------------------------------------------------------------


def test_a_bad_statement_is_set_aside_with_its_bytes_and_the_rest_goes_on(world: World) -> None:
    bad = statement(3, verb={"id": "not an iri"})
    world.other.statements[2] = bad

    pull = world.run()

    assert (pull.state, pull.stored, pull.set_aside) == ("ok", 6, 1)
    [reject] = world.all(set_aside_statements)
    assert (reject.payload, reject.statement_id, reject.run) == (bad.raw, bad.id, pull.run)
    assert "verb" in reject.reason


def test_what_is_set_aside_is_kept_once_however_often_it_comes(world: World) -> None:
    world.other.statements = [statement(1, verb=None)]
    world.run()
    with world.db.write() as conn:
        conn.execute(sa.update(connector_state).values(cursor=None))

    pull = world.run(force=True)

    assert pull.set_aside == 0
    assert len(world.all(set_aside_statements)) == 1


def test_another_statement_under_a_known_id_is_set_aside(world: World) -> None:
    world.run()
    world.other.statements = [statement(9), statement(1, stored=stored(9), object={"id": "https://x.example/other"})]
    world.clock.forward(minutes=5)

    pull = world.run()

    assert (pull.state, pull.stored, pull.set_aside) == ("ok", 1, 1)
    assert "same id" in world.all(set_aside_statements)[0].reason


def test_a_void_of_somebody_elses_statement_is_set_aside(world: World) -> None:
    mine = statement(50)
    worker = world.worker(open_source=lambda id: nullcontext(Source(8, Other([mine]), EVERY, AUTHORITY)))
    with world.db.write() as conn:
        pulls.schedule(conn, 8, NOW)
    worker.run(8)
    void = {
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": str(UUID(int=50))},
    }
    world.other.statements = [statement(1), statement(2, **void)]

    pull = world.run()

    assert (pull.state, pull.stored, pull.set_aside) == ("ok", 1, 1)
    assert 50 in world.ids()


def test_what_is_too_much_for_one_transaction_comes_in_several(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.other.statements = [statement(1), *(statement(number, **about(1)) for number in range(2, 8))]
    world.other.size = 7
    monkeypatch.setattr(store, "MOST_INHERITED", 12)

    pull = world.run()

    assert (pull.state, pull.stored, pull.set_aside) == ("ok", 7, 0)
    assert world.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert world.state.cursor == stored(7)


def test_a_statement_that_is_too_much_alone_is_set_aside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_IN_A_ROW", 3)
    monkeypatch.setattr(statements, "MOST_KEYS", 5)
    members = [{"mbox": f"mailto:p{number}@example.go.id"} for number in range(9)]
    world.other.statements = [
        statement(1),
        *(statement(number, **about(number - 1)) for number in range(2, 6)),
        statement(6, actor={"objectType": "Group", "member": members}),
        statement(7),
    ]

    pull = world.run()

    assert (pull.state, pull.stored, pull.set_aside) == ("ok", 5, 2)
    assert world.ids() == [1, 2, 3, 4, 7]
    reasons = sorted(each.reason for each in world.all(set_aside_statements))
    assert "chain of more than 3" in reasons[0]
    assert "agents and activities" in reasons[1]


def about(number: int) -> dict[str, Any]:
    """The object of a statement that refers to that one."""
    return {"object": {"objectType": "StatementRef", "id": str(UUID(int=number))}}


def test_a_statement_that_comes_twice_in_a_batch_is_stored_once(world: World) -> None:
    world.other.statements = [statement(1), statement(1)]

    assert world.run().stored == 1


def test_a_statement_without_id_is_set_aside(world: World) -> None:
    world.other.statements = [statement(1), statement(2, id=None)]

    assert (world.run().stored, len(world.all(set_aside_statements))) == (1, 1)


# Killed and started again --------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("batch", [0, 1, 2, 3])
def test_killed_after_any_batch_and_started_again_nothing_is_missing_or_twice(world: World, batch: int) -> None:
    def kill(number: int) -> None:
        if number == batch:
            raise Killed

    world.other.between = kill
    with pytest.raises(Killed):
        world.run()
    world.other.between = lambda number: None
    world.clock.forward(seconds=16)

    pull = world.run()

    assert world.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert pull.stored == 7 - min(7, 2 * (batch + 1))
    states = {row.id: row.state for row in world.all(connector_runs)}
    assert states.pop(pull.run, "ok") == "ok"
    assert list(states.values()) == ["interrupted"]


def test_killed_before_its_commit_a_batch_leaves_nothing(world: World) -> None:
    worker = world.worker()

    def dies(conn: sa.Connection, prepared: Sequence[Any], ticket: Any) -> store.Saved:
        store.save(conn, prepared, ticket)
        raise Killed

    with pytest.raises(Killed):
        world.worker(accept=dies).run(7)

    assert world.ids() == []
    assert world.state.cursor is None
    world.clock.forward(seconds=16)
    assert (worker.run(7) or pytest.fail("not due")).stored == 7


def test_an_interrupted_run_shows_what_it_had_stored(world: World) -> None:
    def kill(number: int) -> None:
        raise Killed

    world.other.between = kill
    with pytest.raises(Killed):
        world.run()

    [row] = world.all(connector_runs)
    assert (row.state, row.stored, row.cursor_to) == ("running", 2, stored(2))


def test_a_worker_that_ends_stops_between_batches_and_is_due_at_once(world: World) -> None:
    pull = world.worker(stopping=lambda: True).run(7)

    assert pull is not None
    assert (pull.state, pull.stored) == ("stopped", 2)
    with world.db.read() as conn:
        assert list_due(conn, world.clock()) == [7]


# One at a time -------------------------------------------------------------------------------------------------


def test_two_workers_never_run_one_connector_together(world: World) -> None:
    second: list[pulls.Pull | None] = []
    world.other.between = lambda number: second.append(world.worker().run(7, force=True))

    world.run()

    assert second == [None] * 4


def test_a_run_that_lost_its_lease_commits_nothing_more(world: World) -> None:
    took_over: list[pulls.Pull | None] = []

    def sleep(number: int) -> None:
        if not took_over:
            world.clock.forward(seconds=16)
            took_over.append(None)
            took_over[0] = world.worker().run(7)

    world.other.between = sleep

    pull = world.run()

    assert (pull.state, pull.stored) == ("lost", 2)
    assert took_over[0] is not None
    assert (took_over[0].state, took_over[0].stored) == ("ok", 5)
    assert world.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert world.state.lease_owner is None


def test_a_lease_is_renewed_while_a_slow_system_lets_us_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulls, "RENEW_SECONDS", 0.02)
    renewed = threading.Event()

    def slow(number: int) -> None:
        if number == 0:
            world.clock.forward(seconds=9)
            for _ in range(3000):
                if world.state.lease_until > NOW + timedelta(seconds=11):
                    renewed.set()
                    return
                renewed.wait(0.02)

    world.other.between = slow

    assert world.run().state == "ok"
    assert renewed.is_set()


def test_claims_at_the_same_moment_give_one_run(world: World) -> None:
    at_once = threading.Barrier(4)
    results: list[pulls.Pull | None] = []

    def race(worker: Sync) -> None:
        at_once.wait()
        results.append(worker.run(7))

    threads = [threading.Thread(target=race, args=(world.worker(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([each for each in results if each]) == 1
    assert world.ids() == [1, 2, 3, 4, 5, 6, 7]


# Due, and the breaker ------------------------------------------------------------------------------------------


def test_a_connector_is_due_again_after_its_interval(world: World) -> None:
    world.run()

    def due() -> list[int]:
        with world.db.read() as conn:
            return list_due(conn, world.clock())

    world.clock.forward(minutes=4, seconds=59)
    assert due() == []
    assert world.worker().run(7) is None
    world.clock.forward(seconds=1)
    assert due() == [7]


def test_a_failed_run_keeps_what_came_before_and_says_why(world: World) -> None:
    world.other.fail_after = 2

    pull = world.run()

    assert (pull.state, pull.stored) == ("failed", 4)
    [row] = world.all(connector_runs)
    assert (row.state, row.error_code, row.error) == ("failed", "timeout", "lrs: x. y")
    assert (world.state.cursor, world.state.failures) == (stored(4), 1)
    assert (world.state.last_error_code, world.state.last_error) == ("timeout", "lrs: x. y")


def test_a_connector_that_cannot_be_opened_fails_like_any_other(world: World) -> None:
    def refuses(id: int) -> Any:
        raise failure(retryable=False)

    pull = world.worker(open_source=refuses).run(7)

    assert pull is not None
    assert (pull.state, world.state.failures, world.state.lease_owner) == ("failed", 1, None)


def test_a_system_that_keeps_failing_is_left_alone_until_somebody_asks(world: World) -> None:
    world.other.fail_after = 0
    for _ in range(3):
        world.run(force=True)
    world.clock.forward(seconds=59)
    assert world.worker().run(7) is None
    world.other.fail_after = None

    assert world.run(force=True).stored == 7
    assert (world.state.failures, world.state.open_until) == (0, None)


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 0), (1, 0), (2, 60), (3, 120), (4, 240), (7, 1920), (8, 3600), (9, 3600), (9999, 3600)]
)
def test_the_pause_doubles_up_to_an_hour(failures: int, pause: int) -> None:
    again, due, opened = next_attempt(failures, failure(), EVERY, NOW)

    assert again == failures + 1
    assert opened == (NOW + timedelta(seconds=pause) if pause else None)
    assert due == NOW + max(EVERY, timedelta(seconds=pause))


def test_what_no_repetition_can_mend_pauses_at_once() -> None:
    assert next_attempt(0, failure(retryable=False), EVERY, NOW)[2] == NOW + timedelta(minutes=1)


def test_the_other_side_may_ask_for_a_longer_pause() -> None:
    assert next_attempt(0, failure(retry_after=900), EVERY, NOW) == (
        1,
        NOW + timedelta(minutes=15),
        NOW + timedelta(minutes=15),
    )


# Reading -------------------------------------------------------------------------------------------------------


def health(world: World) -> tuple[str, str | None]:
    with world.db.read() as conn:
        found = pulls.status(conn, 7, world.clock())
    assert found is not None
    return found.health, found.error_code


def test_the_status_says_how_it_goes(world: World) -> None:
    seen: list[str] = []
    world.other.between = lambda number: seen.append(health(world)[0])
    world.run()
    assert (seen[0], health(world)) == ("running", ("ok", None))

    world.other.fail_after = 0
    world.run(force=True)
    assert health(world) == ("failing", "timeout")

    world.run(force=True)
    world.run(force=True)
    assert health(world) == ("paused", "timeout")


def test_what_is_not_pulled_has_no_status(world: World) -> None:
    with world.db.read() as conn:
        assert pulls.status(conn, 99, NOW) is None


def test_scheduling_again_keeps_the_cursor(world: World) -> None:
    world.run()

    with world.db.write() as conn:
        pulls.schedule(conn, 7, world.clock())

    assert world.state.cursor == stored(7)


def test_runs_set_aside_statements_and_origins_can_be_read(world: World) -> None:
    world.other.statements[2] = statement(3, verb=None)
    pull = world.run()

    with world.db.read() as conn:
        assert [row.id for row in pulls.recent_runs(conn, 7)] == [pull.run]
        assert [row.statement_id for row in pulls.list_set_aside(conn, 7)] == [str(UUID(int=3))]
        origin = pulls.find_origin(conn, UUID(int=1))
        assert origin is not None
        assert origin.run == pull.run
        assert pulls.find_origin(conn, UUID(int=3)) is None
