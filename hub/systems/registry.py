"""The systems that the hub knows: connectors, the tools it launches with their deployments, and credentials.

A *connector* is one external institution's system; its tools (the hub launches them), its credentials (it reports)
and its courses belong to it. Whatever is entered here is checked at the door, by an administrator's command or form
alike: what is wrong with an address is said now, not at the first launch. Every change is written down in the journal
in the same transaction; ``by`` says who made it.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub import journal, revisions
from hub.errors import HubError, NotFound
from hub.systems import institutions
from hub.tables import connectors, credentials, deployments, tools
from lrs.database import insert_new
from mappings.shipped import VOCABULARIES

if TYPE_CHECKING:
    from hub.runtime import Hub

#: What kinds of system there are, and those whose way of working is not built yet.
KINDS = ("lti", "xapi-push", "xapi-pull", "csv", "siasn")
NOT_LANDED = ("forward",)

#: What a credential may be given. ``all`` is every scope of xAPI, never of the API.
SCOPES = (
    "all",
    "all/read",
    "statements/write",
    "statements/read",
    "statements/read/mine",
    "state",
    "profile",
    "define",
    "api/read",
    "api/write",
)
DEFAULT_SCOPES = ("statements/write", "statements/read/mine")

#: Shorter secrets could be guessed.
SECRET_LENGTH = 16

#: RSA keys below this are refused (1EdTech Security Framework 1.1 section 6.1: RS256; NIST SP 800-131A: 2048 bits).
RSA_BITS = 2048

#: How long the secret before stays good after a rotation, unless the administrator says otherwise.
OVERLAP = timedelta(days=1)

#: The row of `revisions` that goes up with each change of a connector, tool or deployment.
REVISION = "systems"

MAX_DEPLOYMENTS = 500
MAX_REDIRECT_URIS = 50
_LONGEST_URL = 2000
_LONGEST_TITLE = 200

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile("[!-9;-~]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CLIENT_ID = re.compile("[A-Za-z0-9._~-]{1,64}")
#: At most 255 ASCII characters (LTI 1.3 core section 5.3.3).
_DEPLOYMENT_ID = re.compile("[!-~]{1,255}")
_SEAL = "connector-secret"


@dataclass(frozen=True, slots=True)
class Connector:
    """One external system. ``trusted_centi_jp``: how much JP a certificate of it may assert, None: none.

    ``title`` is empty where none was given; people read ``shown``.
    """

    id: int
    name: str
    kind: str
    internal: bool
    vocabulary: str
    trusted_centi_jp: int | None
    settings: Mapping[str, Any]
    has_secret: bool
    created_at: datetime
    title: str = ""

    @property
    def shown(self) -> str:
        """What people see of it."""
        return institutions.shown(self.name, self.title)


@dataclass(frozen=True, slots=True)
class Tool:
    """An LMS that the hub launches (LTI 1.3). ``names``: its launches carry name and e-mail address, where a deployment
    says nothing else. ``framed``: its courses open inside the hub's page."""

    id: int
    name: str
    connector: int
    client_id: str
    login_url: str
    redirect_uris: tuple[str, ...]
    jwks_url: str | None
    public_key: str | None
    target_link_uri: str
    deep_linking_url: str | None
    names: bool
    internal: bool
    disabled: bool
    framed: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """One tenant of a tool: ``deployment_id`` is what launches carry, ``name`` what people call it.

    ``names`` is whether its launches carry names and e-mail; None where that is as the tool has it.
    """

    id: int
    tool: int
    deployment_id: str
    name: str
    disabled: bool
    names: bool | None = None

    def tells_names(self, tool: Tool) -> bool:
        """Whether names and e-mail of learners may be told there: the tenant's own setting, else the tool's."""
        return tool.names if self.names is None else self.names


