"""The processes: what starts, what refuses to start and says why, and what is left when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import requests

from wkmbpeers.prepared import NIP, Course, PreparedHub
from wkmbtest.postgresql import free_port
from wkmbtest.processes import COMMAND, HubProcess


def workers(hub: HubProcess) -> list[int]:
    """The processes of this hub's `wkmb worker`, found by their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if b"worker\0--with-parent" in command and str(hub.home).encode() in environment:
                found.append(int(folder.name))
    return found


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_server_answers_and_leaves_nothing_behind(hub_process: HubProcess) -> None:
    assert requests.get(f"{hub_process.url}/healthz", timeout=30).json() == {"status": "ok"}
    assert requests.get(f"{hub_process.url}/readyz", timeout=30).json() == {"status": "ready"}
    assert until(lambda: len(workers(hub_process)) == 1)

    hub_process.stop()

    assert workers(hub_process) == []


def test_whatever_a_process_of_the_hub_logs_is_a_line_of_json(running_hub: HubProcess) -> None:
    said = [orjson.loads(line) for line in running_hub.log.read_text().splitlines()]

    assert any(line["event"].startswith("Listening at") for line in said)


def test_a_worker_that_dies_is_started_again(hub_process: HubProcess) -> None:
    assert until(lambda: len(workers(hub_process)) == 1)
    [first] = workers(hub_process)

    os.kill(first, signal.SIGKILL)

    assert until(lambda: workers(hub_process) not in ([], [first]))


def test_a_port_that_is_taken_is_one_clear_line(running_hub: HubProcess) -> None:
    done = running_hub.wkmb("serve", "--port", str(running_hub.port), check=False)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"Error: Port {running_hub.port} of 127.0.0.1 is taken. End what listens there, or choose another with --port."
    ]


def test_a_database_that_is_not_migrated_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, empty_database_url)

    for command in (["serve", "--port", str(free_port())], ["worker"], ["db", "check"], ["user", "list"]):
        done = hub.wkmb(*command, check=False)
        assert (done.returncode, "wkmb db upgrade" in done.stderr) == (1, True), command

    hub.wkmb("db", "upgrade")
    hub.wkmb("db", "upgrade")
    assert hub.wkmb("db", "check").stdout.strip() == "The database is as it must be."


def test_a_misspelt_setting_is_refused_by_name(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, f"sqlite:///{tmp_path}/hub.sqlite3", extra={"WKMB_TIMEZNOE": "Asia/Jakarta"})

    done = hub.wkmb("db", "upgrade", check=False)

    assert done.returncode == 1
    assert "WKMB_TIMEZNOE is no setting of the hub. Did you mean WKMB_TIMEZONE?" in done.stderr


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_what_prepares_a_hub_can_be_typed_one_command_after_the_other(new_hub: Callable[..., HubProcess]) -> None:
    """Other tests have these commands in their own process; in one of its own, each finds everything that it needs."""
    hub, provider = PreparedHub(new_hub(), in_processes=True), "https://vendor.contoh.example"
    said = ("issuer", "auth-url", "token-url", "jwks-url")
    campus = [f"--{each}=https://kampus.contoh.example/{each}" for each in said]

    hub.add_learner()
    registration = hub.add_tool(
        "vendor", f"--login-url={provider}/login", f"--redirect-uri={provider}/launch",
        f"--target-link-uri={provider}/launch", f"--jwks-url={provider}/jwks",
    )  # fmt: skip
    hub.add_course("vendor", Course(f"{provider}/risiko", "Manajemen Risiko", f"{provider}/launch"))
    hub.type("connector", "add", "moodle", "--kind", "xapi-push")
    hub.type("platform", "add", "kampus", *campus, "--client-id", "client-1", "--deployment", "1")
    hub.import_file("identity", {"homepage_or_issuer": "https://kampus.contoh.example", "name": "siti", "nip": NIP})

    assert registration["client_id"]
    listed = orjson.loads(hub.type("course", "list", "--json"))
    assert [each["id"] for each in listed] == [f"{provider}/risiko"]


def test_the_demo_ends_in_recognized_jp_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(subprocess.run(["pgrep", "-f", "wkmb-demo-"], capture_output=True, text=True).stdout.split())

    done = subprocess.run([*COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1] == "Diakui 4,5 JP"
    after = set(subprocess.run(["pgrep", "-f", "wkmb-demo-"], capture_output=True, text=True).stdout.split())
    assert after - before == set()
    assert list(tmp_path.iterdir()) == []
