"""Requests to the hub, each kept with its answer so that an admin can read what happened."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import requests

from .store import Exchange

CONNECT_SECONDS = 3
READ_SECONDS = 10
KEPT_CHARACTERS = 20_000


class Wire(requests.Session):
    """A session with timeouts, without redirects and proxies, that hands each exchange to ``keep``.

    It records what was sent and answered, with tokens blanked: a page that shows a bearer token gives it away.
    """

    def __init__(self, keep: Callable[[Exchange], None], clock: Callable[[], float]) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["User-Agent"] = "lms-sandbox"
        self._keep = keep
        self._clock = clock

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with a limit on how long; a redirect is an answer like any other."""
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        kwargs["allow_redirects"] = False
        return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one prepared request and keep it with its answer, or with the reason why there is none."""
        at = self._clock()
        try:
            response = super().send(request, **kwargs)
            _ = response.content
        except requests.RequestException as error:
            self._keep(_exchange(request, at, None, str(error)))
            raise
        self._keep(_exchange(request, at, response.status_code, _blanked(response.text)))
        return response


def _exchange(request: requests.PreparedRequest, at: float, status: int | None, answer: str) -> Exchange:
    return Exchange(at, request.method or "", request.url or "", _sent(request.body), status, answer[:KEPT_CHARACTERS])


def _sent(body: object) -> str:
    """The body as a person reads it: a client assertion is shown as what it says, never as it is."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    if "client_assertion=" in text:
        form = dict(parse_qsl(text))
        assertion = form.pop("client_assertion")
        header, claims, _signature = assertion.split(".")
        form["client_assertion (header)"] = _decoded(header)
        form["client_assertion (claims)"] = _decoded(claims)
        return json.dumps(form, indent=1)
    return text[:KEPT_CHARACTERS]


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def _blanked(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    if not isinstance(answer, dict):
        return text
    secret = [name for name in ("access_token", "auth-token") if name in answer]
    return json.dumps(answer | dict.fromkeys(secret, "…"), ensure_ascii=False) if secret else text
