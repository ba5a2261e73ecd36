"""Attachments and signatures (Data 2.4.11, 2.6; Communication 1.5.2)."""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import UTC, datetime
from email import policy
from email.encoders import encode_noop
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from typing import Any
from uuid import uuid4

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
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


def by_email_package(*, preamble: str | None = None, epilogue: str | None = None) -> tuple[bytes, str | None]:
    """The body, and the boundary, that Python's own MIME writer makes. It folds long headers."""
    whole = MIMEMultipart("mixed", policy=policy.SMTP)
    whole.preamble, whole.epilogue = preamble, epilogue
    whole.attach(MIMEApplication(b'{"a":1}', "json", encode_noop, policy=policy.SMTP))
    part = MIMEApplication(DATA, "pdf", encode_noop, policy=policy.SMTP)
    part["Content-Transfer-Encoding"] = "binary"
    part["X-Experience-API-Hash"] = SHA2
    whole.attach(part)
    return whole.as_bytes().partition(b"\r\n\r\n")[2], whole.get_boundary()


@pytest.mark.parametrize("preamble", [None, "This is a multi-part message in MIME format.", "\r\n-- not yet\r\n"])
@pytest.mark.parametrize("epilogue", [None, "", "over\r\n"])
def test_what_the_email_package_writes_is_taken(preamble: str | None, epilogue: str | None) -> None:
    """XAPI-00127, Communication 1.5.2: the request conforms to RFC 2046."""
    text, boundary = by_email_package(preamble=preamble, epilogue=epilogue)

    assert f"X-Experience-API-Hash:\r\n {SHA2}".encode() in text.replace(b": \r\n", b":\r\n")
    assert (preamble or "") in text.decode("latin-1")
    assert multipart.parse_multipart(text, boundary) == (b'{"a":1}', {SHA2: DATA})


PLAIN = body(b'{"a":1}', (HEAD, DATA))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(b"--abc.123\r\n", b"--abc.123 \t \r\n"),
        PLAIN.replace(b"--abc.123--\r\n", b"--abc.123-- \t\r\nan epilogue\r\n--abc.123\r\n"),
        PLAIN.removesuffix(b"\r\n"),
        b"\r\n" + PLAIN,
        b"--abc.12\r\n--abc.1234\r\n" + PLAIN,
        PLAIN.replace(b": ", b":\r\n\t \r\n "),
        PLAIN.replace(b": ", b":"),
        PLAIN.replace(b"\r\n\r\n", b" \r\n \r\n\r\n"),
    ],
    ids=["padding", "epilogue", "no last line end", "empty line", "preamble", "folds", "no space", "white space"],
)
def test_a_body_may_have_what_rfc_2046_lets_it_have(text: bytes) -> None:
    """5.1.1: a preamble, transport padding, an epilogue; and folded headers (RFC 5322 2.2.3)."""
    assert multipart.parse_multipart(text, BOUNDARY) == (b'{"a":1}', {SHA2: DATA})


