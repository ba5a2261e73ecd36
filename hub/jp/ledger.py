"""What was recognized: the entries of a learner, her balance of a year, and what is still missing something.

The ledger is append-only. An entry is recognized JP of one course and period under one policy; a *reversal* repeats an
entry with negative JP and says why. A balance is the sum of all of them, so nothing is ever taken out or changed.
Each entry's digest holds that of the one before: `chained` is the one recipe, for those who write and who verify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub.learning import plan
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.tables import entries, entry_evidence, pending
from lrs.database import among, insert_many
from mappings.evaluate import Pending, Waiting
from mappings.policy import Policy
from mappings.rules import Check
from mappings.targets import Target


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger. ``reverses`` is the id of the entry that this one takes back, ``cause`` why."""

    id: str
    learner: UUID
    position: int
    policy: str
    policy_digest: str
    course: str
    course_digest: str
    form: str
    scope: str
    period: str
    on: date
    year: int
    centi_jp: int
    checks: tuple[Check, ...]
    evidence: tuple[str, ...]
    reverses: str | None
    is_reversed: bool
    cause: Mapping[str, Any] | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Year:
    """A learner's year under the policy that is official in it. ``entries`` hold reversals too."""

    learner: Learner
    year: int
    policy: Policy
    target: Target | None
    planned_centi: int
    recognized_centi: int
    entries: tuple[Entry, ...]
    pending: tuple[Pending, ...]
    #: What counts towards the target: the JP of ``days`` (a calendar or contract year), at most its ceiling.
    credited_centi: int
    days: tuple[date, date]


def entry_id(learner: UUID, position: int) -> str:
    """The name of an entry outside of the database."""
    return f"{learner.hex}-{position}"


def parse_entry_id(text: str) -> tuple[UUID, int] | None:
    """Learner and position that an entry's name says; None where it is no such name."""
    learner, _, position = text.partition("-")
    is_name = len(learner) == 32 and position.isascii() and position.isdigit() and len(position) < 10
    try:
        return (UUID(hex=learner), int(position)) if is_name else None
    except ValueError:
        return None


# Reading -----------------------------------------------------------------------------------------------


def get(conn: sa.Connection, entry: str) -> Entry | None:
    """The entry of this id."""
    named = parse_entry_id(entry)
    if named is None:
        return None
    learner, position = named
    at = entries.c
    query = _select().where(at.learner == learner, sa.or_(at.position == position, at.reverses == position))
    found = {each.position: each for each in _read(conn.execute(query).all())}
    return found.get(position)


def find_reversal(conn: sa.Connection, entry: Entry) -> Entry | None:
    """The entry that takes this one back."""
    at = entries.c
    query = _select().where(at.learner == entry.learner, at.reverses == entry.position)
    return next(iter(_read(conn.execute(query).all())), None)


def of_year(conn: sa.Connection, learner: UUID, policy: str, year: int) -> tuple[Entry, ...]:
    """A learner's entries of a year under a policy, in the order in which they were made."""
    at = entries.c
    query = _select().where(at.learner == learner, at.policy == policy, at.year == year)
    return _read(conn.execute(query.order_by(at.position)).all())


def of_learner(conn: sa.Connection, learner: UUID) -> tuple[Entry, ...]:
    """Every entry of a learner, under all policies, in the order in which they were made."""
    return _read(conn.execute(_select().where(entries.c.learner == learner).order_by(entries.c.position)).all())


def at_positions(conn: sa.Connection, learner: UUID, positions: Iterable[int]) -> tuple[Entry, ...]:
    """These entries of a learner, and what reverses them."""
    wanted = sorted(set(positions))
    at = entries.c
    query = _select().where(at.learner == learner, sa.or_(at.position.in_(wanted), at.reverses.in_(wanted)))
    return _read(conn.execute(query.order_by(at.position)).all())


def resting_on(conn: sa.Connection, statement: UUID) -> tuple[tuple[UUID, int], ...]:
    """Learner and position of the entries that rest on a statement."""
    at = entry_evidence.c
    query = sa.select(at.learner, at.position).where(at.statement == statement).order_by(at.learner, at.position)
    return tuple((row.learner, row.position) for row in conn.execute(query))


