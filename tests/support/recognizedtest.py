"""A hub on a test's database, with a catalogue, people, and statements that are easy to write.

Nothing of it goes through HTTP: statements come in by `hub.statements.ingest`, as from a credential of a connector, and
learners are recomputed by `hub.jp.recognition.drain`, as the worker does it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from hub.access.crypto import Keyring
from hub.access.known_accounts import KnownAccounts
from hub.access.known_callers import KnownCallers
from hub.jp import ledger, recognition, replays
from hub.jp.policies import Policies
from hub.learning.catalogue import Courses, import_courses
from hub.people import identity, learners
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.settings import Settings
from hub.statements import ingest
from hub.systems.directory import Directory
from hub.tables import connectors
from lrs import statements
from lrs.agents import Identifier
from lrs.database import Database, insert_all
from lrs.sequence import Sequence
from lrs.statements import Writer
from mappings.course import Course

BASE = "https://hub.example.go.id"
LMS = "https://lms.example.go.id"
SECURITY = f"{LMS}/course/1"
SERVICE = f"{LMS}/course/2"
VERBS = "http://adlnet.gov/expapi/verbs/"
NIP = "198501012010011001"
OTHER_NIP = "199002022015022002"
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is told to go on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def course(id: str = SECURITY, **members: Any) -> Course:
    """A classical training of 4.5 JP that is completed, unless told otherwise."""
    values: dict[str, Any] = {
        "provider": "asn-unggul",
        "title_id": "Keamanan Informasi",
        "title_en": "Information Security",
        "form": "KL03",
        "scope": "national",
        "programme_centi_jp": 450,
        "requires": ("completed",),
    }
    return Course(id, **(values | members))


def account(name: str = "4", homepage: str = LMS) -> Identifier:
    return Identifier("account", homepage, name)


def statement(verb: str = "completed", object: str | Mapping[str, Any] = SECURITY, **members: Any) -> dict[str, Any]:
    """Account 4 of the LMS did this with that course at nine in the morning (Jakarta) of 2 March 2026."""
    made: dict[str, Any] = {
        "id": str(uuid4()),
        "actor": {"objectType": "Agent", "account": {"homePage": LMS, "name": "4"}},
        "verb": {"id": verb if ":" in verb else VERBS + verb},
        "object": {"id": object} if isinstance(object, str) else object,
        "timestamp": "2026-03-02T09:00:00+07:00",
        **members,
    }
    return {name: member for name, member in made.items() if member is not None}


def by(name: str, homepage: str = LMS) -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": homepage, "name": name}}


def voiding(target: str, **members: Any) -> dict[str, Any]:
    return statement("voided", {"objectType": "StatementRef", "id": target}, **members)


@dataclass
class World:
    """A hub with the connector "asn-unggul" (number 1), the courses that a test puts there, and its people."""

    db: Database
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.hub = self.another_process()
        with self.db.write() as conn:
            insert_all(conn, connectors, [connector(1, "asn-unggul"), connector(2, "other-lms")])

    def another_process(self) -> Hub:
        """A hub of another process on the same database."""
        settings = Settings(Path(), str(self.db.url), BASE, b"s" * 32, ZoneInfo("Asia/Jakarta"))
        return Hub(
            settings=settings,
            db=self.db,
            sequence=Sequence(self.db, self.clock, uuid4),
            keyring=Keyring(b"s" * 32),
            clock=self.clock,
            new_id=uuid4,
            random=secrets.token_bytes,
            courses=Courses(),
            policies=Policies(),
            directory=Directory(),
            accounts=KnownAccounts(),
            callers=KnownCallers(),
        )

    def offer(self, *courses: Course) -> None:
        self.db.run(lambda conn: import_courses(conn, self.hub, courses, by="test"))

    def employ(self, nip: str = NIP, name: str = "Budi Santoso", status: str = "PNS") -> Learner:
        text = f"nip,name,email,status,employer,unit\n{nip},{name},,{status},KKP,Pusdatin\n"
        found = learners.read_learners(text)
        assert not found.problems
        self.db.run(lambda conn: learners.import_learners(conn, self.hub, found.rows))
        with self.db.read() as conn:
            learner = learners.find_by_nip(conn, nip)
        assert learner is not None
        return learner

    def link(self, learner: Learner, who: Identifier | None = None) -> bool:
        now, new_id = self.clock(), self.hub.new_id
        return self.db.run(
            lambda conn: identity.link(conn, who or account(), learner.id, by="admin:ani", now=now, new_id=new_id)
        )

    def unlink(self, who: Identifier | None = None) -> bool:
        now, new_id = self.clock(), self.hub.new_id
        return self.db.run(lambda conn: identity.unlink(conn, who or account(), by="admin:ani", now=now, new_id=new_id))

    def receive(self, *batch: dict[str, Any], owner: int | None = 1, origin: str = "credential:7") -> None:
        """Statements arrive from a connector's credential."""
        writer = Writer({"objectType": "Agent", "account": {"homePage": BASE, "name": "lms"}}, owner, origin)
        self.accept(self.hub, batch, writer)

    def accept(self, hub: Hub, batch: tuple[dict[str, Any], ...] | list[dict[str, Any]], writer: Writer) -> None:
        parsed = statements.parse(orjson.dumps(list(batch)))
        prepared = statements.prepare(
            parsed, version="1.0.3", writer=writer, new_id=uuid4, extra_keys=ingest.extra_keys
        )  # fmt: skip
        ingest.accept(hub, prepared)

    def settle(self) -> None:
        """Let the worker work until nothing waits."""
        while recognition.drain(self.hub):
            pass

    def entries(self, learner: Learner) -> tuple[ledger.Entry, ...]:
        with self.db.read() as conn:
            return ledger.of_learner(conn, learner.id)

    def year(self, learner: Learner, year: int = 2026) -> ledger.Year:
        with self.db.read() as conn:
            return ledger.year_of(conn, self.hub, learner, year)

    def amounts(self, learner: Learner) -> list[int]:
        return [entry.centi_jp for entry in self.entries(learner)]

    def count(self, table: sa.Table) -> int:
        with self.db.read() as conn:
            return conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def replayed(world: World, policy: str, *, steps: int | None = None) -> replays.Replay:
    """Everybody is replayed under a policy, or so many steps of it are done; how far it is then."""
    world.db.run(lambda conn: replays.begin(conn, world.hub, policy, by="ani"))
    replayer = replays.Replayer(world.hub, only=policy)
    while steps is None or steps > 0:
        if not replayer.step():
            break
        steps = None if steps is None else steps - 1
    with world.db.read() as conn:
        found = replays.find(conn, policy, now=world.clock())
    assert found is not None
    return found


def connector(id: int, name: str, **members: Any) -> dict[str, Any]:
    """A row of `connectors`."""
    return {
        "id": id,
        "name": name,
        "kind": "xapi-push",
        "internal": False,
        "vocabulary": "default",
        "trusted_centi_jp": None,
        "settings": "{}",
        "secret": None,
        "created_at": NOW,
        **members,
    }


def linked_world(db: Database, *courses: Course) -> tuple[World, Learner]:
    """A world with these courses, and Budi, whose account at the LMS is linked."""
    world = World(db)
    world.offer(*(courses or (course(),)))
    learner = world.employ()
    world.link(learner)
    world.settle()
    return world, learner
