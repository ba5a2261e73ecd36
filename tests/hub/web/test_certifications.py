"""The pages of certifications: the candidate, the auditor, and who records results."""

from __future__ import annotations

import pytest

from certificationtest import NAME, Panel
from holdertest import employee, person, words_of
from hub.application import create_app
from lrs.database import Database


@pytest.fixture
def panel(db: Database) -> Panel:
    return Panel(db)


def test_an_administrator_records_and_the_candidate_sees_what_is_next(panel: Panel) -> None:
    app = create_app(panel.world.hub)
    admin, budi = person(panel.world, "admin", app), employee(panel.world, panel.budi, "budi", app)
    page = f"/certifications?nip={panel.budi.nip}"
    nothing = words_of(budi.get("/certifications"))

    def record(**fields: str) -> int:
        return admin.post("/certifications/record", page, nip=panel.budi.nip, **fields).status_code

    assert record(stage=f"{NAME}/cognitive-test", score="82,5") == 303
    assert record(stage=f"{NAME}/portfolio-review", decision="competent", assessor=panel.boss.nip) == 303
    assert record(stage=f"{NAME}/interview", decision="competent", assessor=panel.budi.nip) == 409
    assert record(stage=f"{NAME}/cognitive-test", score="182") == 422
    panel.world.settle()

    hers = words_of(budi.get("/certifications"))
    assert "No certification yet" in nothing
    assert "in progress Next stage Interview" in hers
    assert "Cognitive test online competent Score 82.5%" in hers
    assert "Assessed by Atasan" in hers
    assert "Record a result" not in hers
    assert budi.post("/certifications/record", "/certifications", nip=panel.citra.nip).status_code == 403
    assert record(stage=NAME, what="certificate", number="SK-7", until="2028-01-31") == 303
    certified = words_of(budi.get("/certifications"))
    assert "Valid until 31 January 2028 Certificate number SK-7" in certified


def test_an_auditor_opens_the_evidence_and_a_candidate_appeals(panel: Panel) -> None:
    app = create_app(panel.world.hub)
    auditor, budi = person(panel.world, "auditor", app), employee(panel.world, panel.budi, "budi", app)
    panel.record("cognitive-test", score=100_000)
    panel.world.settle()
    found = panel.found()
    assert found is not None

    page = auditor.get(f"/certifications?nip={panel.budi.nip}")
    evidence = f"/audit/statements/{found.stages[0].evidence[0]}"
    appealed = budi.post("/certifications/appeal", "/certifications", scheme=NAME, stage="cognitive-test")

    assert evidence in page.text
    assert auditor.get(evidence).status_code == 200
    assert "Record a result" not in words_of(page)
    assert auditor.get("/certifications?nip=1").status_code == 404
    assert appealed.status_code == 303
    assert "in progress" in words_of(budi.get("/certifications"))


def test_an_auditor_reads_what_became_of_an_assessor_s_statement(panel: Panel) -> None:
    """In the list and on its own page it is a certification's, and never a course that is not in the catalogue."""
    auditor = person(panel.world, "auditor", create_app(panel.world.hub))
    panel.record("cognitive-test", score=800_000)
    panel.record("portfolio-review", panel.boss, decision="competent")
    panel.world.settle()
    found = panel.found()
    assert found is not None
    [reviewed] = found.stages[1].evidence

    page = words_of(auditor.get(f"/audit/statements/{reviewed}"))
    listed = words_of(auditor.get("/audit/statements"))

    assert "Counted It counts for the certification: where the candidate stands rests on it." in page
    assert "Stage Portfolio review Candidate Budi Assessor Atasan Decision competent Stands now in progress" in page
    assert f"/certifications?nip={panel.budi.nip}" in auditor.get(f"/audit/statements/{reviewed}").text
    assert "certification open it to see what became of it" in listed
    assert "not in the catalogue" not in page + listed
