"""Bodies that do not come are answered while the server still waits for them, over real connections."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
import requests

from wkmbtest.processes import HubProcess

#: Of the hub in `running_hub`.
HUB_SETTINGS = {"WKMB_BODY_SECONDS": "1"}
KEY, SECRET = "lms-penulis", "rahasia-lms-penulis-0123"
STATEMENT = {
    "actor": {"account": {"homePage": "https://lms.contoh.example", "name": "4"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": "https://lms.contoh.example/course/4"},
}
STATEMENTS = ("X-Experience-API-Version: 2.0.0", "Content-Type: application/json")
FORM = ("Content-Type: application/x-www-form-urlencoded",)


@dataclass(frozen=True)
class ImpatientHub:
    """A hub that gives every 64 kB of a body one second."""

    process: HubProcess
    before: int = 0

    def begin(self, path: str, body: bytes, *headers: str) -> socket.socket:
        """A connection on which a POST was begun, and so much of its body sent."""
        host = urlsplit(self.process.url)
        head = "\r\n".join((f"POST {path} HTTP/1.1", f"Host: {host.netloc}", *headers, *self._authorization(), "", ""))
        connection = socket.create_connection((host.hostname or "", host.port or 0), timeout=30)
        connection.sendall(head.encode() + body)
        return connection

    def stored(self) -> int:
        """How many statements were stored since the test began."""
        headers = {"X-Experience-API-Version": "2.0.0"}
        answer = requests.get(f"{self.process.url}/xapi/statements", headers=headers, auth=(KEY, SECRET), timeout=30)
        return len(answer.json()["statements"]) - self.before

    @staticmethod
    def _authorization() -> tuple[str]:
        return (f"Authorization: Basic {b64encode(f'{KEY}:{SECRET}'.encode()).decode()}",)


@pytest.fixture(scope="module")
def impatient(running_hub: HubProcess) -> ImpatientHub:
    running_hub.prepare("credential", "add", "lms", "--key", KEY, "--secret", SECRET, "--scope", "all")
    return ImpatientHub(running_hub)


@pytest.fixture
def hub(impatient: ImpatientHub) -> ImpatientHub:
    """With what is stored before the test."""
    return replace(impatient, before=impatient.stored())


def answer_on(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers and body; they are all that comes until the client closes."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536) or pytest.fail(f"closed after {received!r}")
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536) or pytest.fail(f"closed after {body!r}")
    return status.split(" ", 1)[1], headers, body


def test_a_body_that_does_not_come_is_answered_408(hub: ImpatientHub) -> None:
    body = json.dumps(STATEMENT).encode()
    with hub.begin("/xapi/statements", body[:40], f"Content-Length: {len(body)}", *STATEMENTS) as connection:
        began = time.monotonic()
        status, headers, answer = answer_on(connection)
        seconds = time.monotonic() - began
        # Too late: nothing becomes of a request that was answered.
        connection.sendall(body[40:])
        time.sleep(0.2)

    assert status == "408 Request Timeout"
    assert headers["connection"] == "close"
    assert headers["x-experience-api-version"] == "2.0.0"
    problem = json.loads(answer)
    assert problem["status"] == 408
    assert "1 seconds" in problem["detail"]
    assert seconds > 0.9
    assert hub.stored() == 0


def test_every_address_answers_in_its_own_form(hub: ImpatientHub) -> None:
    chunked = hub.begin("/xapi/statements", b'5\r\n[{"id', "Transfer-Encoding: chunked", *STATEMENTS)
    page = hub.begin("/login", b"nip=1", "Content-Length: 90", *FORM)
    token = hub.begin("/lti/platform/token", b"grant_type=", "Content-Length: 900", *FORM)
    with chunked, page, token:
        answers = [answer_on(each) for each in (chunked, page, token)]

    # OAuth has 400 for whatever is wrong with a request (RFC 6749 section 5.2).
    assert [status[:3] for status, _, _ in answers] == ["408", "408", "400"]
    assert [headers["connection"] for _, headers, _ in answers] == ["close"] * 3
    kinds = [headers["content-type"].partition(";")[0] for _, headers, _ in answers]
    assert kinds == ["application/problem+json", "text/html", "application/json"]
    assert "belum sampai" in answers[1][2].decode()
    assert "did not come" in json.loads(answers[2][2])["error_description"]


def test_a_body_that_comes_slowly_but_steadily_is_taken(hub: ImpatientHub) -> None:
    """Each 64 kB have the time; together they take longer."""
    long = STATEMENT | {"result": {"response": "x" * 4 * 65536}}
    body = json.dumps([long]).encode()
    began = time.monotonic()
    with hub.begin("/xapi/statements", b"", f"Content-Length: {len(body)}", *STATEMENTS) as connection:
        for start in range(0, len(body), 32768):
            connection.sendall(body[start : start + 32768])
            time.sleep(0.2)
        status, _, _ = answer_on(connection)

    assert time.monotonic() - began > 1.2
    assert status == "200 OK"
    assert hub.stored() == 1


def test_those_that_are_answered_hold_nobody(hub: ImpatientHub) -> None:
    """More than the server has threads, over and over: whoever closes at the answer has given the thread back."""
    for _ in range(2):
        slow = [hub.begin("/xapi/statements", b"[", "Content-Length: 900", *STATEMENTS) for _ in range(40)]
        for connection in slow:
            with connection:
                assert answer_on(connection)[0] == "408 Request Timeout"

    headers = {"X-Experience-API-Version": "2.0.0"}
    url = f"{hub.process.url}/xapi/statements"
    answer = requests.post(url, json=STATEMENT, headers=headers, auth=(KEY, SECRET), timeout=5)

    assert answer.status_code == 200
    assert hub.stored() == 1
