"""Where people stand with what they undertake beyond a course, and who has to do what next.

A follow-up plan (RTL) is its steps, a certification what was reported of its stages, each a statement in the LRS.
Everything here is read from them and written down so that pages and lists need not read statements. Whoever recomputes
a learner brings it in line, in the same transaction; so the order in which statements arrive makes no difference, and
a void takes a step back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub.learning.development_tables import duties, undertakings
from hub.people import identity
from hub.tables import learners
from lrs.agents import Identifier, agent_key, identifier
from lrs.database import insert_all
from mappings import rtl
from mappings.certification import (
    Appeal,
    Certificate,
    Certification,
    Refused,
    Report,
    Scheme,
    StageStanding,
    candidate_of,
    judge,
    read_report,
    scheme_of,
)
from mappings.facts import Fact, Observation
from mappings.rtl import FollowUp, Plan, Step, follow, item_json, item_of, owes_plan, step_of

if TYPE_CHECKING:
    from hub.jp.recognition import Observed, Surroundings
    from hub.learning.catalogue import Listed
    from hub.runtime import Hub

RTL, CERTIFICATION = "rtl", "certification"

#: A plan that is owed and of which nothing was written yet.
ASKED = "asked"

OWNER, SUPERVISOR = "owner", "supervisor"

#: What a statement may say of a certification.
Told: TypeAlias = Report | Appeal | Certificate | Refused

#: How a course proves that it was finished.
_FINISHING = frozenset({"completed", "passed", "certificate"})


@dataclass(frozen=True, slots=True)
class FollowUpPlan:
    """A learner's plan for a course. ``people``: who took each step, by statement, as far as the hub knows."""

    plan: Plan
    finished_on: date | None
    people: Mapping[str, UUID]

    @property
    def state(self) -> str:
        return self.plan.state or ASKED


@dataclass(frozen=True, slots=True)
class Undertaking:
    """A row of the read model; ``document`` is JSON that its kind decides."""

    kind: str
    subject: str
    state: str
    document: str


@dataclass(frozen=True, slots=True)
class Terms:
    """By which deadlines plans are followed, and the courses by which to know whose they are."""

    follow_up: FollowUp
    courses: Mapping[str, Listed]

    def of(self, course: str) -> FollowUp:
        """The deadlines of one course."""
        listed = self.courses.get(course)
        return self.follow_up.of(course, listed.course.provider if listed else "")


@dataclass(frozen=True, slots=True)
class Duty:
    """Something that has to be done about an undertaking. ``who`` is a learner's id, a supervisor's NIP, or ""."""

    learner: UUID
    kind: str
    subject: str
    who: str
    code: str
    from_on: date
    due_on: date

    @property
    def key(self) -> After:
        return After(self.due_on, self.learner, self.kind, self.subject, self.who)


@dataclass(frozen=True, slots=True)
class After:
    """Where a page of a list of duties ended."""

    due_on: date
    learner: UUID
    kind: str
    subject: str
    who: str


# Plans, from statements --------------------------------------------------------------------------------


def plan_of(hub: Hub, observed: Iterable[Observed], course: str) -> FollowUpPlan:
    """The plan for one course, as the learner's statements have it; not begun where there are none."""
    mine = [each for each in observed if isinstance(each.reading, Fact) and each.reading.course == course]
    return _plan(hub, course, mine)


def _plans(hub: Hub, observed: Iterable[Observed], around: Surroundings, follow_up: FollowUp) -> Iterator[FollowUpPlan]:
    """The plans of a learner: those with steps, and those that are owed for a course that she took part in."""
    by_course: dict[str, list[Observed]] = {}
    owed: dict[str, bool] = {}
    for each in observed:
        fact = each.reading
        if not isinstance(fact, Fact):
            continue
        if fact.course not in owed:
            course = around.catalogue.find(fact.course)
            owed[fact.course] = course is not None and owes_plan(course, follow_up)
        if owed[fact.course] or fact.kind.startswith("rtl_"):
            by_course.setdefault(fact.course, []).append(each)
    for iri, mine in sorted(by_course.items()):
        found = _plan(hub, iri, mine)
        if owed[iri] or found.plan.steps:
            yield found