def standing_on(conn: sa.Connection, statements: Sequence[UUID]) -> set[UUID]:
    """Those of a page of statements on which an hour rests that nothing took back."""
    at, reversal = entry_evidence.c, entries.alias()
    taken_back = sa.exists(
        sa.select(sa.literal(1)).where(reversal.c.learner == at.learner, reversal.c.reverses == at.position)
    )
    query = sa.select(at.statement).where(at.statement.in_(statements), sa.not_(taken_back))
    return set(conn.execute(query).scalars())


def positions_resting_on(conn: sa.Connection, learner: UUID, statements: Iterable[UUID]) -> dict[UUID, set[int]]:
    """The positions of a learner's entries that rest on each of these statements."""
    wanted = sorted(statements, key=lambda each: each.bytes)
    at = entry_evidence.c
    found: dict[UUID, set[int]] = {}
    for begin in range(0, len(wanted), 500):
        query = sa.select(at.statement, at.position).where(
            at.statement.in_(wanted[begin : begin + 500]), at.learner == learner
        )
        for row in conn.execute(query):
            found.setdefault(row.statement, set()).add(row.position)
    return found


def years_of(conn: sa.Connection, learner: UUID) -> tuple[int, ...]:
    """The years in which a learner has entries, the newest first."""
    query = sa.select(entries.c.year).where(entries.c.learner == learner).distinct()
    return tuple(conn.execute(query.order_by(entries.c.year.desc())).scalars())


def pending_of(conn: sa.Connection, learner: UUID, policy: str) -> tuple[Pending, ...]:
    """The courses of which a learner has evidence that earns nothing yet, by course."""
    query = sa.select(pending.c.course, pending.c.document).where(
        pending.c.learner == learner, pending.c.policy == policy
    )
    return tuple(parse_pending(row.course, row.document) for row in conn.execute(query.order_by(pending.c.course)))


def year_of(conn: sa.Connection, hub: Hub, learner: Learner, year: int) -> Year:
    """A learner's year: her target, what is planned, what was recognized and from what, and what is missing."""
    policy = hub.policies.active(conn, year)
    found = of_year(conn, learner.id, policy.name, year)
    recognized = counted = sum(entry.centi_jp for entry in found)
    target = hub.policies.obligations(conn).of(learner.status, learner.employer, year)
    days = target.days(year, learner.contract_begin) if target else (date(year, 1, 1), date(year, 12, 31))
    if target is not None and target.is_by_contract(learner.contract_begin):
        counted = recognized_between(conn, policy.name, {learner.id: days}).get(learner.id, 0)
    return Year(
        learner=learner,
        year=year,
        policy=policy,
        target=target,
        planned_centi=plan.planned_centi(conn, hub, learner.id, year),
        recognized_centi=recognized,
        entries=found,
        pending=pending_of(conn, learner.id, policy.name),
        credited_centi=target.credited(counted) if target else counted,
        days=days,
    )


def recognized_between(conn: sa.Connection, policy: str, spans: Mapping[UUID, tuple[date, date]]) -> dict[UUID, int]:
    """Hundredths of JP that each of these learners has on the days of her span, both included."""
    if not spans:
        return {}
    at = entries.c
    first, last = min(begin.year for begin, _ in spans.values()), max(end.year for _, end in spans.values())
    mine = (at.learner.in_(list(spans)), at.policy == policy, at.year >= first, at.year <= last)
    sums = dict.fromkeys(spans, 0)
    for row in conn.execute(sa.select(at.learner, at.on, at.centi_jp).where(*mine)):
        begin, end = spans[row.learner]
        sums[row.learner] += row.centi_jp if begin <= row.on <= end else 0
    return sums


def _select() -> sa.Select[Any]:
    return sa.select(*(column for column in entries.c if column.name not in {"key", "content", "digest"}))


def _read(rows: Iterable[sa.Row[Any]]) -> tuple[Entry, ...]:
    rows = tuple(rows)
    reversed_ones = {row.reverses for row in rows}
    return tuple(_entry(row, row.position in reversed_ones) for row in rows)


