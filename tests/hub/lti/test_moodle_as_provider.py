"""A Moodle as the course provider: what a real one sent (`tests/cases/lti/moodle`, recorded on the wire), played again.

Replaced are only addresses, ids that the hub gave, and times; everything else, odd content type included, is Moodle's.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import orjson
import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse

from connectors import accounts
from hub.jp import ledger, recognition
from hub.lti import drafts, registering
from hub.lti.registering import TOOL_CONFIGURATION, Invitation
from hub.people import identity
from hub.systems import credentials, registry
from lrs.agents import Identifier, agent_key
from ltitest import AGS, BASE, CLAIM, MEMBERS, NRPS, SCOPE, Page, World

RECORDED = Path(__file__).parents[2] / "cases" / "lti" / "moodle"
STATEMENTS = RECORDED.parents[1] / "moodle"
DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"


@dataclass
class Moodle:
    """The recorded Moodle, at an address where its key set answers."""

    world: World
    host: str
    key: RSAKey
    client_id: str = ""
    deployment_id: str = ""

    def recorded(self, name: str) -> dict[str, Any]:
        text = (RECORDED / f"tool_role_{name}.json").read_text("utf-8")
        text = text.replace("127.0.0.1:8081", self.host).replace('"127.0.0.1"', '"localhost"')
        found = orjson.loads(text.replace("http://127.0.0.1:8090", BASE))
        assert isinstance(found, dict)
        return found

    def replay(self, name: str, path: str, *, token: str = "", **changed: Any) -> TestResponse:
        """Its request to another path, with its headers and its body."""
        found = self.recorded(name)
        headers = found["headers"] | ({"Authorization": f"Bearer {token}"} if token else {})
        body = orjson.dumps(found["body"] | changed) if found.get("body") else None
        client = self.world.new_browser()
        return client.open(path.removeprefix(BASE), method=found["method"], headers=headers, data=body)

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])

    def authenticate(self, browser: FlaskClient, login: str, redirect_uri: str) -> dict[str, Any]:
        """The claims that its authentication request gets, for the login that the hub began."""
        told = dict(parse_qsl(urlsplit(login).query))
        given = {name: told[name] for name in ("login_hint", "lti_message_hint", "client_id")}
        request = self.recorded("auth_request")["query"] | given | {"redirect_uri": redirect_uri}
        page = Page(browser.get("/lti/platform/auth", query_string=request))
        assert page.action == redirect_uri, page.response.text
        return self.world.read_token(page.fields["id_token"])

    def token(self, scope: str = "") -> dict[str, Any]:
        """Its token request: an assertion of 65 seconds that began 5 seconds ago, all scopes of AGS at once."""
        found = self.recorded("token_request")
        now = int(self.world.clock.now.timestamp())
        claims = found["client_assertion_claims"] | {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{BASE}/lti/platform/token",
            "iat": now - 5,
            "exp": now + 60,
            "jti": f"lti-service-token{uuid4()}",
        }
        form = found["form"] | {"client_assertion": self.sign(found["client_assertion_header"], claims)}
        form |= {"scope": scope} if scope else {}
        answer = self.world.new_browser().post("/lti/platform/token", data=form, headers=found["headers"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json)


@pytest.fixture
def moodle(world: World, httpserver: HTTPServer) -> Moodle:
    """Registered by its own request, then approved by an administrator."""
    kid = "90c32765e6c18d363595"
    key = RSAKey.import_key(world.keys[1].as_dict(private=True) | {"kid": kid})
    httpserver.expect_request("/enrol/lti/jwks.php").respond_with_json({"keys": [key.as_dict(private=False)]})
    made = Moodle(world, f"{httpserver.host}:{httpserver.port}", key)
    link = registering.invite(
        world.hub, Invitation("moodle", internal=True), f"http://{made.host}/enrol/lti/register.php", by="admin"
    )
    registration_token = dict(parse_qsl(urlsplit(link).query))["registration_token"]
    answer = made.replay("dynamic_registration_request", "/lti/platform/register", token=registration_token)
    assert answer.status_code == 201, answer.text
    made.client_id = answer.json["client_id"]
    made.deployment_id = answer.json[TOOL_CONFIGURATION]["deployment_id"]
    return made


def approve(moodle: Moodle) -> None:
    hub = moodle.world.hub
    with hub.db.write() as conn:
        registry.set_tool_disabled(conn, hub, registry.named_tool(conn, "moodle"), disabled=False, by="admin")


def add_course(moodle: Moodle) -> int:
    return moodle.world.add_course(
        "moodle", launch_url=f"http://{moodle.host}/enrol/lti/launch.php", custom=(("id", "8476071d"),)
    )


def test_it_registers_itself_and_waits_for_an_administrator(moodle: Moodle) -> None:
    with moodle.world.hub.db.read() as conn:
        tool = registry.named_tool(conn, "moodle")

    assert tool.disabled
    assert tool.login_url.startswith(f"http://{moodle.host}/enrol/lti/login.php?id=ece63c6c")
    assert tool.deep_linking_url == f"http://{moodle.host}/enrol/lti/launch_deeplink.php"
    assert moodle.client_id
    assert moodle.deployment_id


def test_it_is_launched_and_reports_a_score(moodle: Moodle) -> None:
    approve(moodle)
    world = moodle.world
    login = world.begin(add_course(moodle))
    assert re.search(r"/enrol/lti/login\.php\?id=[0-9a-f]+&iss=", login)

    claims = moodle.authenticate(world.browser, login, f"http://{moodle.host}/enrol/lti/launch.php")
    granted = moodle.token()
    token = granted["access_token"]
    asked = moodle.recorded("token_request")["form"]["scope"]
    lineitems = claims[AGS]["lineitems"]
    link = claims[CLAIM + "resource_link"]["id"]
    made = moodle.replay("ags_lineitems_POST", lineitems, token=token, resourceLinkId=link)
    listed = moodle.replay("ags_lineitems_GET", lineitems, token=token)
    own = moodle.replay("ags_score", f"{claims[AGS]['lineitem']}/scores", token=token, userId=claims["sub"])
    again = moodle.replay("ags_score", f"{claims[AGS]['lineitem']}/scores", token=token, userId=claims["sub"])

    # What its launch page wants to find.
    assert claims[CLAIM + "custom"]["id"] == "8476071d"
    assert claims[CLAIM + "context"]["type"]
    assert claims[CLAIM + "roles"]
    assert claims[NRPS]["service_versions"] == ["2.0"]
    assert {"lineitems", "scope"} <= claims[AGS].keys()
    assert set(granted["scope"].split()) == set(asked.split())
    assert made.status_code == 201
    # It looks for its own among all by these three.
    [found] = [each for each in listed.json if each.get("tag") == "grade"]
    assert (found["resourceId"], found["resourceLinkId"]) == ("3", link)
    assert [own.status_code, again.status_code] == [200, 200]
    reader = f"Bearer {moodle.token(SCOPE + 'result.readonly')['access_token']}"
    results = world.tool.call("GET", f"{claims[AGS]['lineitem']}/results", bearer=reader)
    assert [(each["resultScore"], each["resultMaximum"]) for each in results.json] == [(85, 100)]


@pytest.mark.parametrize("is_launched", [True, False])
def test_who_was_launched_earns_what_it_reports_of_her_without_anybody_linking_her(
    moodle: Moodle, is_launched: bool
) -> None:
    approve(moodle)
    world, wwwroot = moodle.world, f"http://{moodle.host}"
    text = (STATEMENTS / "core.course_completed__completed__course.json").read_text("utf-8")
    statement = orjson.loads(text.replace("http://127.0.0.1:8081", wwwroot))
    course = world.add_course("moodle", id=statement["object"]["id"], launch_url=f"{wwwroot}/enrol/lti/launch.php")
    with world.hub.db.write() as conn:
        credentials.add(conn, world.hub, "moodle", by="admin", key="moodle", secret="s" * 32, connector="moodle")
    if is_launched:
        world.begin(course)
        world.begin(course)
    # auth/lti: 'enrol_lti_13_' . sha1($iss . '_' . $userdata['sub']).
    name = "enrol_lti_13_" + hashlib.sha1(f"{BASE}_{world.learner}".encode(), usedforsecurity=False).hexdigest()
    statement["actor"]["account"]["name"] = name
    basic = "Basic " + base64.b64encode(b"moodle:" + b"s" * 32).decode()
    sent = world.new_browser().post(
        "/xapi/statements", json=[statement], headers={"Authorization": basic, "X-Experience-API-Version": "1.0.3"}
    )
    assert sent.status_code == 200, sent.text
    while recognition.drain(world.hub):
        pass

    with world.hub.db.read() as conn:
        earned = ledger.of_learner(conn, world.learner)
        unresolved = identity.list_unresolved(conn, limit=9)
    assert [each.centi_jp for each in earned] == ([450] if is_launched else [])
    assert [each.who.name for each in unresolved] == ([] if is_launched else [name])


def test_what_somebody_decided_about_its_account_is_not_undone_by_a_launch(moodle: Moodle) -> None:
    approve(moodle)
    world = moodle.world
    course = add_course(moodle)
    world.begin(course)
    [account] = accounts.of_launched(f"http://{moodle.host}/enrol/lti/login.php?id=1", BASE, str(world.learner))
    who = Identifier("account", *account)
    now, new_id = world.clock(), world.hub.new_id
    assert world.hub.db.run(lambda conn: identity.unlink(conn, who, by="admin:ani", now=now, new_id=new_id))

    world.begin(course)

    with world.hub.db.read() as conn:
        assert identity.learner_of(conn, agent_key(who)) is None


def test_it_reads_the_members_by_their_link(moodle: Moodle) -> None:
    approve(moodle)
    world = moodle.world
    login = world.begin(add_course(moodle))
    claims = moodle.authenticate(world.browser, login, f"http://{moodle.host}/enrol/lti/launch.php")
    token = moodle.token(MEMBERS)["access_token"]

    url = f"{claims[NRPS]['context_memberships_url']}?rlid={claims[CLAIM + 'resource_link']['id']}"
    answer = moodle.replay("nrps_get", url, token=token)

    assert answer.status_code == 200
    assert [member["user_id"] for member in answer.json["members"]] == [claims["sub"]]


def test_its_courses_are_picked_although_all_have_one_address(moodle: Moodle) -> None:
    approve(moodle)
    world = moodle.world
    admin = world.new_browser("admin")
    with world.hub.db.read() as conn:
        [deployment] = registry.deployments_of(conn, registry.named_tool(conn, "moodle").id)
    page = f"/admin/systems/moodle/tools/moodle/deployments/{deployment.id}"
    found = re.search(r'name="csrf_token" value="([^"]+)"', admin.get(page).text)
    assert found
    login = admin.post(f"{page}/pick", data={"csrf_token": found[1]}).headers["Location"]
    request = moodle.authenticate(admin, login, f"http://{moodle.host}/enrol/lti/launch_deeplink.php")
    recorded, now = moodle.recorded("deep_linking_response"), int(world.clock.now.timestamp())
    claims = recorded["claims"] | {
        "iss": moodle.client_id,
        "aud": [BASE],
        "iat": now,
        "exp": now + 600,
        CLAIM + "deployment_id": moodle.deployment_id,
        DL + "data": request[DL + "deep_linking_settings"]["data"],
    }

    answer = admin.post("/lti/platform/deep-link", data={"JWT": moodle.sign(recorded["header"], claims)})

    assert answer.status_code == 200, answer.text
    with world.hub.db.read() as conn:
        waiting = drafts.page(conn, limit=10)
    assert [each.item.title for each in waiting] == ["Peer course 101", "Final quiz", "Essay"]
    assert {each.item.url for each in waiting} == {f"http://{moodle.host}/enrol/lti/launch.php"}
    assert len({dict(each.item.custom)["id"] for each in waiting}) == 3
    assert [each.item.maximum for each in waiting] == ["300", "100", "100"]
