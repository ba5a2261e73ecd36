"""Certification of competence: stages with assessors, scores and decisions lead to "competent" or "not yet".

The scheme is data (`policies/certification-*.yaml`): its stages, how each is judged, for how long a certificate holds,
and how long one may appeal. `judge` is pure: from everything that was reported it tells where a candidate stands, unit
by unit, with the evidence of each decision. Peraturan BKN 7/2020: competent means competent in every unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from mappings.course import MILLION, Competency
from mappings.dated import Source, parse_source
from mappings.document import DocumentError, Node, compose, parse_day, parse_scaled
from mappings.facts import Observation, read_score, read_time
from mappings.rtl import Deadline, add_months
from mappings.vocabulary import Vocabulary

METHODS = ("test", "portfolio", "interview", "observation", "panel")
DECISIONS = ("competent", "not_yet")

#: Where a stage or a whole certification stands.
STANDINGS = ("open", "competent", "not_yet")

#: Why a report does not count.
REFUSALS = (
    "unknown_stage",
    "unknown_unit",
    "before_its_turn",  # the stage before it was not passed at that time
    "self_assessed",  # nobody assesses herself
    "no_assessor",  # this stage is judged by people
    "no_decision",  # neither a decision nor a score to decide by
    "appeal_too_late",
    "nothing_to_appeal",
    "wrong_source",  # neither the hub nor a provider that the scheme names
    "impossible",  # a time, score or day that cannot be
)

#: What becomes of what was reported, where it is not refused.
FATES = (
    "evidence",  # where the candidate stands rests on it
    "replaced",  # something later counts in its place: another report, a decision after an appeal, a certificate
    "heard",  # the appeal was heard: the stage is judged again
)

_ADL = "http://adlnet.gov/expapi/verbs/"

#: What the verbs of a certification decide (REGULATION, "xAPI words"); None: the result says it.
VERBS: Mapping[str, str | None] = MappingProxyType(
    {
        f"{_ADL}passed": "competent",
        f"{_ADL}failed": "not_yet",
        f"{_ADL}scored": None,
        "https://w3id.org/xapi/tla/verbs/scored": None,
        f"{_ADL}completed": None,
        "http://id.tincanapi.com/verb/reviewed": None,
        "http://id.tincanapi.com/verb/interviewed": None,
    }
)
#: Verbs whose actor is the assessor; the candidate is the only member of ``context.team``.
ASSESSING = frozenset({"http://id.tincanapi.com/verb/reviewed", "http://id.tincanapi.com/verb/interviewed"})
CERTIFIED = "https://w3id.org/xapi/tla/verbs/certified"
#: No profile has a verb for it: the hub's own.
APPEALED = "urn:wkmb:verb:appealed"

#: Extensions: of the context, which unit a report is about; of a certificate, its last day.
UNIT = "urn:wkmb:certification:unit"
VALID_UNTIL = "http://id.tincanapi.com/extension/valid-until"


class SchemeError(DocumentError):
    """A certification scheme that cannot be used."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: how it is judged, by how many people, and from which score on (millionths of 0..1)."""

    name: str
    method: str
    title_id: str
    title_en: str
    assessors: int
    score: int | None
    source: Source


@dataclass(frozen=True, slots=True)
class Scheme:
    """A certification scheme. ``units``: what is certified, with levels; empty = judged as a whole.

    ``providers``: connectors that may report it, beside the hub. ``activities``: which stage an activity is; the
    scheme itself is the stage "".
    """

    name: str
    digest: str
    title_id: str
    title_en: str
    source: Source
    stages: tuple[Stage, ...]
    units: tuple[Competency, ...]
    validity_months: Deadline
    appeal_days: Deadline
    providers: frozenset[str] = frozenset()
    activities: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str) -> Stage | None:
        """The stage of this name."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def valid_until(self, decided_on: date) -> date:
        """The last day of a certificate that was decided on a day."""
        return add_months(decided_on, self.validity_months.value) - timedelta(1)

    def appeal_until(self, decided_at: datetime, timezone: tzinfo) -> date:
        """The last day on which a decision may be appealed."""
        return decided_at.astimezone(timezone).date() + timedelta(self.appeal_days.value)


@dataclass(frozen=True, slots=True)
class Report:
    """What was reported of one stage: a score, an assessor's decision, or both. ``unit`` empty = all units."""

    stage: str
    at: datetime
    statement: str
    unit: str = ""
    assessor: str = ""
    score: int | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Appeal:
    """The candidate asks that a stage be judged again. Its earlier reports then count no more."""

    stage: str
    at: datetime
    statement: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate was given: it says by itself that the candidate is competent. ``valid_until`` None: as the scheme
    has it."""

    number: str
    at: datetime
    statement: str
    valid_until: date | None = None
    assessor: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A report or appeal that does not count, and why: a code of `REFUSALS`."""

    statement: str
    reason: str


