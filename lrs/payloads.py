"""Payloads at rest: the accepted bytes, compressed against a dictionary of what statements have in common.

A statement is small and says little that the one before did not say: zstd alone halves it, with a dictionary of this
store's own statements it takes a seventh. Dictionaries are versioned and never deleted, since rows need theirs to be
read: the codec of a row is 0 for plain, 1 for zstd alone, else the version of its dictionary.

A dictionary outlives the statements it was trained on, so what names a person is masked before training.

What a connection has loaded is kept beside it (``conn.info``): one thread at a time uses it, and it goes with it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

import sqlalchemy as sa

from lrs.database import insert_missing
from lrs.tables import ALL, dictionaries, statement_index, statements

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PLAIN, ZSTD = 0, 1

_LEVEL = 3
_SIZE = 64 * 1024
_SAMPLES = 4000
#: After so many payloads a connection asks whether there is a newer dictionary.
_ASK_AGAIN = 2000


@dataclass(slots=True)
class _Loaded:
    """The dictionaries that a connection has read, and the compressor of the newest."""

    dictionaries: dict[int, zstd.ZstdDict] = field(default_factory=dict)
    newest: int = ZSTD
    compressor: zstd.ZstdCompressor = field(default_factory=lambda: _compressor(None))
    until_asked: int = 0


def encode(conn: sa.Connection, payload: bytes) -> tuple[int, bytes]:
    """The codec and the bytes to store."""
    loaded = _loaded(conn)
    if loaded.until_asked <= 0:
        _load_newest(conn, loaded)
    loaded.until_asked -= 1
    packed = loaded.compressor.compress(payload, loaded.compressor.FLUSH_FRAME)
    return (loaded.newest, packed) if len(packed) < len(payload) else (PLAIN, payload)


def decode(conn: sa.Connection, codec: int, stored: bytes) -> bytes:
    """The accepted bytes."""
    if codec == PLAIN:
        return bytes(stored)
    if codec == ZSTD:
        return zstd.decompress(stored)
    loaded = _loaded(conn)
    if codec not in loaded.dictionaries:
        content = conn.execute(sa.select(dictionaries.c.content).where(dictionaries.c.version == codec)).scalar_one()
        loaded.dictionaries[codec] = zstd.ZstdDict(bytes(content))
    # A row is one frame, so the plain decompressor does; the module's function looks for more frames.
    return zstd.ZstdDecompressor(loaded.dictionaries[codec].as_digested_dict).decompress(stored)


def learn(conn: sa.Connection, *, least: int = 2000) -> int | None:
    """Train a dictionary on the newest statements; its version, or None while there are too few of them.

    Where there is one already it is a newer one, worth it when statements have come to look different.
    """
    samples = [_masked(payload) for payload in _newest(conn)]
    if len(samples) < least:
        return None
    trained = zstd.train_dict(samples, _SIZE)
    version = int(conn.execute(sa.select(sa.func.max(dictionaries.c.version))).scalar() or ZSTD) + 1
    row = {"version": version, "content": trained.dict_content}
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
    content = conn.execute(sa.select(dictionaries.c.content).where(dictionaries.c.version == version)).scalar_one()
    dictionary = zstd.ZstdDict(bytes(content))
    loaded.dictionaries[version] = dictionary
    loaded.newest, loaded.compressor = version, _compressor(dictionary)


def _compressor(dictionary: zstd.ZstdDict | None) -> zstd.ZstdCompressor:
    # The row says which dictionary it is: four bytes less in each frame.
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.dict_id_flag: 0,
    }
    # Digested once: 12 us a payload instead of 84.
    digested = None if dictionary is None else dictionary.as_digested_dict
    return zstd.ZstdCompressor(options=options, zstd_dict=digested)


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