def _plan(hub: Hub, course: str, observed: Sequence[Observed]) -> FollowUpPlan:
    steps: list[Step] = []
    people: dict[str, UUID] = {}
    for each in observed:
        if isinstance(each.reading, Fact):
            by, person = _who(hub, each.observation, each.reading)
            step = step_of(each.observation, each.reading, by)
            if step is not None:
                steps.append(step)
                people |= {step.statement: person} if person else {}
    return FollowUpPlan(follow(OWNER, SUPERVISOR, course, steps), _finished_on(hub, observed), people)


def _who(hub: Hub, observation: Observation, fact: Fact) -> tuple[str, UUID | None]:
    """Owner or supervisor, and the person where it is an account that the hub gave.

    A decision without an instructor is the supervisor's: the provider says that there was one. What came with a
    launch is the learner's own word, whomever it names.
    """
    statement = observation.statement
    instructor = statement.get("context", {}).get("instructor")
    is_own = observation.is_own_instructor or observation.origin.startswith("launch:")
    is_decision = fact.kind in ("rtl_approved", "rtl_returned") or (fact.kind == "rtl_evaluated" and instructor)
    if is_decision and not is_own:
        return SUPERVISOR, _person(hub, instructor)
    return OWNER, _person(hub, statement["actor"])


def _person(hub: Hub, agent: Mapping[str, Any] | None) -> UUID | None:
    who: Identifier | None = identifier(agent) if agent else None
    if who is None or (who.kind, who.homepage) != ("account", hub.base_url):
        return None
    try:
        return UUID(who.name)
    except ValueError:
        return None


def _finished_on(hub: Hub, observed: Iterable[Observed]) -> date | None:
    """The day on which the course was finished first."""
    days = [
        each.reading.at.astimezone(hub.settings.timezone).date()
        for each in observed
        if isinstance(each.reading, Fact) and _FINISHING.intersection(each.reading.proves)
    ]
    return min(days, default=None)


# Certifications, from statements ------------------------------------------------------------------------


def certifications_of(
    conn: sa.Connection, hub: Hub, learner: UUID, observed: Iterable[Observed], schemes: Iterable[Scheme]
) -> list[Certification]:
    """Where a learner stands in each scheme of which something was reported."""
    return [
        certification_of(hub, learner, scheme, told)
        for scheme, told in reports_of(conn, hub, learner, observed, tuple(schemes))
    ]


def reports_of(
    conn: sa.Connection, hub: Hub, learner: UUID, observed: Iterable[Observed], schemes: Sequence[Scheme]
) -> list[tuple[Scheme, list[Told]]]:
    """What was reported of a learner, by scheme."""
    about: dict[str, tuple[Scheme, list[tuple[Observation, str]]]] = {}
    for each in observed:
        statement = each.observation.statement
        # What she says of others as their assessor is not about herself.
        if candidate_of(statement) is not None and _is_by(conn, learner, each):
            continue
        found = scheme_of(statement, schemes)
        if found is not None:
            about.setdefault(found[0].name, (found[0], []))[1].append((each.observation, found[1]))
    return [
        (scheme, [
            told
            for observation, stage in listed
            if (told := report_of(conn, hub, observation, scheme, stage))
        ])
        for _name, (scheme, listed) in sorted(about.items())
    ]  # fmt: skip


def report_of(conn: sa.Connection, hub: Hub, observation: Observation, scheme: Scheme, stage: str) -> Told | None:
    """What one statement says of a scheme's stage; None where its verb says nothing about a certification."""
    return read_report(observation, scheme, stage, hub.policies.vocabulary("default"), _assessor(conn, observation))