@dataclass(frozen=True, slots=True)
class Credential:
    """Who may call the LRS and the API. Its secret is kept as a keyed digest, and never given out."""

    id: int
    name: str
    key: str
    scopes: frozenset[str]
    connector: int | None
    per_minute: int | None
    expires: datetime | None
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewTool:
    """What an administrator says of a tool; exactly one of ``jwks_url`` and ``public_key``.

    ``client_id``, and ``deployment_ids`` by the deployment's name, are made where they are not given: they are what the
    other side knows already when a hub is set up anew.
    """

    name: str
    login_url: str
    redirect_uris: tuple[str, ...]
    target_link_uri: str
    jwks_url: str | None = None
    public_key: str | None = None
    deep_linking_url: str | None = None
    deployments: tuple[str, ...] = ("default",)
    names: bool = False
    internal: bool = False
    framed: bool = False
    client_id: str | None = None
    deployment_ids: Mapping[str, str] = field(default_factory=dict)


# Connectors ------------------------------------------------------------------------------------------------------


def find_connector(conn: sa.Connection, name: str) -> Connector | None:
    """The connector of that name, whatever text it is."""
    if not _NAME.fullmatch(name):  # It comes from addresses too, and PostgreSQL takes no NUL in text.
        return None
    row = conn.execute(_CONNECTOR, {"which": name}).first()
    return None if row is None else _connector(row)


# Of every launch, made once.
_CONNECTOR = sa.select(connectors).where(connectors.c.name == sa.bindparam("which"))
_TOOLS = sa.select(tools).where(tools.c.connector == sa.bindparam("whose")).order_by(tools.c.id)
_DEPLOYMENTS = sa.select(deployments).where(deployments.c.tool == sa.bindparam("whose")).order_by(deployments.c.id)
_DEPLOYMENT = sa.select(deployments).where(deployments.c.id == sa.bindparam("which"))


def get_connector(conn: sa.Connection, connector_id: int) -> Connector:
    """The connector with that id."""
    row = conn.execute(sa.select(connectors).where(connectors.c.id == connector_id)).first()
    if row is None:
        raise NotFound("unknown_connector", f"There is no connector number {connector_id}.")
    return _connector(row)


def named_connector(conn: sa.Connection, name: str) -> Connector:
    """The connector of that name, which must exist."""
    found = find_connector(conn, name)
    if found is None:
        action = "`wkmb connector list` shows all; `wkmb connector add` makes one."
        raise NotFound("unknown_connector", f"There is no connector {name!r}.", action=action)
    return found


def list_connectors(conn: sa.Connection) -> tuple[Connector, ...]:
    """All of them, by name. There is one per institution."""
    return tuple(_connector(row) for row in conn.execute(sa.select(connectors).order_by(connectors.c.name)))


def connector_names(conn: sa.Connection) -> dict[int, str]:
    """What each connector's number stands for."""
    return {row.id: row.name for row in conn.execute(sa.select(connectors.c.id, connectors.c.name))}


def trusted(conn: sa.Connection) -> dict[str, int]:
    """Connectors whose certificates may assert JP, each with its limit in hundredths."""
    column = connectors.c
    query = sa.select(column.name, column.trusted_centi_jp).where(column.trusted_centi_jp.is_not(None))
    return {row.name: row.trusted_centi_jp for row in conn.execute(query)}


def add_connector(
    conn: sa.Connection,
    hub: Hub,
    name: str,
    kind: str,
    *,
    by: str,
    internal: bool = False,
    vocabulary: str = "default",
    trusted_centi_jp: int | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    secret: str | None = None,
    title: str = "",
) -> Connector:
    """A new system. Addresses among its ``settings`` are checked by whoever knows the kind (`check_url`)."""
    _check_name("connector", name)
    title = _checked_title(title)
    check_kind(kind)
    if vocabulary not in VOCABULARIES:
        raise _wrong("unknown_vocabulary", f"There is no vocabulary {vocabulary!r}.", _one_of(VOCABULARIES))
    if trusted_centi_jp is not None and not 0 < trusted_centi_jp <= 1_000_000:
        raise _wrong(
            "trusted_jp", "The JP that a certificate may assert is no amount.", "Use more than 0, up to 10000."
        )
    row = {
        "name": name,
        "kind": kind,
        "internal": internal,
        "vocabulary": vocabulary,
        "trusted_centi_jp": trusted_centi_jp,
        "settings": _settings_text(settings),
        "secret": None if secret is None else hub.seal(_SEAL, secret),
        "created_at": hub.clock(),
        "title": title or None,
    }
    found = insert_new(conn, connectors, [row], returning=connectors.c)
    if not found:
        raise _taken("connector", name)
    _record(conn, hub, by, "connector.add", name, kind=kind, internal=internal)
    return _connector(found[0])


