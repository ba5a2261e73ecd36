"""Whatever arrives is answered: no input makes the hub fail, and none that is refused leaves a row."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.lti import platform, registering
from hub.tables import scores, tools
from ltitest import AGS, World

#: One hub for all examples of a test: making it costs more than a thousand of them.
SLOWLY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

#: Text that databases, URLs and JSON stumble over.
TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\0", "a\0b", "\ud800", "%00", "x" * 300, "١٢", "-1", "1e999", "null", "../", "{}", "' OR 1=1 --"]
    ),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\0", "85.0", "Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def body(value: Any) -> bytes:
    """As JSON where it has one: NaN and lone surrogates go out as they would from a careless sender."""
    return json.dumps(value).encode()


def query(given: dict[str, str]) -> dict[str, str]:
    """As text that can be sent."""
    return {sendable(name): sendable(text) for name, text in given.items()}


def sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def count(world: World, table: sa.Table) -> int:
    with world.hub.db.read() as conn:
        return len(conn.execute(sa.select(table)).all())


def test_any_authentication_request_is_answered(world: World) -> None:
    names = sorted(world.request())

    @SLOWLY
    @given(changed=st.dictionaries(st.sampled_from(names), TEXT, min_size=1, max_size=4))
    def send(changed: dict[str, str]) -> None:
        request = world.request() | query(changed)
        for client in (world.browser, world.new_browser()):
            assert client.get("/lti/platform/auth", query_string=request).status_code < 500
            assert client.post("/lti/platform/auth", data=request).status_code < 500

    send()


def test_any_token_request_is_answered(world: World) -> None:
    claims = ("iss", "sub", "aud", "exp", "iat", "jti", "nbf")

    @SLOWLY
    @given(
        changed=st.dictionaries(st.sampled_from(claims), JSON, max_size=3),
        header=st.dictionaries(st.sampled_from(["kid", "crit", "b64", "jwk", "x5u", "typ", "jku"]), JSON, max_size=2),
    )
    def send(changed: dict[str, Any], header: dict[str, Any]) -> None:
        assertion = forge(world, changed, header)
        assert world.tool.ask_token(assertion=assertion).status_code < 500

    @SLOWLY
    @given(form=st.dictionaries(TEXT, TEXT, max_size=4), scope=TEXT)
    def post(form: dict[str, str], scope: str) -> None:
        assert world.tool.ask_token(**(query({"scope": scope}) | query(form))).status_code < 500

    send()
    post()


def forge(world: World, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """An assertion signed with the tool's key, whatever stands in it."""
    now = world.tool.now()
    client_id = world.tool.tool.client_id
    said = {"iss": client_id, "sub": client_id, "aud": "https://hub.example", "iat": now, "exp": now + 60, "jti": "1"}
    parts = [
        base64.urlsafe_b64encode(body(value)).rstrip(b"=")
        for value in ({"alg": "RS256", "kid": "1"} | header, said | claims)
    ]
    mark = world.tool.key.private_key.sign(b".".join(parts), padding.PKCS1v15(), SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(mark).rstrip(b"=")]).decode()


def test_any_line_item_score_and_query_is_answered(world: World) -> None:
    lineitem = str(world.launch()[AGS]["lineitem"])
    lineitems = lineitem.rpartition("/")[0]
    good_score = {
        "userId": str(world.learner),
        "timestamp": "2026-11-24T02:00:00Z",
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 85,
        "scoreMaximum": 100,
        "comment": "x",
        "submission": {"startedAt": "2026-11-24T02:00:00Z"},
    }
    good_item = {
        "label": "x",
        "scoreMaximum": 1,
        "tag": "a",
        "resourceId": "b",
        "startDateTime": "2026-11-24T02:00:00Z",
    }

    @SLOWLY
    @given(changed=st.dictionaries(st.sampled_from(sorted(good_score)), JSON, min_size=1, max_size=3))
    def post_score(changed: dict[str, Any]) -> None:
        before = count(world, scores)
        answer = world.tool.call("POST", f"{lineitem}/scores", body(good_score | changed))
        assert answer.status_code in (200, 400, 404, 409)
        assert count(world, scores) - before in ((0, 1) if answer.status_code == 200 else (0,))

    @SLOWLY
    @given(changed=st.dictionaries(st.sampled_from(sorted(good_item)), JSON, min_size=1, max_size=3))
    def post_lineitem(changed: dict[str, Any]) -> None:
        assert world.tool.call("POST", lineitems, body(good_item | changed)).status_code in (200, 201, 400)
        assert world.tool.call("PUT", lineitem, body(good_item | changed)).status_code in (200, 400)

    @SLOWLY
    @given(
        given=st.dictionaries(
            st.sampled_from(["limit", "after", "tag", "resource_id", "user_id", "rlid", "role"]), TEXT
        )
    )
    def ask(given: dict[str, str]) -> None:
        context = lineitems.rpartition("/")[0]
        for url in (lineitems, f"{lineitem}/results", f"{context}/memberships"):
            assert world.tool.call("GET", url, query_string=query(given)).status_code in (200, 400, 403)

    @SLOWLY
    @given(text=TEXT)
    def elsewhere(text: str) -> None:
        name = quote(text.encode("utf-8", "replace"), safe="")
        for url in (f"{lineitems}/{name}", f"/lti/platform/contexts/{name}/lineitems", f"{lineitem}/{name}"):
            assert world.tool.call("GET", url).status_code in (200, 308, 404, 405)

    @SLOWLY
    @given(header=TEXT)
    def bearer(header: str) -> None:
        clean = "".join(letter for letter in header if letter.isprintable() and letter.isascii())
        assert world.tool.call("GET", lineitems, bearer=f"Bearer {clean}").status_code == 401

    for each in (post_score, post_lineitem, ask, elsewhere, bearer):
        each()


def test_any_registration_is_answered(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(platform, "REGISTRATIONS", 10**6)
    invitation = registering.Invitation("bkn")
    link = registering.invite(world.hub, invitation, "https://bkn.example/register", by="test")
    token = dict(parse_qsl(urlsplit(link).query))["registration_token"]
    names = [
        "redirect_uris",
        "initiate_login_uri",
        "jwks_uri",
        "scope",
        "client_name",
        "response_types",
        "grant_types",
        registering.TOOL_CONFIGURATION,
    ]

    @SLOWLY
    @given(said=st.dictionaries(st.sampled_from(names), JSON, max_size=6), token_text=TEXT)
    def post(said: dict[str, Any], token_text: str) -> None:
        whole = {"token_endpoint_auth_method": "private_key_jwt"} | said
        clean = "".join(letter for letter in token_text if letter.isprintable() and letter.isascii())
        for bearer in (token, clean):
            headers = {"Authorization": f"Bearer {bearer}"}
            answer = world.new_browser().post("/lti/platform/register", data=body(whole), headers=headers)
            assert answer.status_code in (400, 401)

    post()
    assert count(world, tools) == 1