def _entry(row: sa.Row[Any], is_reversed: bool) -> Entry:
    document = Document.parse(row.document)
    return Entry(
        id=entry_id(row.learner, row.position),
        learner=row.learner,
        position=row.position,
        policy=row.policy,
        policy_digest=row.policy_digest,
        course=row.course,
        course_digest=row.course_digest,
        form=row.form,
        scope=document.scope,
        period=row.period,
        on=row.on,
        year=row.year,
        centi_jp=row.centi_jp,
        checks=document.checks,
        evidence=document.evidence,
        reverses=None if row.reverses is None else entry_id(row.learner, row.reverses),
        is_reversed=is_reversed,
        cause=None if row.cause is None else orjson.loads(row.cause),
        recorded_at=row.recorded_at,
    )


# Documents ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """What `mappings.evaluate.Recognition.document` was into an entry."""

    course: str
    course_digest: str
    form: str
    scope: str
    period: str
    on: date
    centi_jp: int
    checks: tuple[Check, ...]
    evidence: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Document:
        """What an entry says; `ValueError` where somebody made something else of it."""
        try:
            course, course_digest, form, scope, period, on, centi_jp, checks, evidence = orjson.loads(text)
            steps = tuple(Check(*check) for check in checks)
            day = date.fromisoformat(on)
        except TypeError as error:
            raise ValueError(f"Not a recognition: {error}") from error
        return Document(course, course_digest, form, scope, period, day, centi_jp, steps, tuple(evidence))


def pending_documents(conn: sa.Connection, learners: Iterable[UUID]) -> dict[tuple[UUID, str, str], str]:
    """What is written down as pending of these learners, by learner, policy and course."""
    query = sa.select(pending).where(among(conn, pending.c.learner, learners))
    return {(row.learner, row.policy, row.course): row.document for row in conn.execute(query)}


def forget_pending(conn: sa.Connection, keys: Iterable[tuple[UUID, str, str]]) -> None:
    """Take these away."""
    at = pending.c
    courses: dict[tuple[UUID, str], list[str]] = {}
    for learner, policy, course in sorted(keys):
        courses.setdefault((learner, policy), []).append(course)
    for (learner, policy), gone in courses.items():
        for begin in range(0, len(gone), 500):
            mine = (at.learner == learner, at.policy == policy, at.course.in_(gone[begin : begin + 500]))
            conn.execute(sa.delete(pending).where(*mine))


def pending_document(found: Pending) -> str:
    """A pending course as it is stored."""
    waiting = [
        {"code": each.code, "detail": dict(each.detail), "statements": each.statements} for each in found.waiting
    ]
    return orjson.dumps({"missing": found.missing, "waiting": waiting}, option=orjson.OPT_SORT_KEYS).decode()


def parse_pending(course: str, text: str) -> Pending:
    """What `pending_document` wrote."""
    document = orjson.loads(text)
    waiting = tuple(
        Waiting(each["code"], each["detail"], tuple(each["statements"])) for each in document["waiting"]
    )  # fmt: skip
    return Pending(course, tuple(document["missing"]), waiting)


# Rows as they are stored: for who writes and who verifies ---------------------------------------------------


