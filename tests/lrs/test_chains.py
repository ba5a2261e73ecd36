"""Statements that refer to one another in a row, and those with very many keys: what they may cost is bounded."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from lrs import store
from lrs.agents import identifier
from lrs.errors import TooMuch
from lrs.statements import MOST_KEYS
from lrstest import ALICE, COURSE, Store, reference, statement


def chain(length: int) -> list[dict[str, Any]]:
    """A statement, and so many of which each refers to the one before."""
    made = [statement()]
    for _ in range(length):
        made.append(reference(made[-1]["id"]))
    return made


def test_a_chain_is_found_from_its_end_and_no_longer_one_is_taken(lrs: Store) -> None:
    made = chain(store.MOST_IN_A_ROW)
    lrs.save(*made)

    found = lrs.find(activity=COURSE, limit=200)
    with pytest.raises(TooMuch, match=f"more than {store.MOST_IN_A_ROW} statements"):
        lrs.save(reference(made[-1]["id"]))

    assert sorted(found) == sorted(each["id"] for each in made)
    assert len(lrs.find(limit=200)) == len(made)


def test_nor_one_that_came_from_its_end(lrs: Store) -> None:
    made = chain(store.MOST_IN_A_ROW + 1)
    lrs.save(*made[:0:-1])

    with pytest.raises(TooMuch, match=made[0]["id"]):
        lrs.save(made[0])

    assert lrs.get(made[0]["id"]) is None
    assert lrs.find(activity=COURSE) == []


def test_what_one_transaction_writes_for_references_is_bounded(lrs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_INHERITED", 50)
    target = statement()
    lrs.save(target)

    lrs.save(*(reference(target["id"]) for _ in range(5)))
    with pytest.raises(TooMuch, match="Send fewer at once"):
        lrs.save(*(reference(target["id"]) for _ in range(50)))

    assert len(lrs.find(activity=COURSE)) == 6


def test_a_statement_with_thousands_of_keys_is_stored_referred_to_and_voided(lrs: Store) -> None:
    members = [{"mbox": f"mailto:p{number}@example.go.id"} for number in range(3000)]
    activities = [{"id": f"{COURSE}/{number}"} for number in range(3000)]
    big = statement(
        actor={"objectType": "Group", "member": members}, context={"contextActivities": {"other": activities}}
    )
    about = reference(big["id"])
    lrs.save(big, about)
    last = identifier(members[-1])

    found = lrs.find(agent=last)
    lrs.save(reference(big["id"], "voided"))

    assert sorted(found) == sorted((big["id"], about["id"]))
    assert lrs.find(agent=last) == [lrs.find()[0], about["id"]]
    assert lrs.find(activity=activities[-1]["id"], related_activities=True) == [lrs.find()[0], about["id"]]


def test_one_with_more_is_refused(lrs: Store) -> None:
    members = [{"mbox": f"mailto:p{number}@example.go.id"} for number in range(MOST_KEYS + 1)]

    with pytest.raises(TooMuch, match="agents and activities"):
        lrs.save(statement(id=str(uuid4()), actor={**ALICE, "objectType": "Group", "member": members}))
