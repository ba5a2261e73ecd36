"""The employee's pages: her year, her plan, her transcript, and why an hour counts. Nobody else's."""

from __future__ import annotations

import csv
import io
import re

import pytest

from holdertest import employee, person, words_of
from hub.application import create_app
from recognizedtest import LMS, OTHER_NIP, account, course, linked_world, statement, voiding

FAILED = f"{LMS}/course/2"
PLANNED = f"{LMS}/course/3"


@pytest.fixture
def budi(db):
    """Budi completed one course, has too low a score in another, and plans all three."""
    graded = course(
        FAILED, title_id="Pelayanan Publik", title_en="Public Service", requires=("completed", "score"),
        min_score=700_000,
    )  # fmt: skip
    third = course(PLANNED, title_id="=Statistik", title_en="=Statistics", programme_centi_jp=300)
    world, learner = linked_world(db, course(), graded, third)
    made = employee(world, learner)
    made.world, made.learner = world, learner
    world.receive(statement(), statement("scored", FAILED, result={"score": {"scaled": 0.55}}))
    world.receive(statement("completed", FAILED))
    world.settle()
    return made


def number(browser, iri):
    with browser.world.db.read() as conn:
        return browser.world.hub.courses.current(conn).by_iri[iri].id


def put_into_plan(browser, iri, **fields):
    return browser.post(f"/courses/{number(browser, iri)}/plan", "/plan", do="add", **fields)


# Home --------------------------------------------------------------------------------------------------


def test_home_says_how_many_of_how_many_hours_are_recognized(budi):
    page = words_of(budi.get("/"))

    assert "4.5 of 20 JP recognized in 2026" in page
    assert "Still lacking 15.5 JP" in page.replace("\xa0", " ")
    assert "PP 11/2017" in page


def test_home_tells_in_indonesian_how_officials_write_numbers(budi):
    assert "4,5 dari 20 JP" in words_of(budi.get("/?lang=id"))


def test_home_lists_each_hour_with_its_reason(budi):
    page = words_of(budi.get("/")).replace("\xa0", " ")

    assert "Information Security 4.5 JP" in page
    assert "JP stated by the programme: 4.5 JP." in page
    assert "2 March 2026" in page


def test_home_says_what_is_missing_and_what_to_do(budi):
    page = words_of(budi.get("/")).replace("\xa0", " ")

    assert "Not recognized yet 1 Public Service" in page
    assert "The score 55% is below the minimum of 70%." in page
    assert "Take the test until you have at least 70%." in page


def test_a_planned_course_goes_from_planned_to_done_to_recognized(budi):
    for iri in (PLANNED, FAILED, f"{LMS}/course/1"):
        put_into_plan(budi, iri)

    steps = re.findall(r'aria-current="step">\s*(\w+)', budi.get("/").text)

    assert sorted(steps) == ["Done", "Planned", "Recognized"]


def test_what_the_provider_takes_back_is_told_with_its_cause(budi):
    first = statement("completed", PLANNED)
    budi.world.receive(first)
    budi.world.settle()
    budi.world.receive(voiding(first["id"]))
    budi.world.settle()

    page = words_of(budi.get("/"))

    assert "3 JP of “=Statistics” were taken back. The provider took its report back." in page
    assert "4.5 of 20 JP" in page


def test_an_employee_with_nothing_is_told_where_to_begin(db):
    world, _ = linked_world(db)
    page = words_of(employee(world, world.employ(OTHER_NIP, "Siti Rahayu", "PPPK"), "siti").get("/"))

    assert "0 of 24 JP" in page
    assert "No hours of 2026 yet" in page
    assert "Nothing planned yet" in page


def test_the_living_part_is_sent_again_only_when_something_changed(budi):
    first = budi.get("/live")
    known = first.headers["ETag"]

    assert first.status_code == 200
    assert f'data-version="{known.replace(chr(34), "&#34;")}"' in budi.get("/").text
    assert budi.get("/live", **{"If-None-Match": known}).status_code == 304

    budi.world.receive(statement("completed", PLANNED))
    budi.world.settle()
    second = budi.get("/live", **{"If-None-Match": known})
    assert second.status_code == 200
    assert "7.5 of 20 JP" in second.text


# Plan --------------------------------------------------------------------------------------------------


