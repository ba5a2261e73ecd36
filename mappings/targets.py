"""How many JP a year somebody must reach: data by status, employer and year, each number with its source.

The regulation leaves open whether the 24 JP of a PPPK are a floor or a ceiling, and whether their year is that of the
calendar or of the contract. Both are settings of a rule; the shipped default is a floor by calendar year.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from types import MappingProxyType

from mappings.dated import Dated, Source, parse_dated, parse_source
from mappings.document import DocumentError, Node, compose

STATUSES = ("PNS", "PPPK")
BOUNDS = ("floor", "ceiling")
PERIODS = ("calendar_year", "contract_year")


class TargetsError(DocumentError):
    """A targets document that cannot be used."""


@dataclass(frozen=True, slots=True)
class TargetRule:
    """One obligation. ``listed``: it holds only for employers that an administrator put on its list."""

    name: str
    status: str
    listed: bool
    bound: str
    period: str
    since: date
    jp: Dated[int]


@dataclass(frozen=True, slots=True)
class Targets:
    """All obligations, the special ones first."""

    name: str
    digest: str
    rules: tuple[TargetRule, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What one person must reach (floor) or may be credited (ceiling) in a year, and why."""

    rule: str
    centi_jp: int
    bound: str
    period: str
    source: Source

    def days(self, year: int, contract_begin: date | None = None) -> tuple[date, date]:
        """First and last day of the year that the obligation is about.

        A contract year begins in ``year`` on the day on which the contract began; without that day, the calendar's.
        """
        if contract_begin is None or not self.is_by_contract(contract_begin):
            return date(year, 1, 1), date(year, 12, 31)
        return _anniversary(contract_begin, year), _anniversary(contract_begin, year + 1) - timedelta(1)

    def is_by_contract(self, contract_begin: date | None) -> bool:
        """Whether its year is another one than the calendar's."""
        return self.period == "contract_year" and contract_begin is not None

    def credited(self, centi_jp: int) -> int:
        """What of the recognized JP counts towards the obligation: all of it, or up to a ceiling."""
        return min(centi_jp, self.centi_jp) if self.bound == "ceiling" else centi_jp


def _anniversary(begin: date, year: int) -> date:
    """The same day of another year; a contract of 29 February begins on 1 March in other years."""
    try:
        return begin.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


_NOBODY: Mapping[str, Collection[str]] = MappingProxyType({})


def load_targets(text: str) -> Targets:
    """The targets in a YAML text. Whatever is wrong raises `TargetsError` with line, path and what to do."""
    root = compose(text, kind="targets", error=TargetsError)
    members = root.members(required=("targets", "rules"))
    rules = tuple(_parse_rule(name, node) for name, node in members["rules"].entries().items())
    return Targets(members["targets"].text(), sha256(text.encode()).hexdigest(), rules)


def _parse_rule(name: str, node: Node) -> TargetRule:
    members = node.members(required=("status", "employers", "bound", "period", "jp", "reference", "confirmed"))
    source = parse_source(members, None, node)
    first = next(members["jp"].items(), None)
    if first is None:
        members["jp"].refuse("no value. Give at least one: `- {from: 2019-01-01, value: 20}`.")
    since = first.entries()["from"].day() if "from" in first.entries() else date.min
    return TargetRule(
        name=name,
        status=members["status"].choice(STATUSES),
        listed=members["employers"].choice(("all", "listed")) == "listed",
        bound=members["bound"].choice(BOUNDS),
        period=members["period"].choice(PERIODS),
        since=since,
        jp=parse_dated(members["jp"], lambda value: value.hundredths(), source, since),
    )


def target(
    targets: Targets, status: str, employer: str, year: int, *, listed: Mapping[str, Collection[str]] = _NOBODY
) -> Target | None:
    """The obligation of a person in a year; None where no rule fits.

    ``listed``: for the name of a rule, the employers that an administrator put under it.
    """
    for rule in targets.rules:
        if rule.status == status and (not rule.listed or employer in listed.get(rule.name, ())):
            # The obligation of a year is the one that holds on its last day.
            period = rule.jp.find(date(year, 12, 31))
            if period is not None:
                return Target(rule.name, period.value, rule.bound, rule.period, period.source)
    return None
