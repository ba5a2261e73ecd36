"""Tools that register themselves: cases Y01 to Y05 of the acceptance list."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from werkzeug.test import TestResponse

from hub import journal
from hub.errors import HubError
from hub.lti import platform, registering
from hub.lti.launches import LaunchRefused, start
from hub.lti.registering import TOOL_CONFIGURATION, Invitation
from hub.systems import registry
from hub.systems.registry import Tool
from ltitest import AGS, BASE, SCOPE, ToolSide, World

REGISTER = "/lti/platform/register"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of bad registrations are longer than what one address may send in a minute."""
    monkeypatch.setattr(platform, "REGISTRATIONS", 1000)


def invite(world: World, name: str = "bkn", **given: Any) -> str:
    """A token of an invitation."""
    link = registering.invite(world.hub, Invitation(name, **given), "https://bkn.example/register?x=1", by="admin:ani")
    return dict(parse_qsl(urlsplit(link).query))["registration_token"]


def description(**changed: Any) -> dict[str, Any]:
    """What a tool says of itself; ... takes a member out."""
    configuration = {
        "domain": "bkn.example",
        "target_link_uri": "https://bkn.example/launch",
        "claims": ["iss", "sub", "name"],
        "messages": [{"type": "LtiResourceLinkRequest"}],
    }
    configuration |= changed.pop("configuration", {})
    said = {
        "application_type": "web",
        "client_name": "Pelatihan BKN",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": "https://bkn.example/login",
        "redirect_uris": ["https://bkn.example/launch", "https://lms.bkn.example/launch"],
        "jwks_uri": "https://keys.example/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": f"{SCOPE}score {SCOPE}lineitem nonsense",
        TOOL_CONFIGURATION: {name: value for name, value in configuration.items() if value is not ...},
    } | changed
    return {name: value for name, value in said.items() if value is not ...}


def post(world: World, token: str | None, said: Any, *, content_type: str = "application/json") -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    return world.new_browser().post(REGISTER, data=body, headers=headers, content_type=content_type)


def error(answer: TestResponse) -> str:
    assert answer.status_code in (400, 401), answer.text
    assert answer.json["error_description"]
    return str(answer.json["error"])


def find(world: World, name: str = "bkn") -> Tool | None:
    with world.hub.db.read() as conn:
        return registry.find_tool(conn, name)


def test_y00_the_administrator_gets_the_tool_s_own_page_with_our_token(world: World) -> None:
    link = registering.invite(world.hub, Invitation("bkn"), "https://bkn.example/register?x=1", by="admin:ani")

    given = dict(parse_qsl(urlsplit(link).query))
    assert link.startswith("https://bkn.example/register?x=1&")
    assert given["openid_configuration"] == f"{BASE}/.well-known/openid-configuration"
    told = world.browser.get("/.well-known/openid-configuration").json
    assert told["registration_endpoint"] == f"{BASE}{REGISTER}"
    with world.hub.db.read() as conn:
        rows = journal.read(conn, f"{world.clock.now:%Y-%m}", limit=50)
    assert ("admin:ani", "tool.invite", "bkn") in [(row.who, row.action, row.object) for row in rows]


def test_y01_a_token_registers_one_tool(world: World) -> None:
    token = invite(world)

    assert post(world, token, description()).status_code == 201
    assert error(post(world, token, description())) in ("invalid_token", "invalid_client_metadata")
    with world.hub.db.read() as conn:
        assert [tool.name for tool in registry.list_tools(conn)] == ["bkn", "lan"]


def test_y01_a_refused_description_does_not_use_the_token_up(world: World) -> None:
    token = invite(world)

    assert error(post(world, token, description(jwks_uri=...))) == "invalid_client_metadata"
    assert post(world, token, description()).status_code == 201


def test_y01_a_missing_forged_or_old_token_is_refused(world: World) -> None:
    token = invite(world)
    forged = ("A" if token[0] != "A" else "B") + token[1:]

    for each in (None, "", "x", forged, token[:-2], world.request()["lti_message_hint"]):
        answer = post(world, each, description())
        assert error(answer) == "invalid_token"
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    world.clock.advance(hours=1)
    assert error(post(world, token, description())) == "invalid_token"
    assert find(world) is None


def test_y01_the_journal_says_who_invited(world: World) -> None:
    post(world, invite(world), description())

    with world.hub.db.read() as conn:
        rows = journal.read(conn, f"{world.clock.now:%Y-%m}", limit=50)
    assert {"tool.invite", "tool.add", "tool.disable"} <= {row.action for row in rows if row.who == "admin:ani"}


