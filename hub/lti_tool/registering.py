"""The hub registers itself at an LMS: LTI Dynamic Registration 1.0, the tool's side.

Two ways lead here. An administrator of the hub has an address from the LMS and gives it to `register` herself. Or she
sends an `invite` address to the LMS's administrator, whose LMS opens it with its configuration and a token
(section 3.1); then the platform arrives switched off, because others have filled it in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import sqlalchemy as sa
from flask_babel import gettext as _

from connectors.http import RequestFailed, describe, require_ok
from hub import journal
from hub.errors import HubError
from hub.lti.scopes import GRANTED
from hub.lti_tool import platforms
from hub.lti_tool.claims import is_id
from hub.lti_tool.platforms import NewPlatform, Platform
from hub.lti_tool.services import parse
from hub.systems import door, registry
from hub.tables import used_tokens
from lrs.database import insert_missing

if TYPE_CHECKING:
    from hub.runtime import Hub

TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"

#: How long an invitation is good: administrators of two houses write each other.
LIFE = timedelta(days=7)

#: A registration token is a JWT at most.
LONGEST_TOKEN = 8192

_PURPOSE = "tool-register"
_SEAL = "registration-token"


@dataclass(frozen=True, slots=True)
class Start:
    """What an LMS opens a tool's registration address with: where its configuration is, and its token."""

    configuration_url: str
    token: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the administrator decides of an LMS that is to register the hub."""

    name: str
    internal: bool = False
    title: str = ""


def read_start(url: str) -> Start:
    """What is in an address that the LMS shows: the one that it would open a tool with, or its configuration's own."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    token = given.pop("registration_token", "")
    if "openid_configuration" in given:
        return Start(given["openid_configuration"], token)
    return Start(urlunsplit(parts._replace(query=urlencode(given), fragment="")), token)


def register(
    hub: Hub,
    name: str,
    start: Start,
    *,
    by: str,
    connector: str | None = None,
    internal: bool = False,
    is_pending: bool = False,
    title: str = "",
) -> Platform:
    """Register the hub at the LMS and the LMS here; `HubError` says what is in the way. ``is_pending``: switched off.
    ``title``: what people see of the system that is made for it.

    What the LMS offers is read and judged (section 3.4), the hub is described to it (3.5), and what it answers is
    kept (3.6). Called outside any transaction.
    """
    if len(start.token) > LONGEST_TOKEN or not start.token.isascii() or " " in start.token:
        raise HubError("registration_token", _("This is no registration token."), action=_again())
    door.check_url("openid_configuration", describe(start.configuration_url), internal=internal)
    with hub.db.read() as conn:
        platforms.check_name(conn, name)
        if connector is not None:
            registry.named_connector(conn, connector)
    with _asking(), hub.new_session(internal=internal) as session:
        offered = _offer(parse(require_ok(session.get(start.configuration_url))), start, internal=internal)
        wanted = description(hub, offered.get("scopes_supported"))
        answer = _send(session, "POST", offered["registration_endpoint"], start.token, wanted)
    new = _read_answer(hub, name, offered, answer, start.token, internal=internal)

    def work(conn: sa.Connection) -> Platform:
        made = platforms.add(conn, hub, new, by=by, connector=connector)
        if title and connector is None:
            registry.set_title(conn, hub, registry.get_connector(conn, made.connector), title, by=by)
        if is_pending:
            platforms.set_disabled(conn, hub, made, disabled=True, by=by)
        return platforms.get(conn, made.id)

    return hub.db.run(work)


def update(hub: Hub, platform: Platform, *, by: str) -> Platform:
    """Tell the LMS again what the hub is, as after its address has changed: GET and PUT with the same token."""
    with hub.db.read() as conn:
        kept = platforms.find_registration(conn, platform.id)
    if kept is None:
        action = _("Correct it on its side, with what “wkmb platform show” prints.")
        detail = _("%(name)s offers no address to change its registration.", name=platform.name)
        raise HubError("not_registered", detail, action=action)
    url, sealed = kept
    token = hub.keyring.open(_SEAL, sealed).decode()
    with _asking(), hub.new_session(internal=platform.internal) as session:
        there = _send(session, "GET", url, token)
        if there.get("client_id", platform.client_id) != platform.client_id:
            detail = _("%(url)s is another tool’s registration.", url=describe(url))
            raise HubError("client_id", detail, action=_again())
        scopes = there.get("scope")
        wanted = description(hub, scopes.split() if isinstance(scopes, str) else None)
        answer = _send(session, "PUT", url, token, wanted | {"client_id": platform.client_id})
    deployment = _deployment(answer)

    def work(conn: sa.Connection) -> Platform:
        if deployment is not None and platforms.find_deployment(conn, platform.id, deployment) is None:
            platforms.add_deployment(conn, hub, platform, deployment, by=by)
        journal.record(
            conn, who=by, action="platform.update", object=f"platform:{platform.name}", now=hub.clock(),
            new_id=hub.new_id,
        )  # fmt: skip
        return platforms.get(conn, platform.id)

    return hub.db.run(work)


def description(hub: Hub, supported: Any = None) -> dict[str, Any]:
    """The hub as a tool, in the words of OpenID Connect Registration and LTI (section 3.5.1)."""
    tool = f"{hub.base_url}/lti/tool"
    launch = f"{tool}/launch"
    offered = supported if isinstance(supported, list) else GRANTED
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{tool}/login",
        "redirect_uris": [launch],
        "client_name": "WKMB Hub",
        "client_uri": hub.base_url,
        "jwks_uri": f"{tool}/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(each for each in GRANTED if each in offered),
        TOOL_CONFIGURATION: {
            # With the port: a Moodle compares it with the host of target_link_uri as a whole.
            "domain": urlsplit(hub.base_url).netloc,
            "target_link_uri": launch,
            "claims": ["iss", "sub", "name"],
            "messages": [
                {"type": "LtiResourceLinkRequest", "target_link_uri": launch, "label": "WKMB"},
                {"type": "LtiDeepLinkingRequest", "target_link_uri": launch, "label": "WKMB"},
            ],
        },
    }