def _is_by(conn: sa.Connection, learner: UUID, each: Observed) -> bool:
    """Whether a statement's actor is the learner, and its candidate somebody else."""
    candidate = candidate_of(each.observation.statement)
    who = identifier(candidate) if candidate else None
    is_about_her = who is not None and _learner_of(conn, who) == learner
    return identity.learner_of(conn, each.stored.actor_key) == learner and not is_about_her


def _assessor(conn: sa.Connection, observation: Observation) -> str:
    """Who judged: a learner's id where the hub knows the person, else the name that the provider gave; "" where the
    statement names nobody."""
    statement = observation.statement
    if candidate_of(statement) is not None:
        named = statement["actor"]
    else:
        named = statement.get("context", {}).get("instructor")
    who = identifier(named) if named else None
    if who is None:
        return ""
    known = _learner_of(conn, who)
    return str(known) if known else f"{who.homepage} {who.name}".strip()


def _learner_of(conn: sa.Connection, who: Identifier) -> UUID | None:
    return identity.learner_of(conn, agent_key(who))


def certification_of(hub: Hub, learner: UUID, scheme: Scheme, told: Iterable[Told]) -> Certification:
    """Where a learner stands after everything that was reported."""
    told = tuple(told)
    found = judge(
        scheme,
        str(learner),
        [each for each in told if isinstance(each, Report)],
        [each for each in told if isinstance(each, Appeal)],
        [each for each in told if isinstance(each, Certificate)],
        timezone=hub.settings.timezone,
    )
    wrong = tuple(each for each in told if isinstance(each, Refused))
    return replace(found, refused=(*found.refused, *wrong))


def put_certification(conn: sa.Connection, hub: Hub, learner: UUID, found: Certification) -> None:
    """Write down a certification of which something was just recorded."""
    others = [each for each in read(conn, learner) if (each.kind, each.subject) != (CERTIFICATION, found.scheme)]
    _replace(conn, hub, learner, [*others, _certified(found)])


def _certified(found: Certification) -> Undertaking:
    document = orjson.dumps(asdict(found), option=orjson.OPT_SORT_KEYS).decode()
    return Undertaking(CERTIFICATION, found.scheme, found.standing, document)


def parse_certification(text: str) -> Certification:
    """The certification that a row of the read model holds."""
    document = orjson.loads(text)
    given = document["certificate"]
    stages = tuple(
        StageStanding(
            **each
            | {
                "assessors": tuple(each["assessors"]),
                "evidence": tuple(each["evidence"]),
                "decided_at": _moment(each["decided_at"]),
            }
        )
        for each in document["stages"]
    )
    certificate = given and Certificate(
        **given | {"at": datetime.fromisoformat(given["at"]), "valid_until": _day(given["valid_until"])}
    )
    days = {name: _day(document[name]) for name in ("decided_on", "valid_until", "appeal_until")}
    refused = tuple(Refused(**each) for each in document["refused"])
    return Certification(**document | days | {"stages": stages, "refused": refused, "certificate": certificate or None})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# Writing -----------------------------------------------------------------------------------------------


def bring_in_line(
    conn: sa.Connection,
    hub: Hub,
    learner: UUID,
    observed: Sequence[Observed],
    assessed: Sequence[Observed],
    around: Surroundings,
) -> None:
    """Write down where a learner stands with everything that she undertakes; somebody holds her lock.

    ``assessed``: what assessors said of her. Who undertakes nothing costs one question.
    """
    plans = [_undertaking(each) for each in _plans(hub, observed, around, around.follow_up)]
    certifications = certifications_of(conn, hub, learner, [*observed, *assessed], around.schemes)
    _replace(conn, hub, learner, [*plans, *map(_certified, certifications)])


def put_plan(conn: sa.Connection, hub: Hub, learner: UUID, found: FollowUpPlan) -> None:
    """Write down a plan to which a step was just added, so that the next page shows it."""
    others = [each for each in read(conn, learner) if (each.kind, each.subject) != (RTL, found.plan.course)]
    _replace(conn, hub, learner, [*others, _undertaking(found)])


