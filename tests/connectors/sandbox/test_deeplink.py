"""A platform's administrator chooses courses in the sandbox's picker and takes them home."""

from __future__ import annotations

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from hub.demo.visitor import Page

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"


@pytest.fixture
def settings(platform):
    return {
        "deep_link_return_url": f"{platform.url}/deep-linking?course=1",
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["window"],
        "accept_multiple": True,
        "data": "csrf <token> é",
    }


@pytest.fixture
def launch(sandbox, visitor, platform, settings):
    def start():
        platform.overrides = {
            CLAIM + "message_type": "LtiDeepLinkingRequest",
            CLAIM + "resource_link": None,
            DL + "deep_linking_settings": settings,
        }
        return sandbox.launch(visitor)

    return start


def response(sandbox, page):
    [form] = [form for form in Page(page).forms if "JWT" in form.fields]
    keys = KeySet.import_key_set(requests.get(f"{sandbox.url}/lti/jwks", timeout=30).json())
    return form.action, jwt.decode(form.fields["JWT"], keys, algorithms=["RS256"]).claims


def test_what_was_chosen_goes_back_signed(sandbox, visitor, platform, settings, launch):
    page = launch()
    chosen = visitor.post(page.url, data={"course": ["pelayanan-publik-digital", "keamanan-informasi-dasar"]})

    action, claims = response(sandbox, chosen)

    assert action == settings["deep_link_return_url"]
    assert (claims["iss"], claims["aud"]) == (platform.client_id, platform.url)
    assert claims[DL + "data"] == settings["data"]
    assert claims[CLAIM + "deployment_id"] == "d-1"
    assert claims["exp"] - claims["iat"] <= 300
    items = claims[DL + "content_items"]
    assert [item["custom"]["course"] for item in items] == ["pelayanan-publik-digital", "keamanan-informasi-dasar"]
    assert all(isinstance(value, str) for item in items for value in item["custom"].values())
    assert items[0]["url"] == f"{sandbox.url}/lti/launch"
    assert items[0]["lineItem"]["scoreMaximum"] == 100
    assert f"form-action 'self' {platform.url};" in chosen.headers["Content-Security-Policy"]


def test_only_one_goes_back_where_only_one_is_taken_and_no_data_where_none_came(sandbox, visitor, settings, launch):
    settings["accept_multiple"] = False
    del settings["data"]
    page = launch()

    chosen = visitor.post(page.url, data={"course": ["pelayanan-publik-digital", "keamanan-informasi-dasar"]})

    _, claims = response(sandbox, chosen)
    assert 'type="radio"' in page.text
    assert len(claims[DL + "content_items"]) == 1
    assert DL + "data" not in claims


def test_choosing_nothing_is_an_answer_too(sandbox, visitor, launch):
    _, claims = response(sandbox, visitor.post(launch().url))

    assert claims[DL + "content_items"] == []


def test_a_return_address_that_is_no_web_address_is_refused(visitor, settings, launch):
    settings["deep_link_return_url"] = "javascript:alert(1)"

    assert launch().status_code == 400
