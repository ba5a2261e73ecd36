"""The JSON API about follow-up plans and what is due, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from apitest import authorization
from hub.application import create_app
from hub.systems import credentials
from lrs.database import Database
from recognizedtest import BASE, NIP, SECURITY, account, by, statement
from rtltest import BOSS_NIP, Office

KEY, SECRET = "baca", "rahasia-yang-panjang"


class Reader:
    """A program that may read, and the office that it asks about."""

    def __init__(self, db: Database) -> None:
        self.office = Office(db)
        with db.write() as conn:
            credentials.add(conn, self.office.world.hub, "baca", by="test", key=KEY, secret=SECRET, scopes=["api/read"])
        self.client = create_app(self.office.world.hub).test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=BASE, headers=authorization(KEY, SECRET))

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.data
        return answer.get_json()


@pytest.fixture
def reader(db: Database) -> Reader:
    return Reader(db)


def test_a_plan_is_told_with_each_step_and_what_was_not_counted(reader: Reader) -> None:
    reader.office.walk("planned", "submitted", "approved")
    reader.office.world.receive(reader.office.told("evaluated", 300), origin="launch:1")
    reader.office.world.settle()

    told = reader.json(f"/api/v1/learners/{NIP}/rtl")

    [plan] = told["plans"]
    assert (told["learner"]["nip"], plan["course"], plan["state"]) == (NIP, SECURITY, "approved")
    assert [(step["state"], step["by"]) for step in plan["steps"]] == [
        ("planned", "owner"),
        ("submitted", "owner"),
        ("approved", "supervisor"),
    ]
    assert plan["items"][0]["due_on"] == "2026-12-20"
    for step in plan["steps"]:
        assert reader.json(f"/api/v1/statements/{step['statement']}")["statement"]["id"] == step["statement"]


def test_what_is_due_is_told_page_by_page(reader: Reader) -> None:
    office = reader.office
    office.world.receive(statement(timestamp="2026-03-02T09:00:00+07:00"))
    office.world.link(office.citra, account("9"))
    office.world.receive(statement(actor=by("9"), timestamp="2026-04-02T09:00:00+07:00"))
    office.world.settle()

    first = reader.json("/api/v1/duties?limit=1")
    second = reader.json(first["next"])
    office.walk("planned", "submitted")
    waiting = reader.json("/api/v1/duties?until=2026-12-31")["duties"]

    assert [each["due_on"] for each in (*first["duties"], *second["duties"])] == ["2026-04-01", "2026-05-02"]
    assert second["next"] is None
    assert first["duties"][0] == {
        "nip": NIP,
        "kind": "rtl",
        "subject": SECURITY,
        "code": "submit",
        "due_on": "2026-04-01",
        "is_overdue": True,
        "waits_for": NIP,
    }
    assert [(each["code"], each["waits_for"]) for each in waiting] == [
        ("submit", office.citra.nip),
        ("decide", BOSS_NIP),
    ]


def test_a_place_that_is_none_is_refused(reader: Reader) -> None:
    for place in ("after=x", "after=2026-01-01&learner=5", "place=2026-01-01"):
        assert reader.get(f"/api/v1/duties?{place}").status_code == 422, place
