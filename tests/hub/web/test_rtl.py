"""The pages of follow-up plans: who sees what, who may do what, and what the home page says."""

from __future__ import annotations

import re

import pytest

from holdertest import Browser, employee, person, words_of
from hub.application import create_app
from lrs.database import Database
from recognizedtest import statement
from rtltest import BOSS_NIP, Office

ITEM = {
    "activity-0": "Menyusun SOP",
    "indicator-0": "SOP ditetapkan",
    "due_on-0": "2026-12-20",
    "who-0": "Saya",
    "monitoring-0": "Rapat bulanan",
}


class Pages:
    """The office with its people's browsers; Budi finished the course this month."""

    def __init__(self, db: Database) -> None:
        self.office = Office(db)
        self.app = create_app(self.office.world.hub)
        self.budi = self.sign_in("budi")
        self.office.world.receive(statement(timestamp="2026-11-20T09:00:00+07:00"))
        self.office.world.settle()
        self.address = f"/rtl/{self.office.budi.id}/{self.office.listed.id}"

    def sign_in(self, name: str) -> Browser:
        return employee(self.office.world, getattr(self.office, name), name, self.app)

    def reader(self, role: str) -> Browser:
        return person(self.office.world, role, self.app)


@pytest.fixture
def pages(db: Database) -> Pages:
    return Pages(db)


def test_from_the_home_page_to_approved_hours(pages: Pages) -> None:
    home = words_of(pages.budi.get("/"))
    assert "Write and submit the follow-up plan (RTL) due by 20 December 2026" in home
    assert "Submit your follow-up plan (RTL) and ask your supervisor to approve it. Write the follow-up plan" in home
    assert pages.address in pages.budi.get("/").text

    handed_in = pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)
    boss = pages.sign_in("boss")
    waits = words_of(boss.get("/rtl"))
    decided = boss.post(pages.address, pages.address, do="approved", note="Setuju")
    pages.office.world.settle()

    assert handed_in.status_code == decided.status_code == 303
    assert "Approve or return the follow-up plan (RTL) due by 8 December 2026 Budi · Information Security" in waits
    assert "4.5 of 20 JP" in words_of(pages.budi.get("/"))
    plan = words_of(pages.budi.get(pages.address))
    assert "Atasan approved the plan" in plan
    assert "Setuju" in plan
    assert "Menyusun SOP Indicator SOP ditetapkan Done by 20 December 2026" in plan


def test_a_returned_plan_says_why_and_is_changed(pages: Pages) -> None:
    pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)
    boss = pages.sign_in("boss")
    without = boss.post(pages.address, pages.address, do="returned")
    boss.post(pages.address, pages.address, do="returned", note="Indikator belum terukur")

    page = words_of(pages.budi.get(pages.address))
    assert without.status_code == 409
    assert "Say what has to be changed" in words_of(without)
    assert "Your supervisor’s remark: Indikator belum terukur" in page
    assert "Your supervisor returned the follow-up plan (RTL)" in words_of(pages.budi.get("/"))
    pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)
    assert pages.office.state() == "submitted"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "The plan is empty. Write at least one activity."),
        ({**ITEM, "indicator-0": " "}, "Say by what one sees that it is done."),
        ({**ITEM, "due_on-0": "besok"}, "Choose the day by which it is done."),
        ({**ITEM, "activity-0": "A" * 501}, "Use at most 500 characters."),
    ],
)
def test_a_form_that_lacks_something_keeps_what_was_written(pages: Pages, fields: dict[str, str], says: str) -> None:
    answer = pages.budi.post(pages.address, pages.address, do="submitted", **fields)

    assert answer.status_code == 422
    assert says in words_of(answer)
    assert pages.office.state() == "asked"
    if fields:
        assert "Rapat bulanan" in answer.text


