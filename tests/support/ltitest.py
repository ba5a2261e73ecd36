"""A hub with a course provider's tool, driven as a browser and the tool drive it: through the front door."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.test import TestResponse

from hub.access import accounts
from hub.learning import catalogue
from hub.lti import launches
from hub.people import learners
from hub.runtime import Hub
from hub.systems import registry
from hub.systems.registry import NewTool, Tool
from hub.tables import enrollments, lineitems
from mappings.course import Course
from wkmbtest.hubs import Clock

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/"
MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
ALL_SCOPES = " ".join(
    [*(SCOPE + name for name in ("lineitem", "lineitem.readonly", "result.readonly", "score")), MEMBERS]
)
LINEITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"

BASE = "https://hub.example"
NIPS = ("198001012005011001", "199002022015022002")


def new_key(bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, private=True, auto_kid=True)


@dataclass
class Page:
    """What a browser makes of an answer: the form on it."""

    response: TestResponse

    @property
    def action(self) -> str:
        found = re.search(r'<form[^>]* action="([^"]*)"', self.response.text)
        assert found, self.response.text
        return html.unescape(found[1])

    @property
    def fields(self) -> dict[str, str]:
        found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', self.response.text)
        return {html.unescape(name): html.unescape(value) for name, value in found}


@dataclass
class ToolSide:
    """The tool's own view: its key, what it registered, and what it was told."""

    hub: Hub
    client: FlaskClient
    tool: Tool
    key: RSAKey
    deployment_ids: list[str]
    now: Callable[[], int]

    @property
    def redirect_uri(self) -> str:
        return self.tool.redirect_uris[0]

    def assertion(self, *, key: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        said = {
            "iss": self.tool.client_id,
            "sub": self.tool.client_id,
            "aud": f"{BASE}/lti/platform/token",
            "iat": self.now(),
            "exp": self.now() + 60,
            "jti": str(uuid4()),
        } | claims
        said = {name: value for name, value in said.items() if value is not None}
        full = {"alg": "RS256", "kid": self.key.kid, "typ": "JWT"} | (header or {})
        full = {name: value for name, value in full.items() if value is not None}
        return jwt.encode(full, said, key or self.key, algorithms=[full["alg"]])

    def ask_token(self, scope: str = ALL_SCOPES, assertion: str | None = None, **form: Any) -> TestResponse:
        given = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion() if assertion is None else assertion,
            "scope": scope,
        } | form
        return self.client.post("/lti/platform/token", data={k: v for k, v in given.items() if v is not None})

    def token(self, scope: str = ALL_SCOPES) -> str:
        answer = self.ask_token(scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json["access_token"])

    @cached_property
    def bearer(self) -> str:
        return f"Bearer {self.token()}"

    def call(
        self, method: str, url: str, body: Any = None, *, bearer: str | None = None, **kwargs: Any
    ) -> TestResponse:
        """A call of a service; ``body`` is JSON, or bytes as they are."""
        headers = {"Authorization": self.bearer if bearer is None else bearer}
        if body is not None:
            kind = kwargs.pop("content_type", SCORE_TYPE if url.endswith("/scores") else LINEITEM_TYPE)
            kwargs |= {"content_type": kind} | ({"data": body} if isinstance(body, bytes) else {"json": body})
        return self.client.open(url.removeprefix(BASE), method=method, headers=headers, **kwargs)


