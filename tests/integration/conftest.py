"""The sandbox LMS and the hub, two processes that share nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.demo.visitor import Visitor
from wkmbpeers.atsandbox import TITLE, SandboxAtHub
from wkmbpeers.prepared import Course, PreparedHub
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, terminate, wait_until


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as one:
        yield one


@pytest.fixture
def sandbox(hub_process: HubProcess, tmp_path: Path) -> Iterator[SandboxAtHub]:
    hub = PreparedHub(hub_process)
    home, port = tmp_path / "sandbox", free_port()
    home.mkdir()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path / "sandbox.log"
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--home", str(home)]
    process: subprocess.Popen[bytes] = hub_process.spawn(command, log)
    try:
        wait_until(lambda: answers(port, "/healthz"), what="the sandbox", process=process, log=log)
        hub.add_learner()
        addresses = ["--login-url", f"{url}/lti/login", "--redirect-uri", f"{url}/lti/launch"]
        addresses += ["--target-link-uri", f"{url}/lti/launch", "--jwks-url", f"{url}/lti/jwks"]
        platform = hub.add_tool("balai-contoh", *addresses)
        (home / "registration.json").write_text(json.dumps(platform), "utf-8")
        course = Course(
            "https://balai.contoh.example/courses/pelayanan-publik-digital",
            TITLE,
            f"{url}/lti/launch",
            requires="completed;passed",
            custom="course=pelayanan-publik-digital",
        )
        hub.add_course("balai-contoh", course)
        yield SandboxAtHub(hub, url)
    finally:
        terminate(process)
