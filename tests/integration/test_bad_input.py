"""What is wrong is refused over real HTTP: with a clear error in the form that the asker reads, and nothing is stored.

xAPI and the API answer problem+json, the token endpoint OAuth's JSON, a tool's authentication request is answered to
the tool where its address is known to be its own, else to the person, on a page with a reference number.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.jwk import RSAKey

from hub.demo.visitor import Page, Visitor
from wkmbpeers.prepared import Course, PreparedHub
from wkmbtest.processes import HubProcess

WRITER = ("lms-penulis", "rahasia-lms-penulis-0123")
EVERYTHING = ("semua", "rahasia-semua-0123456789")
TITLE = "Manajemen Risiko"
COURSE = "https://vendor.contoh.example/risiko"
#: The tool is this test: nothing listens there, the visitor is stopped before it goes.
TOOL = "http://127.0.0.1:9"
SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
COMPLETED = {
    "actor": {"account": {"homePage": "https://lms.contoh.example", "name": "4"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": COURSE},
}


@dataclass(frozen=True)
class ToolAtHub:
    """A hub with a tool of which the test holds the key, a course of it, and credentials."""

    hub: PreparedHub
    key: RSAKey
    registration: dict[str, Any]
    #: What the LRS held before the test.
    before: frozenset[str] = frozenset()

    # xAPI

    def post(self, body: Any, *, auth: tuple[str, str] = WRITER, version: str = "1.0.3") -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-Experience-API-Version": version, "Content-Type": "application/json"}
        return requests.post(f"{self.hub.url}/xapi/statements", data, headers=headers, auth=auth, timeout=30)

    def statements(self) -> list[dict[str, Any]]:
        """Everything that the LRS holds since the test began."""
        headers = {"X-Experience-API-Version": "1.0.3"}
        answer = requests.get(f"{self.hub.url}/xapi/statements", headers=headers, auth=EVERYTHING, timeout=30)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["more"] == ""
        return [each for each in found["statements"] if each["id"] not in self.before]

    # A launch

    def start(self, visitor: Visitor) -> dict[str, str]:
        """Begin a launch; gives what the hub sends to the tool's login address."""
        catalogue = visitor.get(f"{self.hub.url}/courses")
        [link] = [link for link in Page(catalogue).links if "/courses/" in link.href and TITLE in link.text][:1]
        [form] = [form for form in Page(visitor.get(link.href)).forms if form.action.endswith("/launch")]
        answer = visitor.post(form.action, data=form.fields, allow_redirects=False)
        assert answer.status_code in {302, 303}, answer.text[:2000]
        assert answer.headers["Location"].startswith(f"{TOOL}/login?")
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def request(self, login: dict[str, str], **changed: str) -> dict[str, str]:
        """The authentication request that a tool makes of it."""
        return {
            "client_id": login["client_id"],
            "redirect_uri": f"{TOOL}/launch",
            "login_hint": login["login_hint"],
            "lti_message_hint": login["lti_message_hint"],
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "nonce": uuid.uuid4().hex,
            "state": "keadaan",
        } | changed

    def authenticate(self, visitor: Visitor, request: dict[str, str]) -> requests.Response:
        return visitor.get(self.registration["auth_url"], params=request)

    def launch(self, visitor: Visitor) -> dict[str, Any]:
        """A whole launch; gives the claims of the id_token."""
        fields = posted_to_tool(self.authenticate(visitor, self.request(self.start(visitor))))
        assert "id_token" in fields, fields
        keys = requests.get(self.registration["jwks_url"], timeout=30).json()
        [key] = keys["keys"][:1]
        claims: dict[str, Any] = jwt.decode(fields["id_token"], RSAKey.import_key(key), algorithms=["RS256"]).claims
        return claims

    # Services

    def assertion(self, *, key: RSAKey | None = None, **changed: Any) -> str:
        now = int(time.time())
        client = self.registration["client_id"]
        claims = {"iss": client, "sub": client, "aud": self.registration["token_url"], "iat": now, "exp": now + 60}
        claims |= {"jti": uuid.uuid4().hex} | changed
        return jwt.encode({"alg": "RS256"}, claims, key or self.key)

    def ask_token(self, assertion: str, **changed: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": SCORE,
        } | changed
        return requests.post(self.registration["token_url"], data=form, timeout=30)

    def score(self, claims: dict[str, Any], token: str, **changed: Any) -> requests.Response:
        lineitem = claims["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"]["lineitem"]
        body = {
            "userId": claims["sub"],
            "scoreGiven": 90,
            "scoreMaximum": 100,
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "timestamp": "2026-11-24T03:00:00.000Z",
        } | changed
        headers = {"Content-Type": "application/vnd.ims.lis.v1.score+json", "Authorization": f"Bearer {token}"}
        return requests.post(f"{lineitem}/scores", json.dumps(body), headers=headers, timeout=30)


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


