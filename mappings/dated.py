"""Values with the days from which they hold, and the text they come from.

The law changes by a new date, never by editing a number: ``[{from: 2019-01-01, until: 2025-12-31, value: 3},
{from: 2026-01-01, value: 4}]``. Days are inclusive. A gap, an overlap or a wrong order is refused, because an event on
such a day would have no value or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, TypeVar

from mappings.document import Node

T = TypeVar("T")

#: How sure the source is: a text naming the regulation was read; read in public implementations of it; not found;
#: the hub's own rule, to be confirmed by the ministry.
CONFIRMED = ("yes", "partly", "no", "own")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number is from, and how sure that is."""

    reference: str
    confirmed: str


@dataclass(frozen=True, slots=True)
class Period(Generic[T]):
    """A value, its source, and the inclusive days on which it holds; `until` None is open."""

    since: date
    until: date | None
    value: T
    source: Source

    def holds(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """The periods of one value, in order and without a gap."""

    periods: tuple[Period[T], ...]

    def find(self, day: date) -> Period[T] | None:
        """The period that a day falls into, the newest first: most questions are about recent days."""
        for period in reversed(self.periods):
            if period.holds(day):
                return period
        return None


def parse_source(members: dict[str, Node], inherited: Source | None, at: Node) -> Source:
    """`reference` and `confirmed` of a place, or those of the place around it; one of both must state them."""
    if "reference" not in members and inherited is not None:
        return inherited
    if "reference" not in members or "confirmed" not in members:
        at.refuse("say where the number is from (reference) and how sure that is (confirmed: yes, partly, no or own).")
    return Source(members["reference"].text(), members["confirmed"].choice(CONFIRMED))


def parse_dated(
    node: Node, value: Callable[[Node], T], inherited: Source | None, since: date, until: date | None = None
) -> Dated[T]:
    """The dated values at a node. They must cover every day from ``since`` to ``until`` (open when None)."""
    periods = [_parse_period(item, value, inherited) for item in node.items()]
    if not periods:
        node.refuse("no value. Give at least one: `- {from: 2019-01-01, value: 4}`.")
    _refuse_holes(node, [item for _, item in periods], [period for period, _ in periods], since, until)
    return Dated(tuple(period for period, _ in periods))


def _parse_period(item: Node, value: Callable[[Node], T], inherited: Source | None) -> tuple[Period[T], Node]:
    members = item.members(required=("from", "value"), optional=("until", "reference", "confirmed"))
    since = members["from"].day()
    until = members["until"].day() if "until" in members else None
    if until is not None and until < since:
        members["until"].refuse(f"ends on {until}, before it begins on {since}.")
    return Period(since, until, value(members["value"]), parse_source(members, inherited, item)), item


def _refuse_holes(node: Node, items: list[Node], periods: list[Period[T]], since: date, until: date | None) -> None:
    if periods[0].since > since:
        items[0].refuse(f"gap: no value from {since} to {periods[0].since - timedelta(1)}. Begin on {since}.")
    for item, before, after in zip(items[1:], periods, periods[1:], strict=False):
        if before.until is None or before.until >= after.since:
            end = before.until or "open"
            item.refuse(f"overlap: the value from {before.since} holds until {end}, this one begins on {after.since}.")
        if before.until + timedelta(1) < after.since:
            missing = f"{before.until + timedelta(1)} to {after.since - timedelta(1)}"
            item.refuse(f"gap: no value from {missing}. Close it or move a date.")
    last = periods[-1].until
    if last is not None and (until is None or last < until):
        node.refuse(f"gap: no value from {last + timedelta(1)} on. Leave out the last `until`, or add a value.")
