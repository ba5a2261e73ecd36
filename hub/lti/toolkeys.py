"""The public keys of tools: in their key sets, or given once instead of an address."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from hub.keysets import Jwk, KeyNotFound, KeySets, Source
from hub.systems.registry import Tool

if TYPE_CHECKING:
    from hub.runtime import Hub


class ToolKeys:
    """The keys of every tool, per process. Threads share it."""

    def __init__(self) -> None:
        self._sets = KeySets(_rsa_key)
        self._given: dict[str, RSAKey] = {}
        self._lock = threading.Lock()

    def find(self, hub: Hub, tool: Tool, kid: Any) -> RSAKey:
        """The key that the tool calls so; `KeyNotFound`. Called outside any transaction: it may read the key set.

        A tool that gave its public key instead of an address has one key, whatever it calls it.
        """
        if tool.jwks_url is None:
            return self._given_key(tool.public_key or "")
        if not isinstance(kid, str):
            raise KeyNotFound("The header of the assertion has no kid, so its key cannot be found in the key set.")
        return self._sets.find(hub, Source(tool.jwks_url, tool.internal, "this tool"), kid)

    def _given_key(self, pem: str) -> RSAKey:
        key = self._given.get(pem)
        if key is None:
            try:
                key = RSAKey.import_key(pem)
            except (JoseError, ValueError, TypeError) as error:
                raise KeyNotFound("The public key of this tool is no RSA key, and assertions are RS256.") from error
            with self._lock:
                self._given[pem] = key
        return key


def _rsa_key(jwk: Jwk) -> RSAKey | None:
    try:
        return RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
    except (JoseError, ValueError, TypeError):
        return None
