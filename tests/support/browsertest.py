"""Pages in a real browser: a hub that answers on a port, a screen, and walking from one page to the next.

A page is looked at only when it is the page expected, whole: whoever clicks and looks at once sees, on a busy machine,
half of the page before or half of the page after. So every step to another page is a `follow`, and `check` waits too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from werkzeug.serving import make_server

from hub.application import create_app
from pagestest import PASSWORD
from recognizedtest import World
from wkmbtest.postgresql import free_port

#: A desk and a phone; between them both themes and both languages.
SCREENS = [(1280, "light", "en"), (390, "dark", "id")]


@dataclass
class Site:
    """A hub that answers on a port of this machine."""

    url: str
    world: World


@contextlib.contextmanager
def serving(world: World) -> Iterator[Site]:
    """The world's hub, answering for as long as this lasts."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    hub = replace(world.hub, settings=replace(world.hub.settings, base_url=url))
    server = make_server("127.0.0.1", port, create_app(hub), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Site(url, world)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def name_of(screen: tuple[int, str, str]) -> str:
    """A screen in the name of a test: ``390-dark-id``."""
    return "-".join(map(str, screen))


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, screen: tuple[int, str, str], refusals: tuple[int, ...] = (), **options: Any
) -> Iterator[Page]:
    """A page that must not have said anything on the console; the browser notes an answer of 4xx, where it is meant."""
    width, theme, language = screen
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, **options)
    for name, value in (("wkmb_lang", language), ("wkmb_theme", theme)):
        context.add_cookies([{"name": name, "value": value, "url": url}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert [line for line in said if not any(str(status) in line for status in refusals)] == []
    context.close()


def settled(page: Page, url: str | None = None) -> None:
    """Return when the page is there: at ``url`` (a pattern) if one is given, loaded, its heading on the screen."""
    if url is not None:
        page.wait_for_url(url)
    page.wait_for_load_state()
    expect(page.locator("h1")).to_be_visible()


def follow(page: Page, what: Locator, url: str | None = None) -> None:
    """Click a link or a button that leads to another page, and be there."""
    # Waited for from before the click: afterwards nobody could tell this load from the one of the page before.
    with page.expect_event("load"):
        what.click()
    settled(page, url)


def sign_in(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    """Sign in, and be on the page that the hub shows this person first."""
    page.goto(f"{url}/login")
    page.locator("#f-username").fill(name)
    page.locator("#f-password").fill(password)
    follow(page, page.locator("main form button"))
    assert "/login" not in page.url


def check(page: Page) -> None:
    """The page fits the screen, and nobody is kept out of it."""
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, page.url
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], page.url
