"""A hub that an LMS launches, and two people who work there."""

from __future__ import annotations

import pytest
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer

from hub.access import accounts
from hub.application import create_app
from hub.people import learners
from hub.runtime import Hub
from platformtest import PASSWORD, Lms, Person
from wkmbtest.hubs import Clock

PEOPLE = (("siti", "198001012005011001", "Siti Rahma Dewi"), ("budi", "199002022015022002", "Budi Santoso"))


@pytest.fixture(scope="session")
def keys() -> list[RSAKey]:
    """RSA keys take a moment to make: a few for everybody."""
    return [RSAKey.generate_key(2048, private=True, auto_kid=True) for _ in range(3)]


@pytest.fixture
def lms(hub: Hub, clock: Clock, keys: list[RSAKey], httpserver: HTTPServer) -> Lms:
    """The LMS, registered."""
    made = Lms(hub, clock, create_app(hub).test_client(), httpserver, keys)
    made.register()
    return made


@pytest.fixture
def people(lms: Lms) -> tuple[Person, Person]:
    """Two employees with accounts here; the LMS knows them by other names."""
    rows = "nip,name,email,status,employer,unit\n" + "".join(
        f"{nip},{name},,PNS,Kementerian,Biro\n" for _, nip, name in PEOPLE
    )
    with lms.hub.db.write() as conn:
        learners.import_learners(conn, lms.hub, learners.read_learners(rows).rows)
        for username, nip, _ in PEOPLE:
            found = learners.find_by_nip(conn, nip)
            assert found is not None
            accounts.add(conn, lms.hub, username, "learner", PASSWORD, found.id)
    return Person(lms, *PEOPLE[0][:2]), Person(lms, *PEOPLE[1][:2])
