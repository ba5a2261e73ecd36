"""Link and match: which competencies units and people need, which courses offer them, and what was reached.

A unit's needs are those of all its people; one person may have further ones. What is matched is worked out when it is
asked for, by `mappings.competencies`: the catalogue is in memory, and what somebody has reached is in her ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub.jp.reports import Unit
from hub.learning.development_tables import learner_needs, unit_needs
from hub.people.learners import Learner
from hub.rows import Cells, ReadRows, read_rows
from hub.runtime import Hub
from hub.tables import entries, learner_nips
from lrs.database import upsert
from mappings.competencies import Match, match
from mappings.course import Competency, Course, Problem, parse_competencies

#: The columns of `need import`; a row is about a person (``nip``) or a unit.
COLUMNS = ("employer", "unit", "nip", "competencies")

#: More than this nobody can plan for, and a page that never ends.
MOST_NEEDS = 100


@dataclass(frozen=True, slots=True)
class NeedRow:
    """One good row of a file: what somebody, or everybody of a unit, needs. It replaces what was needed before."""

    line: int
    nip: str
    unit: Unit
    needs: tuple[Competency, ...]


NeedFile: TypeAlias = ReadRows[NeedRow]


@dataclass(frozen=True, slots=True)
class UnitNeeds:
    """A unit with what its people need, matched with the catalogue."""

    unit: Unit
    matches: tuple[Match, ...]


# Files -------------------------------------------------------------------------------------------------


def read_needs(text: str) -> NeedFile:
    """The needs in a file, and what is wrong with its other rows. A row without competencies says: none any more."""
    seen: set[tuple[str, Unit]] = set()

    def parse(cells: Cells) -> NeedRow:
        unit = Unit(cells.text("employer", most=200), cells.text("unit", most=200))
        row = NeedRow(cells.line, cells.nip("nip"), unit, _competencies(cells))
        whose = (row.nip, Unit("", "") if row.nip else unit)
        if not row.nip and not unit.unit:
            cells.refuse("unit", "missing", "names neither a unit nor a person.", "Fill in employer and unit, or nip.")
        if whose in seen:
            cells.refuse("unit", "twice", "is there twice in this file.", "Keep one row.")
        seen.add(whose)
        return row

    return read_rows(text, columns=COLUMNS, required=("competencies",), parse=parse)


def _competencies(cells: Cells) -> tuple[Competency, ...]:
    found, wrong = parse_competencies(cells.text("competencies", most=20_000))
    for part in wrong:
        cells.refuse("competencies", "not_a_level", f"'{part}' has no level 1 to 5.", "Write name:level, or the name.")
    if len(found) > MOST_NEEDS:
        cells.refuse("competencies", "out_of_range", f"names more than {MOST_NEEDS}.", "Name the most important ones.")
    return found


def find_people(conn: sa.Connection, rows: Sequence[NeedRow]) -> tuple[dict[str, UUID], tuple[Problem, ...]]:
    """Whom the rows' NIPs name, and a problem for each that names nobody."""
    nips = sorted({row.nip for row in rows if row.nip})
    found: dict[str, UUID] = {}
    for begin in range(0, len(nips), 500):
        at = learner_nips.c
        query = sa.select(at.nip, at.learner).where(at.nip.in_(nips[begin : begin + 500]))
        found |= {row.nip: row.learner for row in conn.execute(query)}
    advice = "Import her first: wkmb learner import FILE."
    unknown = (row for row in rows if row.nip and row.nip not in found)
    return found, tuple(Problem(row.line, "nip", "unknown", "is no learner's NIP.", advice) for row in unknown)


def import_needs(conn: sa.Connection, rows: Iterable[NeedRow], people: dict[str, UUID]) -> int:
    """Write down these needs in place of those before; tells of how many units and people."""
    given = tuple(rows)
    for row in given:
        document = orjson.dumps([asdict(need) for need in row.needs]).decode()
        if row.nip:
            upsert(conn, learner_needs, {"learner": people[row.nip], "document": document}, update=["document"])
        else:
            values = {"employer": row.unit.employer, "unit": row.unit.unit, "document": document}
            upsert(conn, unit_needs, values, update=["document"])
    return len(given)


# Asking ------------------------------------------------------------------------------------------------


def of_unit(conn: sa.Connection, unit: Unit) -> tuple[Competency, ...]:
    """What everybody of a unit needs."""
    at = unit_needs.c
    query = sa.select(at.document).where(at.employer == unit.employer, at.unit == unit.unit)
    return _parse(conn.execute(query).scalar())


