"""Certification: what is recorded here where a provider has no system of its own.

Like everything it is a statement in the LRS, in the words of REGULATION.md: a test is *passed* or *failed* by the
candidate; a portfolio is *reviewed* and an interview held by the assessor, whose statement names the candidate as its
team. `mappings.certification` judges; what it would refuse is refused here before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.errors import HubError
from hub.jp import recognition
from hub.learning import undertakings
from hub.learning.undertakings import Told
from hub.people import learners
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import learners as table
from lrs import statements
from lrs.statements import Prepared
from mappings.certification import (
    UNIT,
    VALID_UNTIL,
    Appeal,
    Certificate,
    Certification,
    Report,
    Scheme,
    Stage,
    activity_of,
)
from mappings.course import MILLION

#: What a stage's activity is, by its method.
_TYPES = {"portfolio": "http://id.tincanapi.com/activitytype/document"}
_ASSESSMENT = "http://adlnet.gov/expapi/activities/assessment"
_SCHEME_TYPE = "https://w3id.org/xapi/tla/activity-types/credential"


@dataclass(frozen=True, slots=True)
class Recorded:
    """It was recorded: where the candidate stands now, and the statement that says so."""

    certification: Certification
    statement: UUID


@dataclass(frozen=True, slots=True)
class RecordRefused:
    """It was not recorded: a code of `mappings.certification.REFUSALS`. Nothing was changed."""

    code: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a stage. ``score`` in millionths of 0..1; ``on`` the day, today where it is None."""

    stage: str
    unit: str = ""
    assessor: UUID | None = None
    score: int | None = None
    decision: str | None = None
    on: date | None = None


def schemes(conn: sa.Connection, hub: Hub) -> dict[str, Scheme]:
    """Every scheme by its name."""
    return {scheme.name: scheme for scheme in hub.policies.schemes(conn)}


def get_scheme(conn: sa.Connection, hub: Hub, name: str) -> Scheme:
    """The scheme of this name; raises `HubError`."""
    found = schemes(conn, hub).get(name)
    if found is None:
        raise HubError(
            "unknown_scheme", f"There is no certification scheme {name[:64]}.", action="See the list of them."
        )
    return found


def record(
    hub: Hub, candidate: UUID, scheme: Scheme, result: Result, *, by: UUID | None = None
) -> Recorded | RecordRefused:
    """Record what came of a stage. ``by``: the learner who records it, if she is one: nobody records her own."""
    at = _moment(hub, result.on)
    stage = scheme.stage(result.stage)
    if stage is None:
        return RecordRefused("unknown_stage")
    assessor = "" if result.assessor is None else str(result.assessor)
    told = Report(stage.name, at, "new", result.unit, assessor, result.score, result.decision)
    if candidate in (by, result.assessor):
        return RecordRefused("self_assessed")
    return _write(hub, candidate, scheme, told, _stage_statement(hub, candidate, scheme, stage, result))


def certify(
    hub: Hub,
    candidate: UUID,
    scheme: Scheme,
    number: str,
    *,
    on: date | None = None,
    valid_until: date | None = None,
    by: UUID | None = None,
) -> Recorded | RecordRefused:
    """Record that a certificate was given; it says by itself that the candidate is competent."""
    if candidate == by:
        return RecordRefused("self_assessed")
    at = _moment(hub, on)
    said: dict[str, Any] = {xapi.CERTIFICATE_NUMBER: number}
    if valid_until is not None:
        said[VALID_UNTIL] = valid_until.isoformat()
    made = {
        "actor": xapi.account(hub.base_url, str(candidate)),
        "verb": "certified",
        "object": _scheme_activity(scheme),
        "extensions": said,
    }
    return _write(hub, candidate, scheme, Certificate(number, at, "new", valid_until), made)


def appeal(hub: Hub, candidate: UUID, scheme: Scheme, stage: str) -> Recorded | RecordRefused:
    """The candidate asks that a stage be judged again; its earlier reports then count no more."""
    found = scheme.stage(stage)
    if found is None:
        return RecordRefused("unknown_stage")
    made = {
        "actor": xapi.account(hub.base_url, str(candidate)),
        "verb": "appealed",
        "object": _stage_activity(scheme, found),
        "about": _scheme_activity(scheme),
    }
    return _write(hub, candidate, scheme, Appeal(stage, hub.clock(), "new"), made)


