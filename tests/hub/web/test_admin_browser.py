"""The administrator's and the auditor's path in a real browser: both languages, both themes, a phone and a desk.

Every page is accessible (axe), is never wider than the screen, and says nothing on the console.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from hub import accounts, registry
from hub.application import create_app
from lrs.database import Database
from pagestest import PASSWORD
from recognizedtest import NIP, World, by, course, linked_world, statement, voiding
from wkmbtest.databases import Databases
from wkmbtest.postgresql import free_port

SCREENS = [(1280, "light", "en"), (390, "dark", "id")]


@dataclass
class Site:
    """A hub that answers on a port of this machine."""

    url: str
    world: World


@pytest.fixture
def world(databases: Databases, tmp_path: Any) -> Iterator[World]:
    db = Database(databases.create("sqlite", tmp_path), pool_size=4)
    world, _ = linked_world(db, course(valid_from=None), course("https://lms.example.go.id/course/2"))
    first = statement(result={"score": {"raw": 85, "max": 100}, "duration": "PT3H"})
    world.receive(first, statement(object="https://lms.example.go.id/course/2"))
    world.receive(statement(actor={**by("17"), "name": "Siti Rahmawati"}))
    world.settle()
    world.receive(voiding(first["id"], actor=by("4")))
    world.settle()
    yield world
    db.close()


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    hub = replace(world.hub, settings=replace(world.hub.settings, base_url=url))
    with hub.db.write() as conn:
        for role in ("admin", "auditor"):
            accounts.add(conn, hub, role, role, PASSWORD)
        registry.add_credential(conn, hub, "asn", by="t", key="asn", secret="s" * 20, connector="asn-unggul")
    server = make_server("127.0.0.1", port, create_app(hub), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(url, world)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=SCREENS, ids=lambda screen: "-".join(map(str, screen)))
def screen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    width, theme, language = request.param
    # Axe runs as a script in the page; the pages' own policy allows none.
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, bypass_csp=True)
    for name, value in (("wkmb_lang", language), ("wkmb_theme", theme)):
        context.add_cookies([{"name": name, "value": value, "url": site.url}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    # A refused form is answered with 422, which the browser notes.
    assert [line for line in said if "422" not in line] == []
    context.close()


def sign_in(page: Page, site: Site, name: str) -> None:
    page.goto(f"{site.url}/login")
    page.locator("#f-username").fill(name)
    page.locator("#f-password").fill(PASSWORD)
    page.locator("main form button").click()


def check(page: Page) -> None:
    """The page fits the screen, and nobody is kept out of it."""
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, page.url
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], page.url


def visit(page: Page, site: Site, *paths: str) -> None:
    for path in paths:
        page.goto(site.url + path)
        check(page)


def test_an_administrator_connects_a_system_and_finds_out_who_an_actor_is(screen: Page, site: Site) -> None:
    page = screen
    sign_in(page, site, "admin")
    check(page)
    page.locator("a[href='/admin/add']").first.click()
    check(page)
    page.locator("a[href='/admin/add/lti']").click()
    page.locator("main form button").click()
    check(page)
    assert page.locator(".is-invalid").count() >= 4
    page.locator("#f-name").fill("asn-moodle")
    for name in ("login_url", "redirect_uris", "target_link_uri", "jwks_url"):
        page.locator(f"#f-{name}").fill(f"https://lms.example.go.id/{name}")
    page.locator("main form button").click()
    page.wait_for_url("**/admin/systems/asn-moodle")
    check(page)
    assert page.locator(".copies code").first.inner_text() == site.url
    says = page.locator(".copy [data-says]").first
    before = says.inner_text()
    page.locator(".copy").first.click()
    expect(says).not_to_have_text(before)

    page.goto(f"{site.url}/admin/add/xapi-push")
    page.locator("#f-name").fill("bkn")
    page.locator("main form button").click()
    expect(page.locator("#c-secret")).to_be_visible()
    check(page)

    page.goto(f"{site.url}/admin/systems/other-lms")
    page.locator("form[action$='/test'] button").click()
    expect(page.locator(".check-failed")).to_have_count(1)
    check(page)

    page.goto(f"{site.url}/admin/identities")
    check(page)
    page.locator("input[name=nip]").first.fill(NIP)
    page.locator("form[action$='/link'] button").first.click()
    expect(page.locator("form[action$='/unlink'] button")).to_be_visible()
    check(page)
    page.locator("form[action$='/unlink'] button").click()
    expect(page.locator("input[name=nip]")).to_have_count(1)
    visit(
        page,
        site,
        "/admin/",
        "/admin/courses",
        "/admin/learners?q=Budi",
        "/admin/add/xapi-pull",
        "/admin/add/csv",
        "/admin/add/lti/invite",
    )


def test_an_auditor_walks_from_an_hour_to_its_evidence_and_back(screen: Page, site: Site) -> None:
    page = screen
    sign_in(page, site, "auditor")
    check(page)
    page.locator("#f-find").fill(NIP)
    page.locator("form").filter(has=page.locator("#f-find")).locator("button").click()
    page.wait_for_url(f"**/audit/learners/{NIP}")
    check(page)
    page.locator(".list a[href*='/audit/entries/']").first.click()
    check(page)
    page.locator("form[action$='/verify'] button").click()
    expect(page.locator(".verdict-good")).to_be_visible()
    check(page)
    page.locator(".chain a[href*='/audit/statements/']").first.click()
    check(page)
    page.locator("details summary").last.click()
    check(page)
    page.locator("a[href*='/audit/entries/']").first.click()
    check(page)
    visit(page, site, "/audit/?nip=1", "/audit/?verb=completed", "/audit/entries", "/audit/journal")