def update_connector(
    conn: sa.Connection,
    hub: Hub,
    connector: Connector,
    *,
    by: str,
    internal: bool,
    vocabulary: str,
    trusted_centi_jp: int | None,
    settings: Mapping[str, Any],
) -> Connector:
    """Change what is known of a system; its name, kind, secret and title (`set_title`) stay.

    Another vocabulary or trust changes what its statements mean: have everybody recomputed then
    (`hub.jp.recognition.wake_everybody`).
    """
    _check_meaning(vocabulary, trusted_centi_jp)
    values = {
        "internal": internal,
        "vocabulary": vocabulary,
        "trusted_centi_jp": trusted_centi_jp,
        "settings": _settings_text(settings),
    }
    row = conn.execute(
        sa.update(connectors).where(connectors.c.id == connector.id).values(values).returning(*connectors.c)
    ).one()
    _record(conn, hub, by, "connector.update", connector.name, vocabulary=vocabulary, internal=internal)
    return _connector(row)


def set_title(conn: sa.Connection, hub: Hub, connector: Connector, title: str, *, by: str) -> Connector:
    """Give a system another title; an empty one takes it away, and its name is shown again."""
    title = _checked_title(title)
    if title == connector.title:
        return connector
    conn.execute(sa.update(connectors).where(connectors.c.id == connector.id).values(title=title or None))
    # Each process keeps the catalogue with the titles of its providers: it is to be read again.
    revisions.bump(conn, "courses")
    _record(conn, hub, by, "connector.title", connector.name, title=title)
    return replace(connector, title=title)


def _checked_title(title: str) -> str:
    """The title without the spaces around it; one that cannot be shown in a line is refused."""
    title = title.strip()
    if len(title) > _LONGEST_TITLE:
        raise _wrong("title", f"The title has {len(title)} characters.", f"Use at most {_LONGEST_TITLE}.")
    if _CONTROL.search(title):
        raise _wrong("title", "The title holds a line break or control character.", "Remove it.")
    return title


def check_kind(kind: str) -> None:
    """Refuse a kind that there is not, by name."""
    if kind in NOT_LANDED:
        raise _wrong("kind_not_landed", f"Connectors of kind {kind} have not landed yet.", _one_of(KINDS))
    if kind not in KINDS:
        raise _wrong("unknown_kind", f"There is no kind {kind!r} of connector.", _one_of(KINDS))


def set_secret(conn: sa.Connection, hub: Hub, connector: Connector, secret: str, *, by: str) -> None:
    """Keep another secret to send to this system."""
    sealed = hub.seal(_SEAL, secret)
    conn.execute(sa.update(connectors).where(connectors.c.id == connector.id).values(secret=sealed))
    _record(conn, hub, by, "connector.secret", connector.name)


def open_secret(conn: sa.Connection, hub: Hub, connector_id: int) -> str:
    """What the hub sends to this system to be let in.

    Raises `hub.access.crypto.SealBroken` under another WKMB_SECRET_KEY.
    """
    sealed = conn.execute(sa.select(connectors.c.secret).where(connectors.c.id == connector_id)).scalar()
    return "" if sealed is None else hub.keyring.open(_SEAL, sealed).decode()


# Tools -----------------------------------------------------------------------------------------------------------


def find_tool(conn: sa.Connection, name: str) -> Tool | None:
    """The tool of that name, whatever text it is."""
    return _find_tool(conn, tools.c.name == name) if _NAME.fullmatch(name) else None


def named_tool(conn: sa.Connection, name: str) -> Tool:
    """The tool of that name, which must exist."""
    found = find_tool(conn, name)
    if found is None:
        action = "`wkmb tool list` shows all; `wkmb tool add` makes one."
        raise NotFound("unknown_tool", f"There is no tool {name!r}.", action=action)
    return found


