"""Scores that other LMSs get: a course that an LMS launched through the hub has a cell in that LMS's gradebook, too.

The launch notes the cell, the score of the course's provider writes what has to stand in it, in its own transaction,
and puts the cell into a queue (so does what it reports by xAPI: `hub.lti_tool.reported`); `hub.lti_tool.passback`
empties the queue. A cell holds a state, not a history: what
changes while it waits is sent once, as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.lti_tool.gradebook_tables import gradebook_links, gradebook_queue
from lrs.database import insert_missing, upsert

if TYPE_CHECKING:
    from hub.runtime import Hub

IDLE, WAITING, SENT, FAILED = "idle", "waiting", "sent", "failed"
STATES = (FAILED, WAITING, SENT, IDLE)

#: Parts of the queue: one worker empties one part at a time. The number is in stored rows: it does not change.
BUCKETS = 16

#: Who claims a cell has it for so long; then it is given up for dead, and another one sends.
LEASE = timedelta(minutes=2)

#: How long to wait after each failure; after the last one an administrator decides. Together two days.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 15, 60, 180, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600, 20 * 3600)
)

#: Cells that one claim takes.
BATCH = 20

NewId = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to stand in a cell; ``given`` None: nothing."""

    given: Decimal | None
    maximum: Decimal | None
    comment: str | None = None

    def to_json(self) -> str:
        text = {"given": _text(self.given), "maximum": _text(self.maximum), "comment": self.comment}
        return orjson.dumps(text).decode()

    @staticmethod
    def of(text: str | None) -> Wanted | None:
        if text is None:
            return None
        kept = orjson.loads(text)
        return Wanted(_number(kept["given"]), _number(kept["maximum"]), kept["comment"])


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of another LMS's gradebook. ``sent`` is the last score that the LMS took, ``error`` why it took no newer
    one; ``stamp`` is the newest timestamp that was sent to it."""

    learner: UUID
    id: UUID
    platform: int
    course: int
    user: str
    resource_link: str
    lineitem: str | None
    lineitems: str | None
    wanted: Wanted | None
    sent: Wanted | None
    sent_at: datetime | None
    stamp: datetime | None
    state: str
    error_code: str | None
    error: str | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A cell that this process is to send, for the time of a lease."""

    bucket: int
    id: UUID
    learner: UUID
    revision: UUID
    attempts: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a launch says that its scores go: a line item, or the container in which one can be made."""

    platform: int
    deployment_id: str
    resource_link: str
    user: str
    lineitem: str | None
    lineitems: str | None


def note(conn: sa.Connection, hub: Hub, learner: UUID, course: int, place: Place, standing: Wanted | None) -> bool:
    """Keep where a launched course's scores go; a score that is there already goes at once. Whether it is new here."""
    names = (str(place.platform), place.deployment_id, place.resource_link, place.user, str(course))
    cell_id = xapi.statement_id("gradebook", hub.base_url, *names)
    row = {
        "learner": learner,
        "id": cell_id,
        "platform": place.platform,
        "course": course,
        "user": place.user,
        "resource_link": place.resource_link,
        "lineitem": place.lineitem,
        "lineitems": place.lineitems,
        "state": IDLE,
        "changed_at": hub.clock(),
    }
    if insert_missing(conn, gradebook_links, [row]) != 1:
        # A line item that the hub made there for want of one stays, until the LMS names one.
        named = {"lineitem": place.lineitem} if place.lineitem else {}
        at = gradebook_links.c
        update = sa.update(gradebook_links).where(at.learner == learner, at.id == cell_id)
        conn.execute(update.values(lineitems=place.lineitems, **named))
        return False
    if standing is not None:
        _want(conn, learner, cell_id, standing, now=hub.clock(), new_id=hub.new_id)
    return True


def offer(conn: sa.Connection, learner: UUID, course: int, wanted: Wanted, *, now: datetime, new_id: NewId) -> int:
    """Have a course's score sent to every gradebook that has a cell for it; tells to how many."""
    at = gradebook_links.c
    query = sa.select(at.id).where(at.learner == learner, at.course == course)
    cells = conn.execute(query.order_by(at.id)).scalars().all()
    for cell_id in cells:
        _want(conn, learner, cell_id, wanted, now=now, new_id=new_id)
    return len(cells)


