"""A replay: everybody's ledger under one policy, official or not, brought in line with her statements.

It is recomputation (`hub.jp.recognition`) over all learners, so doing it again changes nothing. Everybody is cut into
parts by the first bits of the ids, and whoever has time (`wkmb worker`, `wkmb policy replay --processes`) takes a part
under a lease and goes through it, some learners in one transaction that also writes down how far it is: a process that
is killed has done a learner wholly or not at all, and the next one goes on there. Where one of them fails, each is done
by herself, so that a learner's trouble is hers alone.

From its beginning on, recomputations follow the policy (`kept_up`), so when it has ended nothing is behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter, sleep
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from hub import journal, revisions
from hub.jp import recognition
from hub.jp.policy_tables import replay_parts, replays
from hub.runtime import Hub
from lrs.database import insert_all, upsert
from mappings.policy import Policy

#: Parts of one replay. The number is in stored rows: a replay that is under way keeps it.
PARTS = 64
#: Learners of a process's first transaction, and at most.
TOGETHER, MOST_TOGETHER = 64, 512
#: So many seconds the following ones are to take: long enough that what each costs is shared by many, short enough for
#: who waits for one of these learners, whatever the number of their statements is.
_SECONDS = 0.3
#: How long a part belongs to whoever took it; each transaction prolongs it.
LEASE = timedelta(seconds=15)

_SPAN = (1 << 128) // PARTS


@dataclass(frozen=True, slots=True)
class Replay:
    """How far a replay is. ``fraction`` (0..1) is an estimate from where each part stands: ids are spread evenly.

    ``failed``: learners whose recomputation failed, who are listed with the others that fail. ``working``: parts that
    somebody works on at the moment.
    """

    policy: str
    by: str
    started_at: datetime
    finished_at: datetime | None
    kept_up: bool
    people: int
    entered: int
    reversed: int
    failed: int
    fraction: float
    working: int

    @property
    def percent(self) -> int:
        """Whole per cents, 100 only at the end."""
        return 100 if self.finished_at else min(99, int(self.fraction * 100))


@dataclass(frozen=True, slots=True)
class _Part:
    policy: str
    number: int
    done_to: UUID | None


# Beginning, watching, ending ---------------------------------------------------------------------------


def begin(conn: sa.Connection, hub: Hub, name: str, *, by: str) -> Replay:
    """Begin a replay under a policy, or find the one that is under way; raises `policies.PolicyUnknown`."""
    policy = hub.policies.named(conn, name)
    found = find(conn, name, now=hub.clock())
    if found is not None and found.kept_up and found.finished_at is None:
        return found
    now = hub.clock()
    row = {"policy": name, "by": by[:128], "started_at": now, "finished_at": None, "kept_up": True}
    upsert(conn, replays, row, update=["by", "started_at", "finished_at", "kept_up"])
    conn.execute(sa.delete(replay_parts).where(replay_parts.c.policy == name))
    insert_all(conn, replay_parts, [_fresh(name, number) for number in range(PARTS)])
    revisions.bump(conn, revisions.FOLLOWED)
    journal.record(
        conn, who=by, action="policy.replay", object=f"policy:{name}", now=now, new_id=hub.new_id, digest=policy.digest
    )  # fmt: skip
    return Replay(name, by, now, None, True, 0, 0, 0, 0, 0.0, 0)


def _fresh(policy: str, number: int) -> dict[str, Any]:
    nothing = {"people": 0, "entered": 0, "reversed": 0, "failed": 0, "is_done": False}
    return {"policy": policy, "number": number, "done_to": None, "owner": None, "until": None} | nothing


def find(conn: sa.Connection, policy: str, *, now: datetime) -> Replay | None:
    """How far the newest replay under this policy is; None where there was none."""
    return list_all(conn, now=now).get(policy)


def list_all(conn: sa.Connection, *, now: datetime) -> dict[str, Replay]:
    """The newest replay under each policy, by its name."""
    parts: dict[str, list[sa.Row[Any]]] = {}
    for row in conn.execute(sa.select(replay_parts)):
        parts.setdefault(row.policy, []).append(row)
    return {row.policy: _replay(row, parts.get(row.policy, []), now) for row in conn.execute(sa.select(replays))}


def _replay(row: sa.Row[Any], parts: Sequence[sa.Row[Any]], now: datetime) -> Replay:
    people, entered, reversed_, failed = (
        sum(getattr(part, name) for part in parts) for name in ("people", "entered", "reversed", "failed")
    )
    fraction = sum(map(_fraction, parts)) / PARTS if parts else 1.0
    working = sum(not part.is_done and part.until is not None and part.until > now for part in parts)
    return Replay(
        row.policy, row.by, row.started_at, row.finished_at, row.kept_up, people, entered, reversed_, failed, fraction,
        working,
    )  # fmt: skip


def _fraction(part: sa.Row[Any]) -> float:
    if part.is_done:
        return 1.0
    return 0.0 if part.done_to is None else (part.done_to.int - part.number * _SPAN) / _SPAN


def let_go(conn: sa.Connection, hub: Hub, name: str, *, by: str) -> bool:
    """Follow a policy no more: its ledger stays as it is, and is behind from now on. False where it is official, or was
    not kept up."""
    if name in {policy.name for policy in hub.policies.in_force(conn)}:
        return False
    gone = sa.update(replays).where(replays.c.policy == name, replays.c.kept_up).values(kept_up=False, finished_at=None)
    if not conn.execute(gone).rowcount:
        return False
    conn.execute(sa.update(replay_parts).where(replay_parts.c.policy == name).values(is_done=True, owner=None))
    revisions.bump(conn, revisions.FOLLOWED)
    journal.record(
        conn, who=by, action="policy.let-go", object=f"policy:{name}", now=hub.clock(), new_id=hub.new_id
    )  # fmt: skip
    return True


# Working -----------------------------------------------------------------------------------------------


class Replayer:
    """One process (or thread) that works on replays, a few learners at a time.

    ``only``: the policy whose replay alone it works on.
    """

    def __init__(self, hub: Hub, *, only: str | None = None) -> None:
        self._hub = hub
        self._me = hub.new_id()
        self._only = only
        self._part: _Part | None = None
        self._size = TOGETHER

    def step(self) -> int:
        """Deal with the next learners of some part; tells how many. 0 where there is nothing to take now: all is done,
        or others work on what is left."""
        if self._part is None:
            self._part = self._hub.db.run(self._claim) if self._is_anything_open() else None
            if self._part is None:
                return 0
        began = perf_counter()
        done = self._advance(self._part)
        took = perf_counter() - began
        if self._hub.db.commits_in_order:
            sleep(took / 2)  # So that those who bring statements get SQLite's one write lock.
        if done == self._size or took > _SECONDS:  # A part's last few learners say little of what the next ones cost.
            self._size = max(1, min(MOST_TOGETHER, self._size * 2, int(done * _SECONDS / took)))
        return done

    def _is_anything_open(self) -> bool:
        """Asked before anything is written: an idle worker asks this all the time."""
        with self._hub.db.read() as conn:
            return conn.execute(self._open().limit(1)).first() is not None

    def _open(self) -> sa.Select[Any]:
        at = replays.c
        found = sa.select(at.policy).where(at.finished_at.is_(None), at.kept_up)
        return found if self._only is None else found.where(at.policy == self._only)

    def _claim(self, conn: sa.Connection) -> _Part | None:
        """Take a part that is nobody's, or whose owner has not been heard of; end the replay where none is left."""
        now, at = self._hub.clock(), replay_parts.c
        for name in conn.execute(self._open()).scalars().all():
            here = sa.select(at.number, at.done_to, at.until).where(at.policy == name, at.is_done.is_(False))
            rows = conn.execute(here.order_by(at.number)).all()
            if not rows:
                self._finish(conn, name)
            for row in rows:
                if row.until is None or row.until <= now:
                    free = sa.and_(at.policy == name, at.number == row.number, at.is_done.is_(False),
                                   sa.or_(at.until.is_(None), at.until <= now))  # fmt: skip
                    mine = sa.update(replay_parts).where(free).values(owner=self._me, until=now + LEASE)
                    if conn.execute(mine).rowcount:
                        return _Part(name, row.number, row.done_to)
        return None

    def _finish(self, conn: sa.Connection, name: str) -> None:
        now = self._hub.clock()
        ended = sa.update(replays).where(replays.c.policy == name, replays.c.finished_at.is_(None), replays.c.kept_up)
        conn.execute(ended.values(finished_at=now))

    def _advance(self, part: _Part) -> int:
        hub = self._hub
        try:
            done, following = hub.db.run(partial(self._together, part=part))
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise  # The database is away, which is nobody's failure.
        except Exception:  # noqa: BLE001  # one learner's trouble is hers alone: each by herself
            done, following = self._each(part)
        self._part = following
        return done

    def _together(self, conn: sa.Connection, part: _Part) -> tuple[int, _Part | None]:
        """The next learners of the part in one transaction, with how far it is then."""
        if not self._is_mine(conn, part):
            return 0, None
        page = self._page(conn, part)
        found = recognition.recompute_many(conn, self._hub, page, policies=(self._policy(conn, part),))
        return self._note(conn, part, page, list(found.values()), failed=0)

    def _each(self, part: _Part) -> tuple[int, _Part | None]:
        hub = self._hub
        with hub.db.read() as conn:
            page, policy = self._page(conn, part), self._policy(conn, part)
        found: list[recognition.Recomputed] = []
        failed = 0
        for learner in page:
            try:
                alone = hub.db.run(partial(recognition.recompute_many, hub=hub, wanted=[learner], policies=(policy,)))
                found += alone.values()
            except (sa.exc.OperationalError, sa.exc.InterfaceError):
                raise
            except Exception as error:  # noqa: BLE001  # the same
                hub.db.run(partial(self._set_aside, learner=learner, error=error))
                failed += 1
        return hub.db.run(lambda conn: self._note(conn, part, page, found, failed=failed))

    def _set_aside(self, conn: sa.Connection, learner: UUID, error: Exception) -> None:
        """List her with those who fail, and leave her to recomputation, which tries again."""
        recognition.note_failure(conn, self._hub, learner, error)
        recognition.try_again(conn, learner, now=self._hub.clock(), new_id=self._hub.new_id)

    def _is_mine(self, conn: sa.Connection, part: _Part) -> bool:
        """Also locks the part, so that nobody else can have it before this transaction ends."""
        mine = sa.and_(self._at(part), replay_parts.c.owner == self._me, replay_parts.c.is_done.is_(False))
        until = self._hub.clock() + LEASE
        return bool(conn.execute(sa.update(replay_parts).where(mine).values(until=until)).rowcount)

    def _page(self, conn: sa.Connection, part: _Part) -> list[UUID]:
        first, last = UUID(int=part.number * _SPAN), UUID(int=(part.number + 1) * _SPAN - 1)
        return recognition.list_learners(conn, after=part.done_to, limit=self._size, first=first, last=last)

    def _policy(self, conn: sa.Connection, part: _Part) -> Policy:
        return self._hub.policies.named(conn, part.policy)

    def _note(
        self,
        conn: sa.Connection,
        part: _Part,
        page: Sequence[UUID],
        found: Sequence[recognition.Recomputed],
        *,
        failed: int,
    ) -> tuple[int, _Part | None]:
        at, is_done = replay_parts.c, len(page) < self._size
        values = {
            "people": at.people + len(page),
            "entered": at.entered + sum(each.entered for each in found),
            "reversed": at.reversed + sum(each.reversed for each in found),
            "failed": at.failed + failed,
            "done_to": page[-1] if page else part.done_to,
            "is_done": is_done,
            "until": None if is_done else self._hub.clock() + LEASE,
        }
        mine = sa.update(replay_parts).where(self._at(part), at.owner == self._me)
        is_mine = conn.execute(mine.values(**values)).rowcount
        if is_done or not is_mine:
            return len(page) or 1, None
        return len(page), _Part(part.policy, part.number, page[-1])

    def _at(self, part: _Part) -> sa.ColumnElement[bool]:
        return sa.and_(replay_parts.c.policy == part.policy, replay_parts.c.number == part.number)
