"""``wkmb statements``: what the LRS holds, as a file and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.files import as_values, tell
from hub.runtime import Hub
from hub.statements import columns, exports, imports, search
from hub.statements.imports import BatchRefused, Checked, Imported
from hub.statements.search import PROBLEMS, Search
from hub.systems import registry


@click.group()
def statements() -> None:
    """What the LRS holds, as a file and back."""


@statements.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True,
              help="jsonl: everything, to be imported again; csv: chosen columns, for people.")  # fmt: skip
@click.option("--columns", "chosen", default=columns.DEFAULT, help="With csv: paths, separated by commas.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file that is not there yet.")
@click.option("--nip", help="Of the person with this NIP, under all her identities.")
@click.option("--actor", "who", help="Of this account (with --homepage), mailto:, SHA-1 sum or openid.")
@click.option("--homepage", help="The homePage of that account.")
@click.option("--verb", help="With this verb: its IRI, or the last word of one of ADL's.")
@click.option("--activity", help="About this activity.")
@click.option("--registration", help="With this registration.")
@click.option("--related", is_flag=True, help="Also where the person or the activity only stands beside it.")
@click.option("--source", help="On this word: hub, connector/NAME or credential/NAME.")
@click.option("--from", "from_", metavar="DAY|TIME", help="Stored on this day or later, or after this time.")
@click.option("--until", metavar="DAY|TIME", help="Stored up to this day or time, which counts too.")
def export(form: str, chosen: str, output: Path | None, **options: Any) -> None:
    """Write statements to standard output or a file, oldest first. The last line says how many they are."""
    if output is not None and output.exists():
        raise Failed(f"{output} is there already. Name a file that is not.")
    with opened() as hub:
        told = columns.parse(chosen) if form == "csv" else ()
        wanted = _search(hub, options)
        through = hub.sequence.horizon()
        hub.db.run(lambda conn: exports.record(conn, hub, wanted, form, by=actor()))
        lines = exports.table(hub, wanted, through, told) if told else exports.json_lines(hub, wanted, through)
        if output is None:
            _write(sys.stdout.buffer, exports.in_chunks(lines))
        else:
            _write_file(output, exports.in_chunks(lines))


@statements.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--connector", help="Whose statements these are, if the file is no unchanged export of this hub.")
@click.option("--from-line", type=click.IntRange(1), default=1, help="Leave out the lines before this one.")
@click.option("--skip-bad", is_flag=True, help="Import the good lines although others are wrong.")
@click.option("--partial", is_flag=True, help="Import what is there of a file that was cut off.")
@json_option
def import_(file: Path, connector: str | None, from_line: int, skip_bad: bool, partial: bool, as_json: bool) -> None:
    """Store the statements in FILE (lines of JSON). What is there already is skipped."""
    with opened() as hub:
        with hub.db.read() as conn:
            system = registry.named_connector(conn, connector) if connector else None
        checked = imports.check(hub, file, system)
        imports.require(checked, system, partial=partial)
        tell(checked.problems, as_json, skip_bad=skip_bad)
        try:
            done = imports.store(
                hub, file, system, by=actor(), from_line=from_line, skip_bad=skip_bad,
                progress=_Progress(as_json).show,
            )  # fmt: skip
        except BatchRefused as refusal:
            raise _refused(refusal, as_json) from refusal
    problems = (*checked.problems, *done.problems)
    left_out = checked.wrong + len(done.problems)
    value = {"stored": done.stored, "repeated": done.repeated, "left_out": left_out, "problems": as_values(problems)}
    say(value, as_json, *map(str, done.problems), _line(done, checked, left_out))


def _line(done: Imported, checked: Checked, left_out: int) -> str:
    line = f"{done.stored} stored, {done.repeated} were there already, {left_out} left out."
    return line if checked.is_whole or not checked.is_export else f"{line} The file was cut off: more is missing."


def _refused(refusal: BatchRefused, as_json: bool) -> Failed:
    done = refusal.done
    if not as_json:
        for problem in refusal.problems:
            click.echo(str(problem), err=True)
    else:
        say({"stored": done.stored, "repeated": done.repeated, "problems": as_values(refusal.problems)}, as_json)
    return Failed(
        f"Stopped: everything up to line {done.line} is stored, nothing after it. "
        f"Correct the file and continue with --from-line {done.line + 1}, or leave bad lines out with --skip-bad."
    )


class _Progress:
    """How far an import is, on standard error, every ten thousand lines."""

    def __init__(self, as_json: bool) -> None:
        self._next = 10_000
        self._silent = as_json

    def show(self, done: Imported) -> None:
        if done.line >= self._next and not self._silent:
            click.echo(f"line {done.line}: {done.stored} stored, {done.repeated} were there already", err=True)
            self._next = done.line + 10_000


def _search(hub: Hub, options: dict[str, Any]) -> Search:
    """The filters; every wrong one in one line."""
    given = {name: str(value) for name, value in options.items() if value}
    given["from"] = given.pop("from_", "")
    given["actor"] = given.pop("who", "")
    with hub.db.read() as conn:
        wanted = search.read(conn, hub, given)
    if wanted.problems:
        raise Failed(" ".join(f"--{name}: {PROBLEMS[code]}" for name, code in wanted.problems.items()))
    return wanted


def _write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """The file has its name only when it is whole; it holds personal data, for nobody else's eyes."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            _write(out, pieces)
        unfinished.rename(path)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}.") from error


def _write(out: Any, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        out.write(piece)
    out.flush()