@dataclass
class World:
    """The hub, its people, its courses; ``browser`` is that of the first person, signed in."""

    hub: Hub
    clock: Clock
    browser: FlaskClient
    tool: ToolSide
    keys: list[RSAKey]
    courses: list[int] = field(default_factory=list)

    @cached_property
    def learner(self) -> UUID:
        return self.learner_of(NIPS[0])

    def learner_of(self, nip: str) -> UUID:
        with self.hub.db.read() as conn:
            found = learners.find_by_nip(conn, nip)
        assert found is not None
        return found.id

    def new_browser(self, username: str | None = None) -> FlaskClient:
        """Another browser; signed in as somebody if named."""
        client = self.browser.application.test_client()
        if username is not None:
            signed_in = accounts.sign_in(self.hub, username, "correct horse", "127.0.0.1")
            assert isinstance(signed_in, accounts.SignedIn)
            client.set_cookie(accounts.COOKIE, signed_in.token, domain="localhost")
        return client

    def session_of(self, client: FlaskClient) -> accounts.Session:
        cookie = client.get_cookie(accounts.COOKIE, domain="localhost")
        assert cookie is not None
        with self.hub.db.read() as conn:
            found = accounts.find_session(conn, self.hub, cookie.value)
        assert found is not None
        return found

    def add_tool(self, name: str, key: RSAKey, **changed: Any) -> ToolSide:
        """A registered tool, with a course of its own connector left to the caller."""
        given: dict[str, Any] = {
            "login_url": f"https://{name}.example/login.php?id=7",
            "redirect_uris": (f"https://{name}.example/launch",),
            "target_link_uri": f"https://{name}.example/launch",
            "deep_linking_url": f"https://{name}.example/pick",
            "public_key": key.as_pem(private=False).decode(),
            "names": True,
        } | changed
        with self.hub.db.write() as conn:
            tool = registry.add_tool(conn, self.hub, NewTool(name, **given), by="test")
            deployed = registry.deployments_of(conn, tool.id)
        ids = [each.deployment_id for each in deployed]
        return ToolSide(
            self.hub, self.browser.application.test_client(), tool, key, ids, lambda: int(self.clock.now.timestamp())
        )

    def add_course(self, provider: str, number: int = 1, **changed: Any) -> int:
        given: dict[str, Any] = {
            "id": f"https://{provider}.example/course/{number}",
            "provider": provider,
            "title_id": " Pelayanan Publik ",
            "title_en": "Public Service",
            "form": "NKL04",
            "scope": "national",
            "programme_centi_jp": 450,
            "launch_url": f"https://{provider}.example/launch",
            "custom": (("course", "pelayanan"), ("who", "$User.id"), ("odd", "$No.such")),
        } | changed
        course = Course(**given)
        with self.hub.db.write() as conn:
            catalogue.import_courses(conn, self.hub, [course], by="test")
        with self.hub.db.read() as conn:
            return self.hub.courses.current(conn).by_iri[course.id].id

    def begin(self, course: int | None = None, browser: FlaskClient | None = None) -> str:
        """The login address with which a launch begins."""
        session = self.session_of(browser or self.browser)
        assert session.learner is not None
        started = launches.start(
            self.hub, learner=session.learner, session=session.id, course_id=course or self.courses[0], locale="id"
        )
        assert isinstance(started, launches.Started), started
        return started.url

    def request(self, login_url: str | None = None, tool: ToolSide | None = None, **changed: Any) -> dict[str, str]:
        """The authentication request that a tool makes of a login; None as a change takes a parameter out."""
        told = dict(parse_qsl(urlsplit(login_url or self.begin()).query))
        given = {
            "client_id": told["client_id"],
            "redirect_uri": (tool or self.tool).redirect_uri,
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "nonce": uuid4().hex,
            "state": uuid4().hex,
            "login_hint": told["login_hint"],
            "lti_message_hint": told["lti_message_hint"],
        } | changed
        return {name: value for name, value in given.items() if value is not None}

    def authenticate(self, request: dict[str, str] | None = None, **changed: Any) -> Page:
        """Send the authentication request with the browser's cookies."""
        given = self.request(**changed) if request is None else request
        return Page(self.browser.get("/lti/platform/auth", query_string=given))

    def launch(
        self, course: int | None = None, browser: FlaskClient | None = None, tool: ToolSide | None = None
    ) -> dict[str, Any]:
        """A launch from beginning to end; the claims of its id_token, its signature checked."""
        client = browser or self.browser
        request = self.request(self.begin(course, client), tool)
        page = Page(client.get("/lti/platform/auth", query_string=request))
        assert page.action == request["redirect_uri"], page.response.text
        return self.read_token(page.fields["id_token"])

    def read_token(self, token: str) -> dict[str, Any]:
        """The claims of an id_token whose signature is that of a published key."""
        key_set = KeySet.import_key_set(self.browser.get("/lti/platform/jwks").json)
        return dict(jwt.decode(token, key_set, algorithms=["RS256"]).claims)

    def enrollments(self) -> list[UUID]:
        with self.hub.db.read() as conn:
            return list(conn.execute(sa.select(enrollments.c.learner)).scalars())

    def lineitems(self) -> int:
        with self.hub.db.read() as conn:
            return len(conn.execute(sa.select(lineitems.c.id)).all())
