"""A course of the catalogue: what it is worth, what it requires, when it counts, and how statements name it.

A row of ``course import`` becomes a `Course`, or a list of `Problem` that says line, column, reason and what to do.
A course never changes: importing a known id again makes a new version, and an entry of the ledger keeps the digest of
the version it was valued by.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from mappings.document import MappingsError, parse_day, parse_scaled
from mappings.policy import PROOFS, SCOPES, Policy

#: The columns of `course import`, in their order (CONTRACTS, "Courses, CSV").
COLUMNS = (
    "id",
    "aliases",
    "provider",
    "title_id",
    "title_en",
    "form",
    "scope",
    "programme_jp",
    "minutes",
    "days",
    "requires",
    "min_score",
    "repeat",
    "valid_from",
    "valid_until",
    "launch_url",
    "deployment",
    "custom",
    "competencies",
)
REPEATS = ("once", "yearly", "each")

#: Why a cell, a row or a file is refused: every code a `Problem` may have.
PROBLEMS = (
    "missing",
    "unknown",
    "not_an_iri",
    "not_a_number",
    "out_of_range",
    "not_a_date",
    "ends_before_begin",
    "no_rule",
    "not_a_url",
    "not_a_pair",
    "twice",
    "not_a_level",
    "ambiguous",
    "too_many_cells",
    "not_csv",
    "unknown_column",
    "missing_column",
)

#: Scores are compared as whole millionths of 0..1, rounded down: exact, and equal on every machine.
MILLION = 1_000_000


class CourseError(MappingsError):
    """A course that was stored cannot be read back."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is refused: where, which rule (`code`), in words, and what to do."""

    line: int
    column: str
    code: str
    reason: str
    action: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.reason} {self.action}"