def test_a_stranger_sees_no_plan_and_takes_no_step(pages: Pages) -> None:
    pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)
    citra, auditor = pages.sign_in("citra"), pages.reader("auditor")

    assert citra.get(pages.address).status_code == 404
    assert citra.post(pages.address, "/courses", do="approved").status_code == 404
    assert pages.budi.post(pages.address, pages.address, do="approved").status_code == 409
    assert citra.get("/rtl/overdue").status_code == 403
    assert auditor.get(pages.address).status_code == 200
    assert auditor.post(pages.address, pages.address, do="approved").status_code == 403
    assert pages.office.state() == "submitted"


def test_who_audits_sees_what_is_late_page_by_page_and_as_a_file(pages: Pages) -> None:
    auditor = pages.reader("auditor")
    nothing = words_of(auditor.get("/rtl/overdue"))
    pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)
    pages.office.world.clock.forward(hours=7)
    pages.office.world.clock.now = pages.office.world.clock.now.replace(year=2027)
    auditor = Browser(pages.app).sign_in("auditor")

    late = words_of(auditor.get("/rtl/overdue"))
    file = auditor.get("/rtl/overdue.csv").get_data(as_text=True)

    assert "Nothing is overdue" in nothing
    assert f"Budi {pages.office.budi.nip} · Pusdatin" in late
    assert f"Approve or return the follow-up plan (RTL) Atasan supervisor {BOSS_NIP} 8 December 2026" in late
    assert re.search(r"Budi,Pusdatin,Information Security,Approve or return.*,2026-12-08,", file)


def test_an_evaluation_is_written_by_both(pages: Pages) -> None:
    pages.office.walk("planned", "submitted", "approved")
    boss = pages.sign_in("boss")
    assert pages.budi.post(pages.address, pages.address, do="realised", note="SOP berlaku").status_code == 303
    for who in (pages.budi, boss):
        assert who.post(pages.address, pages.address, do="evaluated", note="Lebih cepat").status_code == 303

    page = words_of(boss.get(pages.address))
    assert page.count("evaluated the effect on work") == 2
    assert pages.office.duties() == []


def test_without_a_supervisor_the_plan_says_whom_to_ask(pages: Pages) -> None:
    pages.office.employ(f"{pages.office.budi.nip},Budi,,PNS,KKP,Pusdatin,")
    pages.budi.post(pages.address, pages.address, do="submitted", **ITEM)

    assert "Nobody is recorded as your supervisor" in words_of(pages.budi.get(pages.address))
    assert [(code, who) for code, who, _on in pages.office.duties()] == [("decide", "")]


def test_an_administrator_sets_deadlines_with_their_source_and_an_auditor_reads_them(pages: Pages) -> None:
    admin, auditor, path = pages.reader("admin"), pages.reader("auditor"), "/rtl/rules"
    rule = {"provider": "asn-unggul", "submit_within_days": "60", "reference": "Pedoman uji 2026", "confirmed": "own"}

    general = words_of(auditor.get(path))
    wrong = admin.post(path, path, provider="asn-unggul", submit_within_days="soon")
    nothing = admin.post(path, path, provider="asn-unggul", reference="Pedoman uji 2026")
    done = admin.post(path, path, **rule)
    pages.office.world.settle()
    shown = words_of(auditor.get(path))

    assert "Handed in after the course: days at most 30 Not found in any text" in general
    assert "No rule of its own" in general
    assert "Rule for a provider or a course" not in general
    assert (wrong.status_code, nothing.status_code, done.status_code) == (422, 422, 303)
    assert "Enter a whole number from 0 to 1000." in words_of(wrong)
    assert "Name the regulation, or who decided it" in words_of(wrong)
    assert "Say whose duty it is, or enter a number." in words_of(nothing)
    assert "asn-unggul provider Handed in after the course: days at most 60 Pedoman uji 2026" in shown
    assert "due by 19 January 2027" in words_of(pages.budi.get("/"))
    assert pages.budi.get(path).status_code == 403
    assert auditor.post(path, "/rtl/overdue", **rule).status_code == 403
    removed = admin.post(f"{path}/remove", path, kind="provider", subject="asn-unggul")
    assert removed.status_code == 303
    assert "No rule of its own" in words_of(auditor.get(path))
