"""What the hub wants to see before it signs an id_token: each check by its name, pure.

A tool answers the start of a launch with an OpenID authentication request (1EdTech Security Framework 1.0 section
5.1.1.2). The checks come in three groups, in this order:

1. `check_address`: is the tool known, and the address that it wants the answer at one of its own? Until then nothing
   is sent anywhere: the person sees a page.
2. `check_request`: is the request well made? From here on the tool is told by form_post (section 5.1.1.5).
3. `check_launch`: is it about a launch that this person has just begun, in this browser?
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.access.accounts import Session
from hub.systems.registry import Deployment, Tool

#: Longer values of one parameter are refused: nobody's state is that long, and it would be sent back.
LONGEST = 8 * 1024

_UNSHOWN = re.compile(r"[^ !#-\[\]-~]")

#: The whole request.
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class AuthenticationRequest:
    """The parameters that count; others are ignored (OpenID Connect Core section 3.1.2.1). Absent ones are empty."""

    client_id: str = ""
    redirect_uri: str = ""
    scope: str = ""
    response_type: str = ""
    response_mode: str = ""
    prompt: str = ""
    nonce: str = ""
    state: str = ""
    login_hint: str = ""
    lti_message_hint: str = ""

    @staticmethod
    def of(parameters: Mapping[str, str]) -> AuthenticationRequest:
        return AuthenticationRequest(
            **{name: parameters.get(name, "") for name in AuthenticationRequest.__dataclass_fields__}
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which check failed, the error as OAuth names it, and why in words."""

    check: str
    error: str
    why: str


class Begun(Protocol):
    """What somebody began at the hub: a launch (`hub.lti.launches`), or picking courses (`hub.lti.pickings`)."""

    @property
    def tool(self) -> int: ...
    @property
    def hint_used_at(self) -> datetime | None: ...
    @property
    def login_hint(self) -> str: ...
    def is_of(self, session: Session) -> bool:
        """Whether it was begun in this browser, by this person."""
        ...


@dataclass(frozen=True, slots=True)
class Situation:
    """What the hub knows when the request arrives. ``begun`` is None where the message hint is forged or over.

    ``session`` is None where nobody is signed in. The last two are about launches; an administrator who picks courses
    is always let in.
    """

    tool: Tool
    session: Session | None
    begun: Begun | None
    deployment: Deployment | None
    is_enrolled: bool = True
    is_listed: bool = True


def shown(value: str) -> str:
    """A value of a request as people read it: shortened, of the characters that an error may hold (RFC 6749 5.2)."""
    return "'" + _UNSHOWN.sub("?", value[:200]) + "'" if value else "missing"


def check_address(request: AuthenticationRequest, tool: Tool | None) -> Refusal | None:
    """Why nothing may be sent to the redirect_uri."""
    if tool is None:
        return Refusal("client_id", "invalid_request", "client_id names no tool that is registered here.")
    if tool.disabled:
        return Refusal("tool", "unauthorized_client", "This tool is switched off at the hub.")
    # Byte for byte: a prefix, another port or a slash at the end is another place (section 5.1.1.2, RFC 9700 2.1).
    if request.redirect_uri not in tool.redirect_uris:
        why = f"redirect_uri is {shown(request.redirect_uri)}, which is not registered for this tool."
        return Refusal("redirect_uri", "invalid_request", why)
    if len(request.state) > LONGEST:
        return Refusal("state", "invalid_request", f"state is longer than {LONGEST} characters.")
    return None


def check_request(request: AuthenticationRequest) -> Refusal | None:
    """Why the request is not one that LTI makes."""
    return next((refusal for check in _REQUEST if (refusal := check(request))), None)


def check_launch(request: AuthenticationRequest, situation: Situation) -> Refusal | None:
    """Why there is no launch that this request may complete."""
    return next((refusal for check in _LAUNCH if (refusal := check(request, situation))), None)


def _response_type(request: AuthenticationRequest) -> Refusal | None:
    if request.response_type == "id_token":
        return None
    why = f"response_type is {shown(request.response_type)}; it must be id_token."
    return Refusal("response_type", "unsupported_response_type", why)


def _response_mode(request: AuthenticationRequest) -> Refusal | None:
    if request.response_mode == "form_post":
        return None
    why = f"response_mode is {shown(request.response_mode)}; it must be form_post."
    return Refusal("response_mode", "invalid_request", why)


def _scope(request: AuthenticationRequest) -> Refusal | None:
    if "openid" in request.scope.split(" "):
        return None
    return Refusal("scope", "invalid_scope", f"scope is {shown(request.scope)}; it must hold openid.")


def _prompt(request: AuthenticationRequest) -> Refusal | None:
    if request.prompt == "none":
        return None
    why = f"prompt is {shown(request.prompt)}; it must be none: the person is signed in already."
    return Refusal("prompt", "invalid_request", why)


def _nonce(request: AuthenticationRequest) -> Refusal | None:
    if 0 < len(request.nonce) <= LONGEST:
        return None
    why = f"nonce has {len(request.nonce)} characters; it must have 1 to {LONGEST}."
    return Refusal("nonce", "invalid_request", why)


_REQUEST: tuple[Callable[[AuthenticationRequest], Refusal | None], ...] = (
    _response_type,
    _response_mode,
    _scope,
    _prompt,
    _nonce,
)


def _session(_: AuthenticationRequest, situation: Situation) -> Refusal | None:
    if situation.session is not None:
        return None
    return Refusal("session", "login_required", "Nobody is signed in at the hub.")


def _message_hint(_: AuthenticationRequest, situation: Situation) -> Refusal | None:
    begun = situation.begun
    if begun is None:
        return Refusal("lti_message_hint", "invalid_request", "lti_message_hint is missing, changed or over.")
    if begun.tool != situation.tool.id:
        return Refusal("lti_message_hint", "invalid_request", "lti_message_hint was given to another tool.")
    if begun.hint_used_at is not None:
        return Refusal("lti_message_hint", "invalid_request", "lti_message_hint has been used.")
    return None


def _login_hint(request: AuthenticationRequest, situation: Situation) -> Refusal | None:
    begun, session = situation.begun, situation.session
    if begun is None or request.login_hint != begun.login_hint:
        return Refusal("login_hint", "access_denied", "login_hint is not the person of this launch.")
    if session is None or not begun.is_of(session):
        return Refusal("session", "access_denied", "Another person, or another browser, began this launch.")
    return None


def _deployment(_: AuthenticationRequest, situation: Situation) -> Refusal | None:
    deployment = situation.deployment
    if deployment is None or deployment.disabled or deployment.tool != situation.tool.id:
        return Refusal("deployment", "access_denied", "The deployment of this launch is switched off.")
    return None


def _enrollment(_: AuthenticationRequest, situation: Situation) -> Refusal | None:
    if situation.is_enrolled:
        return None
    return Refusal("enrollment", "access_denied", "The person is not enrolled in this course.")


def _course(_: AuthenticationRequest, situation: Situation) -> Refusal | None:
    if situation.is_listed:
        return None
    return Refusal("course", "access_denied", "The course has left the catalogue.")


_LAUNCH: tuple[Callable[[AuthenticationRequest, Situation], Refusal | None], ...] = (
    _session,
    _message_hint,
    _login_hint,
    _deployment,
    _enrollment,
    _course,
)
