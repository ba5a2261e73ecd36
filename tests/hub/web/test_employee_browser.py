"""The employee's path in a real browser: both languages, both themes, a phone and a desk.

Every page is accessible (axe), is never wider than the screen, and says nothing on the console. A launch goes through
three sites and their policies as browsers hold them; only a browser shows that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from browsertest import SCREENS, Site, check, follow, name_of, opened, serving, sign_in
from hub.access import accounts
from hub.learning import certifications
from hub.learning.needs import import_needs, read_needs
from lrs.database import Database
from mappings.course import Competency
from pagestest import PASSWORD
from recognizedtest import LMS, World, course, linked_world, statement, voiding
from wkmbpeers import prepared
from wkmbpeers.prepared import Course, PreparedHub
from wkmbtest.databases import Databases
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, terminate, wait_until

GRADED, ARTICLE, FOLLOWED_UP = f"{LMS}/course/2", f"{LMS}/course/3", f"{LMS}/many/2"


@pytest.fixture
def world(databases: Databases, tmp_path: Path) -> Iterator[World]:
    db = Database(databases.create("sqlite", tmp_path), pool_size=4)
    graded = course(GRADED, title_id="Pelayanan Publik", requires=("completed", "score"), min_score=700_000)
    article = course(ARTICLE, title_id="Membaca Artikel", form="NKL09", programme_centi_jp=None, minutes=45)
    world, learner = linked_world(db, course(), graded, article, *(course(f"{LMS}/many/{n}") for n in range(30)))
    world.offer(
        course(FOLLOWED_UP, requires=("completed", "rtl_approved"), competencies=(Competency("Integritas", 2),))
    )
    needed = read_needs(f"nip,competencies\n{learner.nip},Integritas:2;Statistik:1\n").rows
    with db.write() as conn:
        import_needs(conn, needed, {learner.nip: learner.id})
        scheme = certifications.get_scheme(conn, world.hub, "certification-bkn")
    certifications.record(world.hub, learner.id, scheme, certifications.Result("cognitive-test", score=500_000))
    world.receive(statement("completed", FOLLOWED_UP))
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
    with serving(world) as site:
        yield site


#: Refused attempts are answered so: a wrong password, a page that is not there, a second one of what is there once.
REFUSALS = (401, 404, 409)


@pytest.fixture(params=SCREENS, ids=name_of)
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    # Axe runs as a script in the page; the pages' own policy allows none.
    with opened(browser, site.url, request.param, REFUSALS, bypass_csp=True) as page:
        yield page


def test_every_page_fits_the_screen_and_keeps_nobody_out(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/login")
    check(page)
    page.locator("#f-username").fill("budi")
    page.locator("#f-password").fill("wrong")
    follow(page, page.locator("main form button"))
    expect(page.locator(".notice-danger")).to_be_visible()
    check(page)
    sign_in(page, site.url, "budi")
    check(page)
    paths = ("/courses", "/courses?q=xyz", "/plan?year=2025", "/transcript", "/transcript?year=2025", "/nowhere")
    for path in (*paths, "/certifications", "/competencies", "/rtl"):
        page.goto(site.url + path)
        check(page)
    follow(page, page.locator("main .list a").first, "**/rtl/*/*")
    expect(page.locator("#f-activity-0")).to_be_visible()
    check(page)
    page.goto(f"{site.url}/transcript")
    follow(page, page.locator("main a[href*='/entries/']").first, "**/entries/*")
    expect(page.locator(".checks .check-ok").first).to_be_visible()
    check(page)


def test_a_course_is_found_planned_taken_out_and_put_back(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi")
    page.goto(f"{site.url}/courses")
    page.locator("#f-q").fill("artikel" if page.locator("html[lang=id]").count() else "membaca")
    with page.expect_event("load"):
        page.locator("#f-q").press("Enter")
    expect(page.locator(".card-course")).to_have_count(1)
    follow(page, page.locator(".card-course a"), "**/courses/*")
    expect(page.locator(".worth")).to_be_visible()
    check(page)

    follow(page, page.locator("form[action$='/plan'] button"))
    expect(page.locator(".notice-success")).to_be_visible()
    expect(page.locator(".steps")).to_be_visible()
    page.goto(f"{site.url}/plan")
    expect(page.locator(".plan-line")).to_have_count(1)
    check(page)
    follow(page, page.locator(".plan-line button"))
    expect(page.locator(".plan-line")).to_have_count(0)
    check(page)
    follow(page, page.locator(".notice button"))
    expect(page.locator(".plan-line")).to_have_count(1)


def test_a_filter_applies_when_it_is_chosen(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi")
    page.goto(f"{site.url}/courses")
    expect(page.locator(".card-course").first).to_be_in_viewport()
    if page.locator(".filters-more > summary").is_visible():
        page.locator(".filters-more > summary").click()

    page.locator("#f-form").select_option("NKL09")

    page.wait_for_url("**/courses?*form=NKL09*")
    expect(page.locator(".card-course")).to_have_count(1)


def test_new_hours_show_by_themselves_while_the_page_is_open(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi")
    number = page.locator(".progress-number")
    expect(number).to_contain_text("4.5" if page.locator("html[lang=en]").count() else "4,5")

    site.world.receive(statement("completed", f"{LMS}/many/7"))
    site.world.settle()

    expect(number).to_contain_text("9 ")


def test_language_and_theme_are_chosen_at_the_foot_of_each_page(page: Page, site: Site) -> None:
    sign_in(page, site.url, "budi")
    page.goto(f"{site.url}/courses?q=xyz")

    follow(page, page.locator("footer a[lang=en]"))
    follow(page, page.locator("footer a[href*='theme=light']"))

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
    with opened(browser, hub.url, (390, "light", "id"), REFUSALS) as page:
        sign_in(page, hub.url, "siti", prepared.PASSWORD)
        page.goto(f"{hub.url}/courses")
        follow(page, page.get_by_role("link", name=TITLE))
        follow(page, page.locator("form[action$='/plan'] button"))
        page.goto(hub.url)
        follow(page, page.get_by_role("button", name=f"Mulai belajar: {TITLE}"), f"{lms}/learn/*")
        launch = page.url.rsplit("/", 1)[1]

        page.goto(hub.url)
        expect(page.locator(".progress-number")).to_contain_text("0 dari 20 JP")
        done = requests.post(f"{lms}/api/launches/{launch}/complete", json={"score": 85, "faults": []}, timeout=30)
        assert done.status_code == 200

        expect(page.locator(".progress-number")).to_contain_text("4,5 dari 20 JP")
        expect(page.locator(".steps .is-now")).to_have_text("Diakui")
        page.screenshot(path=tmp_path / "home.png", full_page=True)
        follow(page, page.locator("a[href*='/entries/']").first, "**/entries/*")
        expect(page.locator(".checks .check-ok").first).to_be_visible()
        page.screenshot(path=tmp_path / "entry.png", full_page=True)
