"""multipart/mixed both ways (Communication 1.5.2): statements as JSON, then attachment data as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from lrs.errors import Malformed

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_HASH = "x-experience-api-hash"


@dataclass(slots=True)
class Part:
    """One part: its headers by lower-case name, and its data."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)


def boundary_of(content_type: str) -> str | None:
    """The boundary that a Content-Type names."""
    return parse_options_header(content_type)[1].get(b"boundary", b"").decode("latin-1") or None


def parse_multipart(body: bytes, boundary: str | None) -> tuple[bytes, dict[str, bytes]]:
    """The JSON of the first part, and the data of the others by their hash in lower case."""
    first, *others = _parse(body, boundary)
    if first.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Malformed("The first part must be the statements, as application/json (Communication 1.5.2)")
    data: dict[str, bytes] = {}
    for position, part in enumerate(others, start=2):
        digest = part.headers.get(_HASH, "").lower()
        if not digest:
            raise Malformed(f"Part {position} has no X-Experience-API-Hash (Communication 1.5.2)")
        if part.headers.get("content-transfer-encoding", "").lower() != "binary":
            raise Malformed(f"Part {position} must say Content-Transfer-Encoding: binary (Communication 1.5.2)")
        if digest in data and data[digest] != bytes(part.data):
            raise Malformed(f"Part {position} has the hash of an earlier part and other data")
        data[digest] = bytes(part.data)
    return bytes(first.data), data


def write_multipart(payload: bytes, parts: Iterable[tuple[str, str, bytes]], boundary: str) -> bytes:
    """The JSON, then each (hash, content type, data)."""
    mark = b"--" + boundary.encode()
    chunks = [mark, b"\r\nContent-Type: application/json\r\n\r\n", payload]
    for digest, content_type, data in parts:
        head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {digest}"
        chunks += [b"\r\n", mark, b"\r\n", head.encode(), b"\r\n\r\n", data]
    return b"".join([*chunks, b"\r\n", mark, b"--\r\n"])


class _Reader:
    """Collects parts from the parser's callbacks."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_whole = False
        self._name = b""
        self._value = b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._field,
            "on_header_value": self._add_value,
            "on_header_end": self._header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self.parts.append(Part())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        name = self._name.decode("latin-1").lower()
        if name in self.parts[-1].headers:
            raise Malformed(f"A part has the header {name} twice")
        self.parts[-1].headers[name] = self._value.decode("latin-1").strip()
        self._name = self._value = b""

    def _end(self) -> None:
        self.is_whole = True


def _parse(body: bytes, boundary: str | None) -> list[Part]:
    if not boundary or not _BOUNDARY.fullmatch(boundary):
        raise Malformed("multipart/mixed needs a boundary of 1 to 70 characters in Content-Type (RFC 2046 5.1.1)")
    reader = _Reader()
    parser = MultipartParser(boundary.encode(), reader.callbacks())  # type: ignore[arg-type]
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise Malformed(f"The multipart body is broken: {error}") from error
    if not reader.parts or not reader.is_whole:
        raise Malformed("The multipart body does not end with its closing boundary: it was cut off")
    return reader.parts
