"""Runs due connectors by APScheduler 3, each at most once at a time in this process.

For the worker only: in a web process every worker would run a scheduler of its own. It has no database: two
processes on one job store run each job twice, so the jobs live in memory and what is due is asked for every few
seconds. That two *processes* never run one connector together is the lease's business, in whoever runs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler


class Polling:
    """Asks ``list_due()`` every ``interval`` seconds and calls ``run_one(id)`` for each, in threads.

    A connector that is still running is not started again, and what was missed meanwhile is not made up for: the
    next run fetches everything since the cursor anyway. An exception of a run is logged by APScheduler and ends
    that run only.
    """

    def __init__(
        self,
        list_due: Callable[[], Iterable[int]],
        run_one: Callable[[int], object],
        *,
        interval: float = 5.0,
        threads: int = 4,
    ) -> None:
        self._list_due = list_due
        self._run_one = run_one
        self._running: set[int] = set()
        self._adding = threading.Lock()
        self._is_stopping = False
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            # The look-out has a thread of its own, so that slow systems cannot keep it from looking.
            executors={"default": ThreadPoolExecutor(threads), "look": ThreadPoolExecutor(1)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._scheduler.add_job(self._look, "interval", seconds=interval, id="look", executor="look")

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._scheduler.add_job(self._look, id="first look", executor="look")
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more, and wait for what is running."""
        # While APScheduler shuts down it waits for jobs, and holds a lock that a job needs to add another. Its own
        # thread fails at a job that it cannot remove any more. Both have to be over before.
        with self._adding:
            self._is_stopping = True
        self._scheduler.pause()
        self._scheduler.remove_all_jobs()
        self._scheduler.shutdown(wait=True)

    def _look(self) -> None:
        due = self._list_due()
        with self._adding:
            for connector in () if self._is_stopping else due:
                if connector not in self._running:
                    self._running.add(connector)
                    self._scheduler.add_job(self._run, args=(connector,), id=f"connector:{connector}")

    def _run(self, connector: int) -> None:
        try:
            self._run_one(connector)
        finally:
            self._running.discard(connector)
