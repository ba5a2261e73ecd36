"""What the API takes and answers. The hub counts JP in whole hundredths; here they are decimals, exact to the second
place. The descriptions are part of the OpenAPI document."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

JP = Annotated[float, Field(description="Jam pelajaran of 45 minutes, exact to the hundredth.")]


def jp(centi_jp: int) -> float:
    """Hundredths as a decimal: 450 is 4.5."""
    return centi_jp / 100


def _forget_default(schema: dict[str, Any]) -> None:
    """A parameter that may be left out is not one that may be null."""
    schema.pop("default", None)


class _Parameters(BaseModel):
    """A misspelt parameter is refused: one that is silently ignored gives another answer than was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


# Parameters ----------------------------------------------------------------------------------------------


class LearnerPath(_Parameters):
    nip: str = Field(description="A NIP or NI PPPK that the employee has or had: 18 digits.")


class EntryPath(_Parameters):
    entry_id: str = Field(description="The id of an entry, as entries of a learner have it.")


class StatementPath(_Parameters):
    statement_id: UUID = Field(description="The id of an xAPI statement.")


class CoursePath(_Parameters):
    course_id: int = Field(description="The hub's number of a course.")


class PolicyPath(_Parameters):
    name: str = Field(description="The name of a policy.")


class YearQuery(_Parameters):
    year: Annotated[int, Field(ge=2000, le=2099)] | SkipJsonSchema[None] = Field(
        None, description="The current one where left out.", json_schema_extra=_forget_default
    )


class CoursesQuery(_Parameters):
    limit: int = Field(100, ge=1, le=1000, description="How many at most.")
    after: int = Field(0, ge=0, le=2**31 - 1, description="The last course of the page before; `next` has it.")
    iri: str | SkipJsonSchema[None] = Field(
        None, description="Only the course that has this IRI.", json_schema_extra=_forget_default
    )


# A learner's year ----------------------------------------------------------------------------------------


class LearnerName(_Answer):
    nip: str
    name: str


class EntryOfYear(_Answer):
    id: str
    course: str = Field(description="The course's IRI.")
    form: str = Field(description="The form of learning: KL01..KL12, NKL01..NKL13.")
    jp: JP
    on: date = Field(description="The day of the last required evidence.")
    policy: str
    reverses: str | None = Field(description="The entry that this one takes back.")
    evidence: list[str] = Field(description="Ids of the statements that it rests on.")


class PendingCourse(_Answer):
    course: str = Field(description="The course's IRI.")
    missing: list[str] = Field(description="What is still required: completed, passed, score, certificate, …")


class LearnerYear(_Answer):
    """What an employee has of a year: entries of the ledger, and courses that still wait for something."""

    learner: LearnerName
    year: int
    target_jp: JP | None = Field(description="What the law obliges the employee to; null where no rule fits.")
    planned_jp: JP
    recognized_jp: JP
    entries: list[EntryOfYear]
    pending: list[PendingCourse]


# Follow-up plans -----------------------------------------------------------------------------------------


class DutiesQuery(_Parameters):
    until: date | SkipJsonSchema[None] = Field(
        None, description="Due up to this day; what is overdue today where left out.", json_schema_extra=_forget_default
    )
    limit: int = Field(100, ge=1, le=1000, description="How many at most.")
    after: date | SkipJsonSchema[None] = Field(
        None, description="The last day of the page before, with what follows; `next` has all.",
        json_schema_extra=_forget_default,
    )  # fmt: skip
    learner: UUID = Field(UUID(int=0), description="The last one's learner.")
    kind: str = Field("", max_length=16, description="The last one's kind.")
    subject: str = Field("", max_length=2000, description="The last one's subject.")
    who: str = Field("", max_length=36, description="Whom the last one waits for.")


class PlanItem(_Answer):
    activity: str
    indicator: str = Field(description="By what one sees that it is done.")
    due_on: date
    who: str
    monitoring: str


class PlanStep(_Answer):
    state: str = Field(description="planned, submitted, approved, returned, realised or evaluated.")
    at: datetime
    by: str = Field(description="owner or supervisor.")
    note: str
    statement: str = Field(description="The statement that it is.")


class StepNotCounted(_Answer):
    state: str
    at: datetime
    reason: str = Field(description="A stable code; docs/recognition.md has each in words.")
    statement: str