def _write(
    hub: Hub, candidate: UUID, scheme: Scheme, told: Report | Appeal | Certificate, made: dict[str, Any]
) -> Recorded | RecordRefused:
    def work(conn: sa.Connection) -> Recorded | RecordRefused:
        _lock(conn, candidate)
        before = _reports(conn, hub, candidate, scheme)
        judged = undertakings.certification_of(hub, candidate, scheme, [*before, told])
        refused = next((each.reason for each in judged.refused if each.statement == "new"), None)
        if refused is not None:
            return RecordRefused(refused)
        ingest.store(conn, [prepared], ticket, now=hub.clock(), new_id=hub.new_id)
        found = undertakings.certification_of(hub, candidate, scheme, _reports(conn, hub, candidate, scheme))
        undertakings.put_certification(conn, hub, candidate, found)
        return Recorded(found, prepared.id)

    prepared = _prepared(hub, told.at, made)
    with hub.sequence.writing() as ticket:
        return hub.db.run(work)


def _lock(conn: sa.Connection, candidate: UUID) -> Learner:
    conn.execute(sa.select(table.c.id).where(table.c.id == candidate).with_for_update())
    learner = learners.find(conn, candidate)
    if learner is None:
        raise HubError("unknown_learner", "There is no such employee.", action="Look for her among the people.")
    return learner


def _reports(conn: sa.Connection, hub: Hub, candidate: UUID, scheme: Scheme) -> Iterable[Told]:
    around = recognition.surroundings(conn, hub)
    observed = recognition.observations(conn, hub, candidate, around)
    assessed = recognition.assessed(conn, hub, candidate, around)
    found = undertakings.reports_of(conn, hub, candidate, [*observed, *assessed], (scheme,))
    return found[0][1] if found else ()


def _moment(hub: Hub, on: date | None) -> datetime:
    """Now, or noon of a day that has been. A day to come is refused."""
    today = hub.today()
    if on is None or on == today:
        return hub.clock()
    if on > today:
        raise HubError("future", f"{on.isoformat()} has not come yet.", action="Enter the day on which it happened.")
    return datetime.combine(on, time(12), hub.settings.timezone)


# Statements ----------------------------------------------------------------------------------------------------


def _stage_statement(hub: Hub, candidate: UUID, scheme: Scheme, stage: Stage, result: Result) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if result.score is not None:
        said["score"] = {"scaled": float(Fraction(result.score, MILLION))}
    learner = xapi.account(hub.base_url, str(candidate))
    assessor = None if result.assessor is None else xapi.account(hub.base_url, str(result.assessor))
    made: dict[str, Any] = {
        "object": _stage_activity(scheme, stage),
        "about": _scheme_activity(scheme),
        "extensions": {UNIT: result.unit} if result.unit else None,
    }
    if stage.method == "test" or assessor is None:
        verb = {"competent": "passed", "not_yet": "failed", None: "scored"}[result.decision]
        return made | {"actor": learner, "verb": verb, "result": said or None, "instructor": assessor}
    if result.decision is not None:
        said["success"] = result.decision == "competent"
    verb = "reviewed" if stage.method == "portfolio" else "interviewed"
    return made | {"actor": assessor, "verb": verb, "result": said or None, "team": learner}


def _stage_activity(scheme: Scheme, stage: Stage) -> dict[str, Any]:
    titles = {"id": stage.title_id, "en": stage.title_en}
    return xapi.activity(activity_of(scheme.name, stage.name), titles, _TYPES.get(stage.method, _ASSESSMENT))


def _scheme_activity(scheme: Scheme) -> dict[str, Any]:
    return xapi.activity(activity_of(scheme.name), {"id": scheme.title_id, "en": scheme.title_en}, _SCHEME_TYPE)


def _prepared(hub: Hub, at: datetime, made: dict[str, Any]) -> Prepared:
    said = xapi.statement(id=hub.new_id(), at=at, **made)
    [prepared] = statements.prepare(
        statements.parse(orjson.dumps(said)),
        version="1.0.3",
        writer=ingest.hub_writer(hub, "hub:certification"),
        new_id=hub.new_id,
        extra_keys=ingest.extra_keys,
    )
    return prepared
