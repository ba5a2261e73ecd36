"""The employee's path in a real browser: both languages, both themes, a phone and a desk.

Every page is accessible (axe), is never wider than the screen, and says nothing on the console. A launch goes through
three sites and their policies as browsers hold them; only a browser shows that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from hub import accounts
from hub.application import create_app
from lrs.database import Database
from pagestest import PASSWORD
from recognizedtest import LMS, World, course, linked_world, statement, voiding
from wkmbpeers import prepared
from wkmbpeers.prepared import Course, PreparedHub
from wkmbtest.databases import Databases
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, terminate, wait_until

SCREENS = [(1280, "light", "en"), (390, "dark", "id")]
GRADED, ARTICLE = f"{LMS}/course/2", f"{LMS}/course/3"


@dataclass
class Site:
    """A hub that answers on a port of this machine."""

    url: str
    world: World


@pytest.fixture
def world(databases: Databases, tmp_path: Path) -> Iterator[World]:
    db = Database(databases.create("sqlite", tmp_path), pool_size=4)
    graded = course(GRADED, title_id="Pelayanan Publik", requires=("completed", "score"), min_score=700_000)
    article = course(ARTICLE, title_id="Membaca Artikel", form="NKL09", programme_centi_jp=None, minutes=45)
    world, learner = linked_world(db, course(), graded, article, *(course(f"{LMS}/many/{n}") for n in range(30)))
    taken_back = statement("completed", f"{LMS}/many/1")
    world.receive(statement(), taken_back, statement("completed", GRADED))
    world.receive(statement("scored", GRADED, result={"score": {"scaled": 0.55}}))
    world.settle()
    world.receive(voiding(taken_back["id"]))
    world.settle()
    with db.write() as conn:
        accounts.add(conn, world.hub, "budi", "learner", PASSWORD, learner.id)
    yield world
    db.close()


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    hub = replace(world.hub, settings=replace(world.hub.settings, base_url=url))
    server = make_server("127.0.0.1", port, create_app(hub), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(url, world)
    server.shutdown()
    thread.join()
    server.server_close()


def open_page(browser: Browser, url: str, screen: tuple[int, str, str], **options: Any) -> Iterator[Page]:
    """A page that must not have said anything on the console when it is closed."""
    width, theme, language = screen
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, **options)
    for name, value in (("wkmb_lang", language), ("wkmb_theme", theme)):
        context.add_cookies([{"name": name, "value": value, "url": url}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    # Refused attempts are answered with 401, 404 and 409, which the browser notes.
    assert [line for line in said if not any(code in line for code in ("401", "404", "409"))] == []
    context.close()


@pytest.fixture(params=SCREENS, ids=lambda screen: "-".join(map(str, screen)))
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    # Axe runs as a script in the page; the pages' own policy allows none.
    yield from open_page(browser, site.url, request.param, bypass_csp=True)


def sign_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(f"{url}/login")
    page.locator("#f-username").fill(name)
    page.locator("#f-password").fill(password)
    page.locator("main form button").click()
    page.wait_for_url(f"{url}/")


def check(page: Page) -> None:
    """The page fits the screen, and nobody is kept out of it."""
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, page.url
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], page.url


def test_every_page_fits_the_screen_and_keeps_nobody_out(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/login")
    check(page)
    page.locator("#f-username").fill("budi")
    page.locator("#f-password").fill("wrong")
    page.locator("main form button").click()
    expect(page.locator(".notice-danger")).to_be_visible()
    check(page)
    sign_in(page, site.url, "budi", PASSWORD)
    check(page)
    for path in ("/courses", "/courses?q=xyz", "/plan?year=2025", "/transcript", "/transcript?year=2025", "/nowhere"):
        page.goto(site.url + path)
        check(page)
    page.goto(f"{site.url}/transcript")
    page.locator("main a[href*='/entries/']").first.click()
    expect(page.locator(".checks .check-ok").first).to_be_visible()
    check(page)


def test_a_course_is_found_planned_taken_out_and_put_back(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi", PASSWORD)
    page.goto(f"{site.url}/courses")
    page.locator("#f-q").fill("artikel" if page.locator("html[lang=id]").count() else "membaca")
    page.locator("#f-q").press("Enter")
    expect(page.locator(".card-course")).to_have_count(1)
    page.locator(".card-course a").click()
    expect(page.locator(".worth")).to_be_visible()
    check(page)

    page.locator("form[action$='/plan'] button").click()
    expect(page.locator(".notice-success")).to_be_visible()
    expect(page.locator(".steps")).to_be_visible()
    page.goto(f"{site.url}/plan")
    expect(page.locator(".plan-line")).to_have_count(1)
    check(page)
    page.locator(".plan-line button").click()
    expect(page.locator(".plan-line")).to_have_count(0)
    check(page)
    page.locator(".notice button").click()
    expect(page.locator(".plan-line")).to_have_count(1)


def test_a_filter_applies_when_it_is_chosen(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi", PASSWORD)
    page.goto(f"{site.url}/courses")

    page.locator("#f-form").select_option("NKL09")

    page.wait_for_url("**/courses?*form=NKL09*")
    expect(page.locator(".card-course")).to_have_count(1)


def test_new_hours_show_by_themselves_while_the_page_is_open(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi", PASSWORD)
    number = page.locator(".progress-number")
    expect(number).to_contain_text("4.5" if page.locator("html[lang=en]").count() else "4,5")

    site.world.receive(statement("completed", f"{LMS}/many/7"))
    site.world.settle()

    expect(number).to_contain_text("9 ", timeout=3000)


def test_language_and_theme_are_chosen_at_the_foot_of_each_page(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi", PASSWORD)
    page.goto(f"{site.url}/courses?q=xyz")

    page.locator("footer a[lang=en]").click()
    page.locator("footer a[href*='theme=light']").click()

    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    expect(page.locator("#f-q")).to_have_value("xyz")
    page.wait_for_url(f"{site.url}/courses?q=xyz")


def test_without_a_choice_the_theme_is_that_of_the_system(browser: Browser, site: Site) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site.url}/login")

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    context.close()


# The whole path, between processes -----------------------------------------------------------------------

TITLE = "Pelayanan Publik Digital"


@pytest.fixture
def sandbox(hub_process: HubProcess, tmp_path: Path) -> Iterator[tuple[PreparedHub, str]]:
    """A hub with its worker, and the sandbox LMS with one course in the hub's catalogue."""
    hub, home, port = PreparedHub(hub_process), tmp_path / "sandbox", free_port()
    home.mkdir()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "sandbox.log"
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--home", str(home)]
    process: subprocess.Popen[bytes] = hub_process.spawn(command, log)
    try:
        wait_until(lambda: answers(port, "/healthz"), what="the sandbox", process=process, log=log)
        hub.add_learner()
        addresses = ["--login-url", f"{url}/lti/login", "--redirect-uri", f"{url}/lti/launch"]
        addresses += ["--target-link-uri", f"{url}/lti/launch", "--jwks-url", f"{url}/lti/jwks"]
        platform = hub.add_tool("balai-contoh", *addresses)
        (home / "registration.json").write_text(json.dumps(platform), "utf-8")
        iri = "https://balai.contoh.example/courses/pelayanan-publik-digital"
        custom = "course=pelayanan-publik-digital"
        hub.add_course("balai-contoh", Course(iri, TITLE, f"{url}/lti/launch", "completed;passed", custom=custom))
        yield hub, url
    finally:
        terminate(process)


