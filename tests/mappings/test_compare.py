"""What another policy changes, and which needed competencies are offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mappings import shipped
from mappings.compare import Difference, changes, differences, summary
from mappings.competencies import STANDINGS, match
from mappings.course import Competency, Course
from mappings.policy import load_policy

Play = Callable[[dict[str, Any]], Any]
STORY = {
    "name": "two courses",
    "courses": [{"id": "a", "form": "NKL03", "programme_jp": 10}, {"id": "b", "form": "KL06", "days": 2}],
    "events": ["2026-03-02 10:00 completed a", "2027-03-02 10:00 completed b"],
}


def test_the_same_policy_changes_nothing(world: Play) -> None:
    played = world(STORY)

    assert differences(played.evaluate(), played.evaluate()) == ()
    assert changes(played.policy, played.policy) == ()


def test_who_loses_and_why(world: Play) -> None:
    old, new = world(STORY).evaluate(), world({**STORY, "options": {"caps_apply_to": "all"}}).evaluate()

    found = differences(old, new)

    assert found == (Difference("https://lms.example/a", "once", 2026, 1000, 300, ("cap_per_day",)),)
    assert found[0].centi_jp == -700
    assert summary(found) == {2026: "-7"}


def test_an_hour_that_is_gone_says_what_holds_it_up(world: Play) -> None:
    twice = {
        "name": "twice",
        "courses": [
            {"id": "a", "form": "KL03", "programme_jp": 8},
            {"id": "b", "form": "KL03", "programme_jp": 8},
        ],
        "events": ["2026-03-02 10:00 completed a, certificate 1", "2026-03-03 10:00 completed b, certificate 1"],
    }
    strict, generous = world(twice).evaluate(), world({**twice, "options": {"same_certificate": "each"}}).evaluate()

    assert [d.because for d in differences(generous, strict)] == [("same_certificate",)]
    assert [d.centi_jp for d in differences(strict, generous)] == [800]


def test_which_numbers_differ() -> None:
    old = shipped.policy("perlan-10-2018")
    text = old.text.replace("value: 45}", "value: 60}").replace("value: per_event", "value: per_day")
    text = text.replace("evidence: [completed]", "evidence: [completed, certificate]", 1)

    found = changes(old, load_policy(text))

    assert [(change.path, change.old, change.new) for change in found] == [
        ("forms.KL01.evidence", "completed", "completed;certificate"),
        ("minutes_per_jp 2019-01-01..", "45", "60"),
        ("options.rounding", "per_event", "per_day"),
    ]


def course(name: str, *competencies: Competency) -> Course:
    return Course(name, "lms", name, "", "KL03", "national", programme_centi_jp=800, competencies=competencies)


@pytest.mark.parametrize(
    ("need", "standing", "courses", "below"),
    [
        (Competency("Integritas", 3), "reached", ("a",), ("b",)),
        (Competency("Integritas", 4), "offered", ("a",), ("b",)),
        (Competency("integritas ", 5), "offered_below", (), ("a", "b")),
        (Competency("Kerja sama", 5), "offered", ("c",), ()),
        (Competency("Komunikasi", 1), "not_offered", (), ()),
        (Competency("Kerja sama"), "offered", ("c",), ()),
    ],
)
def test_link_and_match(need: Competency, standing: str, courses: tuple[str, ...], below: tuple[str, ...]) -> None:
    offered = [
        course("a", Competency("Integritas", 4)),
        course("b", Competency("Integritas", 2)),
        course("c", Competency("Kerja sama")),
    ]
    done = [course("d", Competency("Integritas", 3))]

    (found,) = match([need, need], offered, done)

    assert (found.standing, found.courses, found.courses_below) == (standing, courses, below)
    assert found.standing in STANDINGS
