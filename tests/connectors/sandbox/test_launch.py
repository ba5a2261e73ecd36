"""Launches of the sandbox that must be taken, and those that must be refused with the name of the check."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


def test_a_launch_opens_the_course_for_the_learner(sandbox, visitor):
    page = sandbox.launch(visitor)

    assert page.status_code == 200
    assert "Siti Rahayu" in page.text
    assert "Pelayanan Publik Digital" in page.text


def test_a_refreshed_page_posts_the_token_again_and_gets_its_launch(sandbox, visitor):
    form = sandbox.login(visitor)

    first, second = visitor.submit(form), visitor.submit(form)

    assert first.url == second.url
    assert len(sandbox.get("/api/launches")["launches"]) == 1


def test_another_browser_cannot_use_the_token_nor_see_the_page(sandbox, visitor, new_visitor):
    form = sandbox.login(visitor)
    page = visitor.submit(form)
    thief = new_visitor()

    replay = thief.submit(form)
    peek = thief.get(page.url, timeout=10)

    assert replay.status_code == 400
    assert peek.status_code == 403


def test_the_client_id_may_be_left_out_of_a_login_initiation(sandbox, visitor):
    initiation = {"iss": sandbox.platform.url, "login_hint": "hint", "lti_message_hint": '{"a": "b"}'}

    page = visitor.get(
        f"{sandbox.url}/lti/login", params=initiation | {"target_link_uri": f"{sandbox.url}/lti/launch"}, timeout=10
    )

    assert visitor.submit(page).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"iss": "https://stranger.example"}, "registration"),
        ({"client_id": "client-2"}, "registration"),
        ({"lti_deployment_id": "d-9"}, "deployment"),
        ({"target_link_uri": "https://stranger.example/lti/launch"}, "target_link_uri"),
        ({"target_link_uri": ""}, "target_link_uri"),
        ({"login_hint": ""}, "login"),
    ],
)
def test_a_wrong_login_initiation_is_refused(sandbox, visitor, wrong, check):
    page = sandbox.login(visitor, **wrong)

    assert page.status_code == 400
    assert f"<code>{check}</code>" in page.text


def later(seconds: int) -> Callable[[], float]:
    return lambda: int(time.time()) + seconds


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"iss": "https://stranger.example"}, "registration"),
        ({"aud": "client-2"}, "registration"),
        ({"nonce": "made-up"}, "nonce"),
        ({"exp": None}, "id_token"),
        ({"iat": None}, "id_token"),
        ({"exp": later(-3600)}, "id_token"),
        ({"iat": later(3600)}, "id_token"),
        ({"sub": None}, "id_token"),
        ({CLAIM + "deployment_id": "d-9"}, "deployment"),
        ({CLAIM + "version": "1.1"}, "version"),
        ({CLAIM + "roles": None}, "role"),
        ({CLAIM + "message_type": "Unknown"}, "message"),
        ({CLAIM + "resource_link": {"title": "no id"}}, "resource link"),
        ({CLAIM + "target_link_uri": "https://stranger.example/"}, "target_link_uri"),
    ],
)
def test_a_wrong_id_token_is_refused(sandbox, visitor, wrong: dict[str, Any], check):
    sandbox.platform.overrides = {name: value() if callable(value) else value for name, value in wrong.items()}

    page = sandbox.launch(visitor)

    assert page.status_code == 400
    assert f"<code>{check}</code>" in page.text
    assert sandbox.get("/api/launches")["launches"] == []


def test_clocks_may_differ_by_half_a_minute(sandbox, visitor):
    sandbox.platform.overrides = {"iat": int(time.time()) + 30}

    assert sandbox.launch(visitor).status_code == 200


def test_an_error_of_the_platform_is_told(sandbox, visitor):
    page = visitor.post(f"{sandbox.url}/lti/launch", data={"error": "login_required", "state": "s"}, timeout=10)

    assert page.status_code == 400
    assert "login_required" in page.text


def test_a_form_of_another_site_is_refused(sandbox, visitor):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    answer = visitor.post(
        f"{sandbox.url}/learn/{launch_id}/complete", headers={"Origin": "https://stranger.example"}, timeout=10
    )

    assert answer.status_code == 403
    assert not sandbox.get(f"/api/launches/{launch_id}")["finished"]


def test_a_name_that_points_here_is_not_our_name(sandbox):
    answer = requests.get(sandbox.url + "/", headers={"Host": "stranger.example"}, timeout=10)

    assert answer.status_code == 400
