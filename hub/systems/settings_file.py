"""The registry as one file: to set a hub up anew, to keep its systems under review, to try them elsewhere.

YAML that names the connectors and the tools, with what the other sides know (client_id, deployment_id), and no
secret. Applying it adds what is missing and changes what differs; what the file does not name stays as it is, so
applying it again changes nothing. A system whose secret is missing is told, and entered by itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from ruamel.yaml import YAML

from connectors.external_lrs import VERSIONS
from hub.errors import HubError
from hub.jp import siasn
from hub.systems import pulls, registry
from hub.systems.registry import Connector, Deployment, NewTool, Tool
from mappings.document import DocumentError, Node, compose
from mappings.rules import jp_text
from mappings.shipped import VOCABULARIES

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Longer files are not read.
MAX_BYTES = 1024 * 1024

_FLAG = {"true": True, "false": False}


class SystemsError(DocumentError):
    """A file of systems that cannot be applied."""


@dataclass(frozen=True, slots=True)
class GivenConnector:
    """A connector as the file has it."""

    name: str
    kind: str
    internal: bool
    vocabulary: str
    trusted_centi_jp: int | None
    settings: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True, slots=True)
class GivenTool:
    """A tool as the file has it; ``closed`` are its deployments that are disabled, ``names`` whether each is told
    names."""

    tool: NewTool
    connector: str
    disabled: bool
    closed: frozenset[str]
    names: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class Systems:
    """What a file says."""

    connectors: tuple[GivenConnector, ...]
    tools: tuple[GivenTool, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one system: "added", "changed" or "same"; ``todo`` says what is missing still.

    ``means_other``: its statements mean something else now, so everybody has to be recomputed.
    """

    system: str
    outcome: str
    todo: str = ""
    means_other: bool = False


# Reading ---------------------------------------------------------------------------------------------------------


def read(text: str) -> Systems:
    """The systems of a file. What is wrong raises `SystemsError` with line, path and what to do."""
    members = compose(text, kind="systems", error=SystemsError).members(
        required=("systems",), optional=("connectors", "tools")
    )
    connectors = [_connector(node) for node in members["connectors"].items()] if "connectors" in members else []
    tools = [_tool(node) for node in members["tools"].items()] if "tools" in members else []
    return Systems(tuple(connectors), tuple(tools))


_OPTIONAL = ("title", "internal", "vocabulary", "trusted_jp", "settings")


def _connector(node: Node) -> GivenConnector:
    members = node.members(required=("name", "kind"), optional=_OPTIONAL)
    kind = members["kind"].choice(registry.KINDS)
    internal = _flag(members.get("internal"))
    settings = members.get("settings")
    if settings is not None and kind not in _SETTINGS:
        settings.refuse(f"a connector of kind {kind} has none. Leave it out.")
    if settings is None and kind in _SETTINGS:
        node.refuse("settings is missing. Add it.")
    trusted = members.get("trusted_jp")
    vocabulary = members.get("vocabulary")
    return GivenConnector(
        name=members["name"].text(),
        kind=kind,
        internal=internal,
        vocabulary=vocabulary.choice(VOCABULARIES) if vocabulary else "default",
        trusted_centi_jp=trusted.hundredths(low=1) if trusted else None,
        settings=_SETTINGS[kind](settings, internal) if settings else MappingProxyType({}),
        title=members["title"].text() if "title" in members else "",
    )


def _pull_settings(node: Node, internal: bool) -> dict[str, Any]:
    members = node.members(required=("url", "key"), optional=("version", "every"))
    every, version = members.get("every"), members.get("version")
    return pulls.check_settings(
        url=members["url"].text(),
        key=members["key"].text(),
        version=version.choice(VERSIONS) if version else VERSIONS[0],
        every=every.integer(low=pulls.SHORTEST_EVERY, high=pulls.LONGEST_EVERY) if every else pulls.EVERY,
        internal=internal,
    )


def _siasn_settings(node: Node, internal: bool) -> dict[str, Any]:
    members = node.members(required=("url", "token_url", "key"), optional=("institution_id", "location_id"))
    return siasn.check_settings(internal=internal, **{name: each.text() for name, each in members.items()})


_SETTINGS = MappingProxyType({"xapi-pull": _pull_settings, "siasn": _siasn_settings})


