"""A unit's year: everybody in it once, with her own numbers, however the pages are cut."""

from __future__ import annotations

from uuid import uuid4

import pytest
import sqlalchemy as sa

from hub.jp import ledger, reports
from hub.jp.reports import Team, Unit
from hub.learning import plan
from hub.people import learners
from hub.people.learners import Learner
from lrs.database import Database
from recognizedtest import SERVICE, World, account, by, course, statement, voiding

PUSDATIN, BIRO = Unit("Kemendikdasmen", "Pusdatin"), Unit("Kemendikdasmen", "Biro SDM")
HEAD = "197001012000011001"


def staffed(db: Database) -> tuple[World, dict[str, Learner]]:
    """Two units of the ministry and one of another, whose people are named by their units."""
    world = World(db)
    world.offer(course(), course(SERVICE))
    rows = [
        ("197001012000011001", "Kepala", "PNS", "Kemendikdasmen", "Pusdatin", ""),
        ("198501012010011001", "Budi", "PNS", "Kemendikdasmen", "Pusdatin", HEAD),
        ("199002022015022002", "Siti", "PPPK", "Kemendikdasmen", "Pusdatin", HEAD),
        ("199103032016031003", "Budi", "PNS", "Kemendikdasmen", "Pusdatin", HEAD),
        ("199204042017042004", "Dewi", "PNS", "Kemendikdasmen", "Biro SDM", ""),
        ("199305052018051005", "Eka", "PNS", "KKP", "Pusdatin", ""),
    ]
    lines = [f"{nip},{name},,{status},{employer},{unit},{head}" for nip, name, status, employer, unit, head in rows]
    text = "\n".join(["nip,name,email,status,employer,unit,supervisor_nip", *lines, ""])
    found = learners.read_learners(text)
    assert not found.problems
    world.db.run(lambda conn: learners.import_learners(conn, world.hub, found.rows))
    with world.db.read() as conn:
        people = {nip: learners.find_by_nip(conn, nip) for nip, *_ in rows}
    world.settle()
    return world, {nip: each for nip, each in people.items() if each is not None}


def complete(world: World, learner: Learner, object: str = "", **members: object) -> str:
    """She has done a course of 4.5 JP."""
    name = learner.nip
    world.link(learner, account(name))
    said = statement(**({"object": object} if object else {}), actor=by(name), **members)
    world.receive(said)
    world.settle()
    return str(said["id"])


def nips(found: tuple[Learner, ...]) -> list[str]:
    return [each.nip for each in found]


def test_units_are_listed_once_each_page_by_page(db: Database) -> None:
    world, _ = staffed(db)

    with world.db.read() as conn:
        everything = reports.list_units(conn, limit=10)
        first = reports.list_units(conn, limit=2)
        second = reports.list_units(conn, limit=2, after=first[-1])

    assert everything == (Unit("KKP", "Pusdatin"), BIRO, PUSDATIN)
    assert first + second == everything


def test_a_unit_is_its_own_people_in_the_order_of_names(db: Database) -> None:
    world, people = staffed(db)

    with world.db.read() as conn:
        found = reports.people(conn, PUSDATIN, limit=10)

    assert [each.name for each in found] == ["Budi", "Budi", "Kepala", "Siti"]
    assert set(nips(found)) == set(people) - {"199204042017042004", "199305052018051005"}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_any_size_hold_everybody_once(db: Database, limit: int) -> None:
    world, _ = staffed(db)
    found: list[Learner] = []

    with world.db.read() as conn:
        while page := reports.people(
            conn, PUSDATIN, limit=limit, after=(found[-1].name, found[-1].id) if found else None
        ):
            found += page

        assert tuple(found) == reports.people(conn, PUSDATIN, limit=10)


def test_a_team_is_whoever_names_the_supervisor_by_any_number_she_had(db: Database) -> None:
    world, _ = staffed(db)

    with world.db.read() as conn:
        found = reports.people(conn, Team(("196912312000011009", HEAD)), limit=10)
        nobody = reports.people(conn, Team(("198501012010011001",)), limit=10)

    assert [each.name for each in found] == ["Budi", "Budi", "Siti"]
    assert nobody == ()


def test_each_has_the_numbers_of_her_own_page(db: Database) -> None:
    world, people = staffed(db)
    budi, siti = people["198501012010011001"], people["199002022015022002"]
    complete(world, budi)
    complete(world, budi, SERVICE, timestamp="2026-03-03T09:00:00+07:00")
    said = complete(world, siti)
    world.receive(voiding(said))
    world.settle()
    world.db.run(lambda conn: plan.add(conn, siti.id, 2026, 1, world.clock()))

    with world.db.read() as conn:
        found = reports.people(conn, PUSDATIN, limit=10)
        rows = reports.years(conn, world.hub, found, 2026)
        own = [ledger.year_of(conn, world.hub, each, 2026) for each in found]

    assert [row.learner for row in rows] == list(found)
    assert [row.recognized_centi for row in rows] == [year.recognized_centi for year in own]
    assert [row.planned_centi for row in rows] == [year.planned_centi for year in own]
    assert [row.target_centi for row in rows] == [year.target.centi_jp if year.target else None for year in own]
    assert {row.learner.id: row.lacking_centi for row in rows}[budi.id] == 2000 - 900
    assert {row.learner.id: row.planned_centi for row in rows}[siti.id] == 450
    assert not any(row.has_reached for row in rows)


def test_only_hours_that_count_are_listed(db: Database) -> None:
    world, people = staffed(db)
    budi, siti = people["198501012010011001"], people["199002022015022002"]
    complete(world, budi)
    complete(world, budi, timestamp="2025-03-02T09:00:00+07:00", object=SERVICE)
    said = complete(world, siti)
    world.receive(voiding(said))
    world.settle()

    with world.db.read() as conn:
        found = reports.people(conn, PUSDATIN, limit=10)
        (hour,) = reports.hours(conn, world.hub, found, 2026)
        entry = ledger.get(conn, hour.entry)

    assert (hour.learner, hour.centi_jp, hour.on.isoformat()) == (budi, 450, "2026-03-02")
    assert entry is not None
    assert (entry.course, entry.form) == (hour.course, hour.form)


def test_a_page_costs_the_same_number_of_questions_for_one_and_for_many(db: Database) -> None:
    world, people = staffed(db)
    for each in people.values():
        complete(world, each)

    def questions(count: int) -> int:
        asked: list[str] = []
        with world.db.read() as conn:
            found = reports.people(conn, PUSDATIN, limit=count)
            listen = (conn.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
            sa.event.listen(*listen)
            reports.years(conn, world.hub, found, 2026)
            reports.hours(conn, world.hub, found, 2026)
            sa.event.remove(*listen)
        return len(asked)

    assert questions(1) == questions(4) < 12


def test_somebody_who_comes_between_two_pages_displaces_nobody(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PAGE", 2)
    world, _ = staffed(db)
    pages = reports.pages(world.hub, PUSDATIN)
    first = next(pages)

    world.employ("199912312020121999", "Aaa")

    rest = [each for page in pages for each in page]
    assert [each.name for each in (*first, *rest)] == ["Budi", "Budi", "Kepala", "Siti"]


def test_a_unit_without_people_is_nobody(db: Database) -> None:
    world, _ = staffed(db)

    with world.db.read() as conn:
        assert not reports.has_people(conn, Unit("Kemendikdasmen", str(uuid4())))
        assert reports.has_people(conn, BIRO)
