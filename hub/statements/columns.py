"""Columns of a table of statements: a path into a statement names each.

    path   = step *( "." step / "[" key "]" )
    step   = a member's name, or the position in an array, from 0
    key    = a position, or a name as a JSON string: for names that hold a dot, a comma or a bracket

So ``actor.account.name``, ``context.contextActivities.parent.0.id``, ``result.extensions["https://example.org/tries"]``.
Columns stand one after the other, separated by commas. ``hub.…`` is not of the statement, but what the hub knows of it.
A cell holds text as it is, numbers, true and false as in JSON, objects and arrays as JSON; what is not there is empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from hub.errors import HubError

#: What the hub knows of a statement: whose system reported it and how it came, and the learner that its actor is.
HUB = ("connector", "origin", "nip", "name")

DEFAULT = (
    "id,stored,timestamp,hub.nip,hub.name,actor.account.name,actor.mbox,verb.id,object.id,"
    "result.success,result.completion,result.score.raw,result.score.max,result.score.scaled,result.duration,"
    "context.registration,hub.connector"
)

MOST = 60

_STEP = re.compile(r"[^.,\[\]\"\s]+")
_KEY = re.compile(r'\[\s*(?:([0-9]+)|("(?:[^"\\]|\\.)*"))\s*\]')


class ColumnsWrong(HubError):
    """The columns cannot be read from ``near`` on; the message says why."""

    def __init__(self, near: str, detail: str, *, action: str) -> None:
        super().__init__("columns", detail, action=action)
        self.near = near


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its path as it was written, and its steps."""

    text: str
    steps: tuple[str, ...]


def parse(text: str) -> tuple[Column, ...]:
    """The columns that a text names. Raises `ColumnsWrong`."""
    found: list[Column] = []
    at = 0
    while True:
        start = at + len(text[at:]) - len(text[at:].lstrip())
        steps, at = _steps(text, start)
        found.append(Column(text[start:at], steps))
        _check(found[-1], found[:-1])
        at += len(text[at:]) - len(text[at:].lstrip())
        if at == len(text):
            return tuple(found)
        if text[at] != ",":
            raise _wrong(text, at, "a comma or the end was expected")
        at += 1


def value(statement: Mapping[str, Any], steps: Sequence[str]) -> Any:
    """What a path leads to; None where nothing is there."""
    found: Any = statement
    for step in steps:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list):
            found = found[int(step)] if step.isascii() and step.isdigit() and int(step) < len(found) else None
        else:
            return None
    return found


def text_of(found: Any) -> str:
    """A value as the text of a cell."""
    if found is None:
        return ""
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _steps(text: str, at: int) -> tuple[tuple[str, ...], int]:
    first = _STEP.match(text, at)
    if first is None:
        raise _wrong(text, at, "a member's name was expected")
    steps, at = [first[0]], first.end()
    while at < len(text) and text[at] in ".[":
        match = _STEP.match(text, at + 1) if text[at] == "." else _KEY.match(text, at)
        if match is None:
            raise _wrong(text, at + 1, 'a member\'s name, [0] or ["name"] was expected')
        steps.append(match[0] if text[at] == "." else match[1] or _unquoted(text, at, match[2]))
        at = match.end()
    return tuple(steps), at


def _unquoted(text: str, at: int, quoted: str) -> str:
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError as error:
        raise _wrong(text, at + 1, f"{quoted[:80]} is no JSON string") from error


def _check(column: Column, before: Sequence[Column]) -> None:
    if column.steps[0] == "hub" and column.steps[1:] not in {(name,) for name in HUB}:
        known = ", ".join(f"hub.{name}" for name in HUB)
        what = column.text[:80]
        raise ColumnsWrong(what, f"{what} is no column of the hub.", action=f"Use one of {known}.")
    if len(before) == MOST:
        raise ColumnsWrong(column.text[:80], f"These are more than {MOST} columns.", action="Leave some out.")


def _wrong(text: str, at: int, why: str) -> ColumnsWrong:
    place = f"Columns, at character {at + 1} ({text[at : at + 20]!r})"
    return ColumnsWrong(text[at : at + 20], f"{place}: {why}.", action="Write them like id,verb.id,result.score.raw.")
