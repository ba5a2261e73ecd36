"""Due connectors are run, each once at a time, and one that fails or hangs keeps no other from running."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from connectors.polling import Polling


class Runs:
    """Records what was run; `hold` keeps one connector running until released."""

    def __init__(self, due: list[int], hold: int | None = None, fail: int | None = None) -> None:
        self.due, self._hold, self._fail = due, hold, fail
        self.count: Counter[int] = Counter()
        self.at_once: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.release = threading.Event()
        self._changed = threading.Condition()

    def list_due(self) -> list[int]:
        return self.due

    def run_one(self, connector: int) -> None:
        with self._changed:
            self.count[connector] += 1
            self.at_once[connector] += 1
            self.most[connector] = max(self.most[connector], self.at_once[connector])
            self._changed.notify_all()
        if connector == self._hold:
            self.release.wait(60)
        with self._changed:
            self.at_once[connector] -= 1
        if connector == self._fail:
            raise RuntimeError("a run that fails")

    def wait_for(self, enough: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(enough, timeout=10)


@pytest.fixture
def polled() -> Iterator[Callable[[Runs], Polling]]:
    started: list[tuple[Polling, Runs]] = []

    def start(runs: Runs) -> Polling:
        polling = Polling(runs.list_due, runs.run_one, interval=0.05, threads=2)
        polling.start()
        started.append((polling, runs))
        return polling

    yield start
    for polling, runs in started:
        runs.release.set()
        polling.stop()


def test_what_is_due_is_run_again_and_again(polled: Callable[[Runs], Polling]) -> None:
    runs = Runs([1, 2])

    polled(runs)

    assert runs.wait_for(lambda: runs.count[1] >= 3 and runs.count[2] >= 3)


def test_a_connector_that_is_running_is_not_started_again(polled: Callable[[Runs], Polling]) -> None:
    runs = Runs([1, 2], hold=1)

    polled(runs)

    assert runs.wait_for(lambda: runs.count[2] >= 4)
    assert runs.count[1] == 1
    runs.release.set()
    assert runs.wait_for(lambda: runs.count[1] >= 2)
    assert runs.most[1] == 1


def test_a_run_that_fails_is_logged_and_keeps_no_other_from_running(
    polled: Callable[[Runs], Polling], caplog: pytest.LogCaptureFixture
) -> None:
    runs = Runs([1, 2], fail=1)

    with caplog.at_level(logging.ERROR, "apscheduler"):
        polled(runs)
        assert runs.wait_for(lambda: runs.count[1] >= 3 and runs.count[2] >= 3)

    assert "a run that fails" in caplog.text


def test_stopping_waits_for_what_is_running() -> None:
    runs = Runs([1], hold=1)
    polling = Polling(runs.list_due, runs.run_one, interval=0.05)
    polling.start()
    assert runs.wait_for(lambda: runs.count[1] == 1)

    threading.Timer(0.1, runs.release.set).start()
    polling.stop()

    assert runs.at_once[1] == 0


def test_stopping_while_it_looks_for_what_is_due_comes_to_an_end() -> None:
    looks, goes_on = threading.Event(), threading.Event()

    def list_due() -> list[int]:
        looks.set()
        assert goes_on.wait(60)
        return [1]

    runs = Runs([])
    polling = Polling(list_due, runs.run_one, interval=60)
    polling.start()
    assert looks.wait(60)
    stopping = threading.Thread(target=polling.stop, daemon=True)
    stopping.start()
    stopping.join(0.5)

    goes_on.set()
    stopping.join(30)

    assert not stopping.is_alive()
    assert runs.count[1] == 0


def test_stopping_while_runs_are_handed_out_breaks_nothing() -> None:
    # What would break is APScheduler's thread, which pytest tells of.
    for _ in range(20):
        runs = Runs([*range(50)])
        polling = Polling(runs.list_due, runs.run_one, interval=60)
        polling.start()
        assert runs.wait_for(lambda runs=runs: bool(runs.count))  # type: ignore[misc]
        polling.stop()
