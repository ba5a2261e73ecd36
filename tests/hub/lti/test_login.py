"""The login and the authentication endpoint: cases A01 to A17 of the acceptance list."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from hub.lti import launches
from hub.lti.launches import LaunchRefused, Started
from hub.systems import registry
from hub.tables import enrollments
from ltitest import BASE, NIPS, Page, World

AUTH = "/lti/platform/auth"


def error(page: Page) -> str:
    """The error that the tool is told, at its own address."""
    assert page.response.status_code == 200
    assert "id_token" not in page.fields
    return page.fields["error"]


def refused_with_a_page(answer: TestResponse) -> None:
    """The person is told; nothing is sent anywhere."""
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert 'name="id_token"' not in answer.text
    assert 'name="error"' not in answer.text
    assert "lti.js" not in answer.text


def start(world: World, course: int) -> Started | LaunchRefused:
    session = world.session_of(world.browser)
    return launches.start(world.hub, learner=world.learner, session=session.id, course_id=course, locale="id")


def test_a01_a_login_url_with_its_own_query_is_extended(world: World) -> None:
    parts = urlsplit(world.begin())

    assert parts._replace(query="").geturl() == "https://lan.example/login.php"
    assert parts.query.startswith("id=7&")
    given = dict(parse_qsl(parts.query))
    assert given == {
        "id": "7",
        "iss": BASE,
        "login_hint": str(world.learner),
        "target_link_uri": "https://lan.example/launch",
        "lti_message_hint": given["lti_message_hint"],
        "client_id": world.tool.tool.client_id,
        "lti_deployment_id": world.tool.deployment_ids[0],
    }


def test_a01_a_login_url_without_a_query_gets_one(world: World) -> None:
    world.add_tool("bkn", world.keys[1], login_url="https://bkn.example/login")

    url = world.begin(world.add_course("bkn"))

    assert url.startswith(f"https://bkn.example/login?iss={BASE.replace(':', '%3A').replace('/', '%2F')}&")


def test_a02_an_unknown_client_sees_a_page(world: World) -> None:
    for client_id in ["somebody", "", "\0", "é", "x" * 300, None]:
        refused_with_a_page(world.authenticate(client_id=client_id).response)


OTHER_ADDRESSES = [
    "https://evil.example/launch",
    "https://lan.example/launch/",
    "https://lan.example/launch/more",
    "https://lan.example/launc",
    "https://lan.example:8443/launch",
    "https://lan.example/launch#x",
    "https://lan.example/launch?x=1",
    "https://lan.example/Launch",
    "https://LAN.example/launch",
    "http://lan.example/launch",
    " https://lan.example/launch",
    "",
    None,
]


def test_a03_another_redirect_uri_sees_a_page_and_gets_nothing(world: World) -> None:
    for redirect_uri in OTHER_ADDRESSES:
        refused_with_a_page(world.authenticate(redirect_uri=redirect_uri).response)


def test_a04_a_request_without_openid_is_told_so(world: World) -> None:
    for scope in [None, "", "profile", "OPENID", "openid2"]:
        request = world.request(scope=scope)

        page = world.authenticate(request)

        assert error(page) == "invalid_scope"
        assert page.action == world.tool.redirect_uri
        assert page.fields["state"] == request["state"]


def test_a04_further_scopes_are_tolerated(world: World) -> None:
    assert "id_token" in world.authenticate(scope="openid profile email").fields


def test_a05_another_response_type_is_refused(world: World) -> None:
    for response_type in [None, "code", "id_token token", "token"]:
        assert error(world.authenticate(response_type=response_type)) == "unsupported_response_type"


def test_a06_another_response_mode_is_refused(world: World) -> None:
    for response_mode in [None, "query", "fragment"]:
        assert error(world.authenticate(response_mode=response_mode)) == "invalid_request"


def test_a07_a_request_without_a_nonce_is_refused(world: World) -> None:
    for nonce in [None, ""]:
        assert error(world.authenticate(nonce=nonce)) == "invalid_request"


def test_a08_a_missing_or_wrong_login_hint_is_denied(world: World) -> None:
    for login_hint in (None, "", str(world.learner_of(NIPS[1])), NIPS[0], str(world.learner).upper()):
        assert error(world.authenticate(login_hint=login_hint)) == "access_denied"


def test_a08_the_launch_of_another_person_is_denied(world: World) -> None:
    budi = world.new_browser("budi")
    request = world.request(world.begin(browser=budi))

    assert error(world.authenticate(request)) == "access_denied"
    assert "id_token" in Page(budi.get(AUTH, query_string=request)).fields


def test_a08_the_same_person_in_another_browser_is_denied(world: World) -> None:
    request = world.request()

    elsewhere = Page(world.new_browser("siti").get(AUTH, query_string=request))

    assert error(elsewhere) == "access_denied"


def test_a09_nobody_signed_in_is_asked_again_from_our_own_page_and_then_refused(world: World) -> None:
    request, stranger = world.request(), world.new_browser()

    repost = Page(stranger.post(AUTH, data=request))
    answer = Page(stranger.post(AUTH, data=repost.fields))

    assert repost.action == AUTH
    assert request.items() <= repost.fields.items()
    assert "form-action 'self';" in repost.response.headers["Content-Security-Policy"]
    assert error(answer) == "login_required"


def test_a09_a_browser_that_kept_its_cookie_back_comes_through_our_own_page(world: World) -> None:
    """A POST from the tool's page carries no SameSite=Lax cookie; that of our own page does."""
    request = world.request()

    repost = Page(world.new_browser().post(AUTH, data=request))
    answer = Page(world.browser.post(AUTH, data=repost.fields))

    assert "id_token" in answer.fields


