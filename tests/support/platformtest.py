"""An LMS that launches the hub, and the browser between the two: what the tests of the tool speak with."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request, Response

from hub.access import accounts
from hub.lti_tool import platforms
from hub.lti_tool.platforms import NewPlatform, Platform
from hub.people import learners
from hub.runtime import Hub
from wkmbtest.hubs import Clock

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
SETTINGS = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"

BASE = "https://hub.example"
ISSUER = "https://lms.example"
LAUNCH_URL = f"{BASE}/lti/tool/launch"
PASSWORD = "correct horse battery"


def b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Lms:
    """The platform's own view: its keys, and what it knows of the hub. ``published`` is its key set."""

    hub: Hub
    clock: Clock
    client: FlaskClient
    server: HTTPServer
    keys: list[RSAKey]
    client_id: str = "client-1"
    deployment_id: str = "1"
    issuer: str = ISSUER
    published: list[RSAKey] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.published = self.published or [self.keys[0]]
        self.server.expect_request("/jwks").respond_with_handler(self._serve_keys)

    def _serve_keys(self, _: Request) -> Response:
        self.asked += 1
        said = [key.as_dict(private=False) | {"kid": key.kid, "alg": "RS256", "use": "sig"} for key in self.published]
        return Response(json.dumps({"keys": said}), content_type="application/json")

    def register(self, name: str = "lms", **changed: Any) -> Platform:
        given: dict[str, Any] = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "auth_url": f"{ISSUER}/auth.php?x=1",
            "token_url": self.server.url_for("/token"),
            "jwks_url": self.server.url_for("/jwks"),
            "deployments": (self.deployment_id,),
            "internal": True,
        } | changed
        with self.hub.db.write() as conn:
            return platforms.add(conn, self.hub, NewPlatform(name, **given), by="test")

    def new_browser(self) -> FlaskClient:
        return self.client.application.test_client()

    # The login ---------------------------------------------------------------------------------------------------

    def login(self, browser: FlaskClient | None = None, method: str = "GET", **changed: Any) -> TestResponse:
        """Initiate a login; None as a change takes a parameter out."""
        given = {
            "iss": self.issuer,
            "login_hint": "2",
            "target_link_uri": LAUNCH_URL,
            "lti_message_hint": '{"cmid":7,"launchid":"ltilaunch2_47829530"}',
            "client_id": self.client_id,
            "lti_deployment_id": self.deployment_id,
        } | changed
        given = {name: value for name, value in given.items() if value is not None}
        client = browser or self.client
        if method == "POST":
            return client.post("/lti/tool/login", data=given, base_url=BASE)
        return client.get("/lti/tool/login", query_string=given, base_url=BASE)

    def begin(self, browser: FlaskClient | None = None, **changed: Any) -> dict[str, str]:
        """The authentication request that the hub makes of a login."""
        answer = self.login(browser, **changed)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    # The launch --------------------------------------------------------------------------------------------------

    def claims(self, request: Mapping[str, str], **changed: Any) -> dict[str, Any]:
        """A launch of a learner, as a Moodle makes it. Short names in ``changed`` are LTI claims; None takes out."""
        now = int(self.clock.now.timestamp())
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "42",
            "iat": now,
            "exp": now + 60,
            "nonce": request.get("nonce"),
            "name": "Siti Rahma",
            "email": "siti@lms.example",
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": self.deployment_id,
            CLAIM + "target_link_uri": LAUNCH_URL,
            CLAIM + "resource_link": {"id": "7", "title": "Hub"},
            CLAIM + "roles": [MEMBERSHIP + "Learner"],
            CLAIM + "context": {"id": "3", "label": "PEER101", "title": "Peer course 101", "type": ["CourseSection"]},
        } | {self._name(name): value for name, value in changed.items()}
        return {name: value for name, value in said.items() if value is not None}

    @staticmethod
    def _name(name: str) -> str:
        plain = {"iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "name", "email"}
        full = {"settings": SETTINGS, "ags": AGS, "nrps": NRPS}
        return name if name in plain or name.startswith("http") else full.get(name, CLAIM + name)

    def sign(self, claims: Mapping[str, Any], *, key: RSAKey | None = None, **header: Any) -> str:
        """The claims as a JWT; a header of None is left out."""
        key = key or self.keys[0]
        full = {"alg": "RS256", "kid": key.kid, "typ": "JWT"} | header
        full = {name: value for name, value in full.items() if value is not None}
        if full["alg"] == "RS256":
            return jwt.encode(full, dict(claims), key, algorithms=["RS256"])
        body = f"{b64(json.dumps(full).encode())}.{b64(json.dumps(claims).encode())}"
        secret = key.as_pem(private=False)
        mark = b"" if full["alg"] == "none" else hmac.digest(secret, body.encode(), hashlib.sha256)
        return f"{body}.{b64(mark)}"

    def deep_linking(self, **settings: Any) -> dict[str, Any]:
        """The claims of a deep linking request; short names as in `claims`."""
        given = {
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["frame", "iframe", "window"],
            "accept_multiple": True,
            "deep_link_return_url": f"{ISSUER}/return.php?course=3&sesskey=mEDF",
            "data": 'op=321&v="44"',
        } | settings
        return {
            "message_type": "LtiDeepLinkingRequest",
            "resource_link": None,
            "roles": [MEMBERSHIP + "Instructor"],
            "settings": {name: value for name, value in given.items() if value is not None},
        }

    def post(self, browser: FlaskClient | None = None, **form: Any) -> TestResponse:
        """Post the form to the hub's launch address."""
        given = {name: value for name, value in form.items() if value is not None}
        return (browser or self.client).post("/lti/tool/launch", data=given, base_url=BASE)

    def launch(self, browser: FlaskClient | None = None, **changed: Any) -> TestResponse:
        """A whole launch, from the login on."""
        request = self.begin(browser)
        return self.post(browser, state=request["state"], id_token=self.sign(self.claims(request, **changed)))


@dataclass
class Person:
    """An employee with an account at the hub."""

    lms: Lms
    username: str
    nip: str

    @property
    def id(self) -> Any:
        with self.lms.hub.db.read() as conn:
            found = learners.find_by_nip(conn, self.nip)
        assert found is not None
        return found.id

    def sign_in(self, browser: FlaskClient) -> None:
        signed_in = accounts.sign_in(self.lms.hub, self.username, PASSWORD, "127.0.0.1")
        assert isinstance(signed_in, accounts.SignedIn)
        browser.set_cookie(accounts.COOKIE, signed_in.token, domain="hub.example")


def failed_check(answer: TestResponse) -> str:
    """The name of the check that a refused login or launch shows."""
    assert answer.status_code == 400, f"{answer.status_code} {answer.headers.get('Location')} {answer.text[:400]}"
    found = re.search(r"<code>([^<]*)</code>", answer.text)
    assert found, answer.text
    return html.unescape(found[1])


Case = Callable[[Lms], TestResponse]
