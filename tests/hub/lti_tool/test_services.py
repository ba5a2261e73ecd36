"""The hub calls the services of the LMSs that launch it: cases S01 to S12 of the acceptance list, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request, Response

from connectors.http import GuardedSession, RequestFailed
from gradebooktest import Gradebook
from hub.lti.keys import SigningKeys
from hub.lti.scopes import LINEITEM, MEMBERSHIP_READ, SCORE
from hub.lti_tool import grades, platforms, roster
from hub.lti_tool.grades import NewScore
from hub.lti_tool.platforms import Platform
from hub.lti_tool.services import MOST_PAGES, Services
from hub.lti_tool.tables import platform_tokens
from platformtest import BASE, Lms


@pytest.fixture
def gradebook(lms: Lms, httpserver: HTTPServer) -> Gradebook:
    return Gradebook(httpserver, lambda: lms.client.get("/lti/tool/jwks", base_url=BASE).json)  # type: ignore[arg-type, return-value]


@pytest.fixture
def platform(lms: Lms) -> Platform:
    with lms.hub.db.read() as conn:
        return platforms.named(conn, "lms")


@pytest.fixture
def services(lms: Lms, platform: Platform, gradebook: Gradebook) -> Iterator[Services]:
    with Services(lms.hub, SigningKeys(), platform) as opened:
        yield opened


def answer(body: str | bytes = "", status: int = 200, **headers: str) -> Callable[[Request], Response]:
    return lambda _: Response(body, status, headers=headers)


def refused(work: Callable[[], Any]) -> RequestFailed:
    with pytest.raises(RequestFailed) as failure:
        work()
    assert "token-" not in str(failure.value), "a token is in the message"
    return failure.value


def drained(found: Iterator[Any]) -> Callable[[], list[Any]]:
    return lambda: list(found)


def test_s01_an_assertion_names_the_hub_twice_and_works_once(services: Services, gradebook: Gradebook, lms: Lms):
    for scope in (SCORE, MEMBERSHIP_READ):
        services.token(scope)

    first, second = gradebook.assertions
    assert first["iss"] == first["sub"] == "client-1"
    assert first["jti"] != second["jti"]
    assert first["exp"] - first["iat"] <= 300
    published = lms.client.get("/lti/tool/jwks", base_url=BASE).json
    assert published is not None
    assert gradebook.headers[0]["kid"] in [key["kid"] for key in published["keys"]]


@pytest.mark.parametrize("audience", ["https://api.lms.example/auth/token", "https://lms.example"])
def test_s02_the_audience_is_that_of_the_registration(
    lms: Lms, platform: Platform, gradebook: Gradebook, audience: str
):
    gradebook.audience = audience

    with Services(lms.hub, SigningKeys(), replace(platform, token_audience=audience)) as services:
        services.token(SCORE)
    with Services(lms.hub, SigningKeys(), platform) as services:
        failure = refused(lambda: services.token(SCORE, fresh=True))

    assert gradebook.assertions[0]["aud"] == audience
    assert failure.status == 400


def test_s03_a_token_is_used_by_everybody_until_a_minute_before_its_end(
    services: Services, gradebook: Gradebook, lms: Lms, platform: Platform
):
    first = services.token(SCORE)
    lms.clock.advance(seconds=3539)
    with Services(lms.hub, SigningKeys(), platform) as another:
        assert another.token(SCORE) == first
    assert services.token(MEMBERSHIP_READ) != first
    other = lms.register("lms-2", client_id="client-2")
    with Services(lms.hub, SigningKeys(), other) as of_another_client:
        assert of_another_client.token(SCORE) != first

    lms.clock.advance(seconds=1)

    assert services.token(SCORE) != first
    with lms.hub.db.read() as conn:
        kept = conn.execute(sa.select(platform_tokens.c.token)).scalars().all()
    assert not any(b"token-" in each for each in kept), "tokens are kept sealed"


@pytest.mark.parametrize("life", [None, "soon", -5, True, 60])
def test_s03_a_token_that_says_nothing_useful_of_its_life_is_used_all_the_same(
    services: Services, gradebook: Gradebook, life: Any
):
    gradebook.expires_in = life

    assert services.token(SCORE) == "token-1"
    assert services.token(SCORE) == ("token-2" if life == 60 else "token-1")


def test_s04_a_token_that_is_not_taken_is_replaced_once(services: Services, gradebook: Gradebook):
    services.token(SCORE)
    gradebook.good.clear()

    grades.post_score(services, gradebook.lineitem, score(services))

    assert len(gradebook.assertions) == 2
    assert gradebook.grades == {"42": 85}
    gradebook.faults["/services/3/lineitems/7/lineitem/scores"] = [answer(status=401), answer(status=401)]
    failure = refused(lambda: grades.post_score(services, gradebook.lineitem, score(services)))
    assert (failure.status, failure.code) == (401, "credential_refused")
    assert len(gradebook.assertions) == 3


def test_s05_nobody_is_waited_for_long(services: Services, gradebook: Gradebook, monkeypatch: pytest.MonkeyPatch):
    session: GuardedSession = services._session
    assert session._timeout == (3.0, 10.0)
    session._timeout = (0.2, 0.2)
    over = threading.Event()
    gradebook.faults["/token"] = [lambda _: (over.wait(5), Response())[1]]

    failure = refused(lambda: services.token(SCORE))
    over.set()

    assert (failure.code, failure.retryable) == ("timeout", True)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/members", "http://127.0.0.1:1/members", "//evil.example/", "http://[::"]
)
def test_s06_no_token_goes_to_another_host(services: Services, gradebook: Gradebook, elsewhere: str):
    page = answer('{"members": []}', Link=f'<{elsewhere}>; rel="next"')
    services.token(MEMBERSHIP_READ)
    gradebook.faults["/services/3/memberships"] = [page]

    failure = refused(drained(roster.members(services, gradebook.memberships)))

    assert failure.code == "foreign_page"
    assert gradebook.asked("/services/3/memberships") == 1


def test_s07_pages_are_followed_letter_by_letter(services: Services, gradebook: Gradebook):
    gradebook.members = [{"user_id": str(number), "roles": ["Learner"]} for number in range(5)]

    found = [member.user_id for member in roster.members(services, gradebook.memberships)]

    assert found == ["0", "1", "2", "3", "4"]
    assert gradebook.asked("/services/3/memberships") == 3


def test_s07_pages_end(services: Services, gradebook: Gradebook):
    path = "/services/3/memberships"
    gradebook.faults[path] = [answer('{"members": []}', Link=f'<{path}>; rel="next"')]
    assert refused(drained(roster.members(services, gradebook.memberships))).code == "endless_pages"

    gradebook.faults[path] = [
        answer('{"members": []}', Link=f'<{path}?n={number}>; rel="next"') for number in range(MOST_PAGES + 1)
    ]
    assert refused(drained(roster.members(services, gradebook.memberships))).code == "endless_pages"
    assert gradebook.asked(path) == MOST_PAGES + 1


def test_s08_a_redirect_is_not_followed(services: Services, gradebook: Gradebook, lms: Lms):
    gradebook.faults["/token"] = [answer(status=307, Location=gradebook.server.url_for("/elsewhere"))]

    failure = refused(lambda: services.token(SCORE))

    assert failure.code == "redirected"
    assert gradebook.asked("/elsewhere") == 0


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer("<html>Maintenance"), "not_json"),
        (answer("[1, 2]"), "no_token"),
        (answer('{"access_token": "two words"}'), "no_token"),
        (answer(status=500), "unavailable"),
        (answer(status=503), "unavailable"),
        (answer(b" " * (1 << 20) + b"{}"), "too_large"),
    ],
)
def test_s09_whatever_is_answered_is_an_error_with_a_reason(
    services: Services, gradebook: Gradebook, reply: Callable[[Request], Response], code: str
):
    gradebook.faults["/token"] = [reply]

    assert refused(lambda: services.token(SCORE)).code == code
    assert services.token(SCORE) == "token-1"


@pytest.mark.parametrize("body", ["nonsense", "{}", "[7]", '{"members": 7}'])
def test_s09_containers_of_another_shape_are_an_error(services: Services, gradebook: Gradebook, body: str):
    for path, work in (
        ("/services/3/lineitems", lambda: list(grades.find_lineitems(services, gradebook.lineitems))),
        ("/services/3/memberships", lambda: list(roster.members(services, gradebook.memberships))),
    ):
        gradebook.faults[path] = [answer(body)]
        assert refused(work).code in ("not_json", "malformed")


def score(services: Services, given: str | None = "85.00000", later: float = 0) -> NewScore:
    at = services._hub.clock() + timedelta(seconds=later)
    return NewScore("42", at, None if given is None else Decimal(given), Decimal(100))


def test_s10_a_score_of_nothing_is_sent(services: Services, gradebook: Gradebook):
    grades.post_score(services, gradebook.lineitem, score(services, "0"))

    assert gradebook.scores[0]["scoreGiven"] == 0
    assert gradebook.grades == {"42": 0}


def test_s11_a_timestamp_has_milliseconds_and_a_z(services: Services, gradebook: Gradebook, lms: Lms):
    lms.clock.now = lms.clock.now.replace(microsecond=7_900)

    grades.post_score(services, gradebook.lineitem, score(services))

    assert gradebook.scores[0]["timestamp"] == "2026-11-24T03:00:00.007Z"


def test_s12_the_query_of_a_line_item_stays_behind_its_path(services: Services, gradebook: Gradebook):
    assert grades.part_of("https://lms.example/li/1?type_id=7", "scores") == "https://lms.example/li/1/scores?type_id=7"

    grades.post_score(services, gradebook.lineitem, score(services))

    assert next(grades.find_results(services, gradebook.lineitem, "42"))["resultScore"] == 85
    assert list(grades.find_results(services, gradebook.lineitem, "43")) == []


def test_w11_line_items_are_made_found_changed_and_deleted(services: Services, gradebook: Gradebook):
    for number in range(3):
        column = {"label": f"Kursus {number}", "scoreMaximum": 10, "resourceId": "hub", "tag": str(number)}
        made = grades.create_lineitem(services, gradebook.lineitems, column)
    found = [each["tag"] for each in grades.find_lineitems(services, gradebook.lineitems, resource_id="hub")]
    assert found == ["0", "1", "2"]
    assert [each["tag"] for each in grades.find_lineitems(services, gradebook.lineitems, tag="1")] == ["1"]

    changed = grades.change_lineitem(services, made["id"], column | {"scoreMaximum": 0})
    assert changed["scoreMaximum"] == grades.get_lineitem(services, made["id"])["scoreMaximum"] == 0

    assert set(gradebook.scopes) == {LINEITEM}, "only what the call needs is asked for"
    grades.delete_lineitem(services, made["id"])
    assert refused(lambda: grades.get_lineitem(services, made["id"])).status == 404


def test_a_score_that_is_taken_back_erases_the_grade(services: Services, gradebook: Gradebook):
    grades.post_score(services, gradebook.lineitem, score(services))

    grades.post_score(services, gradebook.lineitem, score(services, None, later=1))

    assert gradebook.grades == {}
    assert "scoreGiven" not in gradebook.scores[1]


def test_members_of_a_moodle_are_read(services: Services, gradebook: Gradebook):
    gradebook.members = [
        {"status": "Active", "roles": ["Learner"], "user_id": "10", "ext_user_username": "enrol_lti_13_0826"},
        {"status": "Inactive", "roles": "Learner", "user_id": "11", "lis_person_sourcedid": ""},
        {"status": "Active", "user_id": 12},
        "nobody",
    ]

    found = list(roster.members(services, gradebook.memberships))

    assert [(each.user_id, each.roles, each.is_active, each.username) for each in found] == [
        ("10", ("Learner",), True, "enrol_lti_13_0826"),
        ("11", (), False, ""),
    ]
