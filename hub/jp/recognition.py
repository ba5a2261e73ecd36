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

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter, sleep
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
import structlog

from hub import revisions
from hub.jp import ledger
from hub.learning import undertakings
from hub.learning.development_tables import assessments
from hub.lti_tool import gradebooks, reported
from hub.people import identity, identity_rules
from hub.runtime import Hub
from hub.statements import ingest
from hub.statements.ingest import BUCKETS
from hub.tables import inbox, learners, pending, recompute_failures
from lrs import query
from lrs.agents import Identifier, agent_key, identifier
from lrs.database import among, insert_all, lock_each, upsert
from lrs.query import Stored
from mappings.certification import Scheme
from mappings.compare import Difference, differences
from mappings.course import Catalogue
from mappings.evaluate import Evaluation, Pending, Recognition, evaluate
from mappings.facts import Fact, NotAFact, Observation, read
from mappings.policy import Policy
from mappings.rtl import FollowUp

log = structlog.get_logger()

#: Wake-ups that one call of `drain` looks at.
BATCH = 256
#: Failures after which a learner is set aside.
MOST_FAILURES = 3
#: Statements of an unlinked actor that are weighed for a page.
WEIGHED = 500


@dataclass(frozen=True, slots=True)
class System:
    """What recognition needs to know of a connector; ``institution`` is what people see of it."""

    name: str
    vocabulary: str
    trusted_centi_jp: int | None
    institution: str


class Observed(NamedTuple):
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
    schemes: tuple[Scheme, ...]
    follow_up: FollowUp
    #: The connectors that may state JP in a certificate, each with its limit in hundredths.
    trusted: Mapping[str, int]


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
class Behind:
    """Hundredths of JP that wait behind an unlinked actor; ``is_more``: she has more statements than were weighed."""

    centi_jp: int
    is_more: bool


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
    """The catalogue, the systems and the policies that are kept up, as they are now: one question, and what changed
    since this process read it (`hub.revisions`)."""
    numbers = revisions.read(conn)
    known = hub.directory.current(conn, numbers).connectors.values()
    followed = hub.policies.followed(conn, numbers)
    return Surroundings(
        hub.courses.current(conn, numbers).catalogue,
        {each.id: System(each.name, each.vocabulary, each.trusted_centi_jp, each.shown) for each in known},
        followed.policies,
        followed.schemes,
        followed.follow_up,
        {each.name: each.trusted_centi_jp for each in known if each.trusted_centi_jp is not None},
    )


def observations(conn: sa.Connection, hub: Hub, learner: UUID, around: Surroundings | None = None) -> list[Observed]:
    """Everything that the LRS holds of a learner, each statement with what it is, voided ones too."""
    return next(observations_of(conn, hub, [learner], around or surroundings(conn, hub)))[1]


def observations_of(
    conn: sa.Connection, hub: Hub, learners: Sequence[UUID], around: Surroundings
) -> Iterator[tuple[UUID, list[Observed]]]:
    """The same of several learners, one after the other in the given order.

    They are asked for together, since a question for each is most of the cost of a replay; their statements are parsed
    only when it is a learner's turn, so that those of one alone are in memory.
    """
    whose = identity.owners_of_actors(conn, learners)
    actors: dict[UUID, set[int]] = {learner: set() for learner in learners}
    for actor_key, learner in whose.items():
        actors[learner].add(actor_key)
    said: dict[UUID, list[Stored]] = {learner: [] for learner in learners}
    for stored in query.of_actors(conn, whose):
        said[whose[stored.actor_key]].append(stored)
    for learner in learners:
        yield learner, [observe(hub, stored, around, actors[learner]) for stored in said.pop(learner)]


def assessed(conn: sa.Connection, hub: Hub, learner: UUID, around: Surroundings) -> list[Observed]:
    """What assessors said of a learner: statements whose actors are others."""
    actors = identity.actors_of(conn, learner)
    about = sa.select(assessments.c.statement).where(assessments.c.actor_key.in_(actors))
    found = (query.get(conn, statement) for statement in conn.execute(about).scalars().all())
    return [observe(hub, stored, around) for stored in found if stored is not None]


def observe(hub: Hub, stored: Stored, around: Surroundings, mine: Collection[int] = ()) -> Observed:
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
        is_own_instructor=(teacher := _instructor(statement)) is not None
        and (teacher == stored.actor_key or teacher in mine),
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


def behind(conn: sa.Connection, hub: Hub, actor_key: int, around: Surroundings) -> Behind:
    """What waits behind an actor whom nobody has linked: what her statements alone would give, each year under its
    official policy."""
    first = list(query.of_actors(conn, [actor_key], limit=WEIGHED + 1))
    observed = [observe(hub, stored, around) for stored in first[:WEIGHED]]
    centi_jp = sum(
        found.centi_jp
        for policy in around.policies
        for found in evaluate_all(hub, policy, observed, around).recognitions
        if hub.policies.active(conn, found.year).name == policy.name
    )
    return Behind(centi_jp, is_more=len(first) > WEIGHED)


# Recomputing -------------------------------------------------------------------------------------------


