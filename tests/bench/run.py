"""The LRS against an empty Flask view on the same server, in one run: ``make benchlrs``.

Not a test: it takes minutes, and what it finds depends on the machine. What is compared is measured in turns, some
hundred requests of the one, then of the other, and the median over the rounds is told: what else the machine does
meanwhile meets both. Every commit is durable: SQLite with synchronous FULL, PostgreSQL with its own settings.

Prints a table with the floors and aims of the project; docs/performance.md holds one with the machine it was made on.
With ``--folder`` the filled databases stay there, and the next run measures without filling again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

import psycopg  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from load import HOME, SITE, Client, Cost, bodies, measure, memory_of  # noqa: E402

from wkmbtest import postgresql  # noqa: E402
from wkmbtest.processes import HubProcess, kill_group, wait_until  # noqa: E402

KEY, SECRET = "bench", "bench-secret-of-one-run"
SMALL, BATCH, LEARN_AFTER = 10_000, 500, 5_000


@dataclass
class Target:
    """A server on one store, and the processes whose CPU counts. ``seed`` never repeats: nothing is sent twice."""

    port: int
    pids: list[int]
    hub: HubProcess | None = None
    seed: int = 0
    sent: int = 0
    stored: int = 0

    def clients(self, count: int) -> list[Client]:
        return [Client(self.port, KEY, SECRET) for _ in range(count)]

    def post(self, requests: int, conns: int, batch: int = 1) -> Cost:
        self.seed += 1
        work = bodies(requests, batch, self.seed)
        self.sent += sum(map(len, work))
        self.stored += requests * batch
        return measure(work, Client.post, self.clients(conns), self.pids)


def main() -> None:
    options = _options()
    with contextlib.ExitStack() as ending:
        folder = options.folder or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="wkmb-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        empty = ending.enter_context(_empty(folder))
        for name in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
            with _targets(name, folder) as (small, large):
                _fill(small, SMALL, options.fill_workers)
                _fill(large, options.statements, options.fill_workers)
                _report(name, empty, small, large, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the LRS against an empty Flask view")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=15, help="how often F and the LRS take turns")
    parser.add_argument("--requests", type=int, default=200, help="single requests a turn")
    parser.add_argument("--statements", type=int, default=1_000_000, help="how many the large store holds")
    parser.add_argument("--fill-workers", type=int, default=1, help="server processes while the stores are filled")
    parser.add_argument("--folder", type=Path, help="where the filled databases stay for the next run")
    return parser.parse_args()


# Servers ---------------------------------------------------------------------------------------------------


@contextmanager
def _empty(folder: Path) -> Iterator[Target]:
    """F, served as the hub is."""
    port = postgresql.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "32", "empty:app"]
    log = folder / "empty.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=Path(__file__).parent, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(lambda: _listens(port), what="F", process=server, log=log)
        yield Target(port, [server.pid])
    finally:
        kill_group(server)


def _listens(port: int) -> bool:
    try:
        Client(port, KEY, SECRET).post(b"{}")
    except OSError:
        return False
    return True


@contextmanager
def _targets(name: str, folder: Path) -> Iterator[tuple[Target, Target]]:
    """A small and a large store on this database, both served."""
    with contextlib.ExitStack() as ending:
        urls, pids = ending.enter_context(_databases(name, folder))
        started = []
        for size in ("small", "large"):
            target = _start(folder / f"{name}-{size}", urls(size), pids)
            assert target.hub is not None
            ending.callback(target.hub.stop)
            started.append(target)
        yield started[0], started[1]


@contextmanager
def _databases(name: str, folder: Path) -> Iterator[tuple[Callable[[str], str], list[int]]]:
    """The address of each store, and the processes of its database."""
    if name == "sqlite":
        yield lambda size: f"sqlite:///{folder}/sqlite-{size}/hub.sqlite3", []
        return
    binaries = postgresql.find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL is not installed: use --database sqlite")
    home = folder / "postgresql"
    server = postgresql.Cluster(home, binaries, durable=True).start()
    try:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
            for size in ("small", "large"):
                with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                    conn.execute(f"CREATE DATABASE {size}")  # type: ignore[call-overload]
        yield lambda size: f"{server}/{size}", [int((home / "data" / "postmaster.pid").read_text().split()[0])]
    finally:
        postgresql.stop(home)


def _start(home: Path, url: str, pids: list[int]) -> Target:
    home.mkdir(exist_ok=True)
    hub = HubProcess(home, url)
    hub.wkmb("db", "upgrade")
    hub.wkmb("credential", "add", KEY, "--key", KEY, "--secret", SECRET, "--scope", "all", check=False)
    target = Target(hub.port, [0, *pids], hub)
    _serve(target, 1)
    known = home / "stored.json"
    if known.exists():
        target.seed, target.sent, target.stored = json.loads(known.read_text())
    return target


def _serve(target: Target, workers: int) -> None:
    assert target.hub is not None
    target.hub.stop()
    target.hub.start("--no-worker", "--workers", str(workers))
    assert target.hub._server is not None
    target.pids[0] = target.hub._server.pid


def _fill(target: Target, count: int, workers: int) -> None:
    """Store so many, with a worker beside the server that learns to compress and empties the inbox."""
    assert target.hub is not None
    if target.stored >= count:
        return
    if workers > 1:
        _serve(target, workers)
    worker = None
    while target.stored < count:
        if worker is None and target.stored >= LEARN_AFTER:
            worker = target.hub.spawn([sys.executable, "-m", "hub", "worker"], target.hub.home / "worker.log")
        started, before = time.monotonic(), target.stored
        target.post(LEARN_AFTER // BATCH, 2 * workers, BATCH)
        rate = (target.stored - before) / (time.monotonic() - started)
        print(f"\r{target.stored:,} stored, {rate:,.0f} a second   ", end="", file=sys.stderr, flush=True)
        _remember(target)
    if worker is not None:
        _wait_for_inbox(target)
        worker.terminate()
        worker.wait()
    if workers > 1:
        _serve(target, 1)


def _remember(target: Target) -> None:
    assert target.hub is not None
    (target.hub.home / "stored.json").write_text(json.dumps([target.seed, target.sent, target.stored]))


def _wait_for_inbox(target: Target) -> None:
    assert target.hub is not None
    engine = sa.create_engine(target.hub.database_url)
    while True:
        with engine.connect() as conn:
            if conn.execute(sa.text("SELECT 1 FROM inbox LIMIT 1")).first() is None:
                break
        time.sleep(1)
    engine.dispose()


# What is measured ------------------------------------------------------------------------------------------


def _report(name: str, empty: Target, small: Target, large: Target, options: argparse.Namespace) -> None:
    size = _on_disk(large) / large.sent
    print(f"\n## {name}\n\n| what | found | floor | aim |\n|---|---|---|---|")
    _writes(empty, small, options)
    for what, (at_small, at_large) in _pages(small, large).items():
        _row(f"page of 100 by {what} at {large.stored:,}, ms", at_large, "<= 2", "<= 0.7")
        _row(f"... over the same at {SMALL:,}", at_large / at_small, "<= 2.0", "<= 1.2")
    _row("a page deep in `more` over the first", _deep(large), "<= 1.5", "<= 1.1")
    _row("bytes on disk over bytes sent", size, "<= 0.6", "<= 0.3")
    _row(f"memory of a server process after {large.stored:,} in and out, MB", _memory(large), "< 300", "< 150")
    _remember(small)


def _writes(empty: Target, target: Target, options: argparse.Namespace) -> None:
    rounds: list[tuple[Cost, Cost, Cost, Cost, Cost]] = []
    for _ in range(options.rounds):
        turns = (empty.post(options.requests, 1), target.post(options.requests, 1))
        together = (empty.post(options.requests, 8), target.post(options.requests, 8))
        rounds.append((*turns, *together, target.post(2, 1, BATCH)))
    _row("CPU of a single POST over F's", _median(one.cpu / f.cpu for f, one, *_ in rounds), "<= 7", "<= 4")
    _row("... at 8 connections", _median(one.cpu / f.cpu for _, _, f, one, _ in rounds), "", "")
    rates = _median(one.rate / f.rate for _, _, f, one, _ in rounds)
    _row("single POST/s at 8 connections over F's", rates, ">= 0.13", ">= 0.30")
    times = sorted(each for _, _, _, together, _ in rounds for each in together.times)
    tail = times[int(len(times) * 0.99)] / statistics.median(times)
    _row("p99 over median of a single POST at 8 connections", tail, "<= 8", "<= 3")
    share = _median(batches.cpu / BATCH / one.cpu for _, one, _, _, batches in rounds)
    _row("CPU per statement in batches of 500 over that of a single POST", share, "<= 0.35", "<= 0.15")
    found = {
        "F, ms CPU": _median(f.cpu for f, *_ in rounds),
        "F/s at 8": _median(f.rate for _, _, f, *_ in rounds),
        "POST, ms CPU": _median(one.cpu for _, one, *_ in rounds),
        "POST/s at 8": _median(one.rate for _, _, _, one, _ in rounds),
        "batches, statements/s": _median(batches.rate * BATCH for *_, batches in rounds),
    }
    for what, value in found.items():
        _row(what, value, "", "")


def _row(what: str, found: float, floor: str, aim: str) -> None:
    print(f"| {what} | {found:,.2f} | {floor} | {aim} |", flush=True)


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _pages(small: Target, large: Target) -> dict[str, tuple[float, float]]:
    """Median milliseconds of a page of 100 for every filter at both sizes, asked in turns by one connection each."""
    clients = [target.clients(1)[0] for target in (small, large)]
    latest = [json.loads(client.get("/xapi/statements?limit=1"))["statements"][0] for client in clients]
    filters = [_filters(each) for each in latest]
    return {
        what: _in_turns(*(partial(client.get, given[what]) for client, given in zip(clients, filters, strict=True)))
        for what in filters[0]
    }


def _filters(latest: dict[str, dict[str, str]]) -> dict[str, str]:
    someone = json.dumps({"account": {"homePage": HOME, "name": f"1990{0:014d}"}})
    course, verb = f"{SITE}/kursus/00000", "http://adlnet.gov/expapi/verbs/answered"
    filters: dict[str, dict[str, object]] = {
        "nothing": {},
        "agent": {"agent": someone},
        "verb and activity": {"verb": verb, "activity": f"{course}/modul/0"},
        "since and until": {"since": "2020-01-01T00:00:00Z", "until": latest["stored"]},
        "registration": {"registration": latest["context"]["registration"]},
        "related_agents": {"agent": someone, "related_agents": "true"},
        "related_activities": {"activity": course, "related_activities": "true"},
    }
    return {what: "/xapi/statements?" + urlencode({**given, "limit": "100"}) for what, given in filters.items()}


def _in_turns(one: Callable[[], object], other: Callable[[], object], turns: int = 10) -> tuple[float, float]:
    """The median milliseconds of each, in turns of 20, as a reader asks for page after page."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for work, into in zip((one, other), found, strict=True):
            work()  # The one that finds everything as the other server left it.
            for _ in range(20):
                start = time.perf_counter()
                work()
                into.append((time.perf_counter() - start) * 1000)
    return statistics.median(found[0]), statistics.median(found[1])


def _deep(target: Target) -> float:
    [client] = target.clients(1)
    first, path = "/xapi/statements?limit=100", "/xapi/statements?limit=100"
    for _ in range(min(1000, target.stored // 100 - 2)):
        path = quote(json.loads(client.get(path))["more"], safe="/?=&%")
    at_first, deep = _in_turns(partial(client.get, first), partial(client.get, path))
    return deep / at_first


def _memory(target: Target) -> float:
    """Megabytes of the server after every statement was read, in pages of 1,000 by four connections at once."""
    paths = [f"/xapi/statements?limit=1000&ascending={word}" for word in ("true", "false")]
    for client, path in zip(target.clients(2), paths, strict=True):
        following = path
        while following:
            following = quote(json.loads(client.get(following))["more"], safe="/?=&%")
    return memory_of(target.pids[:1])


def _on_disk(target: Target) -> float:
    assert target.hub is not None
    url = sa.make_url(target.hub.database_url)
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        if url.get_backend_name() != "sqlite":
            return float(conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar() or 0)
    engine.dispose()
    return sum(path.stat().st_size for path in target.hub.home.glob("hub.sqlite3*"))


if __name__ == "__main__":
    main()
