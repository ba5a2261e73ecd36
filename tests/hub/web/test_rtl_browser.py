"""A follow-up plan in a real browser, from its owner to her supervisor's decision: both languages, phone and desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browsertest import SCREENS, Site, check, follow, name_of, opened, serving, sign_in
from hub.access import accounts
from lrs.database import Database
from pagestest import PASSWORD
from recognizedtest import statement
from rtltest import Office
from wkmbtest.databases import Databases


@pytest.fixture
def office(databases: Databases, tmp_path: Path) -> Iterator[Office]:
    """Budi has finished a course, and her plan is late."""
    db = Database(databases.create("sqlite", tmp_path), pool_size=4)
    made = Office(db)
    made.world.receive(statement(timestamp="2026-09-20T09:00:00+07:00"))
    made.world.settle()
    with db.write() as conn:
        for name, learner in (("budi", made.budi), ("boss", made.boss)):
            accounts.add(conn, made.world.hub, name, "learner", PASSWORD, learner.id)
        accounts.add(conn, made.world.hub, "auditor", "auditor", PASSWORD)
    yield made
    db.close()


@pytest.fixture
def site(office: Office) -> Iterator[Site]:
    with serving(office.world) as site:
        yield site


@pytest.fixture(params=SCREENS, ids=name_of)
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    # Axe runs as a script in the page; the pages' own policy allows none.
    with opened(browser, site.url, request.param, bypass_csp=True) as page:
        yield page


def test_a_plan_is_late_then_handed_in_then_approved(page: Page, site: Site, office: Office) -> None:
    sign_in(page, site.url, "auditor")
    page.goto(f"{site.url}/rtl/overdue")
    expect(page.locator("main tbody tr")).to_have_count(1)
    check(page)
    page.goto(f"{site.url}/rtl/rules")
    expect(page.locator("main form")).to_have_count(0)
    check(page)

    office.walk("planned", "submitted")
    office.world.settle()
    follow(page, page.locator("form[action$='/logout'] button"))
    sign_in(page, site.url, "boss")
    page.goto(f"{site.url}/rtl")
    check(page)
    follow(page, page.locator("#team + .list a"), "**/rtl/*/*")
    expect(page.locator("button[value=approved]")).to_be_visible()
    check(page)
    follow(page, page.locator("button[value=approved]"))
    expect(page.locator(".notice-success")).to_be_visible()
    check(page)
    page.goto(f"{site.url}/rtl")
    expect(page.locator("#team + .empty")).to_be_visible()
    page.goto(f"{site.url}/competencies/unit?team=mine")
    check(page)
