"""A worker that polls another LRS over HTTP is killed with SIGKILL in the middle of a pull and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from hub.systems import sync as pulls
from lrs import query
from lrs.database import Database

ROOT = Path(__file__).parents[3]
RECORDED = sorted((ROOT / "tests/cases/moodle").glob("*.json"))


def recorded(copies: int) -> list[dict[str, Any]]:
    """What a real Moodle sent, several times over, as another LRS holds it: with id, stored and authority."""
    start = datetime.now(UTC) - timedelta(hours=1)
    made: list[dict[str, Any]] = []
    for path in RECORDED * copies:
        # Three statements share each `stored`, as after a batch.
        stored = start + timedelta(milliseconds=len(made) // 3)
        set_by_lrs = {
            "id": str(uuid4()),
            "stored": stored.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "authority": {"objectType": "Agent", "mbox": "mailto:lrs@asn.example"},
        }
        found = json.loads(path.read_text())
        made += [each | set_by_lrs for each in (found[:1] if isinstance(found, list) else [found])]
    return made


class OtherLRS:
    """The other LRS; before it answers its request number ``hold`` it says so and waits."""

    def __init__(self, statements: list[dict[str, Any]], hold: int) -> None:
        self.statements = statements
        self.hold = hold
        self.requests = 0
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, request: Request) -> Response:
        self.requests += 1
        if self.requests == self.hold:
            self.reached.set()
            self.go_on.wait(30)
        since, start = request.args.get("since", ""), int(request.args.get("from", 0))
        size = int(request.args.get("limit", request.args.get("size", 0)))
        after = [each for each in self.statements if each["stored"] > since]
        more = f"/xapi/statements?since={since}&from={start + size}&size={size}" if start + size < len(after) else ""
        body = json.dumps({"statements": after[start : start + size], "more": more})
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Response(body, headers={"X-Experience-API-Consistent-Through": now, "Content-Type": "application/json"})


@pytest.fixture
def start_worker(database_url: str, httpserver: HTTPServer) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "tests/hub/systems/pull_worker.py", database_url, httpserver.url_for("/xapi/")]
        started.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def stored_ids(db: Database) -> list[UUID]:
    with db.read() as conn:
        found, after = [], None
        while True:
            page = query.find(conn, query.StatementQuery(ascending=True), limit=100, after=after)
            found += [each.id for each in page.statements]
            if (after := page.next_after) is None:
                return found


def wait_for(enough: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not enough():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_nothing_is_missing_and_nothing_is_there_twice(
    db: Database, httpserver: HTTPServer, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    assert len(RECORDED) > 15
    other = OtherLRS(recorded(5), hold=4)
    httpserver.expect_request("/xapi/statements").respond_with_handler(other)
    with db.write() as conn:
        pulls.schedule(conn, 7, datetime.now(UTC))

    worker = start_worker()
    assert other.reached.wait(60)
    worker.kill()
    worker.wait()
    half = stored_ids(db)
    other.go_on.set()
    start_worker()
    wait_for(lambda: len(stored_ids(db)) >= len(other.statements))
    time.sleep(1.5)  # another poll or two

    assert 0 < len(half) < len(other.statements)
    assert sorted(stored_ids(db)) == sorted(UUID(each["id"]) for each in other.statements)