def test_a_course_is_started_in_the_browser_and_its_hours_appear(
    browser: Browser, sandbox: tuple[PreparedHub, str], tmp_path: Path
) -> None:
    hub, lms = sandbox
    # No bypass here: the launch must pass the policies that the pages really have.
    for page in open_page(browser, hub.url, (390, "light", "id")):
        sign_in(page, hub.url, "siti", prepared.PASSWORD)
        page.goto(f"{hub.url}/courses")
        page.get_by_role("link", name=TITLE).click()
        page.locator("form[action$='/plan'] button").click()
        page.locator("form[action$='/launch'] button").click()
        page.wait_for_url(f"{lms}/learn/*")
        launch = page.url.rsplit("/", 1)[1]

        page.goto(hub.url)
        expect(page.locator(".progress-number")).to_contain_text("0 dari 20 JP")
        done = requests.post(f"{lms}/api/launches/{launch}/complete", json={"score": 85, "faults": []}, timeout=30)
        assert done.status_code == 200

        # From the accepted report to the open page: two seconds, and one for the page to ask again.
        expect(page.locator(".progress-number")).to_contain_text("4,5 dari 20 JP", timeout=10_000)
        expect(page.locator(".steps .is-now")).to_have_text("Diakui")
        page.screenshot(path=tmp_path / "home.png", full_page=True)
        page.locator("a[href*='/entries/']").first.click()
        expect(page.locator(".checks .check-ok").first).to_be_visible()
        page.screenshot(path=tmp_path / "entry.png", full_page=True)
