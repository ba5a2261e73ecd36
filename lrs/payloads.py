"""Payloads at rest: the accepted bytes, compressed against a dictionary of what statements have in common.

A statement is small and says little that the one before did not say: zstd alone halves it, with a dictionary of this
store's own statements it takes a seventh. Dictionaries are versioned and never deleted, since rows need theirs to be
read: the codec of a row is 0 for plain, 1 for zstd alone, else the version of its dictionary.

A dictionary outlives the statements it was trained on, so what names a person is masked before training.

What a connection has loaded is kept beside it (``conn.info``): one thread at a time uses it, and it goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
import zstandard

from lrs.database import insert_missing
from lrs.tables import ALL, dictionaries, statement_index, statements

PLAIN, ZSTD = 0, 1

_LEVEL = 3
_SIZE = 64 * 1024
_SAMPLES = 4000
#: After so many payloads a connection asks whether there is a newer dictionary.
_ASK_AGAIN = 2000


@dataclass(slots=True)
class _Loaded:
    """What a connection reads and writes with: a decompressor per codec, and the compressor of the newest."""

    decompressors: dict[int, zstandard.ZstdDecompressor] = field(
        default_factory=lambda: {ZSTD: zstandard.ZstdDecompressor()}
    )
    newest: int = ZSTD
    compressor: zstandard.ZstdCompressor = field(default_factory=lambda: _compressor(None))
    until_asked: int = 0


def encode(conn: sa.Connection, payload: bytes) -> tuple[int, bytes]:
    """The codec and the bytes to store."""
    loaded = _loaded(conn)
    if loaded.until_asked <= 0:
        _load_newest(conn, loaded)
    loaded.until_asked -= 1
    packed = loaded.compressor.compress(payload)
    return (loaded.newest, packed) if len(packed) < len(payload) else (PLAIN, payload)


def decode(conn: sa.Connection, codec: int, stored: bytes) -> bytes:
    """The accepted bytes."""
    return decoder(conn)(codec, stored)


def decoder(conn: sa.Connection) -> Callable[[int, bytes], bytes]:
    """`decode` of this connection, for who has many."""
    decompressors = _loaded(conn).decompressors

    def decode(codec: int, stored: bytes) -> bytes:
        if codec == PLAIN:
            return bytes(stored)
        if codec not in decompressors:
            decompressors[codec] = zstandard.ZstdDecompressor(dict_data=_dictionary(conn, codec))
        # Each frame was written here and begins with its length, for which there is then room: no bound is needed.
        return decompressors[codec].decompress(stored)

    return decode


def learn(conn: sa.Connection, *, least: int = 2000) -> int | None:
    """Train a dictionary on the newest statements; its version, or None while there are too few of them.

    Where there is one already it is a newer one, worth it when statements have come to look different.
    """
    samples: list[bytes | bytearray | memoryview] = [_masked(payload) for payload in _newest(conn)]
    if len(samples) < least:
        return None
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
    loaded.until_asked = _ASK_AGAIN
    version = conn.execute(sa.select(sa.func.max(dictionaries.c.version))).scalar()
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
    at = statement_index.c
    newest = sa.select(at.seq, at.actor_key).where(at.dim == ALL).order_by(at.seq.desc()).limit(_SAMPLES).subquery()
    here = sa.and_(statements.c.actor_key == newest.c.actor_key, statements.c.seq == newest.c.seq)
    query = sa.select(statements.c.codec, statements.c.payload).join_from(newest, statements, here)
    return [decode(conn, row.codec, row.payload) for row in conn.execute(query).all()]


# Strings that name a person, and whatever has the form of a number that does: NIP, phone, hash, UUID.
_PERSONAL = re.compile(rb'("(?:name|mbox|mbox_sha1sum|openid|response)"\s*:\s*)"(?:[^"\\]|\\.)*"')
_NUMBERS = re.compile(rb"[0-9]{6,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}")


def _masked(payload: bytes) -> bytes:
    return _NUMBERS.sub(b"", _PERSONAL.sub(rb'\1""', payload))
