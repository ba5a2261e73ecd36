"""A unit's year for its head: who has reached what, person by person, and from which courses.

Everything is read in pages, in the order of names, so a unit may be of any size. A page costs a handful of questions,
whatever the number of people on it: sums come from the ledger of the policy that is official in the year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from hub.jp import ledger
from hub.learning import plan
from hub.learning.catalogue import expected_centi_jp
from hub.people.learners import Learner
from hub.tables import entries, learners, plans

if TYPE_CHECKING:
    from hub.runtime import Hub
    from mappings.policy import Policy
    from mappings.targets import Target

#: People who are read at once.
PAGE = 200

#: Where a page begins: the name and id of the last person of the page before.
After = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of an employer; both names are as they were imported."""

    employer: str
    unit: str


@dataclass(frozen=True, slots=True)
class Team:
    """The people whose supervisor has one of these NIPs, her present one and those that she had."""

    nips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersonsYear:
    """One person's year in hundredths of JP. ``target_centi`` is None where no rule fits her."""

    learner: Learner
    target_centi: int | None
    planned_centi: int
    recognized_centi: int
    credited_centi: int

    @property
    def lacking_centi(self) -> int:
        return max(0, (self.target_centi or 0) - self.credited_centi)

    @property
    def has_reached(self) -> bool:
        return self.target_centi is not None and self.lacking_centi == 0


@dataclass(frozen=True, slots=True)
class Hour:
    """One recognized entry that counts."""

    learner: Learner
    position: int
    on: date
    course: str
    form: str
    centi_jp: int

    @property
    def entry(self) -> str:
        """The name of the entry, by which it is explained."""
        return ledger.entry_id(self.learner.id, self.position)


# Who -----------------------------------------------------------------------------------------------------


def list_units(conn: sa.Connection, *, limit: int, after: Unit | None = None) -> tuple[Unit, ...]:
    """Units by employer and name. Each is found by one step in the index, however many people are in it."""
    found: list[Unit] = []
    while len(found) < limit:
        unit = _next_unit(conn, found[-1] if found else after)
        if unit is None:
            break
        found.append(unit)
    return tuple(found)


def _next_unit(conn: sa.Connection, after: Unit | None) -> Unit | None:
    at = learners.c
    query = sa.select(at.employer, at.unit).order_by(at.employer, at.unit).limit(1)
    if after is None:
        row = conn.execute(query).first()
    else:
        # Two questions, each one range of the index: further units of this employer, then the next employer.
        here = query.where(at.employer == after.employer, at.unit > after.unit)
        row = conn.execute(here).first() or conn.execute(query.where(at.employer > after.employer)).first()
    return None if row is None else Unit(row.employer, row.unit)


def people(
    conn: sa.Connection, whose: Unit | Team, *, limit: int, after: After | None = None
) -> tuple[Learner, ...]:  # fmt: skip
    """People of a unit or a team by name, those behind ``after``."""
    at = learners.c
    query = sa.select(*(at[name] for name in _LEARNER)).order_by(at.name, at.id).limit(limit)
    if isinstance(whose, Unit):
        query = query.where(at.employer == whose.employer, at.unit == whose.unit)
    else:
        query = query.where(at.supervisor_nip.in_(whose.nips))
    if after is not None:
        query = query.where(sa.or_(at.name > after[0], sa.and_(at.name == after[0], at.id > after[1])))
    return tuple(Learner(*row) for row in conn.execute(query))


_LEARNER = ("id", "nip", "name", "email", "status", "employer", "unit", "supervisor_nip", "contract_begin")


def units_of(conn: sa.Connection, team: Team, *, limit: int) -> tuple[Unit, ...]:
    """The units in which a team's people are, by name."""
    at = learners.c
    query = sa.select(at.employer, at.unit).where(at.supervisor_nip.in_(team.nips)).distinct()
    return tuple(Unit(*row) for row in conn.execute(query.order_by(at.employer, at.unit).limit(limit)))


def has_people(conn: sa.Connection, whose: Unit | Team) -> bool:
    """Whether there is anybody."""
    return bool(people(conn, whose, limit=1))


def pages(hub: Hub, whose: Unit | Team) -> Iterator[tuple[Learner, ...]]:
    """Everybody, page by page, each read by itself: writers are never held up by a long file."""
    after: After | None = None
    while True:
        with hub.db.read() as conn:
            found = people(conn, whose, limit=PAGE, after=after)
        if not found:
            return
        yield found
        after = found[-1].name, found[-1].id