def get_tool(conn: sa.Connection, tool_id: int) -> Tool:
    """The tool with that id."""
    found = _find_tool(conn, tools.c.id == tool_id)
    if found is None:
        raise NotFound("unknown_tool", f"There is no tool number {tool_id}.")
    return found


def list_tools(conn: sa.Connection) -> tuple[Tool, ...]:
    """All of them, by name."""
    return tuple(_tool(row) for row in conn.execute(sa.select(tools).order_by(tools.c.name)))


def tools_of_connector(conn: sa.Connection, connector_id: int) -> tuple[Tool, ...]:
    """A system's tools, the first one added first."""
    return tuple(_tool(row) for row in conn.execute(_TOOLS, {"whose": connector_id}))


def launcher(found: Sequence[Tool]) -> Tool:
    """Of a provider's tools, the first one added first, the one that launches its courses: not a disabled one, if
    there is another."""
    return next((tool for tool in found if not tool.disabled), found[0])


def launchers(conn: sa.Connection) -> dict[str, Tool]:
    """The tool that launches a provider's courses, by the provider's name, for all who have one that works."""
    query = sa.select(connectors.c.name.label("provider"), *tools.c).join(tools, tools.c.connector == connectors.c.id)
    rows = conn.execute(query.where(~tools.c.disabled).order_by(tools.c.id.desc()))
    return {row.provider: _tool(row) for row in rows}


def deployments_of(conn: sa.Connection, tool_id: int) -> tuple[Deployment, ...]:
    """A tool's deployments, the first one added first."""
    return tuple(_deployment(row) for row in conn.execute(_DEPLOYMENTS, {"whose": tool_id}))


def list_deployments(conn: sa.Connection) -> tuple[Deployment, ...]:
    """Those of every tool, the first one added first."""
    return tuple(_deployment(row) for row in conn.execute(sa.select(deployments).order_by(deployments.c.id)))


def get_deployment(conn: sa.Connection, deployment_id: int) -> Deployment:
    """The deployment with that number (not what launches carry)."""
    row = conn.execute(_DEPLOYMENT, {"which": deployment_id}).first()
    if row is None:
        raise NotFound("unknown_deployment", f"There is no deployment number {deployment_id}.")
    return _deployment(row)


def add_tool(conn: sa.Connection, hub: Hub, new: NewTool, *, by: str, connector: str | None = None) -> Tool:
    """Register a tool with its deployments; without ``connector`` a connector of its name is made.

    Its key set need not answer yet: some tools publish theirs only once they know their client_id.
    """
    _check_tool(new)
    if connector is None:
        owner = find_connector(conn, new.name) or add_connector(
            conn, hub, new.name, "lti", by=by, internal=new.internal
        )
    else:
        owner = named_connector(conn, connector)
    row = {
        "name": new.name,
        "connector": owner.id,
        "client_id": new.client_id or _random_name(hub),
        **_addresses(new),
        "disabled": False,
        "created_at": hub.clock(),
    }
    found = insert_new(conn, tools, [row], returning=tools.c)
    if not found:
        raise (
            _taken("tool", new.name)
            if find_tool(conn, new.name)
            else _taken("tool with the client_id", row["client_id"])
        )
    tool = _tool(found[0])
    for deployment in new.deployments:
        _insert_deployment(conn, hub, tool, deployment, new.deployment_ids.get(deployment))
    _record(conn, hub, by, "tool.add", new.name, connector=owner.name, client_id=tool.client_id)
    return tool


def update_tool(conn: sa.Connection, hub: Hub, tool: Tool, new: NewTool, *, by: str) -> Tool:
    """Give a tool other addresses, keys and rights; its name, client_id and deployments stay."""
    _check_tool(new)
    row = conn.execute(
        sa.update(tools).where(tools.c.id == tool.id).values(_addresses(new)).returning(*tools.c)
    ).one()  # fmt: skip
    _record(conn, hub, by, "tool.update", tool.name)
    return _tool(row)


