"""What an evaluation tells beside the hours: keys for the ledger, and what became of each fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.evaluate import OUTCOMES_OF_A_FACT, evaluate, outcome_of
from mappings.facts import Fact

Play = Callable[[dict[str, Any]], Any]


def story(*events: str, **row: Any) -> dict[str, Any]:
    course = {"id": "a", "form": "KL03", "programme_jp": 8, **row}
    return {"name": "story", "courses": [course], "events": list(events)}


def outcomes(played: Any) -> list[str]:
    evaluation = played.evaluate()
    found = [outcome_of(evaluation, fact) for fact in played.facts]
    assert all(outcome.code in OUTCOMES_OF_A_FACT for outcome in found)
    return [outcome.code for outcome in found]


def test_each_fact_says_what_became_of_it(world: Play) -> None:
    played = world(
        story(
            "2026-03-02 10:00 completed a",
            "2026-03-02 10:00 scored a, score 50 of 100",
            "2026-04-02 10:00 completed a",
            "2027-04-02 10:00 completed a",
            valid_until="2026-12-31",
        )
    )

    assert outcomes(played) == ["counted", "not_needed", "not_needed", "outside_valid_days"]


def test_a_fact_whose_course_still_needs_something_says_what(world: Play) -> None:
    played = world(story("2026-03-02 10:00 completed a", requires="completed;passed"))

    (fact,) = played.facts
    outcome = outcome_of(played.evaluate(), fact)

    assert (outcome.code, outcome.detail) == ("missing_evidence", {"missing": "passed"})


def test_a_counted_fact_names_its_recognition(world: Play) -> None:
    played = world(story("2026-03-02 10:00 completed a"))

    (fact,) = played.facts
    evaluation = played.evaluate()

    assert outcome_of(evaluation, fact).recognitions == evaluation.recognitions


def test_a_superseded_score_says_so_though_the_course_was_recognised(world: Play) -> None:
    played = world(
        story(
            "2026-03-02 10:00 graded a, score 4 of 10, activity Completed, grading FullyGraded",
            "2026-03-03 10:00 graded a, score 9 of 10, activity Completed, grading FullyGraded",
        )
    )

    assert outcomes(played) == ["superseded", "counted"]
    assert played.evaluate().pending == ()


def test_equal_content_is_the_same_entry_and_any_difference_is_another(world: Play) -> None:
    events = "2026-03-02 10:00 completed a"
    (one,) = world(story(events)).evaluate().recognitions
    (same,) = world(story(events)).evaluate().recognitions
    (other,) = world(story(events, programme_jp=9)).evaluate().recognitions

    assert one.key == same.key
    assert one.key[:2] == other.key[:2]
    assert one.content != other.content


def test_a_key_is_course_and_period(world: Play) -> None:
    played = world(story("2026-03-02 10:00 completed a", "2027-03-02 10:00 completed a", repeat="yearly"))

    assert [r.key[:2] for r in played.evaluate().recognitions] == [
        ("https://lms.example/a", "2026"),
        ("https://lms.example/a", "2027"),
    ]


@pytest.mark.parametrize(("zone", "day"), [("Asia/Jakarta", "2026-12-31"), ("Asia/Jayapura", "2027-01-01")])
def test_the_day_is_that_of_the_given_time_zone(zone: str, day: str, world: Play) -> None:
    played = world(story("2026-12-31 23:30 completed a"))

    evaluation = evaluate(played.policy, played.catalogue, played.facts, timezone=ZoneInfo(zone))

    assert evaluation.recognitions[0].on.isoformat() == day


def test_the_checks_of_an_hour_tell_the_whole_way(world: Play) -> None:
    played = world(
        {
            "name": "abroad",
            "courses": [
                {"id": "a", "form": "NKL09", "scope": "international", "requires": "completed;score", "min_score": 0.6}
            ],
            "events": ["2026-03-02 10:00 read a, 90 minutes, score 8 of 10"],
        }
    )

    (recognition,) = played.evaluate().recognitions

    assert [(c.code, c.outcome, c.value, c.threshold, c.subject) for c in recognition.checks] == [
        ("source", "met", "lms", "lms", ""),
        ("completed", "met", "2026-03-02", "", ""),
        ("score", "met", "0.8", "0.6", "2026-03-02"),
        ("repeat", "met", "once", "once", ""),
        ("minutes_reported", "applied", "90", "45", "2026-03-02"),
        ("international_bonus", "applied", "20", "", ""),
        ("cap_per_day", "limited", "2.4", "2", "2026-03-02"),
    ]
    assert [c.reference for c in recognition.checks[4:]] == [
        "Peraturan LAN 5/2018: 1 JP is 45 minutes",
        "BPS conversion table; two regional apps agree",
        "BPS conversion table; two regional apps agree",
    ]


def test_a_course_that_is_gone_says_so(world: Play) -> None:
    played = world(story("2026-03-02 10:00 completed a"))
    (fact,) = played.facts
    gone = Fact("1", "https://lms.example/gone", "completed", fact.at, fact.stored, "lms", ("completed",))

    evaluation = played.evaluate([gone])

    assert evaluation.recognitions == ()
    assert [w.code for p in evaluation.pending for w in p.waiting] == ["course_gone"]
