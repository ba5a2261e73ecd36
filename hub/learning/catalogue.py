"""The catalogue: which courses there are, each in versions, and what one completion is worth.

Recognition, pages and the API all read it, and it changes seldom: each process keeps it whole, and asks with one
indexed read whether it is still the newest (the ``courses`` row of `revisions`). A course is never edited: importing a
known id makes the next version, and the learners whose statements are about it are recomputed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from hub import journal
from hub.errors import HubError
from hub.revisions import Kept
from hub.statements import ingest
from hub.systems import institutions
from hub.tables import connectors, course_versions, revisions
from hub.tables import courses as table
from lrs import query
from lrs.database import insert_all, insert_missing
from mappings import course as mapping
from mappings.course import Catalogue, Course, CourseFile, Problem
from mappings.policy import Policy
from mappings.rules import Achievement, Worthless, worth

if TYPE_CHECKING:
    from hub.runtime import Hub

T = TypeVar("T")

#: The row of `revisions` that goes up with each import.
REVISION = "courses"

#: One file is one transaction, which other writers wait for.
MAX_ROWS = 20_000

#: So many ids stand in one question.
_PART = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A course as it stands in the catalogue. ``id`` names it in addresses, ``institution`` is what people see of its
    provider (`hub.systems.institutions`)."""

    id: int
    course: Course
    version: int
    updated_at: datetime
    institution: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole catalogue; ``listed`` is in the order of titles."""

    catalogue: Catalogue
    by_id: Mapping[int, Listed]
    by_iri: Mapping[str, Listed]
    listed: tuple[Listed, ...]


class Courses(Kept[Snapshot]):
    """The catalogue of one process, read again only after an import or where an institution has another title."""

    def __init__(self) -> None:
        super().__init__(REVISION, _read)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, in courses."""

    added: int
    changed: int
    same: int


def read_courses(conn: sa.Connection, text: str, policy: Policy) -> CourseFile:
    """The courses of a file, and every problem: its own (`mappings.course`), and those with what the hub knows."""
    found = mapping.read_courses(text, policy)
    if len(found.courses) > MAX_ROWS:
        too_long = Problem(1, "file", "out_of_range", f"has more than {MAX_ROWS} rows.", "Split the file.")
        return CourseFile((), (too_long,))
    lines = _lines(text, {problem.line for problem in found.problems})
    problems = list(found.problems)
    known = set(conn.execute(sa.select(connectors.c.name)).scalars())
    others = _aliases_beside(conn, {course.id for course in found.courses})
    good = []
    for course in found.courses:
        wrong = [*_unknown_connectors(course, lines[course.id], known), *_shared(course, lines[course.id], others)]
        problems += wrong
        if not wrong:
            good.append(course)
    return CourseFile(tuple(good), tuple(sorted(problems, key=lambda problem: problem.line)))


def import_courses(conn: sa.Connection, hub: Hub, courses: Iterable[Course], *, by: str) -> Imported:
    """Take these courses into the catalogue: new ones, and new versions of known ones.

    What is as it was stays as it is. The learners whose statements are about what is new or changed are woken, by the
    names that it has now and those that it had.
    """
    given = {course.id: course for course in courses}
    revision = _lock_revision(conn)
    known = _known(conn, given)
    added = [course for id, course in given.items() if id not in known]
    changed = [course for id, course in given.items() if id in known and known[id].course.digest != course.digest]
    if added or changed:
        now = hub.clock()
        _insert(conn, added, now)
        _update(conn, changed, known, now)
        conn.execute(sa.update(revisions).where(revisions.c.name == REVISION).values(number=revision + 1))
        before = [known[course.id].course for course in changed]
        wake(conn, hub, [*added, *changed, *before], now)
    done = Imported(len(added), len(changed), len(given) - len(added) - len(changed))
    detail = {"added": done.added, "changed": done.changed, "same": done.same}
    journal.record(
        conn, who=by, action="course.import", object=f"{len(given)} courses", now=hub.clock(), new_id=hub.new_id,
        **detail,
    )  # fmt: skip
    return done


def page(conn: sa.Connection, *, limit: int, after: int = 0) -> tuple[Listed, ...]:
    """Courses in the order of their numbers; ``after`` is the last one seen."""
    return tuple(_told(conn, _select().where(table.c.id > after).order_by(table.c.id).limit(limit)))


def write_courses(listed: Iterable[Listed]) -> str:
    """The file of `course import` that makes these courses."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, mapping.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(each.course.to_row() for each in listed)
    return text.getvalue()


def expected_centi_jp(course: Course, policy: Policy, on: date) -> int | None:
    """What one completion on that day is worth at most, in hundredths of JP, before caps.

    None where the policy gives nothing that day, or where it depends on what is reported: the minutes of a course that
    states none, or the JP of a certificate.
    """
    if on < policy.since or (policy.until is not None and on > policy.until):
        return None
    at = datetime.combine(on, time(), UTC)
    once = Achievement(
        course=course, period="", at=at, on=on, evidence={}, completions=(), sessions=1, since=None, since_at=None,
        history=(),
    )  # fmt: skip
    found = worth(policy, once, {})
    return None if isinstance(found, Worthless) else sum(raised for _, _, raised in found.amounts)


# Problems with what the hub knows --------------------------------------------------------------------------------


def _lines(text: str, bad: set[int]) -> dict[str, int]:
    """The line of each course: the first one with its id that was not refused."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="", restval="")
    lines: dict[str, int] = {}
    for cells in reader:
        if reader.line_num not in bad:
            lines.setdefault((cells.get("id") or "").strip(), reader.line_num)
    return lines


