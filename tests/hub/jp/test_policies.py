"""Which policy is official in which year, and that a known one never changes."""

from __future__ import annotations

from datetime import datetime

import pytest

from hub.jp import policies
from hub.jp.policies import Activation, name_in
from hub.tables import policies as table
from hub.tables import policy_activations
from lrs.database import Database
from mappings import shipped
from mappings.policy import PolicyError
from recognizedtest import World, course, linked_world, replayed, statement

AT = datetime(2026, 1, 1)  # noqa: DTZ001  # never compared or stored
NAME = "perlan-10-2018"


def renamed(name: str, *changes: tuple[str, str]) -> str:
    text = shipped.policy_text(NAME).replace(f"policy: {NAME}", f"policy: {name}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def made(*activations: tuple[str, int]) -> tuple[Activation, ...]:
    return tuple(Activation(policy, year, AT, "ani") for policy, year in activations)


@pytest.mark.parametrize(
    ("activations", "year", "expected"),
    [
        ((), 2026, NAME),
        ((("a", 2019),), 2010, "a"),
        ((("a", 2019), ("b", 2026)), 2025, "a"),
        ((("a", 2019), ("b", 2026)), 2026, "b"),
        ((("a", 2019), ("b", 2026), ("a", 2024)), 2027, "a"),
        ((("a", 2019), ("b", 2019)), 2010, "b"),
        ((("b", 2026), ("a", 2019)), 2027, "a"),
    ],
)
def test_the_newest_activation_that_has_begun_holds(
    activations: tuple[tuple[str, int], ...], year: int, expected: str
) -> None:
    assert name_in(made(*activations), year) == expected


def test_a_fresh_hub_has_the_shipped_policy(db: Database) -> None:
    world = World(db)
    with db.read() as conn:
        assert world.hub.policies.active(conn, 2026).digest == shipped.policy(NAME).digest
        assert [each.name for each in world.hub.policies.in_force(conn)] == [NAME]


def test_a_policy_is_parsed_once(db: Database) -> None:
    world = World(db)
    with db.read() as conn:
        assert world.hub.policies.named(conn, NAME) is world.hub.policies.named(conn, NAME)
    assert world.hub.policies.vocabulary("moodle") is world.hub.policies.vocabulary("moodle")
    assert world.hub.policies.vocabulary("no such").name == "default"


def test_an_added_policy_can_be_activated(db: Database) -> None:
    world = World(db)
    text = renamed("perlan-1-2027")
    with db.write() as conn:
        assert policies.add(conn, text, now=world.clock()).name == "perlan-1-2027"
        assert policies.add(conn, text, now=world.clock()).name == "perlan-1-2027"
    replayed(world, "perlan-1-2027")
    with db.write() as conn:
        policies.activate(conn, world.hub.policies, "perlan-1-2027", 2027, by="ani", now=world.clock())

    with db.read() as conn:
        found = world.hub.policies
        assert found.active(conn, 2026).name == NAME
        assert found.active(conn, 2027).name == "perlan-1-2027"
        assert [each.name for each in found.in_force(conn)] == [NAME, "perlan-1-2027"]
        assert [(each.policy.name, each.is_shipped) for each in found.list_all(conn)] == [
            (NAME, True),
            ("perlan-1-2027", False),
        ]


def test_a_known_policy_never_changes(db: Database) -> None:
    world = World(db)
    with db.write() as conn:
        policies.add(conn, renamed("perlan-1-2027"), now=world.clock())
        for text in (renamed("perlan-1-2027") + "\n# other\n", renamed(NAME) + "\n# other\n"):
            with pytest.raises(policies.PolicyExists, match="new name"):
                policies.add(conn, text, now=world.clock())
        with pytest.raises(PolicyError):
            policies.add(conn, "policy: x\n", now=world.clock())
    assert world.count(table) == 1


def test_an_unknown_policy_cannot_be_activated(db: Database) -> None:
    world = World(db)
    before = world.count(policy_activations)
    with db.write() as conn, pytest.raises(policies.PolicyUnknown, match="no policy perlan-9-2099"):
        policies.activate(conn, world.hub.policies, "perlan-9-2099", 2027, by="ani", now=world.clock())
    assert world.count(policy_activations) == before


def test_two_activations_at_once_both_stand(db: Database) -> None:
    world = World(db)
    before = world.count(policy_activations)
    for year in (2026, 2027, 2028):
        with db.write() as conn:
            policies.activate(conn, world.hub.policies, NAME, year, by="ani", now=world.clock())

    with db.read() as conn:
        assert [each.from_year for each in policies.list_activations(conn)][before:] == [2026, 2027, 2028]


def test_another_policy_has_a_ledger_of_its_own(db: Database) -> None:
    """The balance of a year is the ledger of the policy that is official in it; the other one is left as it is."""
    world, learner = linked_world(db, course(form="NKL01", programme_centi_jp=None))
    world.receive(statement())
    world.settle()
    with db.write() as conn:
        policies.add(conn, renamed("double", DOUBLED), now=world.clock())
    replayed(world, "double")
    with db.write() as conn:
        policies.activate(conn, world.hub.policies, "double", 2026, by="ani", now=world.clock())

    found = world.entries(learner)
    assert [(each.policy, each.centi_jp, each.is_reversed) for each in found] == [
        (NAME, 200, False),
        ("double", 400, False),
    ]
    assert world.year(learner).recognized_centi == 400
    assert world.year(learner, 2025).policy.name == NAME


DOUBLED = ("per_session, jp: [{from: 2019-01-01, value: 2}]", "per_session, jp: [{from: 2019-01-01, value: 4}]")