def test_a09_what_is_no_parameter_of_ours_is_not_sent_again(world: World) -> None:
    repost = Page(world.new_browser().post(AUTH, data={**world.request(), "submit": "x", "csrf_token": "y"}))

    assert not {"submit", "csrf_token"} & repost.fields.keys()


def test_a10_another_prompt_is_refused(world: World) -> None:
    for prompt in [None, "login", "consent", "none login"]:
        assert error(world.authenticate(prompt=prompt)) == "invalid_request"


def test_a11_a_missing_or_forged_message_hint_is_refused(world: World) -> None:
    for hint in [None, "", "x", "x.y", "é.é", "W10.AAAA"]:
        assert error(world.authenticate(lti_message_hint=hint)) == "invalid_request"


def test_a11_a_message_hint_with_one_other_letter_is_refused(world: World) -> None:
    hint = world.request()["lti_message_hint"]

    assert error(world.authenticate(lti_message_hint=hint[:5] + ("A" if hint[5] != "A" else "B") + hint[6:])) == (
        "invalid_request"
    )


def test_a11_a_message_hint_is_over_after_five_minutes(world: World) -> None:
    request = world.request()
    world.clock.advance(minutes=5)

    assert error(world.authenticate(request)) == "invalid_request"


def test_a11_a_message_hint_of_another_client_is_refused(world: World) -> None:
    other = world.add_tool("bkn", world.keys[1])
    request = world.request() | {"client_id": other.tool.client_id, "redirect_uri": other.redirect_uri}

    assert error(world.authenticate(request)) == "invalid_request"


def test_a12_a_disabled_tool_gets_nothing(world: World) -> None:
    request = world.request()
    with world.hub.db.write() as conn:
        registry.set_tool_disabled(conn, world.hub, world.tool.tool, disabled=True, by="test")

    answer = world.authenticate(request).response

    refused_with_a_page(answer)
    refused = start(world, world.courses[0])
    assert isinstance(refused, LaunchRefused)
    assert refused.check == "tool_disabled"


def test_a12_a_disabled_deployment_gets_nothing(world: World) -> None:
    request = world.request()
    with world.hub.db.write() as conn:
        for each in registry.list_deployments(conn):
            registry.set_deployment_disabled(conn, world.hub, each, disabled=True, by="test")

    assert error(world.authenticate(request)) == "access_denied"
    refused = start(world, world.courses[0])
    assert isinstance(refused, LaunchRefused)
    assert refused.check == "deployment_disabled"


def test_a12_somebody_who_is_not_enrolled_gets_nothing(world: World) -> None:
    request = world.request()
    with world.hub.db.write() as conn:
        conn.execute(sa.delete(enrollments))

    assert error(world.authenticate(request)) == "access_denied"


@pytest.mark.parametrize(
    ("changed", "check"), [({"launch_url": ""}, "not_launchable"), ({"deployment": "lkpp"}, "no_deployment")]
)
def test_a12_a_course_that_cannot_be_launched_is_refused(world: World, changed: dict[str, Any], check: str) -> None:
    refused = start(world, world.add_course("lan", 3, **changed))

    assert isinstance(refused, LaunchRefused)
    assert refused.check == check


