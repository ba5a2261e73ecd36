"""64-bit keys from text: index rows carry these instead of IRIs of any length.

A key may collide; the full text stays in the payload and settles it (SCALE rule 6).
"""

from __future__ import annotations

from hashlib import blake2b


def key64(kind: str, *parts: str) -> int:
    """A signed 64-bit key of a kind and its values; equal input gives an equal key for ever.

    The recipe is frozen: rows on disk hold its results.
    """
    digest = blake2b("\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