def _replace(conn: sa.Connection, hub: Hub, learner: UUID, found: Sequence[Undertaking]) -> None:
    before = read(conn, learner)
    if not before and not found:
        return
    known = {(each.kind, each.subject): each for each in before}
    wanted = {(each.kind, each.subject): each for each in found}
    at = undertakings.c
    for key in sorted(known.keys() | wanted.keys()):
        if known.get(key) != wanted.get(key):
            kind, subject = key
            conn.execute(sa.delete(undertakings).where(at.learner == learner, at.kind == kind, at.subject == subject))
    rows = [_row(learner, each) for key, each in sorted(wanted.items()) if known.get(key) != each]
    insert_all(conn, undertakings, rows)
    _replace_duties(conn, learner, _duties(conn, hub, learner, wanted.values()))


def _row(learner: UUID, each: Undertaking) -> dict[str, Any]:
    return {
        "learner": learner, "kind": each.kind, "subject": each.subject, "state": each.state, "document": each.document
    }  # fmt: skip


def _supervisor(conn: sa.Connection, learner: UUID) -> str:
    nip = conn.execute(sa.select(learners.c.supervisor_nip).where(learners.c.id == learner)).scalar()
    return nip or ""


def _duties(conn: sa.Connection, hub: Hub, learner: UUID, found: Iterable[Undertaking]) -> set[Duty]:
    people = {OWNER: str(learner), SUPERVISOR: _supervisor(conn, learner)}
    terms = read_terms(conn, hub)
    return {
        Duty(learner, each.kind, each.subject, people[duty.who], duty.code, duty.from_on, duty.due_on)
        for each in found
        for duty in _next(hub, terms, each)
    }


def _next(hub: Hub, terms: Terms, each: Undertaking) -> tuple[rtl.Duty, ...]:
    if each.kind == CERTIFICATION:
        return _renewal(terms, parse_certification(each.document))
    return next_of(hub, terms, parse_plan(each.subject, each.document))


def _renewal(terms: Terms, found: Certification) -> tuple[rtl.Duty, ...]:
    """A certificate that ends is renewed before it does."""
    if found.valid_until is None:
        return ()
    before = timedelta(days=terms.follow_up.renew_before_days.value)
    return (rtl.Duty("renew", OWNER, found.valid_until - before, found.valid_until),)


def read_terms(conn: sa.Connection, hub: Hub) -> Terms:
    """The deadlines as they hold now."""
    return Terms(hub.policies.follow_up(conn), hub.courses.current(conn).by_iri)


def next_of(hub: Hub, terms: Terms, found: FollowUpPlan) -> tuple[rtl.Duty, ...]:
    """What has to be done next about a plan, by `OWNER` or `SUPERVISOR`."""
    return rtl.duties(found.plan, found.finished_on, terms.of(found.plan.course), timezone=hub.settings.timezone)


def _replace_duties(conn: sa.Connection, learner: UUID, wanted: set[Duty]) -> None:
    before = {Duty(*row) for row in conn.execute(_select().where(duties.c.learner == learner))}
    at = duties.c
    for gone in before - wanted:
        here = at.learner == learner, at.kind == gone.kind, at.subject == gone.subject, at.who == gone.who
        conn.execute(sa.delete(duties).where(*here))
    order = sorted(wanted - before, key=lambda duty: (duty.kind, duty.subject, duty.who))
    insert_all(conn, duties, [{name: getattr(duty, name) for name in _COLUMNS} for duty in order])


# Documents ---------------------------------------------------------------------------------------------


