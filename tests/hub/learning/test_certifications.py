"""Certification from statements and from the hub's own records, on both databases."""

from __future__ import annotations

import random
from datetime import date
from uuid import UUID

import orjson
import pytest

from certificationtest import BKN, INTERVIEW, NAME, PORTFOLIO, TEST, Panel
from hub.errors import HubError
from hub.jp import audit
from hub.jp.policies import PolicyExists, add_scheme
from hub.learning import certifications, undertakings
from hub.learning.certifications import Recorded, RecordRefused, Result
from lrs import query
from lrs.database import Database
from mappings import shipped
from mappings.certification import SchemeError
from recognizedtest import BASE, by, voiding


@pytest.fixture
def panel(db: Database) -> Panel:
    return Panel(db)


def test_recorded_stages_make_competent_with_evidence_and_a_day_to_renew(panel: Panel) -> None:
    begun = panel.record(TEST, score=800_000)
    assert isinstance(begun, Recorded)
    assert (begun.certification.standing, begun.certification.next_stage) == ("open", PORTFOLIO)
    panel.world.settle()
    panel.record(PORTFOLIO, panel.boss, decision="competent")
    panel.record(INTERVIEW, panel.boss, decision="competent")
    panel.record(INTERVIEW, panel.citra, decision="competent")
    shown_at_once = panel.found()
    panel.world.settle()

    found = panel.found()
    assert found == shown_at_once, "what the page wrote is what the statements say"
    assert found is not None
    assert (found.standing, found.decided_on) == ("competent", date(2026, 11, 24))
    assert found.valid_until == date(2029, 11, 23)
    assert found.refused == ()
    assert found.stages[2].assessors == tuple(sorted((str(panel.boss.id), str(panel.citra.id))))
    assert [(code, who) for code, who, _on in panel.duties()] == []
    panel.world.clock.forward(days=1000)
    assert panel.duties(str(panel.budi.id)) == [("renew", str(panel.budi.id), "2029-11-23")]
    with panel.world.db.read() as conn:
        said = query.get(conn, UUID(found.stages[1].evidence[0]))
        assert said is not None
        explained = audit.explain_statement(conn, panel.world.hub, said.id)
    words = orjson.loads(said.payload)
    assert words["verb"]["id"] == "http://id.tincanapi.com/verb/reviewed"
    assert words["actor"]["account"]["name"] == str(panel.boss.id)
    assert words["context"]["team"]["member"][0]["account"]["name"] == str(panel.budi.id)
    assert explained is not None


def test_a_provider_s_statements_in_any_order_say_the_same(panel: Panel) -> None:
    whole = panel.whole()
    random.Random(5).shuffle(whole)

    for said in whole:
        panel.world.receive(said, owner=BKN)
        panel.world.settle()
    found = panel.found()
    panel.world.receive(*whole, owner=BKN)
    panel.world.settle()

    assert found is not None
    assert (found.standing, found.refused) == ("competent", ())
    assert found.stages[0].score == 800_000
    assert panel.found() == found, "twice equals once"


def test_a_voided_assessment_is_as_if_it_had_never_been(panel: Panel) -> None:
    whole = panel.whole()
    panel.world.receive(*whole, owner=BKN)
    panel.world.settle()

    panel.world.receive(voiding(whole[-1]["id"], actor=by("p2")), owner=BKN)
    panel.world.settle()

    found = panel.found()
    assert found is not None
    assert (found.standing, found.next_stage) == ("open", INTERVIEW)


def test_nobody_assesses_herself_and_only_the_right_source_counts(panel: Panel) -> None:
    own = panel.judged("reviewed", PORTFOLIO, 2, "4", result={"success": True})
    under_another_name = panel.judged("reviewed", PORTFOLIO, 3, str(panel.budi.id), result={"success": True})
    under_another_name["actor"]["account"]["homePage"] = BASE
    other = panel.told("failed", TEST, 4)
    launched = panel.told("failed", TEST, 5)
    panel.world.receive(panel.whole()[0], own, under_another_name, owner=BKN)
    panel.world.receive(other)
    panel.world.receive(launched, owner=BKN, origin="launch:1")
    panel.world.settle()

    found = panel.found()
    assert found is not None
    assert found.next_stage == PORTFOLIO
    assert {each.statement: each.reason for each in found.refused} == {
        own["id"]: "self_assessed",
        under_another_name["id"]: "self_assessed",
        other["id"]: "wrong_source",
        launched["id"]: "wrong_source",
    }


def test_each_statement_is_explained_by_what_became_of_it(panel: Panel) -> None:
    whole = panel.whole()
    first = panel.told("passed", TEST, 0, result={"score": {"raw": 75, "max": 100}})
    early = panel.judged("interviewed", INTERVIEW, 1, "p1", result={"success": True})
    other, by_the_way = panel.told("failed", TEST, 4), panel.told("failed", "singing", 5)
    nobodys = panel.judged("reviewed", PORTFOLIO, 6, "p1", result={"success": True})
    nobodys["context"]["team"]["member"] = [by("99")]
    voided = panel.told("failed", TEST, 7)
    panel.world.receive(first, early, nobodys, by_the_way, voided, *whole, owner=BKN)
    panel.world.receive(other)
    panel.world.receive(voiding(voided["id"]), owner=BKN)
    panel.world.settle()

    with panel.world.db.read() as conn:
        seen = [
            audit.explain_statement(conn, panel.world.hub, UUID(said["id"]))
            for said in (*whole, first, early, other, by_the_way, nobodys, voided)
        ]

    told = [(each.code, each.is_counted) for each in seen if each is not None]
    assert told == [
        *[("certification_evidence", True)] * 4,
        ("certification_replaced", False),
        ("certification_before_its_turn", False),
        ("certification_wrong_source", False),
        ("certification_unknown_stage", False),
        ("certification_unresolved", False),
        ("voided", False),
    ]
    reviewed = seen[1]
    assert reviewed is not None
    assert reviewed.assessment is not None
    assert reviewed.assessment.candidate == panel.budi
    assert reviewed.detail == {"scheme": NAME, "stage": PORTFOLIO, "standing": "competent"}


