"""Two transactions at once: neither a void nor a reference nor an id is missed between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lrs import agents
from lrs.errors import Conflict
from lrstest import BUDI, Store, reference, statement
from wkmbtest.databases import LANES

# Few, because PostgreSQL takes a second to see that two transactions wait for each other.
ROUNDS = 6


@pytest.fixture(params=LANES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Partitioned too."""
    return str(request.param)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Start all of them in the same moment; what each gave, or the refusal it raised."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except Conflict as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_a_target_and_its_void_find_each_other(lrs: Store) -> None:
    for _ in range(ROUNDS):
        target = statement()
        void = reference(target["id"], "voided")

        at_once(lambda target=target: lrs.save(target), lambda void=void: lrs.save(void))

        stored = lrs.get(target["id"])
        assert stored is not None
        assert str(stored.voided_by) == void["id"]
        assert target["id"] not in lrs.find(limit=10)


def test_a_chain_that_comes_at_once_is_found_from_its_end(lrs: Store) -> None:
    budi = agents.identifier(BUDI)
    wanted: set[str] = set()
    for _ in range(ROUNDS):
        target = statement(actor=BUDI)
        first = reference(target["id"])
        second = reference(first["id"])
        third = reference(second["id"])

        at_once(*(lambda each=each: lrs.save(each) for each in (target, first, second, third)))

        wanted |= {each["id"] for each in (target, first, second, third)}
    assert set(lrs.find(agent=budi, limit=1000)) == wanted


def test_a_reference_that_is_voided_while_its_target_comes_stays_off_the_lists(lrs: Store) -> None:
    for _ in range(ROUNDS):
        target = statement(actor=BUDI)
        referring = reference(target["id"])
        lrs.save(referring)
        void = reference(referring["id"], "voided")

        at_once(lambda target=target: lrs.save(target), lambda void=void: lrs.save(void))

        assert referring["id"] not in lrs.find(agent=agents.identifier(BUDI), limit=1000)
        assert void["id"] in lrs.find(agent=agents.identifier(BUDI), limit=1000)


@pytest.mark.parametrize("same", [True, False])
def test_one_id_is_stored_once(lrs: Store, same: bool) -> None:
    for _ in range(ROUNDS):
        given = statement(result={"response": "0"})
        others = [given if same else {**given, "result": {"response": str(number)}} for number in range(4)]

        results = at_once(*(lambda each=each: lrs.save(statement(), each) for each in others))

        refused = [each for each in results if isinstance(each, Conflict)]
        stored = [each for each in results if not isinstance(each, Conflict)]
        assert len(refused) == (0 if same else 3)
        assert sum(len(each.repeated) == 0 for each in stored) == 1


def test_batches_over_the_same_ids_do_not_deadlock_for_ever(lrs: Store) -> None:
    batch = [statement() for _ in range(20)]

    results = at_once(*(lambda n=n: lrs.save(*(batch if n % 2 else batch[::-1])) for n in range(4)))

    assert sum(len(each.new) for each in results) == 20
