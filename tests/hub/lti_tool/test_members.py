"""The hub reads the membership lists of the LMSs that launch it, and links who is known in them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Response

from connectors import accounts as named
from gradebooktest import Gradebook
from hub import journal
from hub.errors import HubError
from hub.lti import launches
from hub.lti_tool import members, platforms
from hub.lti_tool.members import Rosters
from hub.people import identity, identity_rules
from hub.tables import identity_hints, inbox, learners
from lrs.agents import Identifier, agent_key
from platformtest import BASE, ISSUER, Lms, Person

MAIL = "siti@kkp.example.go.id"


@pytest.fixture
def gradebook(lms: Lms, httpserver: HTTPServer) -> Gradebook:
    made = Gradebook(httpserver, lambda: lms.client.get("/lti/tool/jwks", base_url=BASE).json)  # type: ignore[arg-type, return-value]
    assert lms.launch(sub="1", nrps=made.claims()["nrps"]).status_code == 200
    return made


def owner(lms: Lms, user_id: str) -> Any:
    with lms.hub.db.read() as conn:
        return identity.learner_of(conn, agent_key(Identifier("account", ISSUER, user_id)))


def counts(found: tuple[members.Context, ...]) -> list[tuple[int | None, ...]]:
    return [(each.linked, each.same, each.unresolved) for each in found]


def rule(lms: Lms, kind: str, value: str) -> None:
    lms.hub.db.run(lambda conn: identity_rules.add(conn, lms.hub, "lms", kind, value, by="ani"))


@pytest.mark.parametrize(("kind", "value", "said", "is_linked"), [
    ("nip", ISSUER, {"lis_person_sourcedid": "198001012005011001"}, True),
    ("nip", ISSUER, {"ext_user_username": "198001012005011001"}, True),
    ("nip", ISSUER, {"name": "198001012005011001"}, False),  # her own words
    ("nip", ISSUER, {"lis_person_sourcedid": "198001012005011009"}, False),  # nobody's
    ("nip", ISSUER, {"lis_person_sourcedid": "198001012005011001", "ext_user_username": "199002022015022002"}, False),
    ("nip", "https://elsewhere.example", {"lis_person_sourcedid": "198001012005011001"}, False),
    ("mail", "kkp.example.go.id", {"email": MAIL}, True),
    ("mail", "example.go.id", {"email": MAIL}, False),
    (None, "", {"lis_person_sourcedid": "198001012005011001", "email": MAIL}, False),  # never by syntax alone
])  # fmt: skip
def test_a_member_is_known_by_a_rule_of_the_connector_alone(
    lms: Lms, people: tuple[Person, Person], gradebook: Gradebook, kind: str | None, value: str,
    said: dict[str, str], is_linked: bool,
) -> None:  # fmt: skip
    siti = people[0]
    with lms.hub.db.write() as conn:
        conn.execute(sa.update(learners).where(learners.c.id == siti.id).values(email=MAIL))
    if kind is not None:
        rule(lms, kind, value)
    gradebook.members = [{"user_id": "77", "roles": ["Learner"], "name": "Siti"} | said]

    first = members.read_now(lms.hub, "lms", by="ani")
    again = members.read_now(lms.hub, "lms", by="ani")

    assert owner(lms, "77") == (siti.id if is_linked else None)
    assert counts(first) == [(1, 0, 0) if is_linked else (0, 0, 1)]
    assert counts(again) == [(0, 1, 0) if is_linked else (0, 0, 1)], "reading twice changes nothing"
    with lms.hub.db.read() as conn:
        waiting = conn.execute(sa.select(inbox.c.actor_key)).scalars().all()
        hints = conn.execute(sa.select(identity_hints.c.name)).scalars().all()
        unresolved = [each.who.name for each in identity.list_unresolved(conn, limit=9)]
    key = agent_key(Identifier("account", ISSUER, "77"))
    assert list(waiting) == ([key] if is_linked else []), "she is recomputed, once"
    assert list(hints) == ([] if is_linked else [said.get("name", "Siti")])
    assert ("77" in unresolved) is not is_linked


def test_whom_the_hub_launched_there_is_known_by_her_account(
    lms: Lms, people: tuple[Person, Person], gradebook: Gradebook
) -> None:
    siti = people[0]
    [account] = named.of_launched(f"{ISSUER}/enrol/lti/login.php", BASE, str(siti.id))
    now, new_id = lms.clock.now, lms.hub.new_id
    lms.hub.db.run(
        lambda conn: identity.link(
            conn, Identifier("account", *account), siti.id, by=launches.BY, now=now, new_id=new_id
        )
    )
    gradebook.members = [
        {"user_id": "10", "ext_user_username": account.name},
        {"user_id": "11", "ext_user_username": "enrol_lti_13_" + "0" * 40},
    ]

    assert counts(members.read_now(lms.hub, "lms", by="ani")) == [(1, 0, 1)]
    assert (owner(lms, "10"), owner(lms, "11")) == (siti.id, None)


def test_what_somebody_decided_stays_and_pages_are_followed(
    lms: Lms, people: tuple[Person, Person], gradebook: Gradebook
) -> None:
    siti, budi = people
    rule(lms, "nip", ISSUER)
    gradebook.members = [{"user_id": f"{n}", "lis_person_sourcedid": siti.nip} for n in range(5)]
    now, new_id = lms.clock.now, lms.hub.new_id

    def decide(conn: sa.Connection) -> None:
        for name in ("0", "1"):
            identity.link(
                conn, Identifier("account", ISSUER, name), budi.id, by="admin:ani", now=now, new_id=new_id
            )  # fmt: skip
        identity.unlink(conn, Identifier("account", ISSUER, "1"), by="admin:ani", now=now, new_id=new_id)

    lms.hub.db.run(decide)

    assert counts(members.read_now(lms.hub, "lms", by="ani")) == [(3, 1, 1)]
    assert (owner(lms, "0"), owner(lms, "1"), owner(lms, "4")) == (budi.id, None, siti.id)
    with lms.hub.db.read() as conn:
        done = [each for each in journal.read(conn, f"{now:%Y-%m}", limit=9) if each.action == "platform.roster"]
    assert [(each.who, each.detail["linked"]) for each in done] == [("ani", 3)]


def test_the_worker_reads_a_list_after_its_first_launch_and_then_once_a_day(lms: Lms, gradebook: Gradebook) -> None:
    rosters = Rosters(lms.hub)
    assert list(rosters.due()) == []
    lms.clock.advance(minutes=10)
    [platform] = rosters.due()
    gradebook.faults["/services/3/memberships"] = [lambda _: Response("[]", 200)]

    [failed] = rosters.run(platform)
    assert failed.failure is not None
    assert "no members" in failed.failure
    assert list(rosters.due()) == []
    lms.clock.advance(hours=1)
    [read] = rosters.run(platform)
    assert read.failure is None
    assert Rosters(lms.hub).run(platform) == ()
    # Another launch of the same course leaves the plan as it is.
    lms.launch(sub="1", nrps=gradebook.claims()["nrps"])
    lms.clock.advance(hours=23)
    assert list(rosters.due()) == []
    lms.clock.advance(hours=1)
    assert list(rosters.due()) == [platform]


def test_a_list_that_fails_is_asked_for_less_and_less_and_given_up_until_a_launch_comes_from_it(
    lms: Lms, gradebook: Gradebook
) -> None:
    rosters = Rosters(lms.hub)
    lms.clock.advance(minutes=10)
    gradebook.faults["/services/3/memberships"] = [lambda _: Response("gone", 404)] * members.MOST_FAILURES
    waited = []
    for _ in range(members.MOST_FAILURES):
        [platform] = rosters.due()
        [failed] = rosters.run(platform)
        waited.append((failed.next_at - lms.clock.now).total_seconds() / 3600)
        lms.clock.now = failed.next_at

    assert waited == [1, 2, 4, 8, 16, 24, 24, 24, 24, 24]
    assert failed.is_given_up
    assert "404" in (failed.failure or "")
    assert list(rosters.due()) == []
    lms.clock.advance(days=400)
    assert list(rosters.due()) == []

    lms.launch(sub="1", nrps=gradebook.claims()["nrps"])
    lms.clock.advance(minutes=10)
    [read] = rosters.run(platform)
    assert (read.failure, read.failures) == (None, 0)


def test_a_platform_that_is_switched_off_is_not_asked(lms: Lms, gradebook: Gradebook) -> None:
    with lms.hub.db.write() as conn:
        platforms.set_disabled(conn, lms.hub, platforms.named(conn, "lms"), disabled=True, by="ani")
    lms.clock.advance(minutes=10)

    with pytest.raises(HubError, match="switched off"):
        members.read_now(lms.hub, "lms", by="ani")
    rosters = Rosters(lms.hub)
    assert [rosters.run(each) for each in rosters.due()] == [()]
    assert gradebook.calls == []
    assert list(rosters.due()) == []
