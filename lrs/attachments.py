"""Attachment data beside statements: is every part wanted, is every attachment there, does the signature hold?

Data 2.4.11 and 2.6: the data of an attachment comes as a part of the request, under its SHA-2, or lies at a
fileUrl. A signature is an attachment whose data is a JSON Web Signature of the statement without it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
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


def attachments_of(statement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of the statement and of its SubStatement."""
    target = statement["object"]
    inner = target.get("attachments", ()) if target.get("objectType") == "SubStatement" else ()
    return [*statement.get("attachments", ()), *inner]


def check_attachments(prepared: Sequence[Prepared], data: Mapping[str, bytes]) -> None:
    """`Invalid` with every attachment that has no data, part that nobody wants, and signature that does not hold."""
    problems: list[Problem] = []
    wanted: set[str] = set()
    for position, each in enumerate(prepared):
        path = f"statements[{position}]" if len(prepared) > 1 else "statement"
        for attachment in attachments_of(each.statement):
            sha2 = attachment["sha2"].lower()
            wanted.add(sha2)
            problems += _missing(attachment, sha2, data, path)
        problems += _signatures(each.statement, data, path)
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


def _signatures(statement: Mapping[str, Any], data: Mapping[str, bytes], path: str) -> Iterator[Problem]:
    for attachment in statement.get("attachments", ()):
        if attachment["usageType"] != SIGNATURE:
            continue
        if attachment["contentType"] != "application/octet-stream":
            yield Problem(f"{path}.attachments", _SIGNED, "the contentType of a signature is application/octet-stream")
        token = data.get(attachment["sha2"].lower())
        reason = _why_not_signed(statement, token) if token is not None else None
        if reason is not None:
            yield Problem(f"{path}.attachments", _SIGNED, reason)


def _why_not_signed(statement: Mapping[str, Any], token: bytes) -> str | None:
    """Why the JWS is not a signature of this statement, or None if it is one (Data 2.6)."""
    parts = token.split(b".")
    try:
        header, payload, signature = [_base64url(part) for part in parts]
        head, signed = parse_json(header), parse_json(payload)
    except (ValueError, binascii.Error, Malformed):
        return "the signature is not a JWS in compact form"
    algorithm = head.get("alg") if isinstance(head, dict) else None
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        return "the signature must use RS256, RS384 or RS512 (XAPI-00117)"
    if not isinstance(signed, dict) or not _is_the_same(statement, signed):
        return "the signed payload is not this statement without the signature (XAPI-00116)"
    if "x5c" not in head:
        return None
    return _why_not_verified(head, b".".join(parts[:2]), signature)


def _base64url(part: bytes) -> bytes:
    if b"=" in part or b"+" in part or b"/" in part:
        raise ValueError("not base64url without padding (RFC 7515)")
    return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _is_the_same(statement: Mapping[str, Any], signed: Mapping[str, Any]) -> bool:
    try:
        if digest(_unsigned(statement)) != digest(_unsigned(signed)):
            return False
        if "id" in signed and "id" in statement and signed["id"].lower() != statement["id"].lower():
            return False
        times = [each["timestamp"] for each in (statement, signed) if "timestamp" in each]
        return len(times) < 2 or parse_timestamp(times[0]) == parse_timestamp(times[1])
    except (AttributeError, KeyError, TypeError):
        return False


def _unsigned(statement: Mapping[str, Any]) -> dict[str, Any]:
    others = [each for each in statement.get("attachments", ()) if each.get("usageType") != SIGNATURE]
    rest = {name: member for name, member in statement.items() if name != "attachments"}
    return {**rest, "attachments": others} if others else rest


def _why_not_verified(head: Mapping[str, Any], signing_input: bytes, signature: bytes) -> str | None:
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(head["x5c"][0], validate=True))
    except (ValueError, TypeError, LookupError):
        return "x5c[0] is not a certificate in base64 (RFC 7515 4.1.6)"
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "x5c[0] holds no RSA key"
    try:
        key.verify(signature, signing_input, padding.PKCS1v15(), _ALGORITHMS[head["alg"]])
    except InvalidSignature:
        return "the signature does not verify with the key in x5c[0]"
    return None
