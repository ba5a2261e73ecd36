"""Received JSON as values, strictly, and as text: where in it something stands.

A statement is given back as it came; only what xAPI obliges an LRS to set is spliced into the received text. The value
is read by orjson, which is strict about all but repeated keys; what is wanted of the text is where a value ends.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from lrs.errors import Malformed

#: Far above any real statement, far below what SQLite's and Python's own JSON readers take.
MAX_DEPTH = 200


class Place(NamedTuple):
    """Where a value stands in the text."""

    start: int
    end: int


def parse_json(body: bytes, what: str = "The body") -> Any:
    """The value of strict JSON text: UTF-8, no NaN, no lone surrogate, no repeated key, bounded depth."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{what} is not JSON: {error}.") from error
    # Every level is opened by a bracket.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise Malformed(f"{what} nests deeper than {MAX_DEPTH} levels.")
    # Of members with one key the value has the last alone: what it is written as has fewer strings than the text.
    if _count_quotes(orjson.dumps(value)) != _count_quotes(body):
        raise Malformed(f"{what} has the key {_repeated_key(body)!r} twice in one object.")
    return value


def _depth(value: Any) -> int:
    """How many objects and arrays stand in one another."""
    level: list[Any] = [[value]]
    depth = -1
    while level:
        members = (member for each in level for member in (each.values() if type(each) is dict else each))
        level = [member for member in members if type(member) is dict or type(member) is list]
        depth += 1
    return depth


def _count_quotes(text: bytes) -> int:
    """The quotes that begin and end strings."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.count(b'"')


def _repeated_key(body: bytes) -> str:
    repeated: list[str] = []

    def pairs(members: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in members:
            if name in seen:
                repeated.append(name)
            seen.add(name)

    json.loads(body, object_pairs_hook=pairs)
    return repeated[0] if repeated else ""


# Places. The text is of JSON that was checked; numbers are left alone. ------------------------------------

_VALUES = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\r\n]*")


def members(text: str, at: int = 0) -> dict[str, Place]:
    """Each member of the object that begins there, by its name."""
    found = {}
    at = _after_space(text, at + 1)
    while text[at] != "}":
        name, at = _VALUES.raw_decode(text, at)
        found[name] = place = _place(text, _after_space(text, at) + 1)
        at = _after_comma(text, place.end)
    return found


def elements(text: str, at: int = 0) -> list[Place]:
    """Each element of the array that begins there."""
    found = []
    at = _after_space(text, at + 1)
    while text[at] != "]":
        found.append(_place(text, at))
        at = _after_comma(text, found[-1].end)
    return found


def merge_objects(before: bytes, sent: bytes) -> bytes:
    """The members of two checked JSON objects, and of ``sent`` where both have one; each value as it is written.

    A value would not survive its parsing: numbers have more digits than a computer's.
    """
    merged: dict[str, str] = {}
    for text in (before.decode().strip(), sent.decode().strip()):
        merged |= {name: text[start:end] for name, (start, end) in members(text).items()}
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in merged.items()) + "}").encode()


def _place(text: str, at: int) -> Place:
    start = _after_space(text, at)
    _value, end = _VALUES.raw_decode(text, start)
    return Place(start, end)


def _after_comma(text: str, at: int) -> int:
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
