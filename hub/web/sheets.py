"""Tables of any length for people's spreadsheets: CSV as it is read, XLSX through files beside memory.

A text is never taken for a formula or a link, whatever it begins with; numbers and days are numbers and days.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, TypeAlias

import flask
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from hub.errors import HubError
from hub.rows import cell

Value: TypeAlias = str | int | Decimal | date | None

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

#: A sheet of a workbook holds 1,048,576 rows; files beyond this are for programs, which read CSV.
MOST_ROWS = 500_000

#: So many rows go to the reader at once.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its name, its columns, and its rows, which are read once. ``widths`` are in characters."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Value]]
    widths: Sequence[int] = ()


def jp(centi: int | None) -> Decimal | None:
    """Hundredths of JP as a number of a sheet."""
    return None if centi is None else Decimal(centi) / 100


def send_csv(name: str, sheet: Sheet) -> flask.Response:
    """The table as CSV, sent while it is read."""
    response = flask.Response(
        flask.stream_with_context(_lines(sheet)), content_type="text/csv; charset=utf-8"
    )  # fmt: skip
    return _as_download(response, name)


def _lines(sheet: Sheet) -> Iterator[str]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    # The mark by which a spreadsheet knows UTF-8.
    text.write("\ufeff")
    writer.writerow(sheet.header)
    for number, row in enumerate(sheet.rows, start=1):
        writer.writerow([_text(value) for value in row])
        if number % _CHUNK == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _text(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    return value.isoformat() if isinstance(value, date) else cell(value)


def send_xlsx(name: str, *sheets: Sheet, at: datetime) -> flask.Response:
    """The tables as a workbook. It is whole before it is sent; what it is made of lies in files, not in memory."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the answer closes it, when it is sent
    try:
        write_xlsx(file, sheets, at)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return _as_download(flask.send_file(file, mimetype=XLSX), name)


def write_xlsx(file: IO[bytes], sheets: Iterable[Sheet], at: datetime) -> None:
    """Write the workbook, a row at a time."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        book.set_properties({"created": at.replace(tzinfo=None)})
        bold = book.add_format({"bold": True, "bottom": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for sheet in sheets:
            _write_sheet(book.add_worksheet(sheet.name), sheet, bold, day)


def _write_sheet(page: Worksheet, sheet: Sheet, bold: Format, day: Format) -> None:
    for column, width in enumerate(sheet.widths):
        page.set_column(column, column, width)
    page.freeze_panes(1, 0)
    for column, name in enumerate(sheet.header):
        page.write_string(0, column, name, bold)
    for line, row in enumerate(sheet.rows, start=1):
        if line > MOST_ROWS:
            detail = f"This table has more than {MOST_ROWS} rows."
            raise HubError("too_many_rows", detail, action="Take it as CSV.", status=413)
        for column, value in enumerate(row):
            _write(page, line, column, value, day)


def _write(page: Worksheet, line: int, column: int, value: Value, day: Format) -> None:
    if isinstance(value, str):
        page.write_string(line, column, _storable(value))
    elif isinstance(value, date):
        page.write_datetime(line, column, value, day)
    elif value is not None:
        page.write_number(line, column, float(value))


def _storable(text: str) -> str:
    """A cell holds 32,767 characters, and XML no control characters."""
    return "".join(each for each in text[:32_000] if each >= " " or each in "\t\n")


def _as_download(response: flask.Response, name: str) -> flask.Response:
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response