def _unknown_connectors(course: Course, line: int, known: set[str]) -> Iterator[Problem]:
    for name in (course.provider, *course.sources):
        if name not in known:
            action = "Add it first: wkmb connector add."
            yield Problem(line, "provider", "unknown", f"'{name}' is no connector.", action)


def _aliases_beside(conn: sa.Connection, ids: set[str]) -> dict[tuple[str, str], str]:
    """Whose aliases are taken by courses that are not in the file."""
    return {
        (each.course.provider, alias): each.course.id
        for each in _all(conn)
        if each.course.id not in ids
        for alias in each.course.aliases
    }


def _shared(course: Course, line: int, others: Mapping[tuple[str, str], str]) -> Iterator[Problem]:
    for alias in course.aliases:
        other = others.get((course.provider, alias))
        if other is not None:
            reason = f"{alias} is an alias of {other} too."
            yield Problem(line, "aliases", "ambiguous", reason, "An alias names one course of a provider.")


# Rows ------------------------------------------------------------------------------------------------------------


def _lock_revision(conn: sa.Connection) -> int:
    """The revision, which no other import changes before this one ends."""
    insert_missing(conn, revisions, [{"name": REVISION, "number": 0}])
    locked = sa.select(revisions.c.number).where(revisions.c.name == REVISION).with_for_update()
    number: int = conn.execute(locked).scalar_one()
    return number


def _read(conn: sa.Connection) -> Snapshot:
    listed = tuple(sorted(_all(conn), key=lambda each: (each.course.title("id").casefold(), each.id)))
    return Snapshot(
        catalogue=Catalogue(each.course for each in listed),
        by_id=MappingProxyType({each.id: each for each in listed}),
        by_iri=MappingProxyType({each.course.id: each for each in listed}),
        listed=listed,
    )


def _all(conn: sa.Connection) -> Iterator[Listed]:
    return _told(conn, _select())


def _known(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for part in _parts(ids):
        rows = _told(conn, _select().where(table.c.course.in_(part)))
        found |= {each.course.id: each for each in rows}
    return found


def _select() -> sa.Select[Any]:
    return sa.select(table.c.id, table.c.document, table.c.version, table.c.updated_at)


def _told(conn: sa.Connection, query: sa.Select[Any]) -> Iterator[Listed]:
    """The courses of a query, each with what its provider is called."""
    titles = institutions.by_name(conn)
    for row in conn.execute(query):
        course = Course.from_json(row.document)
        institution = titles.get(course.provider, course.provider)
        yield Listed(row.id, course, row.version, row.updated_at, institution)


def _insert(conn: sa.Connection, added: Sequence[Course], now: datetime) -> None:
    insert_all(conn, table, [_row(course, 1) | {"updated_at": now} for course in added])
    insert_missing(conn, course_versions, [_row(course, 1) | {"at": now} for course in added])


def _update(conn: sa.Connection, changed: Sequence[Course], known: Mapping[str, Listed], now: datetime) -> None:
    rows = [_row(course, known[course.id].version + 1) for course in changed]
    for row in rows:
        conn.execute(sa.update(table).where(table.c.course == row["course"]).values({**row, "updated_at": now}))
    # One that is again what it once was has its row already, with the number that it had then.
    insert_missing(conn, course_versions, [row | {"at": now} for row in rows])


def _row(course: Course, version: int) -> dict[str, Any]:
    return {"course": course.id, "version": version, "digest": course.digest, "document": course.to_json()}


def withdraw(conn: sa.Connection, hub: Hub, listed: Listed, last_day: date, *, by: str) -> Course:
    """Offer a course no more: a new version of it that cannot be started here, and counts up to its last day.

    Who finished it by then keeps her hours. What is reported of later days is kept, and does not count. Importing it
    again offers it anew.
    """
    course = listed.course
    if course.valid_from is not None and last_day < course.valid_from:
        detail = f"{course.id} counts from {course.valid_from.isoformat()} on, so it cannot end before."
        raise HubError("ends_before_begin", detail, action="Give a later day.")
    ended = replace(course, valid_until=min(last_day, course.valid_until or last_day), launch_url="")
    import_courses(conn, hub, [ended], by=by)
    journal.record(
        conn, who=by, action="course.withdraw", object=course.id, now=hub.clock(), new_id=hub.new_id,
        last_day=ended.valid_until,
    )  # fmt: skip
    return ended


def wake(conn: sa.Connection, hub: Hub, courses: Sequence[Course], now: datetime) -> None:
    """Have everybody recomputed who reported something about one of these."""
    names = {course.id for course in courses} | {alias for course in courses for alias in course.aliases}
    actors: set[int] = set()
    for part in _parts(sorted(names)):
        actors |= query.actors_about(conn, part, extra=part)
    for some in _parts(sorted(actors)):
        ingest.wake(conn, some, now=now, new_id=hub.new_id)


def _parts(values: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(values)
    while part := list(islice(waiting, _PART)):
        yield part
