"""The public keys of tools: read from their key sets, kept for a while, read again when a new key turns up."""

from __future__ import annotations

import base64
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.http import RequestFailed, get_json
from hub.systems.registry import RSA_BITS, Tool

if TYPE_CHECKING:
    from hub.runtime import Hub

#: A key that the tool took back is known to be gone after this time.
KEPT = timedelta(hours=1)

#: Key sets are read again for an unknown ``kid`` at most so often in `WINDOW`: whoever makes one up costs us a call.
REFETCHES = 5
WINDOW = timedelta(minutes=1)

#: The most keys of a set that are looked at.
MOST = 100

LONGEST_BITS = 8192
LONGEST_EXPONENT = 8


class KeyNotFound(Exception):
    """There is no such key of the tool; the message says why."""


@dataclass(slots=True)
class _Kept:
    """One tool's keys as they were read, and when sets were asked for."""

    keys: Mapping[str, RSAKey] = field(default_factory=dict)
    read_at: datetime | None = None
    asked: deque[datetime] = field(default_factory=deque)


class ToolKeys:
    """The keys of every tool, per process. Threads share it; a network call is made outside its lock."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], _Kept] = {}
        self._lock = threading.Lock()

    def find(self, hub: Hub, tool: Tool, kid: Any) -> RSAKey:
        """The key that the tool calls so; `KeyNotFound`. Called outside any transaction: it may read the key set.

        A tool that gave its public key instead of an address has one key, whatever it calls it.
        """
        if tool.jwks_url is None:
            return self._given_key(tool)
        if not isinstance(kid, str):
            raise KeyNotFound("The header of the assertion has no kid, so its key cannot be found in the key set.")
        kept = self._of(tool)
        now = hub.clock()
        is_fresh = kept.read_at is not None and now - kept.read_at < KEPT
        if is_fresh and kid in kept.keys:
            return kept.keys[kid]
        if self._may_ask(kept, now):
            self._read(hub, tool, kept, now)
        if kid not in kept.keys:
            raise KeyNotFound(f"The key set of this tool holds no usable RSA key {kid!r}.")
        return kept.keys[kid]

    def _of(self, tool: Tool) -> _Kept:
        with self._lock:
            # By address too: a tool that moves to another key set starts anew.
            return self._kept.setdefault((tool.id, tool.jwks_url or ""), _Kept())

    def _may_ask(self, kept: _Kept, now: datetime) -> bool:
        with self._lock:
            while kept.asked and now - kept.asked[0] >= WINDOW:
                kept.asked.popleft()
            if len(kept.asked) >= REFETCHES:
                return False
            kept.asked.append(now)
            return True

    def _read(self, hub: Hub, tool: Tool, kept: _Kept, now: datetime) -> None:
        try:
            with hub.new_session(internal=tool.internal) as session:
                found = get_json(session, tool.jwks_url or "")
        except RequestFailed as error:
            raise KeyNotFound(f"The key set of this tool cannot be read: {error}") from error
        keys = _usable(found)
        with self._lock:
            kept.keys, kept.read_at = keys, now

    def _given_key(self, tool: Tool) -> RSAKey:
        kept = self._kept.get((tool.id, tool.public_key or ""))
        if kept is None:
            try:
                kept = _Kept({"": RSAKey.import_key(tool.public_key or "")})
            except (JoseError, ValueError, TypeError) as error:
                raise KeyNotFound("The public key of this tool is no RSA key, and assertions are RS256.") from error
            with self._lock:
                self._kept[tool.id, tool.public_key or ""] = kept
        return kept.keys[""]


def _usable(found: Any) -> dict[str, RSAKey]:
    """The RSA keys of a key set by their ``kid``; what is something else, too short or broken is left out."""
    listed = found.get("keys") if isinstance(found, dict) else None
    keys: dict[str, RSAKey] = {}
    for each in listed[:MOST] if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("kty") != "RSA" or each.get("use", "sig") != "sig":
            continue
        if isinstance(each.get("kid"), str) and (key := _rsa_key(each)):
            keys[each["kid"]] = key
    return keys


def _rsa_key(jwk: Mapping[str, Any]) -> RSAKey | None:
    try:
        modulus, exponent = (base64.urlsafe_b64decode(f"{jwk[name]}==") for name in ("n", "e"))
        # Asked before the library is: it would only warn of a short one. A very long one is slow on purpose.
        if not RSA_BITS <= int.from_bytes(modulus).bit_length() <= LONGEST_BITS or len(exponent) > LONGEST_EXPONENT:
            return None
        key = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
        return key if key.public_key else None
    except (JoseError, ValueError, KeyError, TypeError):
        return None
