"""xAPI over HTTP, both versions on one URL, on both databases. Numbers are those of ADL's requirements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from hub.statements import xapi
from lrs.database import Database
from lrs.multipart import parse_multipart, write_multipart
from lrs.sequence import Sequence, SequenceError
from lrstest import ALICE, BUDI, COURSE, VERBS, reference, statement
from xapitest import REGISTRATION, Visitor, create_app

VERSIONS = ("1.0.3", "2.0.0")
AGENT = json.dumps(ALICE)
STATE = {"activityId": COURSE, "agent": AGENT}
PROFILE = {"activityId": COURSE, "profileId": "p"}


@pytest.fixture
def lrs(db: Database) -> Visitor:
    """A visitor who may do everything, speaking 1.0.3."""
    return Visitor(create_app(db).test_client())


@pytest.fixture(params=VERSIONS)
def either(lrs: Visitor, request: pytest.FixtureRequest) -> Visitor:
    """The same in each version."""
    return lrs.using(version=request.param)


# Versions and protocol -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answered"), [("1.0.3", "1.0.3"), ("1.0", "1.0.0"), ("2.0.0", "2.0.0"), ("1.0.9", "1.0.9")]
)
def test_the_answer_names_the_version_of_the_request(lrs: Visitor, sent: str, answered: str) -> None:
    """XAPI-00333."""
    for method, resource in (("GET", "statements"), ("GET", "nowhere"), ("DELETE", "statements")):
        response = lrs.using(version=sent).send(method, resource)

        assert response.headers["X-Experience-API-Version"] == answered


def test_what_cannot_be_confirmed_is_503_and_not_stored(lrs: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(numbers: Sequence, serial: int | None) -> None:
        raise SequenceError("This process stood still; repeat the write")

    made = statement(id="6690e6c9-3ef0-4ed3-8b37-7f3964730bee")
    with monkeypatch.context() as patched:
        patched.setattr(Sequence, "_confirm", confirm)
        refused = lrs.post(made)

    assert (refused.status_code, refused.json and refused.json["detail"]) == (
        503,
        "This process stood still; repeat the write",
    )
    assert lrs.send("GET", "statements", {"statementId": made["id"]}).status_code == 404


@pytest.mark.parametrize("version", [None, "0.9", "1.1.0", "3.0.0", "x"])
@pytest.mark.parametrize("resource", ["statements", "agents", "activities/state"])
def test_a_request_without_a_version_is_refused(lrs: Visitor, version: str | None, resource: str) -> None:
    """XAPI-00321, XAPI-00331."""
    response = lrs.using(version=version).send("GET", resource)

    assert response.status_code == 400
    assert response.headers["X-Experience-API-Version"] == "2.0.0"


def test_the_version_of_such_an_answer_is_a_setting(db: Database) -> None:
    lrs = Visitor(create_app(db, default_version="1.0.3").test_client(), version=None)

    assert lrs.send("GET", "statements").headers["X-Experience-API-Version"] == "1.0.3"


def test_about_is_open_and_lists_every_version(lrs: Visitor) -> None:
    """XAPI-00315 to XAPI-00319."""
    response = lrs._client.get("/xapi/about")

    assert response.status_code == 200
    assert response.get_json()["version"] == ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0"]
    assert lrs._client.post("/xapi/about").status_code == 405


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer x", "Basic YWxsOndyb25n", "Basic YWxs"])
def test_a_bad_credential_is_401(lrs: Visitor, header: str) -> None:
    """XAPI-00334, XAPI-00335."""
    response = lrs.send("GET", "statements", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "resource",
    ["statements", "activities", "activities/state", "activities/profile", "agents", "agents/profile", "about"],
)
def test_any_page_may_ask_from_a_browser(lrs: Visitor, resource: str) -> None:
    """CORS: a preflight carries no credential and no version, and is not sent elsewhere."""
    preflight = lrs._client.options(f"/xapi/{resource}", headers={"Origin": "https://course.example"})

    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Experience-API-Version" in preflight.headers["Access-Control-Allow-Headers"]
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "ETag" in lrs.send("GET", "statements").headers["Access-Control-Expose-Headers"]
    assert "Set-Cookie" not in preflight.headers


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("statements", {}),
        ("about", {}),
        ("activities", {"activityId": COURSE}),
        ("agents", {"agent": AGENT}),
        ("activities/state", STATE),
        ("activities/profile", {"activityId": COURSE}),
        ("agents/profile", {"agent": AGENT}),
    ],
)
def test_head_is_get_without_the_body(either: Visitor, resource: str, parameters: dict[str, str]) -> None:
    """XAPI-00125, XAPI-00126."""
    get, head = (either.send(method, resource, parameters) for method in ("GET", "HEAD"))

    assert (head.status_code, head.data) == (get.status_code, b"") == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_has_every_header_of_get(either: Visitor) -> None:
    """XAPI-00125; for a statement, a list and a document."""
    given = statement()
    either.post(given)
    assert put(either, "activities/state", {**STATE, "stateId": "s"}) == 204

    for resource, parameters, named in (
        ("statements", {"statementId": given["id"]}, "Last-Modified"),
        ("statements", {}, "X-Experience-API-Consistent-Through"),
        ("activities/state", {**STATE, "stateId": "s"}, "ETag"),
    ):
        get, head = (either.send(method, resource, parameters) for method in ("GET", "HEAD"))
        assert set(head.headers.keys()) == set(get.headers.keys())
        assert named in head.headers
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_an_unknown_parameter_is_refused_and_one_in_another_case(either: Visitor) -> None:
    """XAPI-00324, XAPI-00325: every parameter of every resource."""
    known = "agent verb activity registration related_activities related_agents since until limit format attachments"
    for name in (*known.split(), "ascending", "statementId", "voidedStatementId"):
        for other in (name.title(), name.upper(), "unknown"):
            refused = either.send("GET", "statements", {other: "1"})
            assert refused.status_code == 400
            assert repr(other) in refused.get_json()["detail"]
    for resource, parameters in (
        ("activities/state", {**STATE, "StateId": "s"}),
        ("activities/profile", {"activityId": COURSE, "Since": "x"}),
        ("agents/profile", {"agent": AGENT, "activityId": COURSE}),
        ("activities", {"activityID": COURSE}),
        ("agents", {"Agent": AGENT}),
        ("about", {"x": "1"}),
    ):
        assert either.send("GET", resource, parameters).status_code == 400


@pytest.mark.parametrize("parameters", [{}, {"limit": "x"}, {"statementId": "x"}, {"unknown": "1"}])
def test_consistent_through_is_there_whatever_the_answer(either: Visitor, parameters: dict[str, str]) -> None:
    """XAPI-00153; and it lags behind by no more than the millisecond that is not over."""
    before = datetime.now(UTC)

    response = either.send("GET", "statements", parameters)

    through = datetime.fromisoformat(response.headers["X-Experience-API-Consistent-Through"])
    assert through >= before - timedelta(milliseconds=2)


def test_consistent_through_is_there_for_whoever_is_refused_at_the_door(lrs: Visitor) -> None:
    """XAPI-00153, "regardless of the code returned"."""
    for response in (
        lrs.using(version=None).send("GET", "statements"),
        lrs.send("GET", "statements", headers={"Authorization": "Basic x"}),
        lrs.using(name="nothing").send("GET", "statements"),
        lrs.send("HEAD", "statements"),
    ):
        assert datetime.fromisoformat(response.headers["X-Experience-API-Consistent-Through"])


# Storing statements ----------------------------------------------------------------------------------------


def test_what_is_put_comes_back_byte_for_byte(either: Visitor) -> None:
    """XAPI-00139 to XAPI-00145, XAPI-00159; XAPI-00024, XAPI-00097: and with what the LRS sets."""
    text = '{ "result":{"score":{"raw":1.50E+1}},' + json.dumps(statement(id=None))[1:]
    statement_id = "fd41c918-b88b-4b20-a0a5-a4c32391aaa0"

    put = either.send("PUT", "statements", {"statementId": statement_id}, data=text, content_type="application/json")
    get = either.send("GET", "statements", {"statementId": statement_id})

    assert (put.status_code, put.data) == (204, b"")
    assert get.get_data(as_text=True).startswith(text[:-1])
    assert get.get_json()["id"] == statement_id
    assert get.get_json()["timestamp"] == get.get_json()["stored"]
    modified = parsedate_to_datetime(get.headers["Last-Modified"])
    assert modified == datetime.fromisoformat(get.get_json()["stored"]).replace(microsecond=0)


def test_post_answers_the_ids_in_order(either: Visitor) -> None:
    """XAPI-00146, XAPI-00147; XAPI-00026: one that has no id is given one."""
    batch = [statement() for _ in range(3)]

    response = either.post(*batch, statement(id=None))

    assert response.status_code == 200
    *named, made = response.get_json()
    assert named == [each["id"] for each in batch]
    assert either.send("GET", "statements", {"statementId": made}).get_json()["id"] == made


def test_a_batch_is_stored_whole_or_not_at_all_and_every_problem_named(either: Visitor) -> None:
    """XAPI-00326."""
    good, bad, worse = statement(), statement(verb={"id": "x"}), statement(actor={"mbox": "y"}, Result={})

    response = either.post(good, bad, worse)

    assert response.status_code == 400
    assert {each["path"] for each in response.get_json()["problems"]} == {
        "statements[1].verb.id",
        "statements[2].actor.mbox",
        "statements[2].Result",
    }
    assert either.find() == []


def test_the_same_again_changes_nothing_and_another_is_a_conflict(either: Visitor) -> None:
    """XAPI-00142."""
    given = statement()
    either.post(given)
    before = either.send("GET", "statements", {"statementId": given["id"]}).data

    assert either.post(given).status_code == 200
    assert either.send("PUT", "statements", {"statementId": given["id"]}, json=given).status_code == 204
    conflict = either.post({**given, "verb": {"id": "http://x.org/other"}})
    assert conflict.status_code == 409
    assert given["id"] in conflict.get_json()["detail"]
    assert either.send("GET", "statements", {"statementId": given["id"]}).data == before


@pytest.mark.parametrize(
    ("method", "parameters", "body", "content_type"),
    [
        ("PUT", {}, json.dumps(statement()), "application/json"),
        ("PUT", {"statementId": "x"}, json.dumps(statement()), "application/json"),
        ("PUT", {"statementId": REGISTRATION}, json.dumps(statement()), "application/json"),
        ("PUT", {"statementId": REGISTRATION}, json.dumps([statement(id=None)]), "application/json"),
        ("POST", {"statementId": REGISTRATION}, json.dumps(statement()), "application/json"),
        ("POST", {}, json.dumps(statement()), "text/plain"),
        ("POST", {}, json.dumps(statement()), "multipart/form-data; boundary=x"),
        ("POST", {}, json.dumps(statement()), "multipart/mixed; boundary=x"),
        ("POST", {}, "", "application/json"),
        ("POST", {}, "[1]", "application/json"),
        ("POST", {}, '{"a":1,"a":1}', "application/json"),
    ],
)
def test_a_bad_write_is_400(
    either: Visitor, method: str, parameters: dict[str, str], body: str, content_type: str
) -> None:
    response = either.send(method, "statements", parameters, data=body, content_type=content_type)

    assert response.status_code == 400
    assert response.get_json()["detail"]


def test_the_authority_is_the_credentials(either: Visitor) -> None:
    """XAPI-00099."""
    given = statement(authority={"mbox": "mailto:somebody@else.org"})

    either.post(given)

    stored = either.send("GET", "statements", {"statementId": given["id"]}).get_json()
    assert stored["authority"]["account"]["name"] == "all"


def test_context_agents_are_for_version_2(lrs: Visitor) -> None:
    """xAPI 2.0 4.2.2.5; and they count for related_agents."""
    given = statement(context={"contextAgents": [{"objectType": "contextAgent", "agent": BUDI}]})

    assert lrs.post(given).status_code == 400
    assert lrs.using(version="2.0.0").post(given).status_code == 200
    assert lrs.find(agent=json.dumps(BUDI), related_agents="true") == [given["id"]]


# Reading statements -----------------------------------------------------------------------------------------


def test_a_voided_statement_is_read_by_its_own_parameter_alone(either: Visitor) -> None:
    """XAPI-00155 to XAPI-00158, XAPI-00163."""
    target = statement()
    void = reference(target["id"], "voided")
    either.post(target, void)

    assert either.send("GET", "statements", {"statementId": target["id"]}).status_code == 404
    assert either.send("GET", "statements", {"voidedStatementId": target["id"]}).get_json()["id"] == target["id"]
    assert either.send("GET", "statements", {"voidedStatementId": void["id"]}).status_code == 404
    assert either.find() == [void["id"]]


@pytest.mark.parametrize(
    "parameters",
    [
        {"statementId": REGISTRATION, "voidedStatementId": REGISTRATION},
        {"statementId": REGISTRATION, "agent": AGENT},
        {"statementId": REGISTRATION, "limit": "1"},
        {"voidedStatementId": REGISTRATION, "ascending": "true"},
        {"statementId": "x"},
        {"agent": "x"},
        {"agent": '{"name":"x"}'},
        {"verb": "x"},
        {"activity": "x"},
        {"registration": "x"},
        {"since": "x"},
        {"until": "x"},
        {"limit": "-1"},
        {"limit": "1.5"},
        {"ascending": "yes"},
        {"related_agents": "1"},
        {"format": "xml"},
        {"attachments": "1"},
        {"cursor": "x"},
        {"verb": "http://x.org/\x00"},
    ],
)
def test_a_bad_question_is_400(either: Visitor, parameters: dict[str, str]) -> None:
    """XAPI-00012, XAPI-00150, XAPI-00151."""
    response = either.send("GET", "statements", parameters)

    assert response.status_code == 400
    assert response.get_json()["detail"]


def test_more_leads_through_every_page_with_its_filters(either: Visitor) -> None:
    """XAPI-00108 to XAPI-00114, XAPI-00154, XAPI-00166, XAPI-00173."""
    wanted = [statement() for _ in range(7)]
    either.post(*wanted, statement(actor=BUDI))

    assert either.find(limit="3", agent=AGENT) == [each["id"] for each in reversed(wanted)]
    assert either.find(limit="2", agent=AGENT, ascending="true") == [each["id"] for each in wanted]
    assert len(either.find(limit="0")) == 8


def test_more_is_for_the_credential_that_asked(lrs: Visitor) -> None:
    lrs.post(statement(), statement())
    more = lrs.send("GET", "statements", {"limit": "1"}).get_json()["more"]

    assert more.startswith("/xapi/statements?cursor=")
    assert lrs._client.get(more, headers=lrs.headers()).status_code == 200
    assert lrs._client.get(more, headers=lrs.using(name="reader").headers()).status_code == 400
    assert lrs._client.get(more + "&limit=5", headers=lrs.headers()).status_code == 400


def test_formats(either: Visitor) -> None:
    """XAPI-00168 to XAPI-00172."""
    for tag in ("en-US", "id"):
        either.post(statement(object={"id": COURSE, "definition": {"name": {tag: tag}}}, actor={**ALICE, "name": "A"}))

    [ids, _] = either.send("GET", "statements", {"format": "ids"}).get_json()["statements"]
    canonical = either.send("GET", "statements", {"format": "canonical"}, headers={"Accept-Language": "id, en;q=0.5"})
    exact = either.send("GET", "statements", headers={"Accept-Language": "id"}).get_json()["statements"]

    assert ids["actor"] == ALICE
    assert ids["object"] == {"id": COURSE}
    assert [each["object"]["definition"]["name"] for each in canonical.get_json()["statements"]] == [{"id": "id"}] * 2
    assert [each["object"]["definition"]["name"] for each in exact] == [{"id": "id"}, {"en-US": "en-US"}]


def test_activities_and_agents(either: Visitor) -> None:
    """XAPI-00236 to XAPI-00254."""
    either.post(statement(object={"id": COURSE, "definition": {"name": {"id": "x"}}}, actor={**ALICE, "name": "A"}))

    activity = either.send("GET", "activities", {"activityId": COURSE}).get_json()
    person = either.send("GET", "agents", {"agent": AGENT}).get_json()

    assert activity == {"objectType": "Activity", "id": COURSE, "definition": {"name": {"id": "x"}}}
    assert person == {"objectType": "Person", "account": [ALICE["account"]], "name": ["A"]}
    assert either.send("GET", "activities").status_code == 400
    assert either.send("GET", "agents", {"agent": "{}"}).status_code == 400


def test_more_keeps_format_and_attachments(either: Visitor) -> None:
    """XAPI-00111: the pages after the first are of the kind that was asked for."""
    either.post(*(statement(verb={"id": VERBS + "passed", "display": {"id": "lulus"}}) for _ in range(2)))

    first = either.send("GET", "statements", {"limit": "1", "format": "ids", "attachments": "true"})
    text, _ = parse_multipart(first.data, first.mimetype_params["boundary"])
    second = either._client.get(json.loads(text)["more"], headers=either.headers())

    text, data = parse_multipart(second.data, second.mimetype_params["boundary"])
    assert json.loads(text)["more"] == ""
    assert json.loads(text)["statements"][0]["verb"] == {"id": VERBS + "passed"}
    assert data == {}


# Attachments ------------------------------------------------------------------------------------------------

DATA = b"\x00\r\n--x\xff"
SHA2 = hashlib.sha256(DATA).hexdigest()
ATTACHMENT = {
    "usageType": "https://example.org/u",
    "display": {"id": "x"},
    "contentType": "application/pdf",
    "length": len(DATA),
    "sha2": SHA2,
}


def test_attachments_go_both_ways(either: Visitor) -> None:
    """XAPI-00127 to XAPI-00138; XAPI-00161, XAPI-00165, XAPI-00167: data comes where it was asked for."""
    given = statement(attachments=[ATTACHMENT])
    body = write_multipart(json.dumps(given).encode(), [(SHA2, "application/pdf", DATA)], "abc")

    assert either.post(given).status_code == 400
    assert (
        either.send("POST", "statements", data=body, content_type='multipart/mixed; boundary="abc"').status_code == 200
    )

    plain = either.send("GET", "statements", {"statementId": given["id"]})
    assert plain.content_type == "application/json"
    for parameters in ({"statementId": given["id"]}, {"limit": "5"}):
        answer = either.send("GET", "statements", {**parameters, "attachments": "true"})
        text, data = parse_multipart(answer.data, answer.mimetype_params["boundary"])
        assert data == {SHA2: DATA}
        assert given["id"] in text.decode()


def test_data_of_one_digest_is_sent_once_and_answered_once(either: Visitor) -> None:
    """Communication 1.5.2; xAPI 2.0 4.1.4: attachments share data, have none where they have a fileUrl, or both."""
    shared = [statement(attachments=[ATTACHMENT]), statement(attachments=[{**ATTACHMENT, "fileUrl": "http://x.org/f"}])]
    elsewhere = statement(attachments=[{**ATTACHMENT, "sha2": "0" * 64, "fileUrl": "http://x.org/g"}])
    bare = write_multipart(json.dumps(elsewhere).encode(), [], "abc")
    body = write_multipart(json.dumps(shared).encode(), [(SHA2, "application/pdf", DATA)], "abc")

    for each in (body, bare):
        sent = either.send("POST", "statements", data=each, content_type="multipart/mixed; boundary=abc")
        assert sent.status_code == 200, sent.data
    assert either.post(statement(attachments=elsewhere["attachments"])).status_code == 200

    answer = either.send("GET", "statements", {"attachments": "true"})
    assert answer.data.count(DATA) == 1
    assert parse_multipart(answer.data, answer.mimetype_params["boundary"])[1] == {SHA2: DATA}


def test_a_page_ends_early_where_its_attachments_would_be_too_much(
    lrs: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest follows by `more`: however large attachments are, an answer has a bound, and nothing is left out."""
    monkeypatch.setattr(xapi, "MOST_ATTACHED_BYTES", 2 * len(DATA))
    contents = [DATA[:-1] + bytes([number]) for number in range(5)]
    for content in contents:
        sha2 = hashlib.sha256(content).hexdigest()
        body = write_multipart(
            json.dumps(statement(attachments=[ATTACHMENT | {"sha2": sha2}])).encode(),
            [(sha2, "application/pdf", content)],
            "abc",
        )
        lrs.send("POST", "statements", data=body, content_type="multipart/mixed; boundary=abc")

    pages, answer = [], lrs.send("GET", "statements", {"attachments": "true"})
    while True:
        text, data = parse_multipart(answer.data, answer.mimetype_params["boundary"])
        pages.append((len(json.loads(text)["statements"]), list(data.values())))
        if not (more := json.loads(text)["more"]):
            break
        answer = lrs._client.get(more, headers=lrs.headers())

    assert [count for count, _data in pages] == [2, 2, 1]
    assert [content for _count, data in pages for content in data] == contents[::-1]