def recompute(conn: sa.Connection, hub: Hub, learner: UUID) -> Recomputed | None:
    """Bring a learner's ledgers in line with her statements, under every policy that is kept up.

    None where there is no such learner. Waits for whoever has her locked.
    """
    if not _lock(conn, learner):
        return None
    # Read behind the lock, as in `recompute_many`.
    return _recompute(conn, hub, [learner], surroundings(conn, hub))[learner]


def recompute_many(
    conn: sa.Connection, hub: Hub, wanted: Iterable[UUID], *, policies: tuple[Policy, ...]
) -> dict[UUID, Recomputed]:
    """The same for several, in one transaction, under these policies alone; those who are not there are left out."""
    here = _lock_all(conn, wanted)
    if not here:
        return {}
    # Read behind the locks: a catalogue from before them could take back what another worker entered by a newer one.
    # What a learner undertakes depends on no policy, so it is left as it is.
    around = replace(surroundings(conn, hub), policies=policies)
    return _book(conn, hub, here, observations_of(conn, hub, here, around), around)


def _recompute(conn: sa.Connection, hub: Hub, learners: Sequence[UUID], around: Surroundings) -> dict[UUID, Recomputed]:
    cells = gradebooks.of_learners(conn, learners)

    def observed() -> Iterator[tuple[UUID, list[Observed]]]:
        for learner, found in observations_of(conn, hub, learners, around):
            told = assessed(conn, hub, learner, around)
            undertakings.bring_in_line(conn, hub, learner, found, told, around)
            reported.bring_in_line(conn, hub, cells.get(learner, ()), found, around)
            yield learner, found

    return _book(conn, hub, learners, observed(), around)


def _book(
    conn: sa.Connection,
    hub: Hub,
    learners: Sequence[UUID],
    observed: Iterable[tuple[UUID, Sequence[Observed]]],
    around: Surroundings,
) -> dict[UUID, Recomputed]:
    """Bring the ledgers alone in line."""
    spines = ledger.spines_of(conn, learners)
    books = {learner: _Book(conn, hub, learner, spines.get(learner, [])) for learner in learners}
    pendings: dict[tuple[UUID, str], Sequence[Pending]] = {}
    for learner, found in observed:
        for policy in around.policies:
            evaluation = evaluate_all(hub, policy, found, around)
            books[learner].bring_in_line(policy, evaluation.recognitions, found, around.catalogue)
            pendings[learner, policy.name] = evaluation.pending
    ledger.append(conn, [row for book in books.values() for row in book.added])
    _replace_pending(conn, pendings)
    return {learner: book.recomputed() for learner, book in books.items()}


def _lock(conn: sa.Connection, learner: UUID, *, skip_locked: bool = False) -> bool:
    locked = sa.select(learners.c.id).where(learners.c.id == learner).with_for_update(skip_locked=skip_locked)
    return conn.execute(locked).first() is not None


def _lock_all(conn: sa.Connection, wanted: Iterable[UUID]) -> list[UUID]:
    """Lock these learners, in the order of their ids so that two workers cannot deadlock; gives those who are there."""
    ids = sorted(wanted)
    lock_each(conn, learners.c.id, ids)
    found = sa.select(learners.c.id).where(among(conn, learners.c.id, ids)).order_by(learners.c.id)
    return list(conn.execute(found).scalars())


class _Book:
    """The end of one learner's ledger while rows are added to it. Somebody holds her lock."""

    def __init__(self, conn: sa.Connection, hub: Hub, learner: UUID, spine: Sequence[ledger.Vertebra]) -> None:
        self._conn = conn
        self._learner = learner
        self._now = hub.clock()
        self._spine = spine
        self._position = spine[-1].position if spine else 0
        self._digest = spine[-1].digest if spine else b""
        self._times_entered = Counter(each.named for each in spine if each.reverses is None)
        self.added: list[dict[str, Any]] = []

    def bring_in_line(
        self, policy: Policy, wanted: Iterable[Recognition], observed: Sequence[Observed], catalogue: Catalogue
    ) -> None:
        """Take back what is not recognized any more, and enter what is recognized anew."""
        live = self._live(policy.name)
        by_key = {recognition.key: recognition for recognition in wanted}
        gone = [position for key, position in live.items() if key not in by_key]
        if gone:
            causes = _Causes(observed, catalogue)
            for row in ledger.rows_at(self._conn, self._learner, gone):
                self._reverse(row, causes.of(row))
        for key, recognition in by_key.items():
            if key not in live:
                self._enter(policy, recognition)

    def recomputed(self) -> Recomputed:
        """How much was added."""
        entered = sum(row["reverses"] is None for row in self.added)
        return Recomputed(entered, len(self.added) - entered)

    def _live(self, policy: str) -> dict[tuple[str, str, str], int]:
        """The positions of entries that nothing takes back, by what identifies them within the policy."""
        gone = {each.reverses for each in self._spine}
        return {
            (each.course, each.period, each.content): each.position
            for each in self._spine
            if each.policy == policy and each.reverses is None and each.position not in gone
        }

    def _enter(self, policy: Policy, found: Recognition) -> None:
        named = (policy.name, *found.key)
        key = ledger.key(*named, self._times_entered[named])
        self._times_entered[named] += 1
        self._append(
            key=key,
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
            document=found.document,
            reverses=None,
            cause=None,
            evidence=found.evidence,
        )

    def _reverse(self, row: Mapping[str, Any], cause: Mapping[str, Any]) -> None:
        repeated = {name: row[name] for name in ledger.REPEATED}
        self._append(
            key=ledger.reversal_key(row["key"]),
            **repeated,
            centi_jp=-row["centi_jp"],
            reverses=row["position"],
            cause=orjson.dumps(cause).decode(),
            evidence=(),
        )

    def _append(self, **values: Any) -> None:
        self._position += 1
        row = {"learner": self._learner, "position": self._position, "recorded_at": self._now, **values}
        self._digest = row["digest"] = ledger.chained(self._digest, row)
        self.added.append(row)


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


