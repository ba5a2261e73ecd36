"""An administrator connects systems by registration and picks courses, in a real browser: both languages and themes, a
phone and a desk. Every page is accessible (axe), never wider than the screen, and says nothing on the console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from joserfc import jwt
from playwright.sync_api import Browser, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from browsertest import SCREENS, check, follow, name_of, opened, serving, sign_in
from hub.lti_tool.registering import TOOL_CONFIGURATION
from ltitest import CLAIM, ToolSide, World

DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
TITLE = "Pengelolaan Arsip Dinamis pada Instansi Pemerintah Pusat dan Daerah"


@dataclass
class Provider:
    """A provider whose picker gives what the test wants, and an LMS that registers the hub."""

    server: HTTPServer
    world: World
    tool: ToolSide = field(init=False)
    items: list[dict[str, Any]] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        url = self.url
        addresses = {"login_url": f"{url}/login", "target_link_uri": f"{url}/launch", "deep_linking_url": f"{url}/pick"}
        self.tool = self.world.add_tool(
            "pnri", self.world.keys[1], redirect_uris=(f"{url}/launch",), internal=True, **addresses
        )  # fmt: skip
        for path in ("login", "launch", "configuration", "registration"):
            self.server.expect_request(f"/{path}").respond_with_handler(getattr(self, f"_{path}"))

    @property
    def url(self) -> str:
        return self.server.url_for("").rstrip("/")

    def _login(self, request: Request) -> Response:
        told = request.values
        asked = {
            "client_id": told["client_id"],
            "redirect_uri": f"{self.url}/launch",
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "nonce": uuid4().hex,
            "state": "s",
            "login_hint": told["login_hint"],
            "lti_message_hint": told["lti_message_hint"],
        }
        return Response(status=302, headers={"Location": f"{told['iss']}/lti/platform/auth?{urlencode(asked)}"})

    def _launch(self, request: Request) -> Response:
        """Its picker: a page with one button that gives the items back."""
        asked = self.world.read_token(request.form["id_token"])
        settings = asked[DL + "deep_linking_settings"]
        now = self.tool.now()
        said = {
            "iss": self.tool.tool.client_id,
            "aud": asked["iss"],
            "iat": now,
            "exp": now + 600,
            "nonce": uuid4().hex,
            CLAIM + "deployment_id": asked[CLAIM + "deployment_id"],
            CLAIM + "message_type": "LtiDeepLinkingResponse",
            CLAIM + "version": "1.3.0",
            DL + "content_items": self.items,
            DL + "data": settings["data"],
            DL + "msg": "Dua kursus dipilih.",
        } | self.changed
        token = jwt.encode({"alg": "RS256", "kid": self.tool.key.kid}, said, self.tool.key, algorithms=["RS256"])
        form = f'<form method="post" action="{settings["deep_link_return_url"]}">'
        page = f'<h1>Pilih</h1>{form}<input type="hidden" name="JWT" value="{token}"><button>Kirim</button></form>'
        return Response(f"<!doctype html><title>Pilih</title><link rel=icon href=data:,>{page}", mimetype="text/html")

    def _configuration(self, _: Request) -> Response:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "registration_endpoint": f"{self.url}/registration",
        }
        return Response(json.dumps(said))

    def _registration(self, request: Request) -> Response:
        return Response(json.dumps(json.loads(request.data) | {"client_id": "hub", TOOL_CONFIGURATION: {}}))


@pytest.fixture
def provider(world: World, httpserver: HTTPServer) -> Provider:
    return Provider(httpserver, world)


@pytest.fixture(params=SCREENS, ids=name_of)
def screen(request: pytest.FixtureRequest, browser: Browser, provider: Provider) -> Iterator[tuple[Page, str]]:
    """An administrator's screen, and where the hub is."""
    # What is refused is answered with 400 or 422; axe is a script that the pages' own policy does not allow.
    asked = {"refusals": (400, 422), "bypass_csp": True}
    with serving(provider.world) as site, opened(browser, site.url, request.param, **asked) as page:  # type: ignore[arg-type]
        sign_in(page, site.url, "admin", "correct horse")
        yield page, site.url


def pick(page: Page, hub: str, button: str) -> None:
    """Open the picker from the page of the deployment, and send what it gives."""
    page.goto(f"{hub}/admin/systems/pnri")
    follow(page, page.locator("a[href*='/deployments/']").first)
    check(page)
    follow(page, page.locator("form[action$='/pick'] button"), "**/launch")
    follow(page, page.get_by_role("button", name=button), "**/lti/platform/deep-link")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_administrator_picks_courses_and_says_what_they_are_worth(
    screen: tuple[Page, str], provider: Provider
) -> None:
    page, hub = screen
    told = {
        "url": f"{provider.url}/launch",
        "text": "Empat modul, dengan ujian akhir.",
        "lineItem": {"scoreMaximum": 100},
    }
    provider.items = [
        {"type": "ltiResourceLink", "title": TITLE, "custom": {"jp": "4.5", "jp_form": "NKL04"}} | told,
        {"type": "ltiResourceLink", "title": "Pengantar Kearsipan"} | told,
        {"type": "file", "title": "Panduan.pdf", "url": f"{provider.url}/panduan.pdf"},
    ]

    pick(page, hub, "Kirim")
    check(page)
    follow(page, page.locator("a[href='/admin/courses/drafts']"))
    check(page)
    follow(page, page.get_by_role("link", name="Pengantar Kearsipan"))
    check(page)
    page.locator("#f-title_id").fill("")
    follow(page, page.locator("main form button").first)
    expect(page.locator(".invalid-feedback").first).to_be_visible()
    check(page)
    page.goto(f"{hub}/admin/courses/drafts")
    follow(page, page.locator("form[action$='/discard'] button").last)
    check(page)

    provider.changed = {"aud": "https://hub-lain.example"}
    pick(page, hub, "Kirim")
    check(page)
    page.goto(f"{hub}/admin/systems/pnri")
    check(page)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_systems_are_invited_to_register_themselves(screen: tuple[Page, str], provider: Provider) -> None:
    page, hub = screen
    page.goto(f"{hub}/admin/add/lti/invite")
    check(page)
    follow(page, page.locator("main form button").first)
    expect(page.locator(".invalid-feedback").first).to_be_visible()
    page.locator("#f-name").fill("bkn")
    page.locator("#f-title").fill("Badan Kepegawaian Negara")
    page.locator("#f-url").fill(f"{provider.url}/register")
    page.locator("#f-internal").check()
    follow(page, page.locator("main form button").first)
    expect(page.locator("#c-address")).to_be_visible()
    check(page)

    page.goto(f"{hub}/admin/add/platform")
    check(page)
    page.locator("#f-name").fill("kampus")
    page.locator("#f-title").fill("Kampus Merdeka")
    page.locator("#f-internal").check()
    page.locator("#how-invite").check()
    follow(page, page.locator("main form button").first)
    address = page.locator("#c-address")
    expect(address).to_be_visible()
    check(page)

    found = re.search(r"https?://\S+/lti/tool/register\?invitation=\S+", address.inner_text() or address.input_value())
    assert found
    given = urlencode({"openid_configuration": f"{provider.url}/configuration", "registration_token": "t"})
    page.goto(f"{found[0]}&{given}")
    check(page)
    page.goto(f"{found[0]}&{given}")
    check(page)
    page.goto(f"{hub}/admin/systems/kampus")
    expect(page.get_by_role("heading", name="Kampus Merdeka")).to_be_visible()
    check(page)