@dataclass(frozen=True, slots=True)
class StageStanding:
    """Where one stage of one unit stands, and on which statements that rests."""

    stage: str
    unit: str
    standing: str
    score: int | None
    assessors: tuple[str, ...]
    evidence: tuple[str, ...]
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Certification:
    """Where a candidate stands. ``valid_until`` is set when competent; ``next_stage`` while it is open."""

    scheme: str
    standing: str
    stages: tuple[StageStanding, ...]
    next_stage: str | None
    decided_on: date | None
    valid_until: date | None
    appeal_until: date | None
    refused: tuple[Refused, ...]
    certificate: Certificate | None = None

    def holds(self, day: date) -> bool:
        """Is the certificate valid on this day?"""
        if self.decided_on is None or self.valid_until is None:
            return False
        return self.decided_on <= day <= self.valid_until


# -- the document


def load_scheme(text: str) -> Scheme:
    """The scheme in a YAML text. Whatever is wrong raises `SchemeError` with line, path and what to do."""
    root = compose(text, kind="scheme", error=SchemeError)
    members = root.members(
        required=("scheme", "title", "reference", "confirmed", "stages", "validity_months", "appeal_days"),
        optional=("units", "providers", "activities"),
    )
    title = members["title"].members(required=("id", "en"))
    source = parse_source(members, None, root)
    parsed = [_parse_stage(node, source) for node in members["stages"].items()]
    stages = tuple(stage for stage, _named in parsed)
    name = members["scheme"].text()
    activities = {activity_of(name): "", **dict.fromkeys(_texts(members, "activities"), "")}
    for stage, named in parsed:
        activities |= dict.fromkeys((activity_of(name, stage.name), *named), stage.name)
    if not stages:
        members["stages"].refuse("no stage. Add at least one.")
    if len({stage.name for stage in stages}) < len(stages):
        members["stages"].refuse("two stages have one name. Give each its own.")
    return Scheme(
        name=name,
        digest=sha256(text.encode()).hexdigest(),
        title_id=title["id"].text(),
        title_en=title["en"].text(),
        source=source,
        stages=stages,
        units=tuple(_parse_unit(node) for node in members["units"].items()) if "units" in members else (),
        validity_months=_parse_number(members["validity_months"], source),
        appeal_days=_parse_number(members["appeal_days"], source),
        providers=frozenset(_texts(members, "providers")),
        activities=MappingProxyType(activities),
    )


def activity_of(scheme: str, stage: str = "") -> str:
    """The activity that a scheme, or a stage of it, is in statements of every hub."""
    return f"urn:wkmb:certification:{scheme}{':' if stage else ''}{stage}"


def _texts(members: Mapping[str, Node], name: str) -> tuple[str, ...]:
    return members[name].texts() if name in members else ()


def _parse_stage(node: Node, inherited: Source) -> tuple[Stage, tuple[str, ...]]:
    """A stage, and what else than the hub calls it in statements."""
    members = node.members(
        required=("name", "method", "title", "assessors"), optional=("score", "reference", "confirmed", "activities")
    )
    title = members["title"].members(required=("id", "en"))
    score = None
    if "score" in members:
        score = parse_scaled(members["score"].text(), MILLION)
        if score is None or not 0 <= score <= MILLION:
            members["score"].refuse("is not a fraction between 0 and 1, such as 0.7.")
    assessors = members["assessors"].integer(low=0, high=100)
    if assessors == 0 and score is None:
        node.refuse("nobody and no score decides this stage. Set assessors or score.")
    name, method = members["name"].text(), members["method"].choice(METHODS)
    source = parse_source(members, inherited, node)
    stage = Stage(name, method, title["id"].text(), title["en"].text(), assessors, score, source)
    return stage, _texts(members, "activities")


