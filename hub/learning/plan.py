"""What an employee means to learn in a year, and what that would be worth."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa

from hub.learning.catalogue import expected_centi_jp
from hub.runtime import Hub
from hub.tables import enrollments, plans
from lrs.database import upsert

#: More would be no plan, and a page that never ends.
MOST_COURSES = 200


def add(conn: sa.Connection, learner: UUID, year: int, course_id: int, now: datetime) -> bool:
    """Put a course into the plan of that year; one that is there stays as it is, one taken out comes back.

    False where the plan is full.
    """
    there = courses_of(conn, learner, year)
    if course_id in there or len(there) >= MOST_COURSES:
        return course_id in there
    row = {"learner": learner, "year": year, "course": course_id, "added_at": now, "removed_at": None}
    upsert(conn, plans, row, update=("added_at", "removed_at"), where=plans.c.removed_at.is_not(None))
    return True


def remove(conn: sa.Connection, learner: UUID, year: int, course_id: int, now: datetime) -> bool:
    """Take a course out of the plan; False where it was not in it."""
    update = plans.update().where(*_row(learner, year), plans.c.course == course_id, plans.c.removed_at.is_(None))
    return conn.execute(update.values(removed_at=now)).rowcount == 1


def courses_of(conn: sa.Connection, learner: UUID, year: int) -> tuple[int, ...]:
    """The planned courses of a year, in the order in which they were put there."""
    query = sa.select(plans.c.course).where(*_row(learner, year), plans.c.removed_at.is_(None))
    return tuple(conn.execute(query.order_by(plans.c.added_at, plans.c.course).limit(MOST_COURSES)).scalars())


def started_courses(conn: sa.Connection, learner: UUID) -> frozenset[int]:
    """The courses that somebody ever opened from the hub."""
    query = sa.select(enrollments.c.course).where(enrollments.c.learner == learner).distinct()
    return frozenset(conn.execute(query).scalars())


def planned_centi(conn: sa.Connection, hub: Hub, learner: UUID, year: int) -> int:
    """Hundredths of JP that all courses of the plan would earn at most, whatever became of them since.

    Courses whose worth depends on reported minutes add nothing: nobody knows it yet.
    """
    planned = courses_of(conn, learner, year)
    if not planned:
        return 0
    listed, policy = hub.courses.current(conn).by_id, hub.policies.active(conn, year)
    on = day_in(year, hub.today())
    worth = (expected_centi_jp(listed[course].course, policy, on) for course in planned if course in listed)
    return sum(centi for centi in worth if centi)


def day_in(year: int, today: date) -> date:
    """Today where it is in that year, else the year's nearest day."""
    return min(max(today, date(year, 1, 1)), date(year, 12, 31))


def _row(learner: UUID, year: int) -> tuple[sa.ColumnElement[bool], ...]:
    return plans.c.learner == learner, plans.c.year == year