@dataclass(frozen=True, slots=True)
class CourseRefused:
    """Everything that is wrong with one row."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Competency:
    """A competency of PermenPANRB 38/2017 by name, with level 1 to 5 where stated."""

    name: str
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """One version of a course. ``sources`` are further connectors whose reports about it count."""

    id: str
    provider: str
    title_id: str
    title_en: str
    form: str
    scope: str
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    programme_centi_jp: int | None = None
    minutes: int | None = None
    days: int = 1
    requires: tuple[str, ...] = ()
    min_score: int | None = None
    repeat: str = "once"
    valid_from: date | None = None
    valid_until: date | None = None
    launch_url: str = ""
    deployment: str = ""
    custom: tuple[tuple[str, str], ...] = ()
    competencies: tuple[Competency, ...] = ()
    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.to_json().encode()).hexdigest())

    def hears(self, connector: str | None) -> bool:
        """Do reports from this connector about the course count?"""
        return connector is not None and (connector == self.provider or connector in self.sources)

    def holds(self, day: date) -> bool:
        """Is this a day on which the course counts? Both ends are inclusive."""
        if self.valid_from is not None and day < self.valid_from:
            return False
        return self.valid_until is None or day <= self.valid_until

    def title(self, language: str) -> str:
        return (self.title_en or self.title_id) if language == "en" else (self.title_id or self.title_en)

    def to_json(self) -> str:
        """The canonical text of this version: sorted names, no spaces, UTF-8."""
        values = {name: getattr(self, name) for name in _STORED}
        values["competencies"] = [asdict(competency) for competency in self.competencies]
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_json_value)

    def to_row(self) -> dict[str, str]:
        """The row of `course import` (and `course export`) that makes this version."""
        return {
            "id": self.id,
            "aliases": ";".join(self.aliases),
            "provider": ";".join((self.provider, *self.sources)),
            "title_id": self.title_id,
            "title_en": self.title_en,
            "form": self.form,
            "scope": self.scope,
            "programme_jp": _decimal(self.programme_centi_jp, 2),
            "minutes": "" if self.minutes is None else str(self.minutes),
            "days": str(self.days),
            "requires": ";".join(self.requires),
            "min_score": _decimal(self.min_score, 6),
            "repeat": self.repeat,
            "valid_from": self.valid_from.isoformat() if self.valid_from else "",
            "valid_until": self.valid_until.isoformat() if self.valid_until else "",
            "launch_url": self.launch_url,
            "deployment": self.deployment,
            "custom": ";".join(f"{key}={value}" for key, value in self.custom),
            "competencies": ";".join(f"{c.name}:{c.level}" if c.level else c.name for c in self.competencies),
        }

    @staticmethod
    def from_json(text: str) -> Course:
        """The version that `to_json` wrote."""
        try:
            values = json.loads(text)
            for name in ("aliases", "sources", "requires"):
                values[name] = tuple(values[name])
            for name in ("valid_from", "valid_until"):
                values[name] = date.fromisoformat(values[name]) if values[name] else None
            values["custom"] = tuple((key, value) for key, value in values["custom"])
            values["competencies"] = tuple(Competency(**competency) for competency in values["competencies"])
            return Course(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise CourseError(f"Not a stored course: {error}") from error


_STORED = tuple(f.name for f in fields(Course) if f.init)


def _json_value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a course")


def _decimal(value: int | None, digits: int) -> str:
    """An integer of smaller units as the shortest decimal: 450 hundredths are 4.5."""
    if value is None:
        return ""
    whole, rest = divmod(value, 10**digits)
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


# -- rows of course import


class _Row:
    """One row while it is read: cells as text, and what is wrong with them."""

    def __init__(self, cells: Mapping[str, str | None], line: int) -> None:
        self._cells = cells
        self._line = line
        self.problems: list[Problem] = []

    def text(self, column: str) -> str:
        return (self._cells.get(column) or "").strip()

    def texts(self, column: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strip() for part in self.text(column).split(";") if part.strip()))

    def refuse(self, column: str, code: str, reason: str, action: str) -> None:
        self.problems.append(Problem(self._line, column, code, reason, action))

    def required(self, column: str) -> str:
        text = self.text(column)
        if not text:
            self.refuse(column, "missing", "is empty.", "Fill it in.")
        return text

    def choice(self, column: str, choices: Iterable[str], default: str | None = None) -> str:
        text = self.text(column)
        if not text and default is not None:
            return default
        known = tuple(choices)
        if text not in known:
            self.refuse(column, "unknown", f"'{text}' is not known.", f"Write one of {', '.join(known)}.")
        return text

    def number(self, column: str, scale: int, low: int, high: int) -> int | None:
        """A decimal in units of 1/scale, None where the cell is empty or wrong."""
        text = self.text(column)
        if not text:
            return None
        value = parse_scaled(text, scale)
        if value is None:
            digits = len(str(scale)) - 1
            what = f"a number with at most {digits} decimals and a point, such as 4.5" if digits else "a whole number"
            self.refuse(column, "not_a_number", f"'{text}' is not {what}.", "Correct it.")
        elif not low <= value <= high:
            bounds = f"between {_decimal(low, len(str(scale)) - 1)} and {_decimal(high, len(str(scale)) - 1)}"
            self.refuse(column, "out_of_range", f"'{text}' is not {bounds}.", "Correct it.")
            value = None
        return value

    def day(self, column: str) -> date | None:
        text = self.text(column)
        day = parse_day(text) if text else None
        if text and day is None:
            self.refuse(column, "not_a_date", f"'{text}' is not a date.", "Use YYYY-MM-DD, for example 2026-01-31.")
        return day


def parse_course(cells: Mapping[str, str | None], line: int, policy: Policy) -> Course | CourseRefused:
    """The course of one row, judged by a policy: a form or scope that it has no rule for is refused."""
    row = _Row(cells, line)
    identifier = _parse_id(row)
    providers = row.texts("provider")
    if not providers:
        row.refuse("provider", "missing", "is empty.", "Write the name of the connector that reports this course.")
    title_id, title_en = row.text("title_id"), row.text("title_en")
    if not title_id and not title_en:
        row.refuse("title_id", "missing", "has no title in any language.", "Fill in title_id.")
    form = row.choice("form", policy.forms)
    scope = row.choice("scope", SCOPES)
    programme = row.number("programme_jp", 100, 1, 1_000_000)
    minutes = row.number("minutes", 1, 1, 100_000)
    days = row.number("days", 1, 1, 366)
    min_score = row.number("min_score", MILLION, 0, MILLION)
    _check_rule(row, policy, form, scope, programme)
    valid_from, valid_until = row.day("valid_from"), row.day("valid_until")
    if valid_from and valid_until and valid_until < valid_from:
        row.refuse("valid_until", "ends_before_begin", f"{valid_until} is before {valid_from}.", "Correct the dates.")
    requires = row.texts("requires")
    for proof in requires:
        if proof not in PROOFS:
            row.refuse("requires", "unknown", f"'{proof}' is not known.", f"Write some of {', '.join(PROOFS)}.")
    launch_url = _parse_launch_url(row)
    repeat = row.choice("repeat", REPEATS, default="once")
    custom, competencies = _parse_custom(row), _parse_competencies(row)
    if row.problems:
        return CourseRefused(tuple(row.problems))
    return Course(
        id=identifier,
        aliases=tuple(alias for alias in row.texts("aliases") if alias != identifier),
        provider=providers[0],
        sources=providers[1:],
        title_id=title_id,
        title_en=title_en,
        form=form,
        scope=scope,
        programme_centi_jp=programme,
        minutes=minutes,
        days=days or 1,
        requires=tuple(sorted(requires, key=PROOFS.index)),
        min_score=min_score,
        repeat=repeat,
        valid_from=valid_from,
        valid_until=valid_until,
        launch_url=launch_url,
        deployment=row.text("deployment"),
        custom=custom,
        competencies=competencies,
    )


def _parse_id(row: _Row) -> str:
    text = row.required("id")
    if text and not _is_iri(text):
        row.refuse(
            "id", "not_an_iri", f"'{text}' is not an IRI.", "Write an absolute one, such as https://lms/course/3."
        )
    return text


def _is_iri(text: str) -> bool:
    scheme, colon, rest = text.partition(":")
    named = (
        scheme[:1].isalpha()
        and scheme.isascii()
        and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()
    )
    return bool(colon and rest and named) and not any(c.isspace() or c in '<>"{}|\\^`' for c in text)


def _check_rule(row: _Row, policy: Policy, form: str, scope: str, programme: int | None) -> None:
    if form not in policy.forms or scope not in SCOPES:
        return
    rule = policy.rule(form, scope)
    if rule is None:
        row.refuse("scope", "no_rule", f"{form} has no {scope} rule in {policy.name}.", "Choose another form or scope.")
    elif rule.kind == "programme" and programme is None and not row.text("programme_jp"):
        reason = f"{form} {scope} counts the JP that the programme states."
        row.refuse("programme_jp", "missing", reason, "Fill in programme_jp.")


def _parse_launch_url(row: _Row) -> str:
    text = row.text("launch_url")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in text)
    except ValueError:
        usable = False
    if not usable:
        row.refuse("launch_url", "not_a_url", f"'{text}' is not a web address.", "Write https://… or leave it empty.")
    return text


def _parse_custom(row: _Row) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for part in row.texts("custom"):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            row.refuse("custom", "not_a_pair", f"'{part}' is not name=value.", "Write k=v;k=v.")
        elif key.strip() in pairs:
            row.refuse("custom", "twice", f"'{key.strip()}' is there twice.", "Keep one.")
        else:
            pairs[key.strip()] = value.strip()
    return tuple(pairs.items())


def _parse_competencies(row: _Row) -> tuple[Competency, ...]:
    found, wrong = parse_competencies(";".join(row.texts("competencies")))
    for part in wrong:
        row.refuse("competencies", "not_a_level", f"'{part}' has no level 1 to 5.", "Write name:level, or the name.")
    return found


def parse_competencies(text: str) -> tuple[tuple[Competency, ...], tuple[str, ...]]:
    """The competencies of a cell, ``name:level`` or a name alone, between ``;``; and the parts that are none."""
    found: list[Competency] = []
    wrong: list[str] = []
    for part in filter(None, map(str.strip, text.split(";"))):
        name, colon, level = part.rpartition(":")
        if not colon:
            found.append(Competency(part))
        elif level.strip() in ("1", "2", "3", "4", "5") and name.strip():
            found.append(Competency(name.strip(), int(level)))
        else:
            wrong.append(part)
    return tuple(found), tuple(wrong)


@dataclass(frozen=True, slots=True)
class CourseFile:
    """What a file of `course import` holds: the good rows, and every problem of the others."""

    courses: tuple[Course, ...]
    problems: tuple[Problem, ...]


def read_courses(text: str, policy: Policy) -> CourseFile:
    """Read a whole file. A row that repeats an id, or an alias of its provider, is refused too."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="", restval="", strict=True)
    courses: dict[str, Course] = {}
    taken: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    try:
        header_problems = _header_problems(reader.fieldnames or ())
        if header_problems:
            return CourseFile((), header_problems)
        for cells in reader:
            line = reader.line_num
            if "" in cells:
                problems.append(
                    Problem(line, "row", "too_many_cells", "has more cells than columns.", "Quote a comma.")
                )
                continue
            found = parse_course(cells, line, policy)
            if isinstance(found, CourseRefused):
                problems.extend(found.problems)
            elif (repeated := _repetition(found, courses, taken, line)) is not None:
                problems.append(repeated)
            else:
                courses[found.id] = found
                taken |= {(found.provider, alias): found.id for alias in found.aliases}
    except csv.Error as error:
        problems.append(Problem(reader.line_num, "row", "not_csv", f"is not CSV: {error}.", "Check the quotes."))
    return CourseFile(tuple(courses.values()), tuple(problems))


