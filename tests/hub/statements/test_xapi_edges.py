"""Where a request is right and an LRS easily wrong: headers of every answer, odd times, other ways of asking."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from hub.application import create_app as create_hub_app
from hub.runtime import Hub
from hub.statements import xapi
from lrs.database import Database
from lrs.multipart import parse_multipart, write_multipart
from lrstest import ALICE, COURSE, reference, statement
from xapitest import Visitor, create_app

STATE = {"activityId": COURSE, "agent": json.dumps(ALICE)}


@pytest.fixture
def lrs(db: Database) -> Visitor:
    return Visitor(create_app(db).test_client(), version="2.0.0")


# Headers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.95", "1.1.0", "3.0.0", "x"])
def test_about_refuses_no_version(lrs: Visitor, version: str) -> None:
    """Communication 2.8; 2.0 4.1.6.7."""
    assert lrs.using(version=version).send("GET", "about").status_code == 200


def test_each_answer_about_statements_says_through_when_it_is_whole(lrs: Visitor) -> None:
    """Communication 2.1.3: "on all responses"."""
    given = statement()

    answers = [
        lrs.post(given),
        lrs.send("PUT", "statements", {"statementId": given["id"]}, json=given),
        lrs.post({"wrong": True}),
        lrs.send("GET", "statements"),
    ]

    assert [each.status_code for each in answers] == [200, 204, 400, 200]
    assert all("X-Experience-API-Consistent-Through" in each.headers for each in answers)


def test_a_list_says_when_its_newest_was_stored(lrs: Visitor) -> None:
    """2.0 4.1.6.1."""
    lrs.post(statement())
    time.sleep(1)
    newest = statement()
    lrs.post(newest)

    one = lrs.send("GET", "statements", {"statementId": newest["id"]})
    both = [lrs.send("GET", "statements", {"ascending": word}) for word in ("true", "false")]

    assert {each.headers["Last-Modified"] for each in both} == {one.headers["Last-Modified"]}
    assert "Last-Modified" not in lrs.send("GET", "statements", {"activity": "https://nowhere.example"}).headers


def test_no_cache_keeps_a_document(lrs: Visitor) -> None:
    where = {**STATE, "stateId": "bookmark"}
    lrs.send("PUT", "activities/state", where, json={}, headers={"If-None-Match": "*"})

    assert lrs.send("GET", "activities/state", where).headers["Cache-Control"] == "private, no-cache"


@pytest.fixture
def whole_hub(hub: Hub) -> Visitor:
    return Visitor(create_hub_app(hub).test_client())


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "BREW"])
def test_a_method_that_is_none_is_refused_as_the_rest_is(whole_hub: Visitor, method: str) -> None:
    response = whole_hub.send(method, "statements")

    assert response.status_code == 405
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Experience-API-Version"] == "1.0.3"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_crash_is_told_as_the_rest_is(whole_hub: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(xapi, "_dispatch", fail)
    response = whole_hub.send("GET", "statements")

    assert response.status_code == 500
    assert response.get_json()["reference"]
    assert "nobody" not in response.get_data(as_text=True)
    assert response.headers["X-Experience-API-Version"] == "1.0.3"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_an_address_with_a_slash_at_its_end_is_the_same(whole_hub: Visitor) -> None:
    """LMSs put "/statements" behind what they were given."""
    assert whole_hub.send("GET", "/about").status_code == 200
    assert whole_hub.send("OPTIONS", "//activities/state").status_code == 204


# Parameters ----------------------------------------------------------------------------------------------


def test_a_document_is_asked_for_by_its_name_or_by_its_time(lrs: Visitor) -> None:
    """2.0 4.1.6.2: since is not allowed beside stateId."""
    since = {"since": "2026-01-01T00:00:00Z"}

    assert lrs.send("GET", "activities/state", {**STATE, **since}).status_code == 200
    assert lrs.send("GET", "activities/state", {**STATE, **since, "stateId": "a"}).status_code == 400


def test_an_empty_format_is_none(lrs: Visitor) -> None:
    assert lrs.send("GET", "statements", {"format": ""}).status_code == 400


@pytest.mark.parametrize("query", ["stateId=%FF", "stateId=a%C3"])
def test_a_query_that_is_no_text_is_refused(lrs: Visitor, query: str) -> None:
    """It would be the name of another document."""
    for method in ("GET", "DELETE"):
        response = lrs._client.open(f"/xapi/activities/state?{query}", method=method, headers=lrs.headers())

        assert response.status_code == 400
        assert "UTF-8" in response.get_json()["detail"]


def test_languages_beyond_the_first_few_are_not_looked_for(lrs: Visitor) -> None:
    given = statement(verb={"id": f"{COURSE}/verb", "display": {"id": "selesai", "en": "completed"}})
    lrs.post(given)
    many = ", ".join(f"x-{number}" for number in range(30))

    def display(languages: str) -> object:
        asked = {"statementId": given["id"], "format": "canonical"}
        return lrs.send("GET", "statements", asked, headers={"Accept-Language": languages}).get_json()["verb"][
            "display"
        ]

    assert display("id, " + many) == {"id": "selesai"}
    assert display(many + ", id") == {"en": "completed"}


# Statements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "given_back"),
    [
        ("2026-01-31T08:00:00.120+07:00", "2026-01-31T01:00:00.120Z"),
        ("0999-01-01T00:00:00+01:00", "0998-12-31T23:00:00Z"),
    ],
)
def test_times_are_given_back_in_utc_those_of_a_substatement_too(lrs: Visitor, sent: str, given_back: str) -> None:
    """2.0 4.2.7."""
    inner = {name: member for name, member in statement(timestamp=sent).items() if name != "id"}
    given = statement(timestamp=sent, object={"objectType": "SubStatement", **inner})
    assert lrs.post(given).status_code == 200

    stored = lrs.send("GET", "statements", {"statementId": given["id"]}).get_json()
    again = lrs.send("PUT", "statements", {"statementId": given["id"]}, json=given)

    assert (stored["timestamp"], stored["object"]["timestamp"]) == (given_back, given_back)
    assert stored["object"]["actor"] == ALICE
    assert again.status_code == 204


def test_a_substatement_that_voids_voids_by_a_reference(lrs: Visitor) -> None:
    """Data 2.4.4.3: it is validated as a statement."""
    inner = {name: member for name, member in statement(verb="voided").items() if name != "id"}
    response = lrs.post(statement(object={"objectType": "SubStatement", **inner}))

    assert response.status_code == 400
    assert [each["path"] for each in response.get_json()["problems"]] == ["statement.object.object.objectType"]


def test_a_credential_without_a_connector_voids_what_it_stored_and_nothing_else(lrs: Visitor) -> None:
    own, theirs, late = statement(), statement(), statement()
    mine, other = lrs.using(name="write-only"), lrs.using(name="other")
    mine.post(own)
    other.post(theirs)

    assert mine.post(reference(theirs["id"], "voided")).status_code == 403
    assert mine.post(reference(own["id"], "voided")).status_code == 200
    assert mine.post(reference(late["id"], "voided")).status_code == 200
    assert mine.post(late).status_code == 200
    assert other.post(reference(own["id"], "voided")).status_code == 403

    listed = lrs.find()
    assert theirs["id"] in listed
    assert own["id"] not in listed
    assert late["id"] not in listed


def test_nobody_can_write_a_part_of_the_answer_into_an_attachment(lrs: Visitor) -> None:
    """RFC 2046 5.1.1: what divides the parts stands in none of them."""
    given = statement()
    mark = given["id"].replace("-", "")
    forged = f"a\r\n--{mark}\r\nContent-Type: text/plain\r\n\r\nb".encode()
    sha2 = hashlib.sha256(forged).hexdigest()
    attachment = {
        "usageType": f"{COURSE}/file", "display": {"id": "berkas"}, "contentType": "text/plain",
        "length": len(forged), "sha2": sha2,
    }  # fmt: skip
    described = json.dumps({**given, "attachments": [attachment]}).encode()
    body = write_multipart(described, [(sha2, "text/plain", forged)], "b" * 32)
    sent = lrs.send("POST", "statements", data=body, content_type=f"multipart/mixed; boundary={'b' * 32}")
    assert sent.status_code == 200, sent.text

    answer = lrs.send("GET", "statements", {"statementId": given["id"], "attachments": "true"})

    _, parts = parse_multipart(answer.data, answer.headers["Content-Type"].partition("boundary=")[2])
    assert parts == {sha2: forged}
