"""The systems of `hub.systems.registry` in the memory of one process, for what happens at every launch and every token.

They are read whole, of which there is one per institution, and again only after a change: each use costs one small
query for the number of the newest (`hub.revisions`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hub import revisions
from hub.systems import registry
from hub.systems.registry import Connector, Deployment, Tool


@dataclass(frozen=True, slots=True)
class Systems:
    """Every system at one revision: ``launchers`` and ``tenants`` by the number of the connector and of the tool."""

    revision: int
    connectors: Mapping[str, Connector]
    tools: Mapping[int, Tool]
    clients: Mapping[str, Tool]
    launchers: Mapping[int, Tool]
    deployments: Mapping[int, Deployment]
    tenants: Mapping[int, tuple[Deployment, ...]]


class Directory:
    """The systems of one process. Threads share it."""

    def __init__(self) -> None:
        self._systems: Systems | None = None
        self._lock = threading.Lock()

    def current(self, conn: sa.Connection, numbers: Mapping[str, int] | None = None) -> Systems:
        """The newest ones; ``numbers`` are those of this transaction, where they were read already.

        Not for the transaction that changes them: others would see what may be taken back.
        """
        revision = (revisions.read(conn) if numbers is None else numbers).get(registry.REVISION, 0)
        known = self._systems
        if known is not None and known.revision == revision:
            return known
        # After the number: what was changed in between is read once more, never missed.
        found = _read(conn, revision)
        with self._lock:
            # Another thread may have read newer ones meanwhile.
            if self._systems is None or self._systems.revision < found.revision:
                self._systems = found
        return found


def _read(conn: sa.Connection, revision: int) -> Systems:
    tools = registry.list_tools(conn)
    deployments = registry.list_deployments(conn)
    by_connector: dict[int, list[Tool]] = defaultdict(list)
    for tool in sorted(tools, key=lambda each: each.id):
        by_connector[tool.connector].append(tool)
    by_tool: dict[int, list[Deployment]] = defaultdict(list)
    for deployment in deployments:
        by_tool[deployment.tool].append(deployment)
    return Systems(
        revision=revision,
        connectors={each.name: each for each in registry.list_connectors(conn)},
        tools={each.id: each for each in tools},
        clients={each.client_id: each for each in tools},
        launchers={connector: registry.launcher(found) for connector, found in by_connector.items()},
        deployments={each.id: each for each in deployments},
        tenants={tool: tuple(found) for tool, found in by_tool.items()},
    )
