"""Courses are picked at a provider: cases D01 to D14 of the acceptance list, from the admin's page to the catalogue."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.test import TestResponse

from hub.lti import drafts
from hub.lti.drafts import Draft
from hub.systems import registry
from hub.web import picking
from ltitest import BASE, CLAIM, Page, ToolSide, World

DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
RETURN = "/lti/platform/deep-link"


@dataclass
class Picker:
    """The admin's browser in the provider's picker: what the hub sent there, and what the provider sends back."""

    world: World
    admin: FlaskClient
    tool: ToolSide
    claims: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.claims[DL + "deep_linking_settings"])

    def token(self, *items: Any, key: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """The provider's answer; None as a claim takes it out. Claims of LTI and deep linking by their short names."""
        now = self.tool.now()
        said: dict[str, Any] = {
            "iss": self.tool.tool.client_id,
            "aud": [BASE],
            "iat": now,
            "exp": now + 600,
            "nonce": uuid4().hex,
            "deployment_id": self.claims[CLAIM + "deployment_id"],
            "message_type": "LtiDeepLinkingResponse",
            "version": "1.3.0",
            "content_items": list(items),
            "data": self.settings["data"],
        } | claims
        named = {f"{_space(name)}{name}": value for name, value in said.items() if value is not None}
        full = {"alg": "RS256", "kid": self.tool.key.kid} | (header or {})
        return jwt.encode(full, named, key or self.tool.key, algorithms=[full["alg"]])

    def send(self, token: str, browser: FlaskClient | None = None) -> TestResponse:
        return (browser or self.admin).post(RETURN, data={"JWT": token})

    def answer(self, *items: Any, **claims: Any) -> TestResponse:
        return self.send(self.token(*items, **claims))

    def drafts(self) -> list[Draft]:
        with self.world.hub.db.read() as conn:
            return drafts.page(conn, limit=100)


def _space(name: str) -> str:
    if name in ("deployment_id", "message_type", "version"):
        return CLAIM
    return DL if name in ("content_items", "data", "msg", "log", "errormsg", "errorlog") else ""


def item(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A course as a Moodle gives it: every one at the same address."""
    said = {
        "type": "ltiResourceLink",
        "title": f"Kursus {number}",
        "url": "https://lan.example/launch",
        "custom": {"id": f"uuid-{number}", "jp": "4.5", "jp_form": "NKL04"},
        "lineItem": {"scoreMaximum": 100, "label": None},
    } | changed
    return {name: value for name, value in said.items() if value is not None}


def open_picker(world: World, browser: FlaskClient, deployment: int = 0, tool: ToolSide | None = None) -> Picker:
    """Through the front door: the button on the deployment's page, the tool's login, the authentication endpoint."""
    side = tool or world.tool
    number = deployment_number(world, side, deployment)
    url = f"/admin/systems/{side.tool.name}/tools/{side.tool.name}/deployments/{number}"
    answer = browser.post(f"{url}/pick", data={"csrf_token": csrf(browser, url)})
    assert answer.status_code == 303, answer.text
    page = Page(browser.get("/lti/platform/auth", query_string=world.request(answer.headers["Location"], side)))
    assert page.action == side.redirect_uri, page.response.text
    return Picker(world, browser, side, world.read_token(page.fields["id_token"]))


def deployment_number(world: World, side: ToolSide, which: int) -> int:
    with world.hub.db.read() as conn:
        return registry.deployments_of(conn, side.tool.id)[which].id


def csrf(browser: FlaskClient, url: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(url).text)
    assert found
    return found[1]


@pytest.fixture
def picker(world: World) -> Picker:
    return open_picker(world, world.new_browser("admin"))


def refused(answer: TestResponse, check: str, picker: Picker) -> None:
    """The admin is told which check failed, nothing landed, and it stands on the tool's page."""
    assert answer.status_code == 400, answer.text
    assert f"<dd>{check}</dd>" in answer.text
    assert picker.drafts() == []


def confirm(picker: Picker, draft: Draft, **changed: Any) -> TestResponse:
    url = f"/admin/courses/drafts/{draft.id}"
    form = drafts.proposal(draft) | {"csrf_token": csrf(picker.admin, url)} | changed
    return picker.admin.post(url, data=form)


def test_d01_the_request_says_what_the_hub_takes(picker: Picker) -> None:
    claims = picker.claims

    assert claims[CLAIM + "message_type"] == "LtiDeepLinkingRequest"
    assert claims[CLAIM + "version"] == "1.3.0"
    assert claims[CLAIM + "deployment_id"] == picker.tool.deployment_ids[0]
    assert claims[CLAIM + "target_link_uri"] == "https://lan.example/pick"
    assert claims["sub"]
    assert "admin" not in claims["sub"]
    assert "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator" in claims[CLAIM + "roles"]
    assert not [role for role in claims[CLAIM + "roles"] if role.endswith("Learner")]
    assert CLAIM + "resource_link" not in claims
    assert picker.settings == {
        "deep_link_return_url": BASE + RETURN,
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["window", "iframe"],
        "accept_multiple": True,
        "accept_lineitem": True,
        "auto_create": False,
        "data": picker.settings["data"],
    }


def test_d01_only_an_administrator_opens_a_picker(world: World) -> None:
    url = f"/admin/systems/lan/tools/lan/deployments/{deployment_number(world, world.tool, 0)}/pick"

    assert world.browser.post(url, data={"csrf_token": csrf(world.browser, "/plan")}).status_code == 403


def test_d01_a_picker_opens_once_and_in_the_browser_that_asked(world: World, picker: Picker) -> None:
    admin = picker.admin
    url = f"/admin/systems/lan/tools/lan/deployments/{deployment_number(world, world.tool, 0)}"
    login = admin.post(f"{url}/pick", data={"csrf_token": csrf(admin, url)}).headers["Location"]
    request = world.request(login)

    stranger = Page(world.browser.get("/lti/platform/auth", query_string=request))
    first = Page(admin.get("/lti/platform/auth", query_string=request))
    second = Page(admin.get("/lti/platform/auth", query_string=request))

    assert stranger.fields["error"] == "access_denied"
    assert "id_token" in first.fields
    assert second.fields["error"] == "invalid_request"
    assert dict(parse_qsl(urlsplit(login).query))["target_link_uri"] == "https://lan.example/pick"


def test_d02_a_wrong_claim_refuses_the_answer(picker: Picker) -> None:
    now = picker.tool.now()
    wrong: list[dict[str, Any]] = [
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "https://evil.example"},
        {"aud": [BASE, "https://evil.example"]},
        {"aud": None},
        {"exp": None},
        {"exp": now - 3600},
        {"exp": now + 7200},
        {"exp": "soon"},
        {"iat": None},
        {"iat": now + 600},
        {"nonce": None},
        {"nonce": ""},
        {"nonce": "x" * 256},
    ]
    for claims in wrong:
        refused(picker.answer(item(), **claims), next(iter(claims)), picker)


