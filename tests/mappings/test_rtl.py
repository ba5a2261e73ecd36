"""A follow-up plan (RTL): who may take which step, what is refused, and what is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import shipped
from mappings.course import Course
from mappings.dated import Source
from mappings.rtl import (
    REFUSALS,
    REMINDERS,
    STATES,
    FollowUpError,
    FollowUpRule,
    Item,
    Plan,
    Step,
    add_months,
    follow,
    load_follow_up,
    owes_plan,
    reminders,
    step_of,
)

WIB = ZoneInfo("Asia/Jakarta")
OWNER, BOSS = "ani", "budi"
ITEM = Item("Menyusun SOP", "SOP ditetapkan", date(2026, 6, 1), OWNER)


def at(day: int) -> datetime:
    return datetime(2026, 3, 1, 3, tzinfo=UTC) + timedelta(days=day)


PLANNED = Step("planned", at(1), OWNER, items=(ITEM,))
SUBMITTED = Step("submitted", at(2), OWNER)
APPROVED = Step("approved", at(3), BOSS)
RETURNED = Step("returned", at(3), BOSS, note="Indikator belum terukur")
REALISED = Step("realised", at(60), OWNER, note="SOP ditetapkan 2 Mei")
EVALUATED = Step("evaluated", at(160), BOSS, note="Waktu layanan turun separuh")


def played(*steps: Step, supervisor: str = BOSS) -> Plan:
    return follow(OWNER, supervisor, "https://lms.example/a", steps)


def test_the_whole_way() -> None:
    plan = played(PLANNED, SUBMITTED, APPROVED, REALISED, EVALUATED)

    assert plan.state == "evaluated"
    assert plan.refused == ()
    assert plan.items == (ITEM,)
    assert plan.effect == {BOSS: "Waktu layanan turun separuh"}
    assert plan.is_approved


def test_a_returned_plan_is_changed_and_handed_in_again() -> None:
    better = Item("Menyusun SOP", "SOP dipakai 3 unit", date(2026, 7, 1), OWNER)
    again = Step("submitted", at(5), OWNER, items=(better,))

    plan = played(PLANNED, SUBMITTED, RETURNED, again, Step("approved", at(6), BOSS))

    assert plan.state == "approved"
    assert plan.items == (better,)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([Step("submitted", at(1), OWNER)], "wrong_state"),
        ([PLANNED, APPROVED], "wrong_state"),
        ([PLANNED, SUBMITTED, APPROVED, Step("returned", at(4), BOSS, note="Tidak")], "wrong_state"),
        ([PLANNED, SUBMITTED, REALISED], "wrong_state"),
        ([PLANNED, SUBMITTED, APPROVED, EVALUATED], "wrong_state"),
        ([Step("planned", at(1), BOSS, items=(ITEM,))], "not_the_owner"),
        ([PLANNED, SUBMITTED, Step("approved", at(3), OWNER)], "not_the_supervisor"),
        ([PLANNED, SUBMITTED, Step("approved", at(3), "citra")], "not_the_supervisor"),
        ([Step("planned", at(1), OWNER), SUBMITTED], "no_items"),
        ([PLANNED, SUBMITTED, Step("returned", at(3), BOSS)], "no_reason"),
        ([PLANNED, SUBMITTED, APPROVED, Step("realised", at(9), OWNER, note=" ")], "no_evidence"),
        ([PLANNED, SUBMITTED, APPROVED, REALISED, Step("evaluated", at(200), BOSS)], "no_effect"),
    ],
)
def test_a_step_that_does_not_fit_is_refused_and_changes_nothing(steps: list[Step], reason: str) -> None:
    plan = played(*steps)

    assert [(entry.step, entry.reason) for entry in plan.refused] == [(steps[-1], reason)]
    assert plan.state == played(*steps[:-1]).state
    assert reason in REFUSALS


def test_nobody_is_her_own_supervisor() -> None:
    plan = played(PLANNED, SUBMITTED, Step("approved", at(3), OWNER), supervisor=OWNER)

    assert [entry.reason for entry in plan.refused] == ["own_supervisor"]
    assert not plan.is_approved


def test_alumna_and_supervisor_both_evaluate() -> None:
    own = Step("evaluated", at(150), OWNER, note="Saya lebih cepat")

    plan = played(PLANNED, SUBMITTED, APPROVED, REALISED, EVALUATED, own)

    assert plan.effect == {OWNER: "Saya lebih cepat", BOSS: "Waktu layanan turun separuh"}


steps = st.builds(
    Step,
    state=st.sampled_from(STATES),
    at=st.integers(0, 8).map(at),
    by=st.sampled_from([OWNER, BOSS]),
    note=st.sampled_from(["", "Catatan"]),
    items=st.sampled_from([(), (ITEM,)]),
)


@given(st.lists(steps, max_size=10), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_plan(all_steps: list[Step], random: Any) -> None:
    shuffled = all_steps.copy()
    random.shuffle(shuffled)

    plan = played(*all_steps)

    assert {entry.step for entry in plan.refused} | set(plan.steps) == set(all_steps)
    if len({(s.at, s.state, s.by, s.note) for s in all_steps}) == len(set(all_steps)):
        assert played(*shuffled) == plan
    assert played(*all_steps, *all_steps) == plan


def test_statements_about_a_plan_are_steps(world: Callable[[dict[str, Any]], Any]) -> None:
    told = world(
        {
            "name": "statements",
            "courses": [{"id": "a", "form": "KL03", "programme_jp": 8}],
            "events": [
                "2026-03-02 10:00 planned rtl-1, part of a",
                "2026-03-03 10:00 returned rtl-1, part of a",
                "2026-03-04 10:00 completed a",
            ],
        }
    )

    found = [step_of(seen, fact, OWNER) for seen, fact in zip(told.seen, told.facts, strict=True)]

    assert [step and step.state for step in found] == ["planned", "returned", None]
    assert found[0] is not None
    assert found[0].statement == told.seen[0].id


# -- what is due

FOLLOW_UP = shipped.follow_up()
FINISHED = date(2026, 3, 1)


def due(plan: Plan, today: date) -> list[tuple[str, str, str, bool]]:
    found = reminders(plan, FINISHED, FOLLOW_UP, today=today, timezone=WIB)
    assert all(reminder.code in REMINDERS for reminder in found)
    return [(r.code, r.who, r.due_on.isoformat(), r.is_overdue) for r in found]


@pytest.mark.parametrize(
    ("plan", "today", "expected"),
    [
        (played(), date(2026, 3, 31), [("submit", OWNER, "2026-03-31", False)]),
        (played(), date(2026, 4, 1), [("submit", OWNER, "2026-03-31", True)]),
        (played(PLANNED), date(2026, 3, 5), [("submit", OWNER, "2026-03-31", False)]),
        (played(PLANNED, SUBMITTED), date(2026, 3, 18), [("decide", BOSS, "2026-03-17", True)]),
        (played(PLANNED, SUBMITTED, RETURNED), date(2026, 3, 18), [("submit", OWNER, "2026-04-03", False)]),
        (played(PLANNED, SUBMITTED, APPROVED), date(2026, 6, 2), [("realise", OWNER, "2026-06-01", True)]),
        # Realised on 30 April: evaluated from 30 July 2026 to 30 April 2027.
        (played(PLANNED, SUBMITTED, APPROVED, REALISED), date(2026, 7, 29), []),
        (
            played(PLANNED, SUBMITTED, APPROVED, REALISED),
            date(2026, 7, 30),
            [("evaluate", OWNER, "2027-04-30", False), ("evaluate", BOSS, "2027-04-30", False)],
        ),
        (
            played(PLANNED, SUBMITTED, APPROVED, REALISED, EVALUATED),
            date(2027, 5, 1),
            [("evaluate", OWNER, "2027-04-30", True)],
        ),
    ],
)
def test_what_is_due(plan: Plan, today: date, expected: list[tuple[str, str, str, bool]]) -> None:
    assert due(plan, today) == expected


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 3, 31), 1, date(2026, 4, 30)),
        (date(2026, 11, 15), 3, date(2027, 2, 15)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_later(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("provider", "requires", "owes"),
    [("bkn", (), True), ("lms", (), False), ("lms", ("completed", "rtl_approved"), True)],
)
def test_who_owes_a_plan(provider: str, requires: tuple[str, ...], owes: bool) -> None:
    course = Course("https://a/1", provider, "Judul", "", "KL03", "national", requires=requires, programme_centi_jp=8)

    assert owes_plan(course, FOLLOW_UP) is owes


OWN = Source("Keputusan uji", "own")
RULES = replace(
    FOLLOW_UP,
    rules=(
        FollowUpRule("course", "https://a/1", None, {"submit_within_days": 5}, OWN),
        FollowUpRule("provider", "lms", True, {"submit_within_days": 60, "decide_within_days": 7}, OWN),
        FollowUpRule("course", "https://a/2", False, {}, OWN),
        FollowUpRule("provider", "bkn", False, {}, OWN),
    ),
)


@pytest.mark.parametrize(
    ("id", "provider", "requires", "owes", "submit", "decide"),
    [
        ("https://a/1", "lms", (), True, 5, 7),  # what the course does not say, its provider says
        ("https://a/2", "lms", (), False, 60, 7),  # a course before its provider
        ("https://a/3", "lms", (), True, 60, 7),
        ("https://a/3", "bkn", (), False, 30, 14),  # no duty, against the document; its deadlines stay
        ("https://a/3", "bkn", ("rtl_approved",), True, 30, 14),  # hours that wait for a plan always need one
        ("https://a/1", "ut", (), False, 5, 14),
    ],
)
def test_a_course_s_rule_goes_before_its_provider_s_and_both_before_the_document(
    id: str, provider: str, requires: tuple[str, ...], owes: bool, submit: int, decide: int
) -> None:
    course = Course(id, provider, "Judul", "", "KL03", "national", requires=requires, programme_centi_jp=8)

    terms = RULES.of(id, provider)

    assert owes_plan(course, RULES) is owes
    assert (terms.submit_within_days.value, terms.decide_within_days.value) == (submit, decide)
    assert terms.submit_within_days.source == (OWN if submit != 30 else FOLLOW_UP.submit_within_days.source)


def test_wrong_deadlines_are_refused() -> None:
    deadline = "{value: 5, reference: x, confirmed: own}"
    text = (
        "follow_up: x\nduty: {providers: [], reference: x, confirmed: own}\n"
        f"submit_within_days: {deadline}\ndecide_within_days: {deadline}\n"
        "evaluate_after_months: {value: 9, reference: x, confirmed: own}\n"
        f"evaluate_before_months: {deadline}\nrenew_before_days: {deadline}\n"
    )

    with pytest.raises(FollowUpError, match="ends before evaluate_after_months begins"):
        load_follow_up(text)
