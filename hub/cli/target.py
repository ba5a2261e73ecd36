"""``wkmb target``: what people must reach in a year, by employer and status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.files import read_text
from hub.jp import targets
from mappings.rules import jp_text
from mappings.targets import TargetRule, TargetsError


@click.group()
def target() -> None:
    """What people must reach in a year, by employer and status."""


@target.command()
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the document itself, to be changed and set again.")
@json_option
def show(as_yaml: bool, as_json: bool) -> None:
    """The rules that hold, the first that fits wins, and the employers on their lists."""
    with opened() as hub, hub.db.read() as conn:
        found, text = targets.in_force(conn, hub), targets.text_of(conn, hub)
    if as_yaml:
        say(None, False, text.rstrip("\n"))
        return
    rules = [_value(each, found.listed.get(each.name, ())) for each in found.targets.rules]
    value = {"targets": found.targets.name, "digest": found.targets.digest, "since": found.at, "rules": rules}
    say(value, as_json, *(line for each in rules for line in _lines(each)))


@target.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def set_(file: Path, as_json: bool) -> None:
    """Let the document FILE (YAML, as `wkmb target show --yaml` prints it) hold from now on."""
    text = read_text(file)
    with opened() as hub, hub.db.write() as conn:
        try:
            found = targets.put(conn, hub, text, by=actor())
        except TargetsError as error:
            raise Failed(f"{file}: {error}") from error
    say({"targets": found.name, "digest": found.digest}, as_json, f"The targets {found.name} hold from now on.")


@target.command()
@click.argument("rule")
@click.argument("name")
@click.option("--remove", is_flag=True, help="Take it off the list.")
@json_option
def employer(rule: str, name: str, remove: bool, as_json: bool) -> None:
    """Let RULE hold for the employer NAME, written as in the people's rows."""
    change = targets.take_off_list if remove else targets.put_on_list
    with opened() as hub, hub.db.write() as conn:
        is_changed = change(conn, hub, rule, name, by=actor())
    told = f"{rule} holds {'no more ' if remove else ''}for {name}."
    say({"rule": rule, "employer": name, "changed": is_changed}, as_json, told if is_changed else f"As it was: {told}")


def _value(rule: TargetRule, listed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "status": rule.status,
        "employers": list(listed) if rule.listed else "all",
        "bound": rule.bound,
        "period": rule.period,
        "jp": [
            {
                "from": each.since,
                "until": each.until,
                "jp": jp_text(each.value),
                "reference": each.source.reference,
                "confirmed": each.source.confirmed,
            }
            for each in rule.jp.periods
        ],
    }


def _lines(rule: dict[str, Any]) -> list[str]:
    employers = rule["employers"] if isinstance(rule["employers"], str) else "; ".join(rule["employers"]) or "nobody"
    dated = [
        f"  {each['from']}..{each['until'] or ''}\t{each['jp']} JP\t{each['confirmed']}\t{each['reference']}"
        for each in rule["jp"]
    ]
    return [f"{rule['rule']}\t{rule['status']}\t{rule['bound']}\t{rule['period']}\temployers: {employers}", *dated]
