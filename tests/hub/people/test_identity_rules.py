"""Rules by which a connector's actors are known without anybody linking them."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import HubError
from hub.people import identity, identity_rules
from hub.people.learners import Learner, find_by_nip, import_learners, read_learners
from lrs.database import Database
from recognizedtest import LMS, NIP, OTHER_NIP, World, account, by, course, statement

MAIL = "budi@kkp.example.go.id"


def world_of(db: Database, email: str = MAIL) -> tuple[World, Learner]:
    world = World(db)
    world.offer(course())
    rows = read_learners(f"nip,name,email,status,employer,unit\n{NIP},Budi,{email},PNS,KKP,Pusdatin\n").rows
    db.run(lambda conn: import_learners(conn, world.hub, rows))
    with db.read() as conn:
        learner = find_by_nip(conn, NIP)
    assert learner is not None
    return world, learner


def rule(world: World, kind: str, value: str, connector: str = "asn-unggul") -> bool:
    return world.db.run(lambda conn: identity_rules.add(conn, world.hub, connector, kind, value, by="ani"))


def settle(world: World) -> None:
    while identity_rules.step(world.hub):
        pass
    world.settle()


def mailed(address: str) -> dict[str, Any]:
    return {"objectType": "Agent", "mbox": f"mailto:{address}"}


@pytest.mark.parametrize("rule_first", [True, False])
@pytest.mark.parametrize(("kind", "value", "actor", "earned"), [
    ("nip", LMS, by(NIP), [450]),
    ("nip", LMS, by(OTHER_NIP), []),  # nobody's NIP
    ("nip", LMS, by("4"), []),
    ("nip", LMS, by(NIP, "https://elsewhere.example"), []),  # accounts of another homePage
    ("mail", "kkp.example.go.id", mailed(MAIL), [450]),
    ("mail", "@KKP.example.go.id", mailed("budi@KKP.example.go.id"), [450]),
    ("mail", "example.go.id", mailed(MAIL), []),  # another domain
    ("mail", "kkp.example.go.id", mailed("siti@kkp.example.go.id"), []),
])  # fmt: skip
def test_who_fits_a_rule_is_known(
    db: Database, kind: str, value: str, actor: dict[str, Any], earned: list[int], rule_first: bool
) -> None:
    world, learner = world_of(db)
    if rule_first:
        assert rule(world, kind, value)
    world.receive(statement(actor=actor))
    world.settle()
    assert rule(world, kind, value) is not rule_first
    settle(world)

    assert world.amounts(learner) == earned
    with db.read() as conn:
        assert len(identity.list_unresolved(conn, limit=9)) == (0 if earned else 1)


def test_another_system_cannot_claim_hours_by_writing_a_nip(db: Database) -> None:
    world, learner = world_of(db)
    rule(world, "nip", LMS)

    world.receive(statement(actor=by(NIP)), owner=2)
    settle(world)

    assert world.amounts(learner) == []
    with db.read() as conn:
        assert [each.who for each in identity.list_unresolved(conn, limit=9)] == [account(NIP)]


def test_what_somebody_unlinked_is_not_linked_again(db: Database) -> None:
    world, learner = world_of(db)
    rule(world, "nip", LMS)
    world.receive(statement(actor=by(NIP)))
    settle(world)
    assert world.amounts(learner) == [450]

    world.unlink(account(NIP))
    with db.write() as conn:
        identity_rules.look_again(conn)
    world.receive(statement(actor=by(NIP), timestamp="2026-05-01T09:00:00+07:00"))
    settle(world)

    assert world.amounts(learner) == [450, -450]


def test_two_people_with_one_address_are_left_to_a_person_and_who_comes_later_is_known_then(db: Database) -> None:
    world, learner = world_of(db)
    rule(world, "mail", "kkp.example.go.id")
    rule(world, "nip", LMS)
    twin = f"nip,name,email,status,employer,unit\n{OTHER_NIP},Budi,{MAIL},PNS,KKP,Pusdatin\n"
    world.receive(statement(actor=by(OTHER_NIP)))
    world.settle()

    db.run(lambda conn: import_learners(conn, world.hub, read_learners(twin).rows))
    world.receive(statement(actor=mailed(MAIL)))
    settle(world)

    with db.read() as conn:
        second = find_by_nip(conn, OTHER_NIP)
        assert second is not None
        assert [each.who.kind for each in identity.list_unresolved(conn, limit=9)] == ["mbox"]
    assert (world.amounts(learner), world.amounts(second)) == ([], [450])


def test_a_rule_is_taken_away_and_whom_it_linked_stays(db: Database) -> None:
    world, learner = world_of(db)
    rule(world, "nip", LMS)
    world.receive(statement(actor=by(NIP)))
    settle(world)

    assert db.run(lambda conn: identity_rules.remove(conn, world.hub, "asn-unggul", "nip", LMS, by="ani"))
    assert not db.run(lambda conn: identity_rules.remove(conn, world.hub, "asn-unggul", "nip", LMS, by="ani"))
    settle(world)

    assert world.amounts(learner) == [450]


@pytest.mark.parametrize(("kind", "value", "connector"), [
    ("nip", "no address", "asn-unggul"), ("nip", "", "asn-unggul"), ("mail", "nodots", "asn-unggul"),
    ("mail", "a@b.example", "asn-unggul"), ("nip", LMS, "nobody"),
])  # fmt: skip
def test_what_is_no_rule_is_refused(db: Database, kind: str, value: str, connector: str) -> None:
    with pytest.raises(HubError):
        rule(World(db), kind, value, connector)
