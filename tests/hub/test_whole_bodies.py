"""What the server is given to send: a body that is there whole as a list, which it sends at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from werkzeug.test import EnvironBuilder

from hub.application import create_app
from hub.runtime import Hub


@pytest.fixture
def app(new_test_hub: Callable[..., Hub]) -> flask.Flask:
    return create_app(new_test_hub())


def _sent(app: flask.Flask, path: str, method: str = "GET") -> tuple[dict[str, str], Any]:
    """The headers, and what is to be sent."""
    headers: dict[str, str] = {}
    environ = EnvironBuilder(path, method=method, base_url="http://a.localhost").get_environ()
    return headers, app.wsgi_app(environ, lambda _status, given, _error=None: headers.update(given))  # type: ignore[arg-type, return-value]


def test_a_body_that_is_there_whole_is_sent_at_once(app: flask.Flask) -> None:
    headers, body = _sent(app, "/xapi/about")

    assert isinstance(body, list)
    assert headers["Content-Length"] == str(sum(map(len, body))) != "0"


def test_head_sends_no_body_and_tells_its_length(app: flask.Flask) -> None:
    headers, body = _sent(app, "/xapi/about", "HEAD")

    assert b"".join(body) == b""
    assert headers["Content-Length"] == _sent(app, "/xapi/about")[0]["Content-Length"]


def test_a_body_that_is_made_meanwhile_is_sent_piece_by_piece(app: flask.Flask) -> None:
    app.add_url_rule("/pieces", view_func=lambda: flask.Response(iter([b"one", b"two"])))

    _, body = _sent(app, "/pieces")

    assert not isinstance(body, list)
    assert [*body] == [b"one", b"two"]
