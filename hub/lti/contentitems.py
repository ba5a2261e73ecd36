"""What a provider's picker gives: content items (Deep Linking 2.0 section 3) as proposals for courses, pure.

An item that cannot be a course is left out, and said so with the reason; the others land. JP is proposed by custom
parameters (`PROPOSED`), which every LTI library can send; an administrator confirms or changes each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson

from hub.errors import HubError
from hub.lti.numbers import parse_number
from hub.lti.times import parse_time
from hub.systems import door
from hub.systems.registry import Tool

LTI_LINK = "ltiResourceLink"

#: More would be no choice of anybody's.
MOST = 200

LONGEST_TITLE = 255
LONGEST_TEXT = 2000
MOST_CUSTOM = 50
LONGEST_CUSTOM = 1000

#: Custom parameters that propose what a course is worth, by the column of `course import` that they are for.
PROPOSED = {
    "jp": "programme_jp",
    "jp_form": "form",
    "jp_scope": "scope",
    "jp_minutes": "minutes",
    "jp_days": "days",
    "jp_min_score": "min_score",
    "jp_requires": "requires",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A course as its provider proposes it. ``proposed`` are cells of `course import`, unjudged."""

    title: str
    text: str
    url: str
    custom: tuple[tuple[str, str], ...]
    maximum: str | None = None
    resource_id: str | None = None
    tag: str | None = None
    starts: str | None = None
    ends: str | None = None

    @property
    def key(self) -> str:
        """What makes two items the same course: where it is opened and with which parameters (Moodle's differ by
        ``custom.id`` alone)."""
        return sha256(orjson.dumps([self.url, sorted(self.custom)])).hexdigest()

    @property
    def proposed(self) -> dict[str, str]:
        """What the provider says of form and JP."""
        return {PROPOSED[name]: value for name, value in self.custom if name in PROPOSED}

    def to_json(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @staticmethod
    def from_json(text: str) -> Item:
        said = orjson.loads(text)
        return Item(**said | {"custom": tuple((name, value) for name, value in said["custom"])})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item that does not land: which member is wrong, and why."""

    title: str
    member: str
    why: str


class _Wrong(Exception):
    """Why an item is left out: the member, and the reason."""


def parse_item(said: Mapping[str, Any], tool: Tool) -> Item | LeftOut:
    """One content item that has a ``type``."""
    title = said.get("title")
    shown = title.strip()[:80] if isinstance(title, str) else ""
    try:
        return _parse(said, tool)
    except _Wrong as wrong:
        return LeftOut(shown, *wrong.args)


def _parse(said: Mapping[str, Any], tool: Tool) -> Item:
    if said["type"] != LTI_LINK:
        raise _Wrong("type", f"{str(said['type'])[:40]!r} is no LTI link, and nothing else can be launched.")
    line = said.get("lineItem")
    if line is not None and not isinstance(line, dict):
        raise _Wrong("lineItem", "lineItem must be an object.")
    available = said.get("available") if isinstance(said.get("available"), dict) else {}
    return Item(
        title=_text(said, "title", LONGEST_TITLE),
        text=_text(said, "text", LONGEST_TEXT),
        url=_url(said.get("url"), tool),
        custom=_custom(said.get("custom")),
        maximum=_maximum(line),
        resource_id=_member(line, "resourceId"),
        tag=_member(line, "tag"),
        starts=_day(available or {}, "startDateTime"),
        ends=_day(available or {}, "endDateTime"),
    )


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    """Text, shortened; HTML in it stays text (D08)."""
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Wrong(name, f"{name} must be text.")
    return " ".join(value.replace("\0", " ").split())[:longest]


def _url(value: Any, tool: Tool) -> str:
    """Where the course is opened: one of the tool's own hosts; its target link where the item names none (3.2)."""
    if value is None or value == "":
        return tool.target_link_uri
    if not isinstance(value, str):
        raise _Wrong("url", "url must be text.")
    try:
        door.check_url("url", value, internal=tool.internal)
    except HubError as error:
        raise _Wrong("url", str(error)) from error
    hosts = {urlsplit(each).hostname for each in (tool.login_url, tool.target_link_uri, *tool.redirect_uris)}
    if urlsplit(value).hostname not in hosts:
        raise _Wrong("url", f"url: {urlsplit(value).hostname} is no host of this tool.")
    return value


def _custom(value: Any) -> tuple[tuple[str, str], ...]:
    """Parameters with text as values (3.2); what `course import` writes between them cannot stand in them."""
    if value is None or value == []:  # Moodle, like all of PHP, writes an empty object so.
        return ()
    if not isinstance(value, dict) or len(value) > MOST_CUSTOM:
        raise _Wrong("custom", f"custom must be an object of at most {MOST_CUSTOM} members.")
    for name, text in value.items():
        if not isinstance(text, str):
            raise _Wrong("custom", f"custom.{name[:80]} must be text.")
        if not name.strip() or len(name) > LONGEST_TITLE or len(text) > LONGEST_CUSTOM or name != name.strip():
            raise _Wrong("custom", f"custom.{name[:80]} is too long, or has no name.")
        if set(name) & set("=;\0") or set(text) & set(";\0"):
            raise _Wrong("custom", f"custom.{name[:80]} holds ; or =, which the catalogue cannot keep.")
    return tuple((name, text.strip()) for name, text in value.items())


def _maximum(line: Mapping[str, Any] | None) -> str | None:
    """``scoreMaximum`` (section 3.2): required in a line item, above 0."""
    if line is None:
        return None
    number = None if isinstance(line.get("scoreMaximum"), str) else parse_number(line.get("scoreMaximum"))
    if number is None or number <= 0:
        raise _Wrong("lineItem", "lineItem.scoreMaximum must be a number above 0.")
    return str(number)


def _member(line: Mapping[str, Any] | None, name: str) -> str | None:
    value = None if line is None else line.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TITLE or "\0" in value:
        raise _Wrong("lineItem", f"lineItem.{name} must be text of at most {LONGEST_TITLE} characters.")
    return value


def _day(available: Mapping[str, Any], name: str) -> str | None:
    value = available.get(name)
    if value is None:
        return None
    at = parse_time(value) if isinstance(value, str) else None
    if at is None:
        raise _Wrong("available", f"available.{name} must be a time with a zone.")
    return at.date().isoformat()
