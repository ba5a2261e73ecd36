"""Whoever holds a paper sees, in both languages and without an account, whether it still stands; and nothing more."""

from __future__ import annotations

import flask
import pytest

from holdertest import Browser, employee, words_of
from hub.application import create_app
from hub.web import verify
from lrs.database import Database
from recognizedtest import OTHER_NIP, SERVICE, World, course, linked_world, statement, voiding

PAGE = "/transcript/papers?year=2026"


@pytest.fixture
def budi(db: Database) -> Browser:
    """Budi, signed in, who has completed one course of 4.5 JP."""
    world, learner = linked_world(db, course(), course(SERVICE, title_id="Pelayanan Publik", title_en="Service"))
    said = statement()
    world.receive(said)
    world.settle()
    app = create_app(world.hub)
    browser = employee(world, learner, app=app)
    browser.world, browser.said, browser.app = world, said["id"], app
    return browser


@pytest.fixture
def world(budi: Browser) -> World:
    return budi.world


@pytest.fixture
def anybody(budi: Browser) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(budi.app)


def code_of(budi: Browser) -> str:
    """The code of the paper that Budi has made."""
    answer = budi.post(PAGE, PAGE)
    assert answer.status_code == 303
    return budi.get(PAGE).text.partition("/en.pdf")[0].rpartition("/")[2]


def test_the_transcript_page_leads_to_papers(budi: Browser) -> None:
    assert 'href="/transcript/papers?year=2026"' in budi.get("/transcript?year=2026").text


def test_a_paper_is_made_and_downloaded_in_both_languages(budi: Browser) -> None:
    code = code_of(budi)

    for language in ("id", "en"):
        answer = budi.get(f"/transcript/papers/{code}/{language}.pdf")
        assert answer.status_code == 200
        assert answer.mimetype == "application/pdf"
        assert answer.data.startswith(b"%PDF")
        assert answer.headers["Cache-Control"] == "no-store"


def test_making_it_twice_makes_one_paper(budi: Browser) -> None:
    assert code_of(budi) == code_of(budi)
    assert budi.get(PAGE).text.count("/en.pdf") == 1


def test_everybody_with_the_code_sees_in_both_languages_that_it_stands(budi: Browser, anybody: Browser) -> None:
    answer = anybody.get(f"/verify/{code_of(budi)}")

    assert answer.status_code == 200
    shown = words_of(answer)
    assert "Everything on this paper still stands" in shown
    assert "Budi Santoso" in shown
    assert "Information Security" in shown
    assert "Keamanan Informasi" in shown
    assert "4.5" in shown
    assert "4,5" in shown
    assert answer.text.count("<section") == 2
    assert 'lang="id"' in answer.text


def test_the_birth_date_in_the_nip_is_nobodys_business(budi: Browser, anybody: Browser) -> None:
    page = anybody.get(f"/verify/{code_of(budi)}").text

    assert "19850101" not in page
    assert "••••••••2010011001" in page


def test_the_page_is_not_kept_indexed_or_passed_on(budi: Browser, anybody: Browser) -> None:
    answer = anybody.get(f"/verify/{code_of(budi)}")

    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "noindex" in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_was_taken_back_is_struck_out(budi: Browser, anybody: Browser, world: World) -> None:
    code = code_of(budi)

    world.receive(voiding(budi.said))
    world.settle()

    answer = anybody.get(f"/verify/{code}")
    assert "Not everything on this paper holds any more" in words_of(answer)
    assert "<s>Information Security</s>" in answer.text


def test_what_was_added_is_told(budi: Browser, anybody: Browser, world: World) -> None:
    code = code_of(budi)

    world.receive(statement(object=SERVICE, timestamp="2026-03-03T09:00:00+07:00"))
    world.settle()

    shown = words_of(anybody.get(f"/verify/{code}"))
    assert "Everything on this paper still stands" in shown
    assert "4.5 JP were added: 9 JP are recognized" in shown


def test_a_withdrawn_paper_tells_nothing_of_the_person(budi: Browser, anybody: Browser) -> None:
    code = code_of(budi)

    answer = budi.post(f"/transcript/papers/{code}/revoke", PAGE)

    assert answer.status_code == 303
    page = anybody.get(f"/verify/{code}").text
    assert "This transcript is not valid" in page
    assert "Budi" not in page
    assert budi.get(f"/transcript/papers/{code}/id.pdf").status_code == 410
    assert "withdrawn" in budi.get(PAGE).text


@pytest.mark.parametrize("code", ["7F3KD0QX2M7F3KD0QX2M", "x", "%2e%2e", "%00", "A" * 300])
def test_an_unknown_code_is_told_in_both_languages(anybody: Browser, code: str) -> None:
    answer = anybody.get(f"/verify/{code}")

    assert answer.status_code == 404
    assert answer.text.count("notice-danger") == 2
    assert anybody.get(f"/verify/{code}/status").status_code == 404


def test_a_code_may_be_typed(budi: Browser, anybody: Browser) -> None:
    code = code_of(budi)
    typed = "-".join(code[begin : begin + 5] for begin in range(0, 20, 5)).lower()

    assert anybody.get(f"/verify?code={typed}").headers["Location"].endswith(f"/verify/{code}")
    assert anybody.get("/verify").status_code == 200
    refused = anybody.get("/verify?code=123")
    assert refused.status_code == 400
    assert "20 letters and digits" in refused.text


def test_tries_are_counted(anybody: Browser) -> None:
    for _ in range(verify.MOST_CHECKS):
        assert anybody.get("/verify/7F3KD0QX2M7F3KD0QX2M").status_code == 404

    assert anybody.get("/verify/7F3KD0QX2M7F3KD0QX2M").status_code == 429


def test_somebody_elses_paper_is_not_there(budi: Browser, world: World) -> None:
    code = code_of(budi)
    siti = employee(world, world.employ(OTHER_NIP, "Siti Aminah"), "siti", budi.app)

    assert siti.get(f"/transcript/papers/{code}/id.pdf").status_code == 404
    assert siti.get(f"/transcript/papers/{code}/credential.jwt").status_code == 404
    assert siti.post(f"/transcript/papers/{code}/revoke", PAGE).status_code == 404
    assert budi.get(f"/transcript/papers/{code}/id.pdf").status_code == 200


def test_papers_are_for_those_who_are_signed_in(anybody: Browser) -> None:
    assert anybody.get(PAGE).status_code == 303
    assert anybody.get("/transcript/papers/7F3KD0QX2M7F3KD0QX2M/id.pdf").status_code == 303


def test_nothing_is_made_without_the_forms_token(budi: Browser) -> None:
    assert budi.client.post(PAGE, base_url="https://hub.example.go.id").status_code == 400
    assert "/en.pdf" not in budi.get(PAGE).text


def test_a_name_is_only_text_on_the_page(db: Database) -> None:
    world, _ = linked_world(db)
    learner = world.employ(OTHER_NIP, "<script>alert(1)</script>")
    app: flask.Flask = create_app(world.hub)
    code = code_of(employee(world, learner, "x", app))

    assert "<script>alert" not in Browser(app).get(f"/verify/{code}").text