class PlanAnswer(_Answer):
    """A follow-up plan (RTL) for a course."""

    course: str = Field(description="The course's IRI.")
    state: str = Field(description="asked (owed, nothing written), or the state of the last step.")
    finished_on: date | None = Field(description="When the course was finished first.")
    items: list[PlanItem]
    effect: dict[str, str] = Field(description="The effect on work, by who evaluated it: owner, supervisor.")
    steps: list[PlanStep]
    refused: list[StepNotCounted]


class PlansAnswer(_Answer):
    learner: LearnerName
    plans: list[PlanAnswer]


class StageAnswer(_Answer):
    stage: str
    unit: str = Field(description="Empty where the scheme is judged as a whole.")
    standing: str = Field(description="open, competent or not_yet.")
    score: float | None = Field(description="From 0 to 1.")
    assessors: list[str]
    evidence: list[str] = Field(description="Ids of the statements that it rests on.")
    decided_at: datetime | None


class CertificationAnswer(_Answer):
    """Where an employee stands in a certification scheme."""

    scheme: str
    standing: str = Field(description="open, competent or not_yet.")
    next_stage: str | None
    decided_on: date | None
    valid_until: date | None = Field(description="The last day of the certificate.")
    number: str | None
    appeal_until: date | None
    stages: list[StageAnswer]


class CertificationsAnswer(_Answer):
    learner: LearnerName
    certifications: list[CertificationAnswer]


class DutyAnswer(_Answer):
    """Something that has to be done."""

    nip: str | None = Field(description="Whose undertaking it is.")
    kind: str = Field(description="rtl or certification.")
    subject: str = Field(description="The course's IRI, or the name of the scheme.")
    code: str = Field(description="submit, decide, realise, evaluate or renew.")
    due_on: date
    is_overdue: bool
    waits_for: str | None = Field(description="The NIP of who has to do it; null where no supervisor is recorded.")


class DutiesAnswer(_Answer):
    """What is due, the longest overdue first."""

    duties: list[DutyAnswer]
    next: str | None = Field(description="The address of the next page; null on the last one.")


# An entry, a statement -----------------------------------------------------------------------------------


class CheckAnswer(_Answer):
    """One step of the reasoning."""

    code: str
    outcome: str = Field(description="met, applied or limited.")
    value: str = Field(description="What was found.")
    threshold: str = Field(description="What it was held against; empty where nothing.")
    subject: str
    reference: str = Field(description="Where the number is from; empty where the course itself states it.")
    confirmed: str = Field(description="How sure the source is: yes, partly, no, own.")


class SourceAnswer(_Answer):
    """Where a number of the entry is from."""

    reference: str
    confirmed: str = Field(description="How sure that is: yes, partly, no, or own (a rule of the hub's).")


class PolicyOfEntry(_Answer):
    name: str
    digest: str = Field(description="SHA-256 of the document's text.")
    title_id: str
    title_en: str
    sources: list[SourceAnswer] = Field(description="The legal sources of its numbers that this entry rests on.")


class CourseOfEntry(_Answer):
    id: str = Field(description="The course's IRI.")
    number: int | None = Field(description="Its number in the catalogue, if it is there still.")
    digest: str = Field(description="Of the version that was valued.")
    provider: str | None
    provider_title: str | None = Field(description="What people see of the provider; its name where it has no title.")
    title_id: str | None
    title_en: str | None


class LaunchAnswer(_Answer):
    id: str
    tool: str
    deployment: str
    created_at: datetime
    opened_at: datetime | None = Field(description="When the tool took the employee in.")


class ScoreAnswer(_Answer):
    id: str
    lineitem: str
    received_at: datetime
    body: str = Field(description="The score as the tool sent it.")


class RunAnswer(_Answer):
    id: str
    started: datetime
    state: str


class OriginAnswer(_Answer):
    """How a statement came into the hub."""

    kind: str = Field(description="launch, score, run, credential or hub.")
    id: str
    label: str = Field(description="The name of the system behind it.")
    launch: LaunchAnswer | None
    score: ScoreAnswer | None
    run: RunAnswer | None


class EvidenceAnswer(_Answer):
    id: str
    statement: dict[str, Any] = Field(description="What was stated; byte for byte at /statements/{statement_id}.")
    stored: datetime
    authority: dict[str, Any] = Field(description="On whose word it stands.")
    connector: str | None
    connector_title: str | None = Field(description="What people see of the connector; its name where it has no title.")
    origin: OriginAnswer
    voided_by: str | None


