"""Completion files: what a training institution that has no interface sends as a table, made into statements.

A row says that a person did something about a course on a day. `read_completions` turns the text into rows or
problems, `to_statement` a row into the one statement that always comes from it. Both are pure: who the person is
(no NIP ever stands in a statement) and which course an id means is looked up by the caller in between.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation

from connectors import xapi

#: The columns, in their order. The first four are required.
COLUMNS = ("nip", "course", "event", "on", "score", "max_score", "minutes", "certificate", "issuer", "jp")
REQUIRED = COLUMNS[:4]
EVENTS = ("completed", "passed", "failed", "attended", "certified")

MAX_MINUTES = 60 * 24 * 366


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is refused: where, which rule (`code`), in words, and what to do."""

    line: int
    column: str
    code: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.message} {self.advice}"


@dataclass(frozen=True, slots=True)
class Completion:
    """One good row. ``on`` is a day, or a time with its zone."""

    line: int
    nip: str
    course: str
    event: str
    on: date | datetime
    score: Decimal | None = None
    max_score: Decimal | None = None
    minutes: int | None = None
    certificate: str = ""
    issuer: str = ""
    jp: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CompletionFile:
    """What a file holds: the good rows, and every problem of the others."""

    rows: tuple[Completion, ...]
    problems: tuple[Problem, ...]