# Documents ----------------------------------------------------------------------------------------------------


def put(lrs: Visitor, resource: str, parameters: Mapping[str, str], content: str = "1", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lrs.send("PUT", resource, parameters, headers=named, data=content, content_type="text/plain").status_code


def test_where_the_versions_differ_on_a_bare_put(lrs: Visitor) -> None:
    """requirements 1: state is overwritten in 1.0.x; a new profile needs a header in 1.0.x; an old one in both."""
    state = {**STATE, "stateId": "s"}
    two = lrs.using(version="2.0.0")

    assert put(lrs, "activities/state", state) == 204
    assert put(lrs, "activities/state", state, "2") == 204
    assert put(two, "activities/state", state, "3") == 409
    assert put(lrs, "activities/profile", PROFILE) == 400
    assert put(two, "activities/profile", PROFILE) == 204
    assert put(two, "activities/profile", PROFILE, "2") == 409
    assert put(lrs, "activities/profile", PROFILE, "2") == 409
    assert lrs.send("GET", "activities/state", state).data == b"2"


def test_etags_guard_profiles(either: Visitor) -> None:
    """XAPI-00322."""
    assert put(either, "agents/profile", {"agent": AGENT, "profileId": "p"}, If_None_Match="*") == 204
    assert put(either, "agents/profile", {"agent": AGENT, "profileId": "p"}, If_None_Match="*") == 412
    etag = either.send("GET", "agents/profile", {"agent": AGENT, "profileId": "p"}).headers["ETag"]

    assert etag == f'"{hashlib.sha1(b"1").hexdigest()}"'
    assert put(either, "agents/profile", {"agent": AGENT, "profileId": "p"}, "2", If_Match='"x"') == 412
    assert put(either, "agents/profile", {"agent": AGENT, "profileId": "p"}, "2", If_Match=f"W/{etag}") == 204


DOCUMENTS = [
    ("activities/state", {**STATE, "stateId": "s", "registration": REGISTRATION}),
    ("activities/profile", PROFILE),
    ("agents/profile", {"agent": AGENT, "profileId": "p"}),
]


@pytest.mark.parametrize(("resource", "parameters"), DOCUMENTS)
def test_the_life_of_a_document(either: Visitor, resource: str, parameters: dict[str, str]) -> None:
    """State: XAPI-00187 to XAPI-00193, XAPI-00216 to XAPI-00233; agent profile: XAPI-00268 to XAPI-00284; activity
    profile: XAPI-00285 to XAPI-00294, XAPI-00303 to XAPI-00314."""
    context = {name: value for name, value in parameters.items() if name not in ("stateId", "profileId")}
    before = datetime.now(UTC) - timedelta(seconds=1)

    def send(method: str, body: str | None = None, kind: str = "application/json", **more: str) -> TestResponse:
        return either.send(method, resource, {**parameters, **more}, data=body, content_type=kind)

    assert either.send("GET", resource, context).get_json() == []
    assert send("GET").status_code == 404
    assert send("POST", '{"a":1}').status_code == 204
    assert send("GET").get_json() == {"a": 1}
    assert send("POST", '{"b":2}').status_code == 204
    for body, kind in (('{"c":', "application/json"), ("[1]", "application/json"), ("c", "text/plain")):
        assert send("POST", body, kind).status_code == 400
    assert send("GET").get_json() == {"a": 1, "b": 2}
    etag = send("GET").headers["ETag"]
    put = either.send("PUT", resource, parameters, headers={"If-Match": etag}, data=b"\xff", content_type="image/png")
    assert put.status_code == 204
    assert (send("GET").data, send("GET").content_type) == (b"\xff", "image/png")
    assert send("POST", '{"d":1}').status_code == 400
    for since, listed in ((before, ["s" if "stateId" in parameters else "p"]), (datetime.now(UTC), [])):
        assert either.send("GET", resource, {**context, "since": since.isoformat()}).get_json() == listed
    assert send("DELETE").status_code == 204
    assert either.send("GET", resource, context).get_json() == []


@pytest.mark.parametrize(("resource", "parameters"), DOCUMENTS)
def test_every_change_of_a_document_asks_its_etag(either: Visitor, resource: str, parameters: dict[str, str]) -> None:
    """XAPI-00322, XAPI-00323, Communication 3.1: 412, a reason, and nothing changed; for PUT, POST and DELETE."""
    first = either.send("PUT", resource, parameters, headers={"If-None-Match": "*"}, json={"a": 1})
    etag = either.send("GET", resource, parameters).headers["ETag"]

    assert first.status_code == 204
    for method in ("PUT", "POST", "DELETE"):
        for condition in ({"If-Match": '"x"'}, {"If-None-Match": "*"}, {"If-None-Match": etag}):
            refused = either.send(method, resource, parameters, headers=condition, json={"b": 1})
            assert refused.status_code == 412, (method, condition)
            assert refused.get_json()["detail"]
    got = either.send("GET", resource, parameters)
    assert (got.get_json(), got.headers["ETag"]) == ({"a": 1}, etag)
    assert either.send("POST", resource, parameters, headers={"If-Match": etag}, json={"b": 1}).status_code == 204
    changed = either.send("GET", resource, parameters)
    before, after = (parsedate_to_datetime(each.headers["Last-Modified"]) for each in (got, changed))
    assert before <= after <= datetime.now(UTC)
    current = changed.headers["ETag"]
    assert current != etag
    assert either.send("DELETE", resource, parameters, headers={"If-Match": f'"x", {current}'}).status_code == 204
    assert either.send("GET", resource, parameters).status_code == 404


def test_a_document_comes_back_as_it_is(either: Visitor) -> None:
    state = {**STATE, "stateId": "é/?&", "registration": REGISTRATION}
    content = bytes(range(256))

    stored = either.send("PUT", "activities/state", state, data=content, content_type="image/x; a=1")
    got = either.send("GET", "activities/state", state)

    assert stored.status_code == 204
    assert (got.data, got.content_type) == (content, "image/x; a=1")
    assert either.send("GET", "activities/state", STATE).get_json() == ["é/?&"]
    assert either.send("DELETE", "activities/state", state).status_code == 204
    assert either.send("GET", "activities/state", state).status_code == 404


def test_post_merges_and_delete_without_a_name_removes_all_of_a_state(either: Visitor) -> None:
    """XAPI-00194, XAPI-00234."""
    state = {**STATE, "stateId": "s"}
    for document in ({"a": 1, "b": 1}, {"b": 2}):
        assert either.send("POST", "activities/state", state, json=document).status_code == 204

    assert either.send("GET", "activities/state", state).get_json() == {"a": 1, "b": 2}
    assert either.send("POST", "activities/state", state, data="[]", content_type="application/json").status_code == 400
    assert either.send("DELETE", "activities/state", STATE).status_code == 204
    assert either.send("GET", "activities/state", STATE).get_json() == []


@pytest.mark.parametrize(
    ("method", "resource", "parameters"),
    [
        ("GET", "activities/state", {"agent": AGENT}),
        ("GET", "activities/state", {"activityId": COURSE}),
        ("GET", "activities/state", {**STATE, "agent": "x"}),
        ("GET", "activities/state", {**STATE, "registration": "x"}),
        ("GET", "activities/state", {**STATE, "since": "x"}),
        ("PUT", "activities/state", STATE),
        ("POST", "activities/state", STATE),
        ("GET", "activities/profile", {}),
        ("DELETE", "activities/profile", {"activityId": COURSE}),
        ("PUT", "agents/profile", {"agent": AGENT}),
        ("GET", "agents/profile", {"agent": '{"mbox":"x"}', "profileId": "p"}),
        ("GET", "agents/profile", {"agent": AGENT, "ProfileId": "p"}),
    ],
)
def test_a_bad_document_request_is_400(either: Visitor, method: str, resource: str, parameters: dict[str, str]) -> None:
    """XAPI-00196 to XAPI-00215, XAPI-00255 to XAPI-00267, XAPI-00295 to XAPI-00302."""
    assert either.send(method, resource, parameters, data=b"{}" if method != "GET" else None).status_code == 400


# The alternate request syntax (xAPI 1.0.3 Communication 1.3) ------------------------------------------------------


def test_a_form_may_stand_for_any_request_in_version_1(lrs: Visitor) -> None:
    """XAPI-00336, XAPI-00148: credential and version in the form alone."""
    given = statement()
    form: dict[str, Any] = {**lrs.headers(), "statementId": given["id"], "content": json.dumps(given)}

    stored = lrs._client.post("/xapi/statements?method=PUT", data=form)
    listed = lrs._client.post("/xapi/statements?method=GET", data={**lrs.headers(), "limit": "1"})

    assert stored.status_code == 204
    assert [each["id"] for each in listed.get_json()["statements"]] == [given["id"]]
    assert "X-Experience-API-Consistent-Through" in listed.headers


def form(lrs: Visitor, method: str, resource: str, **fields: str) -> TestResponse:
    """The request in its alternate form, with everything in the form."""
    return lrs._client.post(f"/xapi/{resource}?method={method}", data={**lrs.headers(), **fields})


def test_a_form_carries_the_conditions_and_the_type_of_a_document(lrs: Visitor) -> None:
    """XAPI-00336: If-Match, If-None-Match and Content-Type are fields too, on every resource."""
    for resource, parameters in (
        ("activities/state", {**STATE, "stateId": "s"}),
        ("activities/profile", PROFILE),
        ("agents/profile", {"agent": AGENT, "profileId": "p"}),
    ):
        typed = {**parameters, "Content-Type": "text/x; a=b"}
        assert form(lrs, "PUT", resource, **typed, **{"If-None-Match": "*"}, content="é").status_code == 204
        assert form(lrs, "PUT", resource, **typed, **{"If-None-Match": "*"}, content="x").status_code == 412
        got = form(lrs, "GET", resource, **parameters)
        assert (got.text, got.content_type) == ("é", "text/x; a=b")
        assert form(lrs, "DELETE", resource, **parameters, **{"If-Match": '"x"'}).status_code == 412
        assert form(lrs, "DELETE", resource, **parameters, **{"If-Match": got.headers["ETag"]}).status_code == 204
        assert form(lrs, "GET", resource, **parameters).status_code == 404
    posted = form(lrs, "POST", "statements", content=json.dumps(statement()))
    assert posted.status_code == 200


def test_a_form_that_is_ambiguous_is_refused(lrs: Visitor) -> None:
    """XAPI-00336: one parameter beside method, a PUT, no content, a body that is no form, a bad credential."""
    body = {"content": json.dumps(statement(id=None))}
    json_body = {"json": statement(), "headers": lrs.headers()}

    assert lrs._client.post("/xapi/statements?method=POST&limit=1", data={**lrs.headers(), **body}).status_code == 400
    assert lrs._client.put("/xapi/statements?method=PUT", **json_body).status_code == 400
    assert lrs._client.get("/xapi/statements?method=GET", headers=lrs.headers()).status_code == 400
    assert lrs._client.post("/xapi/statements?method=POST", **json_body).status_code == 400
    assert lrs._client.post("/xapi/statements?method=POST", data=lrs.headers()).status_code == 400
    assert lrs._client.post("/xapi/statements?method=PATCH", data={**lrs.headers(), **body}).status_code == 400
    wrong = {**lrs.headers(), **body, "Authorization": "Basic x"}
    assert lrs._client.post("/xapi/statements?method=POST", data=wrong).status_code == 401
    assert lrs.find() == []


@pytest.mark.parametrize("where", ["header", "form"])
def test_version_2_has_no_such_syntax(lrs: Visitor, where: str) -> None:
    two = lrs.using(version="2.0.0").headers()
    given = {"data": {"limit": "1"}, "headers": two} if where == "header" else {"data": {**two, "limit": "1"}}

    response = lrs._client.post("/xapi/statements?method=GET", **given)

    assert response.status_code == 400


# Who may what -----------------------------------------------------------------------------------------------------

_DOCUMENTS = {
    "state": [("activities/state", {**STATE, "stateId": "s"})],
    "profile": [("activities/profile", PROFILE), ("agents/profile", {"agent": AGENT, "profileId": "p"})],
}


def _requests(*rights: str) -> list[tuple[str, str, dict[str, str]]]:
    """The requests that belong to each right, as method, resource and parameters."""
    found: list[tuple[str, str, dict[str, str]]] = []
    for right in rights:
        if right == "write":
            found += [("POST", "statements", {}), ("PUT", "statements", {"statementId": REGISTRATION})]
        elif right == "read":
            found += [("GET", "statements", {}), ("HEAD", "statements", {})]
            found += [("GET", "statements", {"statementId": REGISTRATION})]
        elif right == "known":
            found += [("GET", "activities", {"activityId": COURSE}), ("GET", "agents", {"agent": AGENT})]
        else:
            kind, _, change = right.partition(" ")
            methods = ("PUT", "POST", "DELETE") if change else ("GET", "HEAD")
            found += [(method, *document) for document in _DOCUMENTS[kind] for method in methods]
    return found


EVERY = _requests("write", "read", "known", "state", "state change", "profile", "profile change")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("all", EVERY),
        ("reader", _requests("read", "known", "state", "profile")),
        ("statements", _requests("read", "known")),
        ("writer", _requests("write", "read", "known")),
        ("write-only", _requests("write")),
        ("mine-only", _requests("read", "known")),
        ("state", _requests("state", "state change")),
        ("profile", _requests("known", "profile", "profile change")),
        ("define", _requests("known")),
        ("nothing", []),
    ],
)
def test_a_credential_does_what_its_scopes_say(lrs: Visitor, name: str, allowed: list[Any]) -> None:
    """Every scope on every resource: what it was not given is 403 with the scopes that would do."""
    for request in EVERY:
        method, resource, parameters = request
        body = {} if resource != "statements" else statement(id=None)

        response = lrs.using(name=name).send(
            method, resource, parameters, json=None if method in ("GET", "HEAD", "DELETE") else body
        )

        assert (response.status_code != 403) == (request in allowed), (request, response.data)
        if response.status_code == 403 and method != "HEAD":
            assert "scopes all" in response.get_json()["detail"]