def test_a_course_is_put_into_the_plan_taken_out_and_put_back(budi):
    assert put_into_plan(budi, PLANNED, back="plan").headers["Location"] == "/plan?year=2026"
    assert "“=Statistics” is in your plan of 2026." in words_of(budi.get("/plan"))

    gone = budi.post(f"/courses/{number(budi, PLANNED)}/plan", "/plan", do="remove", back="plan")
    page = budi.get(gone.headers["Location"])
    assert "“=Statistics” was taken out of the plan. Undo" in words_of(page)
    assert "Nothing is planned for 2026" in words_of(page)

    undone = budi.post(f"/courses/{number(budi, PLANNED)}/plan", gone.headers["Location"], do="add", back="plan")
    assert "=Statistics" in words_of(budi.get(undone.headers["Location"]))


def test_each_year_has_a_plan_of_its_own(budi):
    put_into_plan(budi, PLANNED, year="2027")

    assert "Nothing is planned for 2026" in words_of(budi.get("/plan"))
    assert "Take out" in words_of(budi.get("/plan?year=2027"))


@pytest.mark.parametrize("year", ["1000", "abc", "2028", "²"])
def test_years_that_nothing_is_about_are_not_found(budi, year):
    answer = budi.get(f"/plan?year={year}")

    assert answer.status_code == 404
    assert "There is nothing about the year" in words_of(answer)


def test_a_course_that_is_not_there_cannot_be_planned(budi):
    assert budi.post("/courses/99999/plan", "/plan", do="add").status_code == 404


# Transcript --------------------------------------------------------------------------------------------


def test_the_transcript_holds_reversals_beside_what_they_take_back(budi):
    first = statement("completed", PLANNED)
    budi.world.receive(first)
    budi.world.settle()
    budi.world.receive(voiding(first["id"]))
    budi.world.settle()

    page = words_of(budi.get("/transcript"))

    assert page.count("=Statistics") == 2
    assert "reversed later" in page
    assert "Reversal: The provider took its report back." in page
    assert "Recognized in 2026 4.5" in page
    assert "19850101 201001 1 001" in page


def test_the_transcript_is_there_as_a_file_in_which_nothing_is_a_formula(budi):
    budi.world.receive(statement("completed", PLANNED))
    budi.world.settle()

    answer = budi.get("/transcript.csv?year=2026")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert rows[0][:4] == ["Date", "Course", "Form of learning", "JP"]
    assert sorted((row[1], row[3]) for row in rows[1:]) == [("'=Statistics", "3"), ("Information Security", "4.5")]


def test_a_year_without_entries_says_so(budi):
    assert "No entries in 2025" in words_of(budi.get("/transcript?year=2025"))


# Why ---------------------------------------------------------------------------------------------------


def entry_of(browser):
    return re.search(r"/entries/[0-9a-f-]+", browser.get("/transcript").text)[0]


def test_an_hour_shows_each_check_its_source_and_its_evidence(budi):
    page = words_of(budi.get(entry_of(budi))).replace("\xa0", " ")

    assert "Reported by the right source asn-unggul" in page
    assert "Completed 2 March 2026" in page
    assert "JP stated by the programme 4.5 JP BPS conversion table" in page
    assert "partly confirmed" in page
    assert "reported by asn-unggul" in page


def test_an_hour_that_was_taken_back_and_its_reversal_lead_to_each_other(budi):
    first = statement("completed", PLANNED)
    budi.world.receive(first)
    budi.world.settle()
    budi.world.receive(voiding(first["id"]))
    budi.world.settle()
    taken_back, reversal = [entry.id for entry in budi.world.entries(budi.learner) if entry.course == PLANNED]

    assert f"/entries/{reversal}" in budi.get(f"/entries/{taken_back}").text
    assert f"/entries/{taken_back}" in budi.get(f"/entries/{reversal}").text


def test_somebody_elses_hour_looks_like_none_at_all(budi):
    siti = budi.world.employ(OTHER_NIP, "Siti Rahayu")
    budi.world.link(siti, account("17"))
    hers = employee(budi.world, siti, "siti")

    other, none = hers.get(entry_of(budi)), hers.get("/entries/no-such-entry")

    assert (other.status_code, none.status_code) == (404, 404)
    assert "There is no such entry among your hours." in words_of(other)
    assert "Information Security" not in other.text


# Who ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/live", "/plan", "/transcript", "/transcript.csv", "/entries/x"])
def test_an_account_without_an_employee_has_no_hours(budi, path):
    answer = person(budi.world, "auditor").get(path)

    assert answer.status_code == 403
    assert "Your account belongs to no employee" in words_of(answer)


@pytest.mark.parametrize("path", ["/", "/live", "/plan", "/transcript", "/transcript.csv", "/entries/x", "/courses"])
def test_whoever_is_not_signed_in_is_asked_to(budi, path):
    answer = create_app(budi.world.hub).test_client().get(path, base_url="https://hub.example.go.id")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")
