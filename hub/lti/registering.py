"""A tool registers itself: LTI Dynamic Registration 1.0, the platform's side.

An administrator invites: she names the tool and gets an address to open, the tool's own registration page with a token
of ours. The tool reads our configuration and posts what it is (section 3.5). It arrives switched off: who asked is
known, what was registered is for an administrator to look at before anybody is launched there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson
import sqlalchemy as sa

from hub import journal
from hub.errors import HubError
from hub.lti.scopes import GRANTED
from hub.systems import door, registry
from hub.systems.registry import Deployment, NewTool, Tool
from hub.tables import used_tokens
from lrs.database import insert_missing

if TYPE_CHECKING:
    from hub.runtime import Hub

TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
DEEP_LINKING = "LtiDeepLinkingRequest"

#: How long an invitation is good.
LIFE = timedelta(hours=1)

_PURPOSE = "lti-register"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the administrator decides of a tool that registers itself; the rest is the tool's to say.

    ``connector`` is the system that it belongs to; None: one of its name is made, with this ``title``.
    """

    name: str
    connector: str | None = None
    deployments: tuple[str, ...] = ("default",)
    names: bool = False
    internal: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationRefused:
    """Why a tool is not registered: the error as OpenID Connect Registration section 3.3 names it, and in words."""

    error: str
    why: str

    @property
    def status(self) -> int:
        return 401 if self.error == "invalid_token" else 400


@dataclass(frozen=True, slots=True)
class Registered:
    """A new tool, and what it said of itself."""

    tool: Tool
    deployment: Deployment
    said: Mapping[str, Any]


def invite(hub: Hub, invitation: Invitation, registration_url: str, *, by: str) -> str:
    """The address that the administrator opens in a browser: the tool's registration page with our token.

    Raises `HubError` for a name that is taken or an address that cannot be used.
    """
    door.check_url("registration URL", registration_url, internal=invitation.internal)
    now = hub.clock()
    token_id = hub.new_id()
    with hub.db.write() as conn:
        if registry.find_tool(conn, invitation.name) is not None:
            detail = f"There is a tool {invitation.name} already."
            raise HubError("name_taken", detail, action="Choose another name.", status=409)
        journal.record(
            conn, who=by, action="tool.invite", object=invitation.name, now=now, new_id=hub.new_id,
            url=registration_url,
        )  # fmt: skip
    value = [
        str(token_id),
        by,
        invitation.name,
        invitation.connector,
        list(invitation.deployments),
        invitation.names,
        invitation.internal,
        invitation.title,
    ]
    parameters = {
        "openid_configuration": f"{hub.base_url}/.well-known/openid-configuration",
        "registration_token": hub.keyring.sign(_PURPOSE, value, now + LIFE),
    }
    return f"{registration_url}{'&' if '?' in registration_url else '?'}{urlencode(parameters)}"


def register(hub: Hub, authorization: str, body: bytes) -> Registered | RegistrationRefused:
    """Register the tool that shows an invitation's token; switched off. A token registers one tool."""
    scheme, _, token = authorization.partition(" ")
    value = hub.keyring.verify(_PURPOSE, token.strip(), hub.clock()) if scheme.lower() == "bearer" else None
    if value is None:
        return RegistrationRefused("invalid_token", "The registration token is missing, changed or over.")
    token_id, by, name, connector, deployments, names, internal, title = value
    invitation = Invitation(name, connector, tuple(deployments), names, internal, title)
    try:
        # Whatever the Content-Type says: a Moodle sends JSON as application/x-www-form-urlencoded.
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return RegistrationRefused("invalid_client_metadata", f"The body is not JSON: {error}.")
    new = _read(said, invitation)
    if isinstance(new, RegistrationRefused):
        return new
    try:
        found = hub.db.run(lambda conn: _write(conn, hub, invitation, new, token_id, by))
    except HubError as error:
        return RegistrationRefused(_error_of(error), str(error))
    if found is None:
        return RegistrationRefused("invalid_token", "The registration token has been used.")
    return Registered(*found, said)


def answer(registered: Registered) -> dict[str, Any]:
    """The client information response (section 3.6): what was registered, which may be less than was asked."""
    tool, said = registered.tool, registered.said
    asked = set(str(said.get("scope") or "").split())
    configuration = said.get(TOOL_CONFIGURATION)
    told = configuration if isinstance(configuration, dict) else {}
    return {
        "client_id": tool.client_id,
        "client_name": said.get("client_name") or tool.name,
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "initiate_login_uri": tool.login_url,
        "redirect_uris": list(tool.redirect_uris),
        "jwks_uri": tool.jwks_url,
        "scope": " ".join(each for each in GRANTED if each in asked),
        TOOL_CONFIGURATION: {
            **{name: told[name] for name in ("domain", "claims", "messages") if name in told},
            "target_link_uri": tool.target_link_uri,
            "deployment_id": registered.deployment.deployment_id,
        },
    }


