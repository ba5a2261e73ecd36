"""Payloads at rest: the accepted bytes, compressed against a dictionary of what statements have in common.

A statement is small and says little that the one before did not say: zstd alone halves it, with a dictionary of this
store's own statements it takes a seventh. Dictionaries are versioned and never deleted, since rows need theirs to be
read: the codec of a row is 0 for plain, 1 for zstd alone, else the version of its dictionary.

A dictionary outlives the statements it was trained on, so what names a person is made up anew before training.

What a connection has loaded is kept beside it (``conn.info``): one thread at a time uses it, and it goes with it.
"""

from __future__ import annotations

import itertools
import operator
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import zstandard

from lrs.database import insert_missing
from lrs.sequence import stored_text
from lrs.statements import STORED
from lrs.tables import dictionaries, statements

PLAIN, ZSTD = 0, 1

# What every frame of zstd begins with (RFC 8878 3.1.1), which no row has to say. (0x28 begins no frame without it: it
# would set a bit of the frame's header that is reserved.)
_MAGIC = b"\x28\xb5\x2f\xfd"

# Stands for the id, which the row says, as `STORED` does.
_ID = b"\x01"
#: A UUID in hexadecimal digits, between whose groups a hyphen is written.
_GROUPS = struct.Struct("8s4s4s4s12s")

_LEVEL = 3
_SIZE = 64 * 1024
_SAMPLES = 4000
#: After so many payloads a connection asks whether there is a newer dictionary; whether there is a first one, sooner.
_ASK_AGAIN, _ASK_FOR_FIRST = 2000, 100


@dataclass(slots=True)
class _Loaded:
    """What a connection reads and writes with: a decompressor per codec, and the compressor of the newest."""

    decompressors: dict[int, zstandard.ZstdDecompressor] = field(
        default_factory=lambda: {ZSTD: zstandard.ZstdDecompressor()}
    )
    newest: int = ZSTD
    compressor: zstandard.ZstdCompressor = field(default_factory=lambda: _compressor(None))
    until_asked: int = 0


def shorten(text: bytes, statement_id: UUID) -> bytes:
    """The accepted text, as it was prepared without `stored`, also without its id: both stand in the row, and no
    dictionary knows them, so that they would be a sixth of the compressed text."""
    return text.replace(str(statement_id).encode(), _ID)


def encode(conn: sa.Connection, payload: bytes) -> tuple[int, bytes]:
    """The codec and the bytes to store."""
    loaded = _loaded(conn)
    if loaded.until_asked <= 0:
        _load_newest(conn, loaded)
    loaded.until_asked -= 1
    packed = loaded.compressor.compress(payload).removeprefix(_MAGIC)
    return (loaded.newest, packed) if len(packed) < len(payload) else (PLAIN, payload)


def decode(conn: sa.Connection, codec: int, stored: bytes) -> bytes:
    """What was encoded."""
    return _decoded(conn, codec, [stored])[0]


def text(conn: sa.Connection, row: Any) -> bytes:
    """The accepted bytes of a row of `lrs.tables.statements`."""
    return texts(conn, [(row.id.bytes, row.seq, row.codec, row.payload)])[0]


