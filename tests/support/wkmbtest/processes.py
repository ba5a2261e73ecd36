"""The hub as its users run it: ``wkmb`` as real processes, with a home and a port of their own.

A test that uses this proves that the pieces meet; whatever can be shown without a process is shown without.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import cli
from wkmbtest.postgresql import free_port

ROOT = Path(__file__).parents[3]

#: A secret for tests on PostgreSQL, where the hub does not make one itself.
SECRET_KEY = "tests-only-" + "k" * 32


class ProcessFailed(AssertionError):
    """A process ended or did not answer; the message ends in the last lines that it wrote."""


@dataclass
class HubProcess:
    """One hub: its home, its database and, between `start` and `stop`, its server with its worker."""

    home: Path
    database_url: str
    port: int = field(default_factory=free_port)
    extra: Mapping[str, str] = field(default_factory=dict)
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment without its own hub's settings, plus this hub's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WKMB_")}
        return {**kept, "PYTHONPATH": str(ROOT), **self._settings}

    @property
    def _settings(self) -> dict[str, str]:
        own = {"WKMB_HOME": str(self.home), "WKMB_DATABASE_URL": self.database_url, "WKMB_SECRET_KEY": SECRET_KEY}
        return {**own, **self.extra}

    @property
    def log(self) -> Path:
        return self.home / "serve.log"

    def wkmb(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``wkmb`` with these arguments to its end; with ``check``, anything but exit code 0 fails the test."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise ProcessFailed(f"wkmb {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def prepare(self, *arguments: str, stdin: str = "") -> str:
        """Run ``wkmb`` in the test's own process and give what it printed: for what only comes before what is tested.

        A process of its own takes a second or two to import everything, ten times in a test that needs a whole hub.
        """
        others = dict.fromkeys(name for name in os.environ if name.startswith("WKMB_"))
        done = CliRunner(env={**others, **self._settings}).invoke(cli, arguments, input=stdin)
        if done.exit_code != 0:
            raise ProcessFailed(f"wkmb {' '.join(arguments)} ended with {done.exit_code}\n{done.output}") from (
                done.exception
            )
        return done.stdout

    def start(self, *arguments: str) -> HubProcess:
        """Start ``wkmb serve`` (more arguments: ``--no-worker`` and the like) and wait until it is ready."""
        command = [*COMMAND, "serve", "--host", "127.0.0.1", "--port", str(self.port), *arguments]
        self._server = self.spawn(command, self.log)
        wait_until(lambda: answers(self.port, "/readyz"), what=self.url, process=self._server, log=self.log)
        return self

    def spawn(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a process in this hub's environment, with a process group of its own."""
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask the server to end, as an operator would; it has half a minute."""
        if self._server is not None:
            terminate(self._server)
            self._server = None

    def kill(self) -> None:
        """End the server and everything it started at once, without a chance to tidy up."""
        if self._server is not None:
            kill_group(self._server)
            self._server = None


#: ``python -m`` finds the code of this work tree whatever is installed beside it.
COMMAND = (sys.executable, "-m", "hub")


def answers(port: int, path: str) -> bool:
    """Whether a server on 127.0.0.1 answers 200 to ``GET path``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until(
    holds: Callable[[], bool], *, what: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60
) -> None:
    """Return as soon as ``holds()``; fail with the log's end when the process ended or the time is over."""
    end = time.monotonic() + seconds
    while not holds():
        code = process.poll()
        if code is not None or time.monotonic() > end:
            state = f"ended with {code}" if code is not None else f"is not ready after {seconds:.0f} s"
            kill_group(process)
            raise ProcessFailed(f"{what} {state}\n{tail(log)}")
        time.sleep(0.05)


def tail(log: Path, lines: int = 60) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def terminate(process: subprocess.Popen[bytes], seconds: float = 30) -> int:
    """End a process with SIGTERM and give its exit code; whatever of its group is left is killed."""
    process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise ProcessFailed(f"process {process.pid} did not end within {seconds:.0f} s of SIGTERM") from error
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def new_hub(new_database: Callable[..., str], tmp_path: Path) -> Iterator[Callable[..., HubProcess]]:
    """Makes a hub with a home and a migrated database of its own, not started; stops it after the test.

    Keyword arguments become environment variables (``WKMB_TIMEZONE="Asia/Jayapura"``).
    """
    hubs: list[HubProcess] = []

    def create(**environment: str) -> HubProcess:
        home = tmp_path / f"hub-{len(hubs) + 1}"
        home.mkdir()
        hubs.append(HubProcess(home, new_database(), extra=environment))
        return hubs[-1]

    yield create
    for hub in hubs:
        hub.stop()


@pytest.fixture
def hub_process(new_hub: Callable[..., HubProcess]) -> HubProcess:
    """A running hub with its worker, on SQLite and on PostgreSQL."""
    return new_hub().start()
