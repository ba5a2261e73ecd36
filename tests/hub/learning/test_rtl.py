"""Follow-up plans: steps from the hub's pages and from statements, on both databases."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import orjson
import pytest

from hub.jp import audit, ledger, recognition
from hub.learning import rtl, undertakings
from hub.learning.rtl import StepRefused, Taken
from hub.people import persons
from lrs import query
from lrs.agents import Identifier
from lrs.database import Database
from mappings.facts import NotAFact
from recognizedtest import BASE, LMS, NIP, OTHER_NIP, SECURITY, account, by, statement, voiding
from rtltest import BOSS_NIP, ITEM, Office


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def test_who_takes_part_in_a_course_that_asks_for_a_plan_is_asked_for_one(office: Office) -> None:
    office.world.receive(statement("failed"))
    office.world.settle()
    begun, no_duty = office.state(), office.duties()
    office.world.receive(statement(timestamp="2026-11-20T09:00:00+07:00"))
    office.world.settle()

    assert (begun, no_duty) == ("asked", [])
    assert office.state() == "asked"
    assert office.duties() == [("submit", str(office.budi.id), "2026-12-20")]


def test_the_whole_way_through_the_pages_gives_the_hours_and_each_step_is_a_statement(office: Office) -> None:
    office.world.receive(statement())
    office.world.settle()
    assert office.world.amounts(office.budi) == []

    office.walk("planned", "submitted", "approved")
    shown_at_once = office.state()
    office.world.settle()
    earned = office.world.amounts(office.budi)
    office.walk("realised", "evaluated")
    assert isinstance(office.step("evaluated", office.boss, "Waktu layanan turun separuh"), Taken)
    before = office.plan()
    office.world.settle()

    assert (shown_at_once, earned) == ("approved", [450])
    found = office.plan()
    assert found == before, "what the page wrote is what the statements say"
    assert found is not None
    assert found.plan.effect == {"owner": "Catatan", "supervisor": "Waktu layanan turun separuh"}
    assert found.plan.items == (ITEM,)
    with office.world.db.read() as conn:
        stored = {each: query.get(conn, UUID(each)) for each in found.people}
        (entry,) = ledger.of_learner(conn, office.budi.id)
    origins = [each.origin for each in stored.values() if each is not None]
    assert origins == ["hub:rtl"] * len(found.plan.steps) == ["hub:rtl"] * 6
    approval = next(step.statement for step in found.plan.steps if step.state == "approved")
    assert approval in entry.evidence
    told = stored[approval]
    assert told is not None
    said = orjson.loads(told.payload)
    assert said["actor"]["account"] == {"homePage": BASE, "name": str(office.budi.id)}
    assert said["context"]["instructor"]["account"] == {"homePage": BASE, "name": str(office.boss.id)}
    assert NIP not in told.payload.decode()
    (verified,) = audit.verify(office.world.hub, NIP)
    assert verified.findings == ()


#: What is refused where: the steps that were taken before, who tries what, and why not.
REFUSED = [
    ([], "planned", "boss", "", "not_the_owner"),
    ([], "planned", "citra", "", "not_the_supervisor"),
    ([], "submitted", "budi", "", "wrong_state"),
    (["planned"], "approved", "boss", "", "wrong_state"),
    (["submitted"], "approved", "budi", "", "not_the_supervisor"),
    ([], "approved", "citra", "", "not_the_supervisor"),
    ([], "returned", "budi", "Tidak", "not_the_supervisor"),
    ([], "returned", "boss", "  ", "no_reason"),
    (["approved"], "returned", "boss", "Tidak", "wrong_state"),
    ([], "realised", "boss", "Sudah", "not_the_owner"),
    ([], "realised", "budi", "", "no_evidence"),
    ([], "evaluated", "boss", "Baik", "wrong_state"),
    (["realised"], "evaluated", "boss", "", "no_effect"),
    ([], "evaluated", "citra", "Baik", "not_the_supervisor"),
]


def test_a_step_that_is_not_hers_or_does_not_fit_is_refused_and_leaves_nothing(office: Office) -> None:
    for walked, state, who, note, code in REFUSED:
        office.walk(*walked)
        plan = office.plan()

        assert office.step(state, getattr(office, who), note) == StepRefused(code), (state, who)

        office.world.settle()
        assert office.plan() == plan, (state, who)


def test_nobody_approves_her_own_whatever_stands_in_her_row(office: Office) -> None:
    """A former number of hers as her supervisor's is still herself."""
    office.walk("planned", "submitted")
    with office.world.db.write() as conn:
        persons.merge(conn, office.world.hub, office.boss, office.budi)

    assert office.step("approved", office.budi) == StepRefused("not_the_supervisor")
    with office.world.db.read() as conn:
        assert rtl.supervisor_of(conn, office.learner(NIP)) is None


