"""Statements that the hub writes itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import xapi

AT = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=7)))
ACTOR = xapi.account("https://hub.example", "p-1")
COURSE = xapi.activity("https://lms.example/course/1", {"id": "Pelayanan Publik", "en": ""})


def test_the_recipe_of_ids_is_frozen() -> None:
    """If this fails, the recipe changed: history would be stored a second time. See docs/decisions/0001."""
    assert xapi.statement_id("csv", "bkn", "7", "https://x/1") == UUID("9822bc6e-c8e0-5b0f-b347-3804c1f32f19")


parts = st.lists(st.text(max_size=6), min_size=2, max_size=5)


@given(parts, parts)
def test_different_records_have_different_ids(one: list[str], other: list[str]) -> None:
    assert (xapi.statement_id(*one) == xapi.statement_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (AT, "2026-03-01T02:30:00.000Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 5000, UTC), "2026-01-01T00:00:00.005Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 5001, UTC), "2026-01-01T00:00:00.005001Z"),
    ],
)
def test_times_are_written_in_utc_and_lose_nothing(at: datetime, text: str) -> None:
    assert xapi.moment(at) == text


def score(**changes: object) -> xapi.Statement:
    said = {
        "id": UUID(int=1), "actor": ACTOR, "object": COURSE, "at": AT, "lineitem": "https://hub.example/li/1",
        "activity_progress": "Completed", "grading_progress": "FullyGraded", "given": 85.0, "maximum": 100,
    }  # fmt: skip
    return xapi.ags_score(**(said | changes))  # type: ignore[arg-type]


def test_an_ags_score_is_a_statement() -> None:
    assert score() == {
        "id": "00000000-0000-0000-0000-000000000001",
        "actor": {"objectType": "Agent", "account": {"homePage": "https://hub.example", "name": "p-1"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en": "scored"}},
        "object": {
            "objectType": "Activity",
            "id": "https://lms.example/course/1",
            "definition": {"type": "http://adlnet.gov/expapi/activities/course", "name": {"id": "Pelayanan Publik"}},
        },
        "result": {"score": {"raw": 85.0, "min": 0, "max": 100}, "completion": True},
        "timestamp": "2026-03-01T02:30:00.000Z",
        "context": {
            "extensions": {
                "urn:wkmb:ags:lineitem": "https://hub.example/li/1",
                "urn:wkmb:ags:activity-progress": "Completed",
                "urn:wkmb:ags:grading-progress": "FullyGraded",
            }
        },
    }


def test_a_score_above_its_maximum_keeps_the_received_value() -> None:
    made = score(given=120.0)

    assert made["result"]["score"] == {"raw": 100, "min": 0, "max": 100}
    assert made["context"]["extensions"]["urn:wkmb:ags:score-given"] == 120.0


def test_a_cleared_score_has_no_score() -> None:
    made = score(given=None, maximum=None, activity_progress="Initialized")

    assert "result" not in made