# Invitations -----------------------------------------------------------------------------------------------------


def invite(hub: Hub, invitation: Invitation, *, by: str) -> str:
    """The address that the LMS's administrator enters as the tool's registration URL; good once."""
    with hub.db.write() as conn:
        platforms.check_name(conn, invitation.name)
        journal.record(
            conn, who=by, action="platform.invite", object=f"platform:{invitation.name}", now=hub.clock(),
            new_id=hub.new_id,
        )  # fmt: skip
    registry.check_title(invitation.title)
    value = [str(hub.new_id()), by, invitation.name, invitation.internal, invitation.title]
    token = hub.keyring.sign(_PURPOSE, value, hub.clock() + LIFE)
    return f"{hub.base_url}/lti/tool/register?{urlencode({'invitation': token})}"


def accept(hub: Hub, invitation: str, start: Start) -> Platform:
    """An LMS has opened an invitation: register, switched off. What failed may be tried again with the same one."""
    value = hub.keyring.verify(_PURPOSE, invitation, hub.clock())
    if value is None:
        detail = _("This invitation is changed or over.")
        raise HubError("invitation", detail, action=_("Ask the administrator of the hub for another one."))
    token_id, by, name, internal, title = value
    with hub.db.read() as conn:
        if conn.execute(sa.select(used_tokens.c.id).where(used_tokens.c.id == _used_id(token_id))).first():
            raise _used()
    made = register(hub, name, start, by=by, internal=internal, is_pending=True, title=title)
    row = {"id": _used_id(token_id), "expires": hub.clock() + LIFE}
    hub.db.run(lambda conn: insert_missing(conn, used_tokens, [row]))
    return made


def _used() -> HubError:
    action = _("Ask the administrator of the hub for another one.")
    return HubError("invitation", _("This invitation has been used."), action=action)


def _used_id(token_id: str) -> bytes:
    return hashlib.sha256(f"platform-registration\n{token_id}".encode()).digest()


# What the LMS says -----------------------------------------------------------------------------------------------


def _again() -> str:
    return str(_("Begin the registration again on the LMS."))


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except RequestFailed as error:
        raise HubError(error.code, f"{error.where}: {error.why}.", action=f"{error.advice}.") from error


def _offer(said: Any, start: Start, *, internal: bool) -> Mapping[str, Any]:
    """The LMS's configuration, fit to be used (section 3.4)."""
    if not isinstance(said, dict):
        raise _unfit(_("it is no JSON object"))
    issuer = said.get("issuer")
    if not is_id(issuer):
        raise _unfit(_("it names no issuer"))
    # Y06: else anybody could offer a configuration in another's name.
    if _hostname(str(issuer)) != _hostname(start.configuration_url):
        raise _unfit(_("its issuer %(issuer)s is at another host than the configuration itself", issuer=issuer))
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"):
        value = said.get(name)
        if not isinstance(value, str):
            raise _unfit(_("it has no %(name)s", name=name))
        door.check_url(name, value, internal=internal)
    for name, needed in (
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("response_types_supported", "id_token"),
    ):
        listed = said.get(name)
        if isinstance(listed, list) and needed not in listed:
            raise _unfit(_("%(name)s lacks %(needed)s", name=name, needed=needed))
    return said


def _read_answer(
    hub: Hub, name: str, offered: Mapping[str, Any], answer: Mapping[str, Any], token: str, *, internal: bool
) -> NewPlatform:
    """The platform that the LMS's answer makes (section 3.6)."""
    client_id = answer.get("client_id")
    if not is_id(client_id):
        raise HubError("client_id", _("The LMS registered the hub without a client_id."), action=_again())
    deployment = _deployment(answer)
    url = answer.get("registration_client_uri")
    # The token goes there again: only to where it went before.
    is_same = isinstance(url, str) and _hostname(url) == _hostname(offered["registration_endpoint"])
    return NewPlatform(
        name=name,
        issuer=offered["issuer"],
        client_id=str(client_id),
        auth_url=offered["authorization_endpoint"],
        token_url=offered["token_endpoint"],
        jwks_url=offered["jwks_uri"],
        # Some LMSs have no deployment before the tool is put somewhere; its first launch will name one.
        deployments=() if deployment is None else (deployment,),
        internal=internal,
        registration_url=str(url) if is_same and token else None,
        registration_token=hub.seal(_SEAL, token) if is_same and token else None,
    )


def _deployment(answer: Mapping[str, Any]) -> str | None:
    told = answer.get(TOOL_CONFIGURATION)
    value = told.get("deployment_id") if isinstance(told, dict) else None
    # A Moodle's is a number in its database; as text it is what launches carry.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and is_id(text) else None


def _send(session: requests.Session, method: str, url: str, token: str, body: Any = None) -> Mapping[str, Any]:
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    said = parse(require_ok(session.request(method, url, json=body, headers=headers)))
    if not isinstance(said, dict):
        raise _unfit(_("its answer to the registration is no JSON object"))
    return said


def _unfit(why: str) -> HubError:
    detail = _("The LMS’s configuration cannot be used: %(why)s.", why=why)
    return HubError("configuration", detail, action=_("Tell its administrator."))


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
