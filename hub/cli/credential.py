"""``wkmb credential``: who may call the LRS and the API."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import click

from hub.cli.base import actor, json_option, opened, read_secret, say
from hub.runtime import Hub
from hub.systems import credentials, registry
from hub.systems.credentials import Credential


@click.group()
def credential() -> None:
    """Keys with which other systems call the LRS and the API."""


@credential.command()
@click.argument("name")
@click.option("--key", required=True, help="The name by which the other system signs in.")
@click.option("--secret", help="Its secret, at least 16 characters. Others may see it: prefer --secret-stdin.")
@click.option("--secret-stdin", is_flag=True, help="Read the secret from the first line of standard input.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(credentials.SCOPES),
    help="What it may do; may be repeated. Without it: write statements, and read its own.",
)  # fmt: skip
@click.option("--connector", metavar="NAME", help="The system that it belongs to, whose courses it may report.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The last day it is good.")
@click.option("--per-minute", type=click.IntRange(1), help="How many requests it may make a minute.")
@json_option
def add(
    name: str,
    key: str,
    secret: str | None,
    secret_stdin: bool,
    scopes: tuple[str, ...],
    connector: str | None,
    expires: datetime | None,
    per_minute: int | None,
    as_json: bool,
) -> None:
    """Let another system call the hub, as NAME."""
    given = _given(secret, secret_stdin)
    with opened() as hub:
        until = None if expires is None else _end_of(hub, expires)
        made = hub.db.run(
            lambda conn: credentials.add(
                conn, hub, name, by=actor(), key=key, secret=given, scopes=scopes, connector=connector,
                expires=until, per_minute=per_minute,
            )
        )  # fmt: skip
        value = _value(made, connector) | {"endpoint": f"{hub.base_url}/xapi/"}
    may = ", ".join(sorted(made.scopes))
    say(value, as_json, f"{made.name} may call {value['endpoint']} with the key {made.key}: {may}.")


@credential.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every credential with what it may do, by name."""
    with opened() as hub, hub.db.read() as conn:
        found = credentials.list_all(conn)
        names = registry.connector_names(conn)
        now = hub.clock()
    values = [_value(each, names.get(each.connector or 0)) for each in found]
    lines = ["\t".join(_words(each, names.get(each.connector or 0), now)) for each in found]
    say(values, as_json, *(lines or ["No credentials. Make one: wkmb credential add."]))


@credential.command()
@click.argument("name")
@click.option("--secret", help="The new secret. Others may see it: prefer --secret-stdin.")
@click.option("--secret-stdin", is_flag=True, help="Read the new secret from the first line of standard input.")
@click.option(
    "--overlap-hours", type=click.IntRange(0, 720), default=24, show_default=True,
    help="How long the secret before stays good.",
)  # fmt: skip
@json_option
def rotate(name: str, secret: str | None, secret_stdin: bool, overlap_hours: int, as_json: bool) -> None:
    """Give the credential NAME another secret."""
    given, overlap = _given(secret, secret_stdin), timedelta(hours=overlap_hours)
    with opened() as hub:
        made = hub.db.run(lambda conn: credentials.rotate(conn, hub, name, given, by=actor(), overlap=overlap))
        until = hub.clock() + overlap
    value = {"name": made.name, "key": made.key, "previous_until": until}
    say(value, as_json, f"{name} has a new secret. The one before is good until {until:%Y-%m-%d %H:%M} UTC.")


@credential.command()
@click.argument("name")
@click.option("--again", is_flag=True, help="Let it in again instead.")
@json_option
def disable(name: str, again: bool, as_json: bool) -> None:
    """Let nobody in any more with the credential NAME; what it stored stays."""
    with opened() as hub:
        hub.db.run(lambda conn: credentials.set_disabled(conn, hub, name, disabled=not again, by=actor()))
    say({"name": name, "disabled": not again}, as_json, f"{name} is {'let in again' if again else 'refused now'}.")


def _given(secret: str | None, secret_stdin: bool) -> str:
    if (secret is None) != secret_stdin:
        raise click.UsageError("Give one of --secret and --secret-stdin.")
    return read_secret() if secret is None else secret


def _end_of(hub: Hub, day: datetime) -> datetime:
    """The first moment after that day, where the hub is."""
    return datetime.combine(day.date() + timedelta(1), time(), hub.settings.timezone)


def _value(credential: Credential, connector: str | None) -> dict[str, Any]:
    return {
        "name": credential.name,
        "key": credential.key,
        "scopes": sorted(credential.scopes),
        "connector": connector,
        "expires": credential.expires,
        "per_minute": credential.per_minute,
        "disabled": credential.disabled,
    }


def _words(credential: Credential, connector: str | None, now: datetime) -> list[str]:
    words = [credential.name, credential.key, ",".join(sorted(credential.scopes)), connector or "-"]
    if credential.disabled:
        words.append("disabled")
    if credential.expires is not None:
        words.append("expired" if credential.expires <= now else f"until {credential.expires:%Y-%m-%d %H:%M} UTC")
    return words