def _undertaking(found: FollowUpPlan) -> Undertaking:
    plan = found.plan
    steps = [*plan.steps, *(each.step for each in plan.refused)]
    document = {
        "finished_on": found.finished_on,
        "steps": [_step_json(step) for step in steps],
        "people": {statement: str(person) for statement, person in found.people.items()},
    }
    return Undertaking(RTL, plan.course, found.state, orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode())


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "state": step.state,
        "at": step.at,
        "by": step.by,
        "note": step.note,
        "items": [item_json(item) for item in step.items],
        "statement": step.statement,
        "is_reported": step.is_reported,
    }


def parse_plan(course: str, text: str) -> FollowUpPlan:
    """The plan that a row of the read model holds."""
    document = orjson.loads(text)
    finished = document["finished_on"]
    return FollowUpPlan(
        follow(OWNER, SUPERVISOR, course, map(_step, document["steps"])),
        date.fromisoformat(finished) if finished else None,
        {statement: UUID(person) for statement, person in document["people"].items()},
    )


def _step(value: Mapping[str, Any]) -> Step:
    items = tuple(item for each in value["items"] if (item := item_of(each)) is not None)
    at = datetime.fromisoformat(value["at"])
    return Step(value["state"], at, value["by"], value["note"], items, value["statement"], value["is_reported"])


# Reading -----------------------------------------------------------------------------------------------

_COLUMNS = ("learner", "kind", "subject", "who", "code", "from_on", "due_on")


def read(conn: sa.Connection, learner: UUID) -> tuple[Undertaking, ...]:
    """Everything that a learner undertakes."""
    at = undertakings.c
    query = sa.select(at.kind, at.subject, at.state, at.document).where(at.learner == learner)
    return tuple(Undertaking(*row) for row in conn.execute(query.order_by(at.kind, at.subject)))


def plans(conn: sa.Connection, learner: UUID) -> dict[str, FollowUpPlan]:
    """The follow-up plans of a learner by course."""
    return {each.subject: parse_plan(each.subject, each.document) for each in read(conn, learner) if each.kind == RTL}


def certifications(conn: sa.Connection, learner: UUID) -> dict[str, Certification]:
    """The certifications of a learner by scheme."""
    found = (each for each in read(conn, learner) if each.kind == CERTIFICATION)
    return {each.subject: parse_certification(each.document) for each in found}


def duties_of(
    conn: sa.Connection, people: Iterable[str], today: date, *, limit: int, after: After | None = None
) -> tuple[Duty, ...]:
    """What these (learners' ids, supervisors' NIPs) can do now, the first due first."""
    query = _select().where(duties.c.who.in_(sorted(people)))
    return _page(conn, query, today, limit, after)


def day_before(day: date) -> date:
    """The last day of which something is overdue on this day."""
    return day - timedelta(days=1)


def due(
    conn: sa.Connection, until: date, today: date, *, limit: int, after: After | None = None
) -> tuple[Duty, ...]:  # fmt: skip
    """What is due up to a day, of everybody, the longest overdue first."""
    return _page(conn, _select().where(duties.c.due_on <= until), today, limit, after)


def _page(
    conn: sa.Connection, query: sa.Select[Any], today: date, limit: int, after: After | None
) -> tuple[Duty, ...]:  # fmt: skip
    at = duties.c
    key = (at.due_on, at.learner, at.kind, at.subject, at.who)
    if after is not None:
        last = (after.due_on, after.learner, after.kind, after.subject, after.who)
        # The first comparison alone is what an index begins at.
        query = query.where(at.due_on >= after.due_on, _behind(key, last))
    rows = conn.execute(query.where(at.from_on <= today).order_by(*key).limit(limit))
    return tuple(Duty(*row) for row in rows)


def _behind(key: Sequence[sa.ColumnElement[Any]], last: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Rows that come after this one in the order of these columns."""
    column, value = key[0], last[0]
    behind: sa.ColumnElement[bool] = column > value
    return sa.or_(behind, sa.and_(column == value, _behind(key[1:], last[1:]))) if key[1:] else behind


def _select() -> sa.Select[Any]:
    return sa.select(*(duties.c[name] for name in _COLUMNS))
