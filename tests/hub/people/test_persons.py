"""Two learners that are one person, and back."""

from __future__ import annotations

from uuid import UUID

import pytest

from hub.access import accounts
from hub.errors import HubError, Refused
from hub.jp import audit
from hub.people import identity, learners, persons
from hub.people.learners import Learner
from hub.tables import inbox
from lrs.database import Database
from recognizedtest import BASE, NIP, OTHER_NIP, SECURITY, SERVICE, World, account, by, course, linked_world, statement


def two(db: Database) -> tuple[World, Learner, Learner]:
    """Budi as PPPK and as PNS: one course in common, one of each alone."""
    third = f"{SERVICE}/b"
    world, old = linked_world(db, course(), course(SERVICE, title_id="Pelayanan"), course(third, title_id="Etika"))
    new = world.employ(OTHER_NIP, "Budi Santoso", "PNS")
    world.link(new, account("5"))
    world.receive(statement(actor=by("5")), statement(object=third, actor=by("5")))
    world.clock.forward(seconds=1)
    world.receive(statement(), statement(object=SERVICE))
    world.settle()
    return world, old, new


def merge(world: World, gone: Learner, kept: Learner) -> persons.Moved:
    return world.db.run(lambda conn: persons.merge(conn, world.hub, gone, kept))


def split(world: World, nip: str) -> persons.Moved:
    return world.db.run(lambda conn: persons.split(conn, world.hub, nip))


def test_two_become_one_and_a_double_claim_earns_once(db: Database) -> None:
    world, old, new = two(db)
    assert [world.year(each).recognized_centi for each in (old, new)] == [900, 900]

    moved = merge(world, old, new)

    assert moved.identities == 2
    assert (moved.before.reversed, moved.after.entered) == (2, 1)
    assert [world.year(each).recognized_centi for each in (old, new)] == [0, 1350]
    assert {(entry.cause or {}).get("code") for entry in world.entries(old) if entry.reverses} == {"identity_changed"}
    with db.read() as conn:
        assert learners.find_by_nip(conn, NIP) == new
        assert learners.nips_of(conn, new.id) == (NIP, OTHER_NIP)
        assert learners.search(conn, "budi", limit=5) == (new,)
        assert identity.identities_of(conn, old.id) == ()
    world.settle()
    assert world.count(inbox) == 0
    assert not [finding for each in audit.verify(world.hub) for finding in each.findings]


def test_what_the_hub_wrote_about_the_one_counts_for_the_other(db: Database) -> None:
    world, old, new = two(db)
    merge(world, old, new)

    world.offer(course(f"{SECURITY}/c", title_id="Lain"))
    said = statement(object=f"{SECURITY}/c", actor=by(str(old.id), BASE))
    world.receive(said, owner=None, origin="score:1")
    world.settle()

    assert world.year(new).recognized_centi == 1800
    with pytest.raises(Refused):
        world.link(world.employ("197001012000011001", "Ani"), identity.hub_account(BASE, old.id))


def test_who_is_signed_in_as_the_one_is_the_other_with_her_next_request(db: Database) -> None:
    world, old, new = two(db)
    password = "kata sandi yang panjang"
    world.db.run(lambda conn: accounts.add(conn, world.hub, "budi", "learner", password, old.id))
    signed_in = accounts.sign_in(world.hub, "budi", password, "192.0.2.1")
    assert isinstance(signed_in, accounts.SignedIn)

    def learner() -> UUID | None:
        with db.read() as conn:
            session = accounts.find_session(conn, world.hub, signed_in.token)
        return None if session is None else session.learner

    assert learner() == old.id
    merge(world, old, new)
    assert learner() == new.id


def test_splitting_undoes_merging(db: Database) -> None:
    world, old, new = two(db)
    with db.read() as conn:
        before = identity.identities_of(conn, old.id)
    merge(world, old, new)

    moved = split(world, NIP)

    assert (moved.identities, moved.before.reversed, moved.after.entered) == (2, 1, 2)
    assert [world.year(each).recognized_centi for each in (old, new)] == [900, 900]
    with db.read() as conn:
        assert identity.identities_of(conn, old.id) == before
        assert learners.find_by_nip(conn, NIP) == old
    world.settle()
    assert not [finding for each in audit.verify(world.hub) for finding in each.findings]


def test_who_was_merged_twice_is_split_step_by_step(db: Database) -> None:
    world, old, new = two(db)
    third = world.employ("197001012000011001", "Budi S")
    merge(world, old, new)
    merge(world, new, third)
    assert world.year(third).recognized_centi == 1350

    split(world, OTHER_NIP)
    assert [world.year(each).recognized_centi for each in (new, third)] == [1350, 0]


@pytest.mark.parametrize("nip", [NIP, "000000000000000000"])
def test_who_was_not_merged_cannot_be_split(db: Database, nip: str) -> None:
    world, old, _ = two(db)

    with pytest.raises(HubError, match="was merged with somebody else"):
        split(world, nip)
    with pytest.raises(HubError, match="one person already"):
        merge(world, old, old)
