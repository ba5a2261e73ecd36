"""The token endpoint: cases T01 to T16 of the acceptance list."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.test import TestResponse

from hub import lti, revisions
from hub.lti import tokens
from hub.systems import registry
from hub.tables import access_tokens, tools, used_tokens
from ltitest import ALL_SCOPES, BASE, MEMBERS, SCOPE, ToolSide, World

TOKEN_URL = f"{BASE}/lti/platform/token"


def error(answer: TestResponse) -> str:
    """The error as OAuth tells it; nothing was given."""
    assert answer.status_code in (400, 401), answer.text
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "access_token" not in answer.json
    assert answer.json["error_description"]
    return str(answer.json["error"])


def encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def refused(tool: ToolSide, **claims: Any) -> bool:
    """Whether an assertion with these claims is refused; None takes a claim out."""
    answer = tool.ask_token(assertion=tool.assertion(**claims))
    return answer.status_code != 200 and error(answer) == "invalid_client"


class KeySets:
    """A tool's key set on the wire, that counts how often it was read."""

    def __init__(self, server: HTTPServer) -> None:
        self.keys: list[dict[str, Any]] = []
        self.reads = 0
        self.answer: Callable[[], Response] | None = None
        self.url = server.url_for("/jwks")
        server.expect_request("/jwks").respond_with_handler(self._serve)

    def show(self, *keys: RSAKey) -> None:
        self.keys = [key.as_dict(private=False) for key in keys]

    def _serve(self, _request: Request) -> Response:
        self.reads += 1
        if self.answer is not None:
            return self.answer()
        return Response(json.dumps({"keys": self.keys}), content_type="application/json")


@pytest.fixture
def key_sets(httpserver: HTTPServer) -> KeySets:
    return KeySets(httpserver)


def tool_with_key_set(world: World, key_sets: KeySets, name: str = "bkn") -> ToolSide:
    key_sets.show(world.keys[1])
    return world.add_tool(name, world.keys[1], public_key=None, jwks_url=key_sets.url, internal=True)


def test_t00_a_good_request_gets_a_token(world: World) -> None:
    answer = world.tool.ask_token()

    assert answer.status_code == 200
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["scope"] == ALL_SCOPES
    with world.hub.db.read() as conn:
        [row] = conn.execute(access_tokens.select()).all()
    assert answer.json["access_token"].encode() not in row.id


def test_t01_another_grant_type_is_refused(world: World) -> None:
    for grant_type in (None, "", "authorization_code", "Client_Credentials"):
        assert error(world.tool.ask_token(grant_type=grant_type)) == "unsupported_grant_type"


def test_t02_another_assertion_type_is_refused(world: World) -> None:
    exact = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    for kind in (None, "", exact.upper(), exact + " ", exact.removesuffix("bearer")):
        assert error(world.tool.ask_token(client_assertion_type=kind)) == "invalid_client"


def test_t03_a_malformed_assertion_is_refused(world: World) -> None:
    whole = world.tool.assertion()
    head, body, mark = whole.split(".")
    for assertion in (
        "",
        "x",
        "a.b",
        "a.b.c",
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{whole}.",
        "é.é.é",
        f"{head}..{mark}",
    ):
        assert error(world.tool.ask_token(assertion=assertion)) == "invalid_client"


def test_t03_an_unsigned_assertion_is_refused(world: World) -> None:
    _, body, mark = world.tool.assertion().split(".")
    for header in (b'{"alg":"none"}', b'{"alg":"None","typ":"JWT"}'):
        head = encode(header)
        assert error(world.tool.ask_token(assertion=f"{head}.{body}.")) == "invalid_client"
        assert error(world.tool.ask_token(assertion=f"{head}.{body}.{mark}")) == "invalid_client"