def test_d02_clocks_may_differ_by_a_minute(picker: Picker) -> None:
    assert picker.answer(item(), iat=picker.tool.now() + 50).status_code == 200


def test_d02_a_wrong_signature_refuses_the_answer(picker: Picker) -> None:
    stranger = picker.world.keys[1]
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    unsigned = f"{head}.{picker.token(item()).split('.')[1]}."

    refused(picker.answer(item(), key=stranger), "signature", picker)
    secret = OctKey.generate_key(256)
    refused(picker.answer(item(), key=secret, header={"alg": "HS256"}), "alg", picker)  # type: ignore[arg-type]
    refused(picker.send(unsigned), "alg", picker)
    for broken in ("", "x", "a.b", "a.b.c", picker.token(item())[:-8] + "AAAAAAAA"):
        assert picker.send(broken).status_code == 400


def test_d02_a_nonce_works_once(picker: Picker) -> None:
    first = picker.answer(item(1), nonce="n")
    other = open_picker(picker.world, picker.admin)

    second = other.answer(item(2), nonce="n")

    assert first.status_code == 200
    assert second.status_code == 400
    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1"]


def test_d03_the_deployment_is_that_of_the_request(picker: Picker) -> None:
    for value in (picker.tool.deployment_ids[1], "x", None, 7):
        refused(picker.answer(item(), deployment_id=value), "deployment_id", picker)


def test_d04_version_and_message_type_are_as_they_must_be(picker: Picker) -> None:
    for claims in ({"version": "1.3"}, {"version": None}):
        refused(picker.answer(item(), **claims), "version", picker)
    for claims in ({"message_type": "LtiResourceLinkRequest"}, {"message_type": None}):
        refused(picker.answer(item(), **claims), "message_type", picker)


def test_d05_data_comes_back_as_it_was_given_by_whom_it_was_given(world: World, picker: Picker) -> None:
    data = picker.settings["data"]
    for wrong in (None, "", "x.y", data[:-2] + "AA", 7, [data]):
        refused(picker.answer(item(), data=wrong), "data", picker)
    elsewhere = world.new_browser("admin")
    refused(picker.send(picker.token(item()), elsewhere), "session", picker)
    other = world.add_tool("bkn", world.keys[1])
    stranger = Picker(world, picker.admin, other, picker.claims)
    refused(stranger.answer(item(), deployment_id=other.deployment_ids[0]), "data", picker)


def test_d05_data_is_over_after_two_hours(world: World, picker: Picker) -> None:
    world.clock.advance(hours=2)

    refused(picker.answer(item()), "data", picker)


