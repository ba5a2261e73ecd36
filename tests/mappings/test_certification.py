"""Certification: cognitive test, portfolio review and interview lead to "competent" or "not yet"."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import shipped
from mappings.certification import (
    DECISIONS,
    REFUSALS,
    STANDINGS,
    Appeal,
    Certification,
    Report,
    SchemeError,
    judge,
    load_scheme,
)

WIB = ZoneInfo("Asia/Jakarta")
TEXT = shipped.scheme_text("certification-bkn")
SCHEME = shipped.scheme("certification-bkn")
TWO_UNITS = load_scheme(TEXT + "units:\n  - {name: Integritas, level: 3}\n  - {name: Kerja sama, level: 2}\n")


def at(day: int) -> datetime:
    return datetime(2026, 3, 1, 3, tzinfo=UTC) + timedelta(days=day)


def exam(day: int, score: int, **more: Any) -> Report:
    return Report("cognitive-test", at(day), f"test-{day}", score=score, **more)


def portfolio(day: int, decision: str = "competent", by: str = "dewi", **more: Any) -> Report:
    return Report("portfolio-review", at(day), f"portfolio-{day}-{by}", assessor=by, decision=decision, **more)


def interview(day: int, decision: str = "competent", by: str = "eko", **more: Any) -> Report:
    return Report("interview", at(day), f"interview-{day}-{by}", assessor=by, decision=decision, **more)


def judged(*reports: Report, appeals: tuple[Appeal, ...] = (), scheme: Any = SCHEME) -> Certification:
    return judge(scheme, "ani", reports, appeals, timezone=WIB)


WAY = (exam(1, 700_000), portfolio(5), interview(9), interview(9, by="fajar"))


def test_three_stages_make_competent() -> None:
    found = judged(*WAY)

    assert found.standing == "competent"
    assert found.decided_on == date(2026, 3, 10)
    assert found.valid_until == date(2029, 3, 9)
    assert found.refused == ()
    assert [stage.evidence for stage in found.stages] == [
        ("test-1",),
        ("portfolio-5-dewi",),
        ("interview-9-eko", "interview-9-fajar"),
    ]


def test_a_certificate_holds_from_its_day_to_its_last() -> None:
    found = judged(*WAY)

    days = [date(2026, 3, 9), date(2026, 3, 10), date(2029, 3, 9), date(2029, 3, 10)]
    assert [found.holds(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("reports", "next_stage"),
    [
        ((), "cognitive-test"),
        (WAY[:1], "portfolio-review"),
        (WAY[:2], "interview"),
        (WAY[:3], "interview"),
    ],
)
def test_what_is_next(reports: tuple[Report, ...], next_stage: str) -> None:
    found = judged(*reports)

    assert (found.standing, found.next_stage, found.valid_until) == ("open", next_stage, None)


def test_one_hundredth_below_the_threshold_is_not_yet() -> None:
    found = judged(exam(1, 699_999))

    assert found.standing == "not_yet"
    assert found.appeal_until == date(2026, 3, 16)
    assert not found.holds(date(2026, 3, 2))


def test_a_test_taken_again_counts_by_its_last_score() -> None:
    assert judged(exam(1, 400_000), exam(3, 800_000)).standing == "open"
    assert judged(exam(1, 800_000), exam(3, 400_000)).standing == "not_yet"


def test_one_assessor_who_says_not_yet_decides() -> None:
    found = judged(*WAY[:3], interview(9, "not_yet", by="fajar"))

    assert found.standing == "not_yet"
    assert found.stages[-1].assessors == ("eko", "fajar")


def test_an_assessor_may_change_her_mind() -> None:
    found = judged(*WAY[:3], interview(9, "not_yet", by="fajar"), interview(10, by="fajar"))

    assert found.standing == "competent"


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (Report("singing", at(6), "x", decision="competent"), "unknown_stage"),
        (portfolio(6, unit="Lain"), "unknown_unit"),
        (portfolio(6, by="ani"), "self_assessed"),
        (portfolio(6, by=""), "no_assessor"),
        (Report("portfolio-review", at(6), "x", assessor="dewi"), "no_decision"),
        (Report("portfolio-review", at(6), "x", assessor="dewi", score=900_000), "no_decision"),
        (Report("cognitive-test", at(6), "x"), "no_decision"),
        (portfolio(0), "before_its_turn"),
        (interview(2), "before_its_turn"),
    ],
)
def test_what_does_not_count_says_why(report: Report, reason: str) -> None:
    found = judged(WAY[0], report)

    assert [(entry.statement, entry.reason) for entry in found.refused] == [(report.statement, reason)]
    assert found.next_stage == "portfolio-review"
    assert reason in REFUSALS


def test_competent_means_competent_in_every_unit() -> None:
    way = (exam(1, 700_000), portfolio(5, unit="Integritas"), portfolio(6, "not_yet", unit="Kerja sama"))

    found = judged(*way, interview(9), interview(9, by="fajar"), scheme=TWO_UNITS)

    assert found.standing == "not_yet"
    assert {(s.stage, s.unit): s.standing for s in found.stages if s.stage != "cognitive-test"} == {
        ("portfolio-review", "Integritas"): "competent",
        ("portfolio-review", "Kerja sama"): "not_yet",
        ("interview", "Integritas"): "competent",
        ("interview", "Kerja sama"): "open",
    }


def test_an_appeal_in_time_begins_the_stage_anew() -> None:
    found = judged(exam(1, 400_000), exam(20, 800_000), appeals=(Appeal("cognitive-test", at(15), "appeal"),))

    assert found.stages[0].evidence == ("test-20",)
    assert found.refused == ()


def test_after_an_appeal_the_old_result_counts_no_more() -> None:
    found = judged(exam(1, 400_000), appeals=(Appeal("cognitive-test", at(15), "appeal"),))

    assert (found.standing, found.next_stage) == ("open", "cognitive-test")


@pytest.mark.parametrize(
    ("appeal", "reason"),
    [
        (Appeal("cognitive-test", at(16), "appeal"), "appeal_too_late"),
        (Appeal("cognitive-test", at(0), "appeal"), "nothing_to_appeal"),
        (Appeal("singing", at(2), "appeal"), "unknown_stage"),
    ],
)
def test_an_appeal_that_does_not_count_says_why(appeal: Appeal, reason: str) -> None:
    found = judged(exam(1, 400_000), appeals=(appeal,))

    assert found.standing == "not_yet"
    assert [(entry.statement, entry.reason) for entry in found.refused] == [("appeal", reason)]


reports = st.builds(
    Report,
    stage=st.sampled_from(["cognitive-test", "portfolio-review", "interview", "singing"]),
    at=st.integers(0, 6).map(at),
    statement=st.uuids().map(str),
    unit=st.sampled_from(["", "Integritas", "Kerja sama"]),
    assessor=st.sampled_from(["", "ani", "dewi", "eko"]),
    score=st.sampled_from([None, 300_000, 900_000]),
    decision=st.sampled_from([None, *DECISIONS]),
)


@given(st.lists(reports, max_size=12), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_and_everything_is_accounted_for(found: list[Report], random: Any) -> None:
    shuffled = found.copy()
    random.shuffle(shuffled)

    certification = judged(*found, scheme=TWO_UNITS)

    assert judged(*shuffled, *found, scheme=TWO_UNITS) == certification
    assert certification.standing in STANDINGS
    assert {entry.reason for entry in certification.refused} <= set(REFUSALS)
    refused = {entry.statement for entry in certification.refused}
    assert not refused & {statement for stage in certification.stages for statement in stage.evidence}
    assert (certification.standing == "competent") == (certification.valid_until is not None)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("method: test", "method: song", "song is not one of"),
        ("assessors: 0\n    score: 0.7", "assessors: 0", "nobody and no score decides"),
        ("score: 0.7", "score: 7", "not a fraction between 0 and 1"),
        ("name: interview", "name: portfolio-review", "two stages have one name"),
        ("value: 36", "value: long", "long is not a whole number"),
    ],
)
def test_a_wrong_scheme_is_refused(old: str, new: str, says: str) -> None:
    assert old in TEXT

    with pytest.raises(SchemeError, match=says):
        load_scheme(TEXT.replace(old, new, 1))
