"""Laws of the ledger, whatever arrives in whatever order: on SQLite, where a database is a file and made quickly.

Each law compares balances and what holds, never which rows were written on the way there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.jp import audit
from hub.people.learners import Learner
from lrs.database import Database
from recognizedtest import LMS, World, course, replayed, statement, voiding
from wkmbtest.databases import Databases

COURSES = (
    course(f"{LMS}/course/1"),
    course(f"{LMS}/course/2", title_id="Dua", requires=("completed", "passed"), repeat="yearly"),
    course(f"{LMS}/course/3", title_id="Tiga", form="NKL03", programme_centi_jp=None, minutes=90, repeat="each"),
    course(f"{LMS}/course/4", title_id="Empat", form="NKL01", programme_centi_jp=None, repeat="each"),
)

#: Statements at different times, so that none stands for another one.
events = st.lists(
    st.tuples(
        st.sampled_from(["completed", "passed", "failed", "terminated"]),
        st.integers(1, 5),
        st.integers(1, 28),
        st.sampled_from(["2025-12", "2026-01", "2026-03"]),
        st.sampled_from([None, "PT20M", "PT3H"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda event: event[:4],
)

quickly = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # fmt: skip


def said(number: int, event: tuple[Any, ...]) -> dict[str, Any]:
    verb, about, day, month, duration, _ = event
    return statement(
        verb,
        f"{LMS}/course/{about}",
        id=str(UUID(int=number + 1, version=4)),
        timestamp=f"{month}-{day:02}T{number:02}:00:00+07:00",
        result={"duration": duration} if duration else None,
    )


def voids(statements: Sequence[dict[str, Any]], chosen: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [
        voiding(each["id"], id=str(UUID(int=1000 + number, version=4)))
        for number, (each, event) in enumerate(zip(statements, chosen, strict=True))
        if event[5]
    ]


@contextmanager
def hub_of(databases: Databases) -> Iterator[tuple[World, Learner]]:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(databases.create("sqlite", Path(folder)), pool_size=2)
        world = World(db)
        world.offer(*COURSES)
        learner = world.employ()
        world.link(learner)
        yield world, learner
        db.close()


def holding(world: World, learner: Learner) -> list[tuple[Any, ...]]:
    """What holds: every entry that nothing takes back, and what is pending; and everything verifies."""
    assert [finding for each in audit.verify(world.hub) for finding in each.findings] == []
    live = [each for each in world.entries(learner) if each.reverses is None and not each.is_reversed]
    found = sorted((each.course, each.period, each.centi_jp, each.evidence) for each in live)
    years = [world.year(learner, year).recognized_centi for year in (2025, 2026)]
    return [*found, tuple(years), tuple(each.course for each in world.year(learner).pending)]


@quickly
@given(chosen=events, data=st.data())
def test_order_batches_and_repetition_make_no_difference(
    databases: Databases, chosen: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    statements = [said(number, event) for number, event in enumerate(chosen)]
    everything = [*statements, *voids(statements, chosen)]
    with hub_of(databases) as (world, learner):
        world.receive(*everything)
        world.settle()
        at_once = holding(world, learner)

    shuffled = data.draw(st.permutations(everything))
    with hub_of(databases) as (world, learner):
        for each in shuffled:
            world.receive(each)
            if data.draw(st.booleans()):
                world.settle()
            if data.draw(st.booleans()):
                world.receive(each)
        world.settle()
        step_by_step = holding(world, learner)

    assert step_by_step == at_once


@quickly
@given(chosen=events)
def test_what_was_voided_is_as_if_it_had_never_been(databases: Databases, chosen: list[tuple[Any, ...]]) -> None:
    statements = [said(number, event) for number, event in enumerate(chosen)]
    with hub_of(databases) as (world, learner):
        kept = [each for each, event in zip(statements, chosen, strict=True) if not event[5]]
        if kept:
            world.receive(*kept)
        world.settle()
        never = holding(world, learner)

    with hub_of(databases) as (world, learner):
        world.receive(*statements)
        world.settle()
        for each in voids(statements, chosen):
            world.receive(each)
            world.settle()
        voided = holding(world, learner)

    assert voided == never


@quickly
@given(chosen=events)
def test_linking_late_equals_linking_first_and_a_replay_changes_nothing(
    databases: Databases, chosen: list[tuple[Any, ...]]
) -> None:
    statements = [said(number, event) for number, event in enumerate(chosen)]
    with hub_of(databases) as (world, learner):
        world.receive(*statements)
        world.settle()
        first = holding(world, learner)
        done = replayed(world, "perlan-10-2018")
        assert (done.people, done.entered, done.reversed, done.failed) == (1, 0, 0, 0)

    with hub_of(databases) as (world, learner):
        world.unlink()
        world.receive(*statements)
        world.settle()
        world.link(learner)
        world.settle()
        assert holding(world, learner) == first


def test_the_laws_are_about_something(databases: Databases) -> None:
    """The courses and events above do earn, so that equal is not always empty."""
    with hub_of(databases) as (world, learner):
        event = ("completed", 1, 1, "2026-01", "PT3H", False)
        world.receive(*(said(number, (event[0], number + 1, *event[2:])) for number in range(4)))
        world.settle()

        assert len(holding(world, learner)) == 5
