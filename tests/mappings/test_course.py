"""A course row is taken whole or refused with line, column, reason and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import shipped
from mappings.course import (
    COLUMNS,
    PROBLEMS,
    Ambiguous,
    Catalogue,
    Course,
    CourseError,
    CourseRefused,
    parse_course,
    read_courses,
)
from mappings.policy import Policy

PERLAN = shipped.policy("perlan-10-2018")

ROW = {
    "id": "https://lms.example/course/3",
    "provider": "lms",
    "title_id": "Pelatihan teknis",
    "form": "KL03",
    "scope": "national",
    "programme_jp": "24",
}
HEADER = ",".join(COLUMNS)


def test_a_whole_row_is_read(policy: Policy) -> None:
    row = {
        **ROW,
        "aliases": "COURSE-3; https://lms.example/old/3 ;COURSE-3",
        "provider": "lms;bkn",
        "title_en": "Technical training",
        "programme_jp": "4.5",
        "minutes": "270",
        "days": "2",
        "requires": "passed;completed",
        "min_score": "0.6",
        "repeat": "yearly",
        "valid_from": "2026-01-01",
        "valid_until": "2026-12-31",
        "launch_url": "https://lms.example/lti",
        "deployment": "kkp",
        "custom": "id=7f;mode=full",
        "competencies": "Integritas:3;Kerja sama",
    }

    course = parse_course(row, 2, policy)

    assert isinstance(course, Course)
    assert course.aliases == ("COURSE-3", "https://lms.example/old/3")
    assert (course.provider, course.sources) == ("lms", ("bkn",))
    assert (course.programme_centi_jp, course.minutes, course.days) == (450, 270, 2)
    assert course.requires == ("completed", "passed")
    assert course.min_score == 600_000
    assert course.custom == (("id", "7f"), ("mode", "full"))
    assert [(c.name, c.level) for c in course.competencies] == [("Integritas", 3), ("Kerja sama", None)]
    assert len(course.digest) == 64


def test_what_is_left_out_has_a_default(policy: Policy) -> None:
    course = parse_course(ROW, 2, policy)

    assert isinstance(course, Course)
    assert (course.days, course.repeat, course.requires, course.launch_url) == (1, "once", (), "")


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [
        ("id", "", "missing"),
        ("id", "course 3", "not_an_iri"),
        ("id", "course-3", "not_an_iri"),
        ("provider", "", "missing"),
        ("title_id", "", "missing"),
        ("form", "", "unknown"),
        ("form", "KL99", "unknown"),
        ("form", "kl03", "unknown"),
        ("scope", "", "unknown"),
        ("scope", "abroad", "unknown"),
        ("programme_jp", "", "missing"),
        ("programme_jp", "4,5", "not_a_number"),
        ("programme_jp", "4.555", "not_a_number"),
        ("programme_jp", "1e3", "not_a_number"),
        ("programme_jp", "0", "out_of_range"),
        ("programme_jp", "-4", "out_of_range"),
        ("minutes", "4.5", "not_a_number"),
        ("minutes", "-1", "out_of_range"),
        ("days", "0", "out_of_range"),
        ("days", "400", "out_of_range"),
        ("requires", "completed;applause", "unknown"),
        ("min_score", "60", "out_of_range"),
        ("min_score", "sixty", "not_a_number"),
        ("repeat", "always", "unknown"),
        ("valid_from", "2026-02-30", "not_a_date"),
        ("valid_from", "01/02/2026", "not_a_date"),
        ("valid_until", "20261231", "not_a_date"),
        ("launch_url", "lms.example", "not_a_url"),
        ("launch_url", "javascript:alert(1)", "not_a_url"),
        ("launch_url", "https://[", "not_a_url"),
        ("custom", "novalue", "not_a_pair"),
        ("custom", "a=1;a=2", "twice"),
        ("competencies", "Integritas:9", "not_a_level"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_column(column: str, text: str, code: str, policy: Policy) -> None:
    found = parse_course({**ROW, column: text}, 7, policy)

    assert isinstance(found, CourseRefused)
    (problem,) = found.problems
    assert problem.code in PROBLEMS
    assert (problem.line, problem.column, problem.code) == (7, column, code)
    assert problem.reason
    assert problem.action


def test_all_problems_of_a_row_are_told_at_once(policy: Policy) -> None:
    found = parse_course({**ROW, "form": "X", "days": "0", "repeat": "daily"}, 2, policy)

    assert isinstance(found, CourseRefused)
    assert [problem.column for problem in found.problems] == ["form", "days", "repeat"] or {
        problem.column for problem in found.problems
    } == {"form", "days", "repeat"}


def test_a_form_that_has_no_rule_abroad_is_refused_there(policy: Policy) -> None:
    found = parse_course({**ROW, "form": "KL01", "scope": "international"}, 2, policy)

    assert isinstance(found, CourseRefused)
    assert [problem.code for problem in found.problems] == ["no_rule"]
    assert "KL01 has no international rule in perlan-10-2018" in str(found.problems[0])


def test_dates_that_end_before_they_begin_are_refused(policy: Policy) -> None:
    found = parse_course({**ROW, "valid_from": "2026-03-02", "valid_until": "2026-03-01"}, 2, policy)

    assert isinstance(found, CourseRefused)
    assert [problem.code for problem in found.problems] == ["ends_before_begin"]


# -- whole files


def test_a_file_with_missing_trailing_columns_is_read(policy: Policy) -> None:
    found = read_courses(
        "id,aliases,provider,title_id,title_en,form,scope,programme_jp\n"
        "https://a/1,,lms,Satu,,KL03,national,8\n"
        "https://a/2,,lms,Dua,,NKL03,national\n",
        policy,
    )

    assert found.problems == ()
    assert [course.id for course in found.courses] == ["https://a/1", "https://a/2"]


def test_a_wrong_row_leaves_the_good_ones(policy: Policy) -> None:
    found = read_courses(
        f"\ufeff{HEADER}\nhttps://a/1,,lms,Satu,,KL03,national,8\nhttps://a/2,,lms,Dua,,KL99,national,8\n", policy
    )

    assert [course.id for course in found.courses] == ["https://a/1"]
    assert [(problem.line, problem.column) for problem in found.problems] == [(3, "form")]


@pytest.mark.parametrize(
    ("text", "column", "code"),
    [
        ("id,provider\n", "aliases", "missing_column"),
        (f"{HEADER},points\n", "points", "unknown_column"),
        (f"{HEADER},id\n", "header", "twice"),
        ("", "id", "missing_column"),
        (f"{HEADER}\n" + ",".join(["x"] * 25) + "\n", "row", "too_many_cells"),
        (f'{HEADER}\n"unclosed\n', "row", "not_csv"),
        (
            f"{HEADER}\nhttps://a/1,,lms,Satu,,KL03,national,8\nhttps://a/1,,lms,Satu,,KL03,national,9\n",
            "id",
            "twice",
        ),
        (
            f"{HEADER}\nhttps://a/1,C-1,lms,Satu,,KL03,national,8\nhttps://a/2,C-1,lms,Dua,,KL03,national,9\n",
            "aliases",
            "ambiguous",
        ),
    ],
)
def test_a_wrong_file_says_where(text: str, column: str, code: str, policy: Policy) -> None:
    found = read_courses(text, policy)

    assert (found.problems[0].column, found.problems[0].code) == (column, code)


def test_the_same_alias_of_two_providers_is_no_problem(policy: Policy) -> None:
    found = read_courses(
        f"{HEADER}\nhttps://a/1,C-1,lms,Satu,,KL03,national,8\nhttps://a/2,C-1,bkn,Dua,,KL03,national,9\n", policy
    )

    assert len(found.courses) == 2
    assert not found.problems


# -- versions and the catalogue


def test_any_change_is_another_version(policy: Policy) -> None:
    one, other = (parse_course({**ROW, "programme_jp": jp}, 2, policy) for jp in ("24", "25"))

    assert isinstance(one, Course)
    assert isinstance(other, Course)
    assert one.digest != other.digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', "nonsense"])
def test_what_is_no_stored_course_is_refused(text: str) -> None:
    with pytest.raises(CourseError):
        Course.from_json(text)


def course(identifier: str, provider: str = "lms", aliases: tuple[str, ...] = (), **more: Any) -> Course:
    return Course(identifier, provider, "Judul", "", "KL03", "national", aliases, programme_centi_jp=800, **more)


def test_an_id_is_found_from_everywhere_and_an_alias_in_its_providers_statements() -> None:
    a = course("https://a/1", aliases=("C-1",))
    catalogue = Catalogue([a])

    assert catalogue.match("https://a/1", (), "other") == a
    assert catalogue.match("https://x", ("C-1",), "lms") == a
    assert catalogue.match("https://x", ("C-1",), "other") is None
    assert catalogue.match("https://x", ("C-1",), None) is None
    assert catalogue.elsewhere("https://x", ("C-1",)) == a


def test_a_key_of_two_courses_names_none() -> None:
    catalogue = Catalogue([course("https://a/1", aliases=("C-1",)), course("https://a/2", aliases=("C-1",))])

    assert catalogue.match("https://x", ("C-1",), "lms") == Ambiguous(("https://a/1", "https://a/2"))


def test_courses_linked_by_addresses_are_one_and_numbers_link_nothing() -> None:
    catalogue = Catalogue(
        [
            course("https://a/1", aliases=("https://shared/9", "C-1")),
            course("https://b/1", "bkn", aliases=("https://shared/9",)),
            course("https://c/1", "kms", aliases=("https://b/1",)),
            course("https://d/1", "ut", aliases=("C-1",)),
        ]
    )

    assert {catalogue.same_as(f"https://{name}/1") for name in "abc"} == {"https://a/1"}
    assert catalogue.same_as("https://d/1") == "https://d/1"


lines = st.lists(
    st.sampled_from(["https://a/1", "C-1", "lms", "Satu", "KL03", "national", "8", "", ";", "0.6", '"', "\x00", "\r"]),
    max_size=24,
).map(",".join)


@given(st.lists(lines, max_size=5))
def test_any_file_is_read_or_refused_and_never_breaks(rows: list[str]) -> None:
    found = read_courses("\n".join([HEADER, *rows]), PERLAN)

    assert all(isinstance(course, Course) for course in found.courses)
    assert {problem.code for problem in found.problems} <= set(PROBLEMS)
    assert all(problem.reason and problem.action and problem.line >= 1 for problem in found.problems)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read_courses(text, PERLAN).courses == ()
