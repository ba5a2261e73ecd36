"""Payloads at rest: the accepted bytes, compressed where that makes them smaller.

A codec number, once given, keeps its meaning for ever: rows on disk carry it.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PLAIN, ZSTD = 0, 1


def encode(payload: bytes) -> tuple[int, bytes]:
    """The codec and the bytes to store."""
    packed = zstd.compress(payload, level=3)
    return (ZSTD, packed) if len(packed) < len(payload) else (PLAIN, payload)


def decode(codec: int, stored: bytes) -> bytes:
    """The accepted bytes."""
    return bytes(stored) if codec == PLAIN else zstd.decompress(stored)
