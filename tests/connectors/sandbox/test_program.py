"""The sandbox as it is started: a process with a home, a port and a registration file of its own."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "connectors" / "sandbox"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    running: list[subprocess.Popen[str]] = []

    def spawn(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "connectors.sandbox", "--home", str(tmp_path / "home"), *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield spawn
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_killed_sandbox_reports_when_it_comes_back(start, platform, visitor):
    options = ["--port", "0", "--issuer", platform.url, "--client-id", platform.client_id, "--deployment-id", "d-1"]
    options += ["--auth-url", f"{platform.url}/auth?tenant=1", "--token-url", f"{platform.url}/token"]
    process, line = start(*options, "--jwks-url", f"{platform.url}/jwks")
    url = line.removeprefix("LMS Sandbox: ")
    platform.tool_url = url
    initiation = {"iss": platform.url, "login_hint": "hint", "lti_message_hint": '{"a": "b"}'}
    initiation |= {"target_link_uri": f"{url}/lti/launch"}
    page = visitor.submit(visitor.get(f"{url}/lti/login", params=initiation, timeout=30))
    launch_id = page.url.rsplit("/", 1)[1]
    platform.is_down = True
    requests.post(f"{url}/api/launches/{launch_id}/complete", json={"score": 88}, timeout=30)
    process.kill()
    process.wait()

    platform.is_down = False
    _, line = start("--port", url.rsplit(":", 1)[1])
    assert line == f"LMS Sandbox: {url}"

    deadline = time.monotonic() + 60
    while len(platform.scores) < 1 or len(platform.statements) < 4:
        assert time.monotonic() < deadline, "the reports did not arrive"
        time.sleep(0.05)
    assert platform.scores[0]["scoreGiven"] == 88


def test_it_ends_on_a_signal_with_zero(start):
    process, line = start("--port", "0")
    assert line.startswith("LMS Sandbox: http://127.0.0.1:")

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_it_says_an_address_that_can_be_called(start, host, address):
    _, line = start("--port", "0", "--host", host)

    url = line.removeprefix("LMS Sandbox: ")
    assert url.startswith(f"http://{address}:")
    assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}


def test_a_taken_port_is_said_in_one_line(start):
    _, line = start("--port", "0")

    process, message = start("--port", line.rsplit(":", 1)[1])

    assert process.wait(60) == 1
    assert message.startswith("sandbox: cannot listen on 127.0.0.1 port ")


def test_a_wrong_registration_is_refused_by_name(start, tmp_path, platform):
    registration = tmp_path / "platform.json"
    registration.write_text(json.dumps(asdict(platform.platform()) | {"token_url": ""}))

    process, message = start("--registration", str(registration))

    assert process.wait(60) == 2
    assert "token_url is missing" in message


def test_it_imports_nothing_of_the_project():
    """Sharing code with the hub would hide a mistake that both sides make."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                names = [node.module or ""] if node.level == 0 else []
            assert not [name for name in names if name.split(".")[0] in {"hub", "lrs", "mappings", "connectors"}], path
