"""Group commit: one transaction for everybody who waits.

A commit waits for the disk, and each has its own cost. Those who come while one is under way would each wait for all
before them (SQLite), or pay for their own (PostgreSQL). Here the one whose turn it is does the work of all who have
come by then in one go. Nobody hears of success before it is committed; where it fails, each does its own apart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """What one has brought, and what became of it."""

    __slots__ = ("_gate", "is_next", "item", "results")

    def __init__(self, item: Item) -> None:
        self.item = item
        self._gate = threading.Lock()
        self._gate.acquire()
        self.is_next = False
        self.results: tuple[Result, ...] = ()

    def wait(self) -> None:
        self._gate.acquire()

    def wake(self) -> None:
        self._gate.release()


class Together(Generic[Item, Result]):
    """``do_all`` does what several have brought in one transaction, and gives a result for each; ``do`` does one's own.

    ``do`` comes after a ``do_all`` that failed, whose commit may have been done all the same: it has to bear that.
    """

    def __init__(self, do_all: Callable[[Sequence[Item]], Sequence[Result]], do: Callable[[Item], Result]) -> None:
        self._do_all = do_all
        self._do = do
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Item, Result]] = []
        self._is_led = False

    def run(self, item: Item) -> Result:
        """What became of the item, once it is committed; else what doing it apart raises."""
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            self._wait(mine)
        if leads or mine.is_next:
            self._lead()
        return mine.results[0] if mine.results else self._do(item)

    def _wait(self, mine: _Waiting[Item, Result]) -> None:
        """Until my work is done, or it is I who lead."""
        try:
            mine.wait()
        except BaseException:  # Interrupted: nobody may go on waiting for me.
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
            if mine.is_next:
                self._pass_on()
            raise

    def _lead(self) -> None:
        """Do what waits, my own among it, and let the next one lead who has come meanwhile."""
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            for each, result in zip(group, self._do_all([each.item for each in group]), strict=True):
                each.results = (result,)
        except Exception:  # noqa: BLE001, S110  # Whose fault it was is seen when each does its own, who then hears of it.
            pass
        finally:
            for each in group:
                each.wake()
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            following = self._waiting[:1]
            self._is_led = bool(following)
            for each in following:
                each.is_next = True
                each.wake()
