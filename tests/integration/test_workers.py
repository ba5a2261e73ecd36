"""Several workers and writers at once, real processes on PostgreSQL, agree with a single replay: whatever arrives in
whatever order, from whomever, while workers take turns and one of them is killed, gives the ledger that one process
would write from all of it."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import sqlalchemy as sa

from hub.tables import entries, inbox
from lrs.database import Database
from lrstest import reference, statement
from wkmbtest.processes import COMMAND, HubProcess, kill_group, terminate

HOME = "https://lms.contoh.example"
KEY, SECRET = "lms-penulis", "rahasia-lms-penulis-0123456789"
HEADERS = {"X-Experience-API-Version": "1.0.3", "Content-Type": "application/json"}
PEOPLE, WRITERS, BATCHES = 6, 4, 12

#: A completion, a completion that must be passed too, minutes under a daily cap, sessions of which a month counts two.
COURSES = """\
id,aliases,provider,title_id,title_en,form,scope,programme_jp,minutes,days,requires,min_score,repeat
{home}/1,,lms,Keamanan,,KL03,national,4.5,,,completed,,once
{home}/2,,lms,Pelayanan,,KL04,national,8,,,completed;passed,0.6,yearly
{home}/3,,lms,Daring,,NKL03,national,,90,,completed,,once
{home}/4,,lms,Coaching,,NKL01,national,,,,completed,,each
"""


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


def nip(number: int) -> str:
    return f"19850101201001{number:04}"


def prepare(hub: HubProcess) -> None:
    """People, an LMS that reports them by its own accounts, and its courses."""
    names = range(PEOPLE)
    people = [f"{nip(each)},Pegawai {each},,PNS,Contoh,Unit" for each in names]
    accounts = [f"{HOME},{each},{nip(each)}" for each in names]
    files = {
        ("learner", "import"): "\n".join(["nip,name,email,status,employer,unit", *people]),
        ("course", "import"): COURSES.format(home=HOME),
        ("identity", "link"): "\n".join(["homepage_or_issuer,name,nip", *accounts]),
    }
    hub.prepare("connector", "add", "lms", "--kind", "xapi-push")
    hub.prepare("credential", "add", "lms", "--key", KEY, "--secret", SECRET, "--connector", "lms")
    for command, text in files.items():
        path = hub.home / f"{command[0]}.csv"
        path.write_text(text, "utf-8")
        hub.prepare(*command, str(path))


def some_batch(rng: random.Random, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an LMS reports at a moment, in no order of time: new events, and a void of an earlier report."""
    said = []
    for _ in range(rng.randint(1, 4)):
        verb, result = rng.choice(
            [("completed", None), ("completed", {"duration": "PT1H"}), ("terminated", {"duration": "PT50M"}),
             ("passed", {"score": {"raw": 80, "min": 0, "max": 100}, "success": True})]
        )  # fmt: skip
        at = f"2026-{rng.randint(1, 9):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:30:00Z"
        who = {"account": {"homePage": HOME, "name": str(rng.randrange(PEOPLE))}}
        about = f"{HOME}/{rng.randint(1, 4)}"
        said.append(statement(actor=who, verb=verb, object=about, result=result, timestamp=at))
    if before and rng.random() < 0.4:
        taken_back = before.pop(rng.randrange(len(before)))
        said.append(reference(taken_back["id"], "voided", actor=taken_back["actor"]))
    return said


def write(hub: HubProcess, seed: int) -> None:
    """One LMS's reports over one connection; some batches are sent again, as after a lost answer."""
    rng, before = random.Random(seed), list[dict[str, Any]]()
    with requests.Session() as session:
        for _ in range(BATCHES):
            batch = some_batch(rng, before)
            for _ in range(rng.choice((1, 1, 2))):
                answer = session.post(f"{hub.url}/xapi/statements", data=orjson.dumps(batch), headers=HEADERS,
                                      auth=(KEY, SECRET), timeout=60)  # fmt: skip
                assert answer.status_code == 200, answer.text
            before += [each for each in batch if each["verb"]["id"].endswith(("completed", "passed"))]


@pytest.fixture
def hub(new_hub: Callable[..., HubProcess]) -> HubProcess:
    """A server without a worker."""
    made = new_hub()
    prepare(made)
    return made.start("--no-worker", "--workers", "1")


@pytest.fixture
def new_worker(hub: HubProcess) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    with ExitStack() as ending:

        def start() -> subprocess.Popen[bytes]:
            worker = hub.spawn([*COMMAND, "worker"], hub.home / "worker.log")
            ending.callback(kill_group, worker)
            return worker

        yield start


def count(db: Database, table: sa.Table) -> int:
    with db.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def wait_for(holds: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)


def chains_without_a_gap(db: Database) -> bool:
    """Whether each learner's entries are numbered one after the other: nobody wrote beside somebody else."""
    with db.read() as conn:
        rows = conn.execute(
            sa.select(entries.c.learner, entries.c.position).order_by(*entries.c["learner", "position"])
        )
        spine = [tuple(row) for row in rows]
    return all(then[1] == (before[1] + 1 if then[0] == before[0] else 1) for before, then in pairwise(spine))


def test_workers_and_writers_agree_with_a_single_replay(
    hub: HubProcess, new_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """Four writers over HTTP and two workers, of which one is killed while it works and another takes its place."""
    with closing(Database(hub.database_url, pool_size=1)) as db:
        doomed, staying = new_worker(), new_worker()
        writers = [threading.Thread(target=write, args=(hub, seed)) for seed in range(WRITERS)]
        for each in writers:
            each.start()
        wait_for(lambda: count(db, entries) > 3, hub.home / "worker.log")
        kill_group(doomed)
        new_worker()
        for each in writers:
            each.join()
        wait_for(lambda: count(db, inbox) == 0, hub.home / "worker.log")
        assert terminate(staying) == 0
        written = count(db, entries)

        replayed = orjson.loads(hub.wkmb("policy", "replay", "perlan-10-2018", "--processes", "2", "--json").stdout)

        assert replayed == {"policy": "perlan-10-2018", "learners": PEOPLE, "entered": 0, "reversed": 0, "failed": 0}
        assert count(db, entries) == written > PEOPLE
        assert chains_without_a_gap(db)
    hub.wkmb("audit", "verify")
