"""Group commit: one way to the disk for everybody who waits.

Where one transaction writes at a time and a commit waits for the disk, those who come meanwhile would each wait for
all before them. Here the one whose turn it is does the work of all who have come by then, each between savepoints of
its own, and commits once. Nobody hears anything before that commit; a failure takes back one's own work alone.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")


class _Waiting:
    """One's work, and what became of it. It is done in one's own context, in whosever thread."""

    __slots__ = ("_context", "_gate", "_work", "error", "is_done", "is_next", "result")

    def __init__(self, work: Callable[[sa.Connection], Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._gate = threading.Lock()
        self._gate.acquire()
        self.is_next = self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def wait(self) -> None:
        self._gate.acquire()

    def wake(self) -> None:
        self._gate.release()

    def do(self, conn: sa.Connection) -> None:
        self.result = self._context.run(self._work, conn)

    def do_apart(self, conn: sa.Connection) -> None:
        """`do`, and take it back alone where it fails."""
        driver: Any = conn.connection.driver_connection
        driver.execute("SAVEPOINT mine")
        try:
            self.do(conn)
        except Exception as error:
            if not driver.in_transaction:
                raise  # The database has taken back what everybody did: its disk is full, say.
            driver.execute("ROLLBACK TO mine")
            self.error = error
        driver.execute("RELEASE mine")


class Together:
    """``transaction`` opens one, when it is the process's turn to write, and commits it at its end."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_led = False

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """What ``work`` gives, once it is committed; else what it, or the commit, raised."""
        mine = _Waiting(work)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            self._wait(mine)
        if not mine.is_done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[no-any-return]

    def _wait(self, mine: _Waiting) -> None:
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
        group: list[_Waiting] = []
        try:
            with self._transaction() as conn:
                group = self._take()
                if len(group) == 1:
                    group[0].do(conn)
                else:
                    for each in group:
                        each.do_apart(conn)
        except BaseException as error:  # noqa: BLE001  # It is raised to all of them: nothing was committed.
            group = group or self._take()
            for each in group:
                # Also to who had failed alone: it may have been over what was not committed.
                each.error = error
        for each in group:
            each.is_done = True
            each.wake()
        self._pass_on()

    def _take(self) -> list[_Waiting]:
        with self._lock:
            group, self._waiting = self._waiting, []
        return group

    def _pass_on(self) -> None:
        with self._lock:
            following = self._waiting[:1]
            self._is_led = bool(following)
            for each in following:
                each.is_next = True
                each.wake()
