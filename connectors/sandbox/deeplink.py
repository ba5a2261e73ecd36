"""The picker: a platform's administrator chooses courses here and takes them into her catalogue.

Deep Linking 2.0: the platform launches us with LtiDeepLinkingRequest, we answer with a signed
LtiDeepLinkingResponse that the browser posts to the request's return address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import RSAKey

from .courses import Course
from .errors import SandboxError
from .keys import Key
from .lti import CLAIM

DL_CLAIM: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/"
LIFETIME_SECONDS: Final = 240


def settings_of(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the request allows (4.4.1), with a return address that a form may be posted to."""
    settings = claims.get(DL_CLAIM + "deep_linking_settings")
    if not isinstance(settings, Mapping):
        raise SandboxError("The deep linking request came without its settings.")
    if not str(settings.get("deep_link_return_url", "")).startswith(("https://", "http://")):
        raise SandboxError("deep_link_return_url must be an http address.")
    return settings


def content_item(course: Course, target_link_uri: str) -> dict[str, Any]:
    """One course as a resource link with a line item for its final score (3.1)."""
    return {
        "type": "ltiResourceLink",
        "url": target_link_uri,
        "title": course.title["id"],
        "text": course.summary["id"],
        "custom": {"course": course.key, "minutes": str(course.minutes)},
        "lineItem": {"scoreMaximum": 100, "label": course.title["id"], "resourceId": course.key},
    }


def response_token(
    claims: Mapping[str, Any], items: Iterable[Mapping[str, Any]], key: Key, *, now: int, nonce: str
) -> str:
    """The response (4.5), signed. ``data`` goes back as it came, and not at all where none came."""
    settings = settings_of(claims)
    audience = claims["aud"]
    response: dict[str, Any] = {
        "iss": audience[0] if isinstance(audience, list) else audience,
        "aud": claims["iss"],
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "nonce": nonce,
        CLAIM + "message_type": "LtiDeepLinkingResponse",
        CLAIM + "version": "1.3.0",
        CLAIM + "deployment_id": claims[CLAIM + "deployment_id"],
        DL_CLAIM + "content_items": [dict(item) for item in items],
    }
    if "data" in settings:
        response[DL_CLAIM + "data"] = settings["data"]
    [public] = key.jwks()["keys"]
    return jwt.encode({"alg": "RS256", "kid": public["kid"]}, response, RSAKey.import_key(key.private_pem))
