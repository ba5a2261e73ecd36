"""The "test" button: each kind of system is tried in its own way, and what was found is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Check
from hub.access.crypto import Keyring
from hub.errors import HubError
from hub.jp import siasn
from hub.lti_tool import platforms
from hub.lti_tool.platforms import NewPlatform
from hub.runtime import Hub
from hub.statements import ingest
from hub.systems import connections, credentials, pulls, registry, sync
from hub.systems.registry import Connector, NewTool
from lrs import statements
from lrs.statements import Writer
from siasntest.standin import StandIn
from wkmbtest.hubs import BASE_URL, Clock

SECRET = "sixteen characters or more"
KEYS = {"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "n": "AQAB", "e": "AQAB"}]}


@pytest.fixture
def other(httpserver: HTTPServer, clock: Clock) -> HTTPServer:
    """Another system, whose clock agrees with ours: its server says what time it really is."""
    clock.now = datetime.now(UTC)

    def answer(request: Request) -> Response:
        if request.path == "/login" and "lti_message_hint" in request.args:
            return Response(status=302, headers={"Location": asked_of(request)})
        body = orjson.dumps(KEYS if request.path == "/jwks" else {})
        return Response(body, content_type="application/json")

    httpserver.expect_request(re.compile("/(login|jwks)")).respond_with_handler(answer)
    return httpserver


def asked_of(request: Request, **changed: str) -> str:
    """The authentication request with which a tool answers the beginning of a launch."""
    told = {
        "client_id": request.args["client_id"],
        "redirect_uri": f"{request.host_url}launch",
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "nonce": "n",
        "state": "s",
        "login_hint": request.args["login_hint"],
        "lti_message_hint": request.args["lti_message_hint"],
    }
    return f"{BASE_URL}/lti/platform/auth?{urlencode(told | changed)}"


def connector(hub: Hub, kind: str, name: str = "lan") -> Connector:
    return hub.db.run(lambda conn: registry.add_connector(conn, hub, name, kind, by="test"))


def tool(hub: Hub, base: str, **given: object) -> registry.Tool:
    values = {
        "name": "lan",
        "login_url": f"{base}/login",
        "redirect_uris": (f"{base}/launch",),
        "target_link_uri": f"{base}/launch",
        "jwks_url": f"{base}/jwks",
        "internal": True,
    }
    return hub.db.run(lambda conn: registry.add_tool(conn, hub, NewTool(**(values | given)), by="test"))  # type: ignore[arg-type]


def found(checks: tuple[Check, ...]) -> dict[str, tuple[str, str]]:
    return {check.code: (check.outcome, check.reason) for check in checks}


def last(hub: Hub, number: int) -> connections.Tested | None:
    with hub.db.read() as conn:
        return connections.last(conn, number)


# LTI


def test_a_tool_that_answers_passes_every_check(hub: Hub, other: HTTPServer) -> None:
    made = tool(hub, other.url_for("").rstrip("/"))

    checks = connections.test(hub, made.connector)

    assert found(checks) == {
        "reachable": ("ok", "answered"),
        "tls": ("warning", "plain_http"),
        "clock": ("ok", "in_step"),
        "jwks": ("ok", "keys"),
        "dry_launch": ("ok", "launchable"),
        "token": ("skipped", "no_token_yet"),
    }
    assert {each.subject for each in checks} == {"lan"}


Answer = Callable[[Request], Response]


def goes_to(where: Callable[[Request], str]) -> Answer:
    return lambda request: Response(status=303, headers={"Location": where(request)})


DRY: dict[str, tuple[Answer, tuple[str, str], str]] = {
    "elsewhere": (goes_to(lambda _: "https://other.example/auth?x=1"), ("failed", "auth_url"), "other.example/auth"),
    "another client": (goes_to(lambda r: asked_of(r, client_id="old")), ("failed", "client_id"), "'old'"),
    "another address": (
        goes_to(lambda r: asked_of(r, redirect_uri="https://old.example/")), ("failed", "request_wrong"), "old.example"
    ),
    "another way": (goes_to(lambda r: asked_of(r, response_mode="query")), ("failed", "request_wrong"), "'query'"),
    "refusal": (lambda _: Response(status=400), ("failed", "login_refused"), "answered 400"),
    "page": (lambda _: Response("<script>"), ("skipped", "page"), "answered 200"),
}  # fmt: skip


@pytest.mark.parametrize("case", DRY)
def test_a_launch_on_trial_says_what_the_tool_does_wrong(hub: Hub, other: HTTPServer, case: str) -> None:
    answer, outcome, said = DRY[case]
    made = tool(hub, other.url_for("").rstrip("/"))
    other.clear()
    other.expect_oneshot_request("/login").respond_with_json({})
    other.expect_request("/login").respond_with_handler(answer)

    checks = connections.test(hub, made.connector)

    assert found(checks)["dry_launch"] == outcome
    assert said in next(each.detail for each in checks if each.code == "dry_launch")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(3, "180 seconds behind ours; launches and tokens"), (-3, "180 seconds ahead of ours; launches")],
)
def test_a_clock_that_is_minutes_off_fails_with_its_difference(
    hub: Hub, other: HTTPServer, clock: Clock, minutes: int, said: str
) -> None:
    made = tool(hub, other.url_for("").rstrip("/"))
    clock.advance(minutes=minutes)

    checks = connections.test(hub, made.connector)

    assert found(checks)["clock"] == ("failed", "skewed")
    detail = next(each.detail for each in checks if each.code == "clock")
    # The Date header has whole seconds.
    assert said in re.sub("1(79|81) seconds", "180 seconds", detail)


def test_a_slow_key_set_is_told_with_its_time(hub: Hub, other: HTTPServer, clock: Clock) -> None:
    made = tool(hub, other.url_for("").rstrip("/"))
    other.clear()

    def slowly(request: Request) -> Response:
        if request.path == "/jwks":
            clock.advance(seconds=4)
        return Response(orjson.dumps(KEYS), content_type="application/json")

    other.expect_request(re.compile("/(login|jwks)")).respond_with_handler(slowly)

    checks = connections.test(hub, made.connector)

    assert found(checks)["jwks"] == ("warning", "slow")
    assert "took 4.0 seconds" in next(each.detail for each in checks if each.code == "jwks")


def test_what_was_found_is_kept_the_newest_only(hub: Hub, other: HTTPServer, clock: Clock) -> None:
    made = tool(hub, other.url_for("").rstrip("/"))
    assert last(hub, made.connector) is None
    connections.test(hub, made.connector)
    clock.advance(seconds=30)

    checks = connections.test(hub, made.connector)

    kept = last(hub, made.connector)
    assert kept == connections.Tested(clock.now, checks)
    assert not kept.has_failed
    with hub.db.read() as conn:
        assert connections.last_of_all(conn) == {made.connector: kept}


def test_a_tool_that_is_not_there_says_so(hub: Hub) -> None:
    made = tool(hub, "http://127.0.0.1:1")

    checks = connections.test(hub, made.connector)

    assert found(checks) == {
        "reachable": ("failed", "refused"),
        "jwks": ("failed", "refused"),
        "token": ("skipped", "no_token_yet"),
    }
    kept = last(hub, made.connector)
    assert kept is not None
    assert kept.has_failed


def test_a_key_that_was_entered_needs_no_key_set(hub: Hub, other: HTTPServer, public_key: str) -> None:
    made = tool(hub, other.url_for("").rstrip("/"), jwks_url=None, public_key=public_key)

    assert found(connections.test(hub, made.connector))["public_key"] == ("ok", "entered")


@pytest.fixture
def public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_tool_that_is_switched_off_is_noticed(hub: Hub, other: HTTPServer) -> None:
    made = tool(hub, other.url_for("").rstrip("/"))
    with hub.db.read() as conn:
        [deployment] = registry.deployments_of(conn, made.id)
    hub.db.run(lambda conn: registry.set_tool_disabled(conn, hub, made, disabled=True, by="test"))
    hub.db.run(lambda conn: registry.set_deployment_disabled(conn, hub, deployment, disabled=True, by="test"))

    checks = found(connections.test(hub, made.connector))

    assert checks["launch"] == ("warning", "disabled")
    assert checks["deployments"] == ("failed", "no_deployment")


def test_a_system_without_a_tool_cannot_be_launched(hub: Hub) -> None:
    assert found(connections.test(hub, connector(hub, "lti").id)) == {"launch": ("failed", "no_tool")}


def test_an_lms_that_launches_the_hub(hub: Hub, other: HTTPServer) -> None:
    base = other.url_for("").rstrip("/")
    new = NewPlatform(
        name="lan", issuer=base, client_id="hub", auth_url=f"{base}/login", token_url=f"{base}/token",
        jwks_url=f"{base}/jwks", deployments=("1",), internal=True,
    )  # fmt: skip
    made = hub.db.run(lambda conn: platforms.add(conn, hub, new, by="test"))
    other.expect_request("/token").respond_with_json({"access_token": "t", "expires_in": 3600})

    assert found(connections.test(hub, made.connector)) == {
        "reachable": ("ok", "answered"),
        "tls": ("warning", "plain_http"),
        "clock": ("ok", "in_step"),
        "jwks": ("ok", "keys"),
        "dry_launch": ("ok", "request_answered"),
        "token": ("ok", "token_given"),
    }

    hub.db.run(lambda conn: platforms.note_refusal(conn, hub, made.id, "aud", "aud is 'x', not the client_id hub."))
    other.clear()
    other.expect_request("/token").respond_with_json({"error": "invalid_client"}, status=401)
    checks = connections.test(hub, made.connector)

    assert found(checks)["token"] == ("failed", "token_refused")
    assert found(checks)["jwks"][0] == "failed"
    assert "aud is 'x'" in next(each.detail for each in checks if each.code == "last_launch")


# Reports


def test_a_system_that_reports_needs_a_credential(hub: Hub) -> None:
    lan = connector(hub, "xapi-push")

    assert found(connections.test(hub, lan.id)) == {
        "credential": ("failed", "no_credential"),
        "reports": ("warning", "never"),
    }


def add_credential(hub: Hub, *scopes: str, expires: datetime | None = None) -> None:
    hub.db.run(
        lambda conn: credentials.add(
            conn, hub, "lan", by="test", key="lan", secret=SECRET, scopes=scopes, connector="lan", expires=expires
        )
    )


def test_the_last_report_is_told(hub: Hub) -> None:
    lan = connector(hub, "xapi-push")
    add_credential(hub)
    said = {
        "actor": {"mbox": "mailto:anna@lms.example"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": "https://lms.example/course/1"},
    }
    authority = {"objectType": "Agent", "account": {"homePage": hub.base_url, "name": "credential/lan"}}
    writer = Writer(authority, lan.id, "credential:1")
    parsed = statements.parse(orjson.dumps(said))
    ingest.accept(hub, statements.prepare(parsed, version="1.0.3", writer=writer, new_id=hub.new_id))

    assert found(connections.test(hub, lan.id)) == {"credential": ("ok", "entered"), "reports": ("ok", "reported")}


def test_a_credential_that_may_not_write_is_no_help(hub: Hub) -> None:
    lan = connector(hub, "xapi-push")
    add_credential(hub, "api/read")

    assert found(connections.test(hub, lan.id))["credential"] == ("failed", "may_not_write")


def test_a_credential_that_is_over_is_no_help(hub: Hub, clock: Clock) -> None:
    lan = connector(hub, "xapi-push")
    add_credential(hub, expires=datetime(2027, 1, 1, tzinfo=UTC))
    clock.advance(days=365)

    assert found(connections.test(hub, lan.id))["credential"] == ("failed", "expired")


def test_an_institution_that_sends_files(hub: Hub) -> None:
    assert found(connections.test(hub, connector(hub, "csv").id)) == {"reports": ("warning", "never")}


# Pulls


PULL = {"url": "https://lrs.example.go.id/xapi", "key": "k", "secret": "s"}


def add_pull(hub: Hub, **given: object) -> Connector:
    return hub.db.run(lambda conn: pulls.add(conn, hub, "lrs", by="test", **(PULL | given)))  # type: ignore[arg-type]


def test_a_pull_is_due_at_once_and_again_when_asked(hub: Hub, clock: Clock) -> None:
    made = add_pull(hub)

    assert list(pulls.due(hub)()) == [made.id]
    clock.advance(seconds=-5)
    assert list(pulls.due(hub)()) == []
    assert hub.db.run(lambda conn: pulls.ask(conn, made.id, clock.now))
    assert list(pulls.due(hub)()) == [made.id]
    assert not hub.db.run(lambda conn: pulls.ask(conn, 999, clock.now))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"url": "http://lrs.example.go.id/xapi/"}, "not_https"),
        ({"url": "https://lrs.example.go.id/xapi/?a=b"}, "query_in_url"),
        ({"secret": ""}, "credential_missing"),
        ({"version": "0.95"}, "version"),
        ({"every": 0}, "every"),
        ({"every": 10**6}, "every"),
    ],
)
def test_a_pull_that_could_never_work_is_refused(hub: Hub, given: dict[str, object], code: str) -> None:
    with pytest.raises(HubError) as refused:
        add_pull(hub, **given)

    assert refused.value.code == code
    with hub.db.read() as conn:
        assert registry.list_connectors(conn) == ()


@pytest.fixture
def lrs_hub(hub: Hub, other: HTTPServer) -> tuple[Hub, Connector]:
    """A hub that pulls from an LRS that is empty."""

    def answer(request: Request) -> Response:
        if request.path == "/xapi/about":
            return Response('{"version": ["1.0.3"]}', content_type="application/json")
        if request.headers.get("Authorization") != "Basic azpz":
            return Response("no", 401)
        return Response('{"statements": [], "more": ""}', content_type="application/json")

    other.expect_request(re.compile("/xapi/.*")).respond_with_handler(answer)
    return hub, add_pull(hub, url=other.url_for("/xapi"), internal=True)


def test_another_lrs_is_asked(lrs_hub: tuple[Hub, Connector]) -> None:
    hub, made = lrs_hub

    checks = found(connections.test(hub, made.id))

    assert checks["reachable"] == ("ok", "answered")
    assert checks["version"] == ("ok", "spoken")
    assert checks["credential"] == ("ok", "accepted")


def test_a_run_of_what_is_wired(lrs_hub: tuple[Hub, Connector]) -> None:
    hub, made = lrs_hub

    pull = pulls.create_sync(hub, lambda: False).run(made.id)

    assert pull is not None
    assert (pull.state, pull.error) == ("ok", None)


def test_under_another_secret_key_it_says_what_to_do(lrs_hub: tuple[Hub, Connector]) -> None:
    hub, made = lrs_hub
    object.__setattr__(hub, "keyring", Keyring(b"another secret of this hub" * 2))

    assert found(connections.test(hub, made.id)) == {"credential": ("failed", "secret_sealed")}
    pull = pulls.create_sync(hub, lambda: False).run(made.id)

    assert pull is not None
    assert pull.error is not None
    assert "wkmb connector secret lrs" in str(pull.error)
    with hub.db.read() as conn:
        status = sync.status(conn, made.id, hub.clock())
    assert status is not None
    assert status.health == "paused"


# SIASN


def test_siasn_is_asked_for_a_token(hub: Hub, httpserver: HTTPServer) -> None:
    system = StandIn()
    httpserver.expect_request("/token").respond_with_handler(system.token)
    httpserver.expect_request(re.compile("/apisiasn/1.0/.*")).respond_with_handler(system.api)
    url, token_url = httpserver.url_for("/apisiasn/1.0"), httpserver.url_for("/token")
    made = hub.db.run(
        lambda conn: siasn.add(
            conn, hub, "siasn", by="test", url=url, token_url=token_url, key="kunci", secret="rahasia",
            sso_token="sso-token", internal=True,
        )
    )  # fmt: skip

    checks = found(connections.test(hub, made.id))

    assert (checks["reachable"], checks["credential"]) == (("ok", "answered"), ("ok", "accepted"))