def _tool(node: Node) -> GivenTool:
    members = node.members(
        required=("name", "login_url", "redirect_uris", "target_link_uri"),
        optional=("connector", "client_id", "jwks_url", "public_key", "deep_linking_url", "names", "internal",
                  "framed", "disabled", "deployments"),
    )  # fmt: skip
    texts = {name: members[name].text() for name in ("client_id", "jwks_url", "deep_linking_url") if name in members}
    deployments = _deployments(members.get("deployments"))
    name = members["name"].text()
    tool = NewTool(
        name=name,
        login_url=members["login_url"].text(),
        redirect_uris=members["redirect_uris"].texts(),
        target_link_uri=members["target_link_uri"].text(),
        # As it is kept: it ends in a new line, which YAML's reader takes away.
        public_key=members["public_key"].text() + "\n" if "public_key" in members else None,
        names=_flag(members.get("names")),
        internal=_flag(members.get("internal")),
        framed=_flag(members.get("framed")),
        deployments=tuple(each.name for each in deployments),
        deployment_ids={each.name: each.deployment_id for each in deployments if each.deployment_id is not None},
        client_id=texts.get("client_id"),
        jwks_url=texts.get("jwks_url"),
        deep_linking_url=texts.get("deep_linking_url"),
    )
    connector = members["connector"].text() if "connector" in members else name
    closed = frozenset(each.name for each in deployments if each.disabled)
    names = {each.name: each.names for each in deployments}
    return GivenTool(tool, connector, _flag(members.get("disabled")), closed, names)


@dataclass(frozen=True, slots=True)
class _Tenant:
    """A deployment as the file has it; ``names`` None: as its tool."""

    name: str
    deployment_id: str | None = None
    disabled: bool = False
    names: bool | None = None


def _deployments(node: Node | None) -> list[_Tenant]:
    if node is None:
        return [_Tenant("default")]
    found = []
    for each in node.items():
        members = each.members(required=("name",), optional=("deployment_id", "disabled", "names"))
        id = members["deployment_id"].text() if "deployment_id" in members else None
        names = _flag(members["names"]) if "names" in members else None
        found.append(_Tenant(members["name"].text(), id, _flag(members.get("disabled")), names))
    return found


def _flag(node: Node | None) -> bool:
    return False if node is None else _FLAG[node.choice(_FLAG)]


# Applying --------------------------------------------------------------------------------------------------------


def apply(conn: sa.Connection, hub: Hub, systems: Systems, *, by: str) -> tuple[Applied, ...]:
    """Bring the registry to what the file says; all of it, or with a refusal nothing."""
    done = [_apply_connector(conn, hub, given, by) for given in systems.connectors]
    return (*done, *(_apply_tool(conn, hub, given, by) for given in systems.tools))


def _apply_connector(conn: sa.Connection, hub: Hub, given: GivenConnector, by: str) -> Applied:
    what = f"connector {given.name}"
    known = registry.find_connector(conn, given.name)
    values: dict[str, Any] = {
        "internal": given.internal,
        "vocabulary": given.vocabulary,
        "trusted_centi_jp": given.trusted_centi_jp,
        "settings": given.settings,
    }
    if known is None:
        made = registry.add_connector(conn, hub, given.name, given.kind, by=by, title=given.title, **values)
        return Applied(what, "added", _missing(made))
    if known.kind != given.kind:
        raise _other(what, "kind", known.kind)
    titled = registry.set_title(conn, hub, known, given.title, by=by)
    if values == {name: getattr(known, name) for name in values}:
        return Applied(what, "same" if titled == known else "changed", _missing(known))
    registry.update_connector(conn, hub, known, by=by, **values)
    if known.kind == "xapi-pull" and known.has_secret:
        pulls.ask(conn, known.id, hub.clock())
    meant = (known.vocabulary, known.trusted_centi_jp)
    return Applied(what, "changed", _missing(known), meant != (given.vocabulary, given.trusted_centi_jp))


def _missing(connector: Connector) -> str:
    if connector.kind not in _SETTINGS or connector.has_secret:
        return ""
    return f"Enter its secret: wkmb connector secret {connector.name} --secret-stdin"


def _apply_tool(conn: sa.Connection, hub: Hub, given: GivenTool, by: str) -> Applied:
    what, new = f"tool {given.tool.name}", given.tool
    known = registry.find_tool(conn, new.name)
    if known is None:
        # Without a connector of its own in the file or the hub, one is made, as by `tool add`.
        owner = given.connector if registry.find_connector(conn, given.connector) else None
        if owner is None and given.connector != new.name:
            registry.named_connector(conn, given.connector)
        known = registry.add_tool(conn, hub, new, by=by, connector=owner)
        _close(conn, hub, known, given, by)
        return Applied(what, "added")
    _check_same(conn, known, given)
    changed = _close(conn, hub, known, given, by)
    if any(getattr(known, name) != getattr(new, name) for name in _CHANGEABLE):
        registry.update_tool(conn, hub, known, new, by=by)
        changed = True
    return Applied(what, "changed" if changed else "same")


