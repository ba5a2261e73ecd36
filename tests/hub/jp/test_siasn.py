"""Handing hours over to SIASN: each once, with what became of it on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer

from connectors.http import GuardedSession
from connectors.siasn import SIASN, AlreadyThere, Hours, NotSaved, Saved, SIASNSettings, WouldSave
from hub.jp.siasn import Export, SIASNExport
from hub.jp.siasn_tables import siasn_entries
from lrs.database import Database
from siasntest.standin import NIP, StandIn

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
FIRST = Hours(
    "e-1", NIP, "Manajemen Talenta", "BKN", "KL03", "3", "T", 675, date(2026, 3, 1), date(2026, 3, 4), "STTPL/1"
)
SECOND = replace(FIRST, entry="e-2", number="STTPL/2")


class World:
    def __init__(self, db: Database, httpserver: HTTPServer, session: GuardedSession) -> None:
        self.db = db
        self.siasn = StandIn()
        self.certificates: dict[str, bytes] = {}
        httpserver.expect_request("/token").respond_with_handler(self.siasn.token)
        httpserver.expect_request(re.compile("/apisiasn/1.0/.*")).respond_with_handler(self.siasn.api)
        self._settings = SIASNSettings(
            httpserver.url_for("/apisiasn/1.0"), httpserver.url_for("/token"), "kunci", "rahasia", "sso-token"
        )
        self._session = session

    def run(self, *hours: Hours, **settings: Any) -> Export:
        client = SIASN(self._settings, self._session)
        export = SIASNExport(self.db, client, 9, lambda: NOW, lambda each: self.certificates.get(each.entry))
        return export.run(hours, **settings)

    def rows(self) -> dict[str, sa.Row[Any]]:
        with self.db.read() as conn:
            return {row.entry: row for row in conn.execute(sa.select(siasn_entries))}

    @property
    def saves(self) -> int:
        return sum(call.startswith("POST") for call in self.siasn.calls)


@pytest.fixture
def world(db: Database, httpserver: HTTPServer) -> Iterator[World]:
    with GuardedSession(internal=True, wait=0.001) as session:
        yield World(db, httpserver, session)


def outcomes(export: Export) -> list[Any]:
    return [each.outcome for each in export.handed]


def test_each_entry_is_handed_over_once(world: World) -> None:
    assert outcomes(world.run(FIRST, SECOND)) == [Saved("k0"), Saved("k1")]
    calls = len(world.siasn.calls)

    assert outcomes(world.run(FIRST, SECOND)) == []

    assert len(world.siasn.calls) == calls
    assert {entry: (row.siasn_id, row.hours) for entry, row in world.rows().items()} == {
        "e-1": ("k0", 6),
        "e-2": ("k1", 6),
    }


def test_a_dry_run_keeps_nothing_on_either_side(world: World) -> None:
    [shown] = outcomes(world.run(FIRST, dry_run=True))

    assert isinstance(shown, WouldSave)
    assert (world.rows(), world.saves) == ({}, 0)


def test_a_lost_answer_is_made_good_by_the_next_run(world: World) -> None:
    world.siasn.lose = 1

    stopped = world.run(FIRST, SECOND)
    assert (stopped.handed, world.rows()["e-1"].siasn_id) == ((), None)
    assert stopped.error is not None

    assert outcomes(world.run(FIRST, SECOND)) == [AlreadyThere("k0"), Saved("k1")]
    assert len(world.siasn.courses) == 2


def test_a_refusal_is_about_one_entry_and_is_not_repeated_unasked(world: World) -> None:
    small = replace(FIRST, centi_jp=50)
    assert [type(each) for each in outcomes(world.run(small, SECOND))] == [NotSaved, Saved]
    assert world.rows()["e-1"].reason == "below_one_hour"

    assert outcomes(world.run(FIRST, SECOND)) == []
    assert outcomes(world.run(FIRST, SECOND, again=True)) == [Saved("k1")]
    assert world.rows()["e-1"].reason is None


def test_a_refused_token_stops_the_run(world: World) -> None:
    world.siasn.gateway_error = 401

    export = world.run(FIRST, SECOND)

    assert export.error is not None
    assert (export.handed, len(world.siasn.calls)) == ((), 1)


def test_the_certificate_follows_its_entry(world: World) -> None:
    world.certificates["e-1"] = b"%PDF-1.7"

    world.run(FIRST)

    assert world.siasn.documents == [("k0", "881", b"%PDF-1.7")]


def test_a_certificate_that_did_not_arrive_is_sent_again_without_its_entry(world: World) -> None:
    world.certificates["e-1"] = b"%PDF-1.7"
    world.siasn.refuse_documents = "terlalu besar"
    assert outcomes(world.run(FIRST)) == [NotSaved("document_refused", "SIASN refused it: terlalu besar")]
    assert (world.rows()["e-1"].siasn_id, world.rows()["e-1"].is_settled) == ("k0", False)

    world.siasn.refuse_documents = None
    assert outcomes(world.run(FIRST)) == [AlreadyThere("k0")]

    assert (len(world.siasn.courses), len(world.siasn.documents)) == (1, 1)
    assert world.rows()["e-1"].is_settled


def test_an_entry_that_another_process_is_handing_over_is_left_to_it(world: World) -> None:
    row = {"connector": 9, "entry": "e-1", "hours": 6, "is_settled": False, "at": NOW}
    with world.db.write() as conn:
        conn.execute(sa.insert(siasn_entries).values(**row, sending_until=NOW + timedelta(minutes=1)))
    assert outcomes(world.run(FIRST, SECOND)) == [Saved("k0")]

    with world.db.write() as conn:
        conn.execute(sa.update(siasn_entries).values(sending_until=NOW))
    assert outcomes(world.run(FIRST, SECOND)) == [Saved("k1")]
