"""Connectors of kind xapi-pull: how they are added, and what `hub.systems.sync` needs to run them in one hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from connectors.base import ConnectorError
from connectors.external_lrs import VERSIONS, LRSSettings
from hub.access.crypto import SealBroken
from hub.errors import HubError
from hub.statements import ingest
from hub.systems import door, registry, sync
from hub.systems.registry import Connector
from hub.systems.sync import Source, Sync
from hub.systems.sync_tables import connector_state
from lrs.sequence import Ticket
from lrs.statements import Prepared
from lrs.store import Saved

if TYPE_CHECKING:
    from hub.runtime import Hub

#: How often another LRS may be asked, in seconds, and how often it is unless the administrator says otherwise.
SHORTEST_EVERY, LONGEST_EVERY = 1, 86_400
EVERY = 60


def add(
    conn: sa.Connection,
    hub: Hub,
    name: str,
    *,
    by: str,
    url: str,
    key: str,
    secret: str,
    version: str = VERSIONS[0],
    every: int = EVERY,
    internal: bool = False,
    vocabulary: str = "default",
    trusted_centi_jp: int | None = None,
    title: str = "",
) -> Connector:
    """Pull from the LRS at this endpoint, from now on."""
    if not secret:
        raise HubError("credential_missing", "The other LRS asks for a secret.", action="Give the one it gave you.")
    settings = check_settings(url=url, key=key, version=version, every=every, internal=internal)
    connector = registry.add_connector(
        conn, hub, name, "xapi-pull", by=by, internal=internal, vocabulary=vocabulary,
        trusted_centi_jp=trusted_centi_jp, settings=settings, secret=secret, title=title,
    )  # fmt: skip
    sync.schedule(conn, connector.id, hub.clock())
    return connector


def check_settings(*, url: str, key: str, version: str, every: int, internal: bool) -> dict[str, Any]:
    """The settings of a connector of this kind; what could never work is refused."""
    door.check_url("endpoint", url, internal=internal)
    if "?" in url:
        raise HubError("query_in_url", f"endpoint: {url} has a query.", action="Give the address before /statements.")
    if not key:
        raise HubError("credential_missing", "The other LRS asks for a key.", action="Give the one it gave you.")
    if version not in VERSIONS:
        raise HubError("version", f"{version} is not pulled.", action=f"Use one of {', '.join(VERSIONS)}.")
    if not SHORTEST_EVERY <= every <= LONGEST_EVERY:
        action = f"Use {SHORTEST_EVERY} to {LONGEST_EVERY} seconds."
        raise HubError("every", f"An LRS cannot be asked every {every} seconds.", action=action)
    return {"url": url.rstrip("/") + "/", "key": key, "version": version, "every": every}


def set_secret(conn: sa.Connection, hub: Hub, connector: Connector, secret: str, *, by: str) -> None:
    """Call the other LRS with another secret, and at once: until now it may have been refused."""
    registry.set_secret(conn, hub, connector, secret, by=by)
    sync.schedule(conn, connector.id, hub.clock())
    ask(conn, connector.id, hub.clock())


def ask(conn: sa.Connection, connector: int, now: datetime) -> bool:
    """Have a connector pulled by a worker as soon as one looks, whatever its schedule and its breaker say."""
    state = connector_state.c
    update = sa.update(connector_state).where(state.connector == connector)
    return conn.execute(update.values(due_at=now, open_until=None)).rowcount == 1


def lrs_settings(conn: sa.Connection, hub: Hub, connector: Connector) -> LRSSettings:
    """How to ask this connector's LRS. Raises `ConnectorError` where its secret cannot be read any more."""
    try:
        secret = registry.open_secret(conn, hub, connector.id)
    except SealBroken as error:
        advice = f"Start the hub with the WKMB_SECRET_KEY of before, or enter it again: {_RENEW} {connector.name}"
        raise ConnectorError(
            connector.name, "its secret cannot be opened with this WKMB_SECRET_KEY", advice, code="secret_sealed"
        ) from error
    said = connector.settings
    return LRSSettings(endpoint=said["url"], key=said["key"], secret=secret, version=said["version"])


_RENEW = "wkmb connector secret"


def create_sync(hub: Hub, stopping: Callable[[], bool]) -> Sync:
    """What runs this hub's pulls; ``stopping`` ends a run after its page."""

    def accept(conn: sa.Connection, prepared: Sequence[Prepared], ticket: Ticket) -> Saved:
        return ingest.store(conn, prepared, ticket, now=hub.clock(), new_id=hub.new_id)

    return Sync(
        db=hub.db,
        numbers=hub.sequence,
        accept=accept,
        open_source=lambda connector: _open(hub, connector),
        clock=hub.clock,
        new_id=hub.new_id,
        extra_keys=ingest.extra_keys,
        stopping=stopping,
    )


def due(hub: Hub) -> Callable[[], Iterable[int]]:
    """What `connectors.polling.Polling` asks: the connectors whose time has come."""

    def list_due() -> Iterable[int]:
        with hub.db.read() as conn:
            return sync.list_due(conn, hub.clock())

    return list_due


@contextmanager
def _open(hub: Hub, connector_id: int) -> Iterator[Source]:
    with hub.db.read() as conn:
        connector = registry.get_connector(conn, connector_id)
        settings = lrs_settings(conn, hub, connector)
    every = timedelta(seconds=connector.settings["every"])
    with sync.external_lrs(
        connector.id, connector.name, settings, every=every, internal=connector.internal, hub_url=hub.base_url
    ) as source:
        yield source
