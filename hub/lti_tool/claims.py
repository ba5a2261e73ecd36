"""What the hub wants to see in an id_token before it believes it: each check by its name, pure.

The checks come in four groups, in the order in which they are made:

1. `check_header`: signed in the one way that LTI allows?
2. `check_parties`: made by the platform whose login this answers, and for nobody but the hub?
3. `check_times`: made just now?
4. `check_message`: a message that LTI knows, whole, and for the place that the login named?

References are to the 1EdTech Security Framework 1.0 (5.1.2, 5.1.3), LTI 1.3 Core (5.3, 5.4), LTI Deep Linking 2.0
(4.4) and OpenID Connect Core (3.1.3.7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
SETTINGS_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"

ALGORITHM = "RS256"
VERSION = "1.3.0"
RESOURCE_LINK, DEEP_LINKING = "LtiResourceLinkRequest", "LtiDeepLinkingRequest"

#: Clocks of two machines differ.
LEEWAY = timedelta(seconds=60)

#: A launch is one redirect: an id_token that is older was kept back (OpenID Connect Core 3.1.3.7, 10).
OLDEST = timedelta(minutes=10)

#: Longest value of an id (LTI 1.3 Core 5.3.6, 5.4.1).
LONGEST_ID = 255

Claims: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """Why a login or launch is not taken: the check that failed, and the reason in words."""

    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What the login said that this launch answers, and the time that it is. ``is_internal``: http is allowed."""

    issuer: str
    client_id: str
    target_link_uri: str
    is_internal: bool
    now: datetime


Check: TypeAlias = Callable[[Claims, Expected], LaunchRefused | None]


def check_header(header: Mapping[str, Any]) -> LaunchRefused | None:
    """Security Framework 5.1.3: RS256, and a key that can be found. The token never chooses the algorithm."""
    if header.get("alg") != ALGORITHM:
        return LaunchRefused("alg", f"The id_token is signed with {shown(header.get('alg'))}, not {ALGORITHM}.")
    if not is_id(header.get("kid")):
        return LaunchRefused("kid", "The header of the id_token names no key (kid).")
    return None


def check_parties(claims: Claims, expected: Expected) -> LaunchRefused | None:
    """Who made the id_token, and for whom."""
    return _first((_issuer, _audience, _authorized_party), claims, expected)


def check_times(claims: Claims, expected: Expected) -> LaunchRefused | None:
    """When it was made, and until when it is good."""
    return _first((_expiry, _issued_at, _not_before), claims, expected)


def check_message(claims: Claims, expected: Expected) -> LaunchRefused | None:
    """What it says."""
    refused = _first((_message_type, _version, _deployment_id, _subject, _roles, _target, _context), claims, expected)
    if refused:
        return refused
    if claims[CLAIM + "message_type"] == DEEP_LINKING:
        return _deep_linking_settings(claims, expected)
    return _resource_link(claims, expected)


def _first(checks: tuple[Check, ...], claims: Claims, expected: Expected) -> LaunchRefused | None:
    return next((refused for check in checks if (refused := check(claims, expected))), None)


# Parties ---------------------------------------------------------------------------------------------------------


def _issuer(claims: Claims, expected: Expected) -> LaunchRefused | None:
    if claims.get("iss") == expected.issuer:
        return None
    return LaunchRefused("iss", f"iss is {shown(claims.get('iss'))}, not {expected.issuer}.")


def _audience(claims: Claims, expected: Expected) -> LaunchRefused | None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    # One that names others too could have been made for them, and be shown here by them: the hub trusts none.
    if named and all(each == expected.client_id for each in named):
        return None
    return LaunchRefused("aud", f"aud is {shown(audience)}, not the client_id {expected.client_id} alone.")


def _authorized_party(claims: Claims, expected: Expected) -> LaunchRefused | None:
    if claims.get("azp", expected.client_id) == expected.client_id:
        return None
    return LaunchRefused("azp", f"azp is {shown(claims['azp'])}, not the client_id {expected.client_id}.")


# Times -----------------------------------------------------------------------------------------------------------


def _expiry(claims: Claims, expected: Expected) -> LaunchRefused | None:
    expires = read_time(claims.get("exp"))
    if expires is None:
        return LaunchRefused("exp", f"exp is {shown(claims.get('exp'))}, which is no time.")
    if expires + LEEWAY > expected.now:
        return None
    return LaunchRefused("exp", f"The id_token ended at {_clock(expires)}; here it is {_clock(expected.now)}.")


