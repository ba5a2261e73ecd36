"""Attachment data beside statements: is every part wanted, is every attachment there, does the signature hold?

Data 2.4.11 and 2.6: the data of an attachment comes as a part of the request, under its SHA-2, or lies at a
fileUrl. A signature is an attachment whose data is a JSON Web Signature of the statement without it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lrs.errors import Invalid, Malformed, Problem
from lrs.formats import parse_timestamp
from lrs.jsontext import parse_json
from lrs.statements import Prepared, digest

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"

_SHA2 = {56: hashlib.sha224, 64: hashlib.sha256, 96: hashlib.sha384, 128: hashlib.sha512}
_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
_SIGNED = "XAPI-00115, Data 2.6"
_ANOTHER = "the signed payload is not this statement without the signature (XAPI-00116)"

#: A statement is signed by one, seldom by a few; each costs an RSA verification and reading the statement again.
MOST_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class _Signed:
    """A statement without its signatures, as far as Data 2.6 compares it. What one leaves out is not compared."""

    digest: int
    id: str | None
    timestamp: datetime | None

    def is_same_as(self, other: _Signed) -> bool:
        ids = {each.id for each in (self, other) if each.id is not None}
        times = {each.timestamp for each in (self, other) if each.timestamp is not None}
        return self.digest == other.digest and len(ids) < 2 and len(times) < 2


def attachments_of(statement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of the statement and of its SubStatement."""
    target = statement["object"]
    inner = target.get("attachments", ()) if target.get("objectType") == "SubStatement" else ()
    return [*statement.get("attachments", ()), *inner]


def check_attachments(prepared: Sequence[Prepared], data: Mapping[str, bytes]) -> None:
    """`Invalid` with every attachment that has no data, part that nobody wants, and signature that does not hold."""
    problems: list[Problem] = []
    wanted: set[str] = set()
    read: dict[str, _Signed | str] = {}
    for position, each in enumerate(prepared):
        path = f"statements[{position}]" if len(prepared) > 1 else "statement"
        for attachment in attachments_of(each.statement):
            sha2 = attachment["sha2"].lower()
            # By the digest alone: data must be matched in no other way. That length and Content-Type match as well is
            # asked of the request, not of the LRS (Communication 1.5.2).
            wanted.add(sha2)
            problems += _missing(attachment, sha2, data, path)
        problems += _signatures(each.statement, data, path, read)
    for sha2, content in data.items():
        if sha2 not in wanted:
            problems.append(Problem(f"part {sha2}", "XAPI-00128, Communication 1.5.2", "belongs to no attachment"))
        elif _SHA2[len(sha2)](content).hexdigest() != sha2:
            problems.append(Problem(f"part {sha2}", "Communication 1.5.2", "its data has another SHA-2 digest"))
    if problems:
        raise Invalid(problems)


def _missing(attachment: Mapping[str, Any], sha2: str, data: Mapping[str, bytes], path: str) -> Iterator[Problem]:
    if sha2 not in data and "fileUrl" not in attachment:
        reason = f"the data of {sha2} is neither a part of this request nor at a fileUrl"
        yield Problem(f"{path}.attachments", "XAPI-00127, Communication 1.5.2", reason)


def _signatures(
    statement: Mapping[str, Any], data: Mapping[str, bytes], path: str, read: dict[str, _Signed | str]
) -> Iterator[Problem]:
    """``read`` has what each part of this request was found to sign: statements may share one."""
    signatures = [each for each in statement.get("attachments", ()) if each["usageType"] == SIGNATURE]
    if len(signatures) > MOST_SIGNATURES:
        many = f"{len(signatures)} signatures are more than the {MOST_SIGNATURES} that one statement may have here"
        yield Problem(f"{path}.attachments", "a limit of this LRS", many)
        return
    if any(each["contentType"] != "application/octet-stream" for each in signatures):
        yield Problem(f"{path}.attachments", _SIGNED, "the contentType of a signature is application/octet-stream")
    came = dict.fromkeys(sha2 for each in signatures if (sha2 := each["sha2"].lower()) in data)
    received = _signed(statement) if came else None
    for sha2 in came:
        if sha2 not in read:
            read[sha2] = _read_jws(data[sha2])
        reason = _why_not_signed(received, read[sha2])
        if reason is not None:
            yield Problem(f"{path}.attachments", _SIGNED, reason)


def _why_not_signed(received: _Signed | None, signed: _Signed | str) -> str | None:
    """Why the JWS is not a signature of this statement, or None if it is one (Data 2.6)."""
    if isinstance(signed, str):
        return signed
    return None if received is not None and received.is_same_as(signed) else _ANOTHER


def _read_jws(token: bytes) -> _Signed | str:
    """What the JWS signs, or why it is no well-formed signature (Data 2.6, RFC 7515)."""
    # One more than the three that a JWS has tells of too many.
    parts = token.split(b".", 3)
    try:
        header, payload, signature = [_base64url(part) for part in parts]
        head, statement = parse_json(header), parse_json(payload)
    except (ValueError, binascii.Error, Malformed):
        return "the signature is not a JWS in compact form"
    reason = _why_not_understood(head)
    if reason is None and "x5c" in head:
        reason = _why_not_verified(head, b".".join(parts[:2]), signature)
    if reason is not None:
        return reason
    return _signed(statement) or _ANOTHER


def _why_not_understood(head: Any) -> str | None:
    algorithm = head.get("alg") if isinstance(head, dict) else None
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        return "the signature must use RS256, RS384 or RS512 (XAPI-00117)"
    # It lists extensions, of which none is understood here; with b64 the payload would be another one.
    if "crit" in head:
        return "the signature has a critical header that is not understood (RFC 7515 4.1.11)"
    return None


def _base64url(part: bytes) -> bytes:
    if b"=" in part or b"+" in part or b"/" in part:
        raise ValueError("not base64url without padding (RFC 7515)")
    return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _signed(statement: Any) -> _Signed | None:
    """None where it is no statement: a signed payload may be anything."""
    try:
        own_id = statement["id"].lower() if "id" in statement else None
        moment = parse_timestamp(statement["timestamp"]) if "timestamp" in statement else None
        if "timestamp" in statement and moment is None:
            return None
        return _Signed(digest(_unsigned(statement)), own_id, moment)
    except (AttributeError, KeyError, TypeError):
        return None


def _unsigned(statement: Mapping[str, Any]) -> dict[str, Any]:
    others = [each for each in statement.get("attachments", ()) if each.get("usageType") != SIGNATURE]
    rest = {name: member for name, member in statement.items() if name != "attachments"}
    return {**rest, "attachments": others} if others else rest


def _why_not_verified(head: Mapping[str, Any], signing_input: bytes, signature: bytes) -> str | None:
    try:
        der = base64.b64decode(head["x5c"][0], validate=True)
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, LookupError, x509.InvalidVersion, UnsupportedAlgorithm):
        return "x5c[0] is not a certificate in base64 with a key that can be read (RFC 7515 4.1.6)"
    if not isinstance(key, rsa.RSAPublicKey):
        return "x5c[0] holds no RSA key"
    try:
        key.verify(signature, signing_input, padding.PKCS1v15(), _ALGORITHMS[head["alg"]])
    except InvalidSignature:
        return "the signature does not verify with the key in x5c[0]"
    return None