def test_y02_addresses_that_cannot_be_used_are_refused(world: World) -> None:
    token = invite(world)
    for url in (
        "http://bkn.example/launch",
        "https://bkn.example/launch#x",
        "https://evil.example/launch",
        "https://bkn.example.evil.example/launch",
        "https://notbkn.example/launch",
        "https://user@bkn.example/launch",
        "javascript:alert(1)",
        "bkn.example/launch",
        "https://127.0.0.1/launch",
        "",
    ):
        assert error(post(world, token, description(redirect_uris=[url]))) == "invalid_redirect_uri", url
        refused = post(world, token, description(initiate_login_uri=url))
        assert error(refused) == "invalid_client_metadata", url
        target = description(configuration={"target_link_uri": url})
        assert error(post(world, token, target)) == "invalid_client_metadata", url
    for urls in (
        [],
        "https://bkn.example/launch",
        [7],
        None,
        ...,
        ["https://bkn.example/launch", "https://evil.example/"],
    ):
        assert error(post(world, token, description(redirect_uris=urls))) == "invalid_redirect_uri", urls
    for domain in (..., "", None, 7, "other.example"):
        refused = post(world, token, description(configuration={"domain": domain}))
        assert error(refused) == "invalid_redirect_uri", domain
    assert find(world) is None


def test_y03_a_key_set_is_required(world: World) -> None:
    token = invite(world)

    for jwks_uri in (..., "", None, 7, "https://169.254.169.254/jwks", "http://bkn.example/jwks", "file:///etc/passwd"):
        assert error(post(world, token, description(jwks_uri=jwks_uri))) == "invalid_client_metadata", jwks_uri


def test_y03_what_lti_requires_is_required(world: World) -> None:
    token = invite(world)

    for changed in (
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"response_types": ["code"]},
        {"grant_types": ["implicit"]},
        {"grant_types": "client_credentials"},
        {TOOL_CONFIGURATION: ...},
        {TOOL_CONFIGURATION: "x"},
        {"initiate_login_uri": ...},
    ):
        assert error(post(world, token, description(**changed))) == "invalid_client_metadata", changed
    for body in (b"", b"{", b"[]", b"7", b" " * 70000):
        assert error(post(world, token, body)) == "invalid_client_metadata"


def test_y04_the_answer_holds_client_id_and_deployment(world: World) -> None:
    answer = post(world, invite(world, deployments=("kkp", "bmkg")), description())

    tool = find(world)
    assert tool is not None
    with world.hub.db.read() as conn:
        first = registry.deployments_of(conn, tool.id)[0]
    assert answer.json["client_id"] == tool.client_id
    assert answer.json["scope"] == f"{SCOPE}lineitem {SCOPE}score"
    assert answer.json["redirect_uris"] == description()["redirect_uris"]
    assert answer.json[TOOL_CONFIGURATION]["deployment_id"] == first.deployment_id
    assert answer.json[TOOL_CONFIGURATION]["domain"] == "bkn.example"
    assert answer.headers["Cache-Control"] == "no-store"


def test_y04_a_moodle_sends_json_under_another_name(world: World) -> None:
    answer = post(world, invite(world), description(), content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 201


def test_y04_deep_linking_is_taken_over(world: World) -> None:
    messages = [{"type": "LtiResourceLinkRequest"}, {"type": "LtiDeepLinkingRequest"}]
    own = [{"type": "LtiDeepLinkingRequest", "target_link_uri": "https://bkn.example/pick"}]

    assert post(world, invite(world), description(configuration={"messages": messages})).status_code == 201
    assert post(world, invite(world, "two"), description(configuration={"messages": own})).status_code == 201

    first, second = find(world), find(world, "two")
    assert first is not None
    assert second is not None
    assert first.deep_linking_url == "https://bkn.example/launch"
    assert second.deep_linking_url == "https://bkn.example/pick"


def test_y05_a_tool_arrives_switched_off_until_an_administrator_looked(world: World) -> None:
    post(world, invite(world), description(jwks_uri="https://bkn.example/jwks"))
    tool = find(world)
    assert tool is not None
    course = world.add_course("bkn")
    side = ToolSide(world.hub, world.new_browser(), tool, world.keys[1], [], world.tool.now)
    session = world.session_of(world.browser)
    refused = start(world.hub, learner=world.learner, session=session.id, course_id=course, locale="id")
    assert isinstance(refused, LaunchRefused)
    assert refused.check == "tool_disabled"
    assert error(side.ask_token()) == "invalid_client"

    with world.hub.db.write() as conn:
        registry.set_tool_disabled(conn, world.hub, tool, disabled=False, by="test")

    assert world.launch(course, tool=side)[AGS]["lineitem"]


def test_an_invitation_for_a_name_that_is_taken_is_refused(world: World) -> None:
    with pytest.raises(HubError, match="There is a tool lan already"):
        invite(world, "lan")
    token = invite(world)
    world.add_tool("bkn", world.keys[1])
    assert error(post(world, token, description())) == "invalid_client_metadata"


def test_too_many_registrations_are_told_to_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "REGISTRATIONS", 2)

    answers = [post(world, "x", description()).status_code for _ in range(3)]

    assert answers == [401, 401, 429]


def test_only_post_is_taken(world: World) -> None:
    assert world.new_browser().get(REGISTER).status_code == 405
