"""People come from files, and are found by every number and by the beginning of their name."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hub.people import identity, learners
from hub.tables import inbox, learner_nips
from lrs.database import Database
from recognizedtest import BASE, NIP, OTHER_NIP, World

HEADER = "nip,name,email,status,employer,unit"


def read(*rows: str, header: str = HEADER) -> learners.LearnerFile:
    return learners.read_learners("\n".join((header, *rows)) + "\n")


def take(world: World, *rows: str, header: str = HEADER) -> learners.Imported:
    found = read(*rows, header=header)
    assert found.problems == ()
    return world.db.run(lambda conn: learners.import_learners(conn, world.hub, found.rows))


def find(world: World, nip: str) -> learners.Learner:
    with world.db.read() as conn:
        found = learners.find_by_nip(conn, nip)
    assert found is not None
    return found


# Files -------------------------------------------------------------------------------------------------


def test_a_good_row_is_read_without_the_spaces_around_it() -> None:
    (row,) = read(" 19850101 201001 1 001 , Budi Santoso ,,PNS,KKP,").rows

    assert (row.nip, row.name, row.email, row.status, row.employer, row.unit) == (
        NIP, "Budi Santoso", None, "PNS", "KKP", "",
    )  # fmt: skip


BAD = [
    ("1985,Budi,,PNS,,", "nip", "not_a_nip"),
    ("19850101201001100X,Budi,,PNS,,", "nip", "not_a_nip"),
    ("1.98501E+17,Budi,,PNS,,", "nip", "not_a_nip"),
    ("١٩٨٥٠١٠١٢٠١٠٠١١٠٠١,Budi,,PNS,,", "nip", "not_a_nip"),
    (",Budi,,PNS,,", "nip", "missing"),
    (f"{NIP},,,PNS,,", "name", "missing"),
    (f"{NIP},{'x' * 201},,PNS,,", "name", "too_long"),
    (f'{NIP},"Budi\nSantoso",,PNS,,', "name", "control_character"),
    (f"{NIP},Budi,budi,PNS,,", "email", "not_an_address"),
    (f"{NIP},Budi,,Honorer,,", "status", "unknown"),
    (f"{NIP},Budi,,,,", "status", "unknown"),
    (f"{NIP},Budi,,PNS,,,x,y", "row", "too_many_cells"),
    (f'{NIP},"Budi,,PNS,,', "row", "not_csv"),
]


@pytest.mark.parametrize(("row", "column", "code"), BAD)
def test_a_wrong_row_is_told_with_its_line_and_column(row: str, column: str, code: str) -> None:
    found = read(f"{OTHER_NIP},Siti,,PPPK,,", row)

    assert [each.nip for each in found.rows] == [OTHER_NIP]
    assert (found.problems[0].column, found.problems[0].code) == (column, code)
    assert found.problems[0].line >= 3
    assert found.problems[0].action


def test_a_nip_twice_in_a_file_is_refused() -> None:
    found = read(f"{NIP},Budi,,PNS,,", f"{NIP},Budi,,PNS,,")

    assert len(found.rows) == 1
    assert [(each.line, each.code) for each in found.problems] == [(3, "twice")]


def test_a_supervisor_is_somebody_else() -> None:
    header = f"{HEADER},supervisor_nip"

    assert read(f"{NIP},Budi,,PNS,,,{OTHER_NIP}", header=header).rows[0].supervisor_nip == OTHER_NIP
    assert read(f"{NIP},Budi,,PNS,,,{NIP}", header=header).problems[0].code == "own_supervisor"


@pytest.mark.parametrize("header", ["nip,name", "nip,name,email,status,employer,unit,age", f"{HEADER},nip", ""])
def test_a_header_with_other_columns_is_refused(header: str) -> None:
    assert read(f"{NIP},Budi,,PNS,,", header=header).problems[0].line == 1


# Importing ---------------------------------------------------------------------------------------------


def test_importing_again_changes_nothing(db: Database) -> None:
    world = World(db)
    rows = [f"{NIP},Budi,,PNS,KKP,", f"{OTHER_NIP},Siti,siti@kkp.go.id,PPPK,KKP,"]

    assert take(world, *rows) == learners.Imported(2, 0, 0)
    assert take(world, *rows) == learners.Imported(0, 0, 2)
    assert take(world, rows[0], f"{OTHER_NIP},Siti Aminah,,PNS,KKP,") == learners.Imported(0, 1, 1)

    siti = find(world, OTHER_NIP)
    assert (siti.name, siti.email, siti.status) == ("Siti Aminah", None, "PNS")


def test_a_new_learner_has_the_hub_s_account_at_once(db: Database) -> None:
    world = World(db)
    take(world, f"{NIP},Budi,,PNS,,")
    budi = find(world, NIP)

    with db.read() as conn:
        (own,) = identity.identities_of(conn, budi.id)
    assert own.who == identity.hub_account(BASE, budi.id)
    assert own.is_hub_account
    assert NIP not in own.who.name
    assert world.count(inbox) == 0


def test_a_former_number_leads_to_the_same_person(db: Database) -> None:
    world = World(db)
    take(world, f"{NIP},Budi,,PPPK,,")
    budi = find(world, NIP)
    with db.write() as conn:
        conn.execute(sa.insert(learner_nips).values(nip=OTHER_NIP, learner=budi.id, since=world.clock()))

    assert find(world, OTHER_NIP) == budi
    assert take(world, f"{OTHER_NIP},Budi S,,PNS,,") == learners.Imported(0, 1, 0)
    assert find(world, NIP).nip == NIP
    with db.read() as conn:
        assert set(learners.nips_of(conn, budi.id)) == {NIP, OTHER_NIP}


def test_more_people_than_stand_in_one_question(db: Database) -> None:
    world = World(db)
    rows = [f"19850101201001{number:04},Pegawai {number:04},,PNS,,KKP" for number in range(1203)]

    assert take(world, *rows) == learners.Imported(1203, 0, 0)
    assert take(world, *rows) == learners.Imported(0, 0, 1203)


# Searching ---------------------------------------------------------------------------------------------


@pytest.fixture
def staff(db: Database) -> World:
    world = World(db)
    names = ["Budi Santoso", "BUDI WIBOWO", "Budiman", "Bu_di", "Zz Top", "Ayu"]
    take(world, *(f"19850101201001{number:04},{name},,PNS,," for number, name in enumerate(names)))
    return world


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("budi", {"Budi Santoso", "BUDI WIBOWO", "Budiman"}),
        ("Budi S", {"Budi Santoso"}),
        ("bu_", {"Bu_di"}),
        ("zz", {"Zz Top"}),
        ("%", set()),
        ("198501012010010004", {"Zz Top"}),
        ("1985 0101 2010 010001", {"BUDI WIBOWO"}),
        ("1986", set()),
        ("", {"Budi Santoso", "BUDI WIBOWO", "Budiman", "Bu_di", "Zz Top", "Ayu"}),
    ],
)
def test_people_are_found_by_the_beginning_of_name_or_number(staff: World, text: str, names: set[str]) -> None:
    with staff.db.read() as conn:
        assert {each.name for each in learners.search(conn, text, limit=10)} == names


def test_a_search_goes_on_where_the_page_ended(staff: World) -> None:
    found: list[learners.Learner] = []
    with staff.db.read() as conn:
        page = learners.search(conn, "", limit=2)
        while page:
            found += page
            page = learners.search(conn, "", limit=2, after=(page[-1].name, page[-1].id))

    assert len({each.id for each in found}) == len(found) == 6
