"""The sandbox registers itself at a platform (LTI Dynamic Registration), and what it refuses to believe."""

from __future__ import annotations

import pytest
from flask import Flask, jsonify, request

TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"


@pytest.fixture
def configuration():
    return {}


@pytest.fixture
def registrations():
    return []


@pytest.fixture
def issuer(serve, configuration, registrations):
    app = Flask("registrar")

    @app.get("/openid-configuration")
    def show():
        return jsonify(configuration)

    @app.post("/register")
    def register():
        if request.headers.get("Authorization") != "Bearer once":
            return jsonify(error="invalid_token"), 401
        registrations.append(request.get_json())
        return jsonify(client_id="client-9", **{TOOL: {"deployment_id": "d-9"}}), 201

    url = serve(app)
    configuration |= {"issuer": url, "registration_endpoint": f"{url}/register"}
    configuration |= {"authorization_endpoint": f"{url}/auth", "token_endpoint": f"{url}/token"}
    configuration |= {"jwks_uri": f"{url}/jwks"}
    return url


def open_registration(sandbox, visitor, issuer, token="once"):
    query = {"openid_configuration": f"{issuer}/openid-configuration", "registration_token": token}
    return visitor.get(f"{sandbox.url}/lti/register", params=query)


def test_it_says_what_it_is_and_keeps_the_answer(sandbox, visitor, issuer, registrations):
    page = open_registration(sandbox, visitor, issuer)

    assert page.status_code == 200
    [asked] = registrations
    assert asked["initiate_login_uri"] == f"{sandbox.url}/lti/login"
    assert asked["redirect_uris"] == [f"{sandbox.url}/lti/launch"]
    assert asked["token_endpoint_auth_method"] == "private_key_jwt"
    assert asked[TOOL]["domain"] == sandbox.url.removeprefix("http://")
    kept = sandbox.platforms.find(issuer, None)
    assert (kept.client_id, kept.deployment_ids, kept.token_url) == ("client-9", ("d-9",), f"{issuer}/token")
    assert sandbox.platforms.find(sandbox.platform.url, None) is not None


def test_a_used_token_is_told(sandbox, visitor, issuer):
    page = open_registration(sandbox, visitor, issuer, token="twice")

    assert page.status_code == 400
    assert "invalid_token" in page.text


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"issuer": "https://stranger.example"}, "is not on the host"),
        ({"registration_endpoint": None}, "no address registration_endpoint"),
        ({"jwks_uri": None}, "jwks_url is missing"),
    ],
)
def test_a_wrong_configuration_is_refused(sandbox, visitor, issuer, configuration, wrong, why):
    configuration |= wrong

    page = open_registration(sandbox, visitor, issuer)

    assert page.status_code == 400
    assert why in page.text
    assert sandbox.platforms.find(issuer, None) is None


def test_a_platform_that_is_not_there_is_told(sandbox, visitor):
    page = open_registration(sandbox, visitor, "http://127.0.0.1:9")

    assert page.status_code == 400
    assert "did not answer" in page.text