def test_mine_is_what_i_stored(lrs: Visitor) -> None:
    writer, other = lrs.using(name="writer"), lrs.using(name="other")
    mine, theirs = statement(), statement()
    writer.post(mine)
    other.post(theirs)

    assert writer.find() == [mine["id"]]
    assert writer.find(activity=COURSE) == [mine["id"]]
    assert writer.send("GET", "statements", {"statementId": mine["id"]}).status_code == 200
    assert writer.send("GET", "statements", {"statementId": theirs["id"]}).status_code == 404
    assert set(lrs.find()) == {mine["id"], theirs["id"]}


def test_a_void_of_somebody_elses_statement_is_403(lrs: Visitor) -> None:
    given = statement()
    lrs.using(name="writer").post(given)

    assert lrs.using(name="other").post(reference(given["id"], "voided")).status_code == 403
    assert lrs.using(name="writer").post(reference(given["id"], "voided")).status_code == 200


def test_without_define_an_activity_stays_as_it_was_known(lrs: Visitor) -> None:
    given = statement(object={"id": COURSE, "definition": {"name": {"id": "x"}}})
    lrs.using(name="writer").post(given)

    assert "definition" not in lrs.send("GET", "activities", {"activityId": COURSE}).get_json()
    kept = lrs.send("GET", "statements", {"statementId": given["id"]}).get_json()
    assert kept["object"] == given["object"]


