"""``wkmb demo`` and ``wkmb sandbox``: the hub shown at work, and the LMS that comes with it to try one's own hub."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Failed, require_free, settings
from hub.demo import seed, stack
from hub.demo.job import MainJob
from hub.demo.visitor import Lost
from hub.migrations import steps
from hub.runtime import open_hub
from hub.settings import environment_with, read, serve_at

PORT, SANDBOX_PORT = 8080, 8090


@click.command()
@click.option("--serve", "stays", is_flag=True, help="Leave the hub and the sandbox running for people to try.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Where it serves the hub.")
@click.option(
    "--sandbox-port", default=SANDBOX_PORT, show_default=True, type=click.IntRange(1, 65535), help="And the sandbox."
)
def demo(stays: bool, port: int, sandbox_port: int) -> None:
    """Do the main job unattended and print each step; or, with --serve, start the demo for people."""
    try:
        _serve(port, sandbox_port) if stays else _run()
    except (stack.NotStarted, Lost) as error:
        raise Failed(str(error)) from error


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=SANDBOX_PORT, show_default=True, type=click.IntRange(0, 65535))
def sandbox(host: str, port: int) -> None:
    """Start the sandbox LMS, a course provider to try the hub with (docs/sandbox.md)."""
    home = settings().home / "sandbox"
    arguments = ["-m", "connectors.sandbox", "--host", host, "--port", str(port), "--home", str(home)]
    # It shares nothing with the hub, so it becomes this process.
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606


def _run() -> None:
    with tempfile.TemporaryDirectory(prefix="wkmb-demo-") as folder, contextlib.ExitStack() as running:
        home, port = Path(folder), _free_port()
        click.echo("0. The hub and the sandbox LMS start, each with a database of its own")
        _program, tool_url = running.enter_context(stack.sandbox(home / "sandbox", 0))
        environment = environment_with(home=str(home), base_url=f"http://127.0.0.1:{port}")
        secret = secrets.token_urlsafe(24)
        stack.register(home / "sandbox", _prepare(environment, tool_url, secret))
        running.enter_context(stack.hub(home, port, environment))
        recognized = MainJob(f"http://127.0.0.1:{port}", secret, click.echo).run()
        _verify(environment)
    click.echo(f"Diakui {recognized} JP")


def _serve(port: int, sandbox_port: int) -> None:
    require_free("127.0.0.1", port, f"choose another port: make run port={port + 1}")
    require_free("127.0.0.1", sandbox_port, f"choose another port: make run sandbox_port={sandbox_port + 1}")
    url = f"http://127.0.0.1:{port}"
    serve_at(url)
    home = settings().home
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    with contextlib.ExitStack() as running:
        lms, tool_url = running.enter_context(stack.sandbox(home / "sandbox", sandbox_port))
        stack.register(home / "sandbox", _prepare(None, tool_url))
        hub = running.enter_context(stack.hub(home, port, None))
        click.echo(_welcome(url, tool_url, home))
        stack.wait([lms, hub], stopping)
    click.echo("Ended.")


def _prepare(environment: dict[str, str] | None, tool_url: str, reader: str | None = None) -> Mapping[str, Any]:
    """A migrated database with the demo in it; gives what the sandbox has to know."""
    with contextlib.closing(open_hub(read(environment), pool_size=2)) as hub:
        steps.upgrade(hub.db)
        return seed.seed(hub, tool_url, reader)


def _verify(environment: dict[str, str]) -> None:
    click.echo("6. Every entry is derived again from the stored bytes")
    command = [sys.executable, "-m", "hub", "audit", "verify"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"The ledger does not verify:\n{done.stdout}{done.stderr}")
    click.echo(f"   {done.stdout.strip()}")


def _welcome(url: str, tool_url: str, home: Path) -> str:
    accounts = "\n".join(f"  {each.username:<9}{seed.PASSWORD}   {each.says}" for each in seed.ACCOUNTS)
    return (
        f"\nWKMB Hub:    {url}\nSandbox LMS: {tool_url}\n\n"
        f"Sign in with one of these fictional accounts:\n{accounts}\n\n"
        f"Ctrl-C ends it; the data stay in {home}. Remove that folder to begin anew."
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
