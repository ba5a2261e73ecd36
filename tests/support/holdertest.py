"""An employee with a browser: she signs in, opens pages, and sends the forms that are on them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import flask
from werkzeug.test import TestResponse

from hub.access import accounts
from hub.application import create_app
from hub.people.learners import Learner
from recognizedtest import BASE, World

PASSWORD = "kata-sandi-yang-panjang"


class Browser:
    """A browser, signed in as nobody until `sign_in`; pages are in English unless told otherwise."""

    def __init__(self, app: flask.Flask, language: str = "en") -> None:
        self.client = app.test_client()
        self.client.set_cookie("wkmb_lang", language, domain=BASE.partition("://")[2])

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path.removeprefix(BASE), base_url=BASE, headers=headers)

    def post(self, path: str, page: str, **fields: Any) -> TestResponse:
        """Send a form that stands on this page."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert token is not None, page
        data = {"csrf_token": token[1], **fields}
        return self.client.post(path, data=data, base_url=BASE, headers={"Referer": f"{BASE}/"})

    def sign_in(self, username: str) -> Browser:
        answer = self.post("/login", "/login", username=username, password=PASSWORD)
        assert answer.status_code == 303
        return self


def employee(world: World, learner: Learner, username: str = "budi", app: flask.Flask | None = None) -> Browser:
    """An employee with an account, signed in."""
    with world.db.write() as conn:
        accounts.add(conn, world.hub, username, "learner", PASSWORD, learner.id)
    return Browser(app or create_app(world.hub)).sign_in(username)


def person(world: World, role: str, app: flask.Flask | None = None) -> Browser:
    """Somebody with this role who is no employee, signed in."""
    with world.db.write() as conn:
        accounts.add(conn, world.hub, role, role, PASSWORD)
    return Browser(app or create_app(world.hub)).sign_in(role)


def words_of(answer: TestResponse) -> str:
    """What a page says, without its marks."""
    body = re.search(r"<main.*?</main>", answer.text, re.S)
    plain = re.sub(r"<[^>]+>", " ", body[0] if body else answer.text)
    return " ".join(unescape(plain).split())
