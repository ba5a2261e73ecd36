"""``wkmb platform``."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

Terminal = Any
LMS = ("--issuer", "https://lms.example", "--client-id", "abc", "--auth-url", "https://lms.example/auth",
       "--token-url", "https://lms.example/token",
       "--jwks-url", "https://lms.example/jwks", "--deployment", "2")  # fmt: skip
TOOL = "https://hub.example/lti/tool"


def test_what_the_other_side_needs_is_printed(wkmb: Terminal) -> None:
    made = wkmb.json("platform", "add", "moodle", *LMS, "--deployment", "3")

    assert made == {
        "name": "moodle",
        "connector": "moodle",
        "client_id": "abc",
        "deployment_ids": ["2", "3"],
        "deployments": {"2": "active", "3": "active"},
        "issuer": "https://lms.example",
        "auth_url": "https://lms.example/auth",
        "token_url": "https://lms.example/token",
        "jwks_url": f"{TOOL}/jwks",
        "login_url": f"{TOOL}/login",
        "redirect_uris": [f"{TOOL}/launch"],
        "target_link_uri": f"{TOOL}/launch",
        "deep_linking_url": f"{TOOL}/launch",
    }
    assert f"login_url: {TOOL}/login" in wkmb("platform", "show", "moodle").stdout


def test_a_platform_is_listed_and_shown(wkmb: Terminal) -> None:
    wkmb("connector", "add", "ministry", "--kind", "lti")
    wkmb("platform", "add", "moodle", *LMS, "--connector", "ministry", "--token-audience", "https://lms.example/")

    [listed] = wkmb.json("platform", "list")
    shown = wkmb.json("platform", "show", "moodle")

    assert (listed["name"], listed["connector"], listed["issuer"]) == ("moodle", "ministry", "https://lms.example")
    assert shown["jwks_url_of_platform"] == "https://lms.example/jwks"
    assert shown["token_audience"] == "https://lms.example/"
    assert shown["last_refusal"] is None
    assert wkmb("platform", "list").stdout.startswith("moodle\tministry\t")


def test_deployments_are_added_and_refused(wkmb: Terminal) -> None:
    wkmb("platform", "add", "moodle", *LMS)

    assert wkmb.json("platform", "deploy", "moodle", "--deployment", "7")["deployments"] == {
        "2": "active",
        "7": "active",
    }
    refused = wkmb.json("platform", "disable", "moodle", "--deployment", "7")
    assert refused["deployments"] == {"2": "active", "7": "disabled"}
    wkmb("platform", "disable", "moodle")
    assert wkmb.json("platform", "show", "moodle")["disabled"] is True
    wkmb("platform", "disable", "moodle", "--again")
    assert wkmb.json("platform", "show", "moodle")["disabled"] is False
    assert "no deployment 'x'" in wkmb.refused("platform", "disable", "moodle", "--deployment", "x")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (LMS[2:], 2, "--issuer"),
        (("--issuer", "http://127.0.0.1:1", *LMS[2:]), 1, "issuer: http://127.0.0.1:1 is not https"),
        ((*LMS, "--jwks-url", "https://169.254.169.254/"), 1, "link-local"),
        ((*LMS, "--deployment", "é"), 1, "no deployment id"),
        ((*LMS, "--connector", "nobody"), 1, "no connector 'nobody'"),
    ],
)
def test_what_is_wrong_with_a_platform(wkmb: Terminal, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in wkmb.refused("platform", "add", "moodle", *arguments, code=code)
    assert wkmb.json("platform", "list") == []


def test_a_registration_is_made_once(wkmb: Terminal) -> None:
    wkmb("platform", "add", "moodle", *LMS)

    assert "There is a platform moodle already" in wkmb.refused("platform", "add", "moodle", *LMS)
    assert "registered already" in wkmb.refused("platform", "add", "again", *LMS)
    assert [each["name"] for each in wkmb.json("platform", "list")] == ["moodle"]


def test_the_hub_is_registered_dynamically(wkmb: Terminal, httpserver: HTTPServer) -> None:
    base = httpserver.url_for("").rstrip("/")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")
    offered = {"issuer": base, **{name: f"{base}/{name}" for name in names}}
    httpserver.expect_request("/configuration").respond_with_json(offered)
    told = {"client_id": "abc", "https://purl.imsglobal.org/spec/lti-tool-configuration": {"deployment_id": "5"}}
    httpserver.expect_request("/registration_endpoint", "POST").respond_with_json(told)

    made = wkmb.json(
        "platform", "add", "moodle", "--register", f"{base}/configuration?registration_token=t", "--internal"
    )

    assert (made["issuer"], made["client_id"], made["deployments"]) == (base, "abc", {"5": "active"})
    assert made["token_url"] == f"{base}/token_endpoint"
    assert "offers no address" in wkmb.refused("platform", "update", "moodle")
    assert "leave the other options out" in wkmb.refused("platform", "add", "m", "--register", base, *LMS, code=2)
    assert wkmb.json("platform", "invite", "lain", "--title", "Kampus Lain")["registration_url"].startswith(
        f"{TOOL}/register?invitation="
    )


def test_a_platform_whose_launches_named_no_membership_list_has_none_to_read(wkmb: Terminal) -> None:
    wkmb("platform", "add", "moodle", *LMS)

    assert wkmb.json("platform", "roster", "moodle") == []
    assert "No launch of moodle" in wkmb("platform", "roster", "moodle").stdout