_CHANGEABLE = ("login_url", "redirect_uris", "target_link_uri", "jwks_url", "public_key", "deep_linking_url", "names",
               "internal", "framed")  # fmt: skip


def _check_same(conn: sa.Connection, known: Tool, given: GivenTool) -> None:
    """What the other side knows cannot be changed from here."""
    what = f"tool {known.name}"
    if given.tool.client_id not in (None, known.client_id):
        raise _other(what, "client_id", known.client_id)
    owner = registry.get_connector(conn, known.connector).name
    if given.connector != owner:
        raise _other(what, "connector", owner)
    for each in registry.deployments_of(conn, known.id):
        if given.tool.deployment_ids.get(each.name, each.deployment_id) != each.deployment_id:
            raise _other(f"{what}, deployment {each.name}", "deployment_id", each.deployment_id)


def _close(conn: sa.Connection, hub: Hub, known: Tool, given: GivenTool, by: str) -> bool:
    """Bring deployments, and what is disabled, to what the file says; tells whether anything was changed."""
    there = {each.name: each for each in registry.deployments_of(conn, known.id)}
    changed = False
    for name in given.tool.deployments:
        if name not in there:
            id = given.tool.deployment_ids.get(name)
            there[name] = registry.add_deployment(conn, hub, known, name, by=by, deployment_id=id)
            changed = True
        disabled = name in given.closed
        if there[name].disabled != disabled:
            registry.set_deployment_disabled(conn, hub, there[name], disabled=disabled, by=by)
            changed = True
        if there[name].names != given.names.get(name):
            registry.set_deployment_names(conn, hub, there[name], given.names.get(name), by=by)
            changed = True
    if known.disabled != given.disabled:
        registry.set_tool_disabled(conn, hub, known, disabled=given.disabled, by=by)
        changed = True
    return changed


def _other(what: str, member: str, known: str) -> HubError:
    action = "It cannot be changed: correct the file, or choose another name."
    return HubError(f"other_{member}", f"The {member} of {what} is {known} here.", action=action, status=409)


# Writing ---------------------------------------------------------------------------------------------------------


def write(conn: sa.Connection, hub: Hub) -> str:
    """The file that makes these systems; without their secrets."""
    names = registry.connector_names(conn)
    found = {
        "systems": hub.base_url,
        "connectors": [_described_connector(each) for each in registry.list_connectors(conn)],
        "tools": [_described_tool(each, names[each.connector], registry.deployments_of(conn, each.id))
                  for each in registry.list_tools(conn)],
    }  # fmt: skip
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1000
    text = io.StringIO()
    yaml.dump(found, text)
    return text.getvalue()


def _described_connector(each: Connector) -> dict[str, Any]:
    found: dict[str, Any] = {"name": each.name, "kind": each.kind, "internal": each.internal,
                             "vocabulary": each.vocabulary}  # fmt: skip
    if each.title:
        found["title"] = each.title
    if each.trusted_centi_jp is not None:
        found["trusted_jp"] = float(jp_text(each.trusted_centi_jp))
    if each.settings:
        found["settings"] = {name: value for name, value in each.settings.items() if value != ""}
    return found


def _described_tool(each: Tool, connector: str, deployed: Iterable[Deployment]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": each.name,
        "connector": connector,
        "client_id": each.client_id,
        "login_url": each.login_url,
        "redirect_uris": list(each.redirect_uris),
        "target_link_uri": each.target_link_uri,
        "jwks_url": each.jwks_url,
        "public_key": each.public_key,
        "deep_linking_url": each.deep_linking_url,
        "names": each.names,
        "internal": each.internal,
        "framed": each.framed,
        "disabled": each.disabled,
        "deployments": [_described_deployment(one) for one in deployed],
    }
    return {name: value for name, value in found.items() if value is not None}


def _described_deployment(each: Deployment) -> dict[str, Any]:
    said: dict[str, Any] = {"name": each.name, "deployment_id": each.deployment_id, "disabled": each.disabled}
    return said if each.names is None else said | {"names": each.names}
