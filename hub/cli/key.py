"""``wkmb key``: the keys with which the hub signs its launches, and that of transcripts' credentials."""

from __future__ import annotations

from datetime import timedelta

import click

from hub.cli.base import actor, json_option, opened, say
from hub.lti import keys
from hub.lti.keys import PublishedKey
from hub.papers import openbadges


@click.group()
def key() -> None:
    """Show and change the keys with which launches are signed."""


@key.command()
@click.option(
    "--after",
    type=click.IntRange(0, 168),
    default=0,
    metavar="HOURS",
    help="Publish the new key now and sign with it only then, for tools that keep a key set for long.",
)
@click.option("--credentials", is_flag=True, help="Change the key that signs transcripts' credentials instead.")
@json_option
def rotate(after: int, credentials: bool, as_json: bool) -> None:
    """Make a new key. The one before stays published for a day, so no launch fails; those of credentials for ever."""
    if credentials and after:
        raise click.UsageError("--after is for launches: a key of credentials is fetched when one is checked.")
    with opened() as hub:
        if credentials:
            kid = openbadges.rotate(hub, by=actor())
            say({"kid": kid}, as_json, f"Key {kid} signs credentials from now on. The older ones stay published.")
            return
        made = keys.rotate(hub, by=actor(), after=timedelta(hours=after))
    say(_members(made), as_json, f"Key {made.kid} signs from {made.active_from:%Y-%m-%d %H:%M} UTC.")


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """The published keys, the newest first."""
    with opened() as hub, hub.db.read() as conn:
        found = keys.list_published(conn, hub.clock())
    lines = [_line(each) for each in found] or ["No key yet: the first launch makes one."]
    say([_members(each) for each in found], as_json, *lines)


def _members(published: PublishedKey) -> dict[str, object]:
    return {
        "kid": published.kid,
        "active_from": published.active_from,
        "published_until": published.published_until,
    }


def _line(published: PublishedKey) -> str:
    until = published.published_until
    end = "no end set" if until is None else f"published until {until:%Y-%m-%d %H:%M} UTC"
    return f"{published.kid}  signs from {published.active_from:%Y-%m-%d %H:%M} UTC, {end}"
