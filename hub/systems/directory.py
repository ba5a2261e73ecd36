"""The systems of `hub.systems.registry` in the memory of one process, for what happens at every launch and every token.

They are read whole, of which there is one per institution, and again only after a change: each use costs one small
query for the number of the newest (`hub.revisions`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hub.revisions import Kept
from hub.systems import registry
from hub.systems.registry import Connector, Deployment, Tool


@dataclass(frozen=True, slots=True)
class Systems:
    """Every system: ``launchers`` and ``tenants`` by the number of the connector and of the tool."""

    connectors: Mapping[str, Connector]
    tools: Mapping[int, Tool]
    clients: Mapping[str, Tool]
    launchers: Mapping[int, Tool]
    deployments: Mapping[int, Deployment]
    tenants: Mapping[int, tuple[Deployment, ...]]


class Directory(Kept[Systems]):
    """The systems of one process."""

    def __init__(self) -> None:
        super().__init__(registry.REVISION, _read)


def _read(conn: sa.Connection) -> Systems:
    tools = registry.list_tools(conn)
    deployments = registry.list_deployments(conn)
    by_connector: dict[int, list[Tool]] = defaultdict(list)
    for tool in sorted(tools, key=lambda each: each.id):
        by_connector[tool.connector].append(tool)
    by_tool: dict[int, list[Deployment]] = defaultdict(list)
    for deployment in deployments:
        by_tool[deployment.tool].append(deployment)
    return Systems(
        connectors={each.name: each for each in registry.list_connectors(conn)},
        tools={each.id: each for each in tools},
        clients={each.client_id: each for each in tools},
        launchers={connector: registry.launcher(found) for connector, found in by_connector.items()},
        deployments={each.id: each for each in deployments},
        tenants={tool: tuple(found) for tool, found in by_tool.items()},
    )
