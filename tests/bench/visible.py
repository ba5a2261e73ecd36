"""From an accepted statement to JP that its learner sees: ``make bench``.

A hub as its users run it, with its worker, on SQLite and on PostgreSQL. A completion is posted as an LMS posts it; the
time runs from the answer of the LRS until ``GET /api/v1/learners/{nip}/jp`` counts it. The promise is two seconds.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from wkmbtest import postgresql  # noqa: E402
from wkmbtest.processes import HubProcess  # noqa: E402

ROUNDS = 50
NIP = "198503152010012004"
HOME_PAGE = "https://lms.contoh.example"
WRITER = ("lms-penulis", "rahasia-lms-penulis-0123456789")
READER = ("pembaca", "rahasia-pembaca-0123456789")


def databases(folder: Path) -> Iterator[tuple[str, str]]:
    """An SQLite file, and a throw-away cluster where PostgreSQL is installed."""
    yield "sqlite", f"sqlite:///{folder}/hub.sqlite3"
    binaries = postgresql.find_binaries()
    if binaries is None:
        print("postgresql: not installed, not measured")
        return
    folder.chmod(0o755)
    server = postgresql.Cluster(folder / "cluster", binaries).start()
    try:
        yield "postgresql", f"{server}/postgres"
    finally:
        postgresql.stop(folder / "cluster")


def write_csv(path: Path, rows: list[dict[str, str]]) -> str:
    """A file as people import it; gives its name."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def course(number: int) -> dict[str, str]:
    """One course worth 1 JP, complete when it is completed."""
    title = f"Kursus {number}"
    return {
        "id": f"{HOME_PAGE}/courses/{number}",
        "aliases": "",
        "provider": "lms",
        "title_id": title,
        "title_en": title,
        "form": "NKL04",
        "scope": "national",
        "programme_jp": "1",
        "requires": "completed",
    }


def prepare(hub: HubProcess) -> None:
    """A learner, an LMS that reports her by its own account, and a course for each round."""
    hub.wkmb("db", "upgrade")
    learner = {"nip": NIP, "name": "Siti Rahayu", "email": "", "status": "PNS", "employer": "Contoh", "unit": "Biro"}
    hub.wkmb("learner", "import", write_csv(hub.home / "learners.csv", [learner]))
    hub.wkmb("connector", "add", "lms", "--kind", "xapi-push")
    hub.wkmb("credential", "add", "lms", "--key", WRITER[0], "--secret", WRITER[1], "--connector", "lms")
    hub.wkmb("credential", "add", "pembaca", "--key", READER[0], "--secret", READER[1], "--scope", "api/read")
    hub.wkmb("course", "import", write_csv(hub.home / "courses.csv", [course(number) for number in range(ROUNDS + 1)]))
    identity = {"homepage_or_issuer": HOME_PAGE, "name": "4", "nip": NIP}
    hub.wkmb("identity", "link", write_csv(hub.home / "identities.csv", [identity]))


def report(hub: HubProcess, session: requests.Session, number: int) -> None:
    """Post one completion, as an LMS does."""
    statement = {
        "id": str(uuid.uuid4()),
        "actor": {"account": {"homePage": HOME_PAGE, "name": "4"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {
            "id": f"{HOME_PAGE}/courses/{number}",
            "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
        },
        "timestamp": datetime.now(UTC).isoformat(),
    }
    answer = session.post(
        f"{hub.url}/xapi/statements",
        data=json.dumps(statement),
        headers={"X-Experience-API-Version": "1.0.3", "Content-Type": "application/json"},
        auth=WRITER,
        timeout=30,
    )
    answer.raise_for_status()


def recognized(hub: HubProcess, session: requests.Session) -> int:
    """How many of the courses count."""
    answer = session.get(f"{hub.url}/api/v1/learners/{NIP}/jp", auth=READER, timeout=30)
    answer.raise_for_status()
    return len(answer.json()["entries"])


def measure(hub: HubProcess) -> list[float]:
    """Seconds from accepted to visible, a round at a time; the first, for which the worker is still starting, is not
    counted."""
    seconds = []
    with requests.Session() as session:
        for number in range(ROUNDS + 1):
            report(hub, session, number)
            accepted = time.perf_counter()
            while recognized(hub, session) <= number:
                if time.perf_counter() - accepted > 30:
                    raise SystemExit(f"round {number}: not recognized after 30 s\n{hub.log.read_text()[-3000:]}")
                time.sleep(0.005)
            seconds.append(time.perf_counter() - accepted)
    return seconds[1:]


def main() -> None:
    """Measure on each database and print one line for each."""
    with tempfile.TemporaryDirectory(prefix="wkmb-bench-") as name:
        for kind, url in databases(Path(name)):
            home = Path(name) / kind
            home.mkdir()
            hub = HubProcess(home, url)
            prepare(hub)
            hub.start()
            try:
                seconds = sorted(measure(hub))
            finally:
                hub.stop()
            print(
                f"{kind}: statement accepted to JP visible, {ROUNDS} rounds: "
                f"median {statistics.median(seconds):.3f} s, p95 {seconds[int(ROUNDS * 0.95)]:.3f} s, "
                f"slowest {seconds[-1]:.3f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
