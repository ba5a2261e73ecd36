"""Group commit: who waits is done together, alone where that fails, and nobody is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from lrs.together import Together, _Waiting


class Store:
    """Numbers, stored together where all of them are good; the first store of several waits until it is let go."""

    def __init__(self) -> None:
        self.stored: list[int] = []
        self.commits = 0
        self.go = threading.Event()
        self.together: Together[int, int] = Together(self.do_all, self.do)

    def do_all(self, numbers: Sequence[int]) -> list[int]:
        self.go.wait(10)
        if min(numbers) < 0:
            raise ValueError("one of them is bad")
        self.commits += 1
        self.stored += numbers
        return [number * 10 for number in numbers]

    def do(self, number: int) -> int:
        if number < 0:
            raise ValueError(number)
        self.commits += 1
        self.stored.append(number)
        return number * 10

    def after(self, first: int, *others: int) -> list[Future[Any]]:
        """Let the others come while the first is being stored; what became of each."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            futures = [pool.submit(self.together.run, first)]
            while not self.together._is_led or self.together._waiting:
                time.sleep(0.001)
            futures += [pool.submit(self.together.run, each) for each in others]
            while len(self.together._waiting) < len(others):
                time.sleep(0.001)
            self.go.set()
        return futures


def test_all_who_wait_are_committed_once_and_each_gets_what_became_of_its_own() -> None:
    store = Store()

    futures = store.after(0, 1, 2, 3, 4)

    assert [each.result() for each in futures] == [0, 10, 20, 30, 40]
    assert sorted(store.stored) == [0, 1, 2, 3, 4]
    assert store.commits == 2


def test_who_waits_with_one_that_fails_is_done_all_the_same() -> None:
    store = Store()

    futures = store.after(0, 1, -2, 3)

    assert sorted(store.stored) == [0, 1, 3]
    assert [type(each.exception()) for each in futures] == [type(None), type(None), ValueError, type(None)]
    assert store.together.run(5) == 50


class Interrupted(_Waiting[int, int]):
    def wait(self) -> None:
        raise KeyboardInterrupt


def test_who_is_interrupted_while_it_waits_leaves_nobody_waiting() -> None:
    together = Store().together
    first, second = Interrupted(1), _Waiting[int, int](2)
    together._waiting, together._is_led, first.is_next = [first, second], True, True

    with pytest.raises(KeyboardInterrupt):
        together._wait(first)

    assert second.is_next
    assert together._waiting == [second]


def test_who_is_interrupted_while_it_leads_leaves_nobody_waiting() -> None:
    store = Store()

    def interrupted(numbers: Sequence[int]) -> list[int]:
        store.go.wait(10)
        store.together._do_all = store.do_all
        raise KeyboardInterrupt

    store.together._do_all = interrupted
    first, *others = store.after(0, 1, 2)

    assert type(first.exception()) is KeyboardInterrupt
    assert [each.result() for each in others] == [10, 20]


def test_many_threads_lose_nothing() -> None:
    store = Store()
    store.go.set()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(store.together.run, range(400)))

    assert results == [number * 10 for number in range(400)]
    assert sorted(store.stored) == list(range(400))
