"""A hub with a provider's tool, two courses and two people."""

from __future__ import annotations

import pytest
from joserfc.jwk import RSAKey

from hub.access import accounts
from hub.application import create_app
from hub.people import learners
from hub.runtime import Hub
from ltitest import NIPS, World, new_key
from wkmbtest.hubs import Clock


@pytest.fixture(scope="session")
def keys() -> list[RSAKey]:
    """RSA keys take a moment to make: a few for everybody."""
    return [new_key() for _ in range(3)]


@pytest.fixture
def world(hub: Hub, clock: Clock, keys: list[RSAKey]) -> World:
    """A tool with two tenants, a course of each, two people of whom the first one is at a browser, and an admin."""
    app = create_app(hub)
    rows = "nip,name,email,status,employer,unit\n" + "".join(
        f'{nip},"{name}",{email},PNS,Kementerian,Biro\n'
        for nip, name, email in (
            (NIPS[0], "Siti Rahma Dewi, M.Pd.", "siti@example.go.id"),
            (NIPS[1], "Budi", ""),
        )
    )
    with hub.db.write() as conn:
        learners.import_learners(conn, hub, learners.read_learners(rows).rows)
        for username, nip in zip(("siti", "budi"), NIPS, strict=True):
            found = learners.find_by_nip(conn, nip)
            assert found is not None
            accounts.add(conn, hub, username, "learner", "correct horse", found.id)
        accounts.add(conn, hub, "admin", "admin", "correct horse", None)
    made = World(hub, clock, app.test_client(), None, keys)  # type: ignore[arg-type]
    made.tool = made.add_tool("lan", keys[0], deployments=("kkp", "bmkg"))
    made.courses = [made.add_course("lan", 1), made.add_course("lan", 2, deployment="bmkg")]
    made.browser = made.new_browser("siti")
    return made
