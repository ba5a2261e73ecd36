"""Completion files: rows become statements, or problems with line, column and advice."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from connectors import xapi
from connectors.completions import Completion, read_completions, to_statement

HEADER = "nip,course,event,on,score,max_score,minutes,certificate,issuer,jp\n"
NIP = "198501012010011001"
JAKARTA = ZoneInfo("Asia/Jakarta")
COURSE = xapi.activity("https://bkn.example/course/7", {"id": "Manajemen Talenta"})
ACTOR = xapi.account("https://hub.example", "p-1")


def read(*rows: str) -> tuple[Completion, ...]:
    found = read_completions((HEADER + "\n".join(rows)).encode())
    assert found.problems == ()
    return found.rows


def problems(*rows: str) -> list[tuple[int, str, str]]:
    found = read_completions((HEADER + "\n".join(rows)).encode())
    return [(each.line, each.column, each.code) for each in found.problems]


def statement(row: Completion) -> xapi.Statement:
    return to_statement(row, source="bkn", learner="p-1", actor=ACTOR, course=COURSE, timezone=JAKARTA)


def test_a_full_row_becomes_a_statement() -> None:
    [row] = read(f"{NIP},MT-1,passed,2026-03-01,87.5,100,270,STTPL/12,BKN,6")

    assert statement(row) == {
        "id": str(xapi.statement_id("csv", "bkn", "p-1", COURSE["id"], "passed", "2026-03-01", "STTPL/12")),
        "actor": ACTOR,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en": "passed"}},
        "object": COURSE,
        "timestamp": "2026-02-28T17:00:00.000Z",
        "result": {
            "score": {"raw": 87.5, "min": 0, "max": 100},
            "success": True,
            "duration": "PT270M",
            "extensions": {
                "urn:wkmb:certificate:number": "STTPL/12",
                "urn:wkmb:certificate:issuer": "BKN",
                "urn:wkmb:certificate:jp": 6,
            },
        },
        "context": {"platform": "bkn"},
    }


def test_no_nip_stands_in_a_statement() -> None:
    [row] = read(f"{NIP},MT-1,completed,2026-03-01,,,,,,")

    assert NIP not in repr(statement(row))


def test_a_short_row_needs_four_cells() -> None:
    found = read_completions(f"nip,course,event,on\n{NIP},MT-1,completed,2026-03-01T23:30+07:00\n".encode())

    assert found.problems == ()
    assert "result" not in statement(found.rows[0])
    assert statement(found.rows[0])["timestamp"] == "2026-03-01T16:30:00.000Z"


def test_the_same_row_gives_the_same_id_again() -> None:
    [one] = read(f"{NIP},MT-1,completed,2026-03-01,,,,,,")
    [other] = read(f" {NIP} , MT-1 ,Completed,2026-03-01,,,,,,")

    assert statement(one)["id"] == statement(other)["id"]


def test_quotes_line_breaks_and_a_byte_order_mark_are_read() -> None:
    content = (
        "\ufeff" + HEADER + f'{NIP},"MT,1",certified,2026-03-01,,,,"A\n1",,\n{NIP},X,certified,2026-03-02,,,,2,,\n'
    )

    found = read_completions(content.encode())

    assert [(row.course, row.certificate) for row in found.rows] == [("MT,1", "A\n1"), ("X", "2")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1985,MT-1,completed,2026-03-01,,,,,,", ("nip", "not_a_nip")),
        ("1.98501E+17,MT-1,completed,2026-03-01,,,,,,", ("nip", "not_a_nip")),
        (f"{NIP},,completed,2026-03-01,,,,,,", ("course", "missing")),
        (f"{NIP},MT-1,selesai,2026-03-01,,,,,,", ("event", "unknown")),
        (f"{NIP},MT-1,,2026-03-01,,,,,,", ("event", "missing")),
        (f"{NIP},MT-1,completed,01-03-2026,,,,,,", ("on", "not_a_date")),
        (f"{NIP},MT-1,completed,2026-02-29,,,,,,", ("on", "not_a_date")),
        (f"{NIP},MT-1,completed,2026-03-01T09:00,,,,,,", ("on", "not_a_date")),
        (f"{NIP},MT-1,completed,,,,,,,", ("on", "missing")),
        (f'{NIP},MT-1,passed,2026-03-01,"87,5",100,,,,', ("score", "not_a_number")),
        (f"{NIP},MT-1,passed,2026-03-01,nan,100,,,,", ("score", "not_a_number")),
        (f"{NIP},MT-1,passed,2026-03-01,1e2,100,,,,", ("score", "not_a_number")),
        (f"{NIP},MT-1,passed,2026-03-01,101,100,,,,", ("score", "out_of_range")),
        (f"{NIP},MT-1,passed,2026-03-01,-1,100,,,,", ("score", "out_of_range")),
        (f"{NIP},MT-1,passed,2026-03-01,0,0,,,,", ("score", "out_of_range")),
        (f"{NIP},MT-1,passed,2026-03-01,50,,,,,", ("max_score", "incomplete")),
        (f"{NIP},MT-1,completed,2026-03-01,,,-5,,,", ("minutes", "out_of_range")),
        (f"{NIP},MT-1,completed,2026-03-01,,,1.5,,,", ("minutes", "out_of_range")),
        (f"{NIP},MT-1,completed,2026-03-01,,,999999,,,", ("minutes", "out_of_range")),
        (f"{NIP},MT-1,certified,2026-03-01,,,,,,", ("certificate", "missing")),
        (f"{NIP},MT-1,certified,2026-03-01,,,,A1,,0", ("jp", "out_of_range")),
        (f"{NIP},MT-1,completed,2026-03-01,,,,,,,x", ("row", "too_many_cells")),
    ],
)
def test_a_wrong_row_is_refused_with_line_and_column(row: str, problem: tuple[str, str]) -> None:
    assert problems(f"{NIP},OK,completed,2026-01-01,,,,,,", row) == [(3, *problem)]


def test_every_problem_of_a_row_is_listed_and_the_good_rows_stay() -> None:
    found = read_completions((HEADER + f"x,,?,?,a,,,,,\n{NIP},A,passed,2026-01-01,,,,,,").encode())

    assert [each.column for each in found.problems] == ["score", "nip", "course", "event", "on"]
    assert [row.line for row in found.rows] == [3]


def test_a_row_that_stands_twice_is_refused_once() -> None:
    row = f"{NIP},A,passed,2026-01-01,,,,,,"

    assert problems(row, row) == [(3, "row", "twice")]


@pytest.mark.parametrize(
    ("content", "column", "code"),
    [
        (b"nip,course,event\n", "on", "missing_column"),
        (b"nip,course,event,on,nilai\n", "nilai", "unknown_column"),
        (b"nip,nip,course,event,on\n", "header", "twice"),
        (b"", "nip", "missing_column"),
        (b"nip,course,event,on\n\xff", "file", "not_utf8"),
        (b'nip,course,event,on\n"x', "row", "not_csv"),
    ],
)
def test_a_file_of_another_shape_is_refused(content: bytes, column: str, code: str) -> None:
    found = read_completions(content)

    assert (found.problems[0].column, found.problems[0].code) == (column, code)
    assert found.rows == ()


def test_no_problem_quotes_a_nip() -> None:
    found = read_completions((HEADER + "19850101201001100X,MT-1,completed,2026-03-01,,,,,,").encode())

    assert "1985" not in str(found.problems[0])