def set_tool_disabled(conn: sa.Connection, hub: Hub, tool: Tool, *, disabled: bool, by: str) -> None:
    """Launch this tool no more and refuse its calls, or take that back."""
    conn.execute(sa.update(tools).where(tools.c.id == tool.id).values(disabled=disabled))
    _record(conn, hub, by, "tool.disable" if disabled else "tool.enable", tool.name)


def add_deployment(
    conn: sa.Connection, hub: Hub, tool: Tool, name: str, *, by: str, deployment_id: str | None = None
) -> Deployment:
    """One more tenant of a tool; its ``deployment_id`` is made where none is given."""
    _check_deployment(name, deployment_id)
    if len(deployments_of(conn, tool.id)) >= MAX_DEPLOYMENTS:
        raise _wrong("deployments", f"{tool.name} has {MAX_DEPLOYMENTS} deployments.", "Register a further tool.")
    made = _insert_deployment(conn, hub, tool, name, deployment_id)
    _record(conn, hub, by, "deployment.add", f"{tool.name}/{name}", deployment_id=made.deployment_id)
    return made


def set_deployment_disabled(conn: sa.Connection, hub: Hub, deployment: Deployment, *, disabled: bool, by: str) -> None:
    """Launch nothing in this tenant any more, or take that back."""
    conn.execute(sa.update(deployments).where(deployments.c.id == deployment.id).values(disabled=disabled))
    tool = get_tool(conn, deployment.tool)
    action = "deployment.disable" if disabled else "deployment.enable"
    _record(conn, hub, by, action, f"{tool.name}/{deployment.name}")


def set_deployment_names(conn: sa.Connection, hub: Hub, deployment: Deployment, names: bool | None, *, by: str) -> None:
    """Tell this tenant names and e-mail of learners, or not; None: as its tool has it."""
    conn.execute(sa.update(deployments).where(deployments.c.id == deployment.id).values(names=names))
    tool = get_tool(conn, deployment.tool)
    _record(conn, hub, by, "deployment.names", f"{tool.name}/{deployment.name}", names=names)


def named_deployment(conn: sa.Connection, tool: Tool, name: str) -> Deployment:
    """The tenant of that name, which must exist."""
    found = next((each for each in deployments_of(conn, tool.id) if each.name == name), None)
    if found is None:
        action = f"`wkmb tool show {tool.name}` shows all; `wkmb tool deploy {tool.name}` adds one."
        raise NotFound("unknown_deployment", f"{tool.name} has no deployment {name!r}.", action=action)
    return found


def registration(hub: Hub, tool: Tool, deployed: Iterable[Deployment]) -> dict[str, Any]:
    """What the tool's administrator enters on the other side (LTI 1.3 core section 3.1.3, manual registration)."""
    platform = f"{hub.base_url}/lti/platform"
    listed = list(deployed)
    return {
        "name": tool.name,
        "client_id": tool.client_id,
        "deployment_ids": [each.deployment_id for each in listed],
        "deployments": {each.name: each.deployment_id for each in listed},
        "issuer": hub.base_url,
        "auth_url": f"{platform}/auth",
        "token_url": f"{platform}/token",
        "jwks_url": f"{platform}/jwks",
    }


def _addresses(new: NewTool) -> dict[str, Any]:
    """What of a tool may be another later."""
    return {
        "login_url": new.login_url,
        "redirect_uris": orjson.dumps(list(new.redirect_uris)).decode(),
        "jwks_url": new.jwks_url,
        "public_key": None if new.public_key is None else new.public_key.strip() + "\n",
        "target_link_uri": new.target_link_uri,
        "deep_linking_url": new.deep_linking_url,
        "names": new.names,
        "internal": new.internal,
        "framed": new.framed,
    }


def _insert_deployment(conn: sa.Connection, hub: Hub, tool: Tool, name: str, deployment_id: str | None) -> Deployment:
    row = {"tool": tool.id, "deployment_id": deployment_id or _random_name(hub), "name": name, "disabled": False}
    found = insert_new(conn, deployments, [row], returning=deployments.c)
    if not found:
        raise _taken(f"deployment of {tool.name} with the name or id", name)
    return _deployment(found[0])


