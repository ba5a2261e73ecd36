"""``wkmb course``: the catalogue as files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Failed, actor, json_option, opened, say
from hub.learning import catalogue
from hub.learning.catalogue import Listed
from mappings.course import Problem

#: A file is read whole.
MAX_BYTES = 32 * 1024 * 1024


@click.group()
def course() -> None:
    """The catalogue of courses."""


@course.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Import the good rows although others are refused.")
@json_option
@click.pass_context
def import_(ctx: click.Context, file: Path, skip_bad: bool, as_json: bool) -> None:
    """Take the courses of FILE (CSV) into the catalogue; a known id becomes a new version.

    Every refused row is printed with its line and reason, and then nothing is imported, unless --skip-bad.
    """
    text = read_text(file)
    with opened() as hub:
        with hub.db.read() as conn:
            read = catalogue.read_courses(conn, text, hub.policies.active(conn, hub.today().year))
        done = None
        if not read.problems or (skip_bad and read.courses):
            done = hub.db.run(lambda conn: catalogue.import_courses(conn, hub, read.courses, by=actor()))
    value = {
        "added": done.added if done else 0,
        "changed": done.changed if done else 0,
        "same": done.same if done else 0,
        "problems": [problem_value(each) for each in read.problems],
    }
    for problem in read.problems:
        click.echo(f"{file}, {problem}", err=True)
    said = f"{value['added']} added, {value['changed']} changed, {value['same']} as they were."
    say(value, as_json, said if done else "Nothing was imported. Correct the file, or use --skip-bad.")
    ctx.exit(0 if done else 1)


@course.command("list")
@click.option("--provider", metavar="NAME", help="Only the courses of this connector.")
@json_option
def list_(provider: str | None, as_json: bool) -> None:
    """The newest version of each course, by title."""
    found = _listed(provider)
    lines = [f"{each.id}\t{each.course.provider}\t{each.course.title('id')}\t{each.course.id}" for each in found]
    say([_value(each) for each in found], as_json, *(lines or ["No courses. Import some: wkmb course import FILE."]))


@course.command()
@click.option("--provider", metavar="NAME", help="Only the courses of this connector.")
@json_option
def export(provider: str | None, as_json: bool) -> None:
    """Print the catalogue with the columns of `course import`."""
    found = _listed(provider)
    say([each.course.to_row() for each in found], as_json, catalogue.write_courses(found).rstrip("\n"))


@course.command()
@click.argument("id")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The last day that counts; else today.")
@json_option
def withdraw(id: str, on: datetime | None, as_json: bool) -> None:
    """Offer the course ID no more: nobody starts it, and what is reported of later days does not count."""
    with opened() as hub:
        last_day = on.date() if on else hub.today()
        with hub.db.read() as conn:
            listed = hub.courses.current(conn).by_iri.get(id)
        if listed is None:
            raise Failed(f"There is no course {id[:200]} in the catalogue. `wkmb course list` shows the ids.")
        ended = hub.db.run(lambda conn: catalogue.withdraw(conn, hub, listed, last_day, by=actor()))
    said = f"{id} counts until {ended.valid_until} and cannot be started any more."
    say({"id": id, "valid_until": ended.valid_until}, as_json, said)


def read_text(file: Path) -> str:
    """A file of UTF-8 text, with or without its mark."""
    if file.stat().st_size > MAX_BYTES:
        raise Failed(f"{file} is larger than {MAX_BYTES // 2**20} MiB. Split it.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failed(f"{file} is not UTF-8 (byte {error.start}). Save it as CSV UTF-8.") from error


def problem_value(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "column": problem.column, "code": problem.code, "reason": problem.reason,
            "action": problem.action}  # fmt: skip


def _listed(provider: str | None) -> list[Listed]:
    with opened() as hub, hub.db.read() as conn:
        found: Iterable[Listed] = hub.courses.current(conn).listed
    return [each for each in found if provider is None or each.course.provider == provider]


def _value(listed: Listed) -> dict[str, Any]:
    return {"number": listed.id, "version": listed.version, "updated_at": listed.updated_at, **listed.course.to_row()}