def test_who_assesses_others_has_no_certification_from_it(panel: Panel) -> None:
    panel.walk()
    panel.world.settle()

    with panel.world.db.read() as conn:
        assert undertakings.certifications(conn, panel.boss.id) == {}


REFUSED = [
    ("singing", None, {"decision": "competent"}, "unknown_stage"),
    (PORTFOLIO, "boss", {"decision": "competent"}, "before_its_turn"),
    (TEST, None, {}, "no_decision"),
    (TEST, None, {"score": 900_000, "unit": "Menari"}, "unknown_unit"),
]


def test_what_would_not_count_is_not_recorded(panel: Panel) -> None:
    for stage, who, result, code in REFUSED:
        assessor = getattr(panel, who) if who else None
        assert panel.record(stage, assessor, **result) == RecordRefused(code), stage
    panel.record(TEST, score=900_000)
    assert panel.record(PORTFOLIO, decision="competent") == RecordRefused("no_assessor")
    assert panel.record(PORTFOLIO, panel.budi, decision="competent") == RecordRefused("self_assessed")
    with pytest.raises(HubError, match="has not come yet"):
        panel.record(PORTFOLIO, panel.boss, decision="competent", on=date(2027, 1, 1))
    own = certifications.record(
        panel.world.hub, panel.budi.id, panel.scheme, Result(TEST, score=1_000_000), by=panel.budi.id
    )
    assert own == RecordRefused("self_assessed")
    assert certifications.certify(panel.world.hub, panel.budi.id, panel.scheme, "1", by=panel.budi.id) == own


def test_an_appeal_in_time_begins_the_stage_anew(panel: Panel) -> None:
    assert certifications.appeal(panel.world.hub, panel.budi.id, panel.scheme, TEST) == RecordRefused(
        "nothing_to_appeal"
    )
    panel.record(TEST, score=100_000)
    failed = panel.found()
    panel.world.clock.forward(days=3)
    appealed = certifications.appeal(panel.world.hub, panel.budi.id, panel.scheme, TEST)
    panel.world.clock.forward(days=30)
    panel.record(TEST, score=100_000)
    panel.world.clock.forward(days=15)
    late = certifications.appeal(panel.world.hub, panel.budi.id, panel.scheme, TEST)

    assert failed is not None
    assert (failed.standing, failed.appeal_until) == ("not_yet", date(2026, 12, 8))
    assert isinstance(appealed, Recorded)
    assert appealed.certification.standing == "open"
    assert late == RecordRefused("appeal_too_late")


def test_a_certificate_says_number_and_last_day_by_itself(panel: Panel) -> None:
    extensions = {
        "urn:wkmb:certificate:number": "BKN-1",
        "http://id.tincanapi.com/extension/valid-until": "2028-01-31T00:00:00Z",
    }
    certified = panel.told("https://w3id.org/xapi/tla/verbs/certified", TEST, 1, context={"extensions": extensions})
    certified["object"] = {"id": f"urn:wkmb:certification:{NAME}"}
    panel.world.receive(certified, owner=BKN)
    panel.world.settle()

    found = panel.found()
    assert found is not None
    assert found.certificate is not None
    assert (found.standing, found.certificate.number, found.valid_until) == ("competent", "BKN-1", date(2028, 1, 31))
    panel.world.receive(panel.told("failed", TEST, 30), owner=BKN)
    panel.world.settle()
    after = panel.found()
    assert after is not None
    assert after.standing == "not_yet", "failing after it takes it back"


def test_what_cannot_be_is_set_aside_with_its_reason(panel: Panel) -> None:
    said = {**panel.told("scored", TEST, 1, result={"score": {"scaled": 0.5}}), "timestamp": "2031-01-01T00:00:00Z"}

    panel.world.receive(said, owner=BKN)
    panel.world.settle()

    found = panel.found()
    assert found is not None
    assert (found.standing, [each.reason for each in found.refused]) == ("open", ["impossible"])


def test_a_scheme_of_ones_own_is_data_and_never_changes(panel: Panel) -> None:
    text = shipped.scheme_text(NAME).replace(f"scheme: {NAME}", "scheme: instansi").replace("score: 0.7", "score: 0.9")
    now = panel.world.clock()
    with panel.world.db.write() as conn:
        add_scheme(conn, text, now=now)
        add_scheme(conn, text, now=now)
        with pytest.raises(PolicyExists):
            add_scheme(conn, text.replace("0.9", "0.8"), now=now)
        with pytest.raises(SchemeError):
            add_scheme(conn, "scheme: x", now=now)
    said = panel.told("scored", TEST, 1, result={"score": {"scaled": 0.8}})
    said["object"] = {"id": "urn:wkmb:certification:instansi:cognitive-test"}

    panel.world.receive(said, owner=BKN)
    panel.world.settle()

    with panel.world.db.read() as conn:
        assert undertakings.certifications(conn, panel.budi.id)["instansi"].standing == "not_yet"