def read_completions(content: bytes) -> CompletionFile:
    """Read a whole file (UTF-8, with a header). A row that says the same as an earlier one is refused too."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(line, "file", "not_utf8", "is not UTF-8.", "Save it as CSV UTF-8.")
        return CompletionFile((), (problem,))
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="", strict=True)
    rows: list[Completion] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, ...], int] = {}
    try:
        if found := _header_problems(reader.fieldnames or ()):
            return CompletionFile((), found)
        for cells in reader:
            row = _Row(cells, reader.line_num)
            completion = row.read()
            if completion is not None:
                first = seen.setdefault(record(completion), completion.line)
                if first != completion.line:
                    row.refuse("row", "twice", f"says the same as line {first}.", "Keep one of the two.")
                else:
                    rows.append(completion)
            problems += row.problems
    except csv.Error as error:
        problems.append(Problem(reader.line_num, "row", "not_csv", f"is not CSV: {error}.", "Check the quotes."))
    return CompletionFile(tuple(rows), tuple(problems))


def record(row: Completion) -> tuple[str, ...]:
    """What makes a row one record. The id of its statement has the ids of person and course in place of these names."""
    return row.nip, row.course, row.event, row.on.isoformat(), row.certificate


def to_statement(
    row: Completion,
    *,
    source: str,
    learner: str,
    actor: xapi.Statement,
    course: xapi.Statement,
    timezone: tzinfo,
) -> xapi.Statement:
    """The statement of a row. ``source`` is the connector's name, ``learner`` the hub's opaque id of the person.

    A day without a time is its first moment in ``timezone``: the row counts on that day, and not before it came.
    """
    at = row.on if isinstance(row.on, datetime) else datetime.combine(row.on, time(), timezone)
    return xapi.statement(
        id=xapi.statement_id("csv", source, learner, course["id"], row.event, row.on.isoformat(), row.certificate),
        actor=actor,
        verb=row.event,
        object=course,
        at=at,
        result=_result(row),
        platform=source,
    )


def _result(row: Completion) -> xapi.Statement:
    result: xapi.Statement = {}
    if row.score is not None and row.max_score is not None:
        result["score"] = xapi.score(_number(row.score), _number(row.max_score))
    if row.event in ("passed", "failed"):
        result["success"] = row.event == "passed"
    if row.minutes is not None:
        result["duration"] = f"PT{row.minutes}M"
    said = {
        xapi.CERTIFICATE_NUMBER: row.certificate or None,
        xapi.CERTIFICATE_ISSUER: row.issuer or None,
        xapi.CERTIFICATE_JP: None if row.jp is None else _number(row.jp),
    }
    if extensions := {key: value for key, value in said.items() if value is not None}:
        result["extensions"] = extensions
    return result


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _header_problems(names: Iterable[str]) -> tuple[Problem, ...]:
    names = tuple(names)
    known = f"Known: {','.join(COLUMNS)}."
    problems = [Problem(1, name or "header", "unknown_column", "is not a column.", known) for name in names
                if name not in COLUMNS]  # fmt: skip
    problems += [
        Problem(1, name, "missing_column", "is missing in the header.", "Add the column.")
        for name in REQUIRED
        if name not in names
    ]
    if len(set(names)) != len(names):
        problems.append(Problem(1, "header", "twice", "has a column twice.", "Keep one."))
    return tuple(problems)


class _Row:
    """One row being read; collects every problem instead of stopping at the first."""

    def __init__(self, cells: Mapping[str, str], line: int) -> None:
        self._cells = cells
        self._line = line
        self.problems: list[Problem] = []

    def refuse(self, column: str, code: str, message: str, advice: str) -> None:
        self.problems.append(Problem(self._line, column, code, message, advice))

    def read(self) -> Completion | None:
        if "" in self._cells:
            self.refuse("row", "too_many_cells", "has more cells than columns.", "Put a cell with a comma in quotes.")
            return None
        score, max_score = self._decimal("score"), self._decimal("max_score")
        if (score is None) != (max_score is None) and not self.problems:
            self.refuse("max_score", "incomplete", "A score needs its maximum.", "Fill both, or leave both empty.")
        elif score is not None and max_score is not None and not 0 <= score <= max_score != 0:
            self.refuse("score", "out_of_range", f"{score} is not between 0 and {max_score}.", "Correct the score.")
        row = Completion(
            self._line, self._nip(), self._required("course"), self._event(), self._on(), score, max_score,
            self._minutes(), self._text("certificate"), self._text("issuer"), self._jp(),
        )  # fmt: skip
        if row.event == "certified" and not row.certificate:
            self.refuse("certificate", "missing", "'certified' needs its number.", "Fill in the certificate's number.")
        return None if self.problems else row

    def _text(self, column: str) -> str:
        return (self._cells.get(column) or "").strip()

    def _required(self, column: str) -> str:
        text = self._text(column)
        if not text:
            self.refuse(column, "missing", "is empty.", "Fill it in.")
        return text

    def _nip(self) -> str:
        text = self._text("nip").replace(" ", "")
        if not re.fullmatch("[0-9]{18}", text):
            # Without the value: a NIP is personal data and this message is logged.
            self.refuse("nip", "not_a_nip", "is not 18 digits.", "Format the column as text, so that no digit is lost.")
        return text

    def _event(self) -> str:
        text = self._required("event").lower()
        if text and text not in EVENTS:
            self.refuse("event", "unknown", f"'{text}' is not known.", f"Write one of: {', '.join(EVENTS)}.")
        return text

    def _on(self) -> date | datetime:
        text = self._required("on")
        try:
            if len(text) == 10:
                return date.fromisoformat(text)
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return at
        except ValueError:
            pass
        if text:
            advice = "Write YYYY-MM-DD, or a time with its zone such as 2026-03-01T09:30+07:00."
            self.refuse("on", "not_a_date", f"'{text}' is not a date.", advice)
        return date.min

    def _decimal(self, column: str) -> Decimal | None:
        text = self._text(column)
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or abs(value) > 1_000_000 or not re.fullmatch("-?[0-9.]+", text):
            self.refuse(
                column, "not_a_number", f"'{text}' is not a number.", "Write digits with a point, such as 87.5."
            )
            return None
        return value

    def _minutes(self) -> int | None:
        value = self._decimal("minutes")
        if value is None:
            return None
        if value != value.to_integral_value() or not 0 < value <= MAX_MINUTES:
            self.refuse("minutes", "out_of_range", f"{value} is not a number of minutes.", "Write whole minutes.")
            return None
        return int(value)

    def _jp(self) -> Decimal | None:
        value = self._decimal("jp")
        if value is not None and value <= 0:
            self.refuse("jp", "out_of_range", f"{value} is not an amount of JP.", "Write the certificate's JP.")
        return value