def _parse_unit(node: Node) -> Competency:
    members = node.members(required=("name", "level"))
    return Competency(members["name"].text(), members["level"].integer(low=1, high=5))


def _parse_number(node: Node, inherited: Source) -> Deadline:
    members = node.members(required=("value",), optional=("reference", "confirmed"))
    return Deadline(members["value"].integer(low=0, high=1200), parse_source(members, inherited, node))


# -- from statements


def scheme_of(statement: Mapping[str, Any], schemes: Iterable[Scheme]) -> tuple[Scheme, str] | None:
    """The scheme and stage that a statement is about, by its object or by what its context names; the stage is ""
    where only the scheme is named."""
    named = list(_activities(statement))
    for scheme in schemes:
        stages = [stage for iri in named if (stage := _stage_of(scheme, iri)) is not None]
        if stages:
            return scheme, next(filter(None, stages), "")
    return None


def _stage_of(scheme: Scheme, iri: str) -> str | None:
    """The stage that an activity is. One that the scheme does not have is named too, so that it is refused as that."""
    own = f"{activity_of(scheme.name)}:"
    return scheme.activities.get(iri, iri.removeprefix(own) if iri.startswith(own) else None)


def _activities(statement: Mapping[str, Any]) -> Iterator[str]:
    context = statement.get("context")
    around = context.get("contextActivities") if isinstance(context, dict) else None
    listed = (
        [each for part in around.values() for each in ([part] if isinstance(part, dict) else part)] if around else []
    )
    for activity in (statement.get("object"), *listed):
        if isinstance(activity, dict) and isinstance(activity.get("id"), str):
            yield activity["id"]