@pytest.mark.parametrize(
    ("told", "state", "earns"),
    [
        (["planned"], "planned", False),
        (["planned", "submitted"], "submitted", False),
        (["approved"], "approved", True),  # A provider may report the decision alone.
        (["planned", "returned"], "returned", False),
        (["returned", "approved"], "approved", True),
        (["planned", "submitted", "approved", "realised", "evaluated"], "evaluated", True),
        (["realised"], "realised", False),
        (["approved", "returned"], "approved", True),
        (["approved", "submitted"], "approved", True),
    ],
)
def test_a_provider_reports_steps_in_any_order_and_batching(
    office: Office, told: list[str], state: str, earns: bool
) -> None:
    said = [office.told(each, minutes) for minutes, each in enumerate(told)]
    random.Random(len(told)).shuffle(said)

    office.world.receive(statement())
    for each in said:
        office.world.receive(each)
        office.world.settle()
    found = office.plan()
    office.world.receive(*said)
    office.world.settle()

    assert office.state() == state
    assert office.plan() == found, "twice equals once"
    assert office.world.amounts(office.budi) == ([450] if earns else [])


@pytest.mark.parametrize("who", [by("4"), {"objectType": "Agent", "account": {"homePage": BASE, "name": "BUDI"}}])
def test_an_approval_by_the_owner_herself_is_none(office: Office, who: dict[str, Any]) -> None:
    """Under the name of the actor, or under another of her names."""
    text = orjson.dumps(who).decode().replace("BUDI", str(office.budi.id))
    said = office.told("approved", context={"instructor": orjson.loads(text)})

    office.world.receive(statement(), said)
    office.world.settle()

    assert office.world.amounts(office.budi) == []
    assert office.state() == "asked"
    with office.world.db.read() as conn:
        seen = recognition.observations(conn, office.world.hub, office.budi.id)
    readings = {each.observation.id: each.reading for each in seen}
    assert readings[said["id"]] == NotAFact("self_approved", {"course": SECURITY})


def test_with_the_token_of_her_launch_a_learner_takes_her_own_steps_and_no_other(office: Office) -> None:
    items = [{"activity": "SOP", "indicator": "Ada", "due_on": "2026-12-01", "who": "Saya", "monitoring": "Rapat"}]
    handed_in = office.told("submitted", 1, result={"extensions": {"urn:wkmb:rtl:items": items}})

    for said in (office.told("planned"), handed_in, office.told("returned", 2), office.told("realised", 3)):
        office.world.receive(said, origin="launch:1")
    office.world.settle()

    found = office.plan()
    assert found is not None
    assert found.state == "submitted"
    assert [item.activity for item in found.plan.items] == ["SOP"]
    assert [each.reason for each in found.plan.refused] == ["not_the_supervisor", "wrong_state"]


@pytest.mark.parametrize(
    "items", ["x", [], {}, [1], [{"activity": 5}], [{"activity": "A", "due_on": "soon"}], [{"activity": "A" * 3000}]]
)
def test_items_that_are_none_are_left_out(office: Office, items: Any) -> None:
    said = office.told("planned", result={"extensions": {"urn:wkmb:rtl:items": items}})

    office.world.receive(said)
    office.world.settle()

    found = office.plan()
    assert found is not None
    assert (found.state, found.plan.items) == ("planned", ())


