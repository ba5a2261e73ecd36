"""What a launch says: cases I01 to I18 of the acceptance list, the key set, and the hand-over of xAPI."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from joserfc import jws

from hub.access import auth
from hub.lti import keys, launches, variables
from hub.systems import registry
from hub.tables import signing_keys
from ltitest import AGS, BASE, CLAIM, NIPS, NRPS, SCOPE, Page, World

LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"


def header_of(token: str) -> dict[str, Any]:
    return dict(jws.extract_compact(token.encode()).headers())


def published(world: World) -> list[str]:
    return [key["kid"] for key in world.browser.get("/lti/platform/jwks").json["keys"]]


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def fetch(world: World, url: str) -> dict[str, str]:
    answer = world.browser.application.test_client().post(url.removeprefix(BASE))
    assert answer.status_code == 200
    return dict(answer.json)


def test_i01_it_is_signed_with_rs256_and_a_published_key(world: World) -> None:
    token = world.authenticate().fields["id_token"]

    assert header_of(token)["alg"] == "RS256"
    assert header_of(token)["kid"] in published(world)
    answer = world.browser.get("/lti/platform/jwks")
    assert answer.headers["Cache-Control"] == "no-cache"
    [key] = answer.json["keys"]
    assert key.keys() == {"kty", "n", "e", "kid", "alg", "use"}
    assert len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 >= 2048


def test_i02_it_lives_for_five_minutes_from_now(world: World) -> None:
    claims = world.launch()

    assert claims["iat"] == int(world.clock.now.timestamp())
    assert 0 < claims["exp"] - claims["iat"] <= 300


def test_i03_every_required_claim_is_there(world: World) -> None:
    claims = world.launch()

    assert {"iss", "aud", "sub", "exp", "iat", "nonce"} <= claims.keys()
    required = ("message_type", "version", "deployment_id", "target_link_uri", "resource_link", "roles")
    assert {CLAIM + name for name in required} <= claims.keys()
    assert claims["iss"] == BASE
    assert claims[CLAIM + "message_type"] == "LtiResourceLinkRequest"
    assert claims[CLAIM + "resource_link"]["id"]


def test_i04_the_version_is_1_3_0(world: World) -> None:
    assert world.launch()[CLAIM + "version"] == "1.3.0"


def test_i05_i17_a_learner_is_a_learner_and_nothing_else(world: World) -> None:
    roles = world.launch()[CLAIM + "roles"]

    assert LEARNER in roles
    assert not [role for role in roles if not role.endswith("#Learner")]


def test_i06_a_tool_that_may_have_names_gets_them(world: World) -> None:
    claims = world.launch()

    assert claims["name"] == "Siti Rahma Dewi, M.Pd."
    assert (claims["given_name"], claims["family_name"]) == ("Siti Rahma", "Dewi")
    assert claims["email"] == "siti@example.go.id"


def test_i06_one_name_and_no_address_leave_members_out(world: World) -> None:
    claims = world.launch(browser=world.new_browser("budi"))

    assert claims["name"] == claims["given_name"] == "Budi"
    assert not {"family_name", "email"} & claims.keys()


def test_i06_a_tool_that_may_not_have_names_gets_none(world: World) -> None:
    tool = world.add_tool("bkn", world.keys[1], names=False)
    course = world.add_course("bkn", custom=(("who", "$Person.name.full"),))

    claims = world.launch(course, tool=tool)

    assert not {"name", "given_name", "family_name", "email", "picture", CLAIM + "lis"} & claims.keys()
    assert claims[CLAIM + "custom"]["who"] == "$Person.name.full"
    assert "Siti" not in str(claims)


def test_i06_a_tenant_has_a_setting_of_its_own(world: World) -> None:
    """The second tenant may not have names, whatever its tool may; NRPS tells what launches tell (M05)."""
    first, second = world.launch(world.courses[0]), world.launch(world.courses[1])
    with world.hub.db.write() as conn:
        deployment = registry.named_deployment(conn, world.tool.tool, "bmkg")
        registry.set_deployment_names(conn, world.hub, deployment, False, by="test")

    after = [world.launch(course) for course in world.courses]

    assert CLAIM + "lis" in first
    assert ["name" in claims for claims in (first, second, *after)] == [True, True, True, False]
    urls = [claims[NRPS]["context_memberships_url"] for claims in after]
    members = [world.tool.call("GET", url).json["members"][0] for url in urls]
    assert ["name" in member for member in members] == [True, False]
    assert "Siti" not in str(after[1]) + str(members[1])


def test_i07_no_value_has_spaces_around_it(world: World) -> None:
    assert [text for text in texts(world.launch()) if text != text.strip()] == []


def test_i08_the_target_link_is_that_of_the_login(world: World) -> None:
    course = world.add_course("lan", 3, launch_url="https://lan.example/launch?Course=7&x=%20Ä")

    assert world.launch(course)[CLAIM + "target_link_uri"] == "https://lan.example/launch?Course=7&x=%20Ä"


def test_i09_ids_are_short_and_ascii(world: World) -> None:
    claims = world.launch()

    ids = (claims["sub"], claims[CLAIM + "deployment_id"], claims[CLAIM + "resource_link"]["id"])
    for each in (*ids, claims[CLAIM + "context"]["id"], claims[CLAIM + "tool_platform"]["guid"]):
        assert 0 < len(each) <= 255
        assert each.isascii()


def test_i10_sub_is_stable_and_opaque(world: World) -> None:
    first, second = world.launch(), world.launch(world.courses[1])

    assert first["sub"] == second["sub"] == str(world.learner)
    assert not [text for text in texts(first) if NIPS[0] in text]


def test_i11_each_tenant_has_its_deployment(world: World) -> None:
    first, second = world.launch(world.courses[0]), world.launch(world.courses[1])

    assert [first[CLAIM + "deployment_id"], second[CLAIM + "deployment_id"]] == world.tool.deployment_ids
    assert first[CLAIM + "context"]["id"] != second[CLAIM + "context"]["id"]
    assert first[CLAIM + "resource_link"]["id"] != second[CLAIM + "resource_link"]["id"]


def test_i12_the_audience_is_one_text(world: World) -> None:
    assert world.launch()["aud"] == world.tool.tool.client_id


def test_i13_the_nonce_is_that_of_the_request(world: World) -> None:
    request = world.request(nonce="n-ü-1")

    assert world.read_token(world.authenticate(request).fields["id_token"])["nonce"] == "n-ü-1"


def test_i14_nobody_is_a_mentor(world: World) -> None:
    assert CLAIM + "role_scope_mentor" not in world.launch()


def test_i15_custom_values_are_text_and_unknown_variables_stay(world: World) -> None:
    custom = world.launch()[CLAIM + "custom"]

    assert all(isinstance(value, str) for value in custom.values())
    assert custom["course"] == "pelayanan"
    assert custom["who"] == str(world.learner)
    assert custom["odd"] == "$No.such"


def test_i15_variables_become_what_the_message_says(world: World) -> None:
    asked = {name: f"${name}" for name in variables.NAMES}
    course = world.add_course("lan", 3, custom=tuple(asked.items()))

    claims = world.launch(course)

    custom = claims[CLAIM + "custom"]
    assert {name for name in asked if custom[name] == asked[name]} == set()
    assert custom["Person.name.family"] == "Dewi"
    assert custom["Membership.role"] == ",".join(claims[CLAIM + "roles"])
    assert custom["Context.type"].endswith("#CourseSection")
    assert custom["ToolPlatformInstance.guid"] == claims[CLAIM + "tool_platform"]["guid"]
    assert custom["Message.documentTarget"] == claims[CLAIM + "launch_presentation"]["document_target"] == "window"


def test_i16_the_context_has_a_type(world: World) -> None:
    context = world.launch()[CLAIM + "context"]

    assert context["type"] == ["http://purl.imsglobal.org/vocab/lis/v2/course#CourseSection"]
    assert context["title"] == "Pelayanan Publik"


def test_i18_after_a_rotation_the_old_key_is_published_for_a_day_and_never_comes_back(world: World) -> None:
    before = header_of(world.authenticate().fields["id_token"])["kid"]

    made = keys.rotate(world.hub, by="test")
    after = header_of(world.authenticate().fields["id_token"])["kid"]

    assert after == made.kid != before
    assert set(published(world)) == {before, after}
    world.clock.advance(hours=24)
    assert set(published(world)) == {before, after}
    world.clock.advance(hours=2)
    assert published(world) == [after]
    with world.hub.db.read() as conn:
        # The row stays, so that its kid is taken for ever.
        assert {row.kid for row in conn.execute(signing_keys.select())} == {before, after}


def test_i18_a_key_may_be_published_before_it_signs(world: World) -> None:
    before = header_of(world.authenticate().fields["id_token"])["kid"]
    made = keys.rotate(world.hub, by="test", after=timedelta(hours=24))

    assert set(published(world)) == {before, made.kid}
    assert header_of(world.authenticate().fields["id_token"])["kid"] == before
    world.clock.advance(hours=7)
    assert header_of(world.authenticate().fields["id_token"])["kid"] == before


def test_i18_private_keys_lie_sealed(world: World) -> None:
    world.authenticate()

    with world.hub.db.read() as conn:
        [row] = conn.execute(signing_keys.select()).all()
    assert b"PRIVATE" not in row.private_key
    assert orjson.loads(row.public_jwk).keys() == {"kty", "n", "e", "kid", "alg", "use"}


def test_the_services_are_named(world: World) -> None:
    claims = world.launch()

    context = f"{BASE}/lti/platform/contexts/{claims[CLAIM + 'context']['id']}"
    assert claims[AGS]["lineitems"] == f"{context}/lineitems"
    assert claims[AGS]["lineitem"].startswith(f"{context}/lineitems/")
    assert set(claims[AGS]["scope"]) == {
        SCOPE + name for name in ("lineitem", "lineitem.readonly", "result.readonly", "score")
    }
    assert claims[NRPS] == {"context_memberships_url": f"{context}/memberships", "service_versions": ["2.0"]}


def test_the_launch_hands_over_xapi_in_a_claim_and_as_custom_parameters(world: World) -> None:
    claims = world.launch()

    given = claims[f"{BASE}/claim/xapi"]
    custom = claims[CLAIM + "custom"]
    assert given["xapi_endpoint"] == custom["xapi_endpoint"] == f"{BASE}/xapi/"
    assert given["xapi_activity_id"] == custom["xapi_activity_id"] == "https://lan.example/course/1"
    assert given["xapi_actor"] == orjson.loads(custom["xapi_actor"])
    assert given["xapi_actor"]["account"] == {"homePage": BASE, "name": str(world.learner)}
    assert given["xapi_fetch"] == custom["xapi_fetch"]
    again = world.launch()
    assert given["xapi_registration"] == custom["xapi_registration"]
    assert again[CLAIM + "custom"]["xapi_registration"] == given["xapi_registration"]
    assert again[CLAIM + "custom"]["xapi_fetch"] != given["xapi_fetch"]
    other = world.launch(world.courses[1])
    assert other[CLAIM + "custom"]["xapi_registration"] != given["xapi_registration"]


def test_the_fetch_url_gives_a_token_once(world: World) -> None:
    claims = world.launch()
    url = claims[CLAIM + "custom"]["xapi_fetch"]

    first, second = fetch(world, url), fetch(world, url)

    assert first.keys() == {"auth-token"}
    assert second["error-code"] == "1"
    assert second["error-text"]
    for scheme in ("Basic", "Bearer"):
        caller = auth.authenticate(world.hub, f"{scheme} {first['auth-token']}")
        assert caller.launch is not None
        assert caller.launch.activity == "https://lan.example/course/1"
        assert caller.launch.actor == claims[f"{BASE}/claim/xapi"]["xapi_actor"]


def test_a_fetch_url_that_was_made_up_gives_nothing(world: World) -> None:
    url = world.launch()[CLAIM + "custom"]["xapi_fetch"]
    launch, secret = url.rsplit("/", 1)

    assert fetch(world, f"{launch}/{secret[::-1]}")["error-code"] == "2"
    assert fetch(world, f"{BASE}/lti/platform/fetch/{world.learner}/{secret}")["error-code"] == "2"
    assert "auth-token" in fetch(world, url)


def test_a_fetch_url_is_over_after_eight_hours(world: World) -> None:
    url = world.launch()[CLAIM + "custom"]["xapi_fetch"]
    world.clock.advance(hours=8)

    assert fetch(world, url)["error-code"] == "2"


def test_the_configuration_tells_a_tool_what_it_needs(world: World) -> None:
    told = world.browser.get("/.well-known/openid-configuration").json

    assert told["issuer"] == BASE
    for name, path in (("authorization_endpoint", "auth"), ("token_endpoint", "token"), ("jwks_uri", "jwks")):
        assert told[name] == f"{BASE}/lti/platform/{path}"
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert told["id_token_signing_alg_values_supported"] == ["RS256"]
    assert told["https://purl.imsglobal.org/spec/lti-platform-configuration"]["messages_supported"] == [
        {"type": "LtiResourceLinkRequest"},
        {"type": "LtiDeepLinkingRequest", "placements": ["ContentArea"]},
    ]


def test_two_applications_in_one_process_keep_their_keys_apart(new_test_hub: Any) -> None:
    first, second = new_test_hub(), new_test_hub()

    assert keys.ensure(first).kid != keys.ensure(second).kid


@pytest.mark.parametrize("name", ["xapi_fetch", "xapi_actor"])
def test_a_course_cannot_set_what_the_hub_hands_over(world: World, name: str) -> None:
    course = world.add_course("lan", 3, custom=((name, "mine"),))

    assert world.launch(course)[CLAIM + "custom"][name] != "mine"


def test_i18_a_rotation_takes_the_place_of_one_that_waits(world: World) -> None:
    """A key that was to sign from tomorrow must not take over once its end was set, and be gone while it signs."""
    waiting = keys.rotate(world.hub, by="test", after=timedelta(hours=24))
    made = keys.rotate(world.hub, by="test")

    for _ in range(6):
        kid = header_of(world.authenticate().fields["id_token"])["kid"]
        assert waiting.kid != kid == made.kid
        assert kid in published(world)
        world.clock.advance(hours=6)
        world.browser = world.new_browser("siti")


def test_i18_on_schedule_the_next_key_is_published_a_day_before_it_signs(world: World) -> None:
    """Of many workers one makes it; a tool that reads the key set once a day can follow."""
    old = header_of(world.authenticate().fields["id_token"])["kid"]
    every = timedelta(days=90)
    assert keys.rotate_if_due(world.hub, every=every) is None
    world.clock.advance(days=90)

    with ThreadPoolExecutor(4) as workers:
        made = [each for each in workers.map(lambda _: keys.rotate_if_due(world.hub, every=every), range(4)) if each]

    assert len(made) == 1
    assert keys.rotate_if_due(world.hub, every=every) is None
    signed = []
    for _ in range(6):
        world.browser = world.new_browser("siti")
        kid = header_of(world.authenticate().fields["id_token"])["kid"]
        assert kid in published(world)
        signed.append(kid)
        world.clock.advance(hours=10)
    assert signed == [old] * 3 + [made[0].kid] * 3
    assert published(world) == [made[0].kid]


def test_plain_content_gets_cmi5_s_query_and_a_token_once(world: World) -> None:
    """The course says so; what it reports with the token is its provider's."""
    with world.hub.db.write() as conn:
        kms = registry.add_connector(conn, world.hub, "kms", "xapi-push", by="test")
    course = world.add_course("kms", launch_url="https://kms.example/article?id=7", custom=(("launch", "cmi5"),))
    assert "https://kms.example" in world.browser.get(f"/courses/{course}").headers["Content-Security-Policy"]

    url = world.begin(course)

    assert url.startswith("https://kms.example/article?id=7&")
    told = dict(parse_qsl(urlsplit(url).query))
    assert told.keys() == {"id", "endpoint", "fetch", "actor", "registration", "activityId"}
    assert (told["endpoint"], told["activityId"]) == (f"{BASE}/xapi/", "https://kms.example/course/1")
    first, second = fetch(world, told["fetch"]), fetch(world, told["fetch"])
    assert second["error-code"] == "1"
    statement = {
        "actor": orjson.loads(told["actor"]),
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": told["activityId"]},
        "context": {"registration": told["registration"]},
    }
    headers = {"Authorization": f"Basic {first['auth-token']}", "X-Experience-API-Version": "1.0.3"}
    answer = world.new_browser().post("/xapi/statements", json=statement, headers=headers)
    assert answer.status_code == 200, answer.text
    assert auth.authenticate(world.hub, headers["Authorization"]).writer.owner == kms.id
    with world.hub.db.read() as conn:
        assert launches.unanswered(conn, world.learner, course, world.clock.now + timedelta(minutes=1)) is None