def test_a_launch_voids_what_it_stored_itself_alone(lrs: Visitor) -> None:
    """Its connector's other credentials may void more; a token in a learner's browser may not."""
    own = {"context": {"registration": REGISTRATION, "contextActivities": {"parent": {"id": COURSE}}}}
    launch, mine, theirs = lrs.using(name="launch"), statement(**own), statement(**own)
    launch.post(mine)
    lrs.using(name="writer").post(theirs)

    assert launch.post(reference(theirs["id"], "voided", **own)).status_code == 403
    assert launch.post(reference(REGISTRATION, "voided", **own)).status_code == 403
    assert launch.post(reference(mine["id"], "voided", **own)).status_code == 200
    assert theirs["id"] in lrs.find()
    assert mine["id"] not in lrs.find()
    assert theirs["id"] not in launch.find()
    assert len(launch.find()) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"object": {"id": COURSE + "/module"}, "context": {"contextActivities": {"parent": {"id": COURSE}}}}, 200),
        ({"actor": BUDI}, 403),
        ({"object": {"id": "http://x.org/other"}}, 403),
        ({"context": {"registration": "11111111-1111-4111-8111-111111111111"}}, 403),
        ({"context": None}, 403),
    ],
)
def test_a_launch_reports_about_itself_alone(lrs: Visitor, change: dict[str, Any], status: int) -> None:
    own = {"registration": REGISTRATION}
    context = change.get("context", {})
    given = statement(**{**change, "context": None if context is None else {**own, **context}})

    assert lrs.using(name="launch").post(given).status_code == status


