"""Files that pages take and give: uploads of people's tables, and tables for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import flask
import orjson
from werkzeug.datastructures import FileStorage

from hub.rows import cell
from mappings.course import Problem

#: An uploaded table may be this long; 20,000 rows of courses fit in.
LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class TextUpload:
    """A file of text."""

    name: str
    text: str


def read(storage: FileStorage | None) -> Upload | Problem:
    """The file of a form's field, or why there is none."""
    if storage is None or not storage.filename:
        return Problem(1, "file", "missing", "was not chosen.", "Choose a file.")
    content = storage.stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        return Problem(1, "file", "out_of_range", f"is larger than {LARGEST // 2**20} MiB.", "Split the file.")
    return Upload(storage.filename, content)


def read_text(storage: FileStorage | None) -> TextUpload | Problem:
    """The text of a form's field; every import is UTF-8."""
    found = read(storage)
    if isinstance(found, Problem):
        return found
    try:
        return TextUpload(found.name, found.content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = found.content[: error.start].count(b"\n") + 1
        return Problem(line, "file", "not_utf8", "is not UTF-8.", "Save it as “CSV UTF-8” in your spreadsheet.")


def download(name: str, text: str) -> flask.Response:
    """A table to keep."""
    response = flask.Response(text, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def report(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table for people's spreadsheets: nothing in it is taken for a formula. Not for files meant for import."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    # The mark by which a spreadsheet knows UTF-8.
    return "\ufeff" + text.getvalue()


def readable(payload: bytes) -> str:
    """JSON with its members one a line; what is no JSON stays as it is."""
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", errors="replace")