def test_a12_a_provider_without_a_tool_and_an_unknown_course_are_refused(world: World) -> None:
    with world.hub.db.write() as conn:
        registry.add_connector(conn, world.hub, "ut", "lti", by="test")

    refused = [start(world, world.add_course("ut")), start(world, 999)]

    assert [each.check for each in refused if isinstance(each, LaunchRefused)] == ["no_tool", "course"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a13_both_methods_are_taken(world: World, method: str) -> None:
    given = {"query_string": world.request()} if method == "GET" else {"data": world.request()}

    page = Page(world.browser.open(AUTH, method=method, **given))

    assert page.action == world.tool.redirect_uri
    assert page.fields.keys() == {"id_token", "state"}


@pytest.mark.parametrize(
    "body", [{"json": {"client_id": "x"}}, {"data": b"a=%ff", "content_type": "application/x-www-form-urlencoded"}]
)
def test_a13_another_kind_of_body_is_refused(world: World, body: dict[str, Any]) -> None:
    assert world.browser.post(AUTH, **body).status_code == 400


def test_a14_unknown_parameters_are_ignored(world: World) -> None:
    page = world.authenticate(
        id_token_signed_response_alg="RS256", lti_deployment_id="whatever", display="page", ui_locales="id"
    )

    assert "id_token" in page.fields


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "nonce"])
def test_a14_a_parameter_that_comes_twice_is_refused(world: World, name: str) -> None:
    request = world.request()

    answer = world.browser.get(AUTH, query_string=[*request.items(), (name, request[name])])  # type: ignore[arg-type]

    assert answer.status_code == 400


@pytest.mark.parametrize("state", ['"><script>alert(1)</script>', "' onload=x", "&amp;&lt;", "ü 💡"])
def test_a15_state_comes_back_as_it_was_and_escaped(world: World, state: str) -> None:
    page = world.authenticate(state=state)

    assert page.fields["state"] == state
    assert "<script>" not in page.response.text
    refused = world.authenticate(state=state, prompt="login")
    assert refused.fields["state"] == state
    assert "<script>" not in refused.response.text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["nonce", "state"])
def test_a16_four_kibibytes_are_taken_and_64_refused(world: World, name: str, method: str) -> None:
    def send(size: int) -> Page:
        request = world.request(**{name: "x" * size})
        given = {"query_string": request} if method == "GET" else {"data": request}
        return Page(world.browser.open(AUTH, method=method, **given))

    assert "id_token" in send(4096).fields
    refused = send(65536).response
    assert refused.status_code in (400, 413)


def test_a16_a_nonce_that_is_too_long_alone_is_told_to_the_tool(world: World) -> None:
    assert error(world.authenticate(nonce="x" * 8193)) == "invalid_request"


def test_a17_a_replayed_request_is_refused(world: World) -> None:
    request = world.request()

    first, second = world.authenticate(request), world.authenticate({**request, "nonce": uuid4().hex})

    assert "id_token" in first.fields
    assert error(second) == "invalid_request"


def test_a17_a_request_that_failed_a_check_can_be_made_again(world: World) -> None:
    request = world.request()

    assert error(world.authenticate({**request, "prompt": "login"})) == "invalid_request"
    assert "id_token" in world.authenticate(request).fields


def test_the_page_has_no_inline_script_and_may_post_only_where_it_must(world: World) -> None:
    answer = world.authenticate().response

    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "form-action https://lan.example https:;" in policy
    assert "<script src=" in answer.text
    assert '<button type="submit">' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    with world.browser.get("/static/lti.js") as script:
        assert "document.getElementById" in script.text


def test_an_internal_tool_may_go_on_by_http(world: World) -> None:
    """Chrome holds the redirects after the form against the policy too."""
    http = {"redirect_uris": ("http://10.0.0.7:9000/launch",), "target_link_uri": "http://10.0.0.7:9001/launch"}
    tool = world.add_tool("bkn", world.keys[1], internal=True, **http)
    course = world.add_course("bkn")

    answer = world.authenticate(world.request(world.begin(course), tool)).response

    allowed = "form-action http://10.0.0.7:9000 http://10.0.0.7:9001 https: http:;"
    assert allowed in answer.headers["Content-Security-Policy"]


def test_a_launch_is_found_again_by_its_id(world: World) -> None:
    claims = world.launch()

    launch_id = claims[f"{BASE}/claim/xapi"]["xapi_fetch"].split("/")[-2]
    with world.hub.db.read() as conn:
        found = launches.find(conn, UUID(launch_id))
    assert found is not None
    assert (found.learner, found.course, found.hint_used_at, found.fetched_at) == (
        world.learner,
        world.courses[0],
        world.clock.now,
        None,
    )
