"""A certification on a test's database: a candidate, two assessors, and BKN, which reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hub import revisions
from hub.learning import certifications, undertakings
from hub.learning.certifications import Recorded, RecordRefused, Result
from hub.people.learners import Learner
from hub.systems import registry
from hub.tables import connectors
from lrs.database import Database, insert_all
from mappings.certification import Certification, Scheme
from recognizedtest import by, connector, statement
from rtltest import Office

NAME = "certification-bkn"
TEST, PORTFOLIO, INTERVIEW = "cognitive-test", "portfolio-review", "interview"
ASSESSOR = "http://id.tincanapi.com/verb/"
#: The number of the connector "bkn" in these tests.
BKN = 7


class Panel(Office):
    """Budi is the candidate; her supervisor and Citra assess her; BKN reports."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        with db.write() as conn:
            insert_all(conn, connectors, [connector(BKN, "bkn")])
            revisions.bump(conn, registry.REVISION)

    @property
    def scheme(self) -> Scheme:
        with self.world.db.read() as conn:
            return certifications.get_scheme(conn, self.world.hub, NAME)

    def record(self, stage: str, assessor: Learner | None = None, **result: Any) -> Recorded | RecordRefused:
        self.world.clock.forward(minutes=1)
        by = assessor.id if assessor else None
        return certifications.record(self.world.hub, self.budi.id, self.scheme, Result(stage, assessor=by, **result))

    def walk(self) -> None:
        for done in (
            self.record(TEST, score=800_000),
            self.record(PORTFOLIO, self.boss, decision="competent"),
            self.record(INTERVIEW, self.boss, decision="competent"),
            self.record(INTERVIEW, self.citra, decision="competent"),
        ):
            assert isinstance(done, Recorded), done

    def found(self) -> Certification | None:
        with self.world.db.read() as conn:
            return undertakings.certifications(conn, self.budi.id).get(NAME)

    def told(self, verb: str, stage: str, minutes: int, **members: Any) -> dict[str, Any]:
        """A statement of BKN about a stage of Budi's certification."""
        at = self.world.clock() - timedelta(hours=2) + timedelta(minutes=minutes)
        object = {"id": f"urn:wkmb:certification:{NAME}:{stage}"}
        said: dict[str, Any] = statement(verb, object, timestamp=at.isoformat(), **members)
        return said

    def judged(self, verb: str, stage: str, minutes: int, who: str, **members: Any) -> dict[str, Any]:
        """An assessor's statement: she is the actor, Budi the only member of the team."""
        team = {"objectType": "Group", "member": [by("4")]}
        return self.told(f"{ASSESSOR}{verb}", stage, minutes, actor=by(who), context={"team": team}, **members)

    def whole(self) -> list[dict[str, Any]]:
        return [
            self.told("passed", TEST, 1, result={"score": {"raw": 80, "max": 100}}),
            self.judged("reviewed", PORTFOLIO, 2, "p1", result={"success": True}),
            self.judged("interviewed", INTERVIEW, 3, "p1", result={"success": True}),
            self.judged("interviewed", INTERVIEW, 4, "p2", result={"success": True}),
        ]
