"""What each address answers. A view reads in one transaction and makes the answer's model; nothing here decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

import flask
import sqlalchemy as sa
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from hub.api import models
from hub.api.models import jp
from hub.errors import NotFound
from hub.jp import audit, ledger
from hub.jp.audit import EntryExplained, Evidence, Origin
from hub.jp.policies import Listed as ListedPolicy
from hub.jp.reports import Unit
from hub.learning import catalogue, needs, undertakings
from hub.learning.catalogue import Listed
from hub.learning.undertakings import After, Duty, FollowUpPlan
from hub.operations.logs import mask
from hub.people import learners
from hub.people.learners import Learner
from hub.rows import is_nip
from hub.runtime import current
from hub.systems import connections, registry
from mappings.certification import Certification
from mappings.competencies import Match
from mappings.course import MILLION

_PEOPLE = Tag(name="people", description="What is recognized, why, and what it rests on.")
_CATALOGUE = Tag(name="catalogue", description="Courses, the systems that report them, and the policies.")


def add_to(blueprint: APIBlueprint) -> None:
    """Put every view under its address."""

    def get(rule: str, view: Callable[..., flask.Response], answers: type[BaseModel], tag: Tag) -> None:
        blueprint.get(rule, operation_id=view.__name__, responses={200: answers}, tags=[tag])(view)

    get("/learners/<nip>/jp", learner_year, models.LearnerYear, _PEOPLE)
    get("/learners/<nip>/rtl", learner_plans, models.PlansAnswer, _PEOPLE)
    get("/learners/<nip>/certifications", learner_certifications, models.CertificationsAnswer, _PEOPLE)
    get("/learners/<nip>/competencies", learner_competencies, models.LearnerNeeds, _PEOPLE)
    get("/needs", unit_needs, models.NeedsAnswer, _CATALOGUE)
    get("/duties", duties, models.DutiesAnswer, _PEOPLE)
    get("/entries/<entry_id>", entry, models.EntryAnswer, _PEOPLE)
    get("/statements/<statement_id>", statement, models.StatementAnswer, _PEOPLE)
    get("/courses", courses, models.CoursesAnswer, _CATALOGUE)
    get("/courses/<int:course_id>", course, models.CourseAnswer, _CATALOGUE)
    get("/connectors", connectors, models.ConnectorsAnswer, _CATALOGUE)
    get("/policies", policies, models.PoliciesAnswer, _CATALOGUE)
    get("/policies/<name>", policy, models.PolicyText, _CATALOGUE)


def _answer(model: BaseModel) -> flask.Response:
    return flask.Response(model.model_dump_json(), content_type="application/json")


# People --------------------------------------------------------------------------------------------------


def learner_year(path: models.LearnerPath, query: models.YearQuery) -> flask.Response:
    """The recognized hours of an employee in a year, and what is still missing."""
    hub = current()
    year = hub.today().year if query.year is None else query.year
    with hub.db.read() as conn:
        learner = _learner(conn, path.nip)
        found = ledger.year_of(conn, hub, learner, year)
    return _answer(
        models.LearnerYear(
            learner=models.LearnerName(nip=learner.nip, name=learner.name),
            year=year,
            target_jp=None if found.target is None else jp(found.target.centi_jp),
            planned_jp=jp(found.planned_centi),
            recognized_jp=jp(found.recognized_centi),
            entries=[_entry_of_year(each) for each in found.entries],
            pending=[models.PendingCourse(course=each.course, missing=list(each.missing)) for each in found.pending],
        )
    )


def _entry_of_year(entry: ledger.Entry) -> models.EntryOfYear:
    return models.EntryOfYear(
        id=entry.id,
        course=entry.course,
        form=entry.form,
        jp=jp(entry.centi_jp),
        on=entry.on,
        policy=entry.policy,
        reverses=entry.reverses,
        evidence=list(entry.evidence),
    )


def entry(path: models.EntryPath) -> flask.Response:
    """An entry of the ledger: each check, the policy with its legal sources, and the evidence with its origin."""
    hub = current()
    with hub.db.read() as conn:
        found = audit.explain_entry(conn, hub, path.entry_id)
    if found is None or found.learner is None:
        raise NotFound("unknown_entry", "There is no entry with this id.", action="Take the id from a learner's year.")
    return _answer(_entry(found, found.entry, found.learner))


def _entry(found: EntryExplained, entry: ledger.Entry, learner: learners.Learner) -> models.EntryAnswer:
    course = found.course
    return models.EntryAnswer(
        id=entry.id,
        learner=models.LearnerName(nip=learner.nip, name=learner.name),
        course=models.CourseOfEntry(
            id=entry.course,
            number=found.course_number,
            digest=entry.course_digest,
            provider=None if course is None else course.provider,
            provider_title=found.institution,
            title_id=None if course is None else course.title("id"),
            title_en=None if course is None else course.title("en"),
        ),
        form=entry.form,
        period=entry.period,
        on=entry.on,
        year=entry.year,
        jp=jp(entry.centi_jp),
        policy=models.PolicyOfEntry(
            name=entry.policy,
            digest=entry.policy_digest,
            title_id=found.policy.title_id,
            title_en=found.policy.title_en,
            sources=[models.SourceAnswer(**asdict(each)) for each in found.sources],
        ),
        checks=[models.CheckAnswer(**each._asdict()) for each in entry.checks],
        evidence=[_evidence(each) for each in found.evidence],
        reverses=entry.reverses,
        reversed_by=None if found.reversed_by is None else found.reversed_by.id,
        cause=None if entry.cause is None else dict(entry.cause),
        recorded_at=entry.recorded_at,
    )


def _evidence(evidence: Evidence) -> models.EvidenceAnswer:
    stored = evidence.stored
    return models.EvidenceAnswer(
        id=str(stored.id),
        statement=dict(evidence.statement),
        stored=stored.stored,
        authority=dict(evidence.authority),
        connector=evidence.connector,
        connector_title=evidence.institution,
        origin=_origin(evidence.origin),
        voided_by=None if stored.voided_by is None else str(stored.voided_by),
    )


def _origin(origin: Origin) -> models.OriginAnswer:
    launch, score, run = origin.launch, origin.score, origin.run
    return models.OriginAnswer(
        kind=origin.kind,
        id=origin.id,
        label=origin.label,
        launch=None
        if launch is None
        else models.LaunchAnswer(
            id=str(launch.id),
            tool=launch.tool,
            deployment=launch.deployment,
            created_at=launch.created_at,
            opened_at=launch.opened_at,
        ),
        score=None
        if score is None
        else models.ScoreAnswer(
            id=str(score.id),
            lineitem=score.lineitem,
            received_at=score.received_at,
            body=score.body.decode("utf-8", "replace"),
        ),
        run=None if run is None else models.RunAnswer(id=str(run.id), started=run.started, state=run.state),
    )


def statement(path: models.StatementPath) -> flask.Response:
    """A statement, whether it counts, why or why not, and the entries that rest on it."""
    hub = current()
    with hub.db.read() as conn:
        found = audit.explain_statement(conn, hub, path.statement_id)
    if found is None:
        raise NotFound("unknown_statement", "There is no statement with this id.")
    outcome = models.StatementOutcome(
        outcome="counted" if found.is_counted else "not_counted",
        reason=models.ReasonAnswer(code=found.code, detail=dict(found.detail)),
        entries=[each.id for each in found.entries],
    )
    # The bytes as they were accepted: a parser in between would write numbers and letters in its own way.
    body = b'{"statement":%s,%s' % (found.stored.payload, outcome.model_dump_json().encode()[1:])
    return flask.Response(body, content_type="application/json")


# Follow-up plans -------------------------------------------------------------------------------------------------


def learner_plans(path: models.LearnerPath) -> flask.Response:
    """The follow-up plans (RTL) of an employee, with every step."""
    with current().db.read() as conn:
        learner = _learner(conn, path.nip)
        plans = undertakings.plans(conn, learner.id)
    return _answer(
        models.PlansAnswer(
            learner=models.LearnerName(nip=learner.nip, name=learner.name),
            plans=[_plan(found) for found in plans.values()],
        )
    )


def _plan(found: FollowUpPlan) -> models.PlanAnswer:
    plan = found.plan
    return models.PlanAnswer(
        course=plan.course,
        state=found.state,
        finished_on=found.finished_on,
        items=[models.PlanItem(**asdict(item)) for item in plan.items],
        effect=dict(plan.effect),
        steps=[
            models.PlanStep(state=step.state, at=step.at, by=step.by, note=step.note, statement=step.statement)
            for step in plan.steps
        ],
        refused=[
            models.StepNotCounted(
                state=each.step.state, at=each.step.at, reason=each.reason, statement=each.step.statement
            )
            for each in plan.refused
        ],
    )


def learner_certifications(path: models.LearnerPath) -> flask.Response:
    """Where an employee stands in each certification, with the evidence."""
    with current().db.read() as conn:
        learner = _learner(conn, path.nip)
        found = undertakings.certifications(conn, learner.id)
    name = models.LearnerName(nip=learner.nip, name=learner.name)
    listed = [_certification(each) for each in found.values()]
    return _answer(models.CertificationsAnswer(learner=name, certifications=listed))


def _certification(found: Certification) -> models.CertificationAnswer:
    stages = [
        models.StageAnswer(**asdict(each) | {"score": None if each.score is None else each.score / MILLION})
        for each in found.stages
    ]
    return models.CertificationAnswer(
        scheme=found.scheme,
        standing=found.standing,
        next_stage=found.next_stage,
        decided_on=found.decided_on,
        valid_until=found.valid_until,
        number=found.certificate.number if found.certificate else None,
        appeal_until=found.appeal_until,
        stages=stages,
    )


def duties(query: models.DutiesQuery) -> flask.Response:
    """What is due of follow-up plans and certifications, a page at a time."""
    hub = current()
    today = hub.today()
    until = undertakings.day_before(today) if query.until is None else query.until
    after = None if query.after is None else _after(query, query.after)
    with hub.db.read() as conn:
        found = undertakings.due(conn, until, max(today, until), limit=query.limit + 1, after=after)
        page = found[: query.limit]
        people = learners.find_many(conn, (each.learner for each in page))
    more = None
    if len(found) > query.limit:
        last = page[-1]
        place = {"learner": last.learner, "kind": last.kind, "subject": last.subject, "who": last.who}
        asked = {"until": until.isoformat(), "limit": query.limit}
        more = flask.url_for("api.duties", **asked, after=last.due_on.isoformat(), **place)  # type: ignore[arg-type]
    return _answer(models.DutiesAnswer(duties=[_duty(each, people, today) for each in page], next=more))


def _after(query: models.DutiesQuery, due_on: date) -> After:
    """Where the page before ended."""
    kind, subject, who = (text.replace("\x00", "") for text in (query.kind, query.subject, query.who))
    return After(due_on, query.learner, kind, subject, who)


def _duty(duty: Duty, people: Mapping[UUID, Learner], today: date) -> models.DutyAnswer:
    nip = people[duty.learner].nip if duty.learner in people else None
    return models.DutyAnswer(
        nip=nip,
        kind=duty.kind,
        subject=duty.subject,
        code=duty.code,
        due_on=duty.due_on,
        is_overdue=duty.due_on < today,
        waits_for=nip if duty.who == str(duty.learner) else duty.who or None,
    )


def _learner(conn: sa.Connection, nip: str) -> Learner:
    found = learners.find_by_nip(conn, nip) if is_nip(nip) else None
    if found is None:
        action = "Import the employee first: wkmb learner import FILE."
        raise NotFound("unknown_learner", f"No employee has the NIP {mask(nip)}.", action=action)
    return found


# Competencies ----------------------------------------------------------------------------------------------------


def learner_competencies(path: models.LearnerPath) -> flask.Response:
    """What an employee needs: reached, offered by which courses, or not offered."""
    hub = current()
    with hub.db.read() as conn:
        learner = _learner(conn, path.nip)
        found = needs.match_learner(conn, hub, learner)
    name = models.LearnerName(nip=learner.nip, name=learner.name)
    return _answer(models.LearnerNeeds(learner=name, needs=[_need(each) for each in found]))


def unit_needs(query: models.NeedsQuery) -> flask.Response:
    """What units need, which courses offer it, and what none does; a page at a time."""
    hub = current()
    employer, unit = (text.replace("\x00", "") for text in (query.employer, query.unit))
    after = Unit(employer, unit) if employer or unit else None
    with hub.db.read() as conn:
        found = needs.list_units(conn, hub, limit=query.limit + 1, after=after)
    page, more = found[: query.limit], None
    if len(found) > query.limit:
        last = page[-1].unit
        more = flask.url_for("api.unit_needs", limit=query.limit, employer=last.employer, unit=last.unit)
    units = [
        models.UnitNeedsAnswer(
            employer=each.unit.employer, unit=each.unit.unit, needs=[_need(found) for found in each.matches]
        )
        for each in page
    ]
    return _answer(models.NeedsAnswer(units=units, next=more))


def _need(found: Match) -> models.NeedAnswer:
    return models.NeedAnswer(
        name=found.need.name,
        level=found.need.level,
        standing=found.standing,
        reached_level=found.reached_level,
        courses=list(found.courses),
        courses_below=list(found.courses_below),
    )


# The catalogue -------------------------------------------------------------------------------------------


def courses(query: models.CoursesQuery) -> flask.Response:
    """The courses of the catalogue, a page at a time."""
    hub = current()
    with hub.db.read() as conn:
        if query.iri is not None:
            found = hub.courses.current(conn).by_iri.get(query.iri)
            page: Sequence[Listed] = [] if found is None else [found]
        else:
            page = catalogue.page(conn, limit=query.limit + 1, after=query.after)
    more = None
    if len(page) > query.limit:
        page = page[: query.limit]
        more = flask.url_for("api.courses", after=page[-1].id, limit=query.limit)
    return _answer(models.CoursesAnswer(courses=[_course(each) for each in page], next=more))


def course(path: models.CoursePath) -> flask.Response:
    """One course of the catalogue."""
    hub = current()
    with hub.db.read() as conn:
        found = hub.courses.current(conn).by_id.get(path.course_id)
    if found is None:
        raise NotFound("unknown_course", f"The catalogue has no course number {path.course_id}.")
    return _answer(_course(found))


def _course(listed: Listed) -> models.CourseAnswer:
    course = listed.course
    return models.CourseAnswer(
        id=listed.id,
        iri=course.id,
        aliases=list(course.aliases),
        provider=course.provider,
        provider_title=listed.institution,
        sources=list(course.sources),
        title_id=course.title("id"),
        title_en=course.title("en"),
        form=course.form,
        scope=course.scope,
        programme_jp=None if course.programme_centi_jp is None else jp(course.programme_centi_jp),
        minutes=course.minutes,
        days=course.days,
        requires=list(course.requires),
        min_score=None if course.min_score is None else course.min_score / MILLION,
        repeat=course.repeat,
        valid_from=course.valid_from,
        valid_until=course.valid_until,
        is_launchable=bool(course.launch_url),
        competencies=[models.CompetencyAnswer(name=each.name, level=each.level) for each in course.competencies],
        version=listed.version,
        digest=course.digest,
        updated_at=listed.updated_at,
    )


# Systems and policies ------------------------------------------------------------------------------------


def connectors() -> flask.Response:
    """The systems that the hub works with, and how their last test went."""
    with current().db.read() as conn:
        tested, tools = connections.last_of_all(conn), registry.list_tools(conn)
        listed = [_connector(each, tested.get(each.id), tools) for each in registry.list_connectors(conn)]
    return _answer(models.ConnectorsAnswer(connectors=listed))


def _connector(
    connector: registry.Connector, tested: connections.Tested | None, tools: Sequence[registry.Tool]
) -> models.ConnectorAnswer:
    found = () if tested is None else tested.checks
    trusted = connector.trusted_centi_jp
    return models.ConnectorAnswer(
        name=connector.name,
        title=connector.shown,
        kind=connector.kind,
        internal=connector.internal,
        vocabulary=connector.vocabulary,
        trusted_jp=None if trusted is None else jp(trusted),
        tools=[tool.name for tool in tools if tool.connector == connector.id],
        tested_at=None if tested is None else tested.at,
        checks=[
            models.CheckOfConnection(code=each.code, outcome=each.outcome, reason=each.reason, detail=each.detail)
            for each in found
        ],
    )


def policies() -> flask.Response:
    """The policies that may be official, and from which years they are."""
    hub = current()
    with hub.db.read() as conn:
        official = hub.policies.active(conn, hub.today().year).name
        listed = [models.PolicyAnswer(**_policy(each, official)) for each in hub.policies.list_all(conn)]
    return _answer(models.PoliciesAnswer(policies=listed))


def policy(path: models.PolicyPath) -> flask.Response:
    """One policy, with the text that its digest is of."""
    hub = current()
    with hub.db.read() as conn:
        official = hub.policies.active(conn, hub.today().year).name
        found = next((each for each in hub.policies.list_all(conn) if each.policy.name == path.name), None)
    if found is None:
        raise NotFound("unknown_policy", "There is no policy of this name.", action="/api/v1/policies lists all.")
    return _answer(models.PolicyText(**_policy(found, official), text=found.policy.text))


def _policy(listed: ListedPolicy, official: str) -> dict[str, Any]:
    policy = listed.policy
    return {
        "name": policy.name,
        "digest": policy.digest,
        "title_id": policy.title_id,
        "title_en": policy.title_en,
        "since": policy.since,
        "until": policy.until,
        "is_official": policy.name == official,
        "active_from": [each.from_year for each in listed.activations],
    }