def test_a_framed_launch_says_so_and_names_where_the_tool_may_keep_data(world: World) -> None:
    tool = world.add_tool("bkn", world.keys[1], framed=True)
    course = world.add_course("bkn")
    page = f"/courses/{course}"
    found = re.search(r'name="csrf_token" value="([^"]+)"', world.browser.get(page).text)
    assert found

    framed = world.browser.post(f"{page}/launch", data={"csrf_token": found[1]})
    whole = world.browser.post(f"{page}/launch", data={"csrf_token": found[1], "window": "yes"})

    assert framed.status_code == 200
    assert "frame-src 'self' https://bkn.example https:;" in framed.headers["Content-Security-Policy"]
    url = html.unescape(re.search(r'<iframe[^>]* src="([^"]+)"', framed.text)[1])  # type: ignore[index]
    assert dict(parse_qsl(urlsplit(url).query))["lti_storage_target"] == "_parent"
    answer = Page(world.browser.get("/lti/platform/auth", query_string=world.request(url, tool)))
    claims = world.read_token(answer.fields["id_token"])
    assert claims[CLAIM + "launch_presentation"]["document_target"] == "iframe"
    assert whole.status_code == 303
    assert "lti_storage_target" not in whole.headers["Location"]


def test_a_provider_that_never_came_back_is_told_to_the_learner(world: World) -> None:
    world.begin()
    page = f"/courses/{world.courses[0]}"
    assert "tidak menjawab" not in world.browser.get(page).text

    world.clock.advance(minutes=1)

    assert "tidak menjawab" in world.browser.get(page).text
    world.launch()
    world.clock.advance(minutes=1)
    assert "tidak menjawab" not in world.browser.get(page).text