def _check_tool(new: NewTool) -> None:
    _check_name("tool", new.name)
    if not new.redirect_uris or len(new.redirect_uris) > MAX_REDIRECT_URIS:
        raise _wrong("redirect_uris", "A tool has redirect URIs.", f"Give 1 to {MAX_REDIRECT_URIS} --redirect-uri.")
    if (new.jwks_url is None) == (new.public_key is None):
        raise _wrong("key", "The tool's signatures are checked with one of two.", "Give --jwks-url or --public-key.")
    addresses = {"login URL": [new.login_url], "redirect URI": new.redirect_uris, "JWKS URL": [new.jwks_url],
                 "target link URI": [new.target_link_uri], "deep linking URL": [new.deep_linking_url]}  # fmt: skip
    for what, urls in addresses.items():
        for url in urls:
            if url is not None:
                check_url(what, url, internal=new.internal)
    if new.public_key is not None:
        check_public_key(new.public_key)
    if not new.deployments or len(new.deployments) > MAX_DEPLOYMENTS:
        raise _wrong("deployments", "A tool has deployments.", f"Give 1 to {MAX_DEPLOYMENTS}.")
    for name in new.deployments:
        _check_deployment(name, new.deployment_ids.get(name))
    if new.client_id is not None and not _CLIENT_ID.fullmatch(new.client_id):
        raise _wrong("client_id", f"{new.client_id[:80]!r} is no client_id.", "Leave it out, and one is made.")


def _check_deployment(name: str, deployment_id: str | None) -> None:
    if deployment_id is not None and not _DEPLOYMENT_ID.fullmatch(deployment_id):
        raise _wrong("deployment_id", f"{deployment_id[:80]!r} is no deployment_id.", "Leave it out, and one is made.")
    if not name or name != name.strip() or len(name) > 64 or not name.isprintable():
        raise _wrong("deployment", f"{name[:80]!r} is no name of a deployment.", "Use 1 to 64 printable characters.")


# Credentials -----------------------------------------------------------------------------------------------------


def find_credential(conn: sa.Connection, name: str) -> Credential | None:
    """The credential of that name, whatever text it is."""
    if not _NAME.fullmatch(name):
        return None
    row = conn.execute(sa.select(credentials).where(credentials.c.name == name)).first()
    return None if row is None else _credential(row)


def _named_credential(conn: sa.Connection, name: str) -> Credential:
    found = find_credential(conn, name)
    if found is None:
        action = "`wkmb credential list` shows all."
        raise NotFound("unknown_credential", f"There is no credential {name!r}.", action=action)
    return found


def list_credentials(conn: sa.Connection) -> tuple[Credential, ...]:
    """All of them, by name."""
    return tuple(_credential(row) for row in conn.execute(sa.select(credentials).order_by(credentials.c.name)))


def credentials_of_connector(conn: sa.Connection, connector_id: int) -> tuple[Credential, ...]:
    """The credentials with which a system reports."""
    return tuple(each for each in list_credentials(conn) if each.connector == connector_id)


def add_credential(
    conn: sa.Connection,
    hub: Hub,
    name: str,
    *,
    by: str,
    key: str,
    secret: str,
    scopes: Sequence[str] = (),
    connector: str | None = None,
    expires: datetime | None = None,
    per_minute: int | None = None,
) -> Credential:
    """Let somebody call the LRS or the API with ``key`` and ``secret``. Without scopes it writes, and reads its own."""
    _check_name("credential", name)
    _check_key(key)
    _check_secret(secret)
    _check_scopes(scopes)
    if expires is not None and expires <= hub.clock():
        raise _wrong("expires", f"{expires:%Y-%m-%d} is over already.", "Give a day to come, or none.")
    if per_minute is not None and per_minute < 1:
        raise _wrong("per_minute", "A limit below one call a minute lets nobody in.", "Give 1 or more, or none.")
    row = {
        "name": name,
        "key": key,
        "secret": hub.keyring.digest("credential", secret),
        "scopes": " ".join(sorted(set(scopes or DEFAULT_SCOPES))),
        "connector": None if connector is None else named_connector(conn, connector).id,
        "per_minute": per_minute,
        "expires": expires,
        "disabled": False,
        "created_at": hub.clock(),
    }
    found = insert_new(conn, credentials, [row], returning=credentials.c)
    if not found:
        raise _taken("credential", name) if find_credential(conn, name) else _taken("credential with the key", key)
    _record(conn, hub, by, "credential.add", name, scopes=row["scopes"], connector=connector)
    return _credential(found[0])


