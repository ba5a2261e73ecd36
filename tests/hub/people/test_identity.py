"""Identities are linked, moved and unlinked; files of links tell what is wrong with them."""

from __future__ import annotations

import pytest

from hub.errors import Refused
from hub.people import identity
from hub.tables import inbox, learner_actors
from lrs.agents import Identifier, agent_key
from lrs.database import Database
from recognizedtest import BASE, LMS, NIP, OTHER_NIP, World, account, by, statement

BUDI = Identifier("mbox", "", "mailto:budi@kkp.go.id")


@pytest.mark.parametrize(
    ("homepage", "name", "expected"),
    [
        (LMS, "4", account("4")),
        ("https://lms.example/issuer", "a b", Identifier("account", "https://lms.example/issuer", "a b")),
        ("", "mailto:budi@KKP.go.id", BUDI),
        ("", "MAILTO:budi@kkp.go.id", BUDI),
        ("", "A" * 40, Identifier("mbox_sha1sum", "", "a" * 40)),
        ("", "https://budi.example.id/", Identifier("openid", "", "https://budi.example.id/")),
        ("", "mailto:budi", None),
        ("", "budi", None),
        ("", "4", None),
        ("lms", "4", None),
        ("http://[", "4", None),
    ],
)
def test_two_cells_name_an_identity(homepage: str, name: str, expected: Identifier | None) -> None:
    assert identity.parse_identifier(homepage, name) == expected


def test_a_file_tells_what_is_wrong_with_its_rows() -> None:
    rows = [f"{LMS},4,{NIP}", f"{LMS},4,{NIP}", f",budi,{NIP}", f"{LMS},,{NIP}", f"{LMS},5,12"]
    found = identity.read_links("\n".join(["homepage_or_issuer,name,nip", *rows]))

    assert [(row.who, row.nip) for row in found.rows] == [(account("4"), NIP)]
    assert [(problem.line, problem.column, problem.code) for problem in found.problems] == [
        (3, "name", "twice"),
        (4, "name", "not_an_identity"),
        (5, "name", "missing"),
        (5, "name", "not_an_identity"),
        (6, "nip", "not_a_nip"),
    ]


def test_links_of_a_file_are_made_once(db: Database) -> None:
    world = World(db)
    budi = world.employ()
    found = identity.read_links(f"homepage_or_issuer,name,nip\n{LMS},4,{NIP}\n,mailto:a@b.id,{OTHER_NIP}\n")
    with db.read() as conn:
        owners, problems = identity.find_owners(conn, found.rows)
    assert owners == {NIP: budi.id}
    assert [(problem.line, problem.code) for problem in problems] == [(3, "unknown")]

    rows = [row for row in found.rows if row.nip in owners]
    for expected in (identity.Linked(1, 0), identity.Linked(0, 1)):
        assert expected == db.run(
            lambda conn: identity.import_links(conn, rows, owners, now=world.clock(), new_id=world.hub.new_id)
        )
    with db.read() as conn:
        assert account("4") in [each.who for each in identity.identities_of(conn, budi.id)]
        assert identity.learner_of(conn, agent_key(account("4"))) == budi.id


def test_linking_wakes_whom_it_concerns(db: Database) -> None:
    world = World(db)
    budi, siti = world.employ(), world.employ(OTHER_NIP, "Siti")

    assert world.link(budi)
    assert world.count(inbox) == 1
    assert not world.link(budi)
    assert world.count(inbox) == 1
    assert world.link(siti)
    # Siti by the account that she has now, Budi by one that is still his.
    assert world.count(inbox) == 3
    assert world.unlink()
    assert not world.unlink()
    assert world.count(inbox) == 4
    world.settle()
    assert world.count(learner_actors) == 2


def test_an_unlinked_identity_is_on_the_list_again(db: Database) -> None:
    world = World(db)
    budi = world.employ()
    world.link(budi)
    world.unlink()

    with db.read() as conn:
        (found,) = identity.list_unresolved(conn, limit=10)
    assert (found.who, found.learner, found.linked_by) == (account(), None, "admin:ani")


def test_the_hub_s_own_account_stays_with_its_learner(db: Database) -> None:
    world = World(db)
    budi, siti = world.employ(), world.employ(OTHER_NIP, "Siti")
    own = identity.hub_account(BASE, budi.id)

    with pytest.raises(Refused, match="made by the hub"):
        world.link(siti, own)
    assert not world.unlink(own)
    assert not world.link(budi, own)


def test_the_list_of_unresolved_goes_on_where_the_page_ended(db: Database) -> None:
    world = World(db)
    for number in range(7):
        world.receive(statement(actor=by(str(number))))
        if number % 3 == 0:
            world.settle()
            world.clock.forward(seconds=1)
    world.settle()
    found: list[identity.Identity] = []

    with db.read() as conn:
        page = identity.list_unresolved(conn, limit=2)
        while page:
            found += page
            page = identity.list_unresolved(conn, limit=2, after=(page[-1].first_seen, page[-1].actor_key))

    assert {each.who.name for each in found} == {str(number) for number in range(7)}
    assert len(found) == 7


def test_an_actor_that_was_noted_is_noted_once(db: Database) -> None:
    world = World(db)
    for _ in range(3):
        world.receive(statement(actor={"mbox": "mailto:x@y.id"}))
        world.settle()

    with db.read() as conn:
        assert [each.who.name for each in identity.list_unresolved(conn, limit=10)] == ["mailto:x@y.id"]
    assert world.count(inbox) == 0
