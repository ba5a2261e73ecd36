"""A policy: what the law gives for each form of learning, on which days, from which source, and how sure that is.

One YAML document is one policy. Nothing here is a constant of the code: values are dated and carry their reference;
what the law leaves open is an option with a name, listed in `OPTIONS`. A released document never changes (its digest
is tested); new numbers are a new document. See docs/recognition.md for the reader's side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from types import MappingProxyType

from mappings.dated import Dated, Source, parse_dated, parse_source
from mappings.document import DocumentError, Node, compose

SCOPES = ("national", "international")

#: How a form's JP is found.
#: programme: the JP that the course states (certificate, programme). certificate_only: the same, but a course need
#: not state it, since a trusted provider's certificate may. per_day, per_session, per_activity: a fixed number each.
#: actual_minutes: the minutes of the day, divided by the minutes of a JP. none: this form does not exist in that scope.
RULES = ("programme", "certificate_only", "per_day", "per_session", "per_activity", "actual_minutes", "none")
_NAME = re.compile("[a-z0-9][a-z0-9.-]{0,63}")
_FIXED = ("per_day", "per_session", "per_activity")

#: The kinds of evidence that a course may require.
PROOFS = ("completed", "passed", "score", "certificate", "rtl_approved")

#: Where the regulation is silent, the choices a policy must make by name.
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Do caps limit converted JP only, or JP stated by the programme or certificate as well?
        "caps_apply_to": ("converted", "all"),
        # Is the percentage for learning abroad added before a daily cap cuts, or after?
        "international_bonus": ("before_cap", "after_cap"),
        # Does a cap in sessions also count sessions abroad, which are valued by day?
        "session_caps_abroad": ("apply", "ignore"),
        # Hundredths of JP are rounded down for each reported duration, or for the sum of a day?
        "rounding": ("per_event", "per_day"),
        # A certificate number of one issuer, seen again: earns once, or each time?
        "same_certificate": ("once", "each"),
        # One course offered under the ids of two providers: earns once, or each time?
        "same_course": ("once", "each"),
        # JP asserted by a trusted provider's certificate, or JP stated in the catalogue: which one wins?
        "certificate_jp": ("first", "after_programme"),
    }
)


class PolicyError(DocumentError):
    """A policy document that cannot be used."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one form is valued in one scope. `jp` for fixed values, `bonus_percent` for the addition abroad."""

    kind: str
    source: Source
    jp: Dated[int] | None = None
    bonus_percent: Dated[int] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One of the regulation's forms of learning (KL01..KL12 classical, NKL01..NKL13 non-classical)."""

    code: str
    category: str
    name_id: str
    name_en: str
    unit: str
    evidence: tuple[str, ...]
    rules: Mapping[str, Rule]
    source: Source
    siasn_jenis_diklat_id: str
    siasn_jenis_kursus_sertipikat: str


@dataclass(frozen=True, slots=True)
class Cap:
    """An upper limit across all courses of some forms: hundredths of JP, or sessions, a day, month or year."""

    name: str
    forms: frozenset[str]
    per: str
    unit: str
    limit: Dated[int]


