"""The order of statements: 63-bit numbers that the application makes, and how far a reader may trust them.

A number is milliseconds since 2020, a node, and a counter within the millisecond:

    | 42 bits milliseconds | 9 bits node | 12 bits counter |

so `stored` is read off the number, and since, until, paging and `stored` are one order. No identity column
and no database sequence (SCALE rule 2): two nodes of a cluster would give numbers out of order.

**Horizon.** Numbers are taken before a transaction commits, so a reader that remembers the highest number it
saw misses the ones that commit late (SCALE rule 8 measured a third). Therefore a writer publishes a *floor*
before it takes numbers: nothing new will ever appear below the lowest floor. A process publishes one floor for
all its threads, and lets it stand for some milliseconds while writes follow one another, for which it holds as
well. Meanwhile readers of other processes lag so far behind; its own know what is under way. Where one
transaction writes at a time (SQLite) the number is taken under that lock, order of numbers is order of commits,
and no floor is needed.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from lrs.database import Database, insert_new
from lrs.errors import LRSError
from lrs.precompiled import Precompiled
from lrs.tables import floors, statements

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_EPOCH_MS = int(EPOCH.timestamp() * 1000)
_NODE_BITS, _COUNTER_BITS = 9, 12
_MS_SHIFT = _NODE_BITS + _COUNTER_BITS
_NODES = 1 << _NODE_BITS
_COUNTERS = 1 << _COUNTER_BITS
_LAST_MS = (1 << 63 - _MS_SHIFT) - 1

#: A process that has not renewed its lease for this long is dead: its floor no longer holds readers back.
#: The database ends a transaction that idles for half as long (`lrs.database`), and what is sent with its commit is
#: confirmed before (`Ticket.confirm`), so that a process that was only asleep cannot commit below a horizon that has
#: moved on.
LEASE = timedelta(seconds=60)

#: While one write follows another, the published floor follows them every so many seconds; then it is cleared. A
#: horizon that was found is given to readers for as long.
_STANDS = 0.02


# Need not survive a crash: what it announces would not either.
_SET_FLOOR = Precompiled(
    sa.update(floors)
    .where(floors.c.node == sa.bindparam("of"), floors.c.holder == sa.bindparam("by"))
    .values(floor=sa.bindparam("floor"), lease_until=sa.bindparam("lease_until"))
)


_LOWEST_FLOOR_OF_OTHERS = Precompiled(
    sa.select(sa.func.min(floors.c.floor).label("lowest")).where(
        floors.c.floor.is_not(None),
        floors.c.lease_until > sa.bindparam("now"),
        floors.c.holder != sa.bindparam("me"),
    )
)

_LAST = Precompiled(
    sa.select(statements.c.seq).where(statements.c.voided_by.is_(None)).order_by(statements.c.seq.desc()).limit(1)
)


class SequenceError(LRSError):
    """No number can be given; the message says why."""


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since `EPOCH`, rounded down."""
    delta = moment - EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def lowest_seq(moment: datetime, *, later: int = 0) -> int:
    """The smallest number that a statement stored in the millisecond of ``moment`` can have, or ``later`` ones.

    Moments before and after what numbers can tell have the first and the last number.
    """
    return min(max(milliseconds(moment) + later, 0), _LAST_MS) << _MS_SHIFT


def stored_at(seq: int) -> datetime:
    """When the statement with this number was stored, to the millisecond."""
    return EPOCH + timedelta(milliseconds=seq >> _MS_SHIFT)


def stored_text(seq: int) -> bytes:
    """`stored` as it stands in the statement: UTC with three decimals."""
    return _written(seq >> _MS_SHIFT)


# Most statements of a page or of a batch are of a few milliseconds, or seconds.
@functools.lru_cache(maxsize=1024)
def _written(millisecond: int) -> bytes:
    second, rest = divmod(millisecond, 1000)
    return b"%b.%03dZ" % (_second(second), rest)


@functools.lru_cache(maxsize=1024)
def _second(second: int) -> bytes:
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19].encode()


