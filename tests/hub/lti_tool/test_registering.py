"""The hub registers itself at LMSs, a recorded Moodle among them: case Y06 of the acceptance list, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request, Response

from hub.application import create_app
from hub.errors import HubError
from hub.lti_tool import platforms, registering
from hub.lti_tool.platforms import Platform
from hub.lti_tool.registering import TOOL_CONFIGURATION, Invitation, Start
from hub.runtime import Hub
from hub.systems import registry
from platformtest import BASE
from wkmbtest.hubs import Clock

CASES = Path(__file__).parents[2] / "cases" / "moodle-lti"
MOODLE = "http://127.0.0.1:8081"


@dataclass
class Site:
    """A Moodle's registration, as recorded, at an address of its own. ``changed`` replaces members; None takes out."""

    server: HTTPServer
    changed: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    #: Every call of the registration: method, token, body.
    calls: list[tuple[str, str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer = self.answer or {"client_id": "lfFOlnPPSHvPDTo", TOOL_CONFIGURATION: {"deployment_id": "2"}}
        self.server.expect_request("/mod/lti/openid-configuration.php").respond_with_handler(self._configuration)
        for path in ("/mod/lti/openid-registration.php", "/registration/7"):
            self.server.expect_request(path).respond_with_handler(self._registration)

    def moved(self, text: str) -> str:
        """What was recorded, at this address."""
        here = self.server.url_for("").rstrip("/")
        return text.replace(MOODLE, here).replace(urlencode({"": MOODLE})[1:], urlencode({"": here})[1:])

    @property
    def start(self) -> Mapping[str, str]:
        """With what the Moodle opens a tool's registration page."""
        path = json.loads((CASES / "registration_start.json").read_text())["path"]
        return dict(parse_qsl(urlsplit(self.moved(path)).query))

    @property
    def token(self) -> str:
        return self.start["registration_token"]

    @property
    def url(self) -> str:
        return self.moved(f"{MOODLE}/mod/lti/openid-configuration.php")

    def _configuration(self, _: Request) -> Response:
        said = json.loads(self.moved((CASES / "openid_configuration.json").read_text())) | self.changed
        return Response(json.dumps({name: value for name, value in said.items() if value is not None}))

    def _registration(self, request: Request) -> Response:
        body = json.loads(request.data) if request.data else None
        self.calls.append((request.method, request.headers.get("Authorization", ""), body))
        # Moodle's Content-Type is text/html here, too.
        return Response(json.dumps((body or {}) | self.answer), self.status)


@pytest.fixture
def site(httpserver: HTTPServer) -> Site:
    return Site(httpserver)


@pytest.fixture
def browser(hub: Hub) -> FlaskClient:
    return create_app(hub).test_client()


def register(hub: Hub, site: Site, **given: Any) -> Platform:
    start = registering.read_start(f"{site.url}?registration_token={site.token}")
    return registering.register(hub, "moodle", start, by="test", internal=True, **given)


def test_a_moodle_registers_the_hub(hub: Hub, site: Site) -> None:
    made = register(hub, site)

    [(method, token, said)] = site.calls
    assert (method, token) == ("POST", f"Bearer {site.token}")
    assert said == {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{BASE}/lti/tool/login",
        "redirect_uris": [f"{BASE}/lti/tool/launch"],
        "client_name": "WKMB Hub",
        "client_uri": BASE,
        "jwks_uri": f"{BASE}/lti/tool/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(
            f"https://purl.imsglobal.org/spec/{name}"
            for name in (
                "lti-ags/scope/lineitem",
                "lti-ags/scope/lineitem.readonly",
                "lti-ags/scope/result.readonly",
                "lti-ags/scope/score",
                "lti-nrps/scope/contextmembership.readonly",
            )
        ),
        TOOL_CONFIGURATION: {
            "domain": "hub.example",
            "target_link_uri": f"{BASE}/lti/tool/launch",
            "claims": ["iss", "sub", "name"],
            "messages": [
                {"type": kind, "target_link_uri": f"{BASE}/lti/tool/launch", "label": "WKMB"}
                for kind in ("LtiResourceLinkRequest", "LtiDeepLinkingRequest")
            ],
        },
    }
    assert (made.issuer, made.client_id) == (site.moved(MOODLE), "lfFOlnPPSHvPDTo")
    assert made.auth_url == site.moved(f"{MOODLE}/mod/lti/auth.php")
    assert made.token_url == site.moved(f"{MOODLE}/mod/lti/token.php")
    assert made.jwks_url == site.moved(f"{MOODLE}/mod/lti/certs.php")
    assert not made.disabled
    with hub.db.read() as conn:
        assert [each.deployment_id for each in platforms.deployments_of(conn, made.id)] == ["2"]


def test_the_domain_has_the_port_that_the_addresses_have(new_test_hub: Any) -> None:
    """A Moodle refuses a domain without it."""
    said = registering.description(new_test_hub(base_url="http://127.0.0.1:8080"))

    assert said[TOOL_CONFIGURATION]["domain"] == "127.0.0.1:8080"


def test_an_address_that_the_lms_would_open_us_with_is_read_too() -> None:
    opened = registering.read_start(
        "https://hub.example/lti/tool/register?openid_configuration=https%3A%2F%2Flms.example%2Fc%3Fx%3D1&registration_token=t"
    )
    assert opened == Start("https://lms.example/c?x=1", "t")
    own = registering.read_start("https://lms.example/c?x=1&registration_token=t")
    assert own == Start("https://lms.example/c?x=1", "t")


UNFIT: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://evil.example"},
    "no issuer": {"issuer": None},
    "no registration": {"registration_endpoint": None},
    "an endpoint that is none": {"token_endpoint": "file:///etc/passwd"},
    "link-local": {"jwks_uri": "http://169.254.169.254/keys"},
    "another way to sign in": {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
    "another algorithm": {"id_token_signing_alg_values_supported": ["HS256"]},
}


# Invitations -----------------------------------------------------------------------------------------------------


def open_invitation(browser: FlaskClient, url: str, site: Site, **changed: str) -> TestResponse:
    """The LMS opens the address that its administrator entered, in a frame of its own."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query)) | {
        "openid_configuration": site.url,
        "registration_token": site.token,
    } | changed  # fmt: skip
    return browser.get(parts.path, query_string=given, base_url=BASE)


def test_an_invited_lms_arrives_switched_off(hub: Hub, browser: FlaskClient, site: Site) -> None:
    url = registering.invite(hub, Invitation("moodle", internal=True, title="Kampus Merdeka"), by="ani")

    page = open_invitation(browser, url, site)

    assert page.status_code == 200, page.text
    assert "registered.js" in page.text
    assert site.moved(MOODLE) in page.headers["Content-Security-Policy"], "the LMS may frame it"
    with hub.db.read() as conn:
        assert platforms.named(conn, "moodle").disabled
        assert registry.named_connector(conn, "moodle").shown == "Kampus Merdeka"
    again = open_invitation(browser, url, site)
    assert again.status_code == 400, "an invitation registers one LMS"
    assert len(site.calls) == 1


def test_what_failed_may_be_tried_again_with_the_same_invitation(hub: Hub, browser: FlaskClient, site: Site) -> None:
    url = registering.invite(hub, Invitation("moodle", internal=True), by="ani")
    site.status = 503
    refused = open_invitation(browser, url, site)
    assert refused.status_code == 400
    assert "Sistem itu sibuk atau mati" in refused.text or "sibuk" in refused.text

    site.status = 200

    assert open_invitation(browser, url, site).status_code == 200


@pytest.mark.parametrize("late", [False, True])
def test_nobody_registers_without_an_invitation(
    hub: Hub, browser: FlaskClient, site: Site, clock: Clock, late: bool
) -> None:
    url = registering.invite(hub, Invitation("moodle", internal=True), by="ani")
    clock.advance(days=7 if late else 0)

    page = open_invitation(browser, url, site, **({} if late else {"invitation": "made.up"}))

    assert page.status_code == 400
    assert site.calls == []


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("no registration", "Konfigurasi LMS tidak dapat dipakai: registration_endpoint tidak ada."),
        ("another issuer", "issuer https://evil.example berada di host lain"),
        ("link-local", "hanya berlaku"),
    ],
)
def test_an_lms_reads_in_indonesian_what_is_wrong_with_it(
    hub: Hub, browser: FlaskClient, site: Site, case: str, says: str
) -> None:
    site.changed = UNFIT[case]

    page = open_invitation(browser, registering.invite(hub, Invitation("moodle", internal=True), by="ani"), site)

    assert page.status_code == 400
    assert says in page.text


def test_an_invited_lms_leads_to_no_private_address(hub: Hub, browser: FlaskClient, site: Site) -> None:
    url = registering.invite(hub, Invitation("moodle"), by="ani")

    page = open_invitation(browser, url, site)

    assert page.status_code == 400


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", UNFIT)
def test_y06_an_offer_that_cannot_be_trusted_is_refused(hub: Hub, site: Site, case: str) -> None:
    site.changed = UNFIT[case]

    with pytest.raises(HubError):
        register(hub, site)

    assert site.calls == []
    with hub.db.read() as conn:
        assert platforms.list_all(conn) == ()


@pytest.mark.parametrize("answer", [{"client_id": None}, {"client_id": ""}, {"client_id": 7}])
def test_an_answer_without_a_client_id_registers_nothing(hub: Hub, site: Site, answer: dict[str, Any]) -> None:
    site.answer = answer

    with pytest.raises(HubError, match="client_id"):
        register(hub, site)


def test_a_name_that_is_taken_is_told_before_the_lms_is_asked(hub: Hub, site: Site) -> None:
    register(hub, site)

    with pytest.raises(HubError, match="There is a platform moodle already"):
        register(hub, site)

    assert len(site.calls) == 1


def test_an_lms_that_is_not_there_says_so_without_its_token(hub: Hub, site: Site) -> None:
    site.status = 500

    with pytest.raises(HubError) as refused:
        register(hub, site)

    assert "500" in str(refused.value)
    assert site.token not in str(refused.value)


# Changing --------------------------------------------------------------------------------------------------------


def test_y06_a_registration_is_read_and_changed_with_the_same_token(hub: Hub, site: Site) -> None:
    site.answer |= {"registration_client_uri": site.server.url_for("/registration/7")}
    site.answer[TOOL_CONFIGURATION] = {}
    made = register(hub, site)
    with hub.db.read() as conn:
        assert platforms.deployments_of(conn, made.id) == (), "its first launch will name one"
    site.answer[TOOL_CONFIGURATION] = {"deployment_id": 9}

    registering.update(hub, made, by="test")

    assert [(method, token) for method, token, _ in site.calls[1:]] == [
        ("GET", f"Bearer {site.token}"),
        ("PUT", f"Bearer {site.token}"),
    ]
    assert site.calls[2][2]["client_id"] == "lfFOlnPPSHvPDTo"
    with hub.db.read() as conn:
        assert [each.deployment_id for each in platforms.deployments_of(conn, made.id)] == ["9"]


@pytest.mark.parametrize("uri", [None, "https://evil.example/registration/7"])
def test_y06_the_token_goes_nowhere_else(hub: Hub, site: Site, uri: str | None) -> None:
    site.answer |= {"registration_client_uri": uri}
    made = register(hub, site)

    with pytest.raises(HubError, match="offers no address"):
        registering.update(hub, made, by="test")


def test_y06_the_registration_of_another_tool_is_not_changed(hub: Hub, site: Site) -> None:
    site.answer |= {"registration_client_uri": site.server.url_for("/registration/7")}
    made = register(hub, site)
    site.answer |= {"client_id": "another"}

    with pytest.raises(HubError, match="another tool"):
        registering.update(hub, made, by="test")

    assert [method for method, _, _ in site.calls] == ["POST", "GET"]
