"""Rules of follow-up plans for one provider or one course: what is due changes with them at once, on both databases."""

from __future__ import annotations

import pytest

from hub import journal
from hub.errors import HubError
from hub.learning import follow_up
from lrs.database import Database
from mappings.dated import Source
from mappings.rtl import FollowUpRule
from recognizedtest import SECURITY, SERVICE, course, statement
from rtltest import Office

OWN = Source("Keputusan Kepala Biro SDM (uji)", "own")


@pytest.fixture
def office(db: Database) -> Office:
    """Budi finished a course that asks for a plan, and one of the same provider that does not, on 20 November."""
    made = Office(db)
    made.world.offer(course(SERVICE, title_id="Pelayanan Publik"))
    for each in (SECURITY, SERVICE):
        made.world.receive(statement(object=each, timestamp="2026-11-20T09:00:00+07:00"))
    made.world.settle()
    return made


def put(office: Office, kind: str, subject: str, is_owed: bool | None = None, **deadlines: int) -> None:
    rule = FollowUpRule(kind, subject, is_owed, deadlines, OWN)
    office.world.db.run(lambda conn: follow_up.put(conn, office.world.hub, rule, by="ani"))
    office.world.settle()


def remove(office: Office, kind: str, subject: str) -> bool:
    gone = office.world.db.run(lambda conn: follow_up.remove(conn, office.world.hub, kind, subject, by="ani"))
    office.world.settle()
    return gone


def due(office: Office) -> list[str]:
    return [on for _code, _who, on in office.duties()]


def test_what_is_due_follows_a_rule_and_its_removal(office: Office) -> None:
    assert due(office) == ["2026-12-20"]

    put(office, "provider", "asn-unggul", submit_within_days=60)
    by_provider = due(office)
    put(office, "course", SECURITY, submit_within_days=10)
    by_course = due(office)
    put(office, "course", SECURITY, submit_within_days=5)
    replaced = due(office)
    assert remove(office, "course", SECURITY)
    assert not remove(office, "course", SECURITY)

    assert (by_provider, by_course, replaced) == (["2027-01-19"], ["2026-11-30"], ["2026-11-25"])
    assert due(office) == by_provider
    with office.world.db.read() as conn:
        acts = [act.action for act in journal.read(conn, "2026-11", limit=100)]
    assert acts.count("rtl.rule.set") == 3
    assert acts.count("rtl.rule.remove") == 1


def test_the_duty_of_a_provider_reaches_every_participant_and_leaves_her_hours(office: Office) -> None:
    earned = office.world.amounts(office.budi)

    put(office, "provider", "asn-unggul", is_owed=True)
    owed = due(office)
    put(office, "course", SERVICE, is_owed=False)
    excepted = due(office)

    assert owed == ["2026-12-20", "2026-12-20"]
    assert excepted == ["2026-12-20"]
    assert office.world.amounts(office.budi) == earned == [450], "a duty takes no hour away"


@pytest.mark.parametrize(
    ("kind", "subject", "deadlines", "code"),
    [
        ("provider", "nobody", {"submit_within_days": 5}, "provider"),
        ("course", "https://elsewhere.example/1", {"submit_within_days": 5}, "course"),
        ("employer", "KKP", {"submit_within_days": 5}, "subject"),
        ("course", SECURITY, {}, "nothing"),
        ("course", SECURITY, {"submit_within_days": -1}, "submit_within_days"),
        ("course", SECURITY, {"decide_within_days": 1001}, "decide_within_days"),
        ("course", SECURITY, {"renew_before_days": 5}, "renew_before_days"),
        ("course", SECURITY, {"evaluate_after_months": 13}, "evaluate_before_months"),  # the document ends at 12
        ("provider", "other-lms", {"evaluate_before_months": 2}, "evaluate_before_months"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_and_changes_nothing(
    office: Office, kind: str, subject: str, deadlines: dict[str, int], code: str
) -> None:
    with pytest.raises(HubError) as refused:
        put(office, kind, subject, **deadlines)

    assert refused.value.code == code
    with office.world.db.read() as conn:
        assert follow_up.list_all(conn) == ()


@pytest.mark.parametrize("source", [Source("", "own"), Source("x" * 301, "own"), Source("Perban", "surely")])
def test_a_rule_says_where_it_is_from(office: Office, source: Source) -> None:
    rule = FollowUpRule("course", SECURITY, None, {"submit_within_days": 5}, source)

    with pytest.raises(HubError):
        office.world.db.run(lambda conn: follow_up.put(conn, office.world.hub, rule, by="ani"))
