"""The sandbox LMS and the hub, two processes that share nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from hub.demo.visitor import Visitor
from wkmbpeers.atsandbox import TITLE, SandboxAtHub
from wkmbpeers.prepared import Course, PreparedHub
from wkmbtest.databases import KINDS, Databases
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, terminate, wait_until


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as one:
        yield one


@pytest.fixture(scope="module", params=KINDS)
def running_hub(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubProcess]:
    """A running hub with its worker for all tests of a module, which are about an employee of their own each.

    The module may have HUB_SETTINGS for its environment.
    """
    home = tmp_path_factory.mktemp("hub")
    url = databases.create(request.param, home)
    hub = HubProcess(home, url, extra=getattr(request.module, "HUB_SETTINGS", {}))
    try:
        yield hub.start()
    finally:
        hub.stop()
        databases.drop(url)


@pytest.fixture(scope="module")
def sandbox_at_hub(running_hub: HubProcess) -> Iterator[SandboxAtHub]:
    """The sandbox beside it, with one course in the hub's catalogue."""
    hub = PreparedHub(running_hub)
    home, port = running_hub.home / "sandbox", free_port()
    home.mkdir()
    url = f"http://127.0.0.1:{port}"
    log = running_hub.home / "sandbox.log"
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--home", str(home)]
    process: subprocess.Popen[bytes] = running_hub.spawn(command, log)
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


@pytest.fixture
def sandbox(sandbox_at_hub: SandboxAtHub, number: int) -> SandboxAtHub:
    """The two, and an employee who has not been there before."""
    return replace(sandbox_at_hub, hub=sandbox_at_hub.hub.with_another_learner(number))


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return count(101)


@pytest.fixture
def number(numbers: Iterator[int]) -> int:
    """A number that no other test of this process has."""
    return next(numbers)