def want(conn: sa.Connection, cell: Cell, wanted: Wanted, *, now: datetime, new_id: NewId) -> None:
    """Have this stand in one cell."""
    _want(conn, cell.learner, cell.id, wanted, now=now, new_id=new_id)


def _want(conn: sa.Connection, learner: UUID, cell_id: UUID, wanted: Wanted, *, now: datetime, new_id: NewId) -> None:
    at = gradebook_links.c
    values = {"wanted": wanted.to_json(), "state": WAITING, "changed_at": now, "error": None, "error_code": None}
    conn.execute(sa.update(gradebook_links).where(at.learner == learner, at.id == cell_id).values(values))
    _queue(conn, learner, cell_id, now=now, new_id=new_id)


def _queue(conn: sa.Connection, learner: UUID, cell_id: UUID, *, now: datetime, new_id: NewId) -> None:
    row = {
        "bucket": bucket_of(cell_id),
        "id": cell_id,
        "learner": learner,
        "revision": new_id(),
        "due_at": now,
        "attempts": 0,
    }
    upsert(conn, gradebook_queue, row, update=["revision", "due_at", "attempts"])


def bucket_of(cell_id: UUID) -> int:
    """The part of the queue in which a cell waits."""
    return cell_id.int % BUCKETS


# Sending ---------------------------------------------------------------------------------------------------------


def due_buckets(conn: sa.Connection, now: datetime) -> tuple[int, ...]:
    """Parts of the queue in which something is due."""
    at = gradebook_queue.c
    query = sa.select(at.bucket).where(at.due_at <= now).order_by(at.due_at).limit(BATCH * BUCKETS)
    return tuple(sorted(set(conn.execute(query).scalars())))


def claim(conn: sa.Connection, bucket: int, now: datetime) -> list[Claim]:
    """Take cells that are due; nobody else does until the lease is over."""
    at = gradebook_queue.c
    query = sa.select(at.bucket, at.id, at.learner, at.revision, at.attempts)
    query = query.where(at.bucket == bucket, at.due_at <= now).order_by(at.due_at).limit(BATCH)
    found = [Claim(*row) for row in conn.execute(query.with_for_update(skip_locked=True))]
    for each in found:
        _move(conn, each, due_at=now + LEASE, attempts=each.attempts)
    return found


def settle(conn: sa.Connection, hub: Hub, claimed: Claim, cell: Cell, *, stamp: datetime, lineitem: str) -> None:
    """The LMS took the cell's score. What has changed meanwhile stays in the queue."""
    now = hub.clock()
    is_done = _take_out(conn, claimed)
    values: dict[str, Any] = {
        "sent": None if cell.wanted is None else cell.wanted.to_json(),
        "sent_at": now,
        "stamp": stamp,
        "lineitem": lineitem,
    }
    if is_done:
        values |= {"state": SENT, "error": None, "error_code": None, "changed_at": now}
    _set(conn, claimed, values)


def fail(
    conn: sa.Connection,
    hub: Hub,
    claimed: Claim,
    code: str,
    why: str,
    *,
    stamp: datetime,
    is_final: bool,
    wait: timedelta = timedelta(0),
) -> None:
    """The LMS did not take it: later again, after ``wait`` at the earliest; at the end of all patience when an
    administrator asks."""
    now, attempts = hub.clock(), claimed.attempts + 1
    values: dict[str, Any] = {"error_code": code, "error": why, "changed_at": now, "stamp": stamp}
    if is_final or attempts > len(WAITS):
        values |= {"state": FAILED} if _take_out(conn, claimed) else {}
    else:
        _move(conn, claimed, due_at=now + max(WAITS[attempts - 1], wait), attempts=attempts)
    _set(conn, claimed, values)


def postpone(conn: sa.Connection, claimed: Claim, until: datetime) -> None:
    """Its platform does not answer anybody at the moment: this costs none of its attempts."""
    _move(conn, claimed, due_at=until, attempts=claimed.attempts)