# What ----------------------------------------------------------------------------------------------------


def years(conn: sa.Connection, hub: Hub, found: Sequence[Learner], year: int) -> tuple[PersonsYear, ...]:
    """These people's year, in their order."""
    policy = hub.policies.active(conn, year)
    obligations = hub.policies.obligations(conn)
    targets = {each.id: obligations.of(each.status, each.employer, year) for each in found}
    ids = [learner.id for learner in found]
    recognized = _recognized(conn, ids, policy, year)
    planned = _planned(conn, hub, ids, policy, year)
    spans = {
        each.id: target.days(year, each.contract_begin)
        for each in found
        if (target := targets[each.id]) is not None and target.is_by_contract(each.contract_begin)
    }
    counted = recognized | ledger.recognized_between(conn, policy.name, spans)
    return tuple(
        _year_of(each, targets[each.id], planned.get(each.id, 0), recognized.get(each.id, 0), counted.get(each.id, 0))
        for each in found
    )


def _year_of(learner: Learner, target: Target | None, planned: int, recognized: int, counted: int) -> PersonsYear:
    credited = counted if target is None else target.credited(counted)
    return PersonsYear(learner, target.centi_jp if target else None, planned, recognized, credited)


def _recognized(conn: sa.Connection, ids: Sequence[UUID], policy: Policy, year: int) -> dict[UUID, int]:
    at = entries.c
    query = (
        sa.select(at.learner, sa.func.sum(at.centi_jp).label("centi"))
        .where(at.learner.in_(ids), at.policy == policy.name, at.year == year)
        .group_by(at.learner)
    )
    return {row.learner: int(row.centi) for row in conn.execute(query)}


def _planned(conn: sa.Connection, hub: Hub, ids: Sequence[UUID], policy: Policy, year: int) -> dict[UUID, int]:
    """What each plan would earn at most, as `hub.learning.plan.planned_centi` says it for one person."""
    at = plans.c
    query = sa.select(at.learner, at.course).where(at.learner.in_(ids), at.year == year, at.removed_at.is_(None))
    worth = _worth(conn, hub, policy, year)
    found: dict[UUID, int] = {}
    for row in conn.execute(query):
        found[row.learner] = found.get(row.learner, 0) + worth(row.course)
    return found


def _worth(conn: sa.Connection, hub: Hub, policy: Policy, year: int) -> Callable[[int], int]:
    """What a course of the catalogue earns at most; each is worked out once."""
    by_id, on = hub.courses.current(conn).by_id, plan.day_in(year, hub.today())
    known: dict[int, int] = {}

    def worth(number: int) -> int:
        if number not in known:
            listed = by_id.get(number)
            known[number] = (expected_centi_jp(listed.course, policy, on) if listed else None) or 0
        return known[number]

    return worth


def hours(conn: sa.Connection, hub: Hub, found: Sequence[Learner], year: int) -> tuple[Hour, ...]:
    """The entries of these people's year that count: none that was taken back."""
    policy, at = hub.policies.active(conn, year), entries.c
    names = (at.learner, at.position, at.reverses, at.on, at.course, at.form, at.centi_jp)
    query: sa.Select[Any] = sa.select(*names).where(
        at.learner.in_([learner.id for learner in found]), at.policy == policy.name, at.year == year
    )
    rows = conn.execute(query.order_by(at.learner, at.position)).all()
    gone = {(row.learner, row.reverses) for row in rows}
    by_learner: dict[UUID, list[sa.Row[Any]]] = {}
    for row in rows:
        if row.reverses is None and (row.learner, row.position) not in gone:
            by_learner.setdefault(row.learner, []).append(row)
    return tuple(_hour(learner, row) for learner in found for row in by_learner.get(learner.id, ()))


def _hour(learner: Learner, row: sa.Row[Any]) -> Hour:
    return Hour(learner, row.position, row.on, row.course, row.form, row.centi_jp)


def titles(conn: sa.Connection, hub: Hub, language: str) -> Mapping[str, str]:
    """The courses of the catalogue by their ids, in this language."""
    return {id: listed.course.title(language) for id, listed in hub.courses.current(conn).by_iri.items()}
