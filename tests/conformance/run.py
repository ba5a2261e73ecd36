"""Run ADL's LRS conformance suite against a hub of its own: `make conformance SUITE=DIR`.

The suite (GitHub adlnet/lrs-conformance-test-suite, `npm install` done) is never a part of this project. For each
database a fresh hub is started and judged for each version; JUnit files are written, and the exit code is 0 only
where every test passed. What the suite's own exit status hides is counted here: tests behind a failed `before` are
reported by it nowhere, so passed must equal total.

The suite in its older form asks that a request without a version is answered with the version under test, which no
server for both versions can do; ``--default-version`` sets what the hub says then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from wkmbtest import postgresql  # noqa: E402
from wkmbtest.processes import HubProcess  # noqa: E402

VERSIONS = ("1.0.3", "2.0.0")
#: ``partitioned`` is PostgreSQL with statements in one partition a month.
DATABASES = ("sqlite", "postgresql", "partitioned")
KEY, SECRET = "conformance", "conformance-secret-of-one-run"


@dataclass(frozen=True)
class Verdict:
    """What one run of the suite said."""

    total: int
    passed: int
    seconds: float
    tests: list[tuple[str, str, str]]


def main() -> int:
    options = _options()
    failed = False
    with tempfile.TemporaryDirectory(prefix="wkmb-conformance-") as folder:
        for name, url in _databases(options.database, Path(folder)):
            hub = _hub(Path(folder) / f"hub-{name}", url, options.default_version, divided=name == "partitioned")
            try:
                for version in options.version:
                    verdict = _judge(options.suite, hub, version)
                    _write_junit(options.junit / f"conformance-{version}-{name}.xml", verdict, f"{version} on {name}")
                    whole = verdict.passed == verdict.total > 0
                    failed |= not whole
                    print(f"{version} on {name}: {verdict.passed} of {verdict.total} in {verdict.seconds:.0f} s")
                    for title, status, why in verdict.tests:
                        if status != "passed":
                            print(f"  {status}: {title}\n    {why[:300]}")
            finally:
                hub.stop()
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Judge the LRS by ADL's conformance suite")
    parser.add_argument("suite", type=Path, help="folder of the suite, with its node_modules")
    parser.add_argument("--database", choices=DATABASES, action="append", help="default: each of them")
    parser.add_argument("--version", choices=VERSIONS, action="append", help="default: both")
    parser.add_argument("--default-version", choices=VERSIONS, default="2.0.0")
    parser.add_argument("--junit", type=Path, default=Path("build"), help="folder for the JUnit files")
    options = parser.parse_args()
    options.version = options.version or list(VERSIONS)
    options.database = options.database or list(DATABASES)
    if not (options.suite / "bin" / "console_runner.js").is_file():
        parser.error(f"{options.suite} is not the suite: it has no bin/console_runner.js")
    options.junit.mkdir(parents=True, exist_ok=True)
    return options


def _databases(wanted: list[str], folder: Path) -> Iterator[tuple[str, str]]:
    if "sqlite" in wanted:
        yield "sqlite", f"sqlite:///{folder}/hub.sqlite3"
    on_postgresql = [name for name in wanted if name != "sqlite"]
    if on_postgresql:
        binaries = postgresql.find_binaries()
        if binaries is None:
            sys.exit("PostgreSQL is not installed: use --database sqlite")
        folder.chmod(0o755)
        server = postgresql.Cluster(folder / "postgresql", binaries).start()
        try:
            for name in on_postgresql:
                with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}_judged")
                yield name, f"{server}/{name}_judged"
        finally:
            postgresql.stop(folder / "postgresql")


def _hub(home: Path, url: str, default_version: str, *, divided: bool) -> HubProcess:
    home.mkdir()
    hub = HubProcess(home, url, extra={"WKMB_XAPI_DEFAULT_VERSION": default_version})
    hub.wkmb("db", "upgrade")
    if divided:
        hub.wkmb("db", "partition")
    hub.wkmb("credential", "add", "conformance", "--key", KEY, "--secret", SECRET, "--scope", "all")
    return hub.start("--no-worker")


def _judge(suite: Path, hub: HubProcess, version: str) -> Verdict:
    logs = suite / "logs"
    before = set(logs.glob("*.log"))
    command = [
        "node",
        "bin/console_runner.js",
        "-x",
        version,
        "-e",
        f"{hub.url}/xapi",
        "-a",
        "-u",
        KEY,
        "-p",
        SECRET,
        "-z",
    ]
    start = time.monotonic()
    subprocess.run(command, cwd=suite, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1200)
    seconds = time.monotonic() - start
    # Another run of the suite may write its logs there meanwhile.
    written = [json.loads(each.read_text()) for each in set(logs.glob("*.log")) - before]
    log = next((each for each in written if each["flags"]["endpoint"].startswith(hub.url)), None)
    if log is None:
        sys.exit(f"The suite wrote no log into {logs}")
    summary = log["summary"]
    # The log names what failed; without a failure there is none.
    return Verdict(summary["total"], summary["passed"], seconds, list(_tests(log.get("log", {}), ())))


def _tests(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    title = (*path, node["title"]) if node.get("title") else path
    inner = node.get("tests") or []
    if not inner and node.get("status"):
        yield " > ".join(title), str(node["status"]), str(node.get("error") or "")
    for each in inner:
        yield from _tests(each, title)


def _write_junit(file: Path, verdict: Verdict, name: str) -> None:
    failures = verdict.total - verdict.passed
    suite = ET.Element(
        "testsuite", name=name, tests=str(verdict.total), failures=str(failures), time=f"{verdict.seconds:.1f}"
    )
    for title, status, why in verdict.tests:
        case = ET.SubElement(suite, "testcase", classname=name, name=title)
        if status != "passed":
            ET.SubElement(case, "failure", message=status).text = why
    ET.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


if __name__ == "__main__":
    sys.exit(main())
