"""The command ``wkmb``. One module per group; each is loaded when it is used, so that none waits for another's."""

from __future__ import annotations

import logging
from importlib import import_module

import click

from hub.operations import logs

#: Command -> where it is. docs/commands.md describes each; a test compares.
COMMANDS = {
    "serve": "hub.cli.serve",
    "worker": "hub.cli.serve",
    "demo": "hub.cli.demo",
    "sandbox": "hub.cli.demo",
    "db": "hub.cli.db",
    "user": "hub.cli.user",
    "credential": "hub.cli.credential",
    "tool": "hub.cli.tool",
    "platform": "hub.cli.platform",
    "connector": "hub.cli.connector",
    "learner": "hub.cli.learner",
    "course": "hub.cli.course",
    "identity": "hub.cli.identity",
    "policy": "hub.cli.policy",
    "target": "hub.cli.target",
    "jp": "hub.cli.jp",
    "rtl": "hub.cli.rtl",
    "certification": "hub.cli.certification",
    "need": "hub.cli.need",
    "audit": "hub.cli.audit",
    "statements": "hub.cli.statements",
    "key": "hub.cli.key",
}


class _Commands(click.Group):
    """Finds each command in its module, under its own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101  # the table above is wrong otherwise
        return command


@click.command(cls=_Commands)
@click.version_option(package_name="wkmb-hub")
def cli() -> None:
    """WKMB Hub: courses of other institutions, what they report, and the JP that it is recognized as."""


def main() -> None:
    """Run ``wkmb``; exit code 0, 1 (it could not be done) or 2 (it was asked wrongly)."""
    logs.configure(logging.ERROR)  # `serve` and `worker` say more.
    cli(prog_name="wkmb")