def test_a_launch_has_its_own_state_alone(lrs: Visitor) -> None:
    launch = lrs.using(name="launch")
    own = {**STATE, "stateId": "s", "registration": REGISTRATION}

    assert put(launch, "activities/state", own) == 204
    assert put(launch, "activities/state", {**own, "activityId": "http://x.org/other"}) == 403
    assert put(launch, "activities/state", {**own, "agent": json.dumps(BUDI)}) == 403
    assert put(launch, "activities/state", {**own, "registration": "11111111-1111-4111-8111-111111111111"}) == 403
    assert launch.send("GET", "activities/profile", {"activityId": COURSE}).status_code == 403


def test_verbs_and_since_filter_over_http(either: Visitor) -> None:
    """XAPI-00164."""
    one, two = statement(verb="passed"), statement(verb="failed")
    either.post(one)
    stored = either.send("GET", "statements", {"statementId": one["id"]}).get_json()["stored"]
    either.post(two)

    assert either.find(verb=VERBS + "passed") == [one["id"]]
    assert either.find(since=stored) == [two["id"]]
    assert either.find(until=stored) == [one["id"]]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2159-05-15T07:35:11.104Z"])
def test_the_ends_of_time_are_times(either: Visitor, moment: str) -> None:
    given = statement()
    either.post(given)

    assert either.find(since=moment) == ([given["id"]] if moment < "2" else [])
    assert either.find(until=moment) == ([] if moment < "2" else [given["id"]])
    assert either.send("GET", "activities/state", {**STATE, "since": moment}).get_json() == []
