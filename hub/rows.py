"""Files that people import: UTF-8 CSV with a header, of which every problem is told with its line and its column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from mappings.course import Problem

T = TypeVar("T")

NIP_DIGITS = 18
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ReadRows(Generic[T]):
    """What a file holds: its good rows, and every problem of the others, in the order of the lines."""

    rows: tuple[T, ...]
    problems: tuple[Problem, ...]


class Cells:
    """One row while it is read: cells as text, and what is wrong with them."""

    def __init__(self, cells: Mapping[str, str | None], line: int) -> None:
        self._cells = cells
        self.line = line
        self.problems: list[Problem] = []

    def refuse(self, column: str, code: str, reason: str, action: str) -> None:
        self.problems.append(Problem(self.line, column, code, reason, action))

    def text(self, column: str, *, most: int, required: bool = False) -> str:
        """The cell without the spaces around it."""
        text = (self._cells.get(column) or "").strip()
        if required and not text:
            self.refuse(column, "missing", "is empty.", "Fill it in.")
        elif len(text) > most:
            self.refuse(column, "too_long", f"has {len(text)} characters.", f"Use at most {most}.")
        elif _CONTROL.search(text):
            self.refuse(column, "control_character", "holds a line break or control character.", "Remove it.")
        return text

    def nip(self, column: str, *, required: bool = False) -> str:
        """A NIP: 18 digits. It has no check digit, so whether it is somebody's is not seen here."""
        # Spreadsheets show it in groups; spaces inside are no part of it.
        text = "".join(self.text(column, most=64, required=required).split())
        if text and not is_nip(text):
            reason = "is not a NIP: that has 18 digits."
            if re.fullmatch(r"[0-9.,]+E\+?[0-9]+", text, re.IGNORECASE):
                reason = "was turned into a rounded number by a spreadsheet."
            self.refuse(column, "not_a_nip", reason, "Write all 18 digits, as text.")
        return text

    def day(self, column: str) -> date | None:
        """A day as YYYY-MM-DD; None where the cell is empty, or no such day."""
        text = self.text(column, most=10)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.refuse(column, "not_a_day", f"'{text}' is no day.", "Write it as YYYY-MM-DD, such as 2026-03-01.")
            return None

    def choice(self, column: str, choices: Sequence[str]) -> str:
        text = self.text(column, most=64)
        if text not in choices:
            self.refuse(column, "unknown", f"'{text}' is not known.", f"Write one of {', '.join(choices)}.")
        return text


def is_nip(text: str) -> bool:
    """Whether the text has the form of a NIP."""
    return len(text) == NIP_DIGITS and text.isascii() and text.isdigit()


def read_rows(
    text: str, *, columns: Sequence[str], required: Sequence[str], parse: Callable[[Cells], T]
) -> ReadRows[T]:
    """Read a whole file; ``parse`` makes a value of a row and tells its problems to the cells."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="", restval="", strict=True)
    rows: list[T] = []
    problems: list[Problem] = []
    try:
        header_problems = _header_problems(reader.fieldnames or (), columns, required)
        if header_problems:
            return ReadRows((), header_problems)
        for cells in reader:
            row = Cells(cells, reader.line_num)
            if "" in cells:
                row.refuse("row", "too_many_cells", "has more cells than columns.", "Quote a comma.")
            else:
                value = parse(row)
                if not row.problems:
                    rows.append(value)
            problems += row.problems
    except csv.Error as error:
        line = reader.reader.line_num  # That of the DictReader is still the row before.
        problems.append(Problem(line, "row", "not_csv", f"is not CSV: {error}.", "Check the quotes."))
    return ReadRows(tuple(rows), tuple(problems))


def _header_problems(names: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> tuple[Problem, ...]:
    known = f"Known: {','.join(columns)}."
    problems = [Problem(1, name or "header", "unknown_column", "is not a column.", known) for name in names
                if name not in columns]  # fmt: skip
    problems += [
        Problem(1, name, "missing_column", "is missing in the header.", "Add the column.")
        for name in required
        if name not in names
    ]
    if len(set(names)) != len(names):
        problems.append(Problem(1, "header", "twice", "a column is there twice.", "Keep one."))
    return tuple(problems)


# For people's spreadsheets -----------------------------------------------------------------------------

#: A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Number(str):
    """Decimal text that was written here: its minus is one."""

    __slots__ = ()


def cell(value: object) -> str:
    """A value as a cell of a report; not for files meant for import."""
    if isinstance(value, Number):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