def test_t03_an_assertion_signed_with_the_public_key_as_a_secret_is_refused(world: World) -> None:
    body = world.tool.assertion().split(".")[1]
    head = encode(json.dumps({"alg": "HS256", "kid": world.tool.key.kid}).encode())
    mark = encode(hmac.digest(world.tool.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256"))

    assert error(world.tool.ask_token(assertion=f"{head}.{body}.{mark}")) == "invalid_client"


def test_t03_an_assertion_signed_with_another_key_or_algorithm_is_refused(world: World) -> None:
    wrong_key = world.tool.assertion(key=world.keys[1])
    other_algorithm = world.tool.assertion(header={"alg": "RS512"})

    assert error(world.tool.ask_token(assertion=wrong_key)) == "invalid_client"
    assert error(world.tool.ask_token(assertion=other_algorithm)) == "invalid_client"


def test_t03_a_header_with_extensions_or_odd_values_is_refused(world: World) -> None:
    body = world.tool.assertion().split(".")[1]
    for more in ({"crit": None}, {"crit": ["b64"], "b64": False}, {"kid": {}}, {"typ": 7}, {"jwk": {"kty": "RSA"}}):
        head = encode(json.dumps({"alg": "RS256", "kid": world.tool.key.kid} | more).encode())
        mark = encode(world.tool.key.private_key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()))
        assert error(world.tool.ask_token(assertion=f"{head}.{body}.{mark}")) == "invalid_client", more
    for head in (encode(b"[]"), encode(b"7"), encode(b"{"), encode(b"\xff"), "="):
        assert error(world.tool.ask_token(assertion=f"{head}.{body}.AA")) == "invalid_client", head


def test_t03_an_assertion_that_was_changed_is_refused(world: World) -> None:
    head, _, mark = world.tool.assertion().split(".")
    body = world.tool.assertion(exp=world.tool.now() + 3000).split(".")[1]

    assert error(world.tool.ask_token(assertion=f"{head}.{body}.{mark}")) == "invalid_client"


def test_t04_an_unknown_key_is_looked_for_once_and_then_refused(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    assert tool.ask_token().status_code == 200
    assert tool.ask_token().status_code == 200
    assert key_sets.reads == 1

    unknown = tool.ask_token(assertion=tool.assertion(header={"kid": "nobody's"}))

    assert error(unknown) == "invalid_client"
    assert key_sets.reads == 2


def test_t04_a_new_key_of_the_tool_is_found_at_once(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    assert tool.ask_token().status_code == 200
    key_sets.show(world.keys[2])

    tool.key = world.keys[2]

    assert tool.ask_token().status_code == 200
    assert key_sets.reads == 2


def test_t04_a_key_that_the_tool_took_back_is_gone_after_an_hour(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    assert tool.ask_token().status_code == 200
    key_sets.show(world.keys[2])

    world.clock.advance(hours=1)

    assert error(tool.ask_token()) == "invalid_client"


def test_t04_made_up_keys_cost_the_tool_few_calls(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    assert tool.ask_token().status_code == 200

    for number in range(20):
        assert error(tool.ask_token(assertion=tool.assertion(header={"kid": str(number)}))) == "invalid_client"

    assert key_sets.reads <= 5
    assert tool.ask_token().status_code == 200


def test_t04_an_assertion_without_kid_is_refused_where_there_is_a_key_set(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)

    assert error(tool.ask_token(assertion=tool.assertion(header={"kid": None}))) == "invalid_client"
    assert world.tool.ask_token(assertion=world.tool.assertion(header={"kid": None})).status_code == 200


def test_t05_issuer_and_subject_must_be_the_client(world: World) -> None:
    assert refused(world.tool, iss="x")
    assert refused(world.tool, sub="x")
    assert refused(world.tool, sub=None)
    assert refused(world.tool, iss=None)
    assert refused(world.tool, iss=[world.tool.tool.client_id], sub=[world.tool.tool.client_id])


def test_t06_an_unknown_or_disabled_client_is_refused(world: World) -> None:
    for client_id in ("nobody", "", "\0", "x" * 5000):
        assert refused(world.tool, iss=client_id, sub=client_id)
    assert error(world.tool.ask_token(client_id="another")) == "invalid_client"
    with world.hub.db.write() as conn:
        registry.set_tool_disabled(conn, world.hub, world.tool.tool, disabled=True, by="test")
    assert error(world.tool.ask_token()) == "invalid_client"


def test_t07_the_audience_is_the_token_url_or_the_issuer_alone(world: World) -> None:
    for audience in (TOKEN_URL, [TOKEN_URL], BASE, [BASE], [TOKEN_URL, BASE]):
        assert not refused(world.tool, aud=audience), audience
    for audience in (
        None,
        "",
        [],
        TOKEN_URL + "/",
        "https://evil.example/token",
        [TOKEN_URL, "https://evil.example"],
        7,
        [7],
    ):
        assert refused(world.tool, aud=audience), audience


def test_t08_the_assertion_must_be_short_lived_and_alive(world: World) -> None:
    now = world.tool.now()
    assert not refused(world.tool, iat=now - 90, exp=now - 59)
    for claims in (
        {"exp": now - 61, "iat": now - 90},
        {"exp": None},
        {"exp": str(now + 60)},
        {"exp": True},
        {"exp": now + 3601},
        {"exp": 10**30},
        {"exp": float(10**300)},
        {"exp": now - 3600, "iat": now - 3700},
    ):
        assert refused(world.tool, **claims), claims


def test_t09_an_assertion_from_the_future_is_refused(world: World) -> None:
    now = world.tool.now()
    assert not refused(world.tool, iat=now + 59)
    assert not refused(world.tool, iat=now - 5, exp=now + 60, nbf=now - 5)
    for claims in ({"iat": now + 61, "exp": now + 120}, {"iat": None}, {"iat": "now"}, {"nbf": now + 61}, {"nbf": "x"}):
        assert refused(world.tool, **claims), claims


def test_t10_an_assertion_without_jti_is_refused(world: World) -> None:
    for jti in (None, "", 7, "x" * 256, ["x"]):
        assert refused(world.tool, jti=jti)


def test_t11_an_assertion_works_once(world: World) -> None:
    assertion = world.tool.assertion(jti="once")

    assert world.tool.ask_token(assertion=assertion).status_code == 200
    assert error(world.tool.ask_token(assertion=assertion)) == "invalid_client"
    assert refused(world.tool, jti="once")


def test_t11_two_tools_may_use_the_same_jti(world: World) -> None:
    other = world.add_tool("bkn", world.keys[1])

    assert not refused(world.tool, jti="1")
    assert not refused(other, jti="1")


def test_t11_of_many_at_the_same_moment_one_wins(world: World) -> None:
    assertion, barrier = world.tool.assertion(), threading.Barrier(6)
    tools = [
        ToolSide(world.hub, world.new_browser(), world.tool.tool, world.tool.key, [], world.tool.now) for _ in range(6)
    ]

    def ask(tool: ToolSide) -> int:
        barrier.wait()
        return tool.ask_token(assertion=assertion).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, tools)) == [200, 401, 401, 401, 401, 401]


def test_t12_scopes_that_are_unknown_or_missing_are_refused_and_others_granted(world: World) -> None:
    for scope in (None, "", "openid", "https://purl.imsglobal.org/spec/lti-ags/scope/everything"):
        assert error(world.tool.ask_token(scope)) == "invalid_scope"  # type: ignore[arg-type]
    some = world.tool.ask_token(f"{SCOPE}score nonsense {MEMBERS}")
    assert some.json["scope"] == f"{SCOPE}score {MEMBERS}"


def test_t13_scopes_of_credentials_are_no_tool_s(world: World) -> None:
    for scope in ("all", "statements/write", "api/read", "api/write"):
        assert error(world.tool.ask_token(scope)) == "invalid_scope"
        assert world.tool.ask_token(f"{scope} {SCOPE}score").json["scope"] == f"{SCOPE}score"


def test_t14_only_a_form_that_is_posted_is_taken(world: World) -> None:
    client = world.tool.client

    assert client.get("/lti/platform/token").status_code == 405
    assert error(client.post("/lti/platform/token", json={"grant_type": "client_credentials"})) == "invalid_request"
    assert error(world.tool.ask_token(padding="x" * 65536)) == "invalid_request"
    twice = {"grant_type": ["client_credentials", "client_credentials"]}
    assert error(client.post("/lti/platform/token", data=twice)) == "invalid_request"
    form = {"data": b"grant_type=%ff", "content_type": "application/x-www-form-urlencoded"}
    assert error(client.post("/lti/platform/token", **form)) in ("invalid_request", "unsupported_grant_type")  # type: ignore[arg-type]


def test_t15_the_answer_says_how_long_and_is_not_kept(world: World) -> None:
    answer = world.tool.ask_token()

    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/jwks",
        "https://127.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://10.0.0.1/jwks",
    ],
)
def test_t16_a_key_set_in_a_private_network_is_not_read(world: World, url: str) -> None:
    """The registry refuses such an address; a name may come to lead there later."""
    tool = world.add_tool("bkn", world.keys[1], public_key=None, jwks_url="https://bkn.example/jwks")
    with world.hub.db.write() as conn:
        conn.execute(sa.update(tools).where(tools.c.id == tool.tool.id).values(jwks_url=url))
        revisions.bump(conn, registry.REVISION)

    answer = tool.ask_token()

    assert error(answer) == "invalid_client"
    assert "cannot be read" in answer.json["error_description"]


def test_t16_a_key_set_that_redirects_or_is_no_key_set_is_not_used(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    for answer in (
        Response(status=302, headers={"Location": key_sets.url}),
        Response(b"[" + b" " * 10 * 1024 * 1024 + b"]", content_type="application/json"),
        Response("<html>", content_type="text/html"),
        Response("[]", content_type="application/json"),
        Response('{"keys": 7}', content_type="application/json"),
        Response('{"keys": [7, {"kty": "RSA"}, {"kty": "RSA", "kid": 7, "n": "AA", "e": "AQAB"}]}'),
        Response(status=404),
    ):
        key_sets.answer = lambda answer=answer: answer  # type: ignore[misc]
        assert error(tool.ask_token()) == "invalid_client"
        world.clock.advance(minutes=2)
    key_sets.answer = None
    assert tool.ask_token().status_code == 200


def test_t16_a_short_key_is_not_used(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    key_sets.keys = [{"kty": "RSA", "kid": "short", "n": encode(numbers.n.to_bytes(128)), "e": "AQAB"}]

    answer = tool.ask_token(assertion=tool.assertion(header={"kid": "short"}))

    assert error(answer) == "invalid_client"
    assert "no usable RSA key 'short'" in answer.json["error_description"]


def test_t16_a_key_set_that_fails_later_leaves_known_keys_good(world: World, key_sets: KeySets) -> None:
    tool = tool_with_key_set(world, key_sets)
    assert tool.ask_token().status_code == 200
    key_sets.answer = lambda: Response(status=404)

    assert error(tool.ask_token(assertion=tool.assertion(header={"kid": "new"}))) == "invalid_client"
    assert tool.ask_token().status_code == 200


def test_a_client_that_asks_too_often_is_told_to_wait(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(tokens, "MOST", 2)

    answers = [world.tool.ask_token() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "60"
    world.clock.advance(minutes=1)
    assert world.tool.ask_token().status_code == 200


def test_a_stranger_cannot_use_up_a_client_s_share(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(tokens, "MOST", 2)

    for _ in range(5):
        assert error(world.tool.ask_token(assertion=world.tool.assertion(key=world.keys[2]))) == "invalid_client"

    assert world.tool.ask_token().status_code == 200


def test_what_is_over_is_purged(world: World) -> None:
    world.tool.token()
    world.clock.advance(minutes=30)
    world.tool.token()
    world.clock.advance(minutes=31)

    with world.hub.db.write() as conn:
        assert lti.purge(conn, world.clock.now) == 3
    with world.hub.db.read() as conn:
        assert len(conn.execute(access_tokens.select()).all()) == 1
        assert conn.execute(used_tokens.select()).all() == []