def test_a_voided_step_is_as_if_it_had_never_been(office: Office) -> None:
    said = office.told("approved")
    office.world.receive(statement(), said)
    office.world.settle()

    office.world.receive(voiding(said["id"]))
    office.world.settle()

    assert office.state() == "asked"
    assert office.world.amounts(office.budi) == [450, -450]


def test_a_step_on_a_page_comes_after_what_another_system_says_it_was_later(office: Office) -> None:
    """The other clock is ahead of ours, within what is forgiven."""
    office.world.receive(office.told("submitted", 150))
    office.world.settle()

    office.walk("approved")
    office.world.settle()

    assert office.state() == "approved"


def test_what_waits_waits_for_who_has_to_do_it(office: Office) -> None:
    own, boss = str(office.budi.id), BOSS_NIP
    office.world.receive(statement(timestamp="2026-11-20T09:00:00+07:00"))
    office.world.settle()
    steps = [office.duties(own, boss)]
    for state in ("planned", "submitted", "approved", "realised"):
        office.walk(state)
        steps.append(office.duties(own, boss))

    assert steps == [
        [("submit", own, "2026-12-20")],
        [("submit", own, "2026-12-20")],
        [("decide", boss, "2026-12-08")],
        [("realise", own, "2026-12-20")],
        [("evaluate", boss, "2027-11-24"), ("evaluate", own, "2027-11-24")]
        if own > boss
        else [("evaluate", own, "2027-11-24"), ("evaluate", boss, "2027-11-24")],
    ]
    with office.world.db.read() as conn:
        today = office.world.hub.today()
        assert undertakings.duties_of(conn, [own, boss], today, limit=9) == (), "evaluated from three months on"


def test_another_supervisor_has_what_waited_for_the_one_before(office: Office) -> None:
    office.walk("planned", "submitted")

    office.employ(f"{NIP},Budi,,PNS,KKP,Pusdatin,{OTHER_NIP}")
    office.world.settle()

    assert office.duties(BOSS_NIP) == []
    assert [code for code, _who, _on in office.duties(OTHER_NIP)] == ["decide"]
    assert office.step("approved", office.boss) == StepRefused("not_the_supervisor")
    assert isinstance(office.step("approved", office.citra), Taken)


def test_what_is_overdue_is_read_in_pages_without_a_gap(office: Office) -> None:
    rows = [f"19850101201001{serial:04},Orang {serial},,PNS,KKP,P," for serial in range(1101, 1108)]
    office.employ(*rows)
    for row in rows:
        learner = office.learner(row[:18])
        office.world.link(learner, account(row[:18]))
        office.world.receive(statement(actor=by(row[:18])))
    office.world.settle()
    today = office.world.hub.today()

    found: list[undertakings.Duty] = []
    with office.world.db.read() as conn:
        whole = undertakings.due(conn, today, today, limit=100)
        while page := undertakings.due(conn, today, today, limit=3, after=found[-1].key if found else None):
            found += page

    assert len(whole) == 7
    assert tuple(found) == whole


def test_whose_identity_is_taken_away_has_no_plan_from_it(office: Office) -> None:
    office.world.receive(office.told("submitted"))
    office.world.settle()

    office.world.unlink(Identifier("account", LMS, "4"))
    office.world.settle()

    assert office.state() is None
    assert office.duties() == []


def test_a_step_that_was_not_taken_says_so_at_its_statement(office: Office) -> None:
    handed_in, again = office.told("submitted", 1), office.told("submitted", 2)
    office.world.receive(statement(), handed_in, again)
    office.world.settle()

    with office.world.db.read() as conn:
        seen = [audit.explain_statement(conn, office.world.hub, UUID(said["id"])) for said in (handed_in, again)]

    assert [each.refused_step for each in seen if each] == [None, "wrong_state"]