# Reading what a tool says ----------------------------------------------------------------------------------------


def _read(said: Any, invitation: Invitation) -> NewTool | RegistrationRefused:
    """The tool that is to be registered, or what is wrong with its description."""
    if not isinstance(said, dict) or not isinstance(said.get(TOOL_CONFIGURATION), dict):
        return _wrong(f"The body must be a JSON object with {TOOL_CONFIGURATION}.")
    if said.get("token_endpoint_auth_method") != "private_key_jwt":
        return _wrong("token_endpoint_auth_method must be private_key_jwt.")
    for name, value in (("response_types", "id_token"), ("grant_types", "client_credentials")):
        if value not in _texts(said.get(name)):
            return _wrong(f"{name} must hold {value}.")
    told = said[TOOL_CONFIGURATION]
    redirect_uris = _texts(said.get("redirect_uris"))
    if not redirect_uris:
        return RegistrationRefused("invalid_redirect_uri", "redirect_uris must be a list of addresses.")
    single = {name: said.get(name) for name in ("initiate_login_uri", "jwks_uri")}
    single["target_link_uri"] = told.get("target_link_uri", redirect_uris[0])
    missing = next((name for name, text in single.items() if not isinstance(text, str) or not text), None)
    if missing is not None:
        return _wrong(f"{missing} is missing.")
    new = NewTool(
        name=invitation.name,
        login_url=str(single["initiate_login_uri"]),
        redirect_uris=redirect_uris,
        target_link_uri=str(single["target_link_uri"]),
        jwks_url=str(single["jwks_uri"]),
        deep_linking_url=_deep_linking_url(told, str(single["target_link_uri"])),
        deployments=invitation.deployments,
        names=invitation.names,
        internal=invitation.internal,
    )
    return _check_addresses(new, told.get("domain"))


def _check_addresses(new: NewTool, domain: Any) -> NewTool | RegistrationRefused:
    """Each address is one, and of the tool's domain (section 2.2): nobody registers another's pages."""
    for url in new.redirect_uris:
        if (refused := _check_url("redirect_uris", url, new, "invalid_redirect_uri", domain)) is not None:
            return refused
    pages = {
        "initiate_login_uri": new.login_url,
        "target_link_uri": new.target_link_uri,
        "deep linking target_link_uri": new.deep_linking_url,
    }
    for name, value in pages.items():
        refused = None if value is None else _check_url(name, value, new, "invalid_client_metadata", domain)
        if refused is not None:
            return refused
    return new


def _check_url(name: str, url: str, new: NewTool, error: str, domain: Any) -> RegistrationRefused | None:
    try:
        door.check_url(name, url, internal=new.internal)
    except HubError as refused:
        return RegistrationRefused(error, str(refused))
    # A Moodle's domain carries no port.
    wanted = str(domain).partition(":")[0].lower() if isinstance(domain, str) else ""
    host = (urlsplit(url).hostname or "").lower()
    if wanted and (host == wanted or host.endswith(f".{wanted}")):
        return None
    return RegistrationRefused(error, f"{name}: {host} is not of the tool's domain {wanted!r}.")


def _deep_linking_url(told: Mapping[str, Any], target_link_uri: str) -> str | None:
    messages = told.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("type") == DEEP_LINKING:
            return str(message.get("target_link_uri") or target_link_uri)
    return None


def _texts(value: Any) -> tuple[str, ...]:
    """A list of texts; anything else is an empty one."""
    listed = value if isinstance(value, list) else []
    return tuple(listed) if all(isinstance(each, str) for each in listed) else ()


def _wrong(why: str) -> RegistrationRefused:
    return RegistrationRefused("invalid_client_metadata", why)


def _error_of(error: HubError) -> str:
    return "invalid_redirect_uri" if error.code == "redirect_uris" else "invalid_client_metadata"


# The one write ---------------------------------------------------------------------------------------------------


def _write(
    conn: sa.Connection, hub: Hub, invitation: Invitation, new: NewTool, token_id: str, by: str
) -> tuple[Tool, Deployment] | None:
    used = {
        "id": hashlib.sha256(f"registration\n{token_id}".encode()).digest(),
        # Remembered for longer than the token is good.
        "expires": hub.clock() + LIFE,
    }
    if insert_missing(conn, used_tokens, [used]) != 1:
        return None
    tool = registry.add_tool(conn, hub, new, by=by, connector=invitation.connector)
    if invitation.title and invitation.connector is None:
        registry.set_title(conn, hub, registry.get_connector(conn, tool.connector), invitation.title, by=by)
    registry.set_tool_disabled(conn, hub, tool, disabled=True, by=by)
    return tool, registry.deployments_of(conn, tool.id)[0]
