"""Received JSON as text and as values at once: strict, and with the places where an LRS must write into it.

A statement is given back as it came; only what xAPI obliges an LRS to set is spliced into the received text.
So besides the parsed value, one scan finds for each statement where it begins and ends, where its ``id``,
``stored``, ``timestamp``, ``authority`` and ``version`` stand, and which context activities are single objects.
The same scan counts keys: more keys in the text than in the parsed value means that one is there twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from lrs.errors import Malformed

#: Far above any real statement, far below what SQLite's and Python's own JSON readers take.
MAX_DEPTH = 200

# A string (with the colon that makes it a key, and then the string that is its value, if one is), or a bracket.
# Everything between them is of no interest.
_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TOKEN = re.compile(rb'"(%b)"([ \t\r\n]*+:[ \t\r\n]*+("%b")?)?|[\[\]{}]' % (_TEXT, _TEXT), re.DOTALL)
_SPLICED = frozenset((b"id", b"stored", b"timestamp", b"authority", b"version"))
_CONTEXT_KINDS = frozenset((b"parent", b"grouping", b"category", b"other"))
_QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT = b'"{}'
_OPENING = frozenset(b"{[")


@dataclass(slots=True)
class Span:
    """Where one statement stands in the received text; ``members`` and ``singles`` are (start, end) in it."""

    start: int
    end: int = 0
    members: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    singles: list[tuple[int, int]] = field(default_factory=list)


def parse_json(body: bytes, what: str = "The body") -> Any:
    """The value of strict JSON text: UTF-8, no NaN, no lone surrogate, no repeated key, bounded depth."""
    return _parse(body, what)[0]


def parse_with_spans(body: bytes) -> tuple[Any, list[Span]]:
    """The value, and a span for each object that is it or stands in its outermost array."""
    return _parse(body, "The body")


def merge_objects(before: bytes, sent: bytes) -> bytes:
    """The members of two checked JSON objects, and of ``sent`` where both have one; each value as it is written.

    A value would not survive its parsing: numbers have more digits than a computer's.
    """
    members = {**_members(before), **_members(sent)}
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}").encode()


# Numbers are left alone: what is wanted of a value is where it ends.
_VALUES = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\r\n]*")


def _members(body: bytes) -> dict[str, str]:
    """The text of each member of a JSON object."""
    text, found = body.decode(), {}
    at = _after_space(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _VALUES.raw_decode(text, at)
        start = _after_space(text, text.index(":", at) + 1)
        _value, end = _VALUES.raw_decode(text, start)
        found[name] = text[start:end]
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return found


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _parse(body: bytes, what: str) -> tuple[Any, list[Span]]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{what} is not JSON: {error}.") from error
    spans, keys = _scan(body, type(value) is list, what)
    if keys != _count_keys(value):
        raise Malformed(f"{what} has the key {_repeated_key(body)!r} twice in one object.")
    return value, spans


def _count_keys(value: Any) -> int:
    count, todo = 0, [value]
    while todo:
        each = todo.pop()
        if type(each) is dict:
            count += len(each)
            todo += [member for member in each.values() if type(member) is dict or type(member) is list]
        elif type(each) is list:
            todo += [member for member in each if type(member) is dict or type(member) is list]
    return count


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


def _scan(body: bytes, in_array: bool, what: str) -> tuple[list[Span], int]:
    base = 1 if in_array else 0
    top = base + 1
    spans: list[Span] = []
    keys: list[bytes] = [b""] * (MAX_DEPTH + 2)
    waiting: dict[int, tuple[str, int]] = {}
    depth = count = 0
    for token in _TOKEN.finditer(body):
        at = token.start()
        kind = body[at]
        if kind == _QUOTE:
            name, colon, text = token.groups()
            if colon is not None:
                count += 1
                keys[depth] = name if b"\\" not in name else _unescaped(name)
                if text is not None and depth == top and keys[depth] in _SPLICED:
                    spans[-1].members[keys[depth]] = token.span(3)
        elif kind in _OPENING:
            if kind == _OPEN_OBJECT:
                if depth == base:
                    spans.append(Span(at))
                elif depth == top and keys[top] == b"authority":
                    waiting[depth] = ("authority", at)
                elif depth > top and keys[depth] in _CONTEXT_KINDS and _is_context_activity(keys, top, depth):
                    waiting[depth] = ("single", at)
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"{what} nests deeper than {MAX_DEPTH} levels.")
            keys[depth] = b""
        else:
            depth -= 1
            if kind == _CLOSE_OBJECT and depth == base and spans:
                spans[-1].end = token.end()
            elif depth in waiting:
                role, start = waiting.pop(depth)
                if role == "single":
                    spans[-1].singles.append((start, token.end()))
                else:
                    spans[-1].members[b"authority"] = (start, token.end())
    return spans, count


def _is_context_activity(keys: list[bytes], top: int, depth: int) -> bool:
    """Whether the path is context.contextActivities.X, or the same inside a SubStatement."""
    if depth == top + 2:
        return keys[top] == b"context" and keys[top + 1] == b"contextActivities"
    if depth == top + 3:
        return keys[top] == b"object" and keys[top + 1] == b"context" and keys[top + 2] == b"contextActivities"
    return False


def _unescaped(name: bytes) -> bytes:
    text: str = orjson.loads(b'"' + name + b'"')
    return text.encode()
