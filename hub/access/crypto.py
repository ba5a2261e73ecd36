"""What is derived from the hub's one secret: keys per purpose, keyed digests, sealed values, signed values.

A digest made for one purpose never equals one made for another, so a leaked table of launch tokens says nothing
about credentials.
"""

from __future__ import annotations

import base64
import functools
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealBroken(Exception):
    """What was sealed cannot be opened: it was changed, or WKMB_SECRET_KEY is another one."""


@dataclass(frozen=True)
class Keyring:
    """Keys of one hub. Never printed."""

    secret: bytes = field(repr=False)

    @functools.cache  # noqa: B019  # one keyring lives as long as its process
    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose (RFC 5869)."""
        return HKDF(SHA256(), 32, salt=None, info=f"wkmb-hub/{purpose}".encode()).derive(self.secret)

    def digest(self, purpose: str, value: str) -> bytes:
        """HMAC-SHA-256 of a random secret. Passwords go to argon2 instead."""
        return self._hash(purpose, value.encode())

    def _hash(self, purpose: str, value: bytes) -> bytes:
        hashing = self._keyed(purpose).copy()
        hashing.update(value)
        return hashing.digest()

    @functools.cache  # noqa: B019  # as `key`; to begin with the key each time costs half as much again
    def _keyed(self, purpose: str) -> hmac.HMAC:
        return hmac.new(self.key(purpose), digestmod="sha256")

    def seal(self, purpose: str, value: bytes, nonce: bytes) -> bytes:
        """Encrypt what the hub must be able to send itself; ``nonce`` is 12 random bytes."""
        return nonce + AESGCM(self.key(purpose)).encrypt(nonce, value, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """What was sealed; `SealBroken`."""
        try:
            return AESGCM(self.key(purpose)).decrypt(sealed[:12], sealed[12:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(purpose) from error

    def sign(self, purpose: str, value: Any, until: datetime) -> str:
        """URL-safe text that holds ``value`` (JSON) and is good until then. Not secret, only unforgeable."""
        body = orjson.dumps([value, int(until.timestamp())])
        return f"{_encode(body)}.{_encode(self._mark(purpose, body))}"

    def verify(self, purpose: str, text: str, now: datetime) -> Any | None:
        """The value that was signed; None if it was not signed for this, or is over."""
        body_text, _, mark = text.partition(".")
        try:
            body = _decode(body_text)
            if not hmac.compare_digest(_decode(mark), self._mark(purpose, body)):
                return None
        except ValueError:
            return None
        value, until = orjson.loads(body)
        return value if now.timestamp() < until else None

    def _mark(self, purpose: str, body: bytes) -> bytes:
        return self._hash(purpose, body)[:18]


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
