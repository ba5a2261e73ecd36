"""``wkmb need``: which competencies units and people need, and what of them nobody offers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hub import journal
from hub.cli.base import actor, json_option, opened, say
from hub.cli.files import as_values, read_text, tell
from hub.cli.learner import find
from hub.learning import needs
from hub.learning.needs import UnitNeeds
from hub.runtime import Hub
from mappings.competencies import Match

_PAGE = 200


@click.group()
def need() -> None:
    """Competencies: needed, offered, reached, and needed but not offered."""


@need.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Import the good rows although others are wrong.")
@json_option
def import_(file: Path, skip_bad: bool, as_json: bool) -> None:
    """Take the needs in FILE (CSV: employer,unit,nip,competencies) in place of those before."""
    found = needs.read_needs(read_text(file))
    with opened() as hub:
        with hub.db.read() as conn:
            people, unknown = needs.find_people(conn, found.rows)
        problems = (*found.problems, *unknown)
        tell(problems, as_json, skip_bad=skip_bad)
        rows = [row for row in found.rows if not row.nip or row.nip in people]

        def work(conn: Any) -> int:
            count = needs.import_needs(conn, rows, people)
            journal.record(
                conn, who=actor(), action="need.import", object=f"{count} rows", now=hub.clock(), new_id=hub.new_id
            )
            return count

        count = hub.db.run(work)
    value = {"imported": count, "problems": as_values(problems)}
    say(value, as_json, f"The needs of {count} units and people are recorded, {len(problems)} left out.")


@need.command()
@click.argument("nip")
@json_option
def show(nip: str, as_json: bool) -> None:
    """What the employee with this NIP needs: reached, offered by which courses, or not offered."""
    with opened() as hub, hub.db.read() as conn:
        found = needs.match_learner(conn, hub, find(conn, nip))
    lines = [_line(each) for each in found]
    say([asdict(each) for each in found], as_json, *(lines or ["Nothing is needed. wkmb need import FILE."]))


@need.command()
@json_option
def gaps(as_json: bool) -> None:
    """What units need and no course offers."""
    with opened() as hub:
        units = _units(hub)
    value = [
        {
            "employer": each.unit.employer,
            "unit": each.unit.unit,
            "needs": [asdict(m) for m in each.matches if _is_gap(m)],
        }
        for each in units
    ]
    lines = [
        f"{each.unit.employer}\t{each.unit.unit}\t{_line(found)}"
        for each in units
        for found in each.matches
        if _is_gap(found)
    ]
    say([each for each in value if each["needs"]], as_json, *(lines or ["Everything that is needed is offered."]))


def _units(hub: Hub) -> list[UnitNeeds]:
    found: list[UnitNeeds] = []
    while True:
        with hub.db.read() as conn:
            page = needs.list_units(conn, hub, limit=_PAGE, after=found[-1].unit if found else None)
        found += page
        if len(page) < _PAGE:
            return found


def _is_gap(found: Match) -> bool:
    return found.standing in ("not_offered", "offered_below")


def _line(found: Match) -> str:
    level = f":{found.need.level}" if found.need.level else ""
    return f"{found.need.name}{level}\t{found.standing}\t{'; '.join((*found.courses, *found.courses_below))}"
