"""The PDF of a paper: both languages, tagged, the same bytes each time, and nothing in it is read as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import flask
import pytest
from flask_babel import Babel

from hub.papers import transcript_pdf
from hub.papers.transcripts import Line, Paper, Said

URL = "https://hub.example.go.id/verify/7F3KD0QX2M7F3KD0QX2M"
JAKARTA = ZoneInfo("Asia/Jakarta")

LINE = Line(
    1, date(2026, 3, 2), "https://lms.example/1", "Keamanan Informasi", "Information Security", "KL03", "Pelatihan",
    "Training", 450,
)  # fmt: skip
SAID = Said(
    name="Budi Santoso",
    nip="198501012010011001",
    status="PNS",
    employer="Kementerian",
    unit="Pusdatin",
    year=2026,
    policy="perlan-10-2018",
    policy_digest="ab" * 32,
    policy_id="Peraturan LAN 10/2018",
    policy_en="LAN Regulation 10/2018",
    target_centi=2000,
    target_source="PP 11/2017",
    credited_centi=450,
    recognized_centi=450,
    lines=(LINE,),
)
PAPER = Paper(
    UUID(int=7), "7F3KD0QX2M7F3KD0QX2M", 1, b"\x07" * 32, SAID, datetime(2026, 11, 24, 3, tzinfo=UTC), None
)  # fmt: skip


@pytest.fixture(autouse=True)
def _in_an_application() -> Iterator[None]:
    app = flask.Flask("hub")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app)
    with app.app_context():
        yield


def render(paper: Paper = PAPER, language: str = "en") -> bytes:
    return transcript_pdf.render(paper, language, URL, JAKARTA)


@pytest.mark.parametrize("language", transcript_pdf.LANGUAGES)
def test_it_is_tagged_for_screen_readers_in_its_own_language(language: str) -> None:
    found = render(language=language)

    assert found.startswith(b"%PDF-1.7")
    assert b"<pdfuaid:part>1</pdfuaid:part>" in found
    assert f"<dc:language><rdf:Bag><rdf:li>{language}</rdf:li>".encode() in found
    assert b"/StructTreeRoot" in found


def test_the_same_paper_gives_the_same_bytes() -> None:
    assert render() == render()


def test_a_long_year_goes_on_over_pages() -> None:
    lines = tuple(replace(LINE, position=number) for number in range(1, 121))

    found = render(replace(PAPER, said=replace(SAID, lines=lines)))

    assert len(re.findall(rb"/Type\s*/Page\b", found)) > 2


@pytest.mark.parametrize(
    "text",
    [
        '#panic("read as code")',
        '#read("/etc/passwd") #import "@preview/x:0.1.0"',
        "*bold* _it_ $x^2$ `raw` <label> @ref \\ // /* */ [ ] { }",
        '"quoted" \\u{41} \\" end',
        "李小龙 😀 ﷺ \u200b \x00 \x1f \ud7ff ꦗꦮ",
        "A" * 200,
        "",
    ],
)
def test_whatever_a_name_holds_is_text(text: str) -> None:
    said = replace(SAID, name=text, unit=text, lines=(replace(LINE, title_en=text, form_en=text),))

    assert render(replace(PAPER, said=said)).startswith(b"%PDF")


def test_signs_that_the_fonts_lack_are_shown_as_boxes() -> None:
    assert transcript_pdf.printable({"a": ["Jōgjå 李", 1]}) == {"a": ["Jōgjå □", 1]}


@pytest.mark.parametrize(
    "said",
    [
        replace(SAID, lines=(), recognized_centi=0, credited_centi=0),
        replace(SAID, target_centi=None, target_source=""),
        replace(SAID, recognized_centi=3000, credited_centi=2000),
    ],
    ids=["nothing recognized", "no obligation", "a ceiling"],
)
def test_every_kind_of_year_has_a_paper(said: Said) -> None:
    assert render(replace(PAPER, said=said)).startswith(b"%PDF")


def test_the_qr_code_is_drawn_and_leads_nowhere_else() -> None:
    svg = transcript_pdf.qr_svg(URL)

    assert svg.startswith("<svg")
    assert "href" not in svg
    assert svg != transcript_pdf.qr_svg(URL + "X")
