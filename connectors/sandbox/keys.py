"""The sandbox's own RSA key, made once in its home."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pylti1p3.registration import Registration


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA key pair, PEM encoded."""

    private_pem: str
    public_pem: str

    def jwks(self) -> dict[str, Any]:
        """The public half as a JSON Web Key Set (RFC 7517, 5)."""
        return {"keys": [dict(Registration.get_jwk(self.public_pem))]}


def new_key() -> Key:
    """A fresh key of 2,048 bits, the least that LTI's security framework allows."""
    return _from_private(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def load_key(path: Path) -> Key:
    """The key in the file; where there is none, a new one is made there, readable by the owner alone."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new_key().private_pem)
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return _from_private(private)


def _from_private(private: rsa.RSAPrivateKey) -> Key:
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Key(private_pem.decode(), public_pem.decode())
