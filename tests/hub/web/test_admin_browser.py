"""The administrator's and the auditor's path in a real browser: both languages, both themes, a phone and a desk.

Every page is accessible (axe), is never wider than the screen, and says nothing on the console.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browsertest import SCREENS, Site, check, follow, name_of, opened, serving, sign_in
from hub.access import accounts
from hub.systems import credentials
from lrs.database import Database
from pagestest import PASSWORD
from recognizedtest import NIP, World, by, course, linked_world, statement, voiding
from wkmbtest.databases import Databases


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
    hub = world.hub
    with hub.db.write() as conn:
        for role in ("admin", "auditor"):
            accounts.add(conn, hub, role, role, PASSWORD)
        credentials.add(conn, hub, "asn", by="t", key="asn", secret="s" * 20, connector="asn-unggul")
    with serving(world) as site:
        yield site


@pytest.fixture(params=SCREENS, ids=name_of)
def screen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    # Axe runs as a script in the page; the pages' own policy allows none. A refused form is answered with 422.
    with opened(browser, site.url, request.param, refusals=(422,), bypass_csp=True) as page:
        yield page


def visit(page: Page, site: Site, *paths: str) -> None:
    for path in paths:
        page.goto(site.url + path)
        check(page)


def test_an_administrator_connects_a_system_and_finds_out_who_an_actor_is(screen: Page, site: Site) -> None:
    page = screen
    sign_in(page, site.url, "admin")
    check(page)
    follow(page, page.locator("a[href='/admin/add']").first, "**/admin/add")
    check(page)
    follow(page, page.locator("a[href='/admin/add/lti']"), "**/admin/add/lti")
    follow(page, page.locator("main form button"))
    check(page)
    assert page.locator(".is-invalid").count() >= 4
    page.locator("#f-name").fill("asn-moodle")
    for name in ("login_url", "redirect_uris", "target_link_uri", "jwks_url"):
        page.locator(f"#f-{name}").fill(f"https://lms.example.go.id/{name}")
    follow(page, page.locator("main form button"), "**/admin/systems/asn-moodle")
    check(page)
    assert page.locator(".copies code").first.inner_text() == site.url
    says = page.locator(".copy [data-says]").first
    before = says.inner_text()
    page.locator(".copy").first.click()
    expect(says).not_to_have_text(before)

    page.goto(f"{site.url}/admin/add/xapi-push")
    page.locator("#f-name").fill("bkn")
    follow(page, page.locator("main form button"))
    expect(page.locator("#c-secret")).to_be_visible()
    check(page)

    page.goto(f"{site.url}/admin/systems/other-lms")
    follow(page, page.locator("form[action$='/test'] button"))
    expect(page.locator(".check-failed")).to_have_count(1)
    check(page)

    page.goto(f"{site.url}/admin/identities")
    check(page)
    page.locator("input[name=nip]").first.fill(NIP)
    follow(page, page.locator("form[action$='/link'] button").first)
    expect(page.locator("form[action$='/unlink'] button")).to_be_visible()
    check(page)
    follow(page, page.locator("form[action$='/unlink'] button"))
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
        "/admin/identities/rules",
        "/admin/identities/rules?preview=yes&connector=asn-unggul&kind=nip&value=https://lms.example.go.id",
        "/rtl/overdue",
        "/rtl/rules",
        "/competencies/units",
        f"/certifications?nip={NIP}",
    )


def test_an_auditor_walks_from_an_hour_to_its_evidence_and_back(screen: Page, site: Site) -> None:
    page = screen
    sign_in(page, site.url, "auditor")
    check(page)
    page.locator("#f-find").fill(NIP)
    search = page.locator("form").filter(has=page.locator("#f-find")).locator("button")
    follow(page, search, f"**/audit/learners/{NIP}")
    check(page)
    follow(page, page.locator(".list a[href*='/audit/entries/']").first, "**/audit/entries/*")
    check(page)
    follow(page, page.locator("form[action$='/verify'] button"))
    expect(page.locator(".verdict-good")).to_be_visible()
    check(page)
    follow(page, page.locator(".chain a[href*='/audit/statements/']").first, "**/audit/statements/*")
    check(page)
    page.locator("details summary").last.click()
    check(page)
    follow(page, page.locator("a[href*='/audit/entries/']").first, "**/audit/entries/*")
    check(page)
    visit(page, site, "/audit/?nip=1", "/audit/?verb=completed", "/audit/entries", "/audit/journal")
