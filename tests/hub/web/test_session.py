"""Signing in and out through the pages: cookies, where one goes, protected forms, headers, language and theme."""

from __future__ import annotations

import re
from html import unescape

import pytest

from holdertest import PASSWORD, Browser, employee, person, words_of
from hub.access import accounts
from hub.application import create_app
from hub.web.session import is_local
from recognizedtest import BASE, World, course, statement

HTTP = "http://127.0.0.1:8080"


@pytest.fixture
def world(db):
    return World(db)


def sign_in(browser, password=PASSWORD, **fields):
    return browser.post("/login", "/login", username="rina", password=password, **fields)


@pytest.fixture
def rina(world):
    with world.db.write() as conn:
        accounts.add(conn, world.hub, "rina", "admin", PASSWORD)
    return Browser(create_app(world.hub))


def cookie(answer, name):
    return next(each for each in answer.headers.getlist("Set-Cookie") if each.startswith(f"{name}="))


def test_the_cookie_is_for_the_server_alone_and_comes_along_with_a_tools_form(rina):
    """Over https a tool's authentication request, a form of another site, needs the session."""
    given = cookie(sign_in(rina), "wkmb_session")

    assert {"HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/"} <= set(given.split("; "))
    assert "Max-Age=28800" in given


def test_over_http_the_cookie_stays_on_the_site(new_test_hub):
    hub = new_test_hub(base_url=HTTP)
    with hub.db.write() as conn:
        accounts.add(conn, hub, "rina", "admin", PASSWORD)
    client = create_app(hub).test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login", base_url=HTTP).text)[1]

    answer = client.post("/login", base_url=HTTP, data={"csrf_token": token, "username": "rina", "password": PASSWORD})

    given = set(cookie(answer, "wkmb_session").split("; "))
    assert {"HttpOnly", "SameSite=Lax"} <= given
    assert not {"Secure", "Partitioned"} & given


@pytest.mark.parametrize(
    ("role", "address"), [("admin", "/admin/"), ("operator", "/admin/"), ("auditor", "/audit/statements")]
)
def test_everybody_begins_where_her_work_is(world, role, address):
    browser = person(world, role)

    assert browser.get("/login").headers["Location"] == address
    assert browser.get("/").headers["Location"] == address


def test_an_employee_begins_with_her_year(world):
    assert employee(world, world.employ()).get("/login").headers["Location"] == "/"


def test_whoever_is_not_signed_in_comes_back_to_where_she_wanted_to_go(rina):
    asked = rina.get("/admin/identities?q=a%20b")
    assert asked.status_code == 303
    form = rina.get(asked.headers["Location"])

    after = re.search(r'name="next" value="([^"]*)"', form.text)[1]

    assert sign_in(rina, next=after).headers["Location"] == "/admin/identities?q=a%20b"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "evil",
        "",
        "javascript:x",
        "/a b",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(rina, address):
    assert not is_local(address)
    assert sign_in(rina, next=address).headers["Location"] == "/admin/"


def test_a_wrong_password_shows_the_form_again_without_saying_what_was_wrong(rina):
    answer = sign_in(rina, "wrong")

    assert answer.status_code == 401
    assert "Account name or password is wrong" in words_of(answer)
    assert 'value="rina"' in answer.text
    assert 'wrong"' not in answer.text
    assert "wkmb_session" not in "".join(answer.headers.getlist("Set-Cookie"))


def test_the_eleventh_attempt_of_a_minute_is_answered_429_with_a_page(rina):
    answers = [sign_in(rina, "wrong").status_code for _ in range(10)]

    last = sign_in(rina)

    assert answers == [401] * 10
    assert last.status_code == 429
    assert last.headers["Retry-After"] == "60"
    assert "Too many attempts" in words_of(last)


def test_signing_out_needs_the_form_and_ends_the_session(rina):
    sign_in(rina)
    assert rina.get("/logout").status_code == 405

    out = rina.post("/logout", "/admin/")

    assert out.headers["Location"] == "/login"
    assert "Max-Age=0" in cookie(out, "wkmb_session")
    assert rina.get("/admin/").status_code == 303
    assert "You are signed out." in rina.get("/login").text


def test_a_form_without_its_token_changes_nothing(rina):
    answer = rina.client.post("/login", base_url=BASE, data={"username": "rina", "password": PASSWORD})

    assert answer.status_code == 400
    assert "This form was opened too long ago" in words_of(answer)
    assert "wkmb_session" not in "".join(answer.headers.getlist("Set-Cookie"))


def test_a_token_of_before_signing_in_is_no_good_after_it(rina):
    before = re.search(r'name="csrf_token" value="([^"]+)"', rina.get("/login").text)[1]
    sign_in(rina)

    answer = rina.client.post("/logout", base_url=BASE, data={"csrf_token": before}, headers={"Referer": f"{BASE}/"})

    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/login", "/nowhere"])
def test_pages_let_nothing_in_from_elsewhere(rina, path):
    headers = rina.get(path).headers

    policy = dict(each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == policy["frame-ancestors"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/login", "/nowhere"])
def test_no_page_has_an_inline_script_or_style(rina, path):
    page = rina.get(path).text

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_pages_are_in_indonesian_until_somebody_chooses_english(world):
    client = create_app(world.hub).test_client()

    assert '<html lang="id"' in client.get("/login", base_url=BASE).text
    assert "Kata sandi" in client.get("/login", base_url=BASE).text
    chosen = client.get("/login?lang=en", base_url=BASE)
    assert '<html lang="en"' in chosen.text
    assert "Password" in client.get("/login", base_url=BASE).text
    assert '<html lang="en"' in client.get("/login?lang=xx", base_url=BASE).text


def test_the_theme_is_kept_like_the_language(world):
    client = create_app(world.hub).test_client()

    assert 'data-theme="auto"' in client.get("/login", base_url=BASE).text
    client.get("/login?theme=dark", base_url=BASE)
    assert 'data-bs-theme="dark"' in client.get("/login", base_url=BASE).text


@pytest.mark.parametrize("query", ["", "?endpoint=x", "?_external=1&_scheme=ftp", "?q=a%26b&q=c&lang=en"])
def test_the_links_to_other_languages_keep_the_rest_of_the_address(rina, query):
    page = rina.get(f"/login{query}").text

    links = re.findall(r'href="(/login\?[^"]*lang=(?:id|en))"', page)
    assert len(links) == 2
    if "q=" in query:
        assert "q=a%26b&amp;q=c&amp;lang=id" in links[0]


@pytest.mark.parametrize("role", ["admin", "operator", "auditor"])
def test_every_link_on_the_way_through_the_menu_leads_to_a_page_that_answers(world, role):
    """Whoever may open a page may open what it links to, one link further than the menu."""
    world.offer(course())
    world.link(world.employ())
    world.receive(statement())
    world.settle()
    browser = person(world, role)

    menu = links(browser.get(browser.get("/login").headers["Location"]))
    beyond = {path for address in menu for path in links(browser.get(address))}

    refused = {path: status for path in menu | beyond if (status := browser.get(path).status_code) >= 400}
    assert (len(menu) > 5, refused) == (True, {})


def links(answer):
    """The pages of the hub that a page links to, each once whatever its arguments are."""
    found = (unescape(address) for address in re.findall(r'<a [^>]*?href="(/[^"#]*)', answer.text))
    return set({address.partition("?")[0]: address for address in found}.values())