def test_d06_nothing_picked_is_no_fault(picker: Picker) -> None:
    answer = picker.answer(content_items=[])

    assert answer.status_code == 200
    assert picker.drafts() == []
    assert picker.settings["data"]


def test_d06_no_claim_is_nothing_picked(picker: Picker) -> None:
    assert picker.answer(content_items=None).status_code == 200
    assert picker.drafts() == []


def test_d06_what_is_no_list_of_items_is_refused(picker: Picker) -> None:
    for items in ("x", {}, [7], [{}], [{"type": ""}], [{"type": 7}]):
        refused(picker.answer(content_items=items), "content_items", picker)


def test_d06_an_unknown_type_is_left_out_and_named(picker: Picker) -> None:
    answer = picker.answer(item(1), {"type": "html", "title": "Sebuah halaman", "html": "<p>x"}, {"type": "x-own"})

    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1"]
    assert "Sebuah halaman" in answer.text
    assert "x-own" in answer.text


OTHER_ADDRESSES = [
    "javascript:alert(1)",
    "data:text/html,x",
    "http://lan.example/launch",
    "https://evil.example/launch",
    "https://lan.example.evil.example/",
    "https://lan.example@evil.example/",
    "https://127.0.0.1/",
    "//lan.example/launch",
    "https://lan.example/#x",
    7,
]


def left_out(answer: TestResponse) -> int:
    return answer.text.count('<th scope="row" class="wide name">')


def test_d07_an_address_that_is_not_the_tool_s_is_left_out(picker: Picker) -> None:
    answer = picker.answer(item(1), *(item(url=url) for url in OTHER_ADDRESSES))

    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1"]
    assert answer.text.count("<code>url</code>") == left_out(answer) == len(OTHER_ADDRESSES)


def test_d07_without_an_address_it_is_the_tool_s_own(picker: Picker) -> None:
    picker.answer(item(url=None))

    assert [draft.item.url for draft in picker.drafts()] == ["https://lan.example/launch"]


def test_d08_a_long_title_is_cut_and_html_stays_text(picker: Picker) -> None:
    picker.answer(item(1, title="J" * 10240), item(2, title="<img src=x onerror=alert(1)>"), item(3, title=7))

    long, marked = picker.drafts()
    assert long.item.title == "J" * 255
    for url in ("/admin/courses/drafts", f"/admin/courses/drafts/{marked.id}"):
        page = picker.admin.get(url).text
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_d09_custom_parameters_are_text(picker: Picker) -> None:
    wrong: list[Any] = [{"a": 1}, {"a": None}, {"a": {}}, "x", [1], {"": "x"}, {"a;b": "x"}, {"a": "x;y"}]

    answer = picker.answer(item(1), *(item(custom=custom) for custom in wrong), item(2, custom={}))

    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1", "Kursus 2"]
    assert answer.text.count("<code>custom</code>") == left_out(answer) == len(wrong)


def test_d10_a_line_item_has_a_maximum_above_zero(picker: Picker) -> None:
    wrong: list[Any] = [{}, *({"scoreMaximum": value} for value in (0, -1, "100", None, True)), 7]

    answer = picker.answer(item(1), *(item(lineItem=line) for line in wrong))

    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1"]
    assert answer.text.count("<code>lineItem</code>") == left_out(answer) == len(wrong)


def test_d11_more_items_than_a_catalogue_has_are_refused(picker: Picker) -> None:
    refused(picker.answer(*(item(number) for number in range(201))), "content_items", picker)


def test_d12_what_the_provider_says_is_shown_and_escaped(picker: Picker) -> None:
    answer = picker.answer(item(), msg="<b>Dua</b> kursus", errormsg="<script>x</script>", log="l", errorlog=7)

    assert "&lt;b&gt;Dua&lt;/b&gt; kursus" in answer.text
    assert "&lt;script&gt;x&lt;/script&gt;" in answer.text


def test_d13_an_answer_from_another_site_lands_by_our_own_page(world: World, picker: Picker) -> None:
    """A POST from the provider's page carries no SameSite=Lax cookie; that of our own page does."""
    token = picker.token(item())

    repost = Page(world.new_browser().post(RETURN, data={"JWT": token}))
    answer = picker.admin.post(repost.action, data=repost.fields)

    assert repost.fields["JWT"] == token
    assert "form-action 'self';" in repost.response.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert len(picker.drafts()) == 1
    # Nobody signed in: our page comes once, then says so.
    signed_out = world.new_browser().post(RETURN, data=repost.fields)
    assert signed_out.status_code == 400
    assert "<dd>session</dd>" in signed_out.text


def test_d14_the_same_answer_twice_makes_no_second_course(picker: Picker) -> None:
    token = picker.token(item(1), item(2), item(2))

    first, second = picker.send(token), picker.send(token)
    third = open_picker(picker.world, picker.admin).answer(item(1), item(3))

    assert [answer.status_code for answer in (first, second, third)] == [200, 200, 200]
    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1", "Kursus 2", "Kursus 3"]