class Known:
    """What this process has seen committed, so that it need not be written again: a bounded set of digests.

    It is a help, never a truth: what is not in it is offered to the database, which knows.
    """

    def __init__(self, room: int = 100_000) -> None:
        self._room = room
        self._seen: set[bytes] = set()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._seen

    def add(self, digests: set[bytes]) -> None:
        """Remember them; when there is no more room, forget everything and begin again."""
        if len(self._seen) + len(digests) > self._room:
            self._seen = set()
        self._seen |= digests


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to take numbers within one write. Given by `Sequence.writing`.

    ``take(conn, count)`` gives ascending numbers, above every number that a reader may already have passed.
    ``confirm()``, asked when the rows are written or ready to be sent, raises `SequenceError` where so much time has
    gone by that readers may have passed them since: nothing of it may be committed. ``written`` are digests of rows
    that the write has made; they become ``known`` when it has been committed.
    """

    take: Callable[[sa.Connection, int], list[int]]
    confirm: Callable[[], None]
    known: Known
    written: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Flight:
    """The writes under way in this process (each with the lowest number it may take), and the floor published."""

    running: dict[int, int] = field(default_factory=dict)
    published: int | None = None
    serial: int = 0


class Sequence:
    """The numbers of one process, over all its threads.

    ``clock`` is read after the announcement of a write has been committed, never before: a number from an older
    reading could lie below a horizon that somebody has been given meanwhile. ``new_id`` names the process.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        self._db = db
        self._clock = clock
        self._holder = new_id()
        self._lock = threading.Lock()
        self._last = 0
        self._promised = EPOCH
        self._found_at, self._found_after = EPOCH, 0
        self._landed = 0
        self._node: int | None = 0 if db.commits_in_order else None
        self._lease_until = EPOCH
        self._flight = _Flight()
        self._known = Known()
        self._loose: sa.Connection | None = None
        self._following: threading.Thread | None = None
        db.before_close(self.settle)

    @contextmanager
    def writing(self) -> Iterator[Ticket]:
        """Announce a write. Open it before the transaction and leave it after COMMIT returned."""
        serial = None if self._db.commits_in_order else self._take_off()
        ticket = Ticket(self.take, partial(self._confirm, serial), self._known)
        try:
            yield ticket
            self._known.add(ticket.written)
        finally:
            self._land(serial)

    def horizon(self) -> datetime:
        """Every statement stored before this time is visible to a read that begins after this call.

        Meant for X-Experience-API-Consistent-Through: it is the present unless a write is under way, and in one
        process never earlier than before, because what was promised holds. For the same reason it is asked for anew
        only after a write of this process or some milliseconds, however many read.
        """
        with self._lock:
            now, landed = self._clock(), self._landed
            if landed == self._found_after and timedelta(0) <= now - self._found_at < timedelta(seconds=_STANDS):
                return self._promised
        found = self._find_horizon()
        with self._lock:
            self._promised = max(self._promised, found)
            self._found_at, self._found_after = now, landed
            return self._promised

    def recent_horizon(self) -> datetime:
        """A horizon as it was found within the last second: every one holds for ever, and a write asks for none."""
        with self._lock:
            if timedelta(0) <= self._clock() - self._found_at < timedelta(seconds=1):
                return self._promised
        return self.horizon()

    def _find_horizon(self) -> datetime:
        if self._db.commits_in_order:
            present = stored_at(lowest_seq(self._clock()))
            if self._db.nobody_writes():
                return present
            with self._db.read() as conn:
                return min(present, stored_at(self._last_committed(conn)))
        with self._lock:
            now = self._clock()
            # What begins here after this reading of the clock takes later numbers.
            lowest = [lowest_seq(now), *self._flight.running.values()]
        found = self._db.first(_LOWEST_FLOOR_OF_OTHERS, now=now, me=self._holder)
        if found is not None and found.lowest is not None:
            lowest.append(found.lowest)
        return stored_at(min(lowest))

    def take(self, conn: sa.Connection, count: int) -> list[int]:
        """See `Ticket.take`, which only a write that was announced has."""
        # Under SQLite's write lock: later than what any other process has committed.
        committed = self._last_committed(conn) if self._db.commits_in_order else 0
        with self._lock:
            if self._node is None:
                raise SequenceError("This process has lost its node; repeat the write")
            self._last = max(self._last, committed)
            now = milliseconds(self._clock())
            return [self._next(self._node, now) for _ in range(count)]

    def _next(self, node: int, now: int) -> int:
        last = self._last >> _MS_SHIFT
        counter = (self._last & (_COUNTERS - 1)) + 1
        if now > last:
            last, counter = now, 0
        elif (self._last >> _COUNTER_BITS) & (_NODES - 1) != node or counter == _COUNTERS:
            # The clock stands still or went back: stay close to the last number, so that order is kept.
            last, counter = last + 1, 0
        self._last = last << _MS_SHIFT | node << _COUNTER_BITS | counter
        return self._last

    def _last_committed(self, conn: sa.Connection) -> int:
        last = _LAST.first(conn)
        return 0 if last is None else int(last.seq)

    # Floors -------------------------------------------------------------------------------------------

    def _take_off(self) -> int:
        with self._lock:
            now = self._clock()
            self._drop_lapsed(now)
            flight = self._flight
            flight.serial += 1
            floor = max(lowest_seq(now), self._last)
            if flight.published is None or flight.published > floor or self._lease_until - now < LEASE / 2:
                # Under the lock: other threads must not rely on this floor before it is committed.
                self._publish(now, min((floor, *flight.running.values())))
            flight.running[flight.serial] = floor
            if self._following is None:
                # No daemon: a process that ends waits for it, or its floor would stand until its lease is over.
                self._following = threading.Thread(target=self._follow, name="floor", daemon=False)
                self._following.start()
            return flight.serial

    def _drop_lapsed(self, now: datetime) -> None:
        """After the lease is over, readers went past what is under way: none of it is confirmed any more."""
        if self._lease_until <= now:
            self._flight.running.clear()

    def _confirm(self, serial: int | None) -> None:
        if serial is None:
            return  # Its number was taken under the one lock that it still holds.
        with self._lock:
            # From here the database gives it half a lease (`lrs.database`).
            if serial not in self._flight.running or self._lease_until - self._clock() < LEASE / 2:
                raise SequenceError("This process stood still for so long that readers went on; repeat the write")

    def _publish(self, now: datetime, floor: int) -> None:
        """Let the floor stand in the database, for a whole lease from now."""
        if self._node is None:
            self._node = self._lease_node(now)
        until = now + LEASE
        if not self._set_floor(floor, until):
            self._node = self._flight.published = None
            self._flight.running.clear()
            raise SequenceError("Another process took over this one's node while it slept; repeat the write")
        self._flight.published, self._lease_until = floor, until

    def _set_floor(self, floor: int | None, until: datetime) -> bool:
        """Whether this process still holds its node."""
        row = {"of": self._node, "by": self._holder, "floor": floor, "lease_until": until}
        if self._loose is None or self._loose.closed:
            self._loose = self._db.connect_loosely()
        try:
            return _SET_FLOOR.change(self._loose, **row) == 1
        except sa.exc.DBAPIError:
            # The connection broke; the next write opens another one.
            self._loose.close()
            self._loose = None
            raise

    def _lease_node(self, now: datetime) -> int:
        """The lowest node that nobody holds, or whose holder's lease ran out a whole lease ago."""
        row = {"holder": self._holder, "lease_until": now + LEASE, "floor": None}
        with self._db.write() as conn:
            held = {
                each.node: each.lease_until for each in conn.execute(sa.select(floors.c.node, floors.c.lease_until))
            }
            for node in range(1, _NODES):
                if node not in held:
                    if insert_new(conn, floors, [{"node": node, **row}], returning=[floors.c.node]):
                        return node
                elif held[node] + LEASE < now:
                    dead = sa.update(floors).where(floors.c.node == node, floors.c.lease_until == held[node])
                    if conn.execute(dead.values(**row)).rowcount:
                        return node
        raise SequenceError(f"All {_NODES - 1} nodes are leased: more processes write than the numbers have room for")

    def _land(self, serial: int | None) -> None:
        """End a write. The floor is left to stand for the next one: `_follow` clears it."""
        with self._lock:
            self._landed += 1
            if serial is not None:
                self._flight.running.pop(serial, None)

    def _follow(self) -> None:
        """Raise the floor and renew the lease while one write follows another or a long one goes on, then clear it."""
        seen = 0
        while True:
            time.sleep(_STANDS)
            with self._lock:
                now, flight = self._clock(), self._flight
                self._drop_lapsed(now)
                is_quiet = not flight.running and (flight.published is None or flight.serial == seen)
                if is_quiet or not threading.main_thread().is_alive():
                    self._following = None
                    self._clear()
                    return
                seen = flight.serial
                floor = min(flight.running.values(), default=lowest_seq(now))
                if floor != flight.published or self._lease_until - now < LEASE * 3 / 4:
                    # Where it fails, what is under way is not confirmed in the end.
                    with suppress(sa.exc.DBAPIError, SequenceError):
                        self._publish(now, floor)

    def settle(self) -> None:
        """Clear the floor, unless a write is under way."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._flight.published is not None and not self._flight.running:
            # Nothing relies on it: a floor that stays only holds readers back.
            with suppress(sa.exc.DBAPIError):
                self._set_floor(None, self._lease_until)
                self._flight.published = None