def texts(conn: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """The same for rows of id (16 bytes), number, codec and payload. One that was stored whole stays as it is."""
    written = map(b"-".join, _GROUPS.iter_unpack(b"".join([row[0] for row in rows]).hex().encode()))
    decoded = [
        text
        for codec, together in itertools.groupby(rows, operator.itemgetter(2))
        for text in _decoded(conn, codec, [row[3] for row in together])
    ]
    return [
        text.replace(STORED, stored_text(row[1])).replace(_ID, id)
        for text, row, id in zip(decoded, rows, written, strict=True)
    ]


def _decoded(conn: sa.Connection, codec: int, stored: Sequence[bytes]) -> list[bytes]:
    """What was encoded, of rows of one codec."""
    if codec == PLAIN:
        return [*map(bytes, stored)]
    decompressors = _loaded(conn).decompressors
    if codec not in decompressors:
        decompressors[codec] = zstandard.ZstdDecompressor(dict_data=_dictionary(conn, codec))
    # Each frame was written here and tells its length, for which there is then room: no bound is needed.
    decompress = decompressors[codec].decompress
    return [decompress(each if each[:4] == _MAGIC else _MAGIC + each) for each in stored]


def learn(conn: sa.Connection, *, least: int = 2000) -> int | None:
    """Train a dictionary on the newest statements; its version, or None while there are too few of them.

    Where there is one already it is a newer one, worth it when statements have come to look different.
    """
    newest = _newest(conn)
    if len(newest) < least:
        return None
    samples: list[bytes | bytearray | memoryview] = [_masked(payload) for payload in newest]
    trained = zstandard.train_dictionary(_SIZE, samples)
    version = int(conn.execute(sa.select(sa.func.max(dictionaries.c.version))).scalar() or ZSTD) + 1
    row = {"version": version, "content": trained.as_bytes()}
    return version if insert_missing(conn, dictionaries, [row]) else None


def has_dictionary(conn: sa.Connection) -> bool:
    """Whether one was trained already."""
    return conn.execute(sa.select(dictionaries.c.version).limit(1)).first() is not None


def _loaded(conn: sa.Connection) -> _Loaded:
    loaded: _Loaded | None = conn.info.get("wkmb_dictionaries")
    if loaded is None:
        loaded = conn.info["wkmb_dictionaries"] = _Loaded()
    return loaded


def _load_newest(conn: sa.Connection, loaded: _Loaded) -> None:
    version = conn.execute(sa.select(sa.func.max(dictionaries.c.version))).scalar()
    loaded.until_asked = _ASK_FOR_FIRST if version is None else _ASK_AGAIN
    if version is None or version == loaded.newest:
        return
    loaded.newest, loaded.compressor = version, _compressor(_dictionary(conn, version))


def _dictionary(conn: sa.Connection, version: int) -> zstandard.ZstdCompressionDict:
    content = conn.execute(sa.select(dictionaries.c.content).where(dictionaries.c.version == version)).scalar_one()
    return zstandard.ZstdCompressionDict(bytes(content))


def _compressor(dictionary: zstandard.ZstdCompressionDict | None) -> zstandard.ZstdCompressor:
    # The row says which dictionary it is: four bytes less in each frame.
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=dictionary, write_dict_id=False)


def _newest(conn: sa.Connection) -> list[bytes]:
    at = statements.c
    newest = sa.select(at.codec, at.payload).where(at.voided_by.is_(None)).order_by(at.seq.desc()).limit(_SAMPLES)
    return [decode(conn, row.codec, row.payload) for row in conn.execute(newest).all()]


# Strings that name a person, and whatever has the form of a number that does: NIP, phone, hash, UUID.
_PERSONAL = re.compile(rb'("(?:name|mbox|mbox_sha1sum|openid|response)"\s*:\s*")((?:[^"\\]|\\.)*)"')
_NUMBERS = re.compile(rb"[0-9]{6,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}")
_WORDS = re.compile(rb"[0-9]+|[^ 0-9]+")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+")


def _masked(payload: bytes) -> bytes:
    """The text with others of the same kind in the place of these: a dictionary also learns how frequent which letters
    and digits are, and without any it makes longer what it meets afterwards."""
    payload = _PERSONAL.sub(lambda found: found[1] + _WORDS.sub(_some_letters, found[2]) + b'"', payload)
    return _NUMBERS.sub(lambda found: _HEXADECIMAL.sub(_some_digits, found[0]), payload)


def _some_letters(found: re.Match[bytes]) -> bytes:
    return secrets.token_bytes(len(found[0])).translate(_DIGITS if found[0].isdigit() else _LETTERS)


def _some_digits(found: re.Match[bytes]) -> bytes:
    return secrets.token_bytes(len(found[0])).translate(_DIGITS if found[0].isdigit() else _HEX)


def _spread(characters: bytes) -> bytes:
    """What makes of any byte one of these characters."""
    return bytes(characters[number % len(characters)] for number in range(256))


_LETTERS, _DIGITS, _HEX = map(_spread, (b"aaaaaeiiinnnrstukdlmhgpwybo", b"0123456789", b"0123456789abcdef"))
