"""The statements of a real Moodle 4.3 with logstore_xapi, as recorded on the wire.

Only the completion of the course is a fact about it. Quiz attempts, page views and module completions, of which many
say "completed" too, earn nothing and say why.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings import shipped
from mappings.course import Catalogue, Course
from mappings.evaluate import evaluate
from mappings.facts import Fact, NotAFact, Observation, read
from mappings.vocabulary import Vocabulary, object_keys

RECORDED = Path(__file__).parent.parent / "cases" / "moodle"
COMPLETION = "core.course_completed__completed__course"
MOODLE = "peer-moodle"

#: What each recorded statement is, under a Moodle's vocabulary.
EXPECTED = {
    COMPLETION: "completed",
    "core.course_module_completion_updated__completed__assessment": "child_activity",
    "core.course_module_completion_updated__completed__assignment": "child_activity",
    "core.course_module_completion_updated__completed__page": "child_activity",
    "core.course_module_completion_updated__uncompleted__page": "child_activity",
    "core.course_module_created__create__media": "child_activity",
    "core.course_viewed__viewed__course": "no_proof",
    "core.user_created__registered__lms": "unknown_course",
    "core.user_enrolment_created__enrolled__course": "no_proof",
    "core.user_enrolment_deleted__leave__course": "no_proof",
    "core.user_loggedin__login__lms": "unknown_course",
    "mod_assign.assessable_submitted__submit__submission": "child_activity",
    "mod_assign.course_module_viewed__viewed__assignment": "child_activity",
    "mod_assign.submission_graded__scored__submission": "child_activity",
    "mod_lti.course_module_viewed__viewed__media": "child_activity",
    "mod_page.course_module_viewed__viewed__page": "child_activity",
    "mod_quiz.attempt_reviewed__receive__review": "child_activity",
    "mod_quiz.attempt_started__start__attempt": "child_activity",
    "mod_quiz.attempt_submitted__answered__cmi.interaction": "child_activity",
    "mod_quiz.attempt_submitted__completed__attempt": "child_activity",
    "mod_quiz.course_module_viewed__viewed__assessment": "child_activity",
}


def course(alias: str) -> Course:
    return Course(
        "https://catalogue.example/peer-101",
        MOODLE,
        "Kursus",
        "Course",
        "KL03",
        "national",
        aliases=(alias,),
        programme_centi_jp=450,
        requires=("completed",),
    )


def seen(name: str, connector: str | None = MOODLE) -> Observation:
    statement: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    stored = datetime(2026, 11, 23, 18, 50, tzinfo=UTC)
    return Observation(statement, name, stored, connector, False, "credential:1")


@pytest.fixture(params=["default", "moodle", "asn-unggul"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return shipped.vocabulary(request.param)


def test_every_recorded_statement_has_an_expectation() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_recorded_statement_is(name: str) -> None:
    found = read(seen(name), shipped.vocabulary("moodle"), Catalogue([course("course-PEER101")]))

    assert (found.kind if isinstance(found, Fact) else found.reason) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - {COMPLETION}))
def test_nothing_but_the_completion_is_a_fact_under_any_vocabulary(name: str, vocabulary: Vocabulary) -> None:
    found = read(seen(name), vocabulary, Catalogue([course("course-PEER101")]))

    assert isinstance(found, NotAFact)


@pytest.mark.parametrize("alias", ["course-PEER101", "PEER101", "http://127.0.0.1:8081/course/view.php?id=3"])
def test_the_completion_earns_whichever_way_the_course_is_named(alias: str, vocabulary: Vocabulary) -> None:
    catalogue = Catalogue([course(alias)])
    observations = [seen(name) for name in EXPECTED]

    found = [read(observation, vocabulary, catalogue) for observation in observations]
    facts = [fact for fact in found if isinstance(fact, Fact)]
    evaluation = evaluate(
        shipped.policy("perlan-10-2018"), catalogue, facts, timezone=ZoneInfo("Asia/Jakarta")
    )  # fmt: skip

    (recognition,) = evaluation.recognitions
    assert recognition.centi_jp == 450
    assert recognition.evidence == (COMPLETION,)
    # 18:48 in UTC is the next morning in Jakarta.
    assert recognition.on.isoformat() == "2026-11-24"


@pytest.mark.parametrize("connector", ["another-moodle", None])
def test_the_completion_of_another_system_earns_nothing(connector: str | None) -> None:
    found = read(seen(COMPLETION, connector), shipped.vocabulary("moodle"), Catalogue([course("course-PEER101")]))

    assert isinstance(found, NotAFact)
    assert found.reason == "wrong_source"
    assert found.detail["expected"] == MOODLE


def test_the_external_id_and_the_short_id_are_keys() -> None:
    statement = seen(COMPLETION).statement

    assert object_keys(statement, shipped.vocabulary("default")) == ("course-PEER101", "PEER101")


def test_a_part_of_a_course_says_which() -> None:
    found = read(
        seen("mod_quiz.attempt_submitted__completed__attempt"),
        shipped.vocabulary("moodle"),
        Catalogue([course("course-PEER101")]),
    )

    assert isinstance(found, NotAFact)
    assert found.detail["course"] == "https://catalogue.example/peer-101"
    assert found.detail["type"] == "http://adlnet.gov/expapi/activities/attempt"
