"""What is read of times, numbers and contexts, and how scores are ordered: pure, so by tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lti.contexts import Context, parse_context
from hub.lti.idtoken import Person, identity
from hub.lti.numbers import parse_number, to_json
from hub.lti.scores import Decision, Newest, decide
from hub.lti.times import parse_time

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T12:00:00.000Z", NOON),
        ("2026-01-31T12:00:00+00:00", NOON),
        ("2026-01-31T12:00:00+0000", NOON),
        ("2026-01-31T12:00:00+00", NOON),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2026-01-31T19:00:00+07:00", NOON),
        ("2026-01-31T08:30:00-0330", NOON),
        ("2026-01-31T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-01-31T12:00:00,123456789Z", NOON + timedelta(microseconds=123456)),
    ],
)
def test_a_time_with_a_zone_is_read(text: str, at: datetime) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00.Z",
        "0001-01-01T00:00:00+07:00",
        "9999-12-31T23:59:59-07:00",
        "٢٠٢٦-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_time_that_python_writes_is_read(at: datetime) -> None:
    assert parse_time(at.isoformat()) == at


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, "0"),
        (85, "85"),
        (0.1, "0.1"),
        ("85.00000", "85.00000"),
        ("0", "0"),
        ("-3", "-3"),
        (-1.5, "-1.5"),
        (1e-7, "1E-7"),
    ],
)
def test_a_number_is_read_exactly(value: Any, number: str) -> None:
    assert parse_number(value) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [None, True, False, "", " 1", "1 ", "1e5", "1,5", "٣", "0x1", ".5", "5.", "NaN", "9" * 16, [], {}, 10**15, 1e300,
     float("nan"), float("inf")],
)  # fmt: skip
def test_what_is_no_number_is_none(value: Any) -> None:
    assert parse_number(value) is None


@given(st.integers(-(10**12), 10**12) | st.floats(-1e12, 1e12))
def test_a_number_comes_back_as_it_was_sent(value: float) -> None:
    number = parse_number(value)
    assert number is not None
    assert to_json(number) == value


@pytest.mark.parametrize("text", ["1-1", "12-345", "999999999-999999999"])
def test_a_context_is_named_by_its_deployment_and_course(text: str) -> None:
    found = parse_context(text)
    assert found is not None
    assert found.id == text


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "0-1", "01-1", "1-1-1", "1-1\n", "١-1", "9999999999-1", "a-b"])
def test_what_is_no_context_is_none(text: str) -> None:
    assert parse_context(text) is None


def test_two_contexts_of_the_same_numbers_are_one() -> None:
    assert parse_context("3-4") == Context(3, 4)


@pytest.mark.parametrize(
    ("name", "given_name", "family_name"),
    [
        ("Siti Rahma Dewi", "Siti Rahma", "Dewi"),
        ("Dr. Budi Santoso, S.E., M.M.", "Dr. Budi", "Santoso"),
        ("Suharto", "Suharto", None),
        ("  Budi   Santoso ", "Budi", "Santoso"),
    ],
)
def test_names_are_split_before_titles(name: str, given_name: str, family_name: str | None) -> None:
    said = identity(Person(name, None))
    assert (said["name"], said["given_name"], said.get("family_name")) == (name.strip(), given_name, family_name)


@pytest.mark.parametrize(
    ("newest", "at", "digest", "decision"),
    [
        (None, NOON, b"a", Decision.STORE),
        (Newest(NOON, b"a"), NOON, b"a", Decision.REPEATED),
        (Newest(NOON, b"a"), NOON, b"b", Decision.STORE),
        (Newest(NOON, b"a"), NOON + timedelta(microseconds=1), b"b", Decision.STORE),
        (Newest(NOON, b"a"), NOON - timedelta(microseconds=1), b"b", Decision.OLDER),
    ],
)
def test_the_newest_score_holds(newest: Newest | None, at: datetime, digest: bytes, decision: Decision) -> None:
    assert decide(newest, at, digest) is decision
