"""The public keys of others, by the address of their key set: kept for a while, read again when a new key turns up.

Whoever launches and whoever is launched publishes keys as a JWK Set (RFC 7517 section 5). Libraries read one with each
message, or keep it without ever looking again; both cost launches.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from connectors.http import RequestFailed, get_json
from hub.systems.door import RSA_BITS

if TYPE_CHECKING:
    from hub.runtime import Hub

Key = TypeVar("Key")
Jwk = Mapping[str, Any]

#: A key that its owner took back is known to be gone after this time.
KEPT = timedelta(hours=1)

#: A key set is read again for an unknown ``kid`` at most so often in `WINDOW`: whoever makes one up costs us a call.
REFETCHES = 5
WINDOW = timedelta(minutes=1)

#: The most keys of a set that are looked at.
MOST = 100

LONGEST_BITS = 8192
LONGEST_EXPONENT = 8

#: What a public RSA key is made of (RFC 7518 section 6.3.1); whatever else is published is none of our business.
_MEMBERS = ("kty", "kid", "alg", "n", "e")


class KeyNotFound(Exception):
    """There is no such key; the message says why, and is for whoever owns the key set."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where somebody's keys are; ``whose`` is put into messages, ``internal`` as for every call to that system."""

    url: str
    internal: bool
    whose: str


@dataclass(slots=True)
class _Kept(Generic[Key]):
    """The keys of one set as they were read, and when it was asked for."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    read_at: datetime | None = None
    asked: deque[datetime] = field(default_factory=deque)

    def is_fresh(self, now: datetime) -> bool:
        return self.read_at is not None and now - self.read_at < KEPT


class KeySets(Generic[Key]):
    """Every key set that this process has read. Threads share it; a network call is made outside its lock.

    ``make`` gives what the caller verifies with, of a sound JWK, or None where it is of no use.
    """

    def __init__(self, make: Callable[[Jwk], Key | None]) -> None:
        self._make = make
        self._kept: dict[Source, _Kept[Key]] = {}
        self._lock = threading.Lock()

    def find(self, hub: Hub, source: Source, kid: str) -> Key:
        """The key of that name; `KeyNotFound`. Called outside any transaction: it may read the set."""
        now = hub.clock()
        with self._lock:
            # By address: whoever moves to another key set starts anew.
            kept = self._kept.setdefault(source, _Kept())
        if kid in kept.keys and kept.is_fresh(now):
            return kept.keys[kid]
        if self._may_ask(kept, now):
            self._read(hub, source, kept, now)
        if kid not in kept.keys:
            raise KeyNotFound(f"The key set of {source.whose} holds no usable RSA key {kid[:80]!r}.")
        return kept.keys[kid]

    def _may_ask(self, kept: _Kept[Key], now: datetime) -> bool:
        with self._lock:
            while kept.asked and now - kept.asked[0] >= WINDOW:
                kept.asked.popleft()
            if len(kept.asked) >= REFETCHES:
                return False
            kept.asked.append(now)
            return True

    def _read(self, hub: Hub, source: Source, kept: _Kept[Key], now: datetime) -> None:
        try:
            with hub.new_session(internal=source.internal) as session:
                found = get_json(session, source.url)
        except RequestFailed as error:
            raise KeyNotFound(f"The key set of {source.whose} cannot be read: {error}") from error
        keys = {jwk["kid"]: key for jwk in _sound(found) if (key := self._make(jwk)) is not None}
        with self._lock:
            kept.keys, kept.read_at = keys, now


def _sound(found: Any) -> list[Jwk]:
    """The RSA keys of a key set; what is something else, has no name, is too short or broken is left out."""
    listed = found.get("keys") if isinstance(found, dict) else None
    return [
        {name: each[name] for name in _MEMBERS if name in each}
        for each in (listed[:MOST] if isinstance(listed, list) else ())
        if isinstance(each, dict) and _is_sound(each)
    ]


def _is_sound(jwk: Jwk) -> bool:
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid"), str):
        return False
    try:
        modulus, exponent = (int.from_bytes(base64.urlsafe_b64decode(f"{jwk[name]}==")) for name in ("n", "e"))
    except (ValueError, KeyError):
        return False
    # A very long one is slow on purpose; of a short one a library would only warn.
    is_modulus = RSA_BITS <= modulus.bit_length() <= LONGEST_BITS and modulus % 2 == 1
    return is_modulus and exponent % 2 == 1 and 1 < exponent < 1 << 8 * LONGEST_EXPONENT
