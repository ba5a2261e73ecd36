"""multipart/mixed both ways (Communication 1.5.2): statements as JSON, then attachment data as it is.

Parts are cut by hand: what reads forms refuses a preamble and folded headers, which RFC 2046 allows and Python's own
mail library writes; and what reads mail changes line ends in data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import NamedTuple

from lrs.errors import Malformed

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
#: What may follow the boundary in its line: the sign that it is the last, or padding (RFC 2046 5.1.1).
_AFTER_BOUNDARY = re.compile(rb"(--)|[ \t]*+\r\n")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\x00]*)")
_LINE_ENDS = re.compile(r"[\r\n]+")
_HASH = "x-experience-api-hash"

#: So many headers has a part, in so many bytes. What xAPI asks for are three short ones.
MOST_HEADERS = 8
LONGEST_HEAD = 32 * 1024


class Part(NamedTuple):
    """One part: its headers by lower-case name, and its data."""

    headers: dict[str, str]
    data: bytes


def boundary_of(content_type: str) -> str | None:
    """The boundary that a Content-Type names."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_boundary() or None


def parse_multipart(body: bytes, boundary: str | None) -> tuple[bytes, dict[str, bytes]]:
    """The JSON of the first part, and the data of the others by their hash in lower case."""
    parts = _parse(body, boundary)
    first = next(parts)
    if first.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Malformed("The first part must be the statements, as application/json (Communication 1.5.2)")
    data: dict[str, bytes] = {}
    for position, part in enumerate(parts, start=2):
        digest = part.headers.get(_HASH, "").lower()
        if not digest:
            raise Malformed(f"Part {position} has no X-Experience-API-Hash (Communication 1.5.2)")
        if part.headers.get("content-transfer-encoding", "").lower() != "binary":
            raise Malformed(f"Part {position} must say Content-Transfer-Encoding: binary (Communication 1.5.2)")
        if digest in data and data[digest] != part.data:
            raise Malformed(f"Part {position} has the hash of an earlier part and other data")
        data[digest] = part.data
    return first.data, data


def write_multipart(payload: bytes, parts: Iterable[tuple[str, str, bytes]], boundary: str) -> bytes:
    """The JSON, then each (hash, content type, data)."""
    mark = b"--" + boundary.encode()
    chunks = [mark, b"\r\nContent-Type: application/json\r\n\r\n", payload]
    for digest, content_type, data in parts:
        # What is stored may be older than the rule that a media type has no line ends.
        kind = _LINE_ENDS.sub(" ", content_type)
        head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {digest}"
        chunks += [b"\r\n", mark, b"\r\n", head.encode(), b"\r\n\r\n", data]
    return b"".join([*chunks, b"\r\n", mark, b"--\r\n"])


def _parse(body: bytes, boundary: str | None) -> Iterator[Part]:
    """The parts in turn, at least one; refused at the first that is broken, so a million of them are never held."""
    if not boundary or not _BOUNDARY.fullmatch(boundary):
        raise Malformed("multipart/mixed needs a boundary of 1 to 70 characters in Content-Type (RFC 2046 5.1.1)")
    position = 0
    start: int | None = None
    for line, after in _boundary_lines(body, b"--" + boundary.encode()):
        if start is not None:
            position += 1
            yield _parse_part(body, start, line, position)
        start = after.end()
        if after[1] is not None:
            break
    else:
        raise Malformed(
            "The multipart body does not end with its closing boundary: it was cut off, or its lines end without CR"
        )
    if not position:
        raise Malformed("The multipart body has no part")


def _boundary_lines(body: bytes, mark: bytes) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Where each boundary and the line end before it begin, and what follows it. Before the first is the preamble."""
    line_and_mark = b"\r\n" + mark
    # The line end before a boundary is part of it, but at the beginning of the body there is none.
    line = -2 if body.startswith(mark) else body.find(line_and_mark)
    while line != -1:
        end = line + len(line_and_mark)
        after = _AFTER_BOUNDARY.match(body, end)
        if after is not None:
            yield line, after
            end = after.end()
        line = body.find(line_and_mark, end)


def _parse_part(body: bytes, start: int, end: int, position: int) -> Part:
    """What stands between two boundaries: headers, an empty line, data."""
    # The line ends around the part belong to boundaries, yet close an empty head and make the empty line of empty data.
    empty_line = body.find(b"\r\n\r\n", start - 2, end + 2)
    if empty_line == -1:
        raise Malformed(f"Part {position} has no empty line after its headers (RFC 2046 5.1)")
    if empty_line - start > LONGEST_HEAD:
        raise Malformed(f"Part {position} has more than {LONGEST_HEAD} bytes of headers")
    return Part(_parse_headers(body[start:empty_line], position), body[empty_line + 4 : end])


def _parse_headers(head: bytes, position: int) -> dict[str, str]:
    """By lower-case name. A line that begins with white space goes on with the one before (RFC 5322 2.2.3)."""
    lines = _FOLD.sub(b"", head).split(b"\r\n", MOST_HEADERS) if head else []
    if len(lines) > MOST_HEADERS:
        raise Malformed(f"Part {position} has more than {MOST_HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Malformed(f"Part {position} has a line among its headers that is no header (RFC 5322 2.2)")
        name = match[1].decode("ascii").lower()
        if name in headers:
            raise Malformed(f"Part {position} has the header {name} twice")
        headers[name] = match[2].decode("latin-1").strip()
    return headers
