"""``wkmb tool``."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.lti import drafts, registering
from hub.lti.contentitems import Item
from hub.runtime import Hub
from hub.systems import registry

Terminal = Any
NEAR = ("--internal", "--login-url", "http://127.0.0.1:1/login", "--redirect-uri", "http://127.0.0.1:1/launch",
        "--target-link-uri", "http://127.0.0.1:1/launch")  # fmt: skip
KEYS = ("--jwks-url", "http://127.0.0.1:1/jwks")


def test_what_the_other_side_needs_is_printed(wkmb: Terminal) -> None:
    made = wkmb.json("tool", "add", "sandbox", *NEAR, *KEYS)

    assert made["name"] == made["connector"] == "sandbox"
    assert re.fullmatch("[A-Za-z0-9_-]{22}", made["client_id"])
    assert len(made["deployment_ids"]) == 1
    assert made["issuer"] == "https://hub.example"
    assert made["auth_url"] == "https://hub.example/lti/platform/auth"
    assert made["token_url"] == "https://hub.example/lti/platform/token"
    assert made["jwks_url"] == "https://hub.example/lti/platform/jwks"
    assert f"client_id: {made['client_id']}" in wkmb("tool", "show", "sandbox").stdout


def test_a_tool_joins_a_connector_with_its_tenants(wkmb: Terminal) -> None:
    wkmb("connector", "add", "lan", "--kind", "lti")

    made = wkmb.json("tool", "add", "unggul", *NEAR, *KEYS, "--connector", "lan", "--deployment", "KKP",
                     "--deployment", "BMKG")  # fmt: skip
    more = wkmb.json("tool", "deploy", "unggul", "--deployment", "LKPP")

    assert made["connector"] == "lan"
    assert list(more["deployments"]) == ["KKP", "BMKG", "LKPP"]
    assert more["deployment_ids"][:2] == made["deployment_ids"]
    [listed] = wkmb.json("tool", "list")
    assert (listed["name"], listed["connector"], listed["internal"]) == ("unggul", "lan", True)


def test_a_public_key_comes_from_a_file(wkmb: Terminal) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = pem.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    wkmb("tool", "add", "sandbox", *NEAR, "--public-key", wkmb.file("tool.pem", text))

    assert wkmb.json("tool", "show", "sandbox")["public_key"] == text
    assert "no public key" in wkmb.refused("tool", "add", "x", *NEAR, "--public-key", wkmb.file("x.pem", "hello"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (NEAR, 2, "one of --jwks-url and --public-key"),
        ((*NEAR[1:], *KEYS), 1, "login URL: http://127.0.0.1:1/login is not https"),
        ((*NEAR, "--jwks-url", "http://169.254.169.254/"), 1, "JWKS URL: 169.254.169.254 is link-local"),
        ((*NEAR, *KEYS, "--redirect-uri", "http://127.0.0.1:1/x#y"), 1, "has a fragment"),
        ((*NEAR, *KEYS, "--connector", "nobody"), 1, "no connector 'nobody'"),
        ((*NEAR, *KEYS, "--public-key", "missing.pem"), 2, "missing.pem"),
    ],
)
def test_what_is_wrong_with_a_tool(wkmb: Terminal, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in wkmb.refused("tool", "add", "sandbox", *arguments, code=code)
    assert wkmb.json("tool", "list") == []


def test_a_name_is_given_once(wkmb: Terminal) -> None:
    wkmb("tool", "add", "sandbox", *NEAR, *KEYS)

    assert "There is a tool sandbox already." in wkmb.refused("tool", "add", "sandbox", *NEAR, *KEYS)
    assert "no tool 'x'" in wkmb.refused("tool", "show", "x")


def test_a_tool_that_is_not_there_fails_its_test(wkmb: Terminal) -> None:
    wkmb("tool", "add", "sandbox", *NEAR, *KEYS)

    checks = wkmb.json("tool", "test", "sandbox", expect=1)

    assert {(each["code"], each["outcome"]) for each in checks} == {
        ("reachable", "failed"),
        ("jwks", "failed"),
        ("token", "skipped"),
    }


def test_a_tool_is_switched_off_and_on(wkmb: Terminal) -> None:
    wkmb("tool", "add", "sandbox", *NEAR, *KEYS)

    wkmb("tool", "disable", "sandbox")
    assert "disabled" in wkmb("tool", "list").stdout
    wkmb("tool", "disable", "sandbox", "--again")

    assert not wkmb.json("tool", "show", "sandbox")["disabled"]


def test_a_tool_is_invited_to_register_itself(wkmb: Terminal, served: Hub) -> None:
    near = ("--internal", "--title", "Badan Contoh", "--deployment", "KKP", "--deployment", "BMKG")

    url = wkmb.json("tool", "invite", "unggul", "--url", "http://127.0.0.1:1/register?a=1", *near)["registration_url"]

    assert url.startswith("http://127.0.0.1:1/register?a=1&openid_configuration=")
    token = dict(parse_qsl(urlsplit(url).query))["registration_token"]
    said = {
        "response_types": ["id_token"],
        "grant_types": ["client_credentials"],
        "initiate_login_uri": "http://127.0.0.1:1/login",
        "redirect_uris": ["http://127.0.0.1:1/launch"],
        "jwks_uri": "http://127.0.0.1:1/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        registering.TOOL_CONFIGURATION: {"domain": "127.0.0.1:1"},
    }
    made = registering.register(served, f"Bearer {token}", json.dumps(said).encode())
    assert isinstance(made, registering.Registered)
    shown = wkmb.json("tool", "show", "unggul")
    assert (list(shown["deployments"]), shown["disabled"]) == (["KKP", "BMKG"], True)
    with served.db.read() as conn:
        assert registry.named_connector(conn, "unggul").shown == "Badan Contoh"
    assert "is not https" in wkmb.refused("tool", "invite", "x", "--url", "http://lms.example/register")


def test_a_tenant_is_shown_switched_off_and_told_names_or_not(wkmb: Terminal) -> None:
    wkmb("tool", "add", "unggul", *NEAR, *KEYS, "--names", "--deployment", "KKP", "--deployment", "BMKG")

    first = wkmb.json("tool", "tenant", "unggul", "KKP")
    assert (first["names"], first["names_as_tool"], first["disabled"]) == (True, True, False)

    changed = wkmb.json("tool", "tenant", "unggul", "KKP", "--names", "no", "--disable")
    assert (changed["names"], changed["names_as_tool"], changed["disabled"]) == (False, False, True)
    other = wkmb.json("tool", "tenant", "unggul", "BMKG")
    assert (other["names"], other["disabled"]) == (True, False)

    back = wkmb.json("tool", "tenant", "unggul", "KKP", "--names", "as-tool", "--enable")
    assert back == first
    assert "'LKPP'" in wkmb.refused("tool", "tenant", "unggul", "LKPP")


def test_drafts_are_listed_confirmed_and_discarded(wkmb: Terminal, served: Hub) -> None:
    wkmb("tool", "add", "unggul", *NEAR, *KEYS)
    wkmb("tool", "add", "other", *NEAR, *KEYS)
    with served.db.write() as conn:
        [deployment] = registry.deployments_of(conn, registry.named_tool(conn, "unggul").id)
        items = [
            Item("Kearsipan", "", f"http://127.0.0.1:1/{name}", (("jp", "4.5"), ("id", name))) for name in ("a", "b")
        ]
        drafts.land(conn, served, deployment.id, items, by="ani")

    listed = wkmb.json("tool", "drafts", "unggul")
    first, second = (each["number"] for each in listed)
    assert listed[0]["proposed"] == {"programme_jp": "4.5"}
    assert (wkmb.json("tool", "drafts", "other"), len(wkmb.json("tool", "drafts"))) == ([], 2)
    assert [each["number"] for each in wkmb.json("tool", "drafts", "--after", str(first))] == [second]

    assert "form" in wkmb.refused("tool", "confirm", str(first))
    assert "COLUMN=VALUE" in wkmb.refused("tool", "confirm", str(first), "--set", "provider=x", code=2)
    made = wkmb.json("tool", "confirm", str(first), "--set", "form=NKL04", "--set", "id=https://lan.example/1")
    assert made["course"] == "https://lan.example/1"
    with served.db.read() as conn:
        course = served.courses.current(conn).by_iri[made["course"]].course
    assert (course.form, course.programme_centi_jp, course.custom) == ("NKL04", 450, (("jp", "4.5"), ("id", "a")))

    assert "does not wait" in wkmb.refused("tool", "discard", str(first))
    wkmb("tool", "discard", str(second))
    assert wkmb.json("tool", "drafts") == []
    assert wkmb.json("tool", "discard", str(second), "--again")["state"] == "draft"
    taken = ("tool", "confirm", str(second), "--set", "form=NKL04", "--set", "id=https://lan.example/1")
    assert "--replace" in wkmb.refused(*taken)
    assert wkmb.json(*taken, "--replace")["course"] == "https://lan.example/1"
