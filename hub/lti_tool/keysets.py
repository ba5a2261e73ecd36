"""The public keys of platforms: read from their key sets, kept for a while, read again when a new key turns up.

PyLTI1p3 reads a key set with each launch, or keeps it without ever looking again; both cost launches.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.http import RequestFailed, get_json
from hub.lti_tool.platforms import Platform
from hub.systems.registry import RSA_BITS

if TYPE_CHECKING:
    from hub.runtime import Hub

#: A key that the platform took back is known to be gone after this time.
KEPT = timedelta(hours=1)

#: Key sets are read again for an unknown ``kid`` at most so often in `WINDOW`: whoever makes one up costs us a call.
REFETCHES = 5
WINDOW = timedelta(minutes=1)

#: The most keys of a set that are looked at.
MOST = 100

LONGEST_BITS = 8192
LONGEST_EXPONENT = 8


class KeyNotFound(Exception):
    """There is no such key of the platform; the message says why."""


@dataclass(slots=True)
class _Kept:
    """One platform's keys as they were read, and when the set was asked for."""

    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    read_at: datetime | None = None
    asked: deque[datetime] = field(default_factory=deque)


class KeySets:
    """The keys of every platform, per process. Threads share it; a network call is made outside its lock."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def find(self, hub: Hub, platform: Platform, kid: str) -> Mapping[str, str]:
        """The JWK that the platform calls so; `KeyNotFound`. Called outside any transaction: it may read the set."""
        with self._lock:
            kept = self._kept.setdefault(platform.jwks_url, _Kept())
        now = hub.clock()
        if kid in kept.keys and kept.read_at is not None and now - kept.read_at < KEPT:
            return kept.keys[kid]
        if self._may_ask(kept, now):
            self._read(hub, platform, kept, now)
        if kid not in kept.keys:
            raise KeyNotFound(f"The key set of {platform.name} holds no usable RSA key {kid[:80]!r}.")
        return kept.keys[kid]

    def _may_ask(self, kept: _Kept, now: datetime) -> bool:
        with self._lock:
            while kept.asked and now - kept.asked[0] >= WINDOW:
                kept.asked.popleft()
            if len(kept.asked) >= REFETCHES:
                return False
            kept.asked.append(now)
            return True

    def _read(self, hub: Hub, platform: Platform, kept: _Kept, now: datetime) -> None:
        try:
            with hub.new_session(internal=platform.internal) as session:
                found = get_json(session, platform.jwks_url)
        except RequestFailed as error:
            raise KeyNotFound(f"The key set of {platform.name} cannot be read: {error}") from error
        keys = _usable(found)
        with self._lock:
            kept.keys, kept.read_at = keys, now


def _usable(found: Any) -> dict[str, Mapping[str, str]]:
    """The RSA keys of a key set by their ``kid``; what is something else, too short or broken is left out."""
    listed = found.get("keys") if isinstance(found, dict) else None
    keys: dict[str, Mapping[str, str]] = {}
    for each in listed[:MOST] if isinstance(listed, list) else ():
        if isinstance(each, dict) and _is_usable(each):
            # Only what a public key is made of: whatever else a platform publishes is none of our business.
            keys[each["kid"]] = {name: each[name] for name in ("kty", "kid", "alg", "n", "e") if name in each}
    return keys


def _is_usable(jwk: Mapping[str, Any]) -> bool:
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid"), str):
        return False
    try:
        modulus, exponent = (int.from_bytes(base64.urlsafe_b64decode(f"{jwk[name]}==")) for name in ("n", "e"))
    except (ValueError, KeyError):
        return False
    # A very long one is slow on purpose.
    is_sound = RSA_BITS <= modulus.bit_length() <= LONGEST_BITS and modulus % 2 == 1
    return is_sound and exponent % 2 == 1 and 1 < exponent < 1 << 8 * LONGEST_EXPONENT
