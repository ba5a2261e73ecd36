"""From what was stored to what was recognized: the worker's main work.

A learner is recomputed whole: all her statements are read, what they prove is evaluated under each policy in force,
and the difference to her ledger is appended. So it makes no difference in what order statements came, how often, or
how late; a void, a new identity and a new version of a course take the same path, and so does a replay.

One transaction is one learner: her row is locked, and exactly the wake-ups that were claimed are deleted with it.
Whatever fails takes back hers alone; after three failures she is set aside, listed, and tried again when the next
wake-up for her comes (a void may have healed her). Two workers may do this at once: who finds a learner locked leaves
her, with her wake-ups, to the one who has her.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter, sleep
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
import structlog

from hub import identity, ingest, ledger, undertakings
from hub.ingest import BUCKETS
from hub.runtime import Hub
from hub.tables import connectors, entry_evidence, inbox, learners, pending, recompute_failures
from lrs import query
from lrs.agents import Identifier, agent_key, identifier
from lrs.database import insert_all, insert_missing, upsert
from lrs.query import Stored
from mappings.compare import Difference, differences
from mappings.course import Catalogue
from mappings.evaluate import Evaluation, Pending, Recognition, evaluate
from mappings.facts import Fact, NotAFact, Observation, read
from mappings.policy import Policy

log = structlog.get_logger()

#: Wake-ups that one call of `drain` looks at.
BATCH = 256
#: Failures after which a learner is set aside.
MOST_FAILURES = 3
#: So many keys stand in one question.
_PART = 500


@dataclass(frozen=True, slots=True)
class System:
    """What recognition needs to know of a connector."""

    name: str
    vocabulary: str
    trusted_centi_jp: int | None


@dataclass(frozen=True, slots=True)
class Observed:
    """A stored statement of a learner, and what it is."""

    stored: Stored
    observation: Observation
    reading: Fact | NotAFact


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What statements are read against: one catalogue, the connected systems by their number, and the policies under
    which there are ledgers."""

    catalogue: Catalogue
    systems: Mapping[int, System]
    policies: tuple[Policy, ...]

    @property
    def trusted(self) -> dict[str, int]:
        """The connectors that may state JP in a certificate, each with its limit in hundredths."""
        return {
            each.name: each.trusted_centi_jp for each in self.systems.values() if each.trusted_centi_jp is not None
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a recomputation appended to a ledger."""

    entered: int
    reversed: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What some learners would gain or lose under another policy. ``next_after``: where the next page begins."""

    rows: tuple[tuple[UUID, Difference], ...]
    learners: int
    next_after: UUID | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A learner whose recomputation fails."""

    learner: UUID
    failures: int
    error: str
    at: datetime
    is_set_aside: bool


@dataclass(frozen=True, slots=True)
class _WakeUp:
    bucket: int
    id: UUID
    actor_key: int


# Reading -----------------------------------------------------------------------------------------------


def surroundings(conn: sa.Connection, hub: Hub) -> Surroundings:
    """The catalogue, the systems and the policies in force as they are now."""
    at = connectors.c
    rows = conn.execute(sa.select(at.id, at.name, at.vocabulary, at.trusted_centi_jp))
    systems = {row.id: System(row.name, row.vocabulary, row.trusted_centi_jp) for row in rows}
    return Surroundings(hub.courses.current(conn).catalogue, systems, hub.policies.in_force(conn))


def observations(conn: sa.Connection, hub: Hub, learner: UUID, around: Surroundings | None = None) -> list[Observed]:
    """Everything that the LRS holds of a learner, each statement with what it is, voided ones too."""
    around = around or surroundings(conn, hub)
    actors = identity.actors_of(conn, learner)
    return [observe(hub, stored, around, frozenset(actors)) for stored in query.of_actors(conn, actors)]


def observe(hub: Hub, stored: Stored, around: Surroundings, mine: frozenset[int] = frozenset()) -> Observed:
    """What one stored statement is: a fact, or why it is none. ``mine``: the actors of its learner, where known."""
    system = around.systems.get(stored.owner) if stored.owner is not None else None
    statement = parse(stored.payload)
    observation = Observation(
        statement=statement,
        id=str(stored.id),
        stored=stored.stored,
        connector=system.name if system else None,
        is_hub=is_by_hub(stored),
        origin=stored.origin,
        voided_by=None if stored.voided_by is None else str(stored.voided_by),
        is_own_instructor=_instructor(statement) in {stored.actor_key, *mine},
    )
    vocabulary = hub.policies.vocabulary(system.vocabulary if system else "default")
    return Observed(stored, observation, read(observation, vocabulary, around.catalogue))


def _instructor(statement: Mapping[str, Any]) -> int | None:
    """The actor key of who is named as instructor."""
    context = statement.get("context")
    named = context.get("instructor") if isinstance(context, dict) else None
    who = identifier(named) if isinstance(named, dict) else None
    return None if who is None else agent_key(who)


def is_by_hub(stored: Stored) -> bool:
    """Whether the hub itself wrote the statement: no credential has such an origin."""
    return stored.owner is None and stored.origin.startswith(("score:", "hub:"))


def parse(payload: bytes) -> dict[str, Any]:
    """The statement in stored bytes; nothing in it, where it cannot be read."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}  # Which `mappings.facts.read` calls malformed: set aside alone.
    return found if isinstance(found, dict) else {}


def evaluate_all(hub: Hub, policy: Policy, observed: Iterable[Observed], around: Surroundings) -> Evaluation:
    """What the facts among these statements are recognized as under a policy."""
    facts = [each.reading for each in observed if isinstance(each.reading, Fact)]
    return evaluate(
        policy, around.catalogue, facts, timezone=hub.settings.timezone, trusted=around.trusted
    )  # fmt: skip


def centi_behind(conn: sa.Connection, hub: Hub, actor_key: int) -> int:
    """Hundredths of JP that wait behind an actor whom nobody has linked: what her statements alone would give, each
    year under its official policy."""
    around = surroundings(conn, hub)
    observed = [observe(hub, stored, around) for stored in query.of_actors(conn, [actor_key])]
    return sum(
        found.centi_jp
        for policy in around.policies
        for found in evaluate_all(hub, policy, observed, around).recognitions
        if hub.policies.active(conn, found.year).name == policy.name
    )


# Recomputing -------------------------------------------------------------------------------------------


def recompute(conn: sa.Connection, hub: Hub, learner: UUID, *, around: Surroundings | None = None) -> Recomputed | None:
    """Bring a learner's ledgers in line with her statements, under every policy in force.

    None where there is no such learner. Waits for whoever has her locked.
    """
    if not _lock(conn, learner):
        return None
    return _recompute(conn, hub, learner, around or surroundings(conn, hub))


def _recompute(conn: sa.Connection, hub: Hub, learner: UUID, around: Surroundings) -> Recomputed:
    observed = observations(conn, hub, learner, around)
    undertakings.bring_in_line(conn, hub, learner, observed, around)
    return _book(conn, hub, learner, observed, around)


def _book(
    conn: sa.Connection, hub: Hub, learner: UUID, observed: Sequence[Observed], around: Surroundings
) -> Recomputed:
    """Bring the ledgers alone in line."""
    book = _Book(conn, hub, learner)
    for policy in around.policies:
        evaluation = evaluate_all(hub, policy, observed, around)
        book.bring_in_line(policy, evaluation.recognitions, observed, around.catalogue)
        _replace_pending(conn, learner, policy.name, evaluation.pending)
    return book.close()


def _lock(conn: sa.Connection, learner: UUID, *, skip_locked: bool = False) -> bool:
    locked = sa.select(learners.c.id).where(learners.c.id == learner).with_for_update(skip_locked=skip_locked)
    return conn.execute(locked).first() is not None


class _Book:
    """The end of one learner's ledger while rows are added to it. Somebody holds her lock."""

    def __init__(self, conn: sa.Connection, hub: Hub, learner: UUID) -> None:
        self._conn = conn
        self._learner = learner
        self._now = hub.clock()
        self._rows = ledger.rows_of(conn, learner)
        self._added: list[dict[str, Any]] = []

    def bring_in_line(
        self, policy: Policy, wanted: Iterable[Recognition], observed: Sequence[Observed], catalogue: Catalogue
    ) -> None:
        """Take back what is not recognized any more, and enter what is recognized anew."""
        live = self._live(policy.name)
        by_key = {recognition.key: recognition for recognition in wanted}
        causes = _Causes(observed, catalogue)
        for key, row in live.items():
            if key not in by_key:
                self._reverse(row, causes.of(row))
        for key, recognition in by_key.items():
            if key not in live:
                self._enter(policy, recognition)

    def close(self) -> Recomputed:
        """Write what was added, and which statements it rests on."""
        ledger.append(self._conn, self._added)
        entered = [row for row in self._added if row["reverses"] is None]
        insert_missing(
            self._conn,
            entry_evidence,
            [
                {"statement": UUID(statement), "learner": self._learner, "position": row["position"]}
                for row in entered
                for statement in ledger.Document.parse(row["document"]).evidence
            ],
        )
        return Recomputed(len(entered), len(self._added) - len(entered))

    def _live(self, policy: str) -> dict[tuple[str, str, str], dict[str, Any]]:
        """The entries that nothing takes back, by what identifies them within the policy."""
        gone = {row["reverses"] for row in self._rows}
        return {
            (row["course"], row["period"], row["content"]): row
            for row in self._rows
            if row["policy"] == policy and row["reverses"] is None and row["position"] not in gone
        }

    def _enter(self, policy: Policy, found: Recognition) -> None:
        self._append(
            policy=policy.name,
            policy_digest=policy.digest,
            course=found.course,
            course_digest=found.course_digest,
            form=found.form,
            period=found.period,
            on=found.on,
            year=found.year,
            centi_jp=found.centi_jp,
            content=found.content,
            document=found.to_json(),
            reverses=None,
            cause=None,
        )

    def _reverse(self, row: Mapping[str, Any], cause: Mapping[str, Any]) -> None:
        repeated = {name: row[name] for name in ledger.REPEATED}
        self._append(
            **repeated,
            centi_jp=-row["centi_jp"],
            reverses=row["position"],
            cause=orjson.dumps(cause).decode(),
        )

    def _append(self, **values: Any) -> None:
        before = self._rows[-1]["digest"] if self._rows else b""
        row = {"learner": self._learner, "position": len(self._rows) + 1, "recorded_at": self._now, **values}
        row["key"] = ledger.key_of(row, self._rows)
        row["digest"] = ledger.chained(before, row)
        self._rows.append(row)
        self._added.append(row)


class _Causes:
    """Why an entry is taken back, as far as it can be seen from what is there now."""

    def __init__(self, observed: Iterable[Observed], catalogue: Catalogue) -> None:
        self._observed = {each.observation.id: each for each in observed}
        self._catalogue = catalogue

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        evidence = ledger.Document.parse(row["document"]).evidence
        lost = [each for each in evidence if each not in self._observed]
        if lost:
            return {"code": "identity_changed", "statements": lost}
        voided = [each for each in evidence if self._observed[each].stored.voided_by is not None]
        if voided:
            return {"code": "voided", "statements": voided}
        course = self._catalogue.find(row["course"])
        if course is None or course.digest != row["course_digest"]:
            return {"code": "course_changed", "course": row["course"], "digest": course.digest if course else None}
        return {"code": "evidence_changed", "statements": list(evidence)}


def _replace_pending(conn: sa.Connection, learner: UUID, policy: str, found: Iterable[Pending]) -> None:
    """Write down what is missing now. Most recomputations change little of it, so only that is written."""
    mine = (pending.c.learner == learner, pending.c.policy == policy)
    before = {row.course: row.document for row in conn.execute(sa.select(pending).where(*mine))}
    wanted = {each.course: ledger.pending_document(each) for each in found}
    gone = sorted(course for course, document in before.items() if wanted.get(course) != document)
    for begin in range(0, len(gone), _PART):
        conn.execute(sa.delete(pending).where(*mine, pending.c.course.in_(gone[begin : begin + _PART])))
    new = sorted(course for course, document in wanted.items() if before.get(course) != document)
    insert_all(
        conn,
        pending,
        [{"learner": learner, "policy": policy, "course": course, "document": wanted[course]} for course in new],
    )


# The inbox ---------------------------------------------------------------------------------------------


def drain(hub: Hub) -> int:
    """Recompute learners for whom wake-ups wait, at most `BATCH` wake-ups; tells how many were dealt with."""
    with hub.db.read() as conn:
        waiting = _look(conn, hub.new_id())
        if not waiting:
            return 0
        # Of the same moment as the wake-ups: whoever changes the catalogue afterwards wakes whom it concerns again.
        around = surroundings(conn, hub)
        whose = {key: each.learner for key, each in identity.find_many(conn, (w.actor_key for w in waiting)).items()}
        failing = _failing(conn, {learner for learner in whose.values() if learner is not None})
    strangers = [each for each in waiting if whose.get(each.actor_key) is None]
    done = hub.db.run(lambda conn: _note_strangers(conn, hub, strangers)) if strangers else 0
    by_learner: dict[UUID, list[_WakeUp]] = {}
    for each in waiting:
        learner = whose.get(each.actor_key)
        if learner is not None:
            by_learner.setdefault(learner, []).append(each)
    for learner, claimed in by_learner.items():
        began = perf_counter()
        with hub.trace.span("recompute", learner=str(learner), wake_ups=len(claimed)):
            done += _settle(hub, learner, claimed, around, has_failed=learner in failing)
        if hub.db.commits_in_order:
            # Who waits for SQLite's one write lock sleeps between attempts: left free only for an instant between two
            # learners, it was not had for seconds by those who bring statements.
            sleep(perf_counter() - began)
    return done


def _look(conn: sa.Connection, pivot: UUID) -> list[_WakeUp]:
    """Some wake-ups. Where there are more than one batch, beginning anywhere: several workers begin at different
    places, and no wake-up waits for ever."""
    at = inbox.c
    first = sa.select(at.bucket, at.id, at.actor_key).order_by(at.bucket, at.id).limit(BATCH)
    found = [_WakeUp(*row) for row in conn.execute(first)]
    return found if len(found) < BATCH else _look_anywhere(conn, pivot)


def _look_anywhere(conn: sa.Connection, pivot: UUID) -> list[_WakeUp]:
    found: list[_WakeUp] = []
    at = inbox.c
    for step in range(BUCKETS):
        here = sa.select(at.bucket, at.id, at.actor_key).where(at.bucket == (pivot.int + step) % BUCKETS)
        for side in (at.id > pivot, at.id <= pivot):
            if len(found) < BATCH:
                rows = conn.execute(here.where(side).order_by(at.id).limit(BATCH - len(found)))
                found += [_WakeUp(*row) for row in rows]
    return found


def _settle(hub: Hub, learner: UUID, claimed: Sequence[_WakeUp], around: Surroundings, *, has_failed: bool) -> int:
    """Recompute one learner; tells how many wake-ups that settled."""
    try:
        return hub.db.run(
            partial(_recompute_claimed, hub=hub, learner=learner, claimed=claimed, around=around, heal=has_failed)
        )
    except (sa.exc.OperationalError, sa.exc.InterfaceError):
        raise  # The database is away, which is nobody's failure.
    except Exception as error:  # noqa: BLE001  # one learner's trouble is hers alone: the rest must go on
        hub.db.run(partial(_note_failure, hub=hub, learner=learner, claimed=claimed, error=error))
        return len(claimed)


def _recompute_claimed(
    conn: sa.Connection, hub: Hub, learner: UUID, claimed: Sequence[_WakeUp], around: Surroundings, heal: bool
) -> int:
    if not _lock(conn, learner, skip_locked=True):
        return 0
    settled = _delete(conn, claimed)
    if settled:
        _recompute(conn, hub, learner, around)
    if settled and heal:
        conn.execute(sa.delete(recompute_failures).where(recompute_failures.c.learner == learner))
    return settled


def _delete(conn: sa.Connection, claimed: Sequence[_WakeUp]) -> int:
    """Delete exactly these; tells how many were still there (another worker may have been faster)."""
    count = 0
    by_bucket: dict[int, list[UUID]] = {}
    for each in claimed:
        by_bucket.setdefault(each.bucket, []).append(each.id)
    for bucket, ids in sorted(by_bucket.items()):
        count += conn.execute(sa.delete(inbox).where(inbox.c.bucket == bucket, inbox.c.id.in_(ids))).rowcount
    return count


def _note_strangers(conn: sa.Connection, hub: Hub, strangers: Sequence[_WakeUp]) -> int:
    """Put actors that are nobody's on the unresolved list. They are woken again when somebody links them."""
    keys = {each.actor_key for each in strangers}
    unknown = sorted(keys - identity.find_many(conn, keys).keys())
    names = [name for key in unknown if (name := _name_of(conn, key)) is not None]
    identity.note_unknown(conn, names, now=hub.clock())
    return _delete(conn, strangers)


def _name_of(conn: sa.Connection, actor_key: int) -> Identifier | None:
    """Who an actor is, read from what she said; None for a group, which earns nothing."""
    for stored in query.of_actors(conn, [actor_key], limit=1):
        actor = parse(stored.payload).get("actor", {})
        if actor.get("objectType") != "Group":
            return identifier(actor)
    return None


def is_waiting(conn: sa.Connection, learner: UUID) -> bool:
    """Whether wake-ups for a learner lie in the inbox."""
    at = inbox.c
    return any(
        conn.execute(sa.select(at.id).where(at.bucket == key % BUCKETS, at.actor_key == key).limit(1)).first()
        for key in identity.actors_of(conn, learner)
    )


# Failures ----------------------------------------------------------------------------------------------


def _note_failure(conn: sa.Connection, hub: Hub, learner: UUID, claimed: Sequence[_WakeUp], error: Exception) -> None:
    """Count it; after `MOST_FAILURES` set her aside, so that she does not keep the worker busy for ever."""
    at = recompute_failures.c
    failures = 1 + (conn.execute(sa.select(at.failures).where(at.learner == learner)).scalar() or 0)
    is_set_aside = failures >= MOST_FAILURES
    text = f"{type(error).__name__}: {error}".replace("\x00", "")[:2000]
    row = {"learner": learner, "failures": failures, "error": text, "at": hub.clock(), "set_aside": is_set_aside}
    upsert(conn, recompute_failures, row, update=["failures", "error", "at", "set_aside"])
    if is_set_aside:
        _delete(conn, claimed)
    log.error("recompute_failed", learner=str(learner), failures=failures, set_aside=is_set_aside, exc_info=error)


def _failing(conn: sa.Connection, learners: Iterable[UUID]) -> set[UUID]:
    at = recompute_failures.c
    return set(conn.execute(sa.select(at.learner).where(at.learner.in_(list(learners)))).scalars())


def list_failures(conn: sa.Connection, *, limit: int, after: UUID | None = None) -> tuple[Failure, ...]:
    """Learners whose recomputation fails, those that were set aside and those still tried, by their ids."""
    at = recompute_failures.c
    rows = sa.select(at.learner, at.failures, at.error, at.at, at.set_aside).order_by(at.learner).limit(limit)
    return tuple(Failure(*row) for row in conn.execute(rows if after is None else rows.where(at.learner > after)))


def try_again(conn: sa.Connection, learner: UUID, *, now: datetime, new_id: identity.NewId) -> bool:
    """Have a learner recomputed although nothing new came; False where she has no actor by which to wake her."""
    keys = identity.actors_of(conn, learner)[:1]
    ingest.wake(conn, keys, now=now, new_id=new_id)
    return bool(keys)


def recompute_now(conn: sa.Connection, hub: Hub, learner: UUID) -> Recomputed:
    """Recompute a learner although nothing new came; what fails is raised, what does not fail is off the list."""
    done = recompute(conn, hub, learner) or Recomputed(0, 0)
    conn.execute(sa.delete(recompute_failures).where(recompute_failures.c.learner == learner))
    return done


# Everybody ---------------------------------------------------------------------------------------------


def wake_everybody(hub: Hub, *, at_once: int = 1000) -> Iterator[int]:
    """Have every learner recomputed, so many in one transaction; gives how many were woken so far.

    The wake-ups lie in the inbox, so a worker that is killed goes on there.
    """
    woken = 0
    for page in _pages(hub, at_once):
        hub.db.run(partial(_wake_learners, hub=hub, learners=page))
        woken += len(page)
        yield woken


def _wake_learners(conn: sa.Connection, hub: Hub, learners: Sequence[UUID]) -> None:
    ingest.wake(conn, identity.one_actor_each(conn, learners), now=hub.clock(), new_id=hub.new_id)


def replay(hub: Hub, policy: Policy, *, after: UUID | None = None) -> Iterator[tuple[UUID, Recomputed]]:
    """Bring every learner's ledger under one policy in line, official or not, each in a transaction of her own.

    Other policies' ledgers stay as they are. Doing it again changes nothing, so one that was interrupted is begun
    again, or goes on ``after`` the last learner that it gave.
    """
    for page in _pages(hub, 500, after):
        with hub.db.read() as conn:
            around = replace(surroundings(conn, hub), policies=(policy,))
        for learner in page:
            done = hub.db.run(partial(_replay, hub=hub, learner=learner, around=around))
            yield learner, done or Recomputed(0, 0)


def _replay(conn: sa.Connection, hub: Hub, learner: UUID, around: Surroundings) -> Recomputed | None:
    # What a learner undertakes depends on no policy, so it is left as it is.
    if not _lock(conn, learner):
        return None
    return _book(conn, hub, learner, observations(conn, hub, learner, around), around)


def compare_page(
    conn: sa.Connection, hub: Hub, old: Policy, new: Policy, *, limit: int, after: UUID | None = None
) -> Compared:
    """What the next so many learners would gain or lose under another policy, and why; nothing is written."""
    page = list_learners(conn, after=after, limit=limit)
    around = surroundings(conn, hub)
    rows: list[tuple[UUID, Difference]] = []
    for learner in page:
        observed = observations(conn, hub, learner, around)
        before, then = (evaluate_all(hub, policy, observed, around) for policy in (old, new))
        rows += [(learner, found) for found in differences(before, then)]
    return Compared(tuple(rows), len(page), page[-1] if len(page) == limit else None)


def compare_all(hub: Hub, old: Policy, new: Policy) -> Iterator[tuple[UUID, Difference]]:
    """The same for everybody, a page in one read."""
    after: UUID | None = None
    while True:
        with hub.db.read() as conn:
            page = compare_page(conn, hub, old, new, limit=200, after=after)
        yield from page.rows
        if page.next_after is None:
            return
        after = page.next_after


def _pages(hub: Hub, limit: int, after: UUID | None = None) -> Iterator[list[UUID]]:
    while True:
        with hub.db.read() as conn:
            page = list_learners(conn, after=after, limit=limit)
        if not page:
            return
        yield page
        after = page[-1]


def list_learners(conn: sa.Connection, *, after: UUID | None, limit: int) -> list[UUID]:
    """The ids of all learners, in their own order."""
    ids = sa.select(learners.c.id).order_by(learners.c.id).limit(limit)
    return list(conn.execute(ids if after is None else ids.where(learners.c.id > after)).scalars())
