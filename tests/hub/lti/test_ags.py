"""Assignment and Grade Services: cases G01 to G07, LI01 to LI10, C01 to C15 and R01 of the acceptance list."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from hub.tables import deployments, inbox, results, scores, tools
from lrs import query
from lrs.query import Stored
from ltitest import AGS, BASE, CLAIM, LINEITEM_TYPE, NIPS, SCOPE, SCORE_TYPE, ToolSide, World

TIME = "2026-11-24T02:00:00.000Z"
READ, WRITE, RESULT, SCORES = (SCOPE + name for name in ("lineitem.readonly", "lineitem", "result.readonly", "score"))


@pytest.fixture
def lineitem(world: World) -> str:
    """The line item of a course that the first person has opened."""
    return str(world.launch()[AGS]["lineitem"])


@pytest.fixture
def lineitems(world: World, lineitem: str) -> str:
    return lineitem.rpartition("/")[0]


def score(world: World, **changed: Any) -> dict[str, Any]:
    """A final score of the first person; None takes a member out."""
    said = {
        "userId": str(world.learner),
        "timestamp": TIME,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 85,
        "scoreMaximum": 100,
    } | changed
    return {name: value for name, value in said.items() if value is not ...}


def post(world: World, url: str, **changed: Any) -> int:
    return world.tool.call("POST", f"{url}/scores", score(world, **changed)).status_code


def told(world: World, url: str, **query_string: Any) -> list[dict[str, Any]]:
    """What the results service tells."""
    answer = world.tool.call("GET", f"{url}/results", query_string=query_string)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/vnd.ims.lis.v2.resultcontainer+json"
    return list(answer.json)


def stored(world: World) -> list[Stored]:
    """The statements made from scores, the first one first."""
    with world.hub.db.read() as conn:
        rows = conn.execute(sa.select(scores.c.statement).order_by(scores.c.received_at)).scalars().all()
        found = [query.get(conn, each) for each in rows]
    return [each for each in found if each is not None]


def statements(world: World) -> list[dict[str, Any]]:
    return [orjson.loads(each.payload) for each in stored(world)]


def count(world: World, table: sa.Table) -> int:
    with world.hub.db.read() as conn:
        return len(conn.execute(sa.select(table)).all())


def create(world: World, url: str, **members: Any) -> TestResponse:
    return world.tool.call("POST", url, {"label": "Quiz", "scoreMaximum": 10} | members)


# Who may call ----------------------------------------------------------------------------------------------------


def test_g01_without_a_good_token_nothing_is_answered(world: World, lineitem: str) -> None:
    good = world.tool.token()
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic " + good,
        f"Bearer {good}x",
        f"Bearer {'x' * 5000}",
        "Bearer é",
    ):
        answer = world.tool.call("GET", lineitem, bearer=header)
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    world.clock.advance(hours=1)
    assert world.tool.call("GET", lineitem, bearer=f"Bearer {good}").status_code == 401


def test_g02_the_scheme_may_be_in_any_case(world: World, lineitem: str) -> None:
    token = world.tool.token()

    for scheme in ("Bearer", "bearer", "BEARER"):
        assert world.tool.call("GET", lineitem, bearer=f"{scheme} {token}").status_code == 200


def test_g03_another_tool_s_line_item_does_not_exist(world: World, lineitem: str) -> None:
    other = world.add_tool("bkn", world.keys[1])
    world.launch(world.add_course("bkn"), tool=other)

    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"label": "x", "scoreMaximum": 1}),
        ("DELETE", "", None),
        ("GET", "/results", None),
        ("POST", "/scores", score(world)),
    ):
        assert other.call(method, lineitem + path, body).status_code == 404
    assert other.call("GET", lineitem.rpartition("/")[0]).status_code == 404
    assert other.call("POST", lineitem.rpartition("/")[0], {"label": "x", "scoreMaximum": 1}).status_code == 404
    assert count(world, scores) == 0


def test_g04_a_line_item_is_in_its_own_context_alone(world: World, lineitem: str) -> None:
    second = str(world.launch(world.courses[1])[AGS]["lineitem"])

    for context in ("0-0", "1-999", "999-1", "x", "1", "01-1", f"{'9' * 20}-1", second.split("/")[-3]):
        elsewhere = lineitem.replace(f"/contexts/{lineitem.split('/')[-3]}/", f"/contexts/{context}/")
        assert world.tool.call("GET", elsewhere).status_code == 404, context
        assert post(world, elsewhere) == 404


def test_g04_a_disabled_deployment_is_closed(world: World, lineitem: str) -> None:
    with world.hub.db.write() as conn:
        conn.execute(sa.update(deployments).values(disabled=True))

    assert world.tool.call("GET", lineitem).status_code == 404


def test_g05_each_scope_allows_its_own_and_nothing_else(world: World, lineitem: str, lineitems: str) -> None:
    def operations(bearer: str) -> list[int]:
        own = str(create(world, lineitems, label=uuid4().hex).json["id"])
        calls = [
            ("GET", lineitems, None),
            ("GET", own, None),
            ("POST", lineitems, {"label": "x", "scoreMaximum": 1}),
            ("PUT", own, {"label": "x", "scoreMaximum": 1}),
            ("POST", f"{lineitem}/scores", score(world)),
            ("GET", f"{lineitem}/results", None),
            ("DELETE", own, None),
        ]
        return [world.tool.call(method, url, body, bearer=bearer).status_code for method, url, body in calls]

    assert operations(f"Bearer {world.tool.token(WRITE)}") == [200, 200, 201, 200, 403, 403, 204]
    assert operations(f"Bearer {world.tool.token(READ)}") == [200, 200, 403, 403, 403, 403, 403]
    assert operations(f"Bearer {world.tool.token(SCORES)}") == [403, 403, 403, 403, 200, 403, 403]
    assert operations(f"Bearer {world.tool.token(RESULT)}") == [403, 403, 403, 403, 403, 200, 403]
    refused = world.tool.call("GET", lineitems, bearer=f"Bearer {world.tool.token(SCORES)}")
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]


def test_g06_an_id_token_is_no_access_token(world: World, lineitem: str) -> None:
    id_token = world.authenticate().fields["id_token"]

    assert world.tool.call("GET", lineitem, bearer=f"Bearer {id_token}").status_code == 401


def test_g07_the_token_of_a_deleted_or_disabled_tool_is_over(world: World, lineitem: str) -> None:
    bearer = world.tool.bearer
    with world.hub.db.write() as conn:
        conn.execute(sa.update(tools).values(disabled=True))
    assert world.tool.call("GET", lineitem, bearer=bearer).status_code == 401
    with world.hub.db.write() as conn:
        conn.execute(sa.delete(tools))
    assert world.tool.call("GET", lineitem, bearer=bearer).status_code == 401


# Line items ------------------------------------------------------------------------------------------------------


def test_li01_a_new_line_item_comes_back_with_its_id(world: World, lineitems: str) -> None:
    answer = create(world, lineitems, label="Ujian", tag="final", resourceId="r1", startDateTime="2026-01-01T00:00:00Z")

    assert answer.status_code == 201
    assert answer.content_type == LINEITEM_TYPE
    assert answer.json["id"].startswith(f"{lineitems}/")
    assert answer.headers["Location"] == answer.json["id"]
    expected = {
        "label": "Ujian",
        "scoreMaximum": 10,
        "tag": "final",
        "resourceId": "r1",
        "startDateTime": "2026-01-01T00:00:00Z",
    }
    assert {name: answer.json[name] for name in expected} == expected
    assert world.tool.call("GET", answer.json["id"]).json == answer.json


def test_li01_the_coupled_line_item_is_there_after_a_launch(world: World, lineitem: str, lineitems: str) -> None:
    link = world.launch()[CLAIM + "resource_link"]["id"]

    [only] = world.tool.call("GET", lineitems).json

    assert only == {"id": lineitem, "label": "Pelayanan Publik", "scoreMaximum": 100, "resourceLinkId": link}
    assert world.lineitems() == 1


def test_li02_a_wrong_label_or_maximum_is_refused(world: World, lineitems: str) -> None:
    for members in (
        {"label": ...},
        {"label": ""},
        {"label": "  "},
        {"label": None},
        {"label": 7},
        {"label": "x" * 256},
        {"label": "a\0b"},
        {"scoreMaximum": ...},
        {"scoreMaximum": 0},
        {"scoreMaximum": -1},
        {"scoreMaximum": None},
        {"scoreMaximum": True},
        {"scoreMaximum": "10"},
        {"scoreMaximum": [10]},
        {"scoreMaximum": 10**20},
        {"tag": 7},
        {"resourceId": ["x"]},
        {"startDateTime": "tomorrow"},
        {"endDateTime": "2026-01-01T00:00:00"},
    ):
        body = {"label": "Quiz", "scoreMaximum": 10} | members
        body = {name: value for name, value in body.items() if value is not ...}
        assert world.tool.call("POST", lineitems, body).status_code == 400, members
    for raw in (b"", b"{", b"[]", b'"x"', b'{"label":"x","scoreMaximum":NaN}', b'{"label":"x","scoreMaximum":1e999}'):
        assert world.tool.call("POST", lineitems, raw).status_code == 400, raw
    assert world.lineitems() == 1


def test_li02_an_answer_says_which_member_is_wrong(world: World, lineitems: str) -> None:
    answer = create(world, lineitems, scoreMaximum=0)

    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "scoreMaximum"
    assert "above 0" in answer.json["detail"]


def test_li03_another_context_s_link_is_refused(world: World, lineitems: str) -> None:
    other = world.launch(world.courses[1])[CLAIM + "resource_link"]["id"]

    assert create(world, lineitems, resourceLinkId=other).status_code == 400
    assert create(world, lineitems, resourceLinkId=7).status_code == 400
    own = world.launch()[CLAIM + "resource_link"]["id"]
    assert create(world, lineitems, resourceLinkId=own, resourceId="x").json["resourceLinkId"] == own


def test_li04_filters_hold_together(world: World, lineitem: str, lineitems: str) -> None:
    link = world.launch()[CLAIM + "resource_link"]["id"]
    first = create(world, lineitems, tag="a", resourceId="1").json["id"]
    second = create(world, lineitems, tag="a", resourceId=2).json["id"]
    third = create(world, lineitems, tag="b", resourceId="1", resourceLinkId=link).json["id"]

    def found(**given: str) -> set[str]:
        return {each["id"] for each in world.tool.call("GET", lineitems, query_string=given).json}

    assert found() == {lineitem, first, second, third}
    assert found(tag="a") == {first, second}
    assert found(resource_id="1") == {first, third}
    assert found(resource_id="2") == {second}
    assert found(tag="a", resource_id="1") == {first}
    assert found(resource_link_id=link) == {lineitem, third}
    assert found(resource_link_id=link, tag="b", resource_id="1") == {third}
    assert found(tag="c") == found(tag="a", resource_link_id=link) == set()


def test_li05_pages_follow_each_other_and_keep_the_filter(world: World, lineitems: str) -> None:
    made = {create(world, lineitems, tag="T a&b", resourceId=str(number)).json["id"] for number in range(5)}
    create(world, lineitems, tag="other")
    url, seen, pages = f"{lineitems}?tag=T%20a%26b&limit=2", [], 0

    while url:
        answer = world.tool.call("GET", url)
        seen += [each["id"] for each in answer.json]
        pages += 1
        link = answer.headers.get("Link", "")
        assert link == "" or link.endswith('>; rel="next"')
        url = link.removesuffix('>; rel="next"').removeprefix("<")

    assert pages == 3
    assert len(seen) == 5
    assert set(seen) == made


def test_li05_a_wrong_limit_is_refused(world: World, lineitems: str) -> None:
    for limit in ("0", "-1", "x", "1.5", "²", "9" * 30):
        assert world.tool.call("GET", lineitems, query_string={"limit": limit}).status_code == 400
    assert world.tool.call("GET", lineitems, query_string={"limit": "999999"}).status_code == 200
    assert world.tool.call("GET", lineitems, query_string={"after": "x"}).status_code == 400


def test_li06_a_put_changes_all_but_id_and_link(world: World, lineitem: str, lineitems: str) -> None:
    own = create(world, lineitems, tag="a", resourceId="1").json["id"]
    body = {"id": lineitem, "label": "Neu", "scoreMaximum": 20.5, "resourceLinkId": "mine"}

    answer = world.tool.call("PUT", own, body)

    assert answer.status_code == 200
    assert answer.json == {"id": own, "label": "Neu", "scoreMaximum": 20.5}
    assert world.tool.call("GET", own).json == answer.json
    coupled = world.tool.call("PUT", lineitem, {"label": "Neu", "scoreMaximum": 50, "resourceLinkId": "mine"}).json
    assert coupled["resourceLinkId"] == world.launch()[CLAIM + "resource_link"]["id"]
    assert world.tool.call("PUT", own, {"label": "", "scoreMaximum": 1}).status_code == 400


def test_li07_a_tool_deletes_its_own_but_not_the_coupled_one(world: World, lineitem: str, lineitems: str) -> None:
    own = create(world, lineitems).json["id"]
    assert post(world, own) == 200

    assert world.tool.call("DELETE", own).status_code == 204
    assert world.tool.call("GET", own).status_code == 404
    assert world.tool.call("DELETE", own).status_code == 404
    assert post(world, own) == 404
    assert count(world, scores) == 1
    refused = world.tool.call("DELETE", lineitem)
    assert refused.status_code == 405
    assert "DELETE" not in refused.headers["Allow"]
    assert world.tool.call("GET", lineitem).status_code == 200


def test_li08_the_same_line_item_again_is_the_one_that_is_there(world: World, lineitems: str) -> None:
    first = create(world, lineitems, resourceId="1", tag="a")
    again = create(world, lineitems, resourceId="1", tag="a", label="Other")
    other = create(world, lineitems, resourceId="1", tag="b")

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert again.json == first.json
    assert other.json["id"] != first.json["id"]
    assert create(world, lineitems).json["id"] != create(world, lineitems).json["id"]


def test_li08_asked_at_the_same_moment_one_is_made(world: World, lineitems: str) -> None:
    bearer, barrier = world.tool.bearer, threading.Barrier(4)

    def ask(_: int) -> str:
        barrier.wait()
        body = {"label": "Quiz", "scoreMaximum": 1, "resourceId": "1"}
        return str(another_client(world).call("POST", lineitems, body, bearer=bearer).json["id"])

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_li09_another_content_type_is_refused(world: World, lineitem: str, lineitems: str) -> None:
    body = orjson.dumps({"label": "Quiz", "scoreMaximum": 10})

    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", SCORE_TYPE):
        answer = world.tool.call("POST", lineitems, body, content_type=kind)
        assert answer.status_code == 415
        assert answer.headers["Accept"] == LINEITEM_TYPE
    assert world.tool.call("PUT", lineitem, body, content_type="text/plain").status_code == 415
    for kind in (LINEITEM_TYPE, f"{LINEITEM_TYPE}; charset=utf-8", "application/json"):
        assert world.tool.call("POST", lineitems, body, content_type=kind).status_code == 201


def test_li10_two_contexts_know_nothing_of_each_other(world: World, lineitem: str, lineitems: str) -> None:
    second = str(world.launch(world.courses[1])[AGS]["lineitems"])
    own = create(world, second, resourceId="1").json["id"]

    assert own not in [each["id"] for each in world.tool.call("GET", lineitems).json]
    moved = own.replace(second, lineitems)
    assert world.tool.call("GET", moved).status_code == 404
    assert world.tool.call("PUT", moved, {"label": "x", "scoreMaximum": 1}).status_code == 404


def test_li_a_body_that_is_too_large_is_refused(world: World, lineitems: str) -> None:
    assert world.tool.call("POST", lineitems, b" " * 70000).status_code == 413


# Scores ----------------------------------------------------------------------------------------------------------


def test_c01_a_score_is_kept_as_received_and_becomes_a_statement(world: World, lineitem: str) -> None:
    body = orjson.dumps(score(world, comment="Bagus"), option=orjson.OPT_INDENT_2)

    assert world.tool.call("POST", f"{lineitem}/scores", body).status_code == 200

    with world.hub.db.read() as conn:
        [row] = conn.execute(scores.select()).all()
    assert row.body == body
    assert row.learner == world.learner
    [statement] = statements(world)
    assert statement["actor"]["account"] == {"homePage": BASE, "name": str(world.learner)}
    assert statement["verb"]["id"] == "http://adlnet.gov/expapi/verbs/scored"
    assert statement["object"]["id"] == "https://lan.example/course/1"
    assert statement["result"] == {
        "score": {"raw": 85, "min": 0, "max": 100},
        "completion": True,
        "response": "Bagus",
    }
    assert statement["timestamp"] == TIME
    assert statement["context"]["extensions"] == {
        "urn:wkmb:ags:lineitem": lineitem,
        "urn:wkmb:ags:activity-progress": "Completed",
        "urn:wkmb:ags:grading-progress": "FullyGraded",
    }
    custom = world.launch()[CLAIM + "custom"]
    assert statement["context"]["registration"] == custom["xapi_registration"]
    [found] = stored(world)
    assert (found.owner, found.origin) == (None, f"score:{row.id}")


def test_c01_a_score_wakes_recognition(world: World, lineitem: str) -> None:
    before = count(world, inbox)
    post(world, lineitem)
    assert count(world, inbox) == before + 1


def test_c01_a_score_in_a_tool_s_own_line_item_is_not_about_the_course(world: World, lineitems: str) -> None:
    own = create(world, lineitems, label="Kuis 1").json["id"]

    assert post(world, own) == 200

    [statement] = statements(world)
    assert statement["object"]["id"] == own
    assert statement["object"]["definition"]["name"] == {"und": "Kuis 1"}


def test_c02_a_score_of_nobody_who_was_launched_there_is_refused(world: World, lineitem: str) -> None:
    budi = str(world.learner_of(NIPS[1]))

    for user in (
        budi,
        str(uuid4()),
        "4",
        "",
        None,
        ...,
        7,
        str(world.learner).upper(),
        f"{{{world.learner}}}",
        NIPS[0],
    ):
        assert post(world, lineitem, userId=user) in (400, 404), user
    assert count(world, scores) == count(world, results) == 0
    assert statements(world) == []
    world.launch(browser=world.new_browser("budi"))
    assert post(world, lineitem, userId=budi) == 200


def test_c02_a_launch_of_one_course_enrols_in_that_one_alone(world: World, lineitem: str) -> None:
    budi = world.new_browser("budi")
    second = world.launch(world.courses[1], budi)[AGS]["lineitem"]

    assert post(world, second) == 404
    assert post(world, lineitem, userId=str(world.learner_of(NIPS[1]))) == 404


def test_c03_a_time_needs_a_zone(world: World, lineitem: str) -> None:
    for timestamp in (
        *(..., None, "", "yesterday", "2026-11-24", "2026-11-24T02:00:00", "2026-13-01T00:00:00Z", 1795000000),
        *("2026-11-24T02:00:00+25:00", "2026-11-24 02:00:00Z", "0000-01-01T00:00:00Z"),
    ):
        assert post(world, lineitem, timestamp=timestamp) == 400, timestamp
    assert count(world, scores) == 0


def test_c03_every_spelling_of_a_zone_is_read(world: World, lineitem: str) -> None:
    spellings = {
        "2026-11-24T00:00:00Z": "2026-11-24T00:00:00.000Z",
        "2026-11-24T00:00:01+00:00": "2026-11-24T00:00:01.000Z",
        "2026-11-24T00:00:02+0000": "2026-11-24T00:00:02.000Z",
        "2026-11-24T00:00:03+00": "2026-11-24T00:00:03.000Z",
        "2026-11-24T07:00:04.5+07:00": "2026-11-24T00:00:04.500Z",
        "2026-11-23T19:00:05.123456789-0500": "2026-11-24T00:00:05.123456Z",
    }
    for sent in spellings:
        assert post(world, lineitem, timestamp=sent) == 200, sent
        world.clock.advance(seconds=1)
    assert [each["timestamp"] for each in statements(world)] == list(spellings.values())


def test_c04_a_score_older_than_the_newest_is_refused(world: World, lineitem: str) -> None:
    assert post(world, lineitem, timestamp="2026-11-24T02:00:00Z") == 200
    answer = world.tool.call(
        "POST", f"{lineitem}/scores", score(world, timestamp="2026-11-24T01:59:59.999Z", scoreGiven=90)
    )

    assert answer.status_code == 409
    assert answer.json["code"] == "timestamp"
    assert count(world, scores) == 1
    assert [each["resultScore"] for each in told(world, lineitem)] == [85]


def test_c05_the_same_score_again_changes_nothing(world: World, lineitem: str) -> None:
    assert [post(world, lineitem), post(world, lineitem)] == [200, 200]

    spaced = orjson.dumps(score(world, unknown=1), option=orjson.OPT_INDENT_2)
    assert world.tool.call("POST", f"{lineitem}/scores", spaced).status_code == 200
    assert count(world, scores) == len(statements(world)) == 1


def test_c05_of_two_of_the_same_time_the_later_arrival_holds(world: World, lineitem: str) -> None:
    assert post(world, lineitem, scoreGiven=60) == 200
    world.clock.advance(seconds=1)
    assert post(world, lineitem, scoreGiven=70) == 200

    assert [each["resultScore"] for each in told(world, lineitem)] == [70]
    assert [each["result"]["score"]["raw"] for each in statements(world)] == [60, 70]


def test_c05_a_time_that_a_moodle_does_not_know_is_that_of_arrival(world: World, lineitem: str) -> None:
    for given in (60, 70, 60):
        assert post(world, lineitem, timestamp="1970-01-01T00:00:00+0000", scoreGiven=given) == 200
        world.clock.advance(seconds=1)

    assert [each["resultScore"] for each in told(world, lineitem)] == [60]
    assert [each["timestamp"][:16] for each in statements(world)] == ["2026-11-24T03:00"] * 3


def test_c06_a_score_needs_a_maximum_and_numbers(world: World, lineitem: str) -> None:
    for changed in (
        {"scoreMaximum": ...},
        {"scoreMaximum": None},
        {"scoreMaximum": 0},
        {"scoreMaximum": -5},
        {"scoreGiven": -1},
        {"scoreGiven": True},
        {"scoreGiven": "many"},
        {"scoreGiven": ""},
        {"scoreGiven": "1e5"},
        {"scoreGiven": " 85"},
        {"scoreGiven": "٣"},
        {"scoreGiven": "NaN"},
        {"scoreGiven": [85]},
        {"scoreGiven": 10**30},
        {"scoreMaximum": "Infinity"},
        {"scoreMaximum": {"x": 1}},
    ):
        assert post(world, lineitem, **changed) == 400, changed
    template = orjson.dumps(score(world)).decode()
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        raw = template.replace('"scoreGiven":85', f'"scoreGiven":{number}').encode()
        assert world.tool.call("POST", f"{lineitem}/scores", raw).status_code == 400, number
    assert count(world, scores) == 0


def test_c06_a_number_as_text_is_read(world: World, lineitem: str) -> None:
    assert post(world, lineitem, scoreGiven="85.00000", scoreMaximum="100.00000") == 200

    [result] = told(world, lineitem)
    assert (result["resultScore"], result["resultMaximum"]) == (85, 100)
    assert statements(world)[0]["result"]["score"] == {"raw": 85, "min": 0, "max": 100}


def test_c07_a_score_above_the_maximum_is_taken(world: World, lineitem: str) -> None:
    assert post(world, lineitem, scoreGiven=110) == 200

    assert told(world, lineitem)[0]["resultScore"] == 110
    [statement] = statements(world)
    assert statement["result"]["score"] == {"raw": 100, "min": 0, "max": 100}
    assert statement["context"]["extensions"]["urn:wkmb:ags:score-given"] == 110


def test_c08_progress_is_one_of_the_words_exactly(world: World, lineitem: str) -> None:
    for name in ("activityProgress", "gradingProgress"):
        for value in (..., None, "", "completed", "fullygraded", "FULLYGRADED", "Done", 7, ["Completed"]):
            assert post(world, lineitem, **{name: value}) == 400, (name, value)
    times = iter(range(60))
    for activity in ("Initialized", "Started", "InProgress", "Submitted", "Completed"):
        for grading in ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady"):
            moment = f"2026-11-24T02:00:{next(times):02}Z"
            assert post(world, lineitem, timestamp=moment, activityProgress=activity, gradingProgress=grading) == 200


def test_c09_only_a_final_grade_changes_the_result_and_none_clears_it(world: World, lineitem: str) -> None:
    def after(second: int, **changed: Any) -> list[float]:
        assert post(world, lineitem, timestamp=f"2026-11-24T02:00:{second:02}Z", **changed) == 200
        return [each["resultScore"] for each in told(world, lineitem)]

    assert after(0, scoreGiven=40, gradingProgress="Pending") == []
    assert after(1, scoreGiven=50) == [50]
    for second, progress in enumerate(("Pending", "PendingManual", "Failed", "NotReady"), 2):
        assert after(second, scoreGiven=90, gradingProgress=progress) == [50]
    assert after(6, scoreGiven=60) == [60]
    assert after(7, scoreGiven=None) == []
    assert "score" not in statements(world)[-1]["result"]
    assert after(8, scoreGiven=0) == [0]
    assert after(9, scoreGiven=..., scoreMaximum=...) == []


def test_c09_a_score_that_is_not_final_still_orders(world: World, lineitem: str) -> None:
    assert post(world, lineitem, timestamp="2026-11-24T02:00:10Z", gradingProgress="Pending") == 200
    assert post(world, lineitem, timestamp="2026-11-24T02:00:09Z") == 409


def test_c10_a_comment_goes_when_it_is_absent(world: World, lineitem: str) -> None:
    assert post(world, lineitem, timestamp="2026-11-24T02:00:00Z", comment="Bagus <b>") == 200
    assert told(world, lineitem)[0]["comment"] == "Bagus <b>"
    assert post(world, lineitem, timestamp="2026-11-24T02:00:01Z") == 200
    assert "comment" not in told(world, lineitem)[0]
    for comment in (7, ["x"], "a\0b", "x" * 40000):
        assert post(world, lineitem, timestamp="2026-11-24T02:00:02Z", comment=comment) == 400


def test_c11_a_submission_starts_before_it_ends(world: World, lineitem: str) -> None:
    early, late = "2026-11-24T01:00:00Z", "2026-11-24T02:00:00+00:00"
    for submission in ({"startedAt": late, "submittedAt": early}, {"startedAt": "x"}, {"submittedAt": 7}, [], "x"):
        assert post(world, lineitem, submission=submission) == 400, submission
    for second, submission in enumerate(
        (
            {"startedAt": early, "submittedAt": late},
            {"startedAt": early, "submittedAt": early},
            {"submittedAt": late},
            {},
            None,
        )
    ):
        assert post(world, lineitem, submission=submission, timestamp=f"2026-11-24T02:00:{second:02}Z") == 200


def test_c12_unknown_members_are_ignored(world: World, lineitem: str) -> None:
    assert post(world, lineitem, **{"https://example.org/extension": {"x": 1}, "resultScore": "x"}) == 200


def test_c13_a_score_from_the_future_does_not_shut_out_those_of_today(world: World, lineitem: str) -> None:
    assert post(world, lineitem, timestamp="2036-01-01T00:00:00Z", scoreGiven=10) == 200
    assert statements(world)[0]["timestamp"] == "2026-11-24T03:00:00.000Z"
    world.clock.advance(minutes=1)
    assert post(world, lineitem, timestamp="2026-11-24T03:01:00Z", scoreGiven=85) == 200
    assert [each["resultScore"] for each in told(world, lineitem)] == [85]


def test_c13_a_clock_that_is_a_little_ahead_is_believed(world: World, lineitem: str) -> None:
    assert post(world, lineitem, timestamp="2026-11-24T03:04:59Z") == 200
    assert statements(world)[0]["timestamp"] == "2026-11-24T03:04:59.000Z"
    assert post(world, lineitem, timestamp="2026-11-24T03:00:00Z") == 409


def test_c14_of_two_at_the_same_moment_the_newer_holds(world: World, lineitem: str) -> None:
    bearer, barrier = world.tool.bearer, threading.Barrier(6)

    def send(second: int) -> int:
        body = score(world, timestamp=f"2026-11-24T02:00:{second:02}Z", scoreGiven=second)
        client = another_client(world)
        barrier.wait()
        return client.call("POST", f"{lineitem}/scores", body, bearer=bearer).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))

    assert set(answers) <= {200, 409}
    assert answers[5] == 200
    assert [each["resultScore"] for each in told(world, lineitem)] == [5]
    assert count(world, results) == 1
    assert count(world, scores) == answers.count(200)


def test_c14_the_same_score_at_the_same_moment_is_stored_once(world: World, lineitem: str) -> None:
    bearer, barrier = world.tool.bearer, threading.Barrier(6)

    def send(_: int) -> int:
        client = another_client(world)
        barrier.wait()
        return client.call("POST", f"{lineitem}/scores", score(world), bearer=bearer).status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(send, range(6))) == [200] * 6
    assert count(world, scores) == 1


def test_c15_a_stored_score_is_answered_with_exactly_200(world: World, lineitem: str) -> None:
    answer = world.tool.call("POST", f"{lineitem}/scores", score(world))

    assert answer.status_code == 200


def test_c_another_content_type_or_a_broken_body_is_refused(world: World, lineitem: str) -> None:
    body = orjson.dumps(score(world))

    assert world.tool.call("POST", f"{lineitem}/scores", body, content_type="text/plain").status_code == 415
    for raw in (b"", b"[]", b"null", b"{}", body[:-20], b"\xff", b"[" * 5000):
        assert world.tool.call("POST", f"{lineitem}/scores", raw).status_code in (400, 404), raw
    assert world.tool.call("POST", f"{lineitem}/scores", body).status_code == 200


# Results ---------------------------------------------------------------------------------------------------------


def test_r01_results_are_those_of_who_has_a_score(world: World, lineitem: str) -> None:
    budi = str(world.learner_of(NIPS[1]))
    world.launch(browser=world.new_browser("budi"))
    assert told(world, lineitem) == []
    post(world, lineitem, scoreGiven=0, scoreMaximum=20)

    assert told(world, lineitem) == [
        {
            "id": f"{lineitem}/results/{world.learner}",
            "scoreOf": lineitem,
            "userId": str(world.learner),
            "resultScore": 0,
            "resultMaximum": 20,
        }
    ]
    post(world, lineitem, userId=budi, scoreGiven=7.25, scoreMaximum=10)
    assert {each["userId"]: each["resultScore"] for each in told(world, lineitem)} == {
        str(world.learner): 0,
        budi: 7.25,
    }
    assert [each["userId"] for each in told(world, lineitem, user_id=budi)] == [budi]
    assert told(world, lineitem, user_id=str(uuid4())) == told(world, lineitem, user_id="x") == []


def test_r01_results_come_in_pages(world: World, lineitem: str) -> None:
    budi = str(world.learner_of(NIPS[1]))
    world.launch(browser=world.new_browser("budi"))
    post(world, lineitem)
    post(world, lineitem, userId=budi)

    first = world.tool.call("GET", f"{lineitem}/results?limit=1")
    url = first.headers["Link"].removesuffix('>; rel="next"').removeprefix("<")
    second = world.tool.call("GET", url)

    assert {each["userId"] for each in (*first.json, *second.json)} == {str(world.learner), budi}
    assert "Link" not in second.headers
    twice = world.tool.call("GET", f"{lineitem}/results?user_id=a&user_id=b")
    assert twice.status_code == 400


def another_client(world: World) -> ToolSide:
    """The same tool, calling from another thread."""
    return ToolSide(world.hub, world.new_browser(), world.tool.tool, world.tool.key, [], world.tool.now)


def test_methods_that_there_are_not_are_refused(world: World, lineitem: str, lineitems: str) -> None:
    assert world.tool.call("DELETE", lineitems).status_code == 405
    assert world.tool.call("GET", f"{lineitem}/scores").status_code == 405
    assert world.tool.call("POST", f"{lineitem}/results", {}).status_code == 405
