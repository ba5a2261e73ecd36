"""Group commit: who waits is committed together, fails alone, and hears of success after the commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
import sqlalchemy as sa

from lrs.together import Together, _Waiting

Work = Callable[[sa.Connection], Any]


class Store:
    """A table of numbers, whose transactions wait at their begin until they are let go."""

    def __init__(self) -> None:
        self._engine = sa.create_engine(
            "sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
        )
        self.commits = 0
        self.breaks = False
        self.go = threading.Event()
        self.together = Together(self.transaction)
        with self._engine.connect() as conn:
            conn.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        self.go.wait(10)
        with self._engine.connect() as conn:
            conn.exec_driver_sql("BEGIN")
            try:
                yield conn
                if self.breaks:
                    raise OSError("the disk is full")
            except BaseException:
                if conn.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                    conn.exec_driver_sql("ROLLBACK")
                raise
            conn.exec_driver_sql("COMMIT")
            self.commits += 1

    def all_at_once(self, *works: Work) -> list[Future[Any]]:
        """Let every work come while the first waits to begin; what became of each."""
        with ThreadPoolExecutor(len(works)) as pool:
            futures = [pool.submit(self.together.run, each) for each in works]
            while len(self.together._waiting) < len(works):
                pass
            self.go.set()
        return futures

    def numbers(self) -> list[int]:
        with self._engine.connect() as conn:
            return [row[0] for row in conn.exec_driver_sql("SELECT number FROM numbers ORDER BY number")]


def adding(number: int, *, fails: bool = False) -> Work:
    def work(conn: sa.Connection) -> int:
        conn.exec_driver_sql(f"INSERT INTO numbers VALUES ({number})")
        if fails:
            raise ValueError(number)
        return number * 10

    return work


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made._engine.dispose()


def test_all_who_wait_are_committed_once_and_each_gets_what_its_work_gave(store: Store) -> None:
    futures = store.all_at_once(*map(adding, range(5)))

    assert [each.result() for each in futures] == [0, 10, 20, 30, 40]
    assert store.numbers() == [0, 1, 2, 3, 4]
    assert store.commits == 1


def test_a_failure_takes_back_its_own_work_alone(store: Store) -> None:
    futures = store.all_at_once(adding(1), adding(2, fails=True), adding(3))

    assert store.numbers() == [1, 3]
    assert [type(each.exception()) for each in futures] == [type(None), ValueError, type(None)]


def test_nobody_hears_of_success_where_the_commit_failed_and_the_next_ones_go_on(store: Store) -> None:
    store.breaks = True
    futures = store.all_at_once(adding(1), adding(2), adding(3, fails=True))
    store.breaks = False

    assert [type(each.exception()) for each in futures] == [OSError, OSError, OSError]
    assert store.numbers() == []
    assert store.together.run(adding(4)) == 40
    assert store.numbers() == [4]


def test_where_the_database_took_back_everything_all_hear_why(store: Store) -> None:
    def roll_back(conn: sa.Connection) -> None:
        conn.exec_driver_sql("ROLLBACK")  # As SQLite itself does when its disk is full.
        raise OSError("the disk is full")

    futures = store.all_at_once(adding(1), roll_back, adding(2))

    assert [type(each.exception()) for each in futures] == [OSError, OSError, OSError]
    assert store.numbers() == []


class Interrupted(_Waiting):
    def wait(self) -> None:
        raise KeyboardInterrupt


def test_who_is_interrupted_while_it_waits_leaves_nobody_waiting(store: Store) -> None:
    first, second = Interrupted(adding(1)), _Waiting(adding(2))
    store.together._waiting, store.together._is_led, first.is_next = [first, second], True, True

    with pytest.raises(KeyboardInterrupt):
        store.together._wait(first)

    assert second.is_next
    assert store.together._waiting == [second]


def test_work_is_done_in_the_context_of_whose_it_is(store: Store) -> None:
    request: ContextVar[str] = ContextVar("request")

    def run(name: str) -> str:
        request.set(name)
        return store.together.run(lambda _: request.get())

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(run, str(number)) for number in range(4)]
        store.go.set()

    assert [each.result() for each in futures] == ["0", "1", "2", "3"]


def test_many_threads_lose_nothing(store: Store) -> None:
    store.go.set()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.together.run(adding(number)), range(400)))

    assert store.numbers() == list(range(400))
