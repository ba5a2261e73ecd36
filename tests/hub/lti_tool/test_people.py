"""Whom a launch is about: linking, signing in once, and what a launch never does."""

from __future__ import annotations

import html
import re

import pytest

from hub.access import accounts
from hub.application import create_app
from hub.lti_tool import platforms
from hub.people import identity
from lrs.agents import Identifier, agent_key
from platformtest import BASE, ISSUER, MEMBERSHIP, PASSWORD, Lms, Person, failed_check

SUB = Identifier("account", ISSUER, "42")


def whose(lms: Lms) -> object:
    with lms.hub.db.read() as conn:
        return identity.learner_of(conn, agent_key(SUB))


def link(lms: Lms, person: Person, who: Identifier = SUB, by: str = "import") -> None:
    with lms.hub.db.write() as conn:
        identity.link(conn, who, person.id, by=by, now=lms.clock(), new_id=lms.hub.new_id)


def test_whoever_is_signed_in_is_linked_and_from_then_on_known(lms: Lms, people: tuple[Person, Person]) -> None:
    siti, _ = people
    siti.sign_in(lms.client)

    first = lms.launch()

    assert (first.status_code, first.headers["Location"]) == (303, "/")
    assert whose(lms) == siti.id
    assert "lms" in lms.client.get("/", base_url=BASE).text
    elsewhere = lms.new_browser()
    assert lms.launch(elsewhere).status_code == 303
    home = elsewhere.get("/", base_url=BASE)
    assert home.status_code == 200
    assert "siti" in home.text


def test_somebody_whom_nobody_knows_signs_in_once(lms: Lms, people: tuple[Person, Person]) -> None:
    answer = lms.launch()

    assert answer.status_code == 200
    assert whose(lms) is None
    assert lms.client.get("/", base_url=BASE).status_code == 303
    with lms.hub.db.read() as conn:
        assert [each.who for each in identity.list_unresolved(conn, limit=5)] == [SUB]
    # The button leads to the login, and from there back.
    found = re.search(r'href="(/login[^"]*)"', answer.text)
    assert found
    page = lms.client.get(html.unescape(found[1]), base_url=BASE)
    form = dict(re.findall(r'name="(csrf_token|next)"[^>]* value="([^"]*)"', page.text))
    signed_in = lms.client.post(
        "/login",
        data={"username": "siti", "password": PASSWORD} | {name: html.unescape(text) for name, text in form.items()},
        headers={"Referer": f"{BASE}/login"},
        base_url=BASE,
    )
    back = lms.client.get(signed_in.headers["Location"], base_url=BASE)
    assert (back.status_code, back.headers["Location"]) == (303, "/"), back.text
    assert whose(lms) == people[0].id
    assert lms.launch(lms.new_browser()).status_code == 303


def test_a_page_to_connect_is_good_only_in_the_browser_of_its_launch(lms: Lms, people: tuple[Person, Person]) -> None:
    request = lms.begin()
    lms.post(state=request["state"], id_token=lms.sign(lms.claims(request)))
    victim = lms.new_browser()
    people[1].sign_in(victim)

    answer = victim.get("/lti/tool/connect", query_string={"state": request["state"]}, base_url=BASE)

    assert failed_check(answer) == "state"
    assert whose(lms) is None


def test_names_and_numbers_in_a_launch_link_nobody(lms: Lms, people: tuple[Person, Person]) -> None:
    nip = people[0].nip

    answer = lms.launch(sub=nip, email="siti@example.go.id", name="Siti Rahma Dewi", custom={"nip": nip})

    assert answer.status_code == 200
    with lms.hub.db.read() as conn:
        assert identity.learner_of(conn, agent_key(Identifier("account", ISSUER, nip))) is None


def test_a_launch_of_somebody_else_begins_her_own_session(lms: Lms, people: tuple[Person, Person]) -> None:
    siti, budi = people
    link(lms, siti)
    budi.sign_in(lms.client)

    assert lms.launch().status_code == 303

    assert "siti" in lms.client.get("/", base_url=BASE).text
    assert whose(lms) == siti.id


def test_who_is_known_there_under_another_name_gets_no_second_one(lms: Lms, people: tuple[Person, Person]) -> None:
    """Budi forgot to sign out; what Siti launches at his desk must not become his."""
    budi = people[1]
    link(lms, budi, Identifier("account", ISSUER, "7"), by="launch")
    budi.sign_in(lms.client)

    answer = lms.launch()

    assert answer.status_code == 200
    assert "Budi Santoso" in answer.text
    assert whose(lms) is None


