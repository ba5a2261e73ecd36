"""The LRS against an empty Flask view on the same server, in one run: `.venv/bin/python tests/bench/run.py`.

Not a test: it takes minutes, and what it finds depends on the machine. CPU ratios are the steady numbers. Prints a
table with the floors and aims of the project; docs/performance.md holds one with the machine it was made on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

import sqlalchemy as sa  # noqa: E402
from load import HOME, SITE, Client, Cost, bodies, measure, memory_of  # noqa: E402

from wkmbtest import postgresql  # noqa: E402
from wkmbtest.processes import HubProcess, answers, kill_group, wait_until  # noqa: E402

KEY, SECRET = "bench", "bench-secret-of-one-run"


@dataclass
class Target:
    """A hub on one database, and the processes whose CPU counts."""

    name: str
    hub: HubProcess
    pids: list[int]
    sent: int = 0
    stored: int = 0

    def clients(self, count: int) -> list[Client]:
        return [Client(self.hub.port, KEY, SECRET) for _ in range(count)]

    def post(self, work: list[bytes], conns: int, batch: int) -> Cost:
        self.sent += sum(map(len, work))
        self.stored += len(work) * batch
        return measure(work, Client.post, self.clients(conns), self.pids)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="wkmb-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        empty = _measure_empty(folder, options.requests)
        print(f"\nF, the empty view: {empty[1].cpu:.3f} ms CPU at 1 connection, {empty[8].cpu:.3f} at 8, ", end="")
        print(f"{empty[8].rate:.0f} requests a second at 8\n")
        for target in _targets(folder, options.database):
            try:
                _report(target, empty, options)
            finally:
                target.hub.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the LRS against an empty Flask view")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--requests", type=int, default=4000, help="single requests a measurement")
    parser.add_argument("--statements", type=int, default=100_000, help="how many are stored for the large pages")
    return parser.parse_args()


def _measure_empty(folder: Path, requests: int) -> dict[int, Cost]:
    port = postgresql.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "32", "empty:app"]
    log = folder / "empty.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=Path(__file__).parent, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(lambda: not answers(port, "/") and _listens(port), what="F", process=server, log=log)
        return {
            conns: measure(
                bodies(requests, 1, 1), Client.post, [Client(port, KEY, SECRET) for _ in range(conns)], [server.pid]
            )
            for conns in (1, 8)
        }
    finally:
        kill_group(server)


def _listens(port: int) -> bool:
    try:
        Client(port, KEY, SECRET).post(b"{}")
    except OSError:
        return False
    return True


def _targets(folder: Path, wanted: str) -> Iterator[Target]:
    if wanted in ("sqlite", "both"):
        yield _start("sqlite", folder / "sqlite", f"sqlite:///{folder}/hub.sqlite3", [])
    if wanted in ("postgresql", "both"):
        binaries = postgresql.find_binaries()
        if binaries is None:
            sys.exit("PostgreSQL is not installed: use --database sqlite")
        server = postgresql.Cluster(folder / "postgresql", binaries).start()
        try:
            postmaster = int((folder / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])
            yield _start("postgresql", folder / "hub-postgresql", f"{server}/postgres", [postmaster])
        finally:
            postgresql.stop(folder / "postgresql")


def _start(name: str, home: Path, url: str, more: list[int]) -> Target:
    home.mkdir()
    hub = HubProcess(home, url)
    hub.wkmb("db", "upgrade")
    hub.wkmb("credential", "add", KEY, "--key", KEY, "--secret", SECRET, "--scope", "all")
    hub.start("--no-worker", "--workers", "1")
    assert hub._server is not None
    return Target(name, hub, [hub._server.pid, *more])


def _report(target: Target, empty: dict[int, Cost], options: argparse.Namespace) -> None:
    print(f"## {target.name}\n\n| what | found | floor | aim |\n|---|---|---|---|")
    single = target.post(bodies(options.requests, 1, 2), 1, 1)
    eight = target.post(bodies(options.requests, 1, 3), 8, 1)
    _row("CPU of a single POST over F's", single.cpu / empty[1].cpu, "<= 7", "<= 4")
    _row("single POST/s at 8 connections over F's", eight.rate / empty[8].rate, ">= 0.13", ">= 0.30")
    _row("p99 over median of a single POST at 8 connections", eight.p99 / eight.median, "<= 8", "<= 3")
    batches = target.post(bodies(10, 500, 4), 1, 500)
    _row(
        "CPU per statement in batches of 500 over a single POST's", batches.cpu / 500 / single.cpu, "<= 0.35", "<= 0.15"
    )
    _fill(target, 10_000)
    small = _pages(target)
    memory = memory_of(target.pids[:1])
    _fill(target, options.statements)
    large = _pages(target)
    for name, found in large.items():
        _row(f"page of 100 by {name} at {target.stored:,}, ms", found, "<= 2", "<= 0.7")
        _row("... over the same at 10,000", found / small[name], "<= 2.0", "<= 1.2")
    _row("a page deep in `more` over the first", _deep(target), "<= 1.5", "<= 1.1")
    _row("bytes on disk over bytes sent", _on_disk(target) / target.sent, "<= 0.6", "<= 0.3")
    _row(
        f"memory of the server, MB (after the first 10,000: {memory:.0f})", memory_of(target.pids[:1]), "< 300", "< 150"
    )
    print(f"\n{single.cpu:.2f} ms CPU a POST, {eight.rate:.0f} a second at 8 connections, ", end="")
    print(f"{batches.rate * 500:.0f} statements a second in batches\n")


def _row(what: str, found: float, floor: str, aim: str) -> None:
    print(f"| {what} | {found:.2f} | {floor} | {aim} |", flush=True)


def _fill(target: Target, count: int) -> None:
    while target.stored < count:
        target.post(bodies(min(20, (count - target.stored) // 500 + 1), 500, target.stored), 1, 500)


def _pages(target: Target) -> dict[str, float]:
    """Median milliseconds of a page of 100 for every filter, asked by one connection."""
    [client] = target.clients(1)
    someone = json.dumps({"account": {"homePage": HOME, "name": f"1990{0:014d}"}})
    latest = json.loads(client.get("/xapi/statements?limit=1"))["statements"][0]
    course, verb = f"{SITE}/kursus/00000", "http://adlnet.gov/expapi/verbs/answered"
    filters: dict[str, dict[str, str]] = {
        "nothing": {},
        "agent": {"agent": someone},
        "verb and activity": {"verb": verb, "activity": f"{course}/modul/0"},
        "since and until": {"since": "2020-01-01T00:00:00Z", "until": latest["stored"]},
        "registration": {"registration": latest["context"]["registration"]},
        "related_agents": {"agent": someone, "related_agents": "true"},
        "related_activities": {"activity": course, "related_activities": "true"},
    }
    return {
        name: _median(client, "/xapi/statements?" + urlencode({**each, "limit": "100"}))
        for name, each in filters.items()
    }


def _median(client: Client, path: str, times: int = 50) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        client.get(path)
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found)


def _deep(target: Target) -> float:
    [client] = target.clients(1)
    first = path = "/xapi/statements?limit=100"
    for _ in range(min(200, target.stored // 100 - 2)):
        path = quote(json.loads(client.get(path))["more"], safe="/?=&%")
    return _median(client, path) / _median(client, first)


def _on_disk(target: Target) -> float:
    url = sa.make_url(target.hub.database_url)
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        return sum(path.stat().st_size for path in Path(url.database).parent.glob("hub.sqlite3*"))
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        size = conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar()
    engine.dispose()
    return float(size or 0)


if __name__ == "__main__":
    main()
