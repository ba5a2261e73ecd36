"""The limit on bodies, with streams that the test holds back; over connections in the integration tests."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.exceptions import RequestTimeout

from hub.slow_bodies import Watch

SECONDS = 0.1


class Protocol:
    """Takes the first answer, as granian's does."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.answer: tuple[int, list[tuple[str, str]], bytes] | None = None

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if self.answer is None:
            self.answer = status, headers, body
        self.answered.set()


class Held:
    """A body that comes when the client is told that it is late."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def read(self, _size: int) -> bytes:
        assert self._protocol.answered.wait(10)
        return b"late"


def run(protocol: Any, scope: dict[str, Any]) -> int:
    """An application that gives the body back."""
    try:
        body, status = scope["wsgi.input"].read(), 200
    except RequestTimeout as error:
        body, status = str(error.description).encode(), 408
    protocol.response_bytes(status, [], body)
    return status


@pytest.fixture
def watch() -> Iterator[Watch]:
    one = Watch(SECONDS)
    one.start()
    yield one
    one.stop()


def scope_of(stream: Any, **more: str) -> dict[str, Any]:
    return {"CONTENT_LENGTH": "4", "wsgi.input": stream, **more}


def test_a_body_that_comes_passes_whole_however_it_is_read(watch: Watch) -> None:
    body = bytes(range(256)) * 1024
    read: list[bytes] = []

    def reads(_protocol: Any, scope: dict[str, Any]) -> int:
        stream = scope["wsgi.input"]
        read.extend((stream.read(5), stream.read(100_000), stream.read(-1), stream.read(), stream.read(7)))
        return 200

    assert watch.over(reads)(Protocol(), scope_of(io.BytesIO(body))) == 200
    assert [len(each) for each in read] == [5, 100_000, len(body) - 100_005, 0, 0]
    assert b"".join(read) == body


def test_a_body_that_does_not_come_is_answered_once_and_what_ran_for_it_ends(watch: Watch) -> None:
    protocol = Protocol()
    went_on = []

    def runs(given: Any, scope: dict[str, Any]) -> int:
        status = run(given, scope)
        went_on.append(status)
        return status

    status = watch.over(runs)(protocol, scope_of(Held(protocol)))

    assert status == 408
    assert protocol.answer is not None
    assert protocol.answer[0] == 408
    assert b"0.1 seconds" in protocol.answer[2]
    assert protocol.answer[1] == [("Connection", "close")]
    assert 200 not in went_on


def test_an_answer_that_fails_leaves_the_next_one_its_own(watch: Watch) -> None:
    first, second = Protocol(), Protocol()

    def fails(_protocol: Any, scope: dict[str, Any]) -> int:
        try:
            scope["wsgi.input"].read(4)
        except RequestTimeout as error:
            first.answered.set()
            raise RuntimeError("no answer") from error
        return 200

    assert watch.over(fails)(first, scope_of(Held(first))) == 408
    assert watch.over(run)(second, scope_of(Held(second))) == 408
    assert second.answer is not None


def test_a_request_without_a_body_is_left_alone(watch: Watch) -> None:
    stream = io.BytesIO()
    seen = []

    def sees(_protocol: Any, scope: dict[str, Any]) -> int:
        seen.append(scope["wsgi.input"])
        return 200

    for scope in ({"wsgi.input": stream}, {"wsgi.input": stream, "CONTENT_LENGTH": "0"}):
        watch.over(sees)(Protocol(), scope)
    watch.over(sees)(Protocol(), {"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"})

    assert seen[:2] == [stream, stream]
    assert seen[2] is not stream
