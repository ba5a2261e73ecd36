"""How fast a replay is, what memory it takes, and what one recomputation costs: ``make benchreplay``.

People with ten facts each, said by an LMS, lie in a database; then everybody is replayed under the policy by
``wkmb policy replay --processes 2``, as an administrator does it: once into an empty ledger, and once more, when
nothing is to be written. The floor is 20,000 facts a second on PostgreSQL with two processes and less than 500 MB in
each. ``--people 100000`` is the measurement of docs/performance.md; the default is a quick look.

Statements are stored by the LRS itself (`lrs.store`), without HTTP. PostgreSQL has its own settings: what is committed
is on disk. The machine has other work too, so the CPU time of the replaying processes and of the database's server is
told beside the time that passed. With ``--folder`` the filled stores stay there, and the next run replays a copy.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "bench")]

from load import cpu_of, memory_of  # noqa: E402

from hub.jp import recognition  # noqa: E402
from hub.learning import catalogue  # noqa: E402
from hub.migrations import steps  # noqa: E402
from hub.people import identity  # noqa: E402
from hub.runtime import Hub, open_hub  # noqa: E402
from hub.settings import read  # noqa: E402
from hub.statements import ingest  # noqa: E402
from hub.tables import connectors, learner_actors, learner_nips, learners  # noqa: E402
from lrs import payloads, statements, store  # noqa: E402
from lrs.agents import Identifier, agent_key  # noqa: E402
from lrs.database import copy_sqlite, insert_all  # noqa: E402
from lrs.statements import Writer  # noqa: E402
from mappings.course import Course  # noqa: E402
from wkmbtest import postgresql  # noqa: E402

HOME = "https://lms.contoh.example"
VERBS = "http://adlnet.gov/expapi/verbs/"
POLICY = "perlan-10-2018"
PEOPLE_AT_ONCE = 100
FACTS = 10


def courses() -> Iterator[Course]:
    """300 courses: trainings with a programme, tested ones, e-learning by minutes, and sessions of coaching."""
    shapes: list[dict[str, Any]] = [
        {"form": "KL03", "programme_centi_jp": 450, "requires": ("completed",)},
        {"form": "KL04", "programme_centi_jp": 800, "requires": ("completed", "passed"), "min_score": 600_000},
        {"form": "NKL03", "minutes": 90, "requires": ("completed",)},
        {"form": "NKL01", "requires": ("completed",), "repeat": "each"},
    ]
    for number in range(300):
        values = {"scope": "national", "provider": "lms", "title_id": f"Kursus {number}", "title_en": ""}
        yield Course(f"{HOME}/kursus/{number}", **(values | shapes[number % 4]))


def said_by(rng: random.Random, name: str) -> list[dict[str, Any]]:
    """Ten statements of one person, about 1 kB each as LMSs send them, over five or six courses."""
    base = rng.randrange(75) * 4
    about = [f"{HOME}/kursus/{(base + number) % 300}" for number in range(8)]
    day = datetime(2026, 1, 1, 2, tzinfo=UTC) + timedelta(days=rng.randrange(300))

    def one(verb: str, course: str, after: float, **result: Any) -> dict[str, Any]:
        return _statement(rng, name, verb, course, day + timedelta(hours=after), result)

    return [
        one("completed", about[0], 0),
        one("completed", about[4], 30),
        one("completed", about[1], 60),
        one("passed", about[1], 61, score={"raw": 80, "min": 0, "max": 100}, success=True),
        one("terminated", about[2], 90, duration="PT1H5M"),
        one("completed", about[2], 91),
        one("completed", about[3], 120, duration="PT1H"),
        one("completed", about[3], 150, duration="PT1H"),
        one("completed", about[5], 170),
        one("failed", about[5], 171, score={"raw": 40, "min": 0, "max": 100}, success=False),
    ]


def _statement(
    rng: random.Random, name: str, verb: str, course: str, at: datetime, result: dict[str, Any]
) -> dict[str, Any]:
    title = f"Manajemen Pelayanan Publik, {course.rpartition('/')[2]}"
    return {
        "id": str(UUID(int=rng.getrandbits(128), version=4)),
        "actor": {"objectType": "Agent", "name": f"Pegawai {name}", "account": {"homePage": HOME, "name": name}},
        "verb": {"id": VERBS + verb, "display": {"en-US": verb, "id-ID": verb}},
        "object": {
            "objectType": "Activity",
            "id": course,
            "definition": {
                "name": {"id-ID": title, "en-US": title},
                "description": {"id-ID": f"Pelatihan {title} bagi aparatur sipil negara"},
                "type": "http://adlnet.gov/expapi/activities/course",
            },
        },
        "context": {
            "registration": str(UUID(int=rng.getrandbits(128), version=4)),
            "platform": "LMS Contoh",
            "language": "id-ID",
            "contextActivities": {"grouping": [{"objectType": "Activity", "id": f"{HOME}/program/7"}]},
        },
        "timestamp": at.isoformat(timespec="milliseconds"),
        **({"result": result} if result else {}),
    }


# Filling -----------------------------------------------------------------------------------------------


def open_(environment: dict[str, str]) -> Hub:
    return open_hub(read(environment), pool_size=2)


def upgrade(environment: dict[str, str]) -> None:
    hub = open_(environment)
    steps.upgrade(hub.db)
    hub.close()


def prepare(environment: dict[str, str]) -> None:
    """The schema, the catalogue, the LMS, and what payloads are compressed against."""
    upgrade(environment)
    hub = open_(environment)
    row = {"id": 1, "name": "lms", "kind": "xapi-push", "internal": False, "vocabulary": "default", "settings": "{}",
           "created_at": hub.clock()}  # fmt: skip
    with hub.db.write() as conn:
        insert_all(conn, connectors, [row])
        catalogue.import_courses(conn, hub, courses(), by="bench")
    fill(environment, 0, 3 * PEOPLE_AT_ONCE)
    hub.db.run(lambda conn: payloads.learn(conn))
    hub.close()


def fill(environment: dict[str, str], begin: int, end: int) -> None:
    """People number ``begin`` to ``end``, with what their LMS says of them."""
    hub = open_(environment)
    for first in range(begin, end, PEOPLE_AT_ONCE):
        numbers = range(first, min(first + PEOPLE_AT_ONCE, end))
        _employ(hub, numbers)
        _say(hub, numbers)
    hub.close()


def _employ(hub: Hub, numbers: Sequence[int]) -> None:
    now = hub.clock()
    ids = {number: uuid4() for number in numbers}
    people = [_person(id, f"1985{number:014}", f"Pegawai {number}", now) for number, id in ids.items()]
    links = [
        {"learner": id, "actor_key": agent_key(Identifier("account", HOME, str(number)))}
        for number, id in ids.items()
    ]  # fmt: skip
    with hub.db.write() as conn:
        insert_all(conn, learners, people)
        insert_all(conn, learner_nips, [{"nip": row["nip"], "learner": row["id"], "since": now} for row in people])
        identity.link_hub_accounts(conn, hub.base_url, list(ids.values()), now=now, new_id=hub.new_id)
        insert_all(conn, learner_actors, links)


def _person(id: UUID, nip: str, name: str, now: datetime) -> dict[str, Any]:
    plain = {"nip": nip, "name": name, "email": None, "status": "PNS", "employer": "Contoh", "unit": "Unit"}
    return plain | {"id": id, "supervisor_nip": None, "created_at": now, "updated_at": now}


def _say(hub: Hub, numbers: Sequence[int]) -> None:
    writer = Writer({"objectType": "Agent", "account": {"homePage": hub.base_url, "name": "lms"}}, 1, "credential:1")
    batch = [said for number in numbers for said in said_by(random.Random(number), str(number))]
    parsed = statements.parse(orjson.dumps(batch))
    prepared = statements.prepare(
        parsed, version="1.0.3", writer=writer, new_id=uuid4, extra_keys=ingest.extra_keys
    )  # fmt: skip
    with hub.sequence.writing() as ticket:
        hub.db.run(lambda conn: store.save(conn, prepared, ticket))


# Stores ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """A database that can be filled and copied; ``server`` is the process of its server, where it has one."""

    kind: str
    folder: Path
    address: str = ""
    server: int | None = None

    def url(self, name: str) -> str:
        return f"{self.address}/{name}" if self.address else f"sqlite:///{self.folder}/{name}.sqlite3"

    def environment(self, name: str) -> dict[str, str]:
        home = self.folder / f"home-{self.kind}"
        home.mkdir(exist_ok=True)
        return {"WKMB_HOME": str(home), "WKMB_DATABASE_URL": self.url(name), "WKMB_SECRET_KEY": "b" * 32}

    def make(self, name: str) -> None:
        """An empty database of this name, whatever was there."""
        self.drop(name)
        if self.address:
            self._command(f"CREATE DATABASE {name}")

    def drop(self, name: str) -> None:
        if self.address:
            self._command(f"DROP DATABASE IF EXISTS {name}")
        else:
            for file in self.folder.glob(f"{name}.sqlite3*"):
                file.unlink()

    def copy(self, name: str, to: str) -> None:
        """Another database with all that is in the first."""
        self.drop(to)
        if self.address:
            self._command(f"CREATE DATABASE {to} TEMPLATE {name} STRATEGY FILE_COPY")
        else:
            copy_sqlite(self.folder / f"{name}.sqlite3", self.folder / f"{to}.sqlite3")

    def settle(self, name: str) -> None:
        """What the server does by itself after so much was written, now, so that it is not done while we measure."""
        if self.address:
            with psycopg.connect(self.url(name), autocommit=True) as conn:
                conn.execute("VACUUM ANALYZE")
                conn.execute("CHECKPOINT")

    def _command(self, text: str) -> None:
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as conn:
            conn.execute(text.encode())


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Store]:
    """The store of this kind in the folder; a server is started for it, and stopped."""
    if kind == "sqlite":
        yield Store(kind, folder)
        return
    binaries = postgresql.find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed: --database sqlite measures the other one.")
    home = folder / "postgresql"
    try:
        address = postgresql.Cluster(home, binaries, durable=True).start()
        yield Store(kind, folder, address, int((home / "data" / "postmaster.pid").read_text().split()[0]))
    finally:
        postgresql.stop(home)


def filled(store: Store, people: int, writers: int) -> str:
    """The name of a database with so many people, which is there already or is made."""
    name = f"people_{people}"
    known = store.folder / f"{store.kind}-{name}.filled"
    if known.exists():
        upgrade(store.environment(name))  # It may have been filled before the newest migration.
    else:
        store.make(name)
        began = time.perf_counter()
        _fill_all(store.environment(name), people, writers)
        store.settle(name)
        print(f"{store.kind}: {people * FACTS} facts stored in {time.perf_counter() - began:.0f} s", flush=True)
        known.touch()
    return name


def _fill_all(environment: dict[str, str], people: int, writers: int) -> None:
    """Fill by several processes, and say now and then how long it will go on."""
    prepare(environment)
    step = min(1000, max(PEOPLE_AT_ONCE, people // writers))
    parts = [(begin, min(begin + step, people)) for begin in range(3 * PEOPLE_AT_ONCE, people, step)]
    began = told = time.perf_counter()
    with ProcessPoolExecutor(writers, mp_context=get_context("spawn")) as pool:
        done = 0
        for each in as_completed([pool.submit(fill, environment, *part) for part in parts]):
            each.result()
            done, now = done + 1, time.perf_counter()
            if now - told > 10:
                told, left = now, (now - began) / done * (len(parts) - done)
                print(f"   {done * 100 // len(parts)} % filled, about {left:.0f} s more", file=sys.stderr, flush=True)


# Measuring ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """One replay: seconds that passed, seconds of CPU of its processes and of the database's server, megabytes of its
    largest process in the first fifth of the time and in all of it, and the machine's load meanwhile."""

    seconds: float
    cpu: float
    server_cpu: float
    early_megabytes: float
    megabytes: float
    load: float


