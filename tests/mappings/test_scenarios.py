"""The tables of tests/cases/mappings: each scenario is played through reading, evidence, values and caps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mappings.evaluate import WAITING, Evaluation
from mappings.facts import REASONS
from mappings.rules import CHECKS, OUTCOMES

FOLDER = Path(__file__).parent.parent / "cases" / "mappings"
SITE = "https://lms.example/"


def scenarios() -> list[Any]:
    return [
        pytest.param(scenario, id=f"{file.stem}: {scenario['name']}")
        for file in sorted(FOLDER.glob("*.yaml"))
        for scenario in YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("scenario", scenarios())
def test_scenario(scenario: dict[str, Any], world: Callable[[dict[str, Any]], Any]) -> None:
    played = world(scenario)

    evaluation = played.evaluate()

    expected = scenario["expect"]
    got = {
        "jp": sum(r.centi_jp for r in evaluation.recognitions) / 100,
        "entries": [f"{r.on} {short(r.course)} {r.centi_jp / 100:g}" for r in evaluation.recognitions],
        "years": years(evaluation),
        "missing": {short(p.course): list(p.missing) for p in evaluation.pending if p.missing},
        "waiting": {short(p.course): [w.code for w in p.waiting] for p in evaluation.pending if p.waiting},
        "not_counted": played.reasons,
        "checks": [f"{c.code} {c.outcome}" for r in evaluation.recognitions for c in r.checks],
        "evidence": [len(r.evidence) for r in evaluation.recognitions],
    }
    assert expected.keys() <= got.keys(), "expect says what is not compared"
    # What a scenario does not mention must not be there: nothing waits and nothing is refused unseen.
    silent: dict[str, Any] = {"missing": {}, "waiting": {}, "not_counted": []}
    wanted = {**silent, **expected}
    compared = {name: got[name] for name in wanted}
    if "checks" in wanted:
        compared["checks"] = [step for step in got["checks"] if step in wanted["checks"]]
    assert compared == wanted


@pytest.mark.parametrize("scenario", scenarios())
def test_every_hour_says_why(scenario: dict[str, Any], world: Callable[[dict[str, Any]], Any]) -> None:
    played = world(scenario)

    evaluation = played.evaluate()

    seen = {observation.id for observation in played.seen}
    for recognition in evaluation.recognitions:
        assert recognition.centi_jp > 0
        assert recognition.evidence
        assert set(recognition.evidence) <= seen
        assert {step.code for step in recognition.checks} <= set(CHECKS)
        assert {step.outcome for step in recognition.checks} <= set(OUTCOMES)
        assert any(step.outcome in ("applied", "limited") for step in recognition.checks)
    assert {waiting.code for pending in evaluation.pending for waiting in pending.waiting} <= set(WAITING)
    assert set(played.reasons) <= set(REASONS)


def short(course: str) -> str:
    return course.removeprefix(SITE)


def years(evaluation: Evaluation) -> dict[int, float]:
    totals: dict[int, float] = {}
    for recognition in evaluation.recognitions:
        totals[recognition.year] = totals.get(recognition.year, 0) + recognition.centi_jp / 100
    return totals


def test_there_are_enough_scenarios_and_each_has_a_name_of_its_own() -> None:
    names = [str(param.id) for param in scenarios()]

    assert len(set(names)) == len(names)
    assert len(names) >= 120


def test_every_form_is_shown_in_both_scopes(policy: Any) -> None:
    shown = {
        (row["form"], row.get("scope", "national"))
        for param in scenarios()
        for row in param.values[0].get("courses", ())
    }

    assert {
        (code, s) for code, form in policy.forms.items() for s, r in form.rules.items() if r.kind != "none"
    } <= shown