class EntryAnswer(_Answer):
    """An entry of the ledger, and why it is one."""

    id: str
    learner: LearnerName
    course: CourseOfEntry
    form: str
    period: str
    on: date
    year: int
    jp: JP
    policy: PolicyOfEntry
    checks: list[CheckAnswer]
    evidence: list[EvidenceAnswer]
    reverses: str | None
    reversed_by: str | None
    cause: dict[str, Any] | None = Field(description="Why it takes another back, where it does.")
    recorded_at: datetime


class ReasonAnswer(_Answer):
    code: str = Field(description="A stable name; docs/recognition.md has each in words.")
    detail: dict[str, str] = Field(description="The values that belong to it.")


class StatementOutcome(_Answer):
    """What became of a statement."""

    outcome: str = Field(description="counted or not_counted.")
    reason: ReasonAnswer
    entries: list[str] = Field(description="Ids of the entries that rest on it, reversals among them.")


class StatementAnswer(StatementOutcome):
    """A statement, and what became of it."""

    statement: dict[str, Any] = Field(description="Byte for byte as it was accepted.")


# The catalogue, systems, policies ------------------------------------------------------------------------


class CompetencyAnswer(_Answer):
    name: str
    level: int | None


class NeedAnswer(_Answer):
    """A competency that is needed."""

    name: str
    level: int | None
    standing: str = Field(description="reached, offered, offered_below (its level) or not_offered.")
    reached_level: int | None
    courses: list[str] = Field(description="IRIs of the courses that offer it.")
    courses_below: list[str] = Field(description="IRIs of courses that offer it below its level.")


class LearnerNeeds(_Answer):
    learner: LearnerName
    needs: list[NeedAnswer]


class UnitNeedsAnswer(_Answer):
    employer: str
    unit: str
    needs: list[NeedAnswer] = Field(description="Matched with the catalogue; what people have reached is theirs.")


class NeedsQuery(_Parameters):
    limit: int = Field(100, ge=1, le=500, description="How many units at most.")
    employer: str = Field("", max_length=200, description="With unit, the last unit of the page before.")
    unit: str = Field("", max_length=200)


class NeedsAnswer(_Answer):
    """A page of the units of which needs are recorded."""

    units: list[UnitNeedsAnswer]
    next: str | None = Field(description="The address of the next page; null on the last one.")


class CourseAnswer(_Answer):
    """The newest version of a course."""

    id: int = Field(description="The hub's number of it.")
    iri: str
    aliases: list[str]
    provider: str = Field(description="The connector whose reports about it count.")
    provider_title: str = Field(description="What people see of the provider; its name where it has no title.")
    sources: list[str] = Field(description="Further connectors whose reports count.")
    title_id: str
    title_en: str
    form: str
    scope: str
    programme_jp: JP | None
    minutes: int | None
    days: int
    requires: list[str]
    min_score: float | None = Field(description="From 0 to 1.")
    repeat: str
    valid_from: date | None
    valid_until: date | None
    is_launchable: bool
    competencies: list[CompetencyAnswer]
    version: int
    digest: str
    updated_at: datetime


class CoursesAnswer(_Answer):
    """A page of the catalogue, in the order of the hub's numbers."""

    courses: list[CourseAnswer]
    next: str | None = Field(description="The address of the next page; null on the last one.")


class CheckOfConnection(_Answer):
    code: str
    outcome: str = Field(description="ok, warning, failed or skipped.")
    reason: str
    detail: str


class ConnectorAnswer(_Answer):
    """A system that the hub works with. No secret, key or address of it is told."""

    name: str
    title: str = Field(description="What people see of it; its name where it has no title.")
    kind: str
    internal: bool
    vocabulary: str
    trusted_jp: JP | None = Field(description="How much JP a certificate of it may assert.")
    tools: list[str]
    tested_at: datetime | None
    checks: list[CheckOfConnection]


class ConnectorsAnswer(_Answer):
    connectors: list[ConnectorAnswer]


class PolicyAnswer(_Answer):
    name: str
    digest: str = Field(description="SHA-256 of its text.")
    title_id: str
    title_en: str
    since: date
    until: date | None
    is_official: bool = Field(description="Whether it is the one of the current year.")
    active_from: list[int] = Field(description="The years from which it was made the official one.")


class PoliciesAnswer(_Answer):
    policies: list[PolicyAnswer]


class PolicyText(PolicyAnswer):
    text: str = Field(description="The whole document, as it was released.")
