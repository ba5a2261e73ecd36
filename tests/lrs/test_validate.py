"""The requirements of a statement, from tables that name each one: tests/cases/xapi."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from lrs.validate import validate

CASES = Path(__file__).parents[1] / "cases" / "xapi"


def _table(name: str) -> list[Any]:
    rows = YAML(typ="safe", pure=True).load((CASES / name).read_text())
    versions = ("1.0.3", "2.0.0")
    return [
        pytest.param(row, version, id=f"{position}-{row.get('requirement') or row['why']}-{version}")
        for position, row in enumerate(rows)
        for version in versions
        if row.get("only", version) == version
    ]


def changed(row: dict[str, Any]) -> Any:
    """The valid statement with the change of this row of a table."""
    statement: Any = orjson.loads((CASES / row.get("of", "full.json")).read_bytes())
    path, value = row["set"] if "set" in row else (row["drop"], None)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at = statement
    for step in parents:
        at = at[step]
    if "set" in row:
        at[last] = copy.deepcopy(value)
    else:
        del at[last]
    return statement


@pytest.mark.parametrize(("row", "version"), _table("refused.yaml"))
def test_a_broken_requirement_is_refused_with_its_path_and_name(row: dict[str, Any], version: str) -> None:
    problems = validate(changed(row), version=version)

    assert problems
    assert any(row["requirement"] in problem.requirement for problem in problems), problems
    assert all(problem.path.startswith("statement") and problem.reason for problem in problems)


@pytest.mark.parametrize(("row", "version"), _table("accepted.yaml"))
def test_what_looks_odd_and_is_right_is_accepted(row: dict[str, Any], version: str) -> None:
    assert validate(changed(row), version=version) == []


def test_every_problem_is_listed_at_once() -> None:
    statement = {"actor": {"mbox": "x"}, "verb": {"id": "y"}, "object": {"id": "z"}, "Result": {}}

    problems = validate(statement, version="1.0.3", path="statements[3]")

    assert {problem.path for problem in problems} == {
        "statements[3].actor.mbox",
        "statements[3].verb.id",
        "statements[3].object.id",
        "statements[3].Result",
    }


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_a_statement_is_an_object(value: Any) -> None:
    """XAPI-00014, Data 2.1."""
    assert validate(value, version="2.0.0")
