"""An LMS opens the hub in a real browser: in the whole window, in a frame of its own site, in one across sites.

To browsers 127.0.0.1 and localhost are two sites: a frame of the one in a page of the other keeps its cookies back.
"""

from __future__ import annotations

import html
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from browsertest import SCREENS, opened, serving
from hub.people import identity
from lrs.agents import Identifier
from platformtest import Lms, Person

NAME = "Siti Rahma Dewi"


class Campus:
    """An LMS whose user 42 is somebody at the hub; each of its pages is called by the host that the browser used."""

    def __init__(self, lms: Lms, person: Person, server: HTTPServer, hub: str, host: str) -> None:
        self.lms, self.hub, self.url = lms, hub, f"http://{host}:{server.port}"
        lms.issuer, lms.client_id = self.url, "campus"
        lms.register("campus", auth_url=f"{self.url}/auth")
        with lms.hub.db.write() as conn:
            who = Identifier("account", self.url, "42")
            identity.link(conn, who, person.id, by="import", now=lms.clock(), new_id=lms.hub.new_id)
        server.expect_request("/auth").respond_with_handler(self._auth)
        server.expect_request("/course").respond_with_handler(self._course)

    @property
    def login(self) -> str:
        told = {"iss": self.url, "login_hint": "42", "client_id": "campus", "lti_deployment_id": "1"}
        return f"{self.hub}/lti/tool/login?{urlencode(told | {'target_link_uri': f'{self.hub}/lti/tool/launch'})}"

    def _course(self, _: Request) -> Response:
        frame = f'<iframe name="tool" title="WKMB" width="600" height="600" src="{html.escape(self.login)}"></iframe>'
        return self._page(f"<h1>Kursus</h1>{frame}")

    def _auth(self, request: Request) -> Response:
        asked = request.args
        said = self.lms.claims(asked, target_link_uri=f"{self.hub}/lti/tool/launch")
        given = {"state": asked["state"], "id_token": self.lms.sign(said)}
        fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in given.items())
        form = f'<form method="post" action="{asked["redirect_uri"]}">{fields}</form>'
        return self._page(f"{form}<script>document.forms[0].submit()</script>")

    @staticmethod
    def _page(body: str) -> Response:
        return Response(f"<!doctype html><title>Kampus</title><link rel=icon href=data:,>{body}", mimetype="text/html")


def is_home(shown: Page | FrameLocator) -> None:
    expect(shown.locator("body")).to_contain_text(NAME)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["the whole window", "a frame of its site", "a frame across sites"])
def test_a_browser_comes_to_the_hub(
    lms: Lms, people: tuple[Person, Person], httpserver: HTTPServer, browser: Browser, way: str
) -> None:
    host = "localhost" if way == "a frame across sites" else "127.0.0.1"
    # Says nothing on the console, whatever the browser keeps back.
    with serving(lms) as site, opened(browser, site.url, SCREENS[1]) as page:  # type: ignore[arg-type]
        campus = Campus(lms, people[0], httpserver, site.url, host)
        page.goto(campus.login if way == "the whole window" else f"{campus.url}/course")
        if way == "the whole window":
            page.wait_for_url(f"{site.url}/")
            is_home(page)
        elif way == "a frame of its site":
            is_home(page.frame_locator("iframe[name=tool]"))
        else:
            button = page.frame_locator("iframe[name=tool]").locator("form[target=_blank] button")
            expect(button).to_be_visible()
            with page.context.expect_page() as opening:
                button.click()
            opening.value.wait_for_url(f"{site.url}/")
            is_home(opening.value)