def candidate_of(statement: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Whom an assessor's statement is about: the only member of its team; None for every other statement."""
    verb, context = statement.get("verb"), statement.get("context")
    if not isinstance(verb, dict) or verb.get("id") not in ASSESSING or not isinstance(context, dict):
        return None
    team = context.get("team")
    members = team.get("member") if isinstance(team, dict) else None
    if isinstance(members, list) and len(members) == 1 and isinstance(members[0], dict):
        return members[0]
    return None


def read_report(
    observation: Observation, scheme: Scheme, stage: str, vocabulary: Vocabulary, assessor: str
) -> Report | Appeal | Certificate | Refused | None:
    """What a statement says of a certification; None where its verb says nothing about one.

    ``assessor``: who judged, as the hub knows the person; "" where nobody is named.
    """
    statement = observation.statement
    verb, id = statement["verb"]["id"], observation.id
    if observation.voided_by is not None or not (verb in VERBS or verb in (CERTIFIED, APPEALED)):
        return None
    # What comes with the token of a launch is the candidate's own word.
    is_own_word = observation.origin.startswith("launch:")
    if is_own_word or not (observation.is_hub or observation.connector in scheme.providers):
        return Refused(id, "wrong_source")
    at = read_time(observation, vocabulary)
    if at is None:
        return Refused(id, "impossible")
    if verb == CERTIFIED:
        return _certificate(statement, id, at, vocabulary, assessor)
    if verb == APPEALED:
        return Appeal(stage, at, id)
    result = statement.get("result") or {}
    score = read_score(result.get("score"), vocabulary)
    if result.get("score") and score is None:
        return Refused(id, "impossible")
    success = {"True": "competent", "False": "not_yet"}.get(str(result.get("success")))
    unit = (statement.get("context", {}).get("extensions") or {}).get(UNIT, "")
    return Report(stage, at, id, str(unit), assessor, score, VERBS[verb] or success)


def _certificate(
    statement: Mapping[str, Any], id: str, at: datetime, vocabulary: Vocabulary, assessor: str
) -> Certificate | Refused:
    said: dict[str, Any] = {}
    for holder in (statement["object"].get("definition"), statement.get("context"), statement.get("result")):
        said |= (holder or {}).get("extensions") or {}
    number = next((str(said[name]) for name in vocabulary.certificate_number if name in said), "")
    if VALID_UNTIL not in said:
        return Certificate(number, at, id, None, assessor)
    until = parse_day(str(said[VALID_UNTIL])[:10])
    return Refused(id, "impossible") if until is None else Certificate(number, at, id, until, assessor)


# -- judging


def judge(
    scheme: Scheme,
    candidate: str,
    reports: Iterable[Report],
    appeals: Iterable[Appeal] = (),
    certificates: Iterable[Certificate] = (),
    *,
    timezone: tzinfo,
) -> Certification:
    """Where a candidate stands after everything that was reported, in whatever order it arrived."""
    hearing = _Hearing(scheme, timezone)
    counting = hearing.admit(candidate, reports)
    asked = hearing.admit_appeals(appeals)
    standings: list[StageStanding] = []
    passed: dict[str, datetime | None] = {unit.name: None for unit in scheme.units} or {"": None}
    for stage in scheme.stages:
        before, passed = passed, {}
        for unit in [unit.name for unit in scheme.units] or [""]:
            # A stage begins when the one before it was passed in this unit.
            standing = _not_begun(stage, unit)
            if unit in before:
                begins = before[unit]
                mine = [r for r in counting if r.stage == stage.name and r.unit in ("", unit)]
                mine = [report for report in mine if begins is None or report.at >= begins]
                standing = hearing.hear(stage, unit, mine, asked)
            if standing.standing == "competent":
                passed[unit] = standing.decided_at
            standings.append(standing)
    found = _certification(scheme, standings, hearing.refused(counting), timezone)
    return _certified(scheme, candidate, found, certificates, timezone)


def fate_of(found: Certification, told: Report | Appeal | Certificate | Refused) -> str:
    """What became of one thing that was reported, in the certification that it led to: a code of `FATES` or `REFUSALS`.

    What one unit rests on is evidence, whatever another unit refuses of it.
    """
    used = {statement for stage in found.stages for statement in stage.evidence}
    if told.statement in used or (found.certificate is not None and told.statement == found.certificate.statement):
        return "evidence"
    reason = next((each.reason for each in found.refused if each.statement == told.statement), None)
    return reason or ("heard" if isinstance(told, Appeal) else "replaced")


def _certified(
    scheme: Scheme, candidate: str, found: Certification, certificates: Iterable[Certificate], timezone: tzinfo
) -> Certification:
    """With the newest certificate, which stands unless a stage was failed after it."""
    given = sorted(set(certificates), key=lambda each: (each.at, each.statement))
    own = tuple(Refused(each.statement, "self_assessed") for each in given if each.assessor == candidate)
    found = replace(found, refused=(*found.refused, *own))
    newest = next((each for each in reversed(given) if each.assessor != candidate), None)
    failed = [s.decided_at for s in found.stages if s.standing == "not_yet" and s.decided_at is not None]
    if newest is None or any(at > newest.at for at in failed):
        return found
    on = newest.at.astimezone(timezone).date()
    return replace(
        found,
        standing="competent",
        next_stage=None,
        decided_on=on,
        valid_until=newest.valid_until or scheme.valid_until(on),
        appeal_until=None,
        certificate=newest,
    )


def _not_begun(stage: Stage, unit: str) -> StageStanding:
    return StageStanding(stage.name, unit, "open", None, (), (), None)


class _Hearing:
    """What was reported, what of it was heard, and what was refused and why."""

    def __init__(self, scheme: Scheme, timezone: tzinfo) -> None:
        self._scheme = scheme
        self._timezone = timezone
        self._stages = {stage.name: stage for stage in scheme.stages}
        self._refused: dict[str, str] = {}
        self._heard: set[str] = set()

    def admit(self, candidate: str, reports: Iterable[Report]) -> list[Report]:
        """The reports that could count, in the order of time."""
        admitted: list[Report] = []
        for report in sorted(set(reports), key=lambda report: (report.at, report.statement)):
            reason = self._reason_against(candidate, report)
            if reason is None:
                admitted.append(report)
            else:
                self._refused[report.statement] = reason
        return admitted

    def _reason_against(self, candidate: str, report: Report) -> str | None:
        stage = self._stages.get(report.stage)
        if stage is None:
            return "unknown_stage"
        if report.unit and report.unit not in {unit.name for unit in self._scheme.units}:
            return "unknown_unit"
        if report.assessor == candidate:
            return "self_assessed"
        if stage.assessors and not report.assessor:
            return "no_assessor"
        if report.decision is None and (report.score is None or stage.score is None):
            return "no_decision"
        return None

    def admit_appeals(self, appeals: Iterable[Appeal]) -> list[Appeal]:
        admitted = sorted(set(appeals), key=lambda appeal: (appeal.at, appeal.statement))
        self._refused |= {a.statement: "unknown_stage" for a in admitted if a.stage not in self._stages}
        return [appeal for appeal in admitted if appeal.stage in self._stages]

    def hear(self, stage: Stage, unit: str, reports: list[Report], appeals: list[Appeal]) -> StageStanding:
        """Judge one stage of one unit. After an appeal that came in time only later reports count."""
        self._heard |= {report.statement for report in reports}
        for appeal in appeals:
            if appeal.stage != stage.name:
                continue
            before = _judge_stage(stage, unit, [report for report in reports if report.at <= appeal.at])
            if before.standing != "not_yet" or before.decided_at is None:
                self._refused.setdefault(appeal.statement, "nothing_to_appeal")
            elif appeal.at.astimezone(self._timezone).date() > self._scheme.appeal_until(
                before.decided_at, self._timezone
            ):
                self._refused.setdefault(appeal.statement, "appeal_too_late")
            else:
                self._heard.add(appeal.statement)
                reports = [report for report in reports if report.at > appeal.at]
        return _judge_stage(stage, unit, reports)

    def refused(self, reports: list[Report]) -> tuple[Refused, ...]:
        """What did not count. A report that no stage heard came before its turn."""
        early = {report.statement: "before_its_turn" for report in reports if report.statement not in self._heard}
        reasons = {**early, **{s: reason for s, reason in self._refused.items() if s not in self._heard}}
        return tuple(Refused(statement, reasons[statement]) for statement in sorted(reasons))


def _judge_stage(stage: Stage, unit: str, reports: list[Report]) -> StageStanding:
    decisions: dict[str, Report] = {}
    score: Report | None = None
    for report in reports:
        if report.score is not None:
            score = report
        if report.decision is not None or stage.assessors:
            decisions[report.assessor] = report
    used = list(decisions.values())
    if stage.score is not None and score is not None and score not in used:
        used.append(score)
    used.sort(key=lambda report: (report.at, report.statement))
    standing = _standing(stage, decisions.values(), score)
    return StageStanding(
        stage=stage.name,
        unit=unit,
        standing=standing,
        score=score.score if score else None,
        assessors=tuple(sorted(name for name in decisions if name)),
        evidence=tuple(report.statement for report in used),
        decided_at=used[-1].at if used and standing != "open" else None,
    )


def _standing(stage: Stage, decisions: Iterable[Report], score: Report | None) -> str:
    decisions = list(decisions)
    if any(report.decision == "not_yet" for report in decisions):
        return "not_yet"
    if stage.score is not None:
        if score is None or score.score is None:
            return "open"
        if score.score < stage.score:
            return "not_yet"
    judged = sum(report.decision == "competent" or stage.score is not None for report in decisions if report.assessor)
    return "competent" if judged >= stage.assessors else "open"


def _certification(
    scheme: Scheme, standings: list[StageStanding], refused: tuple[Refused, ...], timezone: tzinfo
) -> Certification:
    decided = [s.decided_at for s in standings if s.decided_at is not None]
    last = max(decided) if decided else None
    standing = "open"
    if any(s.standing == "not_yet" for s in standings):
        standing = "not_yet"
    elif all(s.standing == "competent" for s in standings):
        standing = "competent"
    on = last.astimezone(timezone).date() if last is not None and standing != "open" else None
    failed = [s.decided_at for s in standings if s.standing == "not_yet" and s.decided_at is not None]
    return Certification(
        scheme=scheme.name,
        standing=standing,
        stages=tuple(standings),
        next_stage=next((s.stage for s in standings if s.standing == "open"), None) if standing == "open" else None,
        decided_on=on,
        valid_until=scheme.valid_until(on) if on is not None and standing == "competent" else None,
        appeal_until=scheme.appeal_until(max(failed), timezone) if failed else None,
        refused=refused,
    )