def _header_problems(names: Iterable[str]) -> tuple[Problem, ...]:
    names = tuple(names)
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in COLUMNS[:7] if name not in names]
    problems = [
        Problem(1, name, "unknown_column", "is not a column.", f"Known: {','.join(COLUMNS)}.") for name in unknown
    ]
    problems += [Problem(1, name, "missing_column", "is missing in the header.", "Add the column.") for name in missing]
    if len(set(names)) != len(names):
        problems.append(Problem(1, "header", "twice", "a column is there twice.", "Keep one."))
    return tuple(problems)


def _repetition(
    new: Course, courses: Mapping[str, Course], taken: Mapping[tuple[str, str], str], line: int
) -> Problem | None:
    """Why a row repeats an earlier one. ``taken``: whose each alias of a provider is."""
    if new.id in courses:
        return Problem(line, "id", "twice", f"{new.id} is there twice in this file.", "Keep one row.")
    shared = sorted(alias for alias in new.aliases if (new.provider, alias) in taken)
    if not shared:
        return None
    reason = f"{shared[0]} is an alias of {taken[new.provider, shared[0]]} too."
    return Problem(line, "aliases", "ambiguous", reason, "An alias names one course of a provider.")


# -- the catalogue


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A key that names several courses of one provider: it names none, until an admin decides."""

    courses: tuple[str, ...]


class Catalogue:
    """All courses, found by id from everywhere, and by alias (IRI, external-id) within their provider's statements."""

    __slots__ = ("_aliases", "_anywhere", "_same", "courses")

    def __init__(self, courses: Iterable[Course]) -> None:
        by_id = {course.id: course for course in courses}
        aliases: dict[tuple[str, str], list[str]] = {}
        anywhere: dict[str, list[str]] = {}
        for course in by_id.values():
            for alias in course.aliases:
                anywhere.setdefault(alias, []).append(course.id)
                for connector in (course.provider, *course.sources):
                    aliases.setdefault((connector, alias), []).append(course.id)
        self.courses: Mapping[str, Course] = MappingProxyType(by_id)
        self._aliases = aliases
        self._anywhere = anywhere
        self._same = _same_content(by_id)

    def find(self, iri: str) -> Course | None:
        """The course with this id."""
        return self.courses.get(iri)

    def match(self, iri: str, keys: Iterable[str], connector: str | None) -> Course | Ambiguous | None:
        """The course that an object of this connector's statements names: by id, by alias, by external-id."""
        course = self.courses.get(iri)
        if course is not None or connector is None:
            return course
        for key in (iri, *keys):
            ids = self._aliases.get((connector, key))
            if ids:
                return self.courses[ids[0]] if len(ids) == 1 else Ambiguous(tuple(sorted(ids)))
        return None

    def elsewhere(self, iri: str, keys: Iterable[str]) -> Course | None:
        """A course that another provider's statements would name so: to say "wrong source" instead of "unknown"."""
        for key in (iri, *keys):
            ids = self._anywhere.get(key)
            if ids:
                return self.courses[min(ids)]
        return None

    def same_as(self, course: str) -> str:
        """One id for a course and the same course under other providers' ids, linked by their aliases."""
        return self._same.get(course, course)


def _same_content(courses: Mapping[str, Course]) -> dict[str, str]:
    """Which courses are one: an alias of one is the id of the other, or both have the same IRI as alias.

    External-ids are numbers of one provider and link nothing.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    for course in courses.values():
        for alias in course.aliases:
            if alias in courses or "://" in alias:
                low, high = sorted((root(course.id), root(alias)))
                parent[high] = low
    if not parent:
        return {}
    # The name of a group is its smallest course id, whatever its other aliases are.
    groups: dict[str, list[str]] = {}
    for name in courses:
        groups.setdefault(root(name), []).append(name)
    return {name: min(names) for names in groups.values() for name in names if len(names) > 1}