def posted_to_tool(answer: requests.Response) -> dict[str, str]:
    """The fields of the page that posts to the tool."""
    assert answer.status_code == 200, answer.text[:2000]
    [form] = [form for form in Page(answer).forms if form.action == f"{TOOL}/launch"]
    return form.fields


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    """A refusal for machines, whose form is checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert isinstance(found, dict)
    assert found["status"] == status
    assert len(found["detail"]) > 10
    return found


def page_for_people(answer: requests.Response, status: int) -> str:
    """A page for a person, with a number to report; nothing on it goes to the tool."""
    assert answer.status_code == status, answer.text[:2000]
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not [form for form in Page(answer).forms if form.action.startswith(TOOL)]
    assert any(len(word.strip("<>/code .")) == 12 for word in answer.text.split() if word), "no reference number"
    return answer.text


@pytest.fixture(scope="module")
def tool_at_hub(running_hub: HubProcess) -> ToolAtHub:
    hub, key = PreparedHub(running_hub), new_key()
    hub.add_learner()
    public = running_hub.home / "tool.pem"
    public.write_bytes(
        key.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    addresses = ["--login-url", f"{TOOL}/login", "--redirect-uri", f"{TOOL}/launch"]
    registration = hub.add_tool(
        "vendor", *addresses, "--target-link-uri", f"{TOOL}/launch", "--public-key", str(public)
    )
    hub.add_course("vendor", Course(COURSE, TITLE, f"{TOOL}/launch", requires="completed"))
    writer = ["--key", WRITER[0], "--secret", WRITER[1]]
    hub.type("credential", "add", "lms", *writer, "--connector", "vendor")
    hub.type("credential", "add", "all", "--key", EVERYTHING[0], "--secret", EVERYTHING[1], "--scope", "all")
    return ToolAtHub(hub, key, registration)


@pytest.fixture
def tool(tool_at_hub: ToolAtHub, number: int) -> ToolAtHub:
    """With an employee who has started nothing yet."""
    before = frozenset(each["id"] for each in tool_at_hub.statements())
    return replace(tool_at_hub, hub=tool_at_hub.hub.with_another_learner(number), before=before)


def test_statements_that_are_wrong_are_refused_and_not_stored(tool: ToolAtHub) -> None:
    invalid = COMPLETED | {"verb": {"id": "selesai"}}

    unknown = problem(tool.post(COMPLETED, auth=("lms-penulis", "salah-tetapi-panjang-0")), 401)
    version = problem(tool.post(COMPLETED, version="0.9"), 400)
    malformed = problem(tool.post(b'{"actor": '), 400)
    twice = problem(tool.post(b'{"id": 1, "id": 2}'), 400)
    # One wrong statement takes the good one beside it back.
    one_of_two = problem(tool.post([COMPLETED, invalid]), 400)
    body = b"[" + json.dumps(COMPLETED).encode() + b"]"
    shorter = cut_off(begin_post(tool, body, len(body) + 9))

    assert "key" in unknown["detail"].lower()
    assert "0.9" in version["detail"]
    assert "JSON" in malformed["detail"]
    assert "id" in twice["detail"]
    assert [each["path"] for each in one_of_two["problems"]] == ["statements[1].verb.id"]
    assert "400" in shorter
    assert tool.statements() == []
    assert tool.hub.jp()["entries"] == []


def begin_post(tool: ToolAtHub, body: bytes, length: int) -> socket.socket:
    """A connection on which so much of a body of this length was sent."""
    parts = urlsplit(tool.hub.url)
    authorization = b64encode(":".join(WRITER).encode()).decode()
    head = (
        f"POST /xapi/statements HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Basic {authorization}\r\n"
        f"X-Experience-API-Version: 1.0.3\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def status_of(connection: socket.socket) -> str:
    """The status line of the answer."""
    with connection:
        return connection.recv(4096).decode("latin-1").partition("\r\n")[0]


def cut_off(connection: socket.socket) -> str:
    """The same, when nothing more is sent."""
    connection.shutdown(socket.SHUT_WR)
    return status_of(connection)


def test_bodies_that_come_slowly_keep_nobody_waiting_and_are_taken_whole_or_not_at_all(tool: ToolAtHub) -> None:
    bodies = [json.dumps(COMPLETED | {"id": str(uuid.uuid4())}).encode() for _ in range(16)]
    slow = [begin_post(tool, body[:40], len(body)) for body in bodies]

    at_once = tool.post(COMPLETED)
    for place in range(40, 44):
        for connection, body in zip(slow, bodies, strict=True):
            connection.sendall(body[place : place + 1])
        time.sleep(0.05)
    for connection, body in zip(slow[:8], bodies[:8], strict=True):
        connection.sendall(body[44:])
    whole = [status_of(connection) for connection in slow[:8]]
    broken = [cut_off(connection) for connection in slow[8:]]

    assert at_once.status_code == 200
    assert {line.split()[1] for line in whole} == {"200"}
    assert {line.split()[1] for line in broken} == {"400"}
    stored = {each["id"] for each in tool.statements()}
    assert stored == {json.loads(body)["id"] for body in bodies[:8]} | {*at_once.json()}


def test_the_api_refuses_in_one_form(tool: ToolAtHub) -> None:
    url, nip = f"{tool.hub.url}/api/v1", tool.hub.nip
    before = len(tool.hub.process.log.read_text())

    unauthorized = requests.get(f"{url}/learners/{nip}/jp", auth=("x", "y"), timeout=30)
    forbidden = requests.get(f"{url}/learners/{nip}/jp", auth=EVERYTHING, timeout=30)

    problem(unauthorized, 401)
    assert "WWW-Authenticate" in unauthorized.headers
    assert "api/read" in problem(forbidden, 403)["detail"]
    log = tool.hub.process.log.read_text()[before:]
    assert problem(unauthorized, 401)["reference"] in log
    assert nip not in log
    assert f"{nip[:8]}**********" in log


def test_a_launch_that_is_wrong_ends_before_the_tool(tool: ToolAtHub, visitor: Visitor) -> None:
    tool.hub.sign_in(visitor)
    login = tool.start(visitor)

    elsewhere = tool.authenticate(visitor, tool.request(login, redirect_uri="https://penyerang.example/launch"))
    longer = tool.authenticate(visitor, tool.request(login, redirect_uri=f"{TOOL}/launch/"))
    stranger = tool.authenticate(visitor, tool.request(login, client_id="tidak-dikenal"))

    assert "redirect_uri" in page_for_people(elsewhere, 400)
    page_for_people(longer, 400)
    assert "client_id" in page_for_people(stranger, 400)
    # None of it used the launch up.
    assert "id_token" in posted_to_tool(tool.authenticate(visitor, tool.request(login)))
    assert tool.statements() == []


def test_a_launch_that_is_forged_or_replayed_gets_an_error_and_no_id_token(tool: ToolAtHub, visitor: Visitor) -> None:
    tool.hub.sign_in(visitor)
    login = tool.start(visitor)
    hint = login["lti_message_hint"]

    other = hint[:-2] + ("AA" if hint[-2:] != "AA" else "BB")
    forged = tool.authenticate(visitor, tool.request(login, lti_message_hint=other))
    somebody = tool.authenticate(visitor, tool.request(login, login_hint=str(uuid.uuid4())))
    with Visitor() as stranger:
        # Not signed in: our own page sends the request once more, then it is refused.
        [again] = Page(tool.authenticate(stranger, tool.request(login))).forms
        unsigned = stranger.send_form(again)
    first = tool.authenticate(visitor, tool.request(login))
    replayed = tool.authenticate(visitor, tool.request(login))

    assert "id_token" in posted_to_tool(first)
    for answer, error in (
        (forged, "invalid_request"),
        (somebody, "access_denied"),
        (replayed, "invalid_request"),
        (unsigned, "login_required"),
    ):
        fields = posted_to_tool(answer)
        assert "id_token" not in fields
        assert (fields["error"], fields["state"]) == (error, "keadaan")
        assert fields["error_description"]
    assert tool.statements() == []


def test_a_deployment_that_there_is_not_is_no_launch(tool: ToolAtHub, visitor: Visitor) -> None:
    title = "Audit Internal"
    row = Course(f"{COURSE}/audit", title, f"{TOOL}/launch", requires="completed").row("vendor")
    tool.hub.import_file("course", row)
    tool.hub.import_file("course", row | {"deployment": "tidak-ada"})
    tool.hub.sign_in(visitor)
    catalogue = visitor.get(f"{tool.hub.url}/courses")
    link = next(link for link in Page(catalogue).links if "/courses/" in link.href and title in link.text)

    course = visitor.get(link.href)
    forms = [form for form in Page(course).forms if form.action.endswith("/launch")]
    token = next(form.fields["csrf_token"] for form in Page(course).forms if "csrf_token" in form.fields)
    answer = visitor.post(f"{link.href}/launch", data={"csrf_token": token}, allow_redirects=False)

    assert forms == [] or answer.status_code >= 400
    page_for_people(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


def test_a_token_is_given_to_nobody_else(tool: ToolAtHub) -> None:
    good = tool.assertion()

    refused = {
        "another key": tool.ask_token(tool.assertion(key=new_key())),
        "no JWT": tool.ask_token("bukan.jwt"),
        "another audience": tool.ask_token(tool.assertion(aud="https://lain.example/token")),
        "over": tool.ask_token(tool.assertion(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600)),
        "unknown client": tool.ask_token(tool.assertion(iss="lain", sub="lain")),
    }
    first, replayed = tool.ask_token(good), tool.ask_token(good)
    scope = tool.ask_token(tool.assertion(), scope="https://example.org/everything")

    assert first.status_code == 200, first.text
    assert first.json()["scope"] == SCORE
    for name, answer in {**refused, "replayed": replayed}.items():
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name
        assert answer.json()["error_description"], name
        assert answer.headers["Cache-Control"] == "no-store", name
    assert (scope.status_code, scope.json()["error"]) == (400, "invalid_scope")


def test_a_score_for_somebody_else_is_refused_and_the_right_one_counts(tool: ToolAtHub, visitor: Visitor) -> None:
    tool.hub.sign_in(visitor)
    claims = tool.launch(visitor)
    token = tool.ask_token(tool.assertion()).json()["access_token"]

    somebody = tool.score(claims, token, userId=str(uuid.uuid4()))
    senseless = tool.score(claims, token, scoreGiven=-1)
    untimed = tool.score(claims, token, timestamp="kemarin")
    tokenless = tool.score(claims, "salah")

    assert problem(somebody, somebody.status_code)["status"] in {400, 403, 404}
    problem(senseless, 400)
    problem(untimed, 400)
    problem(tokenless, 401)
    assert tokenless.headers["WWW-Authenticate"].startswith("Bearer")
    assert tool.statements() == []
    assert tool.hub.jp()["entries"] == []
    right = tool.score(claims, token)
    assert right.status_code == 200, right.text
    assert tool.hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5
