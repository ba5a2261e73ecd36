"""``wkmb course``."""

from __future__ import annotations

from typing import Any

import pytest

from hub.runtime import Hub

Terminal = Any
HEADER = "id,aliases,provider,title_id,title_en,form,scope,programme_jp"
GOOD = "https://lms.example/course/1,101,lan,Pelayanan Publik,Public Service,NKL04,national,4.5"
BAD = "https://lms.example/course/2,102,nobody,Lain,,NKL04,national,4.5"


@pytest.fixture
def lan(wkmb: Terminal) -> Terminal:
    """A hub that knows the provider."""
    wkmb("connector", "add", "lan", "--kind", "lti")
    return wkmb


def file(terminal: Terminal, *rows: str) -> str:
    return str(terminal.file("courses.csv", "\n".join([HEADER, *rows]) + "\n"))


def test_an_import_is_in_a_running_hub_at_once(lan: Terminal, served: Hub) -> None:
    with served.db.read() as conn:
        assert served.courses.current(conn).listed == ()

    said = lan.json("course", "import", file(lan, GOOD))

    assert said == {"added": 1, "changed": 0, "same": 0, "problems": []}
    with served.db.read() as conn:
        [listed] = served.courses.current(conn).listed
    assert (listed.course.title_id, listed.course.programme_centi_jp) == ("Pelayanan Publik", 450)


def test_a_wrong_row_keeps_the_whole_file_out(lan: Terminal) -> None:
    said = lan("course", "import", file(lan, GOOD, BAD), expect=1)

    assert "line 3, provider: 'nobody' is no connector." in said.stderr
    assert "Nothing was imported" in said.stdout
    assert lan.json("course", "list") == []


def test_good_rows_can_be_taken_alone(lan: Terminal) -> None:
    said = lan.json("course", "import", file(lan, GOOD, BAD), "--skip-bad")

    assert (said["added"], [each["line"] for each in said["problems"]]) == (1, [3])
    [listed] = lan.json("course", "list")
    assert (listed["id"], listed["version"]) == ("https://lms.example/course/1", 1)


@pytest.mark.parametrize("skip", [(), ("--skip-bad",)])
def test_a_file_without_its_columns_is_no_file(lan: Terminal, skip: tuple[str, ...]) -> None:
    said = lan("course", "import", lan.file("x.csv", "name\nsomething\n"), *skip, expect=1)

    assert "missing in the header" in said.stderr


def test_a_file_in_another_encoding_is_refused(lan: Terminal) -> None:
    (lan.folder / "latin.csv").write_bytes(HEADER.encode() + b"\n\xe9,,,,,,,\n")

    assert "is not UTF-8" in lan.refused("course", "import", str(lan.folder / "latin.csv"))
    assert "does not exist" in lan.refused("course", "import", "missing.csv", code=2)


def test_a_byte_order_mark_is_no_column(lan: Terminal) -> None:
    assert lan.json("course", "import", file(lan, GOOD).replace("\ufeff", ""))["added"] == 1
    marked = lan.file("marked.csv", "\ufeff" + HEADER + "\n" + GOOD + "\n")

    assert lan.json("course", "import", marked)["same"] == 1


def test_what_is_exported_is_imported_as_it_was(lan: Terminal) -> None:
    lan("course", "import", file(lan, GOOD))

    exported = lan("course", "export").stdout

    assert exported.splitlines()[0].startswith(HEADER)
    assert lan.json("course", "import", lan.file("again.csv", exported))["same"] == 1
    assert lan.json("course", "export", "--provider", "nobody") == []