def _replace_pending(conn: sa.Connection, found: Mapping[tuple[UUID, str], Sequence[Pending]]) -> None:
    """Write down what is missing now. Most recomputations change little of it, so only that is written."""
    before = ledger.pending_documents(conn, {learner for learner, _ in found})
    wanted = {
        (learner, policy, each.course): ledger.pending_document(each)
        for (learner, policy), all_of_it in found.items()
        for each in all_of_it
    }
    gone = [key for key, text in before.items() if key[:2] in found and wanted.get(key) != text]
    ledger.forget_pending(conn, gone)
    new = sorted(key for key, text in wanted.items() if before.get(key) != text)
    insert_all(
        conn,
        pending,
        [{"learner": key[0], "policy": key[1], "course": key[2], "document": wanted[key]} for key in new],
    )


# The inbox ---------------------------------------------------------------------------------------------


def drain(hub: Hub, told: Callable[[str, float], None] = lambda outcome, seconds: None) -> int:
    """Recompute learners for whom wake-ups wait, at most `BATCH` wake-ups; tells how many were dealt with.

    ``told`` hears of each learner what became of it ("done", "failed", "left" to who has her) and in how many seconds.
    """
    with hub.db.read() as conn:
        waiting = _look(conn, hub.new_id())
        if not waiting:
            return 0
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
            settled, outcome = _settle(hub, learner, claimed, has_failed=learner in failing)
        done += settled
        told(outcome, perf_counter() - began)
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


def _settle(hub: Hub, learner: UUID, claimed: Sequence[_WakeUp], *, has_failed: bool) -> tuple[int, str]:
    """Recompute one learner; tells how many wake-ups that settled, and what became of it."""
    try:
        settled = hub.db.run(partial(_recompute_claimed, hub=hub, learner=learner, claimed=claimed, heal=has_failed))
        return settled, "done" if settled else "left"
    except (sa.exc.OperationalError, sa.exc.InterfaceError):
        raise  # The database is away, which is nobody's failure.
    except Exception as error:  # noqa: BLE001  # one learner's trouble is hers alone: the rest must go on
        hub.db.run(partial(note_failure, hub=hub, learner=learner, error=error, claimed=claimed))
        return len(claimed), "failed"


def _recompute_claimed(conn: sa.Connection, hub: Hub, learner: UUID, claimed: Sequence[_WakeUp], heal: bool) -> int:
    if not _lock(conn, learner, skip_locked=True):
        return 0
    settled = _delete(conn, claimed)
    if settled:
        # Read behind the lock, as in `recompute_many`.
        _recompute(conn, hub, [learner], surroundings(conn, hub))
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
    """Put actors that are nobody's on the unresolved list, unless a rule knows them. They are woken again when somebody
    links them."""
    keys = {each.actor_key for each in strangers}
    unknown = sorted(keys - identity.find_many(conn, keys).keys())
    names = [name for key in unknown if (name := _name_of(conn, key)) is not None]
    identity.note_unknown(conn, names, now=hub.clock())
    identity_rules.apply(conn, hub, identity.find_many(conn, keys).values())
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


def note_failure(
    conn: sa.Connection, hub: Hub, learner: UUID, error: Exception, *, claimed: Sequence[_WakeUp] = ()
) -> None:
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


def compare_page(
    conn: sa.Connection, hub: Hub, old: Policy, new: Policy, *, limit: int, after: UUID | None = None
) -> Compared:
    """What the next so many learners would gain or lose under another policy, and why; nothing is written."""
    page = list_learners(conn, after=after, limit=limit)
    around = surroundings(conn, hub)
    rows: list[tuple[UUID, Difference]] = []
    for learner, observed in observations_of(conn, hub, page, around):
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


def list_learners(
    conn: sa.Connection, *, after: UUID | None, limit: int, first: UUID | None = None, last: UUID | None = None
) -> list[UUID]:
    """The ids of all learners, or of those from ``first`` to ``last``, in their own order."""
    at = learners.c.id
    ids = sa.select(at).order_by(at).limit(limit)
    if after is not None:
        ids = ids.where(at > after)
    if first is not None:
        ids = ids.where(at >= first)
    if last is not None:
        ids = ids.where(at <= last)
    return list(conn.execute(ids).scalars())
