"""``wkmb policy``: what the law gives, and which document of it is official in which year."""

from __future__ import annotations

import click

from hub import journal, policies, recognition
from hub.cli.base import Failed, actor, json_option, opened, say


@click.group()
def policy() -> None:
    """What the law gives, and which document of it is official in which year."""


@policy.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every policy, with the year from which it is official."""
    with opened() as hub, hub.db.read() as conn:
        found = hub.policies.list_all(conn)
    value = [
        {
            "name": each.policy.name,
            "digest": each.policy.digest,
            "since": each.policy.since,
            "until": each.policy.until,
            "active_from": [activation.from_year for activation in each.activations],
        }
        for each in found
    ]
    lines = [f"{each.policy.name}\t{each.policy.since}..{each.policy.until or ''}\t{_official(each)}" for each in found]
    say(value, as_json, *lines)


@policy.command()
@click.argument("name")
@click.option("--from", "from_year", required=True, type=click.IntRange(1900, 9999), help="The first year.")
@json_option
def activate(name: str, from_year: int, as_json: bool) -> None:
    """Make the policy NAME official from a year on, and have everybody recomputed."""
    with opened() as hub:
        try:
            with hub.db.write() as conn:
                found = policies.activate(conn, hub.policies, name, from_year, by=actor(), now=hub.clock())
                journal.record(
                    conn, who=actor(), action="policy.activate", object=f"policy:{name}", now=hub.clock(),
                    new_id=hub.new_id, from_year=from_year, digest=found.digest,
                )  # fmt: skip
        except policies.PolicyUnknown as error:
            raise Failed(str(error)) from error
        woken = max(recognition.wake_everybody(hub), default=0)
    value = {"policy": found.name, "digest": found.digest, "from_year": from_year, "learners": woken}
    say(value, as_json, f"{name} is official from {from_year} on; {woken} people are being recomputed.")


def _official(found: policies.Listed) -> str:
    years = [f"official from {each.from_year}" for each in found.activations]
    return ", ".join(years) or "not official"