def rotate_credential(
    conn: sa.Connection, hub: Hub, name: str, secret: str, *, by: str, overlap: timedelta = OVERLAP
) -> Credential:
    """Give a credential a new secret; the one before stays good for ``overlap``, so that nothing fails meanwhile."""
    _check_secret(secret)
    named = _named_credential(conn, name)
    known = conn.execute(sa.select(credentials).where(credentials.c.id == named.id).with_for_update()).one()
    digest = hub.keyring.digest("credential", secret)
    if digest == known.secret:
        raise _wrong("same_secret", f"This is the secret that {name} has already.", "Give another one.")
    values = {"secret": digest, "previous_secret": known.secret, "previous_until": hub.clock() + overlap}
    conn.execute(sa.update(credentials).where(credentials.c.id == known.id).values(values))
    _record(conn, hub, by, "credential.rotate", name, overlap_hours=overlap.total_seconds() / 3600)
    return _credential(known)


def set_credential_disabled(conn: sa.Connection, hub: Hub, name: str, *, disabled: bool, by: str) -> Credential:
    """Refuse whoever comes with this credential, or take that back."""
    named = _named_credential(conn, name)
    update = sa.update(credentials).where(credentials.c.id == named.id).values(disabled=disabled)
    row = conn.execute(update.returning(*credentials.c)).one()
    _record(conn, hub, by, "credential.disable" if disabled else "credential.enable", name)
    return _credential(row)


# What is checked at the door -------------------------------------------------------------------------------------