def rows_of(conn: sa.Connection, learner: UUID) -> list[dict[str, Any]]:
    """A learner's rows with keys and digests, in the order in which they were made."""
    rows = conn.execute(sa.select(entries).where(entries.c.learner == learner).order_by(entries.c.position))
    return [dict(row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class Vertebra:
    """What of a row decides what comes behind it: all but its reasoning."""

    position: int
    policy: str
    course: str
    period: str
    content: str
    reverses: int | None
    digest: bytes

    @property
    def named(self) -> tuple[str, str, str, str]:
        """What the idempotency key is made of."""
        return (self.policy, self.course, self.period, self.content)


def spines_of(conn: sa.Connection, learners: Sequence[UUID]) -> dict[UUID, list[Vertebra]]:
    """The rows of these learners without their reasoning, each learner's in the order in which they were made."""
    at = entries.c
    query = sa.select(
        at.learner, at.position, at.policy, at.course, at.period, at.content, at.reverses, at.digest
    ).where(among(conn, at.learner, learners))  # fmt: skip
    spines: dict[UUID, list[Vertebra]] = {}
    for learner, *rest in conn.execute(query.order_by(at.learner, at.position)):
        spines.setdefault(learner, []).append(Vertebra(*rest))
    return spines


def rows_at(conn: sa.Connection, learner: UUID, positions: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of a learner at these positions."""
    found: list[dict[str, Any]] = []
    for begin in range(0, len(positions), 500):
        part = positions[begin : begin + 500]
        query = sa.select(entries).where(entries.c.learner == learner, entries.c.position.in_(part))
        found += [dict(row._mapping) for row in conn.execute(query.order_by(entries.c.position))]
    return found


def key_of(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The idempotency key of a row behind those before it: of an entry, or of what takes one back."""
    if row["reverses"] is not None:
        return next((reversal_key(each["key"]) for each in rows if each["position"] == row["reverses"]), b"")
    named = (row["policy"], row["course"], row["period"], row["content"])
    before = (each for each in rows if each["position"] < row["position"] and each["reverses"] is not None)
    return key(*named, sum((e["policy"], e["course"], e["period"], e["content"]) == named for e in before))


def is_reversal(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the row takes back an earlier entry, exactly that, and is the only one that does."""
    rows = tuple(rows)
    target = next((each for each in rows if each["position"] == row["reverses"]), None)
    if target is None or target["position"] >= row["position"] or target["reverses"] is not None:
        return False
    repeats = all(row[name] == target[name] for name in REPEATED) and row["centi_jp"] == -target["centi_jp"]
    alone = sum(each["reverses"] == row["reverses"] for each in rows) == 1
    return repeats and alone and row["key"] == key_of(row, rows)


def differences(row: Mapping[str, Any], document: Document) -> set[str]:
    """Which columns of a row say something else than its reasoning."""
    names = ("course", "course_digest", "form", "period", "on")
    different = {name for name in names if row[name] != getattr(document, name)}
    sign = 1 if row["reverses"] is None else -1
    different |= {"centi_jp"} if row["centi_jp"] != sign * document.centi_jp else set()
    return different | ({"year"} if row["year"] != document.on.year else set())


# Writing -----------------------------------------------------------------------------------------------


def key(policy: str, course: str, period: str, content: str, reversals: int) -> bytes:
    """The idempotency key: the same content under the same policy is entered once for each time it was taken back."""
    return sha256(orjson.dumps([policy, course, period, content, reversals])).digest()


def reversal_key(reversed_key: bytes) -> bytes:
    """The key of the reversal of an entry: there can be one."""
    return sha256(b"reverses" + reversed_key).digest()


#: What a reversal says as the entry said it.
REPEATED = (
    "policy", "policy_digest", "course", "course_digest", "form", "period", "on", "year", "content", "document",
)  # fmt: skip

_CHAINED = (
    "policy", "policy_digest", "course", "course_digest", "form", "period", "year", "centi_jp", "content", "document",
    "reverses", "cause",
)  # fmt: skip


def chained(before: bytes, row: Mapping[str, Any]) -> bytes:
    """The digest of an entry: of everything that it says, and of the digest of the entry before it (empty for the
    first)."""
    values = [row["learner"].hex, row["position"], row["key"].hex(), row["on"].isoformat()]
    values += [row[name] for name in _CHAINED]
    return sha256(before + orjson.dumps([*values, row["recorded_at"].astimezone(UTC).isoformat()])).digest()


def append(conn: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write entries that were made for the end of their learners' ledgers, and from each statement of their
    ``evidence`` the way to them; somebody holds the learners' locks."""
    made = [dict(row) for row in rows]
    ways = [
        {"statement": UUID(statement), "learner": row["learner"], "position": row["position"]}
        for row in made
        for statement in row.pop("evidence", ())
    ]
    insert_many(conn, entries, made)
    insert_many(conn, entry_evidence, ways)
