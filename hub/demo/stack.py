"""The processes of a demo: the hub with its worker, and the sandbox LMS. None outlives the one that started them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

#: A first start compiles every module.
START_SECONDS = 60
STOP_SECONDS = 15


class NotStarted(Exception):
    """A process ended or did not answer in time; the message ends with what it wrote."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running process and the file that it writes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def failed(self, why: str) -> NotStarted:
        """The error that says what the process last wrote."""
        written = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return NotStarted(f"{self.name} {why}.\n{written}")


@contextlib.contextmanager
def sandbox(home: Path, port: int) -> Iterator[tuple[Program, str]]:
    """The sandbox LMS and its address; port 0 takes a free one."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--home", str(home)]
    with _running("The sandbox LMS", command, home / "sandbox.log", None) as program:
        yield program, _address(program)


@contextlib.contextmanager
def hub(home: Path, port: int, environment: Mapping[str, str] | None) -> Iterator[Program]:
    """The hub with its worker, ready; without an ``environment`` of its own it has this process's."""
    command = [sys.executable, "-m", "hub", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with _running("The hub", command, home / "hub.log", environment) as program:
        _until_ready(program, f"http://127.0.0.1:{port}/readyz")
        yield program


def register(home: Path, registration: Mapping[str, Any]) -> None:
    """Give the sandbox what `tool add --json` prints."""
    (home / "registration.json").write_text(json.dumps(registration, indent=1), encoding="utf-8")


def wait(programs: list[Program], stopping: threading.Event) -> None:
    """Return when asked to stop; raise if one of them ends before that."""
    while not stopping.wait(0.3):
        for program in programs:
            if program.process.poll() is not None:
                raise program.failed("ended by itself")


@contextlib.contextmanager
def _running(name: str, command: list[str], log: Path, environment: Mapping[str, str] | None) -> Iterator[Program]:
    with log.open("wb") as output:
        # A session of its own: Ctrl-C goes to the one that started it, which ends it in order.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield Program(name, process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(program: Program) -> str:
    """What the sandbox says first: ``LMS Sandbox: http://127.0.0.1:8090``."""
    for _ in _patience(program):
        first, newline, _rest = program.log.read_text(errors="replace").partition("\n")
        if newline and first.startswith("LMS Sandbox: "):
            return first.removeprefix("LMS Sandbox: ").strip()
    raise program.failed("said no address")


def _until_ready(program: Program, url: str) -> None:
    for _ in _patience(program):
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code == 200:
                return
    raise program.failed(f"is not ready after {START_SECONDS} s")


def _patience(program: Program) -> Iterator[None]:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if program.process.poll() is not None:
            raise program.failed(f"ended with code {program.process.returncode}")
        yield
        time.sleep(0.05)
