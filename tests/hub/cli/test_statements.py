"""``wkmb statements``: what the LRS holds, as a file and back."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub import journal
from hub.runtime import Hub
from recognizedtest import NIP, statement


@pytest.fixture
def filled(wkmb: Any, served: Hub) -> list[dict[str, Any]]:
    """Three statements that another system sent as a file."""
    wkmb("connector", "add", "asn-unggul", "--kind", "xapi-push")
    given = [statement(), statement("passed"), statement("failed", actor={"mbox": "mailto:ani@example.go.id"})]
    file = wkmb.file("given.jsonl", "\n".join(json.dumps(each) for each in given))
    done = wkmb.json("statements", "import", file, "--connector", "asn-unggul")
    assert done == {"stored": 3, "repeated": 0, "left_out": 0, "problems": []}
    return given


def lines(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]


def test_an_export_is_imported_again_and_changes_nothing(wkmb: Any, served: Hub, filled: list[dict[str, Any]]) -> None:
    path = Path(wkmb.folder / "all.jsonl")

    wkmb("statements", "export", "--output", str(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert lines(path.read_text())[-1]["statements"] == 3
    assert "3 were there already" in wkmb("statements", "import", str(path)).stdout
    assert "is there already" in wkmb.refused("statements", "export", "--output", str(path))
    with served.db.read() as conn:
        acts = [act.action for act in journal.read(conn, f"{served.clock():%Y-%m}", limit=4)]
    assert acts[:3] == ["statements.import", "statements.export", "statements.import"]


def test_filters_and_columns_choose_what_is_written(wkmb: Any, filled: list[dict[str, Any]]) -> None:
    table = wkmb("statements", "export", "--format", "csv", "--columns", "id,verb.id", "--verb", "passed").stdout
    of_ani = wkmb("statements", "export", "--actor", "mailto:ani@example.go.id").stdout

    assert list(csv.reader(table.removeprefix("\ufeff").splitlines()))[1][0] == filled[1]["id"]
    assert [each["statement"]["id"] for each in lines(of_ani)[1:-1]] == [filled[2]["id"]]


def test_what_was_asked_wrongly_is_told_in_one_line(wkmb: Any, filled: list[dict[str, Any]]) -> None:
    said = wkmb.refused("statements", "export", "--nip", NIP, "--from", "yesterday")
    assert said == "Error: --from: Use YYYY-MM-DD, for example 2026-01-31. --nip: Nobody here has this NIP."
    assert "at character 6" in wkmb.refused("statements", "export", "--format", "csv", "--columns", "verb..id")


def test_a_file_with_wrong_lines_is_refused_whole_unless_told(wkmb: Any, filled: list[dict[str, Any]]) -> None:
    good, other = json.dumps(statement()), json.dumps({**filled[0], "result": {"success": False}})
    file = wkmb.file("wrong.jsonl", f"{good}\nnonsense\n{other}\n")

    refused = wkmb("statements", "import", file, "--connector", "asn-unggul", expect=1).stderr
    assert "line 2, statement: is no JSON" in refused
    done = wkmb.json("statements", "import", file, "--connector", "asn-unggul", "--skip-bad")
    assert (done["stored"], done["left_out"], [each["line"] for each in done["problems"]]) == (1, 2, [2, 3])
    assert "--connector NAME" in wkmb.refused("statements", "import", file)
