"""64-bit keys from text: index rows carry these instead of IRIs of any length.

A key may collide; the full text stays in the payload and settles it (SCALE rule 6).
"""

from __future__ import annotations

import functools
from hashlib import blake2b

#: Texts of up to this many characters are remembered with their keys: verbs, courses and people come again and again.
_SHORT = 256


def key64(kind: str, *parts: str) -> int:
    """A signed 64-bit key of a kind and its values; equal input gives an equal key for ever.

    The recipe is frozen: rows on disk hold its results.
    """
    text = "\x1f".join((kind, *parts))
    return _remembered(text) if len(text) <= _SHORT else _hash(text)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


_remembered = functools.lru_cache(maxsize=4096)(_hash)
