"""The one way to read a request body that is stored or parsed.

Servers and Werkzeug let a body that was cut off pass as whole: `request.get_data()` returns what came, and a cut-off
PUT would replace a document by half of one. So the bytes are read here from the server's stream, counted against
Content-Length, and bounded. The errors are HTTP exceptions, which every blueprint turns into its own form.
"""

from __future__ import annotations

from typing import IO, Any

from werkzeug.exceptions import BadRequest, LengthRequired, RequestEntityTooLarge, UnsupportedMediaType

#: Read in pieces, so that a small body that claims to be large costs nothing.
_PIECE = 1 << 16


def read_body(environ: dict[str, Any], *, limit: int, chunked: bool = True) -> bytes:
    """The whole body of at most ``limit`` bytes.

    Refused are: a body shorter than its Content-Length (400), a longer one than ``limit`` (413), both
    Content-Length and Transfer-Encoding (400, RFC 9112 6.1), a compressed one (415), and a chunked one where
    ``chunked`` is false (411): a chunked body that was cut off looks whole, so none may replace a document.
    """
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body without Content-Encoding")
    length = environ.get("CONTENT_LENGTH") or None
    stream: IO[bytes] = environ["wsgi.input"]
    if "HTTP_TRANSFER_ENCODING" in environ:
        if length is not None:
            raise BadRequest("Content-Length and Transfer-Encoding exclude each other")
        if not chunked:
            raise LengthRequired("Send this body with a Content-Length, not chunked")
        return _read_to_end(stream, limit)
    return b"" if length is None else _read_exactly(stream, _parse_length(length), limit)


def _parse_length(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadRequest("Content-Length must be a whole number")
    return int(text)


def _read_exactly(stream: IO[bytes], length: int, limit: int) -> bytes:
    if length > limit:
        raise RequestEntityTooLarge(f"The body has {length} bytes; at most {limit} are taken")
    pieces, left = [], length
    while left:
        piece = stream.read(min(_PIECE, left))
        if not piece:
            raise BadRequest(f"The body was cut off: {length - left} of {length} bytes came")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _read_to_end(stream: IO[bytes], limit: int) -> bytes:
    body = bytearray()
    while piece := stream.read(min(_PIECE, limit + 1 - len(body))):
        body += piece
        if len(body) > limit:
            raise RequestEntityTooLarge(f"The body is longer than the {limit} bytes that are taken")
    return bytes(body)