def check_url(what: str, url: str, *, internal: bool) -> None:
    """Refuse an address that could never be used: https and public, unless the system is internal.

    A host's name is not resolved here; where it leads is judged with each call (`connectors.http`).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _is_clean(url):
        raise _wrong("not_a_url", f"{what}: {url[:200]!r} is no web address.", "Write https://host/path.")
    if "#" in url:
        raise _wrong("fragment", f"{what}: {url} has a fragment.", "Leave out # and what follows it.")
    if "@" in parts.netloc:
        raise _wrong("user_in_url", f"{what}: the address holds a name or password.", "Leave out what is before @.")
    address = _literal(host)
    if address is not None and (address.is_link_local or address.is_multicast):
        raise _wrong("link_local", f"{what}: {host} is link-local or multicast.", "Give the system's own address.")
    if internal:
        return
    if parts.scheme != "https":
        raise _wrong("not_https", f"{what}: {url} is not https.", "Use https, or say --internal for your own network.")
    is_local = host == "localhost" or host.endswith(".localhost")
    if is_local or (address is not None and not address.is_global):
        raise _wrong("not_public", f"{what}: {host} is no public address.", "Give one, or say --internal.")


def check_public_key(pem: str) -> None:
    """Refuse what signatures of a tool cannot be checked with: RSA from 2048 bits, or an elliptic curve."""
    if "PRIVATE KEY" in pem:
        raise _wrong("private_key", "This is a private key, which only the tool may have.", "Give the public one.")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong(
            "public_key", "This is no public key in PEM.", "It begins with -----BEGIN PUBLIC KEY-----."
        ) from error
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS:
        raise _wrong("weak_key", f"This RSA key has {key.key_size} bits.", f"Use one of at least {RSA_BITS}.")
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise _wrong("public_key", "This key is neither RSA nor of an elliptic curve.", "Use an RSA key of 2048 bits.")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_clean(url: str) -> bool:
    return len(url) <= _LONGEST_URL and url.isprintable() and not any(c.isspace() or c in '<>"{}|\\^`' for c in url)


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        action = "Use up to 64 letters, digits, dots, hyphens and underscores, such as asn-unggul."
        raise _wrong("name", f"{name[:80]!r} is no name of a {what}.", action)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise _wrong("key", "The key cannot be sent by Basic.", "Use 1 to 255 ASCII characters, no colon or space.")
    with suppress(ValueError):
        UUID(key)
        # `hub.access.auth` takes such a name for a launch's.
        raise _wrong("key", "The key looks like the id of a launch.", "Use one that is no UUID.")


def _check_meaning(vocabulary: str, trusted_centi_jp: int | None) -> None:
    if vocabulary not in VOCABULARIES:
        raise _wrong("unknown_vocabulary", f"There is no vocabulary {vocabulary!r}.", _one_of(VOCABULARIES))
    if trusted_centi_jp is not None and not 0 < trusted_centi_jp <= 1_000_000:
        raise _wrong("trusted_jp", "This is no amount of JP that a certificate may assert.", "Use 0.01 to 10000.")


def _check_secret(secret: str) -> None:
    if len(secret) < SECRET_LENGTH:
        action = "Make one with `openssl rand -hex 32`."
        raise _wrong("short_secret", f"The secret has fewer than {SECRET_LENGTH} characters.", action)
    if len(secret) > 1024 or not secret.isprintable():
        raise _wrong("secret", "The secret cannot be sent in a header.", "Use up to 1024 printable characters.")


def _check_scopes(scopes: Iterable[str]) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise _wrong("unknown_scope", f"There is no scope {scope!r}.", _one_of(SCOPES))


def _random_name(hub: Hub) -> str:
    """128 random bits as URL-safe text."""
    return base64.urlsafe_b64encode(hub.random(16)).rstrip(b"=").decode()


def _one_of(choices: Iterable[str]) -> str:
    return f"Use one of {', '.join(choices)}."


def _wrong(code: str, detail: str, action: str) -> HubError:
    return HubError(code, detail, action=action)


def _taken(what: str, name: str) -> HubError:
    return HubError("name_taken", f"There is a {what} {name} already.", action="Choose another name.", status=409)


# Rows ------------------------------------------------------------------------------------------------------------


def _record(conn: sa.Connection, hub: Hub, by: str, action: str, name: str, **detail: Any) -> None:
    """Write down the act; what it was done to is "tool:NAME" for "tool.add". Processes learn of it."""
    what = action.partition(".")[0]
    if what != "credential":
        revisions.bump(conn, REVISION)
    object = f"{what}:{name}"
    journal.record(conn, who=by, action=action, object=object, now=hub.clock(), new_id=hub.new_id, **detail)


def _settings_text(settings: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS).decode()


def _connector(row: sa.Row[Any]) -> Connector:
    return Connector(
        id=row.id,
        name=row.name,
        kind=row.kind,
        internal=row.internal,
        vocabulary=row.vocabulary,
        trusted_centi_jp=row.trusted_centi_jp,
        settings=MappingProxyType(orjson.loads(row.settings)),
        has_secret=row.secret is not None,
        created_at=row.created_at,
        title=row.title or "",
    )


def _find_tool(conn: sa.Connection, which: sa.ColumnElement[bool]) -> Tool | None:
    row = conn.execute(sa.select(tools).where(which)).first()
    return None if row is None else _tool(row)


def _tool(row: sa.Row[Any]) -> Tool:
    return Tool(
        id=row.id,
        name=row.name,
        connector=row.connector,
        client_id=row.client_id,
        login_url=row.login_url,
        redirect_uris=tuple(orjson.loads(row.redirect_uris)),
        jwks_url=row.jwks_url,
        public_key=row.public_key,
        target_link_uri=row.target_link_uri,
        deep_linking_url=row.deep_linking_url,
        names=row.names,
        internal=row.internal,
        disabled=row.disabled,
        framed=bool(row.framed),
    )


def _deployment(row: sa.Row[Any]) -> Deployment:
    return Deployment(row.id, row.tool, row.deployment_id, row.name, row.disabled, row.names)


def _credential(row: sa.Row[Any]) -> Credential:
    return Credential(
        id=row.id,
        name=row.name,
        key=row.key,
        scopes=frozenset(row.scopes.split()),
        connector=row.connector,
        per_minute=row.per_minute,
        expires=row.expires,
        disabled=row.disabled,
        created_at=row.created_at,
    )
