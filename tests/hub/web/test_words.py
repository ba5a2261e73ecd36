"""Every code has words, every text takes the values that come with its code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import flask
import pytest
from flask_babel import Babel
from ruamel.yaml import YAML

from connectors import xapi
from connectors.checks import check_clock
from hub.web import development_texts, sources, words
from mappings import certification
from mappings import codes as mappings_codes
from mappings.rules import Check

FAMILIES = {
    "reason": words.reasons,
    "waiting": words.waitings,
    "outcome": words.outcomes,
    "check": words.checks,
    "check_outcome": words.check_outcomes,
    "proof": words.proofs,
    "repeat": words.repeats,
    "scope": words.scopes,
    "confirmed": words.confirmed_marks,
    "rtl_refusal": development_texts.rtl_refusals,
    "rtl_step": development_texts.rtl_steps,
    "certification_standing": development_texts.certification_standings,
    "certification_decision": development_texts.certification_decisions,
    "competency_standing": development_texts.competency_standings,
    "certification_refusal": development_texts.certification_refusals,
    "certification_fate": development_texts.certification_fates,
}
CODES = {**mappings_codes.CODES, "rtl_step": mappings_codes.CODES["rtl_state"]}


@pytest.fixture(params=["id", "en"], autouse=True)
def language(request):
    app = flask.Flask("words")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(Path(words.__file__).parents[1] / "translations")
    Babel(app, default_locale=request.param)
    with app.test_request_context():
        yield request.param


@pytest.mark.parametrize("family", FAMILIES)
def test_every_code_of_a_family_has_words_and_no_other(family):
    table = FAMILIES[family]()

    assert set(table) == set(CODES[family])
    assert all(table.values())


def test_a_plan_has_words_for_each_state_and_for_what_is_next():
    assert set(development_texts.rtl_states()) == {*CODES["rtl_state"], "asked"} == set(development_texts.MARKS)
    assert set(development_texts.reminders()) == {*CODES["rtl_reminder"], "renew"}


@pytest.mark.parametrize("code", CODES["check"])
def test_every_step_of_an_hour_can_be_told(code):
    step = Check(code, "met", "2", "1", "2026-03-01")

    assert words.check_title(step) in words.check_sentence(step)
    assert "%(" not in words.check_sentence(step)


def test_who_reported_goes_by_the_titles_of_institutions(language):
    step = Check("source", "met", "lms;hub", "lms")

    found = words.check_found(step, {"lms": "Balai Contoh"})

    assert found == {"en": "Balai Contoh, this hub", "id": "Balai Contoh, hub ini"}[language]
    assert words.check_against(step, {"lms": "Balai Contoh"}) == "Balai Contoh"
    assert words.check_found(step).startswith("lms, ")


def test_a_value_that_did_not_come_shows_and_breaks_no_page():
    assert "?" in words.reason("voided", {})


def test_a_code_that_nobody_knows_is_shown_as_it_is():
    assert words.outcome("brand_new", {}) == "brand_new"
    assert words.check_title(Check("brand_new", "met", "1")) == "brand_new"


def test_what_is_missing_is_named_in_words(language):
    told = words.outcome("missing_evidence", {"missing": "passed;certificate"})

    assert "passed" not in told
    assert words.proofs()["certificate"] in told


def test_numbers_and_days_are_written_as_the_reader_writes_them(language):
    assert words.jp(450) == ("4,5" if language == "id" else "4.5")
    assert words.jp(None) == "–"
    assert words.day("2026-03-01") == ("1 Maret 2026" if language == "id" else "1 March 2026")
    assert words.day("2026-03") == ("Maret 2026" if language == "id" else "March 2026")
    assert words.day("not a day") == "not a day"
    assert re.fullmatch("85\u00a0?%", words.share("0.85"))


def test_a_pass_is_proved_by_a_day_or_by_a_score(language):
    assert words.check_found(Check("passed", "met", "0.72", "0.6", "2026-03-01")).startswith("72")
    assert "2026" in words.check_found(Check("passed", "met", "2026-03-01"))


@pytest.mark.parametrize(
    ("said", "in_english", "in_indonesian"),
    [("PT2H15M", "2 h 15 min", "2 jam 15 menit"), ("PT45M", "45 min", "45 menit"), ("PT8S", "8 s", "8 detik")],
)
def test_durations_are_told_in_hours_and_minutes(language, said, in_english, in_indonesian):
    assert words.duration(said) == (in_english if language == "en" else in_indonesian)


@pytest.mark.parametrize(
    ("object", "told"),
    [("4 courses", "4"), ("policy:perlan", "perlan"), ("2 x y", "2 x y"), ("kms-contoh", "kms-contoh")],
)
def test_a_thing_is_named_without_its_kind(object, told):
    assert words.thing(object) == told


def test_a_duration_without_a_fixed_length_stays_as_it_was_said():
    assert words.duration("P1M") == "P1M"


def references(node: Any) -> Iterator[str]:
    """Every legal source that a document names."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if name == "reference":
            yield value
        else:
            yield from references(value)


def test_sources_of_shipped_documents_are_told_in_the_readers_language(language):
    yaml = YAML(typ="safe", pure=True)
    documents = [yaml.load(path.read_text("utf-8")) for path in (files("mappings") / "policies").iterdir()]
    said = {each for document in documents for each in references(document)}

    # The English of a lazy sentence is the sentence itself.
    if language == "en":
        assert said == {str(each) for each in sources.SHIPPED}
    assert {sources.source(each) == each for each in said if "at least" in each} == {language == "en"}
    assert sources.source("Peraturan Menteri Nomor 1") == "Peraturan Menteri Nomor 1"
    assert sources.source("") == ""


def test_a_check_of_a_connection_falls_back_to_its_own_sentence():
    found = check_clock(None, None)

    assert words.connection_reason(found.reason, found.detail) == words.connection_reasons()["no_date"]
    assert words.connection_reason("brand_new", "Its own sentence.") == "Its own sentence."


#: How acts are written down in the code: journal.record(… action="tool.add"), or a module's own _record and _note.
ACTED = re.compile(r"""action="([a-z]+\.[a-z.-]+)"|_?(?:record|note)\(conn, hub, "([a-z]+\.[a-z.-]+)\"""")


def test_the_journal_has_words_for_everything_that_the_hub_writes_down():
    found = {
        one or other
        for file in sorted(Path(words.__file__).parents[1].rglob("*.py"))
        for one, other in ACTED.findall(file.read_text())
    }

    assert len(found) > 35, "acts are written down in another way now"
    assert found - set(words.actions()) == set()


SPOKEN = [*xapi.VERBS.values(), *certification.VERBS, certification.CERTIFIED]


@pytest.mark.parametrize("verb", SPOKEN)
def test_a_verb_that_the_hub_writes_or_reads_of_certifications_has_words(verb):
    assert words.verb(verb, "") != verb
