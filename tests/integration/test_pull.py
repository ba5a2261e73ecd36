"""A scheduled pull between two hubs: the recorded statements of a real Moodle lie in the other one's LRS; the worker
that polls it is killed in the middle and started again (issue: real input, by pull)."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wkmbtest.processes import ROOT, HubProcess

RECORDED = sorted((ROOT / "tests/cases/moodle").glob("*.json"))
KEY, SECRET = "pembaca", "rahasia-yang-cukup-panjang"
COPIES = 30


def call(hub: HubProcess, method: str, path: str, body: Any = None, *, key: str = KEY) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
    headers = {
        "X-Experience-API-Version": "1.0.3",
        "Authorization": "Basic " + b64encode(f"{key}:{SECRET}".encode()).decode(),
        "Content-Type": "application/json",
    }
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status == 200, content
    return json.loads(content)


def listed(hub: HubProcess) -> list[dict[str, Any]]:
    """Every statement of a hub's LRS in the order in which they were stored, by its own paging.

    Asked for newest first: the other way it ends, for a minute, where the killed process might still have written.
    """
    found: list[dict[str, Any]] = []
    path = "/xapi/statements?limit=500"
    while path:
        page = call(hub, "GET", path)
        found += page["statements"]
        path = page["more"]
    return found[::-1]


def said(statement: dict[str, Any]) -> dict[str, Any]:
    """A statement without what each LRS sets for itself."""
    return {name: value for name, value in statement.items() if name not in ("stored", "authority")}


class Slow(http.server.ThreadingHTTPServer):
    """Stands before the other hub, and lets a test act while a page is under way."""

    def __init__(self, target: HubProcess, hold: int) -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.target = target
        self.hold = hold
        self.pages = 0
        self.reached = threading.Event()
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/xapi/"


class _Pass(http.server.BaseHTTPRequestHandler):
    server: Slow

    def do_GET(self) -> None:
        self.server.pages += 1
        if self.server.pages == self.server.hold:
            self.server.reached.set()
            self.server.go_on.wait(60)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target.port, timeout=30)
        connection.request("GET", self.path, headers=dict(self.headers.items()))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        try:
            self.send_response(response.status)
            for name in ("Content-Type", "X-Experience-API-Version", "X-Experience-API-Consistent-Through"):
                self.send_header(name, response.headers.get(name, ""))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            pass  # the worker was killed while it waited

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def other(new_hub: Callable[..., HubProcess]) -> HubProcess:
    """The other LRS: a hub of its own with the Moodle's statements, posted as Moodle posts them."""
    hub = new_hub()
    hub.prepare("credential", "add", "semua", "--key", KEY, "--secret-stdin", "--scope", "all", stdin=SECRET)
    hub.start("--no-worker")
    for _ in range(COPIES):
        batch = [each for path in RECORDED for each in _as_posted(path)]
        call(hub, "POST", "/xapi/statements", batch)
    return hub


def _as_posted(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


@pytest.fixture
def slow(other: HubProcess) -> Iterator[Slow]:
    server = Slow(other, hold=3)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def wait_for(enough: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not enough():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_pull_that_is_killed_brings_every_statement_once(
    new_hub: Callable[..., HubProcess], other: HubProcess, slow: Slow
) -> None:
    hub = new_hub()
    hub.prepare("credential", "add", "semua", "--key", KEY, "--secret-stdin", "--scope", "all", stdin=SECRET)
    hub.prepare(
        "connector", "add", "asn", "--kind", "xapi-pull", "--url", slow.url, "--key", KEY, "--secret-stdin",
        "--every", "1", "--internal", stdin=SECRET,
    )  # fmt: skip
    hub.start()

    assert slow.reached.wait(60)
    hub.kill()
    hub.start("--no-worker")
    half = listed(hub)
    hub.stop()
    slow.go_on.set()
    hub.start()
    theirs = listed(other)
    wait_for(lambda: len(listed(hub)) >= len(theirs))
    polled = slow.pages
    wait_for(lambda: slow.pages > polled + 2)  # it is asked again, and has nothing new

    ours = listed(hub)
    assert 0 < len(half) < len(theirs) == COPIES * len(RECORDED)
    assert [said(each) for each in ours] == [said(each) for each in theirs]
    assert {each["authority"]["account"]["name"] for each in ours} == {"connector/asn"}
    status = json.loads(hub.wkmb("connector", "status", "asn", "--json").stdout)
    assert (status["pull"]["error"], status["set_aside"]) == (None, [])
    assert sum(run["stored"] for run in status["runs"]) == len(theirs)
    assert sorted({run["state"] for run in status["runs"]}) == ["interrupted", "ok"]