@dataclass(frozen=True, slots=True)
class Option:
    """A choice where the regulation is silent."""

    name: str
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole document. ``digest`` is the SHA-256 of its text, which an entry of the ledger keeps."""

    name: str
    digest: str
    text: str
    title_id: str
    title_en: str
    since: date
    until: date | None
    minutes_per_jp: Dated[int]
    forms: Mapping[str, Form]
    caps: tuple[Cap, ...]
    options: Mapping[str, Option]

    def choice(self, option: str) -> str:
        return self.options[option].value

    def rule(self, form: str, scope: str) -> Rule | None:
        """The rule of a form in a scope; None where there is none."""
        found = self.forms.get(form)
        rule = found.rules.get(scope) if found else None
        return None if rule is None or rule.kind == "none" else rule


def load_policy(text: str) -> Policy:
    """The policy in a YAML text. Whatever is wrong raises `PolicyError` with line, path and what to do."""
    root = compose(text, kind="policy", error=PolicyError)
    members = root.members(
        required=("policy", "title", "from", "minutes_per_jp", "forms", "caps", "options"), optional=("until", "notes")
    )
    if not _NAME.fullmatch(members["policy"].text()):
        members["policy"].refuse("a name has small letters, digits, dots and hyphens, such as perlan-10-2018.")
    since = members["from"].day()
    until = members["until"].day() if "until" in members else None
    if until is not None and until < since:
        members["until"].refuse(f"ends on {until}, before it begins on {since}.")
    title = members["title"].members(required=("id", "en"))
    forms = {code: _parse_form(code, node, since, until) for code, node in members["forms"].entries().items()}
    if not forms:
        members["forms"].refuse("no form. Add at least one.")
    return Policy(
        name=members["policy"].text(),
        digest=sha256(text.encode()).hexdigest(),
        text=text,
        title_id=title["id"].text(),
        title_en=title["en"].text(),
        since=since,
        until=until,
        minutes_per_jp=_parse_minutes_per_jp(members["minutes_per_jp"], since, until),
        forms=MappingProxyType(forms),
        caps=tuple(_parse_cap(n, node, forms, since, until) for n, node in members["caps"].entries().items()),
        options=MappingProxyType(_parse_options(members["options"])),
    )


def _parse_minutes_per_jp(node: Node, since: date, until: date | None) -> Dated[int]:
    members = node.members(required=("values", "reference", "confirmed"), optional=("note",))
    source = parse_source(members, None, node)
    return parse_dated(members["values"], lambda value: value.integer(low=1, high=1440), source, since, until)


def _parse_form(code: str, node: Node, since: date, until: date | None) -> Form:
    members = node.members(
        required=("category", "name", "unit", "national", "international", "reference", "confirmed", "siasn"),
        optional=("evidence", "note"),
    )
    source = parse_source(members, None, node)
    name = members["name"].members(required=("id", "en"))
    siasn = members["siasn"].members(required=("jenis_diklat_id", "jenis_kursus_sertipikat"))
    evidence = members["evidence"].items() if "evidence" in members else ()
    return Form(
        code=code,
        category=members["category"].text(),
        name_id=name["id"].text(),
        name_en=name["en"].text(),
        unit=members["unit"].text(),
        evidence=tuple(item.choice(PROOFS) for item in evidence) or ("completed",),
        rules=MappingProxyType({scope: _parse_rule(members[scope], source, since, until) for scope in SCOPES}),
        source=source,
        siasn_jenis_diklat_id=siasn["jenis_diklat_id"].text(),
        siasn_jenis_kursus_sertipikat=siasn["jenis_kursus_sertipikat"].choice(("T", "F", "P")),
    )


def _parse_rule(node: Node, inherited: Source, since: date, until: date | None) -> Rule:
    members = node.members(required=("rule",), optional=("jp", "bonus_percent", "reference", "confirmed", "note"))
    kind = members["rule"].choice(RULES)
    source = parse_source(members, inherited, node)
    if (kind in _FIXED) != ("jp" in members):
        needs = "needs jp" if kind in _FIXED else "has no fixed value; remove jp"
        node.refuse(f"rule {kind} {needs}.")
    if "bonus_percent" in members and kind == "none":
        members["bonus_percent"].refuse("rule none gives nothing to add to; remove bonus_percent.")
    jp = bonus = None
    if "jp" in members:
        jp = parse_dated(members["jp"], lambda value: value.hundredths(low=1), source, since, until)
    if "bonus_percent" in members:
        whole = members["bonus_percent"]
        bonus = parse_dated(whole, lambda value: value.integer(low=0, high=1000), source, since, until)
    return Rule(kind, source, jp, bonus, members["note"].text() if "note" in members else "")


def _parse_cap(name: str, node: Node, forms: Mapping[str, Form], since: date, until: date | None) -> Cap:
    members = node.members(required=("forms", "per", "unit", "limit", "reference", "confirmed"), optional=("note",))
    source = parse_source(members, None, node)
    codes = [item.choice(forms) for item in members["forms"].items()]
    unit = members["unit"].choice(("jp", "sessions"))

    def value(limit: Node) -> int:
        return limit.hundredths() if unit == "jp" else limit.integer(low=0, high=10_000)

    limit = parse_dated(members["limit"], value, source, since, until)
    return Cap(name, frozenset(codes), members["per"].choice(("day", "month", "year")), unit, limit)


def _parse_options(node: Node) -> dict[str, Option]:
    options: dict[str, Option] = {}
    for name, member in node.members(required=tuple(OPTIONS)).items():
        members = member.members(required=("value", "reference", "confirmed"), optional=("note",))
        options[name] = Option(name, members["value"].choice(OPTIONS[name]), parse_source(members, None, member))
    return options
