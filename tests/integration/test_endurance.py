"""Nothing lost, nothing twice, nothing half: the server killed under load, and several processes written to and read
from at once, over HTTP, on both databases.

Short here; ``make endurance`` kills 50 times and lets 4 processes take what 8 writers each send for two minutes.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from requests.auth import _basic_auth_str

from lrstest import reference, statement
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess

FULL = os.environ.get("WKMB_TEST_ENDURANCE") == "full"
KILLS, PROCESSES, WRITERS, SECONDS = (50, 4, 8, 120) if FULL else (3, 2, 4, 4)

KEY, SECRET = "tahan", "rahasia-tahan-uji-0123456789"
HEADERS = {
    "Authorization": _basic_auth_str(KEY, SECRET),
    "X-Experience-API-Version": "1.0.3",
    "Content-Type": "application/json",
}


class Refused(AssertionError):
    """The server answered, and not with success."""


class Client:
    """One keep-alive connection, opened again after a break."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[Any, str]:
        """The answer's JSON, and through when it is consistent. Raises `OSError` or `http.client.HTTPException`
        where the connection broke before the whole answer was there."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            self._connection.request(method, path, body, HEADERS)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.status != 200:
            raise Refused(f"{method} {path}: {answer.status} {content[:500]!r}")
        return orjson.loads(content), answer.headers.get("X-Experience-API-Consistent-Through", "")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def pages(self, **parameters: str) -> Iterator[tuple[list[str], str]]:
        """The ids of each page of a list to its end, with the page's Consistent-Through."""
        path = "/xapi/statements?" + urlencode({"format": "ids", **parameters})
        while path:
            answer, through = self.call("GET", path)
            yield [each["id"] for each in answer["statements"]], through
            path = quote(answer["more"], safe="/?=&%")


@dataclass
class Load:
    """Writers, each sending batches of one to five statements, some of which refer to one another."""

    acknowledged: list[tuple[str, ...]] = field(default_factory=list)
    unanswered: list[tuple[str, ...]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, port: int, writers: int) -> None:
        for number in range(writers):
            thread = threading.Thread(target=self._write, args=(port, random.Random(number)))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def ids(self) -> set[str]:
        """Of every statement that was acknowledged until now."""
        return {each for batch in tuple(self.acknowledged) for each in batch}

    def _write(self, port: int, rng: random.Random) -> None:
        with closing(Client(port)) as client:
            while not self.stopping.is_set():
                batch = [statement() for _ in range(rng.randint(1, 4))]
                if rng.random() < 0.3:
                    batch.append(reference(batch[0]["id"]))
                self._send(client, batch)

    def _send(self, client: Client, batch: list[dict[str, Any]]) -> None:
        ids = tuple(each["id"] for each in batch)
        try:
            client.call("POST", "/xapi/statements", orjson.dumps(batch))
        except (OSError, http.client.HTTPException):
            self.unanswered.append(ids)
            self.stopping.wait(0.05)
        except Refused as refusal:
            self.refused.append(str(refusal))
        else:
            self.acknowledged.append(ids)


def prepare(hub: HubProcess) -> HubProcess:
    hub.prepare("credential", "add", KEY, "--key", KEY, "--secret", SECRET, "--scope", "all")
    return hub


def test_what_was_acknowledged_survives_every_kill_whole_and_once(new_hub: Callable[..., HubProcess]) -> None:
    """SIGKILL of the server and all its processes, at any moment, under load."""
    hub, rng, load = prepare(new_hub()), random.Random(7), Load()
    for _ in range(KILLS):
        hub.start("--no-worker", "--workers", "2")
        if not load.acknowledged:
            load.start(hub.port, 4)
        acknowledged = len(load.acknowledged)
        while len(load.acknowledged) < acknowledged + 5 and not load.refused:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        hub.kill()
    load.stop()
    hub.start("--no-worker", "--workers", "1")
    with closing(Client(hub.port)) as client:
        listed = [each for page, _ in client.pages(limit="1000") for each in page]

    assert load.refused == []
    stored = set(listed)
    assert len(listed) == len(stored)
    assert load.ids() <= stored
    halves = [batch for batch in load.unanswered if 0 < len(stored.intersection(batch)) < len(batch)]
    assert halves == []
    whole = sum(stored.issuperset(batch) for batch in load.unanswered)
    print(f"\n{KILLS} kills: {len(load.ids())} statements acknowledged and there, {len(load.unanswered)} requests "
          f"unanswered, of which {whole} were stored, whole")  # fmt: skip


@pytest.fixture
def servers(new_hub: Callable[..., HubProcess]) -> Iterator[list[HubProcess]]:
    """Servers of one database, as on several machines."""
    first = prepare(new_hub())
    hubs = [first]
    for number in range(1, PROCESSES):
        home = first.home.with_name(f"server-{number}")
        home.mkdir()
        hubs.append(HubProcess(home, first.database_url, free_port()))
    with ExitStack() as ending:
        for hub in hubs:
            ending.callback(hub.stop)
            hub.start("--no-worker", "--workers", "1")
        yield hubs


def test_a_reader_who_follows_many_writers_misses_nothing_and_sees_nothing_twice(servers: list[HubProcess]) -> None:
    """One follows `since` and Consistent-Through; another walks `more` from the newest, again and again."""
    load, followed, since = Load(), [], "2020-01-01T00:00:00Z"
    walks: list[tuple[set[str], list[str]]] = []

    def follow() -> None:
        nonlocal since
        with closing(Client(servers[0].port)) as client:
            for page, through in client.pages(since=since, ascending="true", limit="500"):
                followed.extend(page)
                last = through
        since = last

    def walk() -> None:
        with closing(Client(servers[-1].port)) as client:
            while not load.stopping.is_set():
                before = load.ids()
                walks.append((before, [each for page, _ in client.pages(limit="200") for each in page]))

    for hub in servers:
        load.start(hub.port, WRITERS)
    walker = threading.Thread(target=walk)
    walker.start()
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        follow()
        rounds += 1
    load.stop()
    walker.join()
    while (seen := len(followed)) < len(load.ids()) or rounds == 0:
        follow()
        assert len(followed) > seen or time.monotonic() < end + 90, "the list stands still and is not complete"

    assert load.refused == load.unanswered == []
    assert len(followed) == len(set(followed))
    assert set(followed) == load.ids()
    assert walks
    for before, walked in walks:
        assert len(walked) == len(set(walked))
        assert before <= set(walked)
    print(f"\n{PROCESSES} processes, {PROCESSES * WRITERS} writers, {SECONDS} s: {len(followed)} statements, each seen "
          f"once in {rounds} rounds; {len(walks)} walks along more")  # fmt: skip
