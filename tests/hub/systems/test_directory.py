"""The systems that a process keeps in memory: whatever an administrator changes is seen at the next launch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from hub.runtime import Hub
from hub.systems import registry
from hub.systems.directory import Directory, Systems
from hub.systems.registry import Deployment, NewTool, Tool

URL = "https://lms.example.go.id/lti"
LMS = NewTool(
    name="asn-unggul", login_url=URL, redirect_uris=(URL,), target_link_uri=URL, jwks_url=URL, deployments=("KKP",)
)

Change = Callable[[sa.Connection, Hub, Tool, Deployment], object]


def current(hub: Hub, directory: Directory) -> Systems:
    with hub.db.read() as conn:
        return directory.current(conn)


def stored(hub: Hub) -> Systems:
    """What somebody finds who keeps nothing."""
    return current(hub, Directory())


@pytest.mark.parametrize(
    "change",
    [
        lambda conn, hub, tool, _: registry.set_tool_disabled(conn, hub, tool, disabled=True, by="test"),
        lambda conn, hub, tool, _: registry.update_tool(
            conn, hub, tool, NewTool("asn-unggul", URL + "/2", (URL,), URL, URL), by="test"
        ),
        lambda conn, hub, _, tenant: registry.set_deployment_disabled(conn, hub, tenant, disabled=True, by="test"),
        lambda conn, hub, _, tenant: registry.set_deployment_names(conn, hub, tenant, True, by="test"),
        lambda conn, hub, tool, _: registry.add_deployment(conn, hub, tool, "BMKG", by="test"),
        lambda conn, hub, *_: registry.add_connector(conn, hub, "bkn", "csv", by="test"),
        lambda conn, hub, *_: registry.update_connector(
            conn, hub, registry.named_connector(conn, "asn-unggul"), by="test", internal=True, vocabulary="default",
            trusted_centi_jp=None, settings={},
        ),
        lambda conn, hub, *_: registry.set_secret(
            conn, hub, registry.named_connector(conn, "asn-unggul"), "a secret of theirs", by="test"
        ),
    ],
    ids=["tool-off", "tool-changed", "tenant-off", "tenant-names", "tenant-new", "new", "changed", "secret"],
)  # fmt: skip
def test_every_process_sees_a_change_of_another_one(hub: Hub, change: Change) -> None:
    tool = hub.db.run(lambda conn: registry.add_tool(conn, hub, LMS, by="test"))
    before = current(hub, hub.directory)
    [tenant] = before.tenants[tool.id]
    assert current(hub, hub.directory) is before

    hub.db.run(lambda conn: change(conn, hub, tool, tenant))

    after = current(hub, hub.directory)
    assert after == stored(hub)
    assert after != before


def test_a_change_that_is_taken_back_is_not_seen(hub: Hub) -> None:
    hub.db.run(lambda conn: registry.add_tool(conn, hub, LMS, by="test"))
    before = current(hub, hub.directory)

    with hub.db.engine.begin() as conn:
        registry.add_connector(conn, hub, "bkn", "csv", by="test")
        conn.rollback()

    assert current(hub, hub.directory) is before
