"""The ledger as it is read, and the chain that each entry is a part of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hub.jp import ledger
from hub.tables import entries
from lrs.database import Database
from mappings.evaluate import Pending, Waiting
from recognizedtest import SERVICE, World, course, linked_world, statement, voiding

LEARNER = UUID(int=7)
ROW: dict[str, Any] = {
    "learner": LEARNER,
    "position": 1,
    "key": b"k" * 32,
    "policy": "perlan-10-2018",
    "policy_digest": "d",
    "course": "https://lms.example/1",
    "course_digest": "c",
    "form": "KL03",
    "period": "once",
    "on": date(2026, 3, 2),
    "year": 2026,
    "centi_jp": 450,
    "content": "x",
    "document": "[]",
    "reverses": None,
    "cause": None,
    "recorded_at": datetime(2026, 3, 3, 1, 2, 3, 456789, tzinfo=UTC),
}


@given(st.uuids(), st.integers(1, 10**8))
def test_an_entry_s_name_says_whose_and_which_it_is(learner: UUID, position: int) -> None:
    assert ledger.parse_entry_id(ledger.entry_id(learner, position)) == (learner, position)


@given(st.text())
def test_whatever_is_typed_is_a_name_or_none(text: str) -> None:
    found = ledger.parse_entry_id(text)

    assert found is None or isinstance(found[0], UUID)


@pytest.mark.parametrize("name", sorted(ROW))
def test_the_chain_covers_everything_that_an_entry_says(name: str) -> None:
    other = {
        "learner": uuid4(),
        "key": b"o" * 32,
        "on": date(2026, 3, 3),
        "recorded_at": ROW["recorded_at"] + timedelta(microseconds=1),
    }
    changed = ROW | {name: other.get(name, 8 if isinstance(ROW[name], int | None) else "other")}

    assert ledger.chained(b"", changed) != ledger.chained(b"", ROW)


def test_the_chain_covers_the_entry_before() -> None:
    assert ledger.chained(b"", ROW) != ledger.chained(b"before", ROW)


def test_the_same_moment_in_another_zone_is_the_same_in_the_chain() -> None:
    local = ROW["recorded_at"].astimezone(timezone(timedelta(hours=7)))

    assert ledger.chained(b"", ROW | {"recorded_at": local}) == ledger.chained(b"", ROW)


def test_the_recipe_of_the_chain_is_frozen() -> None:
    """Ledgers that exist were made by it."""
    assert ledger.chained(b"", ROW).hex() == "39a5905e31651302adce3a790ea8161bd08ee3e0630f5467794825a9fd0cae23"
    assert (
        ledger.key("p", "c", "2026", "x", 1).hex() == "6bf908eaefc6036259ad74c2029f78c8d6b1e0ee346271df9caab96cb37f0d84"
    )


def test_what_is_pending_reads_back_as_it_was() -> None:
    found = Pending("c", ("passed",), (Waiting("superseded", {"by": "s2"}, ("s1",)),))

    assert ledger.parse_pending("c", ledger.pending_document(found)) == found


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "1", "null", '["a","b","c","d","e",5,1,[],[]]'])
def test_a_reasoning_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
        ledger.Document.parse(text)


def eventful(db: Database) -> tuple[World, Any]:
    world, learner = linked_world(db, course(), course(SERVICE, title_id="Pelayanan"))
    said = statement()
    world.receive(said, statement(object=SERVICE, timestamp="2025-12-31T23:30:00+07:00"))
    world.settle()
    world.receive(voiding(said["id"]))
    world.settle()
    return world, learner


def test_an_entry_is_found_by_its_name_and_knows_that_it_was_taken_back(db: Database) -> None:
    world, learner = eventful(db)
    found = world.entries(learner)

    assert [(each.centi_jp, each.year, each.is_reversed) for each in found] == [
        (450, 2025, False),
        (450, 2026, True),
        (-450, 2026, False),
    ]
    with db.read() as conn:
        assert [ledger.get(conn, each.id) for each in found] == list(found)
        assert ledger.find_reversal(conn, found[1]) == found[2]
        assert ledger.find_reversal(conn, found[0]) is None
        assert ledger.get(conn, ledger.entry_id(learner.id, 9)) is None
        assert ledger.years_of(conn, learner.id) == (2026, 2025)


def test_a_year_is_that_of_the_local_day_of_the_event(db: Database) -> None:
    world, learner = eventful(db)

    assert world.year(learner, 2025).recognized_centi == 450
    assert world.year(learner, 2026).recognized_centi == 0
    assert len(world.year(learner, 2026).entries) == 2


def test_a_year_has_its_target_and_policy(db: Database) -> None:
    world, learner = eventful(db)
    year = world.year(learner)

    assert year.target is not None
    assert (year.target.centi_jp, year.policy.name, year.planned_centi) == (2000, "perlan-10-2018", 0)
    assert year.learner == learner


def test_an_entry_cannot_be_entered_twice(db: Database) -> None:
    world, learner = eventful(db)
    with db.read() as conn:
        first = dict(conn.execute(sa.select(entries).where(entries.c.position == 1)).one()._mapping)

    with pytest.raises(sa.exc.IntegrityError), db.write() as conn:
        ledger.append(conn, [first | {"position": 4}])
    assert len(world.entries(learner)) == 3
