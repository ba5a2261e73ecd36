"""Names and Role Provisioning Services: cases M01 to M08 of the acceptance list."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from ltitest import CLAIM, MEMBERS, NIPS, NRPS, SCOPE, World

CONTAINER_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"


@pytest.fixture
def claims(world: World) -> dict[str, Any]:
    """A launch of the first course by the second person, then by the first one."""
    world.launch(browser=world.new_browser("budi"))
    return world.launch()


@pytest.fixture
def url(claims: dict[str, Any]) -> str:
    return str(claims[NRPS]["context_memberships_url"])


def ask(world: World, url: str, **query_string: Any) -> TestResponse:
    return world.tool.call("GET", url, query_string=query_string or None)


def people(world: World, url: str, **query_string: Any) -> set[str]:
    return {member["user_id"] for member in ask(world, url, **query_string).json["members"]}


def test_m01_the_members_are_those_who_were_launched_there(world: World, claims: dict[str, Any], url: str) -> None:
    answer = ask(world, url)

    assert answer.status_code == 200
    assert answer.content_type == CONTAINER_TYPE
    assert answer.json["id"] == url
    assert answer.json["context"] == {
        "id": claims[CLAIM + "context"]["id"],
        "label": "Pelayanan Publik",
        "title": "Pelayanan Publik",
    }
    assert people(world, url) == {str(world.learner), str(world.learner_of(NIPS[1]))}
    assert all(member["roles"] == [LEARNER] for member in answer.json["members"])
    other = world.launch(world.courses[1])[NRPS]["context_memberships_url"]
    assert people(world, other) == {str(world.learner)}


def test_m02_a_role_is_asked_for_by_its_short_or_full_name(world: World, claims: dict[str, Any], url: str) -> None:
    everybody = people(world, url)

    assert people(world, url, role="Learner") == people(world, url, role=LEARNER) == everybody
    assert people(world, url, role="Instructor") == people(world, url, role="learner") == set()
    link = claims[CLAIM + "resource_link"]["id"]
    assert people(world, url, rlid=link, role="Learner", limit=10) == everybody


def test_m03_another_context_s_link_is_refused(world: World, url: str) -> None:
    other = world.launch(world.courses[1])[CLAIM + "resource_link"]["id"]

    assert ask(world, url, rlid=other).status_code == 403
    assert ask(world, url, rlid="").status_code == 403


def test_m03_the_members_of_another_tool_s_context_are_not_told(world: World, url: str) -> None:
    other = world.add_tool("bkn", world.keys[1])

    assert other.call("GET", url).status_code == 404


def test_m04_the_next_page_is_a_link_that_keeps_what_was_asked(world: World, url: str) -> None:
    everybody = people(world, url)

    first = ask(world, url, limit=1, role="Learner")
    link = first.headers["Link"]
    second = world.tool.call("GET", link.removesuffix('>; rel="next"').removeprefix("<"))

    assert "role=Learner" in link
    seen = [member["user_id"] for member in (*first.json["members"], *second.json["members"])]
    assert set(seen) == everybody
    assert len(seen) == 2
    assert "Link" not in second.headers


def test_m05_names_are_told_to_the_tools_that_get_them_in_launches(world: World, url: str) -> None:
    told = {member["user_id"]: member for member in ask(world, url).json["members"]}

    assert told[str(world.learner)]["name"] == "Siti Rahma Dewi, M.Pd."
    assert told[str(world.learner)]["email"] == "siti@example.go.id"
    assert "email" not in told[str(world.learner_of(NIPS[1]))]
    quiet = world.add_tool("bkn", world.keys[1], names=False)
    claims = world.launch(world.add_course("bkn"), tool=quiet)
    [member] = quiet.call("GET", claims[NRPS]["context_memberships_url"]).json["members"]
    assert member == {"user_id": str(world.learner), "status": "Active", "roles": [LEARNER]}


def test_m06_a_member_is_active(world: World, url: str) -> None:
    assert {member["status"] for member in ask(world, url).json["members"]} == {"Active"}


def test_m07_what_a_launch_would_say_is_told_for_a_link_alone(world: World, claims: dict[str, Any], url: str) -> None:
    assert not [member for member in ask(world, url).json["members"] if "message" in member]

    for member in ask(world, url, rlid=claims[CLAIM + "resource_link"]["id"]).json["members"]:
        [message] = member["message"]
        assert message[CLAIM + "message_type"] == "LtiResourceLinkRequest"
        assert message[CLAIM + "custom"]["course"] == "pelayanan"
        assert "xapi_fetch" not in message[CLAIM + "custom"]


def test_m08_only_get_is_taken_and_only_with_the_scope(world: World, url: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert world.tool.call(method, url, {}).status_code == 405
    assert world.tool.call("GET", url, bearer=f"Bearer {world.tool.token(SCOPE + 'score')}").status_code == 403
    assert world.tool.call("GET", url, bearer=f"Bearer {world.tool.token(MEMBERS)}").status_code == 200
    assert world.tool.call("GET", url, bearer="Bearer x").status_code == 401
