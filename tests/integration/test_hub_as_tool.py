"""An LMS that we did not write (the platform of Open edX) launches the hub: `tests/peers/lti-consumer-xblock`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from hub.demo.visitor import Visitor
from wkmbpeers.prepared import NAME, PASSWORD, PreparedHub
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, kill_group, wait_until
from wkmbtest.requirements import missing

PEER = Path(__file__).parents[1] / "peers" / "lti-consumer-xblock"
PYTHON = PEER / ".venv" / "bin" / "python"


@pytest.fixture
def start_platform(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts the LMS with the hub as its tool; gives its address."""
    if not PYTHON.exists():
        missing("peers", "lti-consumer-xblock is not installed: run `make peers`")
    running: list[subprocess.Popen[bytes]] = []

    def start(hub: str) -> str:
        port = free_port()
        tool = f"{hub}/lti/tool"
        told = {"login_url": f"{tool}/login", "launch_url": f"{tool}/launch", "jwks_url": f"{tool}/jwks"}
        home = {"PORT": str(port), "HOME_DIRECTORY": str(tmp_path), "TOOL": json.dumps(told), "PYTHONPATH": ""}
        log = tmp_path / "platform.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(PYTHON), str(PEER / "platform_site.py")],
                cwd=tmp_path,
                env=os.environ | home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(process)
        wait_until(lambda: answers(port, "/registration"), what="the platform", process=process, log=log)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        kill_group(process)


def register(hub: PreparedHub, platform: str) -> None:
    """Type at the hub what the LMS says of itself."""
    told = requests.get(f"{platform}/registration", timeout=30).json()
    addresses = [f"--{name}={told[name.replace('-', '_')]}" for name in ("issuer", "client-id", "auth-url", "token-url",
                                                                       "jwks-url")]  # fmt: skip
    hub.type("platform", "add", "kampus", "--internal", *addresses, "--deployment", *told["deployment_ids"])


def test_an_employee_signs_in_once_and_then_comes_from_her_lms(
    hub_process: HubProcess, start_platform: Callable[[str], str]
):
    hub = PreparedHub(hub_process)
    hub.add_learner()
    platform = start_platform(hub.url)
    register(hub, platform)
    who = {"user": "siti-di-kampus", "name": NAME}

    with Visitor() as visitor:
        page = visitor.follow(visitor.get(f"{platform}/start", params=who))
        assert page.url == f"{hub.url}/lti/tool/launch", page.text
        login = visitor.open(page, "", within="/login")
        home = visitor.submit(login, "/login", username="siti", password=PASSWORD)
        assert home.url == f"{hub.url}/", home.text
        assert NAME in home.text

    with Visitor() as elsewhere:
        home = elsewhere.follow(elsewhere.get(f"{platform}/start", params=who))
        assert home.url == f"{hub.url}/", home.text
        assert NAME in home.text
        assert elsewhere.get(f"{hub.url}/courses").status_code == 200
        assert elsewhere.get(f"{hub.url}/admin/").status_code == 403

    with Visitor() as stranger:
        page = stranger.follow(stranger.get(f"{platform}/start", params={"user": "orang-lain", "name": NAME}))
        assert page.url == f"{hub.url}/lti/tool/launch", page.text
        assert NAME in page.text
        assert stranger.get(f"{hub.url}/").url.startswith(f"{hub.url}/login")
