"""Whatever comes over HTTP is answered with the right class of status: never a 5xx, on either database."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrs.database import Database
from lrs.multipart import write_multipart
from lrstest import ALICE, COURSE, statement
from xapitest import CALLERS, REGISTRATION, Visitor, create_app

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.sampled_from(
    ["statementId", "voidedStatementId", "agent", "verb", "activity", "registration", "related_agents", "since",
     "until", "limit", "format", "attachments", "ascending", "cursor", "activityId", "stateId", "profileId", "method"]
)  # fmt: skip
values = text | st.sampled_from(
    ["", "true", "0", "\x00", REGISTRATION, COURSE, json.dumps(ALICE), "{}", "[]", "null", "9" * 400, "x" * 5000,
     "2026-01-31T08:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-14:00",
     "0001-01-01T00:00:00+14:00", "PUT", "GET"]
)  # fmt: skip
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


#: What each resource takes, so that most requests are wrong in one thing alone.
_AGENT = json.dumps(ALICE)
VALID: dict[str, dict[str, str]] = {
    "statements": {},
    "activities/state": {"activityId": COURSE, "agent": _AGENT, "stateId": "s"},
    "activities/profile": {"activityId": COURSE, "profileId": "p"},
    "agents/profile": {"agent": _AGENT, "profileId": "p"},
    "activities": {"activityId": COURSE},
    "agents": {"agent": _AGENT},
    "about": {},
    "x": {},
}


def _changed(member: str, value: Any) -> bytes:
    return json.dumps({**statement(), member: value}).encode("utf-8", "surrogatepass")


bodies = st.one_of(
    st.binary(max_size=80),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.builds(
        _changed,
        st.sampled_from(["id", "actor", "verb", "object", "result", "context", "timestamp", "attachments", "stored"]),
        json_values,
    ),
    text.map(lambda name: json.dumps(statement(actor={**ALICE, "name": name + "\x00"})).encode()),
    text.map(lambda key: json.dumps(statement(context={"extensions": {f"http://x.org/{key}": "\x00"}})).encode()),
)
content_types = st.sampled_from(
    ["application/json", "application/json; charset=x", "multipart/mixed; boundary=a", "multipart/mixed",
     "application/x-www-form-urlencoded", "text/plain", "", "\x7f"]
)  # fmt: skip
etags = st.sampled_from(["*", '"x"', "W/x", "", ",,", "é"])


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]),
    resource=st.sampled_from([*VALID, "statements", "statements"]),
    change=st.dictionaries(names, values, max_size=1) | st.dictionaries(names | text, values, max_size=4),
    body=bodies,
    headers=st.fixed_dictionaries(
        {"Content-Type": content_types},
        optional={"If-Match": etags, "If-None-Match": etags, "Accept-Language": st.sampled_from(["id", ";;q=9", "*"])},
    ),
    version=st.sampled_from(["1.0.3", "2.0.0", "1.0.3", "2.0.0", "1.0", "x", None]),
    name=st.sampled_from([*CALLERS, "all", "all", "all", "all"]),
)
def test_nothing_that_comes_is_our_fault(db: Database, **request: Any) -> None:
    lrs = Visitor(create_app(db).test_client(), request["name"], request["version"])

    response = lrs.send(
        request["method"],
        request["resource"],
        {**VALID[request["resource"]], **request["change"]},
        headers=request["headers"],
        data=request["body"] if request["method"] in ("PUT", "POST") else None,
    )

    assert response.status_code < 500
    if request["method"] != "PATCH":
        assert response.headers["X-Experience-API-Version"]


DATA = b"\x00\r\n--a\xff"
MULTIPART = write_multipart(
    json.dumps(
        statement(
            attachments=[
                {
                    "usageType": "http://x.org/u",
                    "display": {"id": "x"},
                    "contentType": "text/plain",
                    "length": len(DATA),
                    "sha2": hashlib.sha256(DATA).hexdigest(),
                }
            ]
        )
    ).encode(),
    [(hashlib.sha256(DATA).hexdigest(), "text/plain", DATA)],
    "abc",
)
FORM = urlencode({"content": json.dumps(statement()), "X-Experience-API-Version": "1.0.3"}).encode()
_damage = st.tuples(st.floats(0, 1), st.integers(0, 30), st.binary(max_size=10) | st.just(b"\r\n--abc--"))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    whole=st.sampled_from([(MULTIPART, "multipart/mixed; boundary=abc"), (FORM, "application/x-www-form-urlencoded")]),
    damages=st.lists(_damage, min_size=1, max_size=3),
)
def test_a_damaged_body_is_refused_or_taken_and_never_our_fault(
    db: Database, whole: tuple[bytes, str], damages: list[tuple[float, int, bytes]]
) -> None:
    """A piece cut out, or something put in, anywhere in a multipart body or a form."""
    body, content_type = whole
    for where, length, instead in damages:
        at = int(where * len(body))
        body = body[:at] + instead + body[at + length :]
    parameters = {"method": "POST"} if content_type.endswith("urlencoded") else {}

    response = Visitor(create_app(db).test_client()).send(
        "POST", "statements", parameters, data=body, content_type=content_type
    )

    assert response.status_code in (200, 400, 409)
    if response.status_code == 400:
        assert response.get_json()["detail"]
