"""A teacher of an LMS links a course of the catalogue or the JP page: Deep Linking 2.0 as a tool, case S13."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from hub.learning import catalogue
from mappings.course import Course
from platformtest import BASE, CLAIM, ISSUER, Lms, failed_check

DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"


@pytest.fixture
def courses(lms: Lms) -> list[int]:
    """Two courses of which the second one cannot be started from here."""
    made = [
        Course(
            id=f"https://lan.example/course/{number}",
            provider="lan",
            title_id=title,
            title_en=english,
            form="NKL04",
            scope="national",
            programme_centi_jp=450,
            launch_url=launch_url,
        )
        for number, title, english, launch_url in (
            (1, 'Pelayanan <b>"Publik"</b>', "Public Service", "https://lan.example/launch"),
            (2, "Anggaran", "Budgeting", ""),
        )
    ]
    with lms.hub.db.write() as conn:
        catalogue.import_courses(conn, lms.hub, made, by="test")
    with lms.hub.db.read() as conn:
        by_iri = lms.hub.courses.current(conn).by_iri
        return [by_iri[each.id].id for each in made]


def begin(lms: Lms, **settings: Any) -> TestResponse:
    """The page on which to choose."""
    answer = lms.launch(**lms.deep_linking(**settings))
    assert answer.status_code == 303, answer.text
    page = lms.client.get(answer.headers["Location"], base_url=BASE)
    assert page.status_code == 200, page.text
    return page


def state_of(page: TestResponse) -> str:
    found = re.search(r'name="state" value="([^"]*)"', page.text)
    assert found
    return html.unescape(found[1])


def choose(lms: Lms, page: TestResponse, *items: object) -> tuple[str, dict[str, Any]]:
    """Send the form: where the response goes, and its claims, the signature checked with the published key set."""
    given = {"state": state_of(page), "item": [str(each) for each in items]}
    answer = lms.client.post("/lti/tool/select", data=given, base_url=BASE)
    assert answer.status_code == 200, answer.text
    action = re.search(r'<form id="lti" method="post" action="([^"]*)"', answer.text)
    token = re.search(r'name="JWT" value="([^"]*)"', answer.text)
    assert action
    assert token
    assert f"form-action 'self' {ISSUER}" in answer.headers["Content-Security-Policy"]
    keys = KeySet.import_key_set(lms.client.get("/lti/tool/jwks", base_url=BASE).json)
    return html.unescape(action[1]), dict(jwt.decode(token[1], keys, algorithms=["RS256"]).claims)


def test_s13_what_is_chosen_goes_back_signed(lms: Lms, courses: list[int]) -> None:
    data = ' {"op": 321, "v":"é\\u00e9\'"} '

    where, said = choose(lms, begin(lms, data=data), courses[0], "jp")

    now = int(lms.clock.now.timestamp())
    assert where == f"{ISSUER}/return.php?course=3&sesskey=mEDF"
    assert said.pop("nonce")
    items = said.pop(DL + "content_items")
    assert said == {
        "iss": "client-1",
        "aud": ISSUER,
        "iat": now,
        "exp": now + 300,
        CLAIM + "deployment_id": "1",
        CLAIM + "message_type": "LtiDeepLinkingResponse",
        CLAIM + "version": "1.3.0",
        DL + "data": data,
    }
    assert items[0] == {
        "type": "ltiResourceLink",
        "title": 'Pelayanan <b>"Publik"</b>',
        "text": "lan",
        "url": f"{BASE}/lti/tool/launch",
        "custom": {"hub_course": str(courses[0])},
        "lineItem": {
            "label": 'Pelayanan <b>"Publik"</b>',
            "scoreMaximum": 100,
            "resourceId": f"hub-course-{courses[0]}",
        },
        "window": {"targetName": "_blank"},
    }
    assert items[1]["custom"] == {"hub_page": "jp"}
    assert "lineItem" not in items[1]


def test_s13_absent_data_stays_absent_and_nothing_is_null(lms: Lms, courses: list[int]) -> None:
    _, said = choose(lms, begin(lms, data=None, accept_presentation_document_targets=["iframe"]), courses[1])

    assert DL + "data" not in said
    [item] = said[DL + "content_items"]
    assert set(item) == {"type", "title", "text", "url", "custom"}
    assert all(isinstance(value, str) for value in item["custom"].values())


def test_a_platform_that_takes_plain_links_gets_one(lms: Lms, courses: list[int]) -> None:
    _, said = choose(lms, begin(lms, accept_types=["link", "html"]), courses[0])

    assert said[DL + "content_items"][0]["type"] == "link"
    assert said[DL + "content_items"][0]["url"] == f"{BASE}/courses/{courses[0]}"


def test_one_where_the_platform_takes_one_and_none_where_it_was_cancelled(lms: Lms, courses: list[int]) -> None:
    page = begin(lms, accept_multiple=False)

    assert 'type="radio"' in page.text
    assert len(choose(lms, page, *courses)[1][DL + "content_items"]) == 1
    where, said = choose(lms, page)
    assert where.startswith(ISSUER)
    assert said[DL + "content_items"] == []
    assert choose(lms, page, "no-number", "99999", "-1", "١")[1][DL + "content_items"] == []


def test_titles_are_shown_as_text_and_can_be_searched(lms: Lms, courses: list[int]) -> None:
    page = begin(lms)
    assert '<b>"Publik"' not in page.text
    assert "Anggaran" in page.text

    found = lms.client.get("/lti/tool/select", query_string={"state": state_of(page), "q": "PUBLIC"}, base_url=BASE)

    assert "Publik" in found.text
    assert "Anggaran" not in found.text


def test_w10_a_return_address_cannot_end_its_attribute(lms: Lms, courses: list[int]) -> None:
    page = begin(lms, deep_link_return_url=f'{ISSUER}/return?a="><script>alert(1)</script>')

    answer = lms.client.post("/lti/tool/select", data={"state": state_of(page)}, base_url=BASE)

    assert "<script>alert" not in answer.text


def test_the_choice_belongs_to_the_browser_that_launched_it(lms: Lms, courses: list[int]) -> None:
    state = state_of(begin(lms))

    for client, given in ((lms.new_browser(), state), (lms.client, "made-up"), (lms.client, "")):
        page = client.get("/lti/tool/select", query_string={"state": given}, base_url=BASE)
        posted = client.post("/lti/tool/select", data={"state": given, "item": "jp"}, base_url=BASE)
        assert failed_check(page) == failed_check(posted) == ("browser" if given == state else "state")


def test_a_resource_link_launch_gives_nothing_to_choose(lms: Lms) -> None:
    request = lms.begin()
    lms.post(state=request["state"], id_token=lms.sign(lms.claims(request)))

    page = lms.client.get("/lti/tool/select", query_string={"state": request["state"]}, base_url=BASE)

    assert failed_check(page) == "state"


def test_choosing_signs_nobody_in(lms: Lms) -> None:
    begin(lms)

    assert lms.client.get_cookie("wkmb_session", domain="hub.example") is None
