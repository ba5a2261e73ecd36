"""Attachments and signatures (Data 2.4.11, 2.6; Communication 1.5.2)."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lrs import attachments, multipart, query, statements, store
from lrs.errors import Invalid, Malformed
from lrstest import WRITER, Store, statement

BOUNDARY = "abc.123"
DATA = b"%PDF\r\n--abc.12\r\n\x00\xff"
SHA2 = hashlib.sha256(DATA).hexdigest()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def attachment(**members: Any) -> dict[str, Any]:
    return {
        "usageType": "https://example.org/certificate",
        "display": {"id": "Sertifikat"},
        "contentType": "application/pdf",
        "length": len(DATA),
        "sha2": SHA2,
        **members,
    }


def body(first: bytes = b"{}", *parts: tuple[str, bytes]) -> bytes:
    text = b"--abc.123\r\nContent-Type: application/json\r\n\r\n" + first
    for head, data in parts:
        text += b"\r\n--abc.123\r\n" + head.encode() + b"\r\n\r\n" + data
    return text + b"\r\n--abc.123--\r\n"


HEAD = f"Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {SHA2}"


def test_parts_come_back_as_they_are() -> None:
    text, data = multipart.parse_multipart(body(b'{"a":1}', (HEAD, DATA)), BOUNDARY)

    assert text == b'{"a":1}'
    assert data == {SHA2: DATA}


def test_what_is_written_can_be_read() -> None:
    written = multipart.write_multipart(b'{"statements":[]}', [(SHA2, "application/pdf", DATA)], BOUNDARY)

    assert multipart.parse_multipart(written, BOUNDARY) == (b'{"statements":[]}', {SHA2: DATA})


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        (body(), None),
        (body(), ""),
        (body(), "x" * 71),
        (body(), "other"),
        (b"", BOUNDARY),
        (body()[:-8], BOUNDARY),
        (body()[:-20], BOUNDARY),
        (body().replace(b"application/json", b"text/plain"), BOUNDARY),
        (body(b"{}", (HEAD.replace("binary", "base64"), DATA)), BOUNDARY),
        (body(b"{}", ("Content-Transfer-Encoding: binary", DATA)), BOUNDARY),
        (body(b"{}", (f"X-Experience-API-Hash: {SHA2}", DATA)), BOUNDARY),
        (body(b"{}", (HEAD + "\r\nContent-Transfer-Encoding: binary", DATA)), BOUNDARY),
        (body(b"{}", (HEAD, DATA), (HEAD, DATA + b"x")), BOUNDARY),
    ],
)
def test_broken_multipart_is_refused(text: bytes, boundary: str | None) -> None:
    """XAPI-00127 to XAPI-00138, Communication 1.5.2."""
    with pytest.raises(Malformed):
        multipart.parse_multipart(text, boundary)


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/mixed; boundary=abc", "abc"),
        ('multipart/mixed; boundary="a b"', "a b"),
        ("multipart/mixed", None),
    ],
)
def test_the_boundary_is_read_from_the_header(header: str, boundary: str | None) -> None:
    assert multipart.boundary_of(header) == boundary


def check(given: dict[str, Any], data: dict[str, bytes]) -> None:
    parsed = statements.parse(orjson.dumps(given))
    prepared = statements.prepare(parsed, version="2.0.0", writer=WRITER, new_id=uuid4)
    attachments.check_attachments(prepared, data)


def test_every_attachment_has_data_and_every_part_an_attachment() -> None:
    """XAPI-00128, Communication 1.5.2."""
    check(statement(attachments=[attachment()]), {SHA2: DATA})
    check(statement(attachments=[attachment(fileUrl="https://example.org/x")]), {})
    check(statement(attachments=[attachment(fileUrl="https://example.org/x")]), {SHA2: DATA})
    for given, data in (
        (statement(attachments=[attachment()]), {}),
        (statement(), {SHA2: DATA}),
        (statement(attachments=[attachment()]), {SHA2: DATA + b"x"}),
    ):
        with pytest.raises(Invalid):
            check(given, data)


def test_data_is_stored_once_and_found_by_its_digest(lrs: Store) -> None:
    for _ in range(2):
        prepared = lrs.prepare(statement(attachments=[attachment()]))
        with lrs.sequence.writing() as ticket:
            lrs.db.run(lambda conn, these=prepared, now=ticket: store.save(conn, these, now, {SHA2: DATA}))

    with lrs.db.read() as conn:
        assert query.find_attachment(conn, SHA2.upper()) == DATA
        assert query.find_attachment(conn, "00" * 32) is None


# Signatures ----------------------------------------------------------------------------------------------


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    signed = made.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(Encoding.DER)).decode()


def _part(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _jws(payload: dict[str, Any], *, alg: str = "RS256", key: rsa.RSAPrivateKey = KEY, **header: Any) -> bytes:
    head = {"alg": alg, "x5c": [_certificate(KEY)], **header}
    signed = _part(orjson.dumps(head)) + b"." + _part(orjson.dumps(payload))
    return signed + b"." + _part(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))


def check_signed(given: dict[str, Any], token: bytes, **members: Any) -> None:
    sha2 = hashlib.sha256(token).hexdigest()
    signature = attachment(
        usageType=attachments.SIGNATURE,
        contentType="application/octet-stream",
        sha2=sha2,
        length=len(token),
    )
    check({**given, "attachments": [{**signature, **members}]}, {sha2: token})


def test_a_signature_of_this_statement_holds() -> None:
    """XAPI-00115, Data 2.6."""
    given = statement(result={"duration": "PT1.239S"})

    check_signed(given, _jws(given))
    check_signed(given, _jws({**given, "result": {"duration": "PT1.23S"}}))
    check_signed(given, _jws({name: given[name] for name in reversed(given)}))


@pytest.mark.parametrize(
    "change",
    [
        {"verb": {"id": "http://x.org/other"}},
        {"id": "11111111-1111-4111-8111-111111111111"},
        {"timestamp": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_signature_of_another_statement_is_refused(change: dict[str, Any]) -> None:
    """XAPI-00116."""
    given = statement(timestamp="2026-01-31T08:00:00Z")

    with pytest.raises(Invalid):
        check_signed(given, _jws({**given, **change}))


def test_a_signature_that_is_none_is_refused() -> None:
    """XAPI-00117 and RFC 7515."""
    given = statement()
    good = _jws(given)
    for token in (
        b"",
        b"a.b",
        good + b"=",
        good[:-20] + b"A" * 20,
        _jws(given, alg="none"),
        _jws(given, alg="HS256"),
        _jws(given, alg="RS384"),
        _jws(given, key=OTHER_KEY),
        _jws(given, x5c=["no certificate"]),
        _jws(given, x5c=[]),
    ):
        with pytest.raises(Invalid):
            check_signed(given, token)
    with pytest.raises(Invalid):
        check_signed(given, good, contentType="text/plain")
