"""LTI Dynamic Registration 1.0: the sandbox registers itself at a platform that sent its administrator here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from .courier import SCORE_SCOPE
from .errors import SandboxError
from .platforms import Platform, parse_platform

TOOL_CONFIGURATION: Final = "https://purl.imsglobal.org/spec/lti-tool-configuration"
LINEITEM_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"


def register(session: requests.Session, configuration_url: str, token: str | None, base_url: str) -> Platform:
    """Read the platform's configuration (3.4), ask it to register us (3.5), and give what it answered (3.6)."""
    try:
        configuration = _object(session.get(configuration_url), "openid configuration")
        _check_issuer(configuration, configuration_url)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        endpoint = _text(configuration, "registration_endpoint")
        answer = _object(session.post(endpoint, json=tool_registration(base_url), headers=headers), "registration")
    except requests.RequestException as error:
        raise SandboxError(f"The platform did not answer: {error}") from error
    tool = answer.get(TOOL_CONFIGURATION)
    deployment = tool.get("deployment_id") if isinstance(tool, Mapping) else None
    given = {
        "issuer": configuration["issuer"],
        "client_id": answer.get("client_id"),
        "deployment_ids": [deployment],
        "auth_url": configuration.get("authorization_endpoint"),
        "token_url": configuration.get("token_endpoint"),
        "jwks_url": configuration.get("jwks_uri"),
    }
    return parse_platform(given, "registration")


def tool_registration(base_url: str) -> dict[str, Any]:
    """What we are, in OpenID Connect's words and LTI's."""
    launch = f"{base_url}/lti/launch"
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{base_url}/lti/login",
        "redirect_uris": [launch],
        "client_name": "LMS Sandbox",
        "client_name#id": "Balai Pelatihan Contoh",
        "jwks_uri": f"{base_url}/lti/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": f"{SCORE_SCOPE} {LINEITEM_SCOPE}",
        TOOL_CONFIGURATION: {
            "domain": urlsplit(base_url).netloc,
            "target_link_uri": launch,
            "claims": ["iss", "sub", "name"],
            "messages": [{"type": "LtiResourceLinkRequest"}, {"type": "LtiDeepLinkingRequest", "label": "Pelatihan"}],
        },
    }


def _check_issuer(configuration: Mapping[str, Any], configuration_url: str) -> None:
    """3.4.1: the issuer's host must be the one that served its configuration."""
    issuer = _text(configuration, "issuer")
    if urlsplit(issuer).netloc != urlsplit(configuration_url).netloc:
        raise SandboxError(f"The issuer {issuer} is not on the host of {configuration_url}.")


def _object(answer: requests.Response, what: str) -> Mapping[str, Any]:
    if answer.status_code not in (200, 201):
        raise SandboxError(f"The platform answered the {what} with {answer.status_code}: {answer.text[:300]}")
    found = answer.json()
    if not isinstance(found, dict):
        raise SandboxError(f"The platform's {what} is no JSON object.")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        raise SandboxError(f"The platform's configuration has no address {name}.")
    return value
