"""Whatever is wrong with a body: the right 4xx, with the place, the requirement and the reason; nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lrs.database import Database
from lrs.errors import MOST_PROBLEMS
from lrs.statements import MOST_AT_ONCE
from lrstest import statement
from xapitest import Visitor, create_app


@pytest.fixture
def database_kind() -> str:
    """Nearly all of this is refused before the database hears of it."""
    return "sqlite"


@pytest.fixture
def lrs(db: Database) -> Visitor:
    return Visitor(create_app(db).test_client())


def with_text(text: str, **members: Any) -> bytes:
    """A statement with this JSON in the place of its result."""
    return json.dumps({**statement(), **members, "result": "?"}).replace('"?"', text).encode("utf-8", "surrogatepass")


def post(lrs: Visitor, body: bytes, content_type: str = "application/json") -> Any:
    return lrs.send("POST", "statements", data=body, content_type=content_type)


NOT_JSON = {
    "nothing": b"",
    "a brace": b"{",
    "two values": b"{}{}",
    "not a number": with_text('{"score":{"raw":NaN}}'),
    "infinity": with_text('{"score":{"raw":-Infinity}}'),
    "beyond every number": with_text('{"score":{"raw":1e999}}'),
    "a lone surrogate": with_text('{"response":"\\ud800"}'),
    "the bytes of a surrogate": with_text('{"response":"\ud800"}'),
    "bytes that are no UTF-8": with_text('{"response":"?"}').replace(b'"?"', b'"\xff"'),
    "a byte order mark": b"\xef\xbb\xbf" + with_text("{}"),
    "a comment": with_text("{}/**/"),
    "a control character": with_text('{"response":"\x01"}'),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_strict_json_is_refused(lrs: Visitor, body: bytes) -> None:
    response = post(lrs, body)

    assert response.status_code == 400
    assert "is not JSON" in response.get_json()["detail"]
    assert lrs.find() == []


REPEATED = {
    "at the top": b'{"verb":1,"verb":1}',
    "in depth": with_text('{"extensions":{"http://x.org/a":[{"b":1,"b":2}]}}'),
    "written with an escape": with_text('{"success":true,"succes\\u0073":false}'),
    "among very many": b'{"a":0,' + b",".join(b'"%d":1' % number for number in range(100_000)) + b',"a":1}',
}


@pytest.mark.parametrize("body", REPEATED.values(), ids=REPEATED.keys())
def test_a_repeated_key_is_refused_by_its_name(lrs: Visitor, body: bytes) -> None:
    response = post(lrs, body)

    assert response.status_code == 400
    assert "twice in one object" in response.get_json()["detail"]


@pytest.mark.parametrize("depth", [250, 100_000])
def test_deep_nesting_is_refused(lrs: Visitor, depth: int) -> None:
    response = post(lrs, with_text('{"extensions":{"http://x.org/a":%s}}' % ("[" * depth + "]" * depth)))

    assert response.status_code == 400
    assert response.get_json()["detail"].startswith(("The body nests deeper", "The body is not JSON: depth"))


@pytest.mark.parametrize("value", [None, True, 5, "x", [5], [[]], [None], [{}], {}])
def test_what_is_no_statement_is_refused_with_place_and_requirement(lrs: Visitor, value: Any) -> None:
    """XAPI-00014, XAPI-00003."""
    response = post(lrs, json.dumps(value).encode())

    assert response.status_code == 400
    for problem in response.get_json()["problems"]:
        assert problem["path"].startswith("statement")
        assert problem["requirement"]
        assert problem["reason"]


KEPT = {
    "the first version": with_text("{}", version="1.0.0"),
    "a short version": with_text("{}", version="1.0"),
    "ten million characters": with_text('{"response":"%s"}' % ("é" * 5_000_000)),
    "a number of many digits": with_text('{"score":{"raw":%s}}' % ("9" * 40)),
    "many decimals": with_text('{"score":{"scaled":0.%s}}' % ("3" * 400)),
    "U+0000": with_text('{"response":"a\\u0000b","extensions":{"http://x.org/a":"\\u0000"}}'),
    "a name beyond the first plane": with_text('{"response":"\\ud83d\\ude00"}'),
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT.keys())
def test_what_is_odd_and_right_is_given_back_as_it_came(lrs: Visitor, body: bytes) -> None:
    """XAPI-00002: numbers keep every digit; XAPI-00330: nothing is changed because of a version."""
    assert post(lrs, body).status_code == 200

    [answer] = lrs.find()
    assert lrs.send("GET", "statements", {"statementId": answer}).data.startswith(body[:-1])


def test_a_batch_has_a_size_and_every_wrong_one_of_it_is_told_within_reason(lrs: Visitor) -> None:
    """XAPI-00327 to XAPI-00329, Communication 3.2: 400 for what is wrong, 413 for what is too much."""
    too_many = post(lrs, b"[" + b",".join([b"1"] * (MOST_AT_ONCE + 1)) + b"]")
    all_wrong = post(lrs, b"[" + b",".join([b"1"] * MOST_AT_ONCE) + b"]")
    many_keys = post(lrs, json.dumps({**statement(), **{f"x{number}": 1 for number in range(5000)}}).encode())

    assert too_many.status_code == 413
    assert str(MOST_AT_ONCE) in too_many.get_json()["detail"]
    for refused in (all_wrong, many_keys):
        assert refused.status_code == 400
        assert len(refused.get_json()["problems"]) == MOST_PROBLEMS
        assert refused.get_json()["detail"].endswith("mend these first")
    assert lrs.find() == []


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Encoding": "gzip"}, b"{}", 415),
        ({"Content-Type": "text/plain"}, b"{}", 400),
        ({"Content-Type": "multipart/mixed"}, b"--x--", 400),
        ({"Content-Type": "multipart/mixed; boundary=x"}, b"--x\r\n\r\n{}\r\n", 400),
        ({"Content-Type": "multipart/mixed; boundary=x"}, b"\r\n--y--\r\n", 400),
    ],
)
def test_a_wrong_envelope_has_its_own_answer_in_the_version_of_the_request(
    lrs: Visitor, headers: dict[str, str], body: bytes, status: int, version: str
) -> None:
    response = lrs.using(version=version).send(
        "POST", "statements", headers={"Content-Type": "application/json", **headers}, data=body
    )

    assert response.status_code == status
    assert response.headers["X-Experience-API-Version"] == version
    assert response.get_json()["detail"]