@pytest.mark.parametrize("role", ["Instructor", "Administrator"])
def test_no_launch_makes_an_administrator(lms: Lms, people: tuple[Person, Person], role: str) -> None:
    siti, _ = people
    link(lms, siti)
    with lms.hub.db.write() as conn:
        accounts.add(conn, lms.hub, "a-siti", "admin", PASSWORD, siti.id)

    lms.launch(roles=[MEMBERSHIP + role, "http://purl.imsglobal.org/vocab/lis/v2/system/person#SysAdmin"])

    assert lms.client.get("/admin/", base_url=BASE).status_code in (403, 404)
    with lms.hub.db.write() as conn:
        accounts.set_disabled(conn, "siti", True)
    answer = lms.launch(lms.new_browser())
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_an_unknown_deployment_waits_for_an_administrator(lms: Lms, people: tuple[Person, Person]) -> None:
    link(lms, people[0])
    assert failed_check(lms.launch(deployment_id="tenant-2")) == "deployment"
    with lms.hub.db.read() as conn:
        platform = platforms.named(conn, "lms")
        status = {each.deployment_id: each.status for each in platforms.deployments_of(conn, platform.id)}
    assert status == {"1": "active", "tenant-2": "pending"}
    assert platform.refusal is not None
    assert platform.refusal["check"] == "deployment"
    assert "tenant-2" in platform.refusal["why"]

    with lms.hub.db.write() as conn:
        platforms.add_deployment(conn, lms.hub, platform, "tenant-2", by="test")
    assert lms.launch(deployment_id="tenant-2").status_code == 303

    with lms.hub.db.write() as conn:
        platforms.disable_deployment(conn, lms.hub, platform, "tenant-2", by="test")
        platforms.set_disabled(conn, lms.hub, platform, disabled=True, by="test")
    assert failed_check(lms.login()) == "platform"


def test_a_launch_in_another_sites_frame_goes_on_in_a_window(lms: Lms) -> None:
    framed = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
    given = {"iss": ISSUER, "login_hint": '"><script>', "target_link_uri": f"{BASE}/lti/tool/launch"}

    answer = lms.client.get("/lti/tool/login", query_string=given, headers=framed, base_url=BASE)

    assert answer.status_code == 200
    assert 'target="_blank"' in answer.text
    assert "<script>" not in answer.text.partition("<main")[2]
    assert "frame-ancestors 'self' https://lms.example" in answer.headers["Content-Security-Policy"]
    assert "form-action 'self' https://lms.example" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_in_a_frame_of_its_own_site_the_platform_may_frame_what_follows(
    lms: Lms, people: tuple[Person, Person]
) -> None:
    link(lms, people[0])
    request = lms.begin()
    form = {"state": request["state"], "id_token": lms.sign(lms.claims(request))}
    framed = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-site"}

    lms.client.post("/lti/tool/launch", data=form, headers=framed, base_url=BASE)

    home = lms.client.get("/", headers=framed, base_url=BASE)
    assert "frame-ancestors 'self' https://lms.example" in home.headers["Content-Security-Policy"]
    lms.launch()
    home = lms.client.get("/", base_url=BASE)
    assert "frame-ancestors 'self'" in home.headers["Content-Security-Policy"]
    assert "lms.example" not in home.headers["Content-Security-Policy"]


def test_without_tls_the_launch_is_sent_again_by_our_own_page(
    lms: Lms, people: tuple[Person, Person], new_test_hub, keys, httpserver, clock
) -> None:
    """A Lax cookie stays away from what another site posts; what our page posts carries it."""
    base = "http://hub.test"
    hub = new_test_hub(base_url=base)
    other = Lms(hub, clock, create_app(hub).test_client(), httpserver, keys)
    other.register()
    answer = other.client.post("/lti/tool/launch", data={"state": '"><b>', "id_token": "x"}, base_url=base)

    assert answer.status_code == 200
    assert "<b>" not in answer.text
    assert 'name="hub_reposted"' in answer.text
    again = other.client.post(
        "/lti/tool/launch", data={"state": "x", "id_token": "x", "hub_reposted": "1"}, base_url=base
    )
    assert failed_check(again) == "state"


def test_the_key_set_holds_public_keys_alone(lms: Lms) -> None:
    [key] = lms.client.get("/lti/tool/jwks", base_url=BASE).json["keys"]

    assert {"kty", "kid", "alg", "use", "n", "e"} == set(key)