def give_up(conn: sa.Connection, claimed: Claim) -> None:
    """There is no such cell any more."""
    _take_out(conn, claimed)


def _move(conn: sa.Connection, claimed: Claim, *, due_at: datetime, attempts: int) -> None:
    conn.execute(sa.update(gradebook_queue).where(*_key(claimed)).values(due_at=due_at, attempts=attempts))


def _take_out(conn: sa.Connection, claimed: Claim) -> bool:
    return conn.execute(sa.delete(gradebook_queue).where(*_key(claimed))).rowcount == 1


def _key(claimed: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    at = gradebook_queue.c
    # With the revision: what was changed meanwhile is another matter, and due at once.
    return at.bucket == claimed.bucket, at.id == claimed.id, at.revision == claimed.revision


def _set(conn: sa.Connection, claimed: Claim, values: dict[str, Any]) -> None:
    at = gradebook_links.c
    key = (at.learner == claimed.learner, at.id == claimed.id)
    conn.execute(sa.update(gradebook_links).where(*key).values(values))


# Asking ----------------------------------------------------------------------------------------------------------


def find(conn: sa.Connection, learner: UUID, cell_id: UUID) -> Cell | None:
    """One cell."""
    at = gradebook_links.c
    row = conn.execute(sa.select(gradebook_links).where(at.learner == learner, at.id == cell_id)).first()
    return None if row is None else _cell(row)


def of_learner(conn: sa.Connection, learner: UUID, course: int) -> tuple[Cell, ...]:
    """The cells of one person and one course."""
    at = gradebook_links.c
    query = sa.select(gradebook_links).where(at.learner == learner, at.course == course)
    return tuple(_cell(row) for row in conn.execute(query.order_by(at.id)))


def of_learners(conn: sa.Connection, wanted: Sequence[UUID]) -> dict[UUID, list[Cell]]:
    """All cells of these people, of each in an order that is always the same; who has none is left out."""
    at = gradebook_links.c
    query = sa.select(gradebook_links).where(at.learner.in_(wanted))
    found: dict[UUID, list[Cell]] = {}
    for row in conn.execute(query.order_by(at.learner, at.id)):
        found.setdefault(row.learner, []).append(_cell(row))
    return found


def of_platform(
    conn: sa.Connection, platform: int, state: str, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> tuple[Cell, ...]:
    """The cells of one platform in one state, the last changed first; ``before`` is the last one of the page before."""
    at = gradebook_links.c
    query = sa.select(gradebook_links).where(at.platform == platform, at.state == state)
    if before is not None:
        earlier = sa.and_(at.changed_at == before[0], at.id < before[1])
        query = query.where(at.changed_at <= before[0], sa.or_(at.changed_at < before[0], earlier))
    rows = conn.execute(query.order_by(at.changed_at.desc(), at.id.desc()).limit(limit))
    return tuple(_cell(row) for row in rows)


def queued(conn: sa.Connection, cells: Sequence[Cell]) -> dict[UUID, tuple[datetime, int]]:
    """When each of these is tried next, and how often it has been tried."""
    if not cells:
        return {}
    at = gradebook_queue.c
    wanted = [each.id for each in cells]
    buckets = sorted({bucket_of(each) for each in wanted})
    query = sa.select(at.id, at.due_at, at.attempts).where(at.bucket.in_(buckets), at.id.in_(wanted))
    return {row.id: (row.due_at, row.attempts) for row in conn.execute(query)}


def retry(conn: sa.Connection, hub: Hub, cell: Cell) -> None:
    """Send what is wanted of this cell again, at once."""
    if cell.wanted is not None:
        _want(conn, cell.learner, cell.id, cell.wanted, now=hub.clock(), new_id=hub.new_id)


def _cell(row: sa.Row[Any]) -> Cell:
    kept = dict(row._mapping)
    return Cell(**kept | {"wanted": Wanted.of(kept["wanted"]), "sent": Wanted.of(kept["sent"])})


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
