"""How fast a replay is, what memory it takes, and what one recomputation costs: ``make benchreplay``.

People with ten facts each, said by an LMS, lie in a fresh database; then everybody is replayed under the policy by
``wkmb policy replay --processes 2``, as an administrator does it: once into an empty ledger, and once more, when
nothing is to be written. The floor is 20,000 facts a second on PostgreSQL with two processes and less than 500 MB in
each. ``--people 100000`` is the measurement of docs/performance.md; the default is a quick look.

Statements are stored by the LRS itself (`lrs.store`), without HTTP. The machine has other work too, so the CPU time of
everything that took part is told beside the time that passed.
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
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "bench")]

from load import cpu_of, memory_of  # noqa: E402
from visible import databases  # noqa: E402

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
from lrs.database import insert_all  # noqa: E402
from lrs.statements import Writer  # noqa: E402
from mappings.course import Course  # noqa: E402

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


def prepare(environment: dict[str, str]) -> None:
    """The schema, the catalogue, the LMS, and what payloads are compressed against."""
    hub = open_(environment)
    steps.upgrade(hub.db)
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


# Measuring ---------------------------------------------------------------------------------------------


def replay(environment: dict[str, str], processes: int, others: Sequence[int]) -> tuple[float, float, float]:
    """Seconds, seconds of CPU (of the database too), and megabytes of the largest process, of one replay."""
    command = [sys.executable, "-m", "hub", "policy", "replay", POLICY, "--processes", str(processes), "--json"]
    before, began = cpu_of(others), time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, cwd=ROOT, stdout=subprocess.PIPE)
    largest = spent = 0.0
    while process.poll() is None:
        largest, spent = max(largest, memory_of([process.pid])), max(spent, cpu_of([process.pid]))
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"The replay ended with {process.returncode}.")
    assert process.stdout is not None
    print("  ", orjson.loads(process.stdout.read()), flush=True)
    return seconds, spent + cpu_of(others) - before, largest


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


def measure(kind: str, environment: dict[str, str], people: int, processes: int) -> None:
    """Fill, replay twice, and recompute, with one line for each figure."""
    prepare(environment)
    cut = range(3 * PEOPLE_AT_ONCE, people, max(PEOPLE_AT_ONCE, people // 64 // PEOPLE_AT_ONCE * PEOPLE_AT_ONCE))
    began = time.perf_counter()
    writers = 1 if kind == "sqlite" else processes
    with ProcessPoolExecutor(writers, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(fill, environment, begin, min(begin + cut.step, people)) for begin in cut]:
            done.result()
    print(
        f"{kind}: {people * FACTS} facts of {people} people stored in {time.perf_counter() - began:.0f} s", flush=True
    )
    others = server_processes() if kind == "postgresql" else []
    for what in ("into an empty ledger", "with nothing to write"):
        seconds, cpu, megabytes = replay(environment, processes, others)
        facts = people * FACTS
        print(
            f"{kind}: replay {what}, {processes} processes: {seconds:.1f} s, {facts / seconds:,.0f} facts a second, "
            f"{cpu:.1f} s of CPU ({facts / cpu * 2:,.0f} facts a second on two free cores), {megabytes:.0f} MB",
            flush=True,
        )
    for size in (10, 100, 1000):
        print(f"{kind}: one recomputation with {size} facts: {recomputation(environment, size):.1f} ms", flush=True)


def server_processes() -> list[int]:
    """The postmaster of the throw-away cluster."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = stat.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/postgres") and any(b"wkmb-bench-" in word for word in words):
            found.append(int(stat.parent.name))
    return found


def main() -> None:
    """Measure on each database that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2000, help="with ten facts each")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wkmb-bench-") as name:
        for kind, url in databases(Path(name)):
            if given.database and kind not in given.database:
                continue
            home = Path(name) / f"home-{kind}"
            home.mkdir()
            environment = {"WKMB_HOME": str(home), "WKMB_DATABASE_URL": url, "WKMB_SECRET_KEY": "b" * 32}
            measure(kind, environment, given.people, given.processes)


if __name__ == "__main__":
    main()
