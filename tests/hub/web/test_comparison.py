"""What another policy would change, on the page and as files."""

from __future__ import annotations

import csv
import io

import flask
import pytest
import sqlalchemy as sa

from holdertest import Browser, employee, person, words_of
from hub.application import create_app
from hub.jp import policies
from hub.tables import audit_log, entries
from hub.web import comparison, sheets
from lrs.database import Database
from mappings import shipped
from recognizedtest import OTHER_NIP, SECURITY, SERVICE, World, account, by, course, linked_world, statement

OLD, NEW = policies.DEFAULT, "other-2026"
ASKED = f"old={OLD}&new={NEW}"


def another_policy() -> str:
    """The shipped one, but an hour has 60 minutes."""
    text = shipped.policy_text(OLD).replace(f"policy: {OLD}", f"policy: {NEW}")
    head, mark, rest = text.partition("minutes_per_jp:")
    assert "value: 45" in rest
    return head + mark + rest.replace("value: 45", "value: 60", 1)


@pytest.fixture
def app(db: Database) -> flask.Flask:
    """Budi learned 90 minutes on line, and took a training that states its JP; Siti only the latter."""
    minutes = course(SECURITY, form="NKL03", programme_centi_jp=None, minutes=90)
    world, budi = linked_world(db, minutes, course(SERVICE))
    siti = world.employ(OTHER_NIP, "Siti Aminah")
    world.link(siti, account("5"))
    world.receive(statement(), statement(object=SERVICE), statement(object=SERVICE, actor=by("5")))
    world.settle()
    world.db.run(lambda conn: policies.add(conn, another_policy(), now=world.clock()))
    app = create_app(world.hub)
    app.extensions["test"] = world, budi
    return app


def auditor(app: flask.Flask) -> Browser:
    return person(app.extensions["test"][0], "auditor", app)


def test_it_says_who_loses_and_by_which_step(app: flask.Flask) -> None:
    shown = words_of(auditor(app).get(f"/reports/policies?{ASKED}"))

    assert "minutes_per_jp" in shown
    assert "Budi Santoso" in shown
    assert "-0.5 JP Daily limit; Minutes of the course" in shown.replace("−", "-")
    assert "Siti" not in shown
    assert "Among the 2 people looked at here: 0 JP gained, 0.5 JP lost." in shown


def test_the_other_way_round_it_is_gained(app: flask.Flask) -> None:
    shown = words_of(auditor(app).get(f"/reports/policies?old={NEW}&new={OLD}"))

    assert "+0.5 JP" in shown
    assert "0.5 JP gained, 0 JP lost" in shown


def test_looking_changes_nothing(app: flask.Flask) -> None:
    world: World = app.extensions["test"][0]
    before = world.count(entries)

    auditor(app).get(f"/reports/policies?{ASKED}")

    assert world.count(entries) == before


def test_two_equal_policies_ask_for_another(app: flask.Flask) -> None:
    assert "Both are the same policy" in words_of(auditor(app).get("/reports/policies"))


def test_pages_go_on_after_the_last_learner(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "LEARNERS", 1)
    browser = auditor(app)
    shown, address = [], f"/reports/policies?{ASKED}"

    while address:
        page = browser.get(address)
        shown.append(words_of(page))
        address = page.text.partition('" rel="next"')[0].rpartition('href="')[2].replace("&amp;", "&")
        if 'rel="next"' not in page.text:
            break

    assert sum("Budi Santoso" in each for each in shown) == 1
    assert len(shown) >= 2


def test_as_csv(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "LEARNERS", 1)

    answer = auditor(app).get(f"/reports/policies/difference.csv?{ASKED}")

    _, row = csv.reader(io.StringIO(answer.get_data().decode().removeprefix("\ufeff")))
    assert row[1] == "Budi Santoso"
    assert row[6:9] == ["2", "1.5", "-0.5"]
    assert row[9] == "Daily limit; Minutes of the course"


def test_as_a_workbook_with_the_values_beside(app: flask.Flask) -> None:
    with auditor(app).get(f"/reports/policies/difference.xlsx?{ASKED}") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == sheets.XLSX
        assert answer.get_data().startswith(b"PK")


def test_a_workbook_of_too_many_people_is_refused(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_LEARNERS", 1)

    answer = auditor(app).get(f"/reports/policies/difference.xlsx?{ASKED}")

    assert answer.status_code == 413
    assert "CSV" in words_of(answer)


def test_taking_it_is_written_down(app: flask.Flask) -> None:
    auditor(app).get(f"/reports/policies/difference.csv?{ASKED}")

    with app.extensions["test"][0].db.read() as conn:
        act = conn.execute(sa.select(audit_log).where(audit_log.c.action == "report.take")).one()
    assert (act.who, act.object) == ("auditor", f"policies:{OLD} {NEW}")


@pytest.mark.parametrize("path", ["", "/difference.csv", "/difference.xlsx"])
def test_employees_have_no_part_in_it(app: flask.Flask, path: str) -> None:
    world, budi = app.extensions["test"]

    assert employee(world, budi, app=app).get(f"/reports/policies{path}?{ASKED}").status_code == 403


@pytest.mark.parametrize("query", ["old=nothing", "old=%00", f"old={OLD}&new=%27"])
def test_an_unknown_policy_is_told(app: flask.Flask, query: str) -> None:
    assert auditor(app).get(f"/reports/policies?{query}").status_code in {200, 404}


def test_an_odd_place_to_go_on_from_is_the_beginning(app: flask.Flask) -> None:
    assert auditor(app).get(f"/reports/policies?{ASKED}&after=x").status_code == 200
