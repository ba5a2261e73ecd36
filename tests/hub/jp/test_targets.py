"""What people must reach is data: rules by status, employer and year, which an administrator sets."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hub.errors import HubError, NotFound
from hub.jp import ledger, reports, targets
from hub.jp.policy_tables import target_documents
from hub.people import learners
from hub.tables import audit_log
from lrs.database import Database
from mappings import shipped
from mappings.targets import TargetsError
from recognizedtest import SECURITY, SERVICE, World, course, linked_world, statement

BY_CONTRACT = shipped.targets_text().replace("""    status: PPPK
    employers: all
    bound: floor
    period: calendar_year""", """    status: PPPK
    employers: all
    bound: ceiling
    period: contract_year""")  # fmt: skip


def centi(world: World, status: str, employer: str = "KKP", year: int = 2026) -> int | None:
    with world.db.read() as conn:
        found = world.hub.policies.obligations(conn).of(status, employer, year)
    return found.centi_jp if found else None


def test_a_fresh_hub_asks_20_of_pns_and_24_of_pppk(db: Database) -> None:
    world = World(db)
    assert [centi(world, status) for status in ("PNS", "PPPK", "?")] == [2000, 2400, None]


def test_30_are_asked_only_by_employers_on_the_list(db: Database) -> None:
    world = World(db)
    with db.write() as conn:
        assert targets.put_on_list(conn, world.hub, "permendikdasmen-pns", "  Kemendikdasmen ", by="ani")
        assert not targets.put_on_list(conn, world.hub, "permendikdasmen-pns", "Kemendikdasmen", by="ani")

    found = {(employer, year): centi(world, "PNS", employer, year)
             for employer in ("Kemendikdasmen", "KKP") for year in (2024, 2025)}  # fmt: skip
    assert found == {
        ("Kemendikdasmen", 2024): 2000, ("Kemendikdasmen", 2025): 3000, ("KKP", 2024): 2000, ("KKP", 2025): 2000
    }  # fmt: skip

    with db.write() as conn:
        assert targets.take_off_list(conn, world.hub, "permendikdasmen-pns", "Kemendikdasmen", by="ani")
        assert not targets.take_off_list(conn, world.hub, "permendikdasmen-pns", "Kemendikdasmen", by="ani")
    assert centi(world, "PNS", "Kemendikdasmen") == 2000
    with db.read() as conn:
        acts = conn.execute(sa.select(audit_log.c.action).where(audit_log.c.action.like("target.%"))).scalars().all()
    assert sorted(acts) == ["target.employer.add", "target.employer.remove"]


@pytest.mark.parametrize(("rule", "employer", "error"), [
    ("pns", "KKP", NotFound), ("no such", "KKP", NotFound), ("permendikdasmen-pns", "  ", HubError),
    ("permendikdasmen-pns", "x" * 201, HubError), ("permendikdasmen-pns", "a\x00b", HubError),
])  # fmt: skip
def test_what_is_no_list_or_no_employer_is_refused(
    db: Database, rule: str, employer: str, error: type[Exception]
) -> None:
    world = World(db)
    with db.write() as conn, pytest.raises(error):
        targets.put_on_list(conn, world.hub, rule, employer, by="ani")


def test_another_document_holds_at_once_and_the_one_before_stays_on_record(db: Database) -> None:
    world = World(db)
    until_2026 = "{from: 2017-04-07, until: 2026-12-31, value: 20}, {from: 2027-01-01, value: 25}"
    text = shipped.targets_text().replace("{from: 2017-04-07, value: 20}", until_2026)
    for each in (text, shipped.targets_text(), text):
        with db.write() as conn:
            targets.put(conn, world.hub, each, by="ani")

    assert [centi(world, "PNS", year=year) for year in (2026, 2027)] == [2000, 2500]
    assert world.count(target_documents) == 3
    with db.read() as conn:
        found = targets.in_force(conn, world.hub)
        assert targets.text_of(conn, world.hub) == text
    assert (found.by, found.targets.name) == ("ani", "default")


@pytest.mark.parametrize(("old", "new", "said"), [
    ("value: 30}", "value: x}", "line 12"), ("bound: floor", "bound: roof", "floor"),
    ("confirmed: yes", "confirmed: perhaps", "confirmed"),
    ("{from: 2017-04-07, value: 20}", "{from: 2017-04-07, value: 20}, {from: 2016-01-01, value: 9}", "overlap"),
])  # fmt: skip
def test_a_wrong_document_says_where_and_changes_nothing(db: Database, old: str, new: str, said: str) -> None:
    world = World(db)
    with db.write() as conn, pytest.raises(TargetsError, match=said):
        targets.put(conn, world.hub, shipped.targets_text().replace(old, new), by="ani")
    assert world.count(target_documents) == 0


def test_a_pppk_s_contract_year_counts_where_the_rule_says_so_up_to_its_ceiling(db: Database) -> None:
    """24 JP from 1 March to 28 February: what was earned in February 2027 belongs to the year that began in 2026."""
    world, _ = linked_world(db, course(programme_centi_jp=1500), course(SERVICE, programme_centi_jp=1600))
    text = "nip,name,email,status,employer,unit,supervisor_nip,contract_begin\n"
    found = learners.read_learners(text + "198501012010011001,Budi,,PPPK,KKP,Pusdatin,,2021-03-01\n")
    assert not found.problems
    db.run(lambda conn: learners.import_learners(conn, world.hub, found.rows))
    with db.write() as conn:
        targets.put(conn, world.hub, BY_CONTRACT, by="ani")
    world.clock.forward(days=200)
    world.receive(
        statement(object=SECURITY, timestamp="2026-02-28T23:30:00+07:00"),
        statement(object=SERVICE, timestamp="2027-02-28T23:30:00+07:00"),
    )
    world.settle()

    def year(number: int) -> ledger.Year:
        with db.read() as conn:
            learner = learners.find_by_nip(conn, "198501012010011001")
            assert learner is not None
            return ledger.year_of(conn, world.hub, learner, number)

    assert [str(day) for day in year(2026).days] == ["2026-03-01", "2027-02-28"]
    assert [(year(n).recognized_centi, year(n).credited_centi) for n in (2025, 2026, 2027)] == [
        (0, 1500), (1500, 1600), (1600, 0)
    ]  # fmt: skip
    with db.read() as conn:
        (row,) = reports.years(conn, world.hub, [year(2026).learner], 2026)
    assert (row.recognized_centi, row.credited_centi, row.target_centi) == (1500, 1600, 2400)


def test_a_day_that_is_none_is_a_problem_of_its_row() -> None:
    text = "nip,name,email,status,employer,unit,supervisor_nip,contract_begin\n"
    found = learners.read_learners(text + "198501012010011001,Budi,,PPPK,KKP,Pusdatin,,2021-02-30\n")
    assert [(each.line, each.column, each.code) for each in found.problems] == [(2, "contract_begin", "not_a_day")]
