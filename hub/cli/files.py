"""What the commands that import files do alike: read them, tell every problem, and stop unless told to go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Failed, say
from mappings.course import Problem


def read_text(file: Path) -> str:
    """The text of a UTF-8 file."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Failed(f"{file}, line {line}: is not UTF-8. Save the file as CSV UTF-8.") from error


def tell(problems: Sequence[Problem], as_json: bool, *, skip_bad: bool) -> None:
    """Every problem on a line of its own; the command ends here unless the other rows are wanted."""
    if not problems:
        return
    ordered = sorted(problems, key=lambda problem: problem.line)
    if as_json and not skip_bad:
        say({"problems": as_values(ordered)}, as_json)
    elif not as_json:
        for problem in ordered:
            click.echo(str(problem), err=True)
    if not skip_bad:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Failed(f"Nothing was imported: {count}. Correct the file, or take the good rows with --skip-bad.")


def as_values(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems as JSON."""
    return [
        {"line": p.line, "column": p.column, "code": p.code, "reason": p.reason, "action": p.action} for p in problems
    ]