def _issued_at(claims: Claims, expected: Expected) -> LaunchRefused | None:
    issued = read_time(claims.get("iat"))
    if issued is None:
        return LaunchRefused("iat", f"iat is {shown(claims.get('iat'))}, which is no time.")
    if expected.now - OLDEST - LEEWAY <= issued <= expected.now + LEEWAY:
        return None
    advice = "One of the two clocks is wrong, or the id_token was kept back."
    return LaunchRefused("iat", f"The id_token is of {_clock(issued)}; here it is {_clock(expected.now)}. {advice}")


def _not_before(claims: Claims, expected: Expected) -> LaunchRefused | None:
    if "nbf" not in claims:
        return None
    begins = read_time(claims["nbf"])
    if begins is not None and begins <= expected.now + LEEWAY:
        return None
    return LaunchRefused("nbf", f"nbf is {shown(claims['nbf'])}; the id_token is not good yet.")


def read_time(value: Any) -> datetime | None:
    """A NumericDate (RFC 7519 section 2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


# The message -----------------------------------------------------------------------------------------------------


def _message_type(claims: Claims, _: Expected) -> LaunchRefused | None:
    given = claims.get(CLAIM + "message_type")
    if given in (RESOURCE_LINK, DEEP_LINKING):
        return None
    return LaunchRefused("message_type", f"message_type is {shown(given)}, which the hub does not take.")


def _version(claims: Claims, _: Expected) -> LaunchRefused | None:
    given = claims.get(CLAIM + "version")
    return None if given == VERSION else LaunchRefused("version", f"version is {shown(given)}, not {VERSION}.")


def _deployment_id(claims: Claims, _: Expected) -> LaunchRefused | None:
    given = claims.get(CLAIM + "deployment_id")
    return None if is_id(given) else LaunchRefused("deployment_id", f"deployment_id is {shown(given)}, which is no id.")


def _subject(claims: Claims, _: Expected) -> LaunchRefused | None:
    # LTI allows launches of nobody in particular (Core 5.3.6.1); the hub has nothing to show to nobody.
    given = claims.get("sub")
    return None if is_id(given) else LaunchRefused("sub", f"sub is {shown(given)}, which names nobody.")


def _roles(claims: Claims, _: Expected) -> LaunchRefused | None:
    given = claims.get(CLAIM + "roles")
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        return None
    return LaunchRefused("roles", f"roles is {shown(given)}, not a list of roles.")


def _target(claims: Claims, expected: Expected) -> LaunchRefused | None:
    # Core 5.3.4: it MUST be the one of the login, which was checked to be an address of the hub.
    given = claims.get(CLAIM + "target_link_uri")
    if given == expected.target_link_uri:
        return None
    return LaunchRefused(
        "target_link_uri", f"target_link_uri is {shown(given)}; the login said {expected.target_link_uri}."
    )


def _context(claims: Claims, _: Expected) -> LaunchRefused | None:
    # Optional, but where it is there it has an id (Core 5.4.1).
    given = claims.get(CLAIM + "context")
    if given is None or (isinstance(given, Mapping) and is_id(given.get("id"))):
        return None
    return LaunchRefused("context", f"context is {shown(given)}, which has no id.")


def _resource_link(claims: Claims, _: Expected) -> LaunchRefused | None:
    given = claims.get(CLAIM + "resource_link")
    if isinstance(given, Mapping) and is_id(given.get("id")):
        return None
    return LaunchRefused("resource_link", f"resource_link is {shown(given)}, which has no id.")


def _deep_linking_settings(claims: Claims, expected: Expected) -> LaunchRefused | None:
    settings = claims.get(SETTINGS_CLAIM)
    if not isinstance(settings, Mapping):
        return LaunchRefused("deep_linking_settings", f"deep_linking_settings is {shown(settings)}.")
    if not is_web_address(settings.get("deep_link_return_url"), is_internal=expected.is_internal):
        given = shown(settings.get("deep_link_return_url"))
        return LaunchRefused("deep_link_return_url", f"deep_link_return_url is {given}, to which nothing can be sent.")
    for name in ("accept_types", "accept_presentation_document_targets"):
        listed = settings.get(name)
        if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
            return LaunchRefused(name, f"{name} is {shown(listed)}, not a list of them.")
    return None


def is_id(value: Any) -> bool:
    """Whether this can be the id of something: 1 to 255 characters, none of which a page or a database chokes on."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()


def is_web_address(value: Any, *, is_internal: bool) -> bool:
    """Whether a browser can be sent there: https, or http as well where the platform is internal."""
    if not isinstance(value, str) or len(value) > 8192 or any(c.isspace() or not c.isprintable() for c in value):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and parts.scheme in (("https", "http") if is_internal else ("https",))


def shown(value: Any) -> str:
    """A claim's value for a message: short, and never more than text."""
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