def of_learner(conn: sa.Connection, learner: Learner) -> tuple[Competency, ...]:
    """What a person needs: what her unit does, and what she alone does."""
    query = sa.select(learner_needs.c.document).where(learner_needs.c.learner == learner.id)
    own = _parse(conn.execute(query).scalar())
    return (*of_unit(conn, Unit(learner.employer, learner.unit)), *own)


def _parse(document: str | None) -> tuple[Competency, ...]:
    return tuple(Competency(**each) for each in orjson.loads(document or "[]"))


def match_learner(conn: sa.Connection, hub: Hub, learner: Learner) -> tuple[Match, ...]:
    """Each need of a person: reached, or which courses offer it, or that none does."""
    done = _done(conn, hub, [learner.id])[learner.id]
    return match(of_learner(conn, learner), offered(conn, hub), done)


def match_units(conn: sa.Connection, hub: Hub, units: Sequence[Unit]) -> list[UnitNeeds]:
    """Each need of these units, in their order: which courses offer it, or that none does."""
    catalogue, needed = offered(conn, hub), _of_units(conn, units)
    return [UnitNeeds(unit, match(needed.get(unit, ()), catalogue, ())) for unit in units]


def _of_units(conn: sa.Connection, units: Sequence[Unit]) -> dict[Unit, tuple[Competency, ...]]:
    """What everybody of these units needs, of those that need anything."""
    at = unit_needs.c
    named = sa.tuple_(at.employer, at.unit).in_([(each.employer, each.unit) for each in units])
    rows = conn.execute(sa.select(at.employer, at.unit, at.document).where(named))
    return {Unit(row.employer, row.unit): _parse(row.document) for row in rows}


def match_people(conn: sa.Connection, hub: Hub, people: Sequence[Learner]) -> list[tuple[Learner, tuple[Match, ...]]]:
    """What each of these people needs and has reached; which courses offer the rest is not looked for."""
    done = _done(conn, hub, [each.id for each in people])
    at = learner_needs.c
    query = sa.select(at.learner, at.document).where(at.learner.in_(list(done)))
    own = {row.learner: _parse(row.document) for row in conn.execute(query)}
    shared = _of_units(conn, sorted({Unit(each.employer, each.unit) for each in people}, key=astuple))
    return [
        (each, match((*shared.get(Unit(each.employer, each.unit), ()), *own.get(each.id, ())), (), done[each.id]))
        for each in people
    ]


def list_units(conn: sa.Connection, hub: Hub, *, limit: int, after: Unit | None = None) -> list[UnitNeeds]:
    """Units with needs by employer and name, each matched with the catalogue."""
    at = unit_needs.c
    query = sa.select(at.employer, at.unit, at.document).order_by(at.employer, at.unit).limit(limit)
    if after is not None:
        later = sa.and_(at.employer == after.employer, at.unit > after.unit)
        query = query.where(sa.or_(at.employer > after.employer, later))
    catalogue = offered(conn, hub)
    return [
        UnitNeeds(Unit(row.employer, row.unit), match(_parse(row.document), catalogue, ()))
        for row in conn.execute(query)
    ]  # fmt: skip


def offered(conn: sa.Connection, hub: Hub) -> list[Course]:
    """The courses that carry competencies and can be taken today."""
    today = hub.today()
    listed = (each.course for each in hub.courses.current(conn).listed)
    return [course for course in listed if course.competencies and _is_open(course, today)]


def _is_open(course: Course, today: date) -> bool:
    return course.valid_until is None or today <= course.valid_until


def _done(conn: sa.Connection, hub: Hub, ids: Sequence[UUID]) -> dict[UUID, list[Course]]:
    """The courses that each of these people was recognized for, in any year, and that the catalogue still has."""
    at = entries.c
    query = sa.select(at.learner, at.position, at.reverses, at.course).where(at.learner.in_(ids))
    rows = conn.execute(query.order_by(at.learner, at.position)).all()
    gone = {(row.learner, row.reverses) for row in rows}
    by_iri = hub.courses.current(conn).by_iri
    found: dict[UUID, list[Course]] = {id: [] for id in ids}
    for learner, course in _live(rows, gone):
        if course in by_iri:
            found[learner].append(by_iri[course].course)
    return found


def _live(rows: Iterable[Any], gone: set[tuple[UUID, int | None]]) -> Iterator[tuple[UUID, str]]:
    """The entries that count, each course of a person once."""
    seen: set[tuple[UUID, str]] = set()
    for row in rows:
        key = (row.learner, row.course)
        if row.reverses is None and (row.learner, row.position) not in gone and key not in seen:
            seen.add(key)
            yield key
