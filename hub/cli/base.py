"""What every command does alike: open the hub, print as text or JSON, fail with one line and exit code 1."""

from __future__ import annotations

import errno
import gc
import getpass
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import orjson

from hub import migrations
from hub.errors import HubError
from hub.operations import tracing
from hub.runtime import Hub, open_hub
from hub.settings import Settings, SettingsError, read

F = TypeVar("F", bound=Callable[..., Any])


class Failed(click.ClickException):
    """The command could not be done; the message says in one line what is wrong and what to do."""

    exit_code = 1


def settings() -> Settings:
    """The settings, or the line that says which one is wrong."""
    try:
        found = read()
        tracing.require(found)
    except SettingsError as error:
        raise Failed(str(error)) from error
    return found


@contextmanager
def opened() -> Iterator[Hub]:
    """A hub whose database is of this version, closed at the end. What the hub refuses becomes one line."""
    hub = open_hub(settings(), pool_size=4)
    try:
        migrations.require_newest(hub.db)
        yield hub
    except migrations.NotMigrated as error:
        raise Failed(str(error)) from error
    except HubError as error:
        raise Failed(str(error)) from error
    finally:
        hub.close()


def json_option(command: F) -> F:
    """``--json``: print the result as JSON, for scripts (parameter ``as_json``)."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def say(value: Any, as_json: bool, *lines: str) -> None:
    """Print ``value`` as JSON, or the lines for people."""
    if as_json:
        click.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())
        return
    for line in lines:
        click.echo(line)


def read_secret() -> str:
    """The first line of standard input, for what must not stand on a command line."""
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise Failed("Standard input is empty. Write the secret as its first line.")
    return secret


def actor() -> str:
    """Who types, for the journal."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def require_free(host: str, port: int, otherwise: str) -> None:
    """Refuse to begin where something listens already; ``otherwise`` says what else can be done."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = (
                f"Port {port} of {host} is taken" if error.errno == errno.EADDRINUSE else f"{host}: {error.strerror}"
            )
            raise Failed(f"{taken}. End what listens there, or {otherwise}.") from error


def seek_cycles_rarely() -> None:
    """Let Python look for cycles of garbage seldom, in a process that recomputes until it ends.

    Recomputing makes many small values and hardly a cycle: looking as often as usual is a third of its time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
