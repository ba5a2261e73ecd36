"""The registry of systems: what is refused at the door, and that every change is written down."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hub import journal
from hub.access import auth
from hub.errors import HubError, NotFound
from hub.runtime import Hub
from hub.systems import credentials, door, registry
from hub.systems.registry import Connector, NewTool, Tool
from wkmbtest.hubs import Clock

SECRET = "sixteen characters or more"
LMS = NewTool(
    name="asn-unggul",
    login_url="https://lms.example.go.id/lti/login",
    redirect_uris=("https://lms.example.go.id/lti/launch",),
    target_link_uri="https://lms.example.go.id/lti/launch",
    jwks_url="https://lms.example.go.id/lti/jwks",
)


def add_connector(hub: Hub, name: str = "bkn", kind: str = "xapi-push", **given: object) -> Connector:
    return hub.db.run(lambda conn: registry.add_connector(conn, hub, name, kind, by="test", **given))  # type: ignore[arg-type]


def add_tool(hub: Hub, new: NewTool = LMS, connector: str | None = None) -> Tool:
    return hub.db.run(lambda conn: registry.add_tool(conn, hub, new, by="test", connector=connector))


def add_credential(hub: Hub, name: str = "bkn", **given: object) -> credentials.Credential:
    values = {"key": name, "secret": SECRET} | given
    return hub.db.run(lambda conn: credentials.add(conn, hub, name, by="test", **values))  # type: ignore[arg-type]


def code_of(refused: pytest.ExceptionInfo[HubError]) -> str:
    assert refused.value.action, "it says what to do"
    return refused.value.code


def acts(hub: Hub) -> list[tuple[str, str, str]]:
    with hub.db.read() as conn:
        found = journal.read(conn, f"{hub.clock():%Y-%m}", limit=100)
    return [(act.who, act.action, act.object) for act in found]


# Connectors


def test_a_connector_is_found_by_name_and_number(hub: Hub) -> None:
    made = add_connector(hub, vocabulary="bkn", trusted_centi_jp=2000, settings={"url": "https://x.example/"})

    with hub.db.read() as conn:
        assert registry.find_connector(conn, "bkn") == made
        assert registry.get_connector(conn, made.id) == made
        assert registry.connector_names(conn) == {made.id: "bkn"}
        assert registry.trusted(conn) == {"bkn": 2000}
        assert registry.list_connectors(conn) == (made,)
        assert registry.find_connector(conn, "lan") is None
    assert ("test", "connector.add", "connector:bkn") in acts(hub)


@pytest.mark.parametrize(
    ("name", "kind", "given", "code"),
    [
        ("with space", "csv", {}, "name"),
        ("a;b", "csv", {}, "name"),
        ("", "csv", {}, "name"),
        ("x" * 65, "csv", {}, "name"),
        ("bkn", "forward", {}, "kind_not_landed"),
        ("bkn", "soap", {}, "unknown_kind"),
        ("bkn", "csv", {"vocabulary": "klingon"}, "unknown_vocabulary"),
        ("bkn", "csv", {"trusted_centi_jp": 0}, "trusted_jp"),
    ],
)
def test_a_wrong_connector_is_refused_by_name(
    hub: Hub, name: str, kind: str, given: dict[str, object], code: str
) -> None:
    with pytest.raises(HubError) as refused:
        add_connector(hub, name, kind, **given)

    assert code_of(refused) == code
    assert acts(hub) == []


def test_a_name_is_given_once(hub: Hub) -> None:
    add_connector(hub)

    with pytest.raises(HubError) as refused:
        add_connector(hub, kind="csv")

    assert (code_of(refused), refused.value.status) == ("name_taken", 409)


def test_what_the_hub_sends_lies_sealed(hub: Hub) -> None:
    made = add_connector(hub, secret="what they gave us")

    with hub.db.engine.connect() as conn:
        [stored] = conn.exec_driver_sql("SELECT secret FROM connectors").scalars()
    with hub.db.read() as conn:
        assert registry.open_secret(conn, hub, made.id) == "what they gave us"
    assert b"what they gave us" not in bytes(stored)


def test_a_secret_can_be_changed(hub: Hub) -> None:
    made = add_connector(hub, secret="the old one")

    hub.db.run(lambda conn: registry.set_secret(conn, hub, made, "the new one", by="test"))

    with hub.db.read() as conn:
        assert registry.open_secret(conn, hub, made.id) == "the new one"
    assert ("test", "connector.secret", "connector:bkn") in acts(hub)


# Tools


def test_a_tool_makes_its_connector_and_a_deployment(hub: Hub) -> None:
    tool = add_tool(hub)

    with hub.db.read() as conn:
        connector = registry.get_connector(conn, tool.connector)
        [deployment] = registry.deployments_of(conn, tool.id)
        assert (connector.name, connector.kind) == ("asn-unggul", "lti")
        assert deployment.name == "default"
        assert registry.get_deployment(conn, deployment.id) == deployment
        assert registry.find_tool(conn, "asn-unggul") == tool
        assert hub.directory.current(conn).clients[tool.client_id] == tool
        assert hub.directory.current(conn).launchers[connector.id] == tool
    assert {action for _, action, _ in acts(hub)} == {"connector.add", "tool.add"}


def test_a_tool_joins_a_connector_that_is_there(hub: Hub) -> None:
    lan = add_connector(hub, "lan", "lti")

    tool = add_tool(hub, connector="lan")

    assert tool.connector == lan.id
    with pytest.raises(NotFound):
        add_tool(hub, replace(LMS, name="other"), connector="nobody")


def test_what_the_other_side_enters(hub: Hub) -> None:
    tool = add_tool(hub, replace(LMS, deployments=("KKP", "BMKG")))
    with hub.db.read() as conn:
        deployed = registry.deployments_of(conn, tool.id)

    said = registry.registration(hub, tool, deployed)

    assert said["issuer"] == hub.base_url
    assert said["auth_url"] == f"{hub.base_url}/lti/platform/auth"
    assert said["token_url"] == f"{hub.base_url}/lti/platform/token"
    assert said["jwks_url"] == f"{hub.base_url}/lti/platform/jwks"
    assert said["deployment_ids"] == [each.deployment_id for each in deployed]
    assert list(said["deployments"]) == ["KKP", "BMKG"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"login_url": "http://lms.example.go.id/login"}, "not_https"),
        ({"login_url": "https://127.0.0.1/login"}, "not_public"),
        ({"login_url": "https://[::1]/login"}, "not_public"),
        ({"login_url": "https://[::ffff:10.0.0.1]/login"}, "not_public"),
        ({"login_url": "https://localhost/login"}, "not_public"),
        ({"jwks_url": "https://10.1.2.3/jwks"}, "not_public"),
        ({"jwks_url": "https://169.254.169.254/jwks"}, "link_local"),
        ({"redirect_uris": ("https://lms.example.go.id/launch#top",)}, "fragment"),
        ({"redirect_uris": ("https://lms.example.go.id/launch#",)}, "fragment"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"target_link_uri": "https://admin:secret@lms.example.go.id/"}, "user_in_url"),
        ({"target_link_uri": "javascript:alert(1)"}, "not_a_url"),
        ({"target_link_uri": "https://lms.example.go.id/a b"}, "not_a_url"),
        ({"target_link_uri": "https://[broken/"}, "not_a_url"),
        ({"deep_linking_url": "ftp://lms.example.go.id/"}, "not_a_url"),
        ({"jwks_url": None}, "key"),
        ({"public_key": "both"}, "key"),
        ({"deployments": ()}, "deployments"),
        ({"deployments": ("a", "a")}, "name_taken"),
        ({"deployments": ("",)}, "deployment"),
        ({"name": "no/slash"}, "name"),
    ],
)
def test_a_tool_that_could_never_work_is_refused(hub: Hub, change: dict[str, object], code: str) -> None:
    with pytest.raises(HubError) as refused:
        add_tool(hub, replace(LMS, **change))  # type: ignore[arg-type]

    assert code_of(refused) == code
    with hub.db.read() as conn:
        assert registry.list_tools(conn) == ()
        assert registry.list_connectors(conn) == ()


def test_an_internal_tool_may_be_next_door(hub: Hub) -> None:
    near = {"login_url": "http://127.0.0.1:8090/login", "jwks_url": "http://lms.internal/jwks"}

    assert add_tool(hub, replace(LMS, internal=True, **near)).internal
    with pytest.raises(HubError) as refused:
        add_tool(hub, replace(LMS, name="meta", internal=True, login_url="http://169.254.169.254/"))

    assert code_of(refused) == "link_local"


def test_a_tool_can_be_changed_but_not_renamed(hub: Hub) -> None:
    tool = add_tool(hub)

    changed = hub.db.run(
        lambda conn: registry.update_tool(
            conn, hub, tool, replace(LMS, name="new-name", login_url="https://lms2.example.go.id/login"), by="test"
        )
    )

    assert changed == replace(tool, login_url="https://lms2.example.go.id/login")


def test_tenants_come_and_go(hub: Hub) -> None:
    tool = add_tool(hub)

    added = hub.db.run(lambda conn: registry.add_deployment(conn, hub, tool, "BMKG", by="test"))
    hub.db.run(lambda conn: registry.set_deployment_disabled(conn, hub, added, disabled=True, by="test"))

    with hub.db.read() as conn:
        assert [(each.name, each.disabled) for each in registry.deployments_of(conn, tool.id)] == [
            ("default", False),
            ("BMKG", True),
        ]
    assert ("test", "deployment.disable", "deployment:asn-unggul/BMKG") in acts(hub)


def test_a_disabled_tool_gives_way_to_another_of_its_connector(hub: Hub) -> None:
    first = add_tool(hub)
    second = add_tool(hub, replace(LMS, name="second"), connector="asn-unggul")

    hub.db.run(lambda conn: registry.set_tool_disabled(conn, hub, first, disabled=True, by="test"))

    with hub.db.read() as conn:
        assert hub.directory.current(conn).launchers[first.connector] == second


# Public keys


def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_public_key_may_stand_for_a_key_set(hub: Hub) -> None:
    key = pem(rsa.generate_private_key(65537, 2048).public_key())

    assert add_tool(hub, replace(LMS, jwks_url=None, public_key=key)).public_key == key


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: "no key", "public_key"),
        (lambda: "-----BEGIN PRIVATE KEY-----", "private_key"),
        (lambda: pem(rsa.generate_private_key(65537, 1024).public_key()), "weak_key"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate().public_key()), "public_key"),
    ],
)
def test_a_key_that_proves_nothing_is_refused(make: Callable[[], str], code: str) -> None:
    with pytest.raises(HubError) as refused:
        door.check_public_key(make())

    assert code_of(refused) == code


def test_an_elliptic_curve_is_a_key() -> None:
    door.check_public_key(pem(ec.generate_private_key(ec.SECP256R1()).public_key()))


# Credentials


def header(key: str, secret: str) -> str:
    return "Basic " + b64encode(f"{key}:{secret}".encode()).decode()


def test_a_credential_lets_in_with_what_it_was_given(hub: Hub) -> None:
    connector = add_connector(hub)
    add_credential(hub, connector="bkn", scopes=["statements/write", "state"])

    caller = auth.authenticate(hub, header("bkn", SECRET))

    assert caller.scopes == {"statements/write", "state"}
    assert caller.writer.owner == connector.id


def test_without_scopes_it_writes_and_reads_its_own(hub: Hub) -> None:
    assert add_credential(hub).scopes == {"statements/write", "statements/read/mine"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"secret": "fifteen chars.."}, "short_secret"),
        ({"secret": "with a\nline break and long"}, "secret"),
        ({"key": "with:colon"}, "key"),
        ({"key": ""}, "key"),
        ({"key": "3e0b8a1a-8a55-4e0b-9a2e-0e8e8e4a3b1c"}, "key"),
        ({"scopes": ["everything"]}, "unknown_scope"),
        ({"connector": "nobody"}, "unknown_connector"),
        ({"per_minute": 0}, "per_minute"),
    ],
)
def test_a_wrong_credential_is_refused(hub: Hub, given: dict[str, object], code: str) -> None:
    with pytest.raises(HubError) as refused:
        add_credential(hub, **given)

    assert code_of(refused) == code
    with hub.db.read() as conn:
        assert credentials.list_all(conn) == ()


def test_a_credential_that_is_over_already_is_refused(hub: Hub, clock: Clock) -> None:
    with pytest.raises(HubError) as refused:
        add_credential(hub, expires=clock.now)

    assert code_of(refused) == "expires"


def test_name_and_key_are_given_once(hub: Hub) -> None:
    add_credential(hub)

    with pytest.raises(HubError, match="credential bkn already"):
        add_credential(hub, key="another")
    with pytest.raises(HubError, match="with the key bkn already"):
        add_credential(hub, "another", key="bkn")


def test_after_a_rotation_both_secrets_hold_for_a_while(hub: Hub, clock: Clock) -> None:
    add_credential(hub)

    hub.db.run(lambda conn: credentials.rotate(conn, hub, "bkn", "another long secret", by="test", overlap=HOUR))

    assert auth.authenticate(hub, header("bkn", SECRET))
    assert auth.authenticate(hub, header("bkn", "another long secret"))
    clock.advance(hours=1)
    assert auth.authenticate(hub, header("bkn", "another long secret"))
    with pytest.raises(auth.Unauthorized):
        auth.authenticate(hub, header("bkn", SECRET))


def test_rotating_to_the_same_secret_is_refused(hub: Hub) -> None:
    add_credential(hub)

    with pytest.raises(HubError) as refused:
        hub.db.run(lambda conn: credentials.rotate(conn, hub, "bkn", SECRET, by="test"))

    assert code_of(refused) == "same_secret"


def test_a_disabled_credential_lets_nobody_in(hub: Hub) -> None:
    add_credential(hub)

    hub.db.run(lambda conn: credentials.set_disabled(conn, hub, "bkn", disabled=True, by="test"))

    with pytest.raises(auth.Unauthorized):
        auth.authenticate(hub, header("bkn", SECRET))
    with pytest.raises(NotFound):
        hub.db.run(lambda conn: credentials.set_disabled(conn, hub, "x", disabled=True, by="test"))


def test_no_secret_is_written_down(hub: Hub) -> None:
    add_credential(hub)
    add_connector(hub, "pulled", secret="what they gave us")

    with hub.db.read() as conn:
        found = journal.read(conn, f"{hub.clock():%Y-%m}", limit=10)
    said = str(found)

    assert len(found) == 2
    assert SECRET not in said
    assert "what they gave us" not in said


@pytest.mark.parametrize("name", ["", "with\0nul", "x" * 1000, "../..", "é"])
def test_any_text_may_be_asked_for(hub: Hub, name: str) -> None:
    with hub.db.read() as conn:
        assert registry.find_connector(conn, name) is None
        assert registry.find_tool(conn, name) is None
        assert credentials.find(conn, name) is None


HOUR = timedelta(hours=1)
