"""``wkmb policy``: what the law gives, and which document of it is official in which year."""

from __future__ import annotations

import csv
import io
from collections import deque
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import sqlalchemy as sa

from hub import journal, learners, policies, recognition
from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.files import read_text
from hub.runtime import Hub
from mappings.compare import Difference, changes, summary
from mappings.policy import Policy, PolicyError
from mappings.rules import jp_text

#: People after which a replay says how far it is.
_PROGRESS = 1000


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
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def add(file: Path, as_json: bool) -> None:
    """Keep the policy document FILE (YAML); it is official nowhere until it is activated."""
    text = read_text(file)
    with opened() as hub, hub.db.write() as conn:
        try:
            found = policies.add(conn, text, now=hub.clock())
        except (PolicyError, policies.PolicyExists) as error:
            raise Failed(f"{file}: {error}") from error
        _record(conn, hub, "policy.add", found.name, digest=found.digest)
    value = {"name": found.name, "digest": found.digest, "since": found.since, "until": found.until}
    say(value, as_json, f"{found.name} is known. Compare it: wkmb policy diff {policies.DEFAULT} {found.name}")


@policy.command()
@click.argument("name")
@click.option("--after", type=click.UUID, help="Go on after this learner, where a replay was interrupted.")
@json_option
def replay(name: str, after: UUID | None, as_json: bool) -> None:
    """Write everybody's ledger under the policy NAME, beside the official one."""
    with opened() as hub:
        done = _replay(hub, _named(hub, name), after, as_json)
    line = f"{done['learners']} people replayed under {name}: {done['entered']} entries, {done['reversed']} reversals."
    say({"policy": name} | done, as_json, line)


@policy.command()
@click.argument("old")
@click.argument("new")
@click.option("--csv", "as_csv", is_flag=True, help="Print who gains and loses as CSV.")
@json_option
def diff(old: str, new: str, as_csv: bool, as_json: bool) -> None:
    """What differs between two policies, and who would gain or lose hours by which step of the reasoning."""
    with opened() as hub:
        before, then = _named(hub, old), _named(hub, new)
        found = _differences(hub, before, then)
    changed = changes(before, then)
    rows = [_difference_row(person, each) for person, each in found]
    if as_csv:
        say(None, False, _as_csv(rows))
        return
    years = {str(year): jp for year, jp in summary(tuple(each for _, each in found)).items()}
    value = {
        "changes": [{"path": each.path, "old": each.old, "new": each.new} for each in changed],
        "learners": rows,
        "years": years,
    }
    lines = [f"{each.path}: {each.old or 'nothing'} -> {each.new or 'nothing'}" for each in changed]
    lines += ["\t".join(row.values()) for row in rows]
    lines += [f"{year}: {jp} JP in all" for year, jp in years.items()]
    say(value, as_json, *(lines or ["The two give the same."]))


@policy.command()
@click.argument("name")
@click.option("--from", "from_year", required=True, type=click.IntRange(1900, 9999), help="The first year.")
@json_option
def activate(name: str, from_year: int, as_json: bool) -> None:
    """Make the policy NAME official from a year on. Its ledger is written first, so that nobody's hours are missing."""
    with opened() as hub:
        found = _named(hub, name)
        with hub.db.read() as conn:
            is_kept_up = found.name in {each.name for each in hub.policies.in_force(conn)}
        replayed = 0 if is_kept_up else _replay(hub, found, None, as_json)["learners"]
        with hub.db.write() as conn:
            policies.activate(conn, hub.policies, name, from_year, by=actor(), now=hub.clock())
            _record(conn, hub, "policy.activate", name, from_year=from_year, digest=found.digest)
        if not is_kept_up:
            # What arrived while the ledger was written.
            deque(recognition.wake_everybody(hub), maxlen=0)
    value = {"policy": found.name, "digest": found.digest, "from_year": from_year, "replayed": replayed}
    say(value, as_json, f"{name} is official from {from_year} on.")


def _named(hub: Hub, name: str) -> Policy:
    with hub.db.read() as conn:
        try:
            return hub.policies.named(conn, name)
        except policies.PolicyUnknown as error:
            raise Failed(str(error)) from error


def _record(conn: sa.Connection, hub: Hub, action: str, name: str, **detail: Any) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=actor(), action=action, object=f"policy:{name}", now=now, new_id=new_id, **detail)


def _replay(hub: Hub, found: Policy, after: UUID | None, as_json: bool) -> dict[str, int]:
    """Replay with a line of progress now and then, which says how to go on after an interruption."""
    total = {"learners": 0, "entered": 0, "reversed": 0}
    for learner, done in recognition.replay(hub, found, after=after):
        total["learners"] += 1
        total["entered"] += done.entered
        total["reversed"] += done.reversed
        if total["learners"] % _PROGRESS == 0 and not as_json:
            click.echo(f"{total['learners']} people; if interrupted: --after {learner}", err=True)
    return total


def _differences(hub: Hub, old: Policy, new: Policy) -> list[tuple[learners.Learner | None, Difference]]:
    found = list(recognition.compare_all(hub, old, new))
    with hub.db.read() as conn:
        people = learners.find_many(conn, {learner for learner, _ in found})
    return [(people.get(learner), difference) for learner, difference in found]


def _difference_row(person: learners.Learner | None, found: Difference) -> dict[str, str]:
    return {
        "nip": person.nip if person else "",
        "name": person.name if person else "",
        "year": str(found.year),
        "course": found.course,
        "period": found.period,
        "old_jp": jp_text(found.old_centi_jp),
        "new_jp": jp_text(found.new_centi_jp),
        "because": ";".join(found.because),
    }


def _as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    names = ("nip", "name", "year", "course", "period", "old_jp", "new_jp", "because")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _official(found: policies.Listed) -> str:
    years = [f"official from {each.from_year}" for each in found.activations]
    return ", ".join(years) or "not official"
