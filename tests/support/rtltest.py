"""An office on a test's database: an employee whose course asks for a follow-up plan, her supervisor, a colleague."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hub.learning import rtl, undertakings
from hub.learning.catalogue import Listed
from hub.learning.rtl import StepRefused, Taken
from hub.people.learners import Learner, find_by_nip, import_learners, read_learners
from lrs.database import Database
from mappings.rtl import Item
from recognizedtest import LMS, NIP, OTHER_NIP, SECURITY, World, course, statement

BOSS_NIP = "197001011995011001"
PLAN = "https://w3id.org/xapi/acrossx/activities/learning-plan"
VERBS = {
    "planned": "https://w3id.org/xapi/tla/verbs/planned",
    "submitted": "https://w3id.org/xapi/dod-isd/verbs/submitted",
    "approved": "https://w3id.org/xapi/tla/verbs/approved",
    "returned": "http://activitystrea.ms/reject",
    "realised": "https://w3id.org/xapi/dod-isd/verbs/implemented",
    "evaluated": "https://w3id.org/xapi/acrossx/verbs/evaluated",
}
ITEM = Item("Menyusun SOP", "SOP ditetapkan", date(2026, 12, 20), "Saya")
ASKS = course(requires=("completed", "rtl_approved"))


class Office:
    """Budi, whose course asks for a plan; her supervisor; and a colleague who is neither."""

    def __init__(self, db: Database) -> None:
        self.world = World(db)
        self.world.offer(ASKS)
        self.employ(
            f"{NIP},Budi,,PNS,KKP,Pusdatin,{BOSS_NIP}",
            f"{BOSS_NIP},Atasan,,PNS,KKP,Pusdatin,",
            f"{OTHER_NIP},Citra,,PNS,KKP,Pusdatin,{BOSS_NIP}",
        )
        self.budi, self.boss, self.citra = (self.learner(nip) for nip in (NIP, BOSS_NIP, OTHER_NIP))
        self.world.link(self.budi)
        self.world.settle()

    def employ(self, *rows: str) -> None:
        found = read_learners("nip,name,email,status,employer,unit,supervisor_nip\n" + "\n".join(rows) + "\n")
        assert not found.problems
        self.world.db.run(lambda conn: import_learners(conn, self.world.hub, found.rows))

    def learner(self, nip: str) -> Learner:
        with self.world.db.read() as conn:
            learner = find_by_nip(conn, nip)
        assert learner is not None
        return learner

    @property
    def listed(self) -> Listed:
        with self.world.db.read() as conn:
            found: Listed = self.world.hub.courses.current(conn).by_iri[SECURITY]
        return found

    def step(self, state: str, who: Learner, note: str = "Catatan", items: Sequence[Item] = ()) -> Taken | StepRefused:
        self.world.clock.forward(minutes=1)
        return rtl.take_step(self.world.hub, self.budi.id, self.listed, state, by=who.id, note=note, items=items)

    def walk(self, *states: str) -> None:
        """Take these steps, each by who may."""
        for state in states:
            who = self.boss if state in ("approved", "returned") else self.budi
            assert isinstance(self.step(state, who, items=[ITEM] if state == "planned" else ()), Taken), state

    def told(self, state: str, minutes: int = 0, **members: Any) -> dict[str, Any]:
        """A statement of the provider about Budi's plan, some minutes before now."""
        at = self.world.clock() - timedelta(hours=2) + timedelta(minutes=minutes)
        object = {"id": f"{LMS}/rtl/9", "definition": {"type": PLAN}}
        context = {"contextActivities": {"parent": [{"id": SECURITY}]}, **members.pop("context", {})}
        said: dict[str, Any] = statement(VERBS[state], object, timestamp=at.isoformat(), context=context, **members)
        return said

    def plan(self) -> undertakings.FollowUpPlan | None:
        with self.world.db.read() as conn:
            return undertakings.plans(conn, self.budi.id).get(SECURITY)

    def state(self) -> str | None:
        found = self.plan()
        return found.state if found else None

    def duties(self, *who: str) -> list[tuple[str, str, str]]:
        """What waits, a year from now, for these people; for everybody where none is named."""
        later = self.world.hub.today() + timedelta(days=400)
        with self.world.db.read() as conn:
            if who:
                found = undertakings.duties_of(conn, who, later, limit=100)
            else:
                found = undertakings.due(conn, later, later, limit=100)
        return [(each.code, each.who, each.due_on.isoformat()) for each in found]
