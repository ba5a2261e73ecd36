"""Reports on the page and as files: who may see whose year, and that nothing in a file is more than a value."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote
from xml.etree import ElementTree

import flask
import pytest
import sqlalchemy as sa

from holdertest import Browser, employee, person, words_of
from hub.application import create_app
from hub.errors import HubError
from hub.people import learners
from hub.tables import audit_log
from hub.web import reports, sheets
from hub.web.sheets import Sheet
from lrs.database import Database
from recognizedtest import World, account, by, course, statement

HEAD, BUDI, SITI, EKA = "197001012000011001", "198501012010011001", "199002022015022002", "199305052018051005"
UNIT = "employer=Kemendikdasmen&unit=Pusdatin"
EVIL = '=HYPERLINK("http://x")'


@pytest.fixture
def app(db: Database) -> flask.Flask:
    """A unit with a head, Budi (4.5 JP) and Siti, whose name is a formula; Eka works elsewhere."""
    world = World(db)
    world.offer(course())
    text = (
        "nip,name,email,status,employer,unit,supervisor_nip\n"
        f"{HEAD},Kepala,,PNS,Kemendikdasmen,Pusdatin,\n"
        f"{BUDI},Budi,,PNS,Kemendikdasmen,Pusdatin,{HEAD}\n"
        f'{SITI},"{EVIL.replace(chr(34), chr(34) * 2)}",,PPPK,Kemendikdasmen,Pusdatin,{HEAD}\n'
        f"{EKA},Eka,,PNS,KKP,Pusdatin,\n"
    )
    found = learners.read_learners(text)
    assert not found.problems
    world.db.run(lambda conn: learners.import_learners(conn, world.hub, found.rows))
    with world.db.read() as conn:
        people = {nip: learners.find_by_nip(conn, nip) for nip in (HEAD, BUDI, SITI, EKA)}
    world.link(people[BUDI], account("4"))
    world.receive(statement(actor=by("4")))
    world.settle()
    app = create_app(world.hub)
    app.extensions["test"] = world, people
    return app


def world_of(app: flask.Flask) -> World:
    return app.extensions["test"][0]


def head(app: flask.Flask) -> Browser:
    world, people = app.extensions["test"]
    return employee(world, people[HEAD], "kepala", app)


def rows_of(answer: object) -> list[list[str]]:
    text = answer.get_data().decode()  # type: ignore[attr-defined]
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("role", ["admin", "operator", "auditor"])
def test_who_runs_or_audits_the_hub_sees_every_unit(app: flask.Flask, role: str) -> None:
    browser = person(world_of(app), role, app)

    units = browser.get("/reports")
    people = browser.get(f"/reports/people?{UNIT}&year=2026")

    assert units.status_code == people.status_code == 200
    assert "KKP" in words_of(units)
    assert "Budi 198501012010011001 PNS" in words_of(people)
    assert "15.5 JP lacking" in words_of(people)
    assert "Eka" not in people.text


def test_a_head_sees_her_own_people_and_nobody_else(app: flask.Flask) -> None:
    browser = head(app)

    assert browser.get("/reports").headers["Location"].endswith("/reports/people?team=mine")
    mine = browser.get("/reports/people?team=mine&year=2026")

    assert "Budi" in words_of(mine)
    assert "Eka" not in mine.text
    assert "Kepala" not in words_of(mine).replace("My people", "")
    for path in (f"people?{UNIT}", f"people.csv?{UNIT}", f"hours.csv?{UNIT}", f"year.xlsx?{UNIT}"):
        assert browser.get(f"/reports/{path}").status_code == 403


def test_whoever_has_no_people_has_no_report(app: flask.Flask) -> None:
    world, people = app.extensions["test"]
    budi = employee(world, people[BUDI], "budi", app)

    for path in ("people?team=mine", "people.csv?team=mine", "year.xlsx?team=mine", "people?team=x"):
        assert budi.get(f"/reports/{path}").status_code == 404
    assert person(world, "admin", app).get("/reports/people?team=mine").status_code == 403


def test_nobody_sees_anything_without_signing_in(app: flask.Flask) -> None:
    for path in ("", "/people?team=mine", f"/people.csv?{UNIT}", f"/year.xlsx?{UNIT}"):
        assert Browser(app).get(f"/reports{path}").status_code == 303


def test_the_people_of_a_unit_as_csv(app: flask.Flask) -> None:
    answer = head(app).get("/reports/people.csv?team=mine&year=2026")

    assert answer.headers["Content-Disposition"] == "attachment; filename=jp-2026-people.csv"
    header, evil, budi = rows_of(answer)
    assert header[:3] == ["NIP", "Name", "Status"]
    assert budi == [BUDI, "Budi", "PNS", "Pusdatin", "2026", "20", "0", "4.5", "15.5", "no"]
    assert evil[1] == f"'{EVIL}"


def test_the_hours_of_a_unit_as_csv(app: flask.Flask) -> None:
    _, row = rows_of(head(app).get("/reports/hours.csv?team=mine&year=2026"))

    assert row[:4] == [BUDI, "Budi", "2026-03-02", "Information Security"]
    assert row[5] == "4.5"
    auditor = person(world_of(app), "auditor", app)
    assert auditor.get(f"/audit/entries/{row[6]}").status_code == 200


def test_both_as_a_workbook(app: flask.Flask) -> None:
    with head(app).get("/reports/year.xlsx?team=mine&year=2026") as answer:
        assert answer.mimetype == sheets.XLSX
        people, hours = cells_of(answer.get_data())

    assert people[0][1] == "Name"
    assert people[1][1] == EVIL
    assert people[2][1] == "Budi"
    assert people[2][7] == 4.5
    assert hours[1][3] == "Information Security"


def cells_of(content: bytes) -> list[list[list[object]]]:
    """The values of a workbook's sheets; a formula or a link in one is refused."""
    book = zipfile.ZipFile(io.BytesIO(content))
    assert not [name for name in book.namelist() if "rels/sheet" in name]
    names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
    return [_rows(ElementTree.fromstring(book.read(name))) for name in names]


