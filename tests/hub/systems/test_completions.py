"""Importing a completion file: all of it or nothing, and again changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from hub.systems import completions
from hub.systems.completions import CompletionImport, FoundCourse, Imported
from hub.systems.sync_tables import connector_runs
from lrs import query, store
from lrs.database import Database
from lrs.sequence import Sequence

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
BUDI, SITI, UNKNOWN = "198501012010011001", "199002022015022002", "199903032020033003"
LEARNERS = {BUDI: "p-budi", SITI: "p-siti"}
COURSES = {("bkn", "MT-1"): FoundCourse("https://bkn.example/course/7", {"id": "Manajemen Talenta"})}
HEADER = "nip,course,event,on,score,max_score,minutes,certificate,issuer,jp\n"


class World:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.import_ = CompletionImport(
            db,
            Sequence(db, lambda: NOW, uuid4),
            store.save,
            find_learner=lambda conn, nip: LEARNERS.get(nip),
            find_course=lambda conn, provider, id: COURSES.get((provider, id)),
            clock=lambda: NOW,
            new_id=uuid4,
            hub_url="https://hub.example",
            timezone=ZoneInfo("Asia/Jakarta"),
        )

    def run(self, *rows: str, **settings: Any) -> Imported:
        return self.import_.run(7, "bkn", (HEADER + "\n".join(rows)).encode(), **settings)

    def stored(self) -> list[query.Stored]:
        with self.db.read() as conn:
            return list(query.find(conn, query.StatementQuery(ascending=True), limit=100).statements)

    def runs(self) -> list[sa.Row[Any]]:
        with self.db.read() as conn:
            return list(conn.execute(sa.select(connector_runs)))


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


def codes(imported: Imported) -> list[tuple[int, str, str]]:
    return [(each.line, each.column, each.code) for each in imported.problems]


GOOD = f"{BUDI},MT-1,passed,2026-03-01,87.5,100,,,,"
ALSO_GOOD = f"{SITI},MT-1,completed,2026-03-02,,,,,,"


def test_rows_become_statements_of_the_connector(world: World) -> None:
    imported = world.run(GOOD, ALSO_GOOD)

    assert (imported.stored, imported.repeated, imported.problems) == (2, 0, ())
    first = world.stored()[0]
    said = json.loads(first.payload)
    assert said["actor"]["account"] == {"homePage": "https://hub.example", "name": "p-budi"}
    assert said["authority"]["account"]["name"] == "connector/bkn"
    assert (first.owner, first.origin) == (7, f"run:{imported.run}")
    assert BUDI.encode() not in first.payload


def test_a_run_is_recorded(world: World) -> None:
    imported = world.run(GOOD)

    [row] = world.runs()
    assert (row.connector, row.id, row.state, row.stored) == (7, imported.run, "ok", 1)


def test_the_same_file_again_changes_nothing(world: World) -> None:
    world.run(GOOD, ALSO_GOOD)

    imported = world.run(GOOD, ALSO_GOOD)

    assert (imported.stored, imported.repeated) == (0, 2)
    assert len(world.stored()) == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"{UNKNOWN},MT-1,passed,2026-03-01,,,,,,", ("nip", "unknown")),
        (f"{SITI},MT-9,passed,2026-03-01,,,,,,", ("course", "unknown")),
        (f"{SITI},MT-1,passed,2026-13-01,,,,,,", ("on", "not_a_date")),
    ],
)
def test_one_bad_row_keeps_the_whole_file_out_unless_it_may_be_skipped(
    world: World, row: str, problem: tuple[str, str]
) -> None:
    refused = world.run(GOOD, row)
    assert codes(refused) == [(3, *problem)]
    assert (refused.run, world.stored(), world.runs()) == (None, [], [])

    skipped = world.run(GOOD, row, skip_bad=True)
    assert codes(skipped) == [(3, *problem)]
    assert (skipped.stored, len(world.stored())) == (1, 1)


def test_a_row_that_says_something_else_is_a_conflict_and_the_stored_one_stays(world: World) -> None:
    world.run(GOOD)
    corrected = GOOD.replace("87.5", "91")

    assert codes(world.run(ALSO_GOOD, corrected)) == [(3, "row", "conflict")]
    assert len(world.stored()) == 1
    assert world.run(ALSO_GOOD, corrected, skip_bad=True).stored == 1
    scores = [json.loads(each.payload).get("result", {}).get("score") for each in world.stored()]
    assert scores == [{"raw": 87.5, "min": 0, "max": 100}, None]


def test_two_numbers_of_one_person_are_one_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEARNERS, SITI, "p-budi")

    imported = world.run(f"{BUDI},MT-1,passed,2026-03-01,,,,,,", f"{SITI},MT-1,passed,2026-03-01,,,,,,")

    assert imported.stored == 1


def test_two_names_of_one_course_are_one_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COURSES, ("bkn", "https://bkn.example/course/7"), COURSES["bkn", "MT-1"])

    imported = world.run(GOOD, GOOD.replace("MT-1", "https://bkn.example/course/7"))

    assert imported.stored == 1


def test_a_file_that_is_too_long_is_refused_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "MAX_ROWS", 1)

    assert codes(world.run(GOOD, ALSO_GOOD)) == [(1, "file", "too_long")]
    assert world.stored() == []


def test_an_empty_file_does_nothing(world: World) -> None:
    imported = world.run()

    assert (imported.run, imported.stored, imported.problems) == (None, 0, ())
