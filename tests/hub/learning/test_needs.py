"""Link and match: needed, offered, reached, and needed but not offered; on the pages, in the API, both databases."""

from __future__ import annotations

import io
from typing import Any

import pytest

from apitest import authorization
from holdertest import Browser, employee, person, words_of
from hub.application import create_app
from hub.learning import needs
from hub.systems import credentials
from lrs.database import Database
from mappings.course import Competency
from recognizedtest import BASE, LMS, NIP, OTHER_NIP, SECURITY, course, statement
from rtltest import BOSS_NIP, Office

SERVICE = f"{LMS}/course/2"
FILE = (
    "employer,unit,nip,competencies\n"
    "KKP,Pusdatin,,Keamanan Informasi:3;Pelayanan Publik:4;Integritas\n"
    f",,{NIP},Statistik:2\n"
    "KKP,Biro Hukum,,Statistik:1\n"
)
KEY, SECRET = "baca", "rahasia-yang-panjang"


class World(Office):
    """Budi has reached one need of her unit; one is offered below its level, two are offered by nobody."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        reached = course(competencies=(Competency("keamanan  informasi", 3),))
        below = course(
            SERVICE, title_id="Layanan", title_en="Service", competencies=(Competency("Pelayanan Publik", 2),)
        )
        self.world.offer(reached, below)
        self.world.receive(statement())
        self.world.settle()
        self.take(FILE)

    def take(self, text: str) -> int:
        found = needs.read_needs(text)
        assert not found.problems
        with self.world.db.write() as conn:
            people, unknown = needs.find_people(conn, found.rows)
            assert not unknown
            return needs.import_needs(conn, found.rows, people)

    def standings(self) -> dict[str, str]:
        with self.world.db.read() as conn:
            found = needs.match_learner(conn, self.world.hub, self.budi)
        return {each.need.name: each.standing for each in found}


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


def test_each_need_of_a_person_is_matched_and_a_new_file_replaces_it(world: World) -> None:
    assert world.standings() == {
        "Integritas": "not_offered",
        "Keamanan Informasi": "reached",
        "Pelayanan Publik": "offered_below",
        "Statistik": "not_offered",
    }
    assert world.take(FILE) == 3
    assert len(world.standings()) == 4, "twice equals once"
    world.take(f"nip,competencies,employer,unit\n{NIP},,,\n")
    assert "Statistik" not in world.standings()


def test_pages_show_hers_to_the_employee_and_the_unit_to_its_head_and_administrators(world: World) -> None:
    app = create_app(world.world.hub)
    budi, boss = employee(world.world, world.budi, "budi", app), employee(world.world, world.boss, "boss", app)
    admin = person(world.world, "admin", app)

    hers = words_of(budi.get("/competencies"))
    team = words_of(boss.get("/competencies/unit?team=mine"))
    units = words_of(admin.get("/competencies/units"))
    whole = words_of(admin.get("/competencies/unit?employer=KKP&unit=Pusdatin"))

    assert "Keamanan Informasi (3) reached Reached: level 3" in hers
    assert "Pelayanan Publik (4) offered below the level Service Put into the plan for 2026" in hers
    assert "No course offers this yet." in hers
    assert "Budi 1 of 4 Lacking: Integritas, Pelayanan Publik, Statistik" in team
    assert "Atasan" not in team
    assert "Atasan 0 of 3" in whole
    assert "Pusdatin 2 not offered KKP Needed but not offered: Integritas, Pelayanan Publik" in units
    assert budi.get("/competencies/unit?team=mine").status_code == 404
    assert budi.get("/competencies/unit?employer=KKP&unit=Pusdatin").status_code == 403
    assert budi.get("/competencies/units").status_code == 403


def test_a_supervisor_sees_the_needs_of_each_unit_of_her_people(world: World) -> None:
    world.employ(f"199501012020121001,Dewi,,PNS,KKP,Biro Hukum,{BOSS_NIP}")
    boss = employee(world.world, world.boss, "boss", create_app(world.world.hub))

    team = words_of(boss.get("/competencies/unit?team=mine"))

    assert "Competencies of my people What Biro Hukum needs KKP Statistik (1) not offered" in team
    assert "What Pusdatin needs KKP Integritas not offered" in team
    assert "Dewi 0 of 1 Biro Hukum Lacking: Statistik" in team


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("employer,unit,nip,competencies\nKKP,Biro Umum,,Statistik:3\n", ""),
        ("employer,unit,nip,competencies\nKKP,Biro Umum,,Statistik:9\n", "has no level 1 to 5"),
        ("employer,unit,nip,competencies\n,,,Statistik\n", "names neither a unit nor a person"),
        ("employer,unit,nip,competencies\n,,111111111111111111,Statistik\n", "is no learner's NIP"),
        ("employer,unit,nip\nKKP,A,\n", "is missing in the header"),
    ],
)
def test_an_administrator_imports_a_file_whole_or_not_at_all(world: World, text: str, says: str) -> None:
    admin = person(world.world, "admin")
    upload = (io.BytesIO(text.encode()), "needs.csv")

    answer = _send(admin, upload)

    assert answer.status_code == (422 if says else 303)
    assert says in answer.text.replace("&#39;", "'")
    assert ("Biro Umum" in words_of(admin.get("/competencies/units"))) is not bool(says)


def _send(admin: Browser, upload: tuple[io.BytesIO, str]) -> Any:
    return admin.post("/competencies/import", "/competencies/units", file=upload)


def test_the_api_tells_needs_of_a_person_and_of_units_page_by_page(world: World) -> None:
    hub = world.world.hub
    with world.world.db.write() as conn:
        credentials.add(conn, hub, "baca", by="test", key=KEY, secret=SECRET, scopes=["api/read"])
    client = create_app(hub).test_client()

    def ask(path: str) -> Any:
        answer = client.get(path, base_url=BASE, headers=authorization(KEY, SECRET))
        assert answer.status_code == 200, answer.data
        return answer.get_json()

    hers = {each["name"]: each for each in ask(f"/api/v1/learners/{NIP}/competencies")["needs"]}
    first = ask("/api/v1/needs?limit=1")
    second = ask(first["next"])

    assert hers["Keamanan Informasi"] == {
        "name": "Keamanan Informasi",
        "level": 3,
        "standing": "reached",
        "reached_level": 3,
        "courses": [SECURITY],
        "courses_below": [],
    }
    assert hers["Pelayanan Publik"]["courses_below"] == [SERVICE]
    assert len(ask(f"/api/v1/learners/{OTHER_NIP}/competencies")["needs"]) == 3
    assert [each["unit"] for each in (*first["units"], *second["units"])] == ["Biro Hukum", "Pusdatin"]
    assert [each["standing"] for each in first["units"][0]["needs"]] == ["not_offered"]
    assert second["next"] is None