def replay(environment: dict[str, str], processes: int, server: Sequence[int]) -> Cost:
    """What one replay costs; its own command says on standard error how far it is."""
    command = [sys.executable, "-m", "hub", "policy", "replay", POLICY, "--processes", str(processes)]
    before, began = cpu_of(server), time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, cwd=ROOT, stdout=subprocess.PIPE)
    sizes, spent, loads = [(began, 0.0)], 0.0, [os.getloadavg()[0]]
    while process.poll() is None:
        sizes.append((time.perf_counter(), memory_of([process.pid])))
        spent = max(spent, cpu_of([process.pid]))
        loads.append(os.getloadavg()[0])
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"The replay ended with {process.returncode}.")
    assert process.stdout is not None
    print("  ", process.stdout.read().decode().strip(), flush=True)
    early = max(size for at, size in sizes if at - began <= seconds / 5)
    largest = max(size for _, size in sizes)
    return Cost(seconds, spent, cpu_of(server) - before, early, largest, statistics.mean(loads))


def recomputation(environment: dict[str, str], facts: int, times: int = 20) -> float:
    """Milliseconds in which one person with so many facts is recomputed after one more arrived."""
    hub = open_(environment)
    learner, name = uuid4(), f"besar-{facts}"
    now = hub.clock()
    with hub.db.write() as conn:
        insert_all(conn, learners, [_person(learner, f"1970{facts:014}", name, now)])
        key = agent_key(Identifier("account", HOME, name))
        insert_all(conn, learner_actors, [{"learner": learner, "actor_key": key}])
    rng = random.Random(f"recomputed {facts}")  # Other ids than any of the people filled in has.
    batch = [said for _ in range(facts // FACTS) for said in said_by(rng, name)]
    writer = Writer({"objectType": "Agent", "account": {"homePage": hub.base_url, "name": "lms"}}, 1, "credential:1")

    def accept(said: Sequence[dict[str, Any]]) -> None:
        parsed = statements.parse(orjson.dumps(list(said)))
        prepared = statements.prepare(
            parsed, version="1.0.3", writer=writer, new_id=uuid4, extra_keys=ingest.extra_keys
        )  # fmt: skip
        with hub.sequence.writing() as ticket:
            hub.db.run(lambda conn: store.save(conn, prepared, ticket))

    for begin in range(0, len(batch), 500):
        accept(batch[begin : begin + 500])
    found = []
    for number in range(times + 1):
        began = time.perf_counter()
        hub.db.run(lambda conn: recognition.recompute(conn, hub, learner))
        found.append((time.perf_counter() - began) * 1000)
        accept([_statement(rng, name, "completed", f"{HOME}/kursus/{number * 4}", now - timedelta(days=number), {})])
    hub.close()
    return statistics.median(found[1:])


def measure(store: Store, people: int, processes: int) -> None:
    """Replay a copy of the filled store twice, and recompute, with one line for each figure."""
    name = filled(store, people, 1 if store.kind == "sqlite" else processes)
    store.copy(name, "run")
    environment, facts = store.environment("run"), people * FACTS
    server = [] if store.server is None else [store.server]
    print(f"{store.kind}: two replays of {facts} facts begin", flush=True)
    print("| people | facts | ledger | facts a second | CPU of the processes | of PostgreSQL | on two free cores that "
          "would be | largest process, first fifth and all | load |")  # fmt: skip
    for ledger in ("empty", "nothing to write"):
        cost = replay(environment, processes, server)
        free = facts / (cost.cpu + cost.server_cpu) * 2
        print(
            f"| {people:,} | {facts:,} | {ledger} | {facts / cost.seconds:,.0f} | {cost.cpu:.1f} s | "
            f"{cost.server_cpu:.1f} s | {free:,.0f} a second | {cost.early_megabytes:.0f}, {cost.megabytes:.0f} MB | "
            f"{cost.load:.1f} |",
            flush=True,
        )
    for size in (10, 100, 1000):
        print(
            f"{store.kind}: one recomputation with {size} facts: {recomputation(environment, size):.1f} ms", flush=True
        )
    store.drop("run")


def main() -> None:
    """Measure on each database that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2000, help="with ten facts each")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="postgresql")
    parser.add_argument("--folder", type=Path, help="where the filled stores stay for the next run")
    given = parser.parse_args()
    with ExitStack() as ending:
        folder = given.folder or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="wkmb-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
            with opened(kind, folder.resolve()) as store:
                measure(store, given.people, given.processes)


if __name__ == "__main__":
    main()
