"""What waits for whom, as lines of a page: follow-up plans to write or to decide, certifications that end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flask
import sqlalchemy as sa

from hub.learning import undertakings
from hub.learning.catalogue import Listed, Snapshot
from hub.learning.undertakings import Duty
from hub.people import learners
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.web import development_texts, texts


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of a list: what somebody has to do, about whose undertaking. ``supervisor``: whom it waits for, where that
    is a supervisor whom the hub knows."""

    duty: Duty
    learner: Learner | None
    listed: Listed | None
    is_overdue: bool
    supervisor: Learner | None

    @property
    def title(self) -> str:
        return texts.course_title(self.listed.course) if self.listed else self.duty.subject

    @property
    def name(self) -> str:
        return self.learner.name if self.learner else str(self.duty.learner)

    @property
    def text(self) -> str:
        return development_texts.reminders().get(self.duty.code, self.duty.code)

    @property
    def url(self) -> str:
        if self.duty.kind == undertakings.CERTIFICATION:
            return flask.url_for("certifications.index", nip=self.learner.nip if self.learner else None)
        if self.listed is None:
            return ""
        return flask.url_for("rtl.plan_page", learner_id=self.duty.learner, course_id=self.listed.id)


def of_person(conn: sa.Connection, hub: Hub, learner: Learner, snapshot: Snapshot, *, limit: int) -> list[Waiting]:
    """What an employee has to do now, about her own undertakings and as a supervisor, the first due first."""
    people = [str(learner.id), *learners.nips_of(conn, learner.id)]
    return lines(conn, hub, undertakings.duties_of(conn, people, hub.today(), limit=limit), snapshot)


def lines(conn: sa.Connection, hub: Hub, duties: Sequence[Duty], snapshot: Snapshot) -> list[Waiting]:
    """Duties with the names that people read."""
    people = learners.find_many(conn, (duty.learner for duty in duties))
    supervisors = learners.find_by_nips(conn, (duty.who for duty in duties if duty.who != str(duty.learner)))
    today = hub.today()
    return [
        Waiting(
            duty=duty,
            learner=people.get(duty.learner),
            listed=snapshot.by_iri.get(duty.subject),
            is_overdue=duty.due_on < today,
            supervisor=supervisors.get(duty.who),
        )
        for duty in duties
    ]