def test_an_answer_is_taken_once(picker: Picker) -> None:
    picker.answer(item(1))

    refused_answer = picker.answer(item(2))

    assert refused_answer.status_code == 400
    assert [draft.item.title for draft in picker.drafts()] == ["Kursus 1"]


def test_a_draft_becomes_a_course_only_once_it_is_confirmed(world: World, picker: Picker) -> None:
    picker.answer(item(1))
    [draft] = picker.drafts()
    assert "Kursus 1" not in world.browser.get("/courses").text

    refused_form = confirm(picker, draft, form="NKL99", min_score="x")
    answer = confirm(picker, draft)

    assert refused_form.status_code == 422
    assert answer.status_code == 303, answer.text
    assert picker.drafts() == []
    with world.hub.db.read() as conn:
        listed = world.hub.courses.current(conn).by_iri[drafts.proposal(draft)["id"]]
    course = listed.course
    assert (course.title_id, course.provider, course.deployment) == ("Kursus 1", "lan", "kkp")
    assert (course.form, course.programme_centi_jp, course.requires) == ("NKL04", 450, ("completed",))
    assert dict(course.custom) == {"id": "uuid-1", "jp": "4.5", "jp_form": "NKL04"}
    claims = world.launch(listed.id)
    assert claims[CLAIM + "custom"]["id"] == "uuid-1"
    assert claims[CLAIM + "deployment_id"] == picker.tool.deployment_ids[0]


def test_a_course_that_is_there_is_replaced_only_if_that_is_said(world: World, picker: Picker) -> None:
    picker.answer(item(1))
    [draft] = picker.drafts()
    known = "https://lan.example/course/1"

    first = confirm(picker, draft, id=known)
    second = confirm(picker, draft, id=known, replace="yes")

    assert first.status_code == 422
    assert 'name="replace"' in first.text
    assert second.status_code == 303
    with world.hub.db.read() as conn:
        assert world.hub.courses.current(conn).by_iri[known].version == 2


def test_a_draft_is_discarded_and_comes_back(picker: Picker) -> None:
    picker.answer(item(1))
    [draft] = picker.drafts()
    token = {"csrf_token": csrf(picker.admin, "/admin/courses/drafts")}

    gone = picker.admin.post(f"/admin/courses/drafts/{draft.id}/discard", data=token)
    assert picker.drafts() == []
    assert "Kursus 1" in picker.admin.get(gone.headers["Location"]).text
    picker.admin.post(f"/admin/courses/drafts/{draft.id}/restore", data=token)
    assert len(picker.drafts()) == 1
    picker.admin.post(f"/admin/courses/drafts/{draft.id}/discard", data=token)
    open_picker(picker.world, picker.admin).answer(item(1))
    assert len(picker.drafts()) == 1


def test_many_drafts_are_read_page_by_page_those_of_one_deployment_too(
    world: World, picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picking, "LIMIT", 12)
    picker.answer(*(item(number) for number in range(25)))
    other = open_picker(world, picker.admin, 1)
    other.answer(item(99))
    number = deployment_number(world, picker.tool, 0)
    here = f"/admin/systems/lan/tools/lan/deployments/{number}"

    first = picker.admin.get(here).text
    assert len(set(re.findall(r"/admin/courses/drafts/(\d+)", first))) == picking.FIRST
    assert f"/admin/courses/drafts?deployment={number}" in first
    seen: list[str] = []
    url = f"/admin/courses/drafts?deployment={number}"
    while url:
        page = html.unescape(picker.admin.get(url).text)
        seen += dict.fromkeys(re.findall(r'/admin/courses/drafts/(\d+)"', page))
        url = next(iter(re.findall(r'href="([^"]*)" rel="next"', page)), "")

    assert len(seen) == len(set(seen)) == 25
    assert "Kursus 99" in picker.admin.get("/admin/courses/drafts?after=25").text


def test_a_tool_without_a_picker_or_switched_off_says_so(world: World) -> None:
    admin = world.new_browser("admin")
    side = world.add_tool("bkn", world.keys[1], deep_linking_url=None)
    url = f"/admin/systems/bkn/tools/bkn/deployments/{deployment_number(world, side, 0)}"

    answer = admin.post(f"{url}/pick", data={"csrf_token": csrf(admin, url)})

    assert answer.headers["Location"] == url
    assert "Deep linking" in admin.get(url).text or "deep linking" in admin.get(url).text


def test_what_was_refused_stands_on_the_system_s_page(picker: Picker) -> None:
    picker.answer(item(), aud="https://evil.example")

    page = picker.admin.get("/admin/systems/lan").text
    assert "<code>aud</code>" in page
    assert "https://evil.example" in page
