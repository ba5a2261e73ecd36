"""Pages as a person meets them: she signs in, follows addresses and sends the forms that the pages hold."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import flask
from werkzeug.test import TestResponse

from hub.access import accounts
from hub.application import create_app
from hub.runtime import Hub

PASSWORD = "kata-sandi-yang-panjang"


class Person:
    """Somebody with a browser of her own, signed in with this role; her pages are in English."""

    def __init__(self, hub: Hub, role: str, app: flask.Flask | None = None) -> None:
        self.hub = hub
        self.client = (app or create_app(hub)).test_client()
        self.client.set_cookie("wkmb_lang", "en", domain=hub.base_url.partition("://")[2])
        with hub.db.write() as conn:
            if accounts.find(conn, role) is None:
                accounts.add(conn, hub, role, role, PASSWORD)
        answer = self.post("/login", username=role, password=PASSWORD, page="/login")
        assert answer.status_code == 303, text(answer)

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=self.hub.base_url)

    def post(self, path: str, *, page: str | None = None, **fields: Any) -> TestResponse:
        """Send a form with the token of a page that she has open; gives the answer, not where it leads."""
        token = self.token(page) if page else self._token
        # Over https a form is taken only from a page of the hub itself.
        headers = {"Referer": f"{self.hub.base_url}/"}
        return self.client.post(path, data={"csrf_token": token, **fields}, base_url=self.hub.base_url, headers=headers)

    def follow(self, path: str, **fields: Any) -> TestResponse:
        """Send a form and go where the answer leads."""
        answer = self.post(path, **fields)
        assert answer.status_code == 303, (answer.status_code, text(answer))
        return self.get(answer.headers["Location"])

    def token(self, page: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert found is not None, page
        return found[1]

    @property
    def _token(self) -> str:
        return self.token("/courses")


def text(answer: TestResponse) -> str:
    """What a page says, without its marks."""
    body = re.search(r"<main.*?</main>", answer.text, re.S)
    plain = re.sub(r"<[^>]+>", " ", body[0] if body else answer.text)
    return " ".join(unescape(plain).split())
