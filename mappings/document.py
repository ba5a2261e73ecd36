"""YAML documents read with their line numbers, so that a refusal can point at the line.

Policies, vocabularies and targets are law and agreements written by people who do not program. A wrong document is
refused with its name, the path to the value, the line, the reason and what to write instead.

ruamel.yaml is used as YAML 1.2 (`yes` is text, `010` is ten) and only composed, never constructed: no tag of a
document can make an object. Aliases are refused because a reader of a law should find each value where it stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

_TAG = "tag:yaml.org,2002:"


class MappingsError(Exception):
    """Root of what this package raises."""


class DocumentError(MappingsError):
    """A document that cannot be used: which one, where in it, why, and what to do."""

    def __init__(self, document: str, path: str, line: int, reason: str) -> None:
        where = f"{document}, {path}" if path else document
        super().__init__(f"{where} (line {line}): {reason}")
        self.document = document
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Node:
    """One place in a document: its path, its line, and reading with a precise refusal."""

    yaml: Any
    document: str
    path: str
    error: type[DocumentError]

    @property
    def line(self) -> int:
        return int(self.yaml.start_mark.line) + 1

    def refuse(self, reason: str) -> NoReturn:
        raise self.error(self.document, self.path, self.line, reason)

    def named(self, document: str) -> Node:
        """The same place, in a document whose name is now known."""
        return Node(self.yaml, document, self.path, self.error)

    # -- mappings and lists

    def entries(self) -> dict[str, Node]:
        """The members of a mapping, in their order. A repeated key is refused."""
        if not isinstance(self.yaml, MappingNode):
            self.refuse("expected members (`key: value`) here.")
        found: dict[str, Node] = {}
        for key, value in self.yaml.value:
            name = str(key.value)
            node = Node(value, self.document, f"{self.path}.{name}" if self.path else name, self.error)
            if name in found:
                node.refuse(f"{name} is there twice; the first is in line {found[name].line}. Keep one.")
            found[name] = node
        return found

    def members(self, *, required: Collection[str] = (), optional: Collection[str] = ()) -> dict[str, Node]:
        """The members of a mapping that may hold these names only."""
        found = self.entries()
        for name, node in found.items():
            if name not in required and name not in optional:
                allowed = ", ".join([*required, *optional])
                node.refuse(f"{name} is not known here. Known are: {allowed}.")
        for name in required:
            if name not in found:
                self.refuse(f"{name} is missing. Add it.")
        return found

    def items(self) -> Iterator[Node]:
        if not isinstance(self.yaml, SequenceNode):
            self.refuse("expected a list here.")
        for index, value in enumerate(self.yaml.value):
            yield Node(value, self.document, f"{self.path}[{index}]", self.error)

    @property
    def is_list(self) -> bool:
        return isinstance(self.yaml, SequenceNode)

    # -- scalars

    def text(self) -> str:
        if not isinstance(self.yaml, ScalarNode) or self.yaml.tag == _TAG + "null" or not self.yaml.value.strip():
            self.refuse("expected a text here.")
        return str(self.yaml.value).strip()

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def choice(self, choices: Collection[str]) -> str:
        text = self.text()
        if text not in choices:
            self.refuse(f"{text} is not one of {', '.join(sorted(choices))}.")
        return text

    def integer(self, *, low: int, high: int) -> int:
        text = self.text()
        if self.yaml.tag != _TAG + "int" or not text.lstrip("-").isdigit() or len(text) > 18:
            self.refuse(f"{text[:40]} is not a whole number.")
        if not low <= int(text) <= high:
            self.refuse(f"{text} is not between {low} and {high}.")
        return int(text)

    def hundredths(self, *, low: int = 0, high: int = 1_000_000) -> int:
        """A number with at most two decimals, as integer hundredths."""
        text = self.text()
        centi = parse_scaled(text, 100)
        if centi is None:
            self.refuse(f"{text} is not a number with at most two decimals, such as 4 or 4.5.")
        if not low <= centi <= high:
            self.refuse(f"{text} is not between {low / 100:g} and {high / 100:g}.")
        return centi

    def day(self) -> date:
        text = self.text()
        day = parse_day(text)
        if day is None:
            self.refuse(f"{text} is not a date. Use YYYY-MM-DD, for example 2026-01-01.")
        return day


def compose(text: str, *, kind: str, error: type[DocumentError]) -> Node:
    """The root of a document, named by its first member (``policy: perlan-10-2018`` when kind is "policy")."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as refused:
        line = refused.problem_mark.line + 1 if refused.problem_mark else 1
        raise error(kind.capitalize(), "", line, f"not YAML: {refused.problem}.") from refused
    except ReaderError as refused:
        raise error(kind.capitalize(), "", 1, f"not text: {refused.reason}.") from refused
    except RecursionError as refused:
        raise error(kind.capitalize(), "", 1, "nested too deeply.") from refused
    if root is None:
        raise error(kind.capitalize(), "", 1, "the document is empty.")
    _refuse_aliases(root, set(), kind, error)
    node = Node(root, kind.capitalize(), "", error)
    name = node.entries().get(kind)
    if name is None:
        node.refuse(f"{kind} is missing. Begin with `{kind}: <name>`.")
    return node.named(f"{kind.capitalize()} {name.text()}")


def _refuse_aliases(yaml: Any, seen: set[int], kind: str, error: type[DocumentError]) -> None:
    if id(yaml) in seen:
        raise error(kind.capitalize(), "", yaml.start_mark.line + 1, "aliases (*name) are refused. Write it out.")
    seen.add(id(yaml))
    if isinstance(yaml, MappingNode):
        for key, value in yaml.value:
            _refuse_aliases(key, seen, kind, error)
            _refuse_aliases(value, seen, kind, error)
    elif isinstance(yaml, SequenceNode):
        for value in yaml.value:
            _refuse_aliases(value, seen, kind, error)


def parse_day(text: str) -> date | None:
    """``2026-01-31``, and nothing else that Python's reader would also take (20260131, 2026-W05-6)."""
    if len(text) != 10:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def parse_scaled(text: str, scale: int) -> int | None:
    """A plain decimal number times ``scale`` (a power of ten) where that is a whole number."""
    if not text or text.strip("+-.0123456789"):
        return None
    try:
        scaled = Decimal(text) * scale
    except InvalidOperation:
        return None
    return int(scaled) if scaled == scaled.to_integral_value() else None
