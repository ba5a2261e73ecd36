"""An LMS that we did not write (the platform of Open edX) launches a tool: `tests/peers/lti-consumer-xblock`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.demo.visitor import Visitor
from wkmbtest.postgresql import free_port
from wkmbtest.processes import ROOT, answers, kill_group, wait_until
from wkmbtest.requirements import missing

PEER = Path(__file__).parents[1] / "peers" / "lti-consumer-xblock"
PYTHON = PEER / ".venv" / "bin" / "python"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a process and waits until ``path`` on its port answers."""
    running: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], port: int, path: str, **environment: str) -> None:
        log = tmp_path / f"{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(process)
        wait_until(lambda: answers(port, path), what=command[-1], process=process, log=log)

    yield start
    for process in running:
        kill_group(process)


@pytest.fixture
def start_platform(spawn: Callable[..., None], tmp_path: Path) -> Callable[..., str]:
    if not PYTHON.exists():
        missing("peers", "lti-consumer-xblock is not installed: run `make peers`")

    def start(**tool: Any) -> str:
        port = free_port()
        home = {"PORT": str(port), "HOME_DIRECTORY": str(tmp_path), "TOOL": json.dumps(tool), "PYTHONPATH": ""}
        spawn([str(PYTHON), str(PEER / "platform_site.py")], port, "/registration", **home)
        return f"http://127.0.0.1:{port}"

    return start


def test_it_launches_the_sandbox_and_gets_its_score(spawn: Callable[..., None], start_platform, tmp_path: Path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    home = tmp_path / "sandbox"
    spawn([sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--home", str(home)], port, "/healthz")
    platform = start_platform(login_url=f"{url}/lti/login", launch_url=f"{url}/lti/launch", jwks_url=f"{url}/lti/jwks")
    (home / "registration.json").write_text(requests.get(f"{platform}/registration", timeout=30).text, "utf-8")

    with Visitor() as learner:
        who = {"user": "siti", "name": "Siti Rahayu", "course": "pelayanan-publik-digital"}
        page = learner.follow(learner.get(f"{platform}/start", params=who))
        assert page.url.startswith(f"{url}/learn/"), page.text
        assert "Pelayanan Publik Digital" in page.text
        done = learner.submit(page, "/complete", score="77")

    assert done.status_code == 200
    [score] = requests.get(f"{platform}/scores", timeout=30).json()["scores"]
    assert (score["user_id"], score["score_given"], score["score_maximum"]) == ("siti", 77, 100)
    assert (score["activity_progress"], score["grading_progress"]) == ("Completed", "FullyGraded")
