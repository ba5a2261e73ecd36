"""Numbers and the horizon: nothing appears below what a reader was told is complete (SCALE rule 8)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from lrs import query, store
from lrs.database import Database
from lrs.sequence import LEASE, Sequence, SequenceError, lowest_seq, stored_at, stored_text
from lrs.tables import floors
from lrstest import Store, statement


def test_stored_is_read_off_the_number() -> None:
    moment = datetime(2026, 1, 31, 8, 0, 0, 123_999, tzinfo=UTC)

    assert stored_at(lowest_seq(moment)) == moment.replace(microsecond=123_000)
    assert stored_text(lowest_seq(moment)) == b"2026-01-31T08:00:00.123Z"
    assert 0 < lowest_seq(datetime(2150, 1, 1, tzinfo=UTC)) < 2**63


def test_a_read_sees_everything_stored_before_the_horizon(lrs: Store) -> None:
    """Eight writers in two processes' worth of sequences; a reader who follows misses nothing."""
    other = Store(lrs.db)
    stop = threading.Event()
    written: set[str] = set()
    lock = threading.Lock()

    def write(target: Store) -> None:
        while not stop.is_set():
            saved = target.save(statement(), statement())
            with lock:
                written.update(str(each) for each in saved.ids)

    writers = [threading.Thread(target=write, args=(target,)) for target in (lrs, other) for _ in range(4)]
    for writer in writers:
        writer.start()
    followed: list[str] = []
    after = None
    deadline = time.monotonic() + 60
    while len(followed) <= 300 and time.monotonic() < deadline:
        after = _follow(lrs, followed, after)
    stop.set()
    for writer in writers:
        writer.join()
    time.sleep(0.002)
    other.sequence.settle()
    _follow(lrs, followed, after)

    assert len(followed) > 300
    assert len(followed) == len(set(followed))
    assert set(followed) == written


def _follow(lrs: Store, followed: list[str], after: int | None) -> int | None:
    horizon = lrs.sequence.horizon()
    while True:
        with lrs.db.read() as conn:
            page = query.find(conn, query.StatementQuery(ascending=True), limit=50, after=after, below=horizon)
        followed += [str(each.id) for each in page.statements]
        if page.statements:
            after = page.statements[-1].seq
        if page.next_after is None:
            return after


def test_the_horizon_is_the_present_when_nobody_writes(lrs: Store) -> None:
    lrs.save(statement())

    before = datetime.now(UTC) - timedelta(milliseconds=1)

    assert lrs.sequence.horizon() >= before


def test_the_horizon_stays_below_a_write_that_is_under_way(lrs: Store) -> None:
    prepared = lrs.prepare(statement())
    other = Store(lrs.db)

    with lrs.sequence.writing() as ticket, lrs.db.write() as conn:
        saved = store.save(conn, prepared, ticket)
        time.sleep(0.005)
        horizon = other.sequence.horizon()

    assert horizon <= saved.new[0].stored
    assert lrs.sequence.horizon() > saved.new[0].stored
    _wait_until(lambda: other.sequence.horizon() > saved.new[0].stored)


def test_a_horizon_that_was_found_stands_for_some_milliseconds_or_until_the_next_write_here(db: Database) -> None:
    clock = [datetime(2026, 1, 31, 8, tzinfo=UTC)]
    numbers = Sequence(db, lambda: clock[0], uuid4)

    def horizon_after(milliseconds: int) -> datetime:
        clock[0] += timedelta(milliseconds=milliseconds)
        return numbers.horizon()

    first = horizon_after(0)
    assert first == clock[0]
    assert horizon_after(19) == first
    assert horizon_after(1) == clock[0]
    with numbers.writing():
        pass
    assert horizon_after(1) == clock[0]


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


#: Floors are kept where several transactions write at once.
only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


def _at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


@only_postgresql
def test_a_dead_writer_holds_readers_back_for_its_lease_alone(db: Database) -> None:
    now = datetime(2026, 1, 31, 8, tzinfo=UTC)
    dead = Sequence(db, _at(now), uuid4)
    under_way = dead.writing()
    under_way.__enter__()
    soon, late = now + LEASE / 2, now + LEASE * 1.5

    assert Sequence(db, _at(soon), uuid4).horizon() == now
    assert Sequence(db, _at(late), uuid4).horizon() == late


@only_postgresql
def test_a_floor_stands_while_writes_follow_one_another_and_is_cleared_when_they_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrs.sequence._STANDS", 0.5)
    numbers, other = Sequence(db, lambda: datetime.now(UTC), uuid4), Sequence(db, lambda: datetime.now(UTC), uuid4)
    moved: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *said: moved.append(said[2]))
    for _ in range(20):
        with numbers.writing():
            assert other.horizon() <= datetime.now(UTC)
        # Who writes knows that nothing is under way; the others may have to wait for the floor.
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        assert numbers.horizon() >= before

    _wait_until(lambda: other.horizon() > before)
    assert 2 <= sum(text.startswith("UPDATE floors") for text in moved) < 20


@only_postgresql
def test_processes_lease_different_nodes_and_take_over_dead_ones(db: Database) -> None:
    now = datetime(2026, 1, 31, 8, tzinfo=UTC)
    for _ in range(3):
        with Sequence(db, _at(now), uuid4).writing():
            pass
    with Sequence(db, _at(now + LEASE * 3), uuid4).writing():
        pass

    with db.read() as conn:
        rows = conn.execute(sa.select(floors.c.node, floors.c.lease_until).order_by(floors.c.node)).all()
    assert [row.node for row in rows] == [1, 2, 3]
    assert rows[0].lease_until == now + LEASE * 4


@only_postgresql
def test_what_a_process_wrote_before_it_stood_still_for_its_lease_is_not_confirmed(db: Database) -> None:
    clock = [datetime(2026, 1, 31, 8, tzinfo=UTC)]
    numbers = Sequence(db, lambda: clock[0], uuid4)
    with numbers.writing() as ticket:
        ticket.confirm()
        clock[0] += LEASE * 1.5

        assert Sequence(db, lambda: clock[0], uuid4).horizon() == clock[0]
        with pytest.raises(SequenceError, match="repeat the write"):
            ticket.confirm()
    with numbers.writing() as ticket:
        ticket.confirm()


@only_postgresql
def test_a_write_that_takes_longer_than_a_lease_holds_readers_back_all_the_while(db: Database) -> None:
    clock = [datetime(2026, 1, 31, 8, tzinfo=UTC)]
    began = clock[0]
    numbers = Sequence(db, lambda: clock[0], uuid4)
    with numbers.writing() as ticket:
        for _ in range(6):
            clock[0] += LEASE / 3
            _wait_until(lambda: _lease_until(db) == clock[0] + LEASE)

        ticket.confirm()
        assert Sequence(db, lambda: clock[0], uuid4).horizon() == began


def _lease_until(db: Database) -> datetime:
    with db.read() as conn:
        until: datetime = conn.execute(sa.select(floors.c.lease_until)).scalar_one()
    return until