def _rows(sheet: ElementTree.Element) -> list[list[object]]:
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert sheet.find(f".//{main}f") is None
    found: list[list[object]] = []
    for row in sheet.iter(f"{main}row"):
        values: list[object] = []
        for each in row.iter(f"{main}c"):
            text = each.findtext(f".//{main}t")
            values.append(text if text is not None else float(each.findtext(f"{main}v") or "nan"))
        found.append(values)
    return found


def test_taking_a_file_is_written_down(app: flask.Flask) -> None:
    head(app).get("/reports/people.csv?team=mine&year=2026")

    with world_of(app).db.read() as conn:
        act = conn.execute(sa.select(audit_log).where(audit_log.c.action == "report.take")).one()
    assert (act.who, act.object) == ("kepala", "team:kepala")
    assert "people.csv" in act.detail


def test_lists_go_on_over_pages(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PEOPLE", 1)
    monkeypatch.setattr(reports, "UNITS", 1)
    browser = person(world_of(app), "auditor", app)
    seen: list[str] = []

    page = browser.get(f"/reports/people?{UNIT}&year=2026")
    while True:
        seen.append(words_of(page))
        following = page.text.partition('" rel="next"')[0].rpartition('href="')[2]
        if 'rel="next"' not in page.text:
            break
        page = browser.get(following.replace("&amp;", "&"))

    assert len(seen) == 3
    assert sum("Budi" in each for each in seen) == 1
    assert 'rel="next"' in browser.get("/reports").text


@pytest.mark.parametrize(
    "query", ["employer=x&unit=y", "employer=&unit=", f"employer={quote('%00')}&unit=%00", f"{UNIT}&name=a&id=zzz"]
)
def test_odd_addresses_are_answered_without_a_crash(app: flask.Flask, query: str) -> None:
    assert person(world_of(app), "auditor", app).get(f"/reports/people?{query}").status_code in {200, 404}


def test_a_unit_that_has_only_a_year_to_come_is_refused_by_year(app: flask.Flask) -> None:
    assert person(world_of(app), "auditor", app).get(f"/reports/people?{UNIT}&year=1999").status_code == 404


# Sheets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_that_looks_like_a_formula_gets_a_mark(app: flask.Flask, text: str) -> None:
    with app.test_request_context():
        answer = sheets.send_csv("x.csv", Sheet("x", ["a"], [[text], [Decimal("-1.5")], [-3]]))
        rows = rows_of(answer)

    assert rows[1:] == [[f"'{text}"], ["-1.5"], ["-3"]]


def test_a_workbook_takes_every_text_as_text(app: flask.Flask) -> None:
    file = io.BytesIO()
    texts = ["=1+1", "http://x.example", "mailto:a@b.c", "a\x00b\x1fc", "0123", "x" * 40_000, "{=1}"]

    sheets.write_xlsx(file, [Sheet("x", ["a"], [[text] for text in texts])], datetime(2026, 1, 1, tzinfo=UTC))

    ((_, *rows),) = cells_of(file.getvalue())
    assert [row[0] for row in rows] == [*texts[:3], "abc", "0123", "x" * 32_000, "{=1}"]


def test_a_table_too_long_for_a_workbook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)

    with pytest.raises(HubError, match="CSV"):
        sheets.write_xlsx(io.BytesIO(), [Sheet("x", ["a"], [[1]] * 4)], datetime(2026, 1, 1, tzinfo=UTC))


def test_a_long_table_is_sent_in_pieces(app: flask.Flask) -> None:
    with app.test_request_context():
        answer = sheets.send_csv("x.csv", Sheet("x", ["a"], ([number] for number in range(1200))))
        pieces = list(answer.response)

    assert len(pieces) == 3
    assert "".join(pieces).count("\r\n") == 1201
