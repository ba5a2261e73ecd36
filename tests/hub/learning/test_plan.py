"""A plan for a year: courses put in, taken out and put back, and what they would be worth."""

from __future__ import annotations

from datetime import date

import pytest

from hub.learning import plan
from recognizedtest import LMS, World, course

MINUTES = f"{LMS}/course/9"


@pytest.fixture
def world(db):
    made = World(db)
    without_worth = course(MINUTES, form="NKL03", programme_centi_jp=None)
    made.offer(course(), course(f"{LMS}/course/2", programme_centi_jp=800), without_worth)
    return made


def ids(world):
    with world.db.read() as conn:
        return {iri: listed.id for iri, listed in world.hub.courses.current(conn).by_iri.items()}


def put(world, learner, iri, year=2026):
    with world.db.write() as conn:
        return plan.add(conn, learner.id, year, ids(world)[iri], world.clock())


def planned(world, learner, year=2026):
    with world.db.read() as conn:
        return plan.courses_of(conn, learner.id, year), plan.planned_centi(conn, world.hub, learner.id, year)


def test_a_plan_holds_its_courses_in_the_order_in_which_they_were_put_there(world):
    learner, known = world.employ(), ids(world)

    assert planned(world, learner) == ((), 0)
    assert put(world, learner, f"{LMS}/course/2")
    world.clock.forward(minutes=1)
    assert put(world, learner, f"{LMS}/course/1")
    assert put(world, learner, f"{LMS}/course/1")

    assert planned(world, learner) == ((known[f"{LMS}/course/2"], known[f"{LMS}/course/1"]), 1250)
    assert planned(world, learner, 2025) == ((), 0)


def test_a_course_is_taken_out_and_comes_back(world):
    learner = world.employ()
    put(world, learner, f"{LMS}/course/1")
    number = ids(world)[f"{LMS}/course/1"]

    with world.db.write() as conn:
        assert plan.remove(conn, learner.id, 2026, number, world.clock())
        assert not plan.remove(conn, learner.id, 2026, number, world.clock())
    assert planned(world, learner) == ((), 0)

    assert put(world, learner, f"{LMS}/course/1")
    assert planned(world, learner) == ((number,), 450)


def test_a_course_whose_worth_depends_on_minutes_adds_nothing_to_the_sum(world):
    learner = world.employ()
    put(world, learner, MINUTES)

    assert planned(world, learner) == ((ids(world)[MINUTES],), 0)


def test_a_full_plan_takes_no_more(world):
    learner = world.employ()
    with world.db.write() as conn:
        for number in range(plan.MOST_COURSES):
            assert plan.add(conn, learner.id, 2026, 1000 + number, world.clock())
        assert not plan.add(conn, learner.id, 2026, 5000, world.clock())
        assert plan.add(conn, learner.id, 2026, 1000, world.clock())


@pytest.mark.parametrize(
    ("year", "day"), [(2025, date(2025, 12, 31)), (2026, date(2026, 11, 24)), (2027, date(2027, 1, 1))]
)
def test_another_year_is_judged_on_its_nearest_day(year, day):
    assert plan.day_in(year, date(2026, 11, 24)) == day
