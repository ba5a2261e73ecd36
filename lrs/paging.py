"""`more`: where the next page begins, with the filters, signed so that nobody can write one himself.

A cursor names a sequence number, never an offset: what arrives meanwhile moves nothing. It is bound to whoever
asked for the first page.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

import orjson

from lrs.errors import Malformed


@dataclass(frozen=True, slots=True)
class Cursor:
    """The number after which the page begins, and the parameters of the first request."""

    after: int
    parameters: dict[str, str]


def write_cursor(cursor: Cursor, *, reader: str, key: bytes) -> str:
    """Text for a URL that only this reader can use."""
    text = orjson.dumps([cursor.after, cursor.parameters])
    return base64.urlsafe_b64encode(_mac(text, reader, key) + text).rstrip(b"=").decode()


def read_cursor(text: str, *, reader: str, key: bytes) -> Cursor:
    """The cursor, or `Malformed` if it was not written here for this reader."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise Malformed("This more link is not one of ours: ask for the first page again") from error
    if not hmac.compare_digest(raw[:16], _mac(raw[16:], reader, key)):
        raise Malformed("This more link was not given to this credential: ask for the first page again")
    after, parameters = orjson.loads(raw[16:])
    return Cursor(after, parameters)


def _mac(text: bytes, reader: str, key: bytes) -> bytes:
    return hmac.digest(key, b"more\x00" + reader.encode() + b"\x00" + text, "sha256")[:16]