def test_an_attachment_may_be_empty() -> None:
    empty = hashlib.sha256(b"").hexdigest()
    head = HEAD.replace(SHA2, empty)

    assert multipart.parse_multipart(body(b"{}", (head, b"")), BOUNDARY)[1] == {empty: b""}
    # The empty line is of the body: a part without one may end with its headers (RFC 2046 5.1.1).
    assert multipart.parse_multipart(body(b"{}", (head, b"")).replace(b"\r\n" * 3, b"\r\n" * 2), BOUNDARY)[1] == {
        empty: b""
    }


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"\r\n--abc.12",
        b"--abc.12\r\n",
        b"\n--abc.123\n",
        b"\r--abc.123\r",
        b"\r\n--abc.1234\r\n",
        b"\r\n--abc.123 x\r\n",
        b"\r\n--abc.123-\r\n",
        b"\r\n\r\n--abc",
    ],
)
def test_data_that_looks_like_a_boundary_is_data(data: bytes) -> None:
    assert multipart.parse_multipart(body(b"{}", (HEAD, data)), BOUNDARY)[1] == {SHA2: data}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"--abc.123--\r\n", "no part"),
        (b"--abc.123\r\n--abc.123--\r\n", "cut off"),
        (b"--abc.123\r\n\r\n--abc.123--\r\n", "application/json"),
        (PLAIN.replace(b"\r\n", b"\n"), "lines end without CR"),
        (PLAIN.replace(b"--abc.123\r\nC", b"--abc.123\r\n folded: x\r\nC", 1), "Part 1 has a line"),
        (PLAIN.replace(HEAD.encode(), b" " + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"\r\n" + HEAD.encode()), "no X-Experience-API-Hash"),
        (PLAIN.replace(HEAD.encode(), b"no colon\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b": no name\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"a b: c\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"a: b\nc: d\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"a: b\rc: d\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"a: \x00\r\n" + HEAD.encode()), "Part 2 has a line"),
        (PLAIN.replace(HEAD.encode(), b"a: b\r\n" * 2 + HEAD.encode()), "header a twice"),
        (PLAIN.replace(HEAD.encode(), b"".join(b"a%d: b\r\n" % i for i in range(6)) + HEAD.encode()), "more than 8"),
        (PLAIN.replace(HEAD.encode(), b"a: b\r\n" * 10_000 + HEAD.encode()), "bytes of headers"),
        (PLAIN.replace(HEAD.encode(), b"a: b\r\n" * 4_000 + HEAD.encode()), "more than 8"),
        (PLAIN.replace(HEAD.encode(), b"a: " + b"b" * 40_000 + b"\r\n" + HEAD.encode()), "bytes of headers"),
        (PLAIN.replace(HEAD.encode(), b"a: b" + b"\r\n " * 20_000 + b"\r\n" + HEAD.encode()), "bytes of headers"),
        (b"--abc.123\r\nContent-Type: application/json\r\n\r\n" + b"x" * 100_000, "cut off"),
    ],
)
def test_what_is_no_multipart_is_refused_with_its_reason(text: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        multipart.parse_multipart(text, BOUNDARY)


@pytest.mark.parametrize(
    "piece",
    [
        b"x",
        b"\r",
        b"\r\n",
        b"\r\n ",
        b" ",
        b"\r\n--abc.12",
        b"\r\n--abc.123",
        b"\r\n--abc.123 \t",
        b"\r\n--abc.123\r\n",
        b"\r\n--abc.123\r\n\r\n",
        b"\r\n--abc.123\r\n" + HEAD.encode() + b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", b"--abc.123", b"--abc.123\r\n", PLAIN.removesuffix(b"--\r\n")])
def test_long_bodies_are_read_once(before: bytes, piece: bytes) -> None:
    """Four million bytes of what may begin a boundary, a fold or a part: a second try at each would take minutes."""
    began = time.process_time()

    with pytest.raises(Malformed):
        multipart.parse_multipart(before + piece * (4_000_000 // len(piece)), BOUNDARY)

    assert time.process_time() - began < 2


def test_a_stored_content_type_writes_no_header_of_its_own() -> None:
    evil = 'text/plain; a="x\r\nX-Evil: 1\r\n\r\nearly body\r\n"'

    written = multipart.write_multipart(b"{}", [(SHA2, evil, DATA)], BOUNDARY)

    assert multipart.parse_multipart(written, BOUNDARY) == (b"{}", {SHA2: DATA})
    assert b"\nX-Evil" not in written


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
        assert query.find_attachments(conn, [SHA2.upper(), SHA2, "00" * 32]) == {SHA2: DATA}
        assert query.find_attachments(conn, []) == {}


# Signatures ----------------------------------------------------------------------------------------------


def _certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    signed = made.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(Encoding.DER)).decode()


def _changed(old: str, new: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY) -> str:
    """A certificate with other bytes at one place; both in hex."""
    der = base64.b64decode(_certificate(key))
    assert bytes.fromhex(old) in der
    return base64.b64encode(der.replace(bytes.fromhex(old), bytes.fromhex(new), 1)).decode()


def _part(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


DIGESTS = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}


def _jws(payload: Any, *, alg: Any = "RS256", key: rsa.RSAPrivateKey = KEY, by: str = "RS256", **header: Any) -> bytes:
    """A JWS that says ``alg`` and is signed ``by``; a member of the header that is None is left out."""
    head = {"alg": alg, "x5c": [_certificate(KEY)], **header}
    head = {name: value for name, value in head.items() if value is not None}
    signed = _part(orjson.dumps(head)) + b"." + _part(orjson.dumps(payload))
    return signed + b"." + _part(key.sign(signed, padding.PKCS1v15(), DIGESTS[by]))


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


@pytest.mark.parametrize("alg", DIGESTS)
def test_the_three_algorithms_are_taken_with_and_without_a_certificate(alg: str) -> None:
    """XAPI-00117: RS256, RS384, RS512; x5c is optional, and checked where it is there."""
    given = statement()

    check_signed(given, _jws(given, alg=alg, by=alg))
    check_signed(given, _jws(given, alg=alg, by=alg, x5c=None))
    check_signed(given, _jws(given, alg=alg, by=alg, x5c=[_certificate(KEY), "the rest of the chain is not read"]))
    for other in set(DIGESTS) - {alg}:
        with pytest.raises(Invalid, match="does not verify"):
            check_signed(given, _jws(given, alg=alg, by=other))


GIVEN = statement()
GOOD = _jws(GIVEN)
NO_SIGNATURES = {
    "nothing": (b"", "not a JWS"),
    "two parts": (b"a.b", "not a JWS"),
    "four parts": (GOOD + b".e30", "not a JWS"),
    "padding": (GOOD + b"=", "not a JWS"),
    "base64 that is not url-safe": (GOOD + b"+/", "not a JWS"),
    "a header that is no JSON": (b".".join([_part(b"{"), *GOOD.split(b".")[1:]]), "not a JWS"),
    "a header that is no object": (b".".join([_part(b"[]"), *GOOD.split(b".")[1:]]), "RS256"),
    "no algorithm": (_jws(GIVEN, alg=None), "RS256"),
    "none": (_jws(GIVEN, alg="none"), "RS256"),
    "HS256": (_jws(GIVEN, alg="HS256"), "RS256"),
    "ES256": (_jws(GIVEN, alg="ES256"), "RS256"),
    "PS256": (_jws(GIVEN, alg="PS256"), "RS256"),
    "an algorithm in another case": (_jws(GIVEN, alg="rs256"), "RS256"),
    "an algorithm that is no text": (_jws(GIVEN, alg=["RS256"]), "RS256"),
    "a header that nests too deep": (b".".join([_part(b"[" * 900 + b"]" * 900), *GOOD.split(b".")[1:]]), "not a JWS"),
    "another payload": (_jws({**GIVEN, "result": {"success": True}}), "not this statement"),
    "a payload that is no object": (_jws([GIVEN]), "not this statement"),
    "a payload with less": (_jws({name: GIVEN[name] for name in ("actor", "verb")}), "not this statement"),
    "a signature that was changed": (GOOD[:-20] + b"A" * 20, "does not verify"),
    "another key": (_jws(GIVEN, key=OTHER_KEY), "does not verify"),
    "no certificate": (_jws(GIVEN, x5c=["no certificate"]), "not a certificate"),
    "a certificate of no version": (_jws(GIVEN, x5c=[_changed("a003020102", "a003020103")]), "a certificate"),
    "an unknown kind of key": (
        _jws(GIVEN, x5c=[_changed("2a864886f70d010101", "2a864886f70d010163")]),
        "a certificate",
    ),
    "an even exponent": (_jws(GIVEN, x5c=[_changed("0203010001", "0203010002")]), "a certificate"),
    "an unknown curve": (
        _jws(GIVEN, x5c=[_changed("2a8648ce3d030107", "2a8648ce3d030163", ec.generate_private_key(ec.SECP256R1()))]),
        "a certificate",
    ),
    "a certificate and more": (_jws(GIVEN, x5c=[_changed("30", "3030")]), "a certificate"),
    "a payload that is not encoded": (_jws(GIVEN, crit=["b64"], b64=False), "RFC 7515 4.1.11"),
    "an unknown critical header": (_jws(GIVEN, crit=["exp"], exp=1, x5c=None), "RFC 7515 4.1.11"),
    "no critical headers": (_jws(GIVEN, crit=[]), "RFC 7515 4.1.11"),
    "many parts": (b"." * 4_000_000, "not a JWS"),
    "a payload whose id is no text": (_jws({**GIVEN, "id": 5}), "not this statement"),
    "a payload whose timestamp is none": (_jws({**GIVEN, "timestamp": "yesterday"}), "not this statement"),
    "a payload whose attachments are none": (_jws({**GIVEN, "attachments": [5]}), "not this statement"),
    "an empty chain": (_jws(GIVEN, x5c=[]), "not a certificate"),
    "x5c that is no list": (_jws(GIVEN, x5c={"a": 1}), "not a certificate"),
}


@pytest.mark.parametrize(("token", "why"), NO_SIGNATURES.values(), ids=NO_SIGNATURES.keys())
def test_a_signature_that_is_none_is_refused_with_its_reason(token: bytes, why: str) -> None:
    """XAPI-00115 to XAPI-00117, Data 2.6 and RFC 7515."""
    with pytest.raises(Invalid, match=why):
        check_signed(GIVEN, token)


def test_a_certificate_with_another_kind_of_key_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    with pytest.raises(Invalid, match="no RSA key"):
        check_signed(GIVEN, _jws(GIVEN, x5c=[_certificate(key)]))


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("damage", [0x01, 0x80, 0xFF])
def test_a_damaged_certificate_is_never_an_error_of_the_server(damage: int) -> None:
    """Data 2.6: malformed signatures are refused with 400, whichever byte of the certificate is wrong."""
    der = base64.b64decode(_certificate(KEY))
    refusals = set()
    taken = 0

    for position, byte in enumerate(der):
        damaged = der[:position] + bytes([byte ^ damage]) + der[position + 1 :]
        try:
            check_signed(GIVEN, _jws(GIVEN, x5c=[base64.b64encode(damaged).decode()]))
            taken += 1
        except Invalid as error:
            refusals.add(error.problems[0].reason.partition("x5c[0]")[1])

    assert refusals == {"x5c[0]"}
    # Names, dates and the issuer's signature are not looked at; the key, a third of it, is.
    assert len(der) // 3 < taken < len(der) * 2 // 3


def _signature(token: bytes, **members: Any) -> dict[str, Any]:
    sha2 = hashlib.sha256(token).hexdigest()
    kind = {"usageType": attachments.SIGNATURE, "contentType": "application/octet-stream"}
    return attachment(**kind, sha2=sha2, length=len(token), **members)


def _data(*tokens: bytes) -> dict[str, bytes]:
    return {hashlib.sha256(token).hexdigest(): token for token in tokens}


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every statement that was read to the end to compare it."""
    seen: list[Any] = []

    def digest(given: Any) -> int:
        seen.append(given)
        return statements.digest(given)

    monkeypatch.setattr(attachments, "digest", digest)
    return seen


def test_a_part_that_several_signatures_share_is_verified_once(digested: list[Any]) -> None:
    """Its own statement is read once, and so is the signed one, however often their attachments name it."""
    signed = {**GIVEN, "attachments": [_signature(GOOD, display={"id": f"{number}"}) for number in range(10)]}
    signed["attachments"][3]["sha2"] = signed["attachments"][3]["sha2"].upper()

    check(signed, _data(GOOD))

    assert len(digested) == 2


def test_a_part_that_several_statements_share_is_verified_once(digested: list[Any]) -> None:
    """Without an id and a time of their own, the signature is of each of them."""
    bare = {name: value for name, value in GIVEN.items() if name not in ("id", "timestamp")}
    token = _jws(bare)

    check([{**bare, "id": str(uuid4()), "attachments": [_signature(token)]} for _ in range(20)], _data(token))  # type: ignore[arg-type]

    assert len(digested) == 21


def test_a_shared_part_that_signs_another_statement_is_told_of_each() -> None:
    other = {**GIVEN, "verb": {"id": "http://x.org/other"}, "id": str(uuid4()), "attachments": [_signature(GOOD)]}

    with pytest.raises(Invalid) as refused:
        check([{**GIVEN, "attachments": [_signature(GOOD)]}, other], _data(GOOD))  # type: ignore[arg-type]

    assert [problem.path for problem in refused.value.problems] == ["statements[1].attachments"]


def test_a_statement_may_have_several_signatures_but_not_any_number() -> None:
    """Ten, a limit of this LRS; their data may be one part or several."""
    tokens = [_jws(GIVEN, kid=f"{number}") for number in range(11)]

    check({**GIVEN, "attachments": [_signature(token) for token in tokens[:10]]}, _data(*tokens[:10]))
    for many in (tokens, [GOOD] * 11, [GOOD] * 1000):
        with pytest.raises(Invalid, match="signatures are more than the 10 that one statement"):
            check({**GIVEN, "attachments": [_signature(token) for token in many]}, _data(*many))


def test_every_signature_of_a_statement_must_hold() -> None:
    bad = _jws(GIVEN, key=OTHER_KEY)

    with pytest.raises(Invalid, match="does not verify"):
        check({**GIVEN, "attachments": [_signature(GOOD), _signature(bad)]}, _data(GOOD, bad))


def test_a_signature_is_of_one_type() -> None:
    """XAPI-00113, Data 2.6."""
    with pytest.raises(Invalid, match="application/octet-stream"):
        check_signed(GIVEN, GOOD, contentType="text/plain")
