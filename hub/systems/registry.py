"""The systems that the hub knows: connectors, and the tools that it launches with their deployments.

A *connector* is one external institution's system; its tools (the hub launches them), `credentials` (it reports) and
its courses belong to it. Whatever is entered is checked at the `door`, by an administrator's command or form alike.
Every change is written down in the journal in the same transaction; ``by`` says who made it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from hub import journal, revisions
from hub.errors import NotFound
from hub.systems import door, institutions
from hub.tables import connectors, deployments, tools
from lrs.database import insert_new
from mappings.shipped import VOCABULARIES

if TYPE_CHECKING:
    from hub.runtime import Hub

#: What kinds of system there are, and those whose way of working is not built yet.
KINDS = ("lti", "xapi-push", "xapi-pull", "csv", "siasn")
NOT_LANDED = ("forward",)

#: The row of `revisions` that goes up with each change of a connector, tool or deployment.
REVISION = "systems"

MAX_DEPLOYMENTS = 500
MAX_REDIRECT_URIS = 50
_LONGEST_TITLE = 200

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
    if not door.NAME.fullmatch(name):  # It comes from addresses too, and PostgreSQL takes no NUL in text.
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
    """A new system. Addresses among its ``settings`` are checked by whoever knows the kind (`door.check_url`)."""
    door.check_name("connector", name)
    title = check_title(title)
    check_kind(kind)
    if vocabulary not in VOCABULARIES:
        raise door.wrong("unknown_vocabulary", f"There is no vocabulary {vocabulary!r}.", door.one_of(VOCABULARIES))
    if trusted_centi_jp is not None and not 0 < trusted_centi_jp <= 1_000_000:
        raise door.wrong(
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
        raise door.taken("connector", name)
    record(conn, hub, by, "connector.add", name, kind=kind, internal=internal)
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
    record(conn, hub, by, "connector.update", connector.name, vocabulary=vocabulary, internal=internal)
    return _connector(row)


def set_title(conn: sa.Connection, hub: Hub, connector: Connector, title: str, *, by: str) -> Connector:
    """Give a system another title; an empty one takes it away, and its name is shown again."""
    title = check_title(title)
    if title == connector.title:
        return connector
    conn.execute(sa.update(connectors).where(connectors.c.id == connector.id).values(title=title or None))
    # Each process keeps the catalogue with the titles of its providers: it is to be read again.
    revisions.bump(conn, "courses")
    record(conn, hub, by, "connector.title", connector.name, title=title)
    return replace(connector, title=title)


def check_title(title: str) -> str:
    """The title without the spaces around it; one that cannot be shown in a line is refused."""
    title = title.strip()
    if len(title) > _LONGEST_TITLE:
        raise door.wrong("title", f"The title has {len(title)} characters.", f"Use at most {_LONGEST_TITLE}.")
    if _CONTROL.search(title):
        raise door.wrong("title", "The title holds a line break or control character.", "Remove it.")
    return title


def check_kind(kind: str) -> None:
    """Refuse a kind that there is not, by name."""
    if kind in NOT_LANDED:
        raise door.wrong("kind_not_landed", f"Connectors of kind {kind} have not landed yet.", door.one_of(KINDS))
    if kind not in KINDS:
        raise door.wrong("unknown_kind", f"There is no kind {kind!r} of connector.", door.one_of(KINDS))


def set_secret(conn: sa.Connection, hub: Hub, connector: Connector, secret: str, *, by: str) -> None:
    """Keep another secret to send to this system."""
    sealed = hub.seal(_SEAL, secret)
    conn.execute(sa.update(connectors).where(connectors.c.id == connector.id).values(secret=sealed))
    record(conn, hub, by, "connector.secret", connector.name)


def open_secret(conn: sa.Connection, hub: Hub, connector_id: int) -> str:
    """What the hub sends to this system to be let in.

    Raises `hub.access.crypto.SealBroken` under another WKMB_SECRET_KEY.
    """
    sealed = conn.execute(sa.select(connectors.c.secret).where(connectors.c.id == connector_id)).scalar()
    return "" if sealed is None else hub.keyring.open(_SEAL, sealed).decode()


# Tools -----------------------------------------------------------------------------------------------------------


def find_tool(conn: sa.Connection, name: str) -> Tool | None:
    """The tool of that name, whatever text it is."""
    return _find_tool(conn, tools.c.name == name) if door.NAME.fullmatch(name) else None


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
            door.taken("tool", new.name)
            if find_tool(conn, new.name)
            else door.taken("tool with the client_id", row["client_id"])
        )
    tool = _tool(found[0])
    for deployment in new.deployments:
        _insert_deployment(conn, hub, tool, deployment, new.deployment_ids.get(deployment))
    record(conn, hub, by, "tool.add", new.name, connector=owner.name, client_id=tool.client_id)
    return tool


def update_tool(conn: sa.Connection, hub: Hub, tool: Tool, new: NewTool, *, by: str) -> Tool:
    """Give a tool other addresses, keys and rights; its name, client_id and deployments stay."""
    _check_tool(new)
    row = conn.execute(
        sa.update(tools).where(tools.c.id == tool.id).values(_addresses(new)).returning(*tools.c)
    ).one()  # fmt: skip
    record(conn, hub, by, "tool.update", tool.name)
    return _tool(row)


def set_tool_disabled(conn: sa.Connection, hub: Hub, tool: Tool, *, disabled: bool, by: str) -> None:
    """Launch this tool no more and refuse its calls, or take that back."""
    conn.execute(sa.update(tools).where(tools.c.id == tool.id).values(disabled=disabled))
    record(conn, hub, by, "tool.disable" if disabled else "tool.enable", tool.name)


def add_deployment(
    conn: sa.Connection, hub: Hub, tool: Tool, name: str, *, by: str, deployment_id: str | None = None
) -> Deployment:
    """One more tenant of a tool; its ``deployment_id`` is made where none is given."""
    _check_deployment(name, deployment_id)
    if len(deployments_of(conn, tool.id)) >= MAX_DEPLOYMENTS:
        raise door.wrong("deployments", f"{tool.name} has {MAX_DEPLOYMENTS} deployments.", "Register a further tool.")
    made = _insert_deployment(conn, hub, tool, name, deployment_id)
    record(conn, hub, by, "deployment.add", f"{tool.name}/{name}", deployment_id=made.deployment_id)
    return made


def set_deployment_disabled(conn: sa.Connection, hub: Hub, deployment: Deployment, *, disabled: bool, by: str) -> None:
    """Launch nothing in this tenant any more, or take that back."""
    conn.execute(sa.update(deployments).where(deployments.c.id == deployment.id).values(disabled=disabled))
    tool = get_tool(conn, deployment.tool)
    action = "deployment.disable" if disabled else "deployment.enable"
    record(conn, hub, by, action, f"{tool.name}/{deployment.name}")


def set_deployment_names(conn: sa.Connection, hub: Hub, deployment: Deployment, names: bool | None, *, by: str) -> None:
    """Tell this tenant names and e-mail of learners, or not; None: as its tool has it."""
    conn.execute(sa.update(deployments).where(deployments.c.id == deployment.id).values(names=names))
    tool = get_tool(conn, deployment.tool)
    record(conn, hub, by, "deployment.names", f"{tool.name}/{deployment.name}", names=names)


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
        raise door.taken(f"deployment of {tool.name} with the name or id", name)
    return _deployment(found[0])


def _check_tool(new: NewTool) -> None:
    door.check_name("tool", new.name)
    if not new.redirect_uris or len(new.redirect_uris) > MAX_REDIRECT_URIS:
        raise door.wrong("redirect_uris", "A tool has redirect URIs.", f"Give 1 to {MAX_REDIRECT_URIS} --redirect-uri.")
    if (new.jwks_url is None) == (new.public_key is None):
        raise door.wrong(
            "key", "The tool's signatures are checked with one of two.", "Give --jwks-url or --public-key."
        )
    addresses = {"login URL": [new.login_url], "redirect URI": new.redirect_uris, "JWKS URL": [new.jwks_url],
                 "target link URI": [new.target_link_uri], "deep linking URL": [new.deep_linking_url]}  # fmt: skip
    for what, urls in addresses.items():
        for url in urls:
            if url is not None:
                door.check_url(what, url, internal=new.internal)
    if new.public_key is not None:
        door.check_public_key(new.public_key)
    if not new.deployments or len(new.deployments) > MAX_DEPLOYMENTS:
        raise door.wrong("deployments", "A tool has deployments.", f"Give 1 to {MAX_DEPLOYMENTS}.")
    for name in new.deployments:
        _check_deployment(name, new.deployment_ids.get(name))
    if new.client_id is not None and not _CLIENT_ID.fullmatch(new.client_id):
        raise door.wrong("client_id", f"{new.client_id[:80]!r} is no client_id.", "Leave it out, and one is made.")


def _check_deployment(name: str, deployment_id: str | None) -> None:
    if deployment_id is not None and not _DEPLOYMENT_ID.fullmatch(deployment_id):
        raise door.wrong(
            "deployment_id", f"{deployment_id[:80]!r} is no deployment_id.", "Leave it out, and one is made."
        )
    if not name or name != name.strip() or len(name) > 64 or not name.isprintable():
        raise door.wrong(
            "deployment", f"{name[:80]!r} is no name of a deployment.", "Use 1 to 64 printable characters."
        )


def _check_meaning(vocabulary: str, trusted_centi_jp: int | None) -> None:
    if vocabulary not in VOCABULARIES:
        raise door.wrong("unknown_vocabulary", f"There is no vocabulary {vocabulary!r}.", door.one_of(VOCABULARIES))
    if trusted_centi_jp is not None and not 0 < trusted_centi_jp <= 1_000_000:
        raise door.wrong("trusted_jp", "This is no amount of JP that a certificate may assert.", "Use 0.01 to 10000.")


def _random_name(hub: Hub) -> str:
    """128 random bits as URL-safe text."""
    return base64.urlsafe_b64encode(hub.random(16)).rstrip(b"=").decode()


# Rows ------------------------------------------------------------------------------------------------------------


def record(conn: sa.Connection, hub: Hub, by: str, action: str, name: str, **detail: Any) -> None:
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
