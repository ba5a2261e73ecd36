"""From an hour to its evidence and back, and the proof that nothing of it was altered.

Down: an entry -> the checks that were made, the policy and its legal sources, the version of the course -> each
statement, who said it, and how it came (a launch, a score, a pull, a file, a credential). Up: a statement -> what it
came to, or why it earns nothing -> the entries that rest on it.

`verify` believes nothing that can be computed: it follows the chain of every entry, reads the stored bytes again, and
evaluates them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.jp import ledger, recognition
from hub.jp.ledger import Entry
from hub.jp.policies import PolicyUnknown
from hub.jp.recognition import Observed, Surroundings
from hub.learning import needs, undertakings
from hub.learning.undertakings import CERTIFICATION, Told
from hub.people import identity, learners
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.systems import sync
from hub.systems.sync_tables import connector_runs
from hub.tables import course_versions, courses, credentials, deployments, enrollments, launches, scores, tools
from lrs import query, statements
from lrs.agents import Identifier, agent_key, identifier
from lrs.query import Stored
from lrs.tables import statement_ids
from mappings.certification import Certification, Scheme, Stage, candidate_of, fate_of, scheme_of
from mappings.course import Course, CourseError
from mappings.evaluate import Outcome, outcome_of
from mappings.facts import Fact, NotAFact
from mappings.policy import Form, Policy
from mappings.rules import jp_text

T = TypeVar("T")

#: What a statement comes to on which an hour rests, and one whose actor is nobody's.
COUNTED, UNRESOLVED = "counted", "unresolved"


# How a statement came ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LaunchSeen:
    """The launch in which a learner was sent to a course. ``opened_at``: when the tool took her in."""

    id: UUID
    learner: UUID
    course: str
    tool: str
    deployment: str
    created_at: datetime
    opened_at: datetime | None
    fetched_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScoreSeen:
    """A score as the tool sent it."""

    id: UUID
    lineitem: str
    tool: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RunSeen:
    """The pull or file that brought a statement, and what the other LRS had set on it."""

    id: UUID
    started: datetime
    state: str
    stored: str | None
    authority: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Origin:
    """How a statement came. ``kind``: launch, score, run, credential or hub; ``label``: the system's name for people.

    A score has the launch in which its learner was sent there too.
    """

    kind: str
    id: str
    label: str
    launch: LaunchSeen | None = None
    score: ScoreSeen | None = None
    run: RunSeen | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A statement that an entry rests on, with who said it and how it came. ``institution`` is what people see of the
    connector (`hub.systems.institutions`)."""

    stored: Stored
    statement: Mapping[str, Any]
    connector: str | None
    institution: str | None
    origin: Origin

    @property
    def authority(self) -> Mapping[str, Any]:
        """On whose word it stands."""
        return _mapping(self.statement.get("authority"))


@dataclass(frozen=True, slots=True)
class LegalSource:
    """What a number rests on, and how sure that is (see docs/recognition.md)."""

    reference: str
    confirmed: str


@dataclass(frozen=True, slots=True)
class EntryExplained:
    """An entry with everything that it rests on. ``course`` is the version by which it was valued; ``institution`` is
    what people see of its provider."""

    entry: Entry
    learner: Learner | None
    course: Course | None
    course_number: int | None
    policy: Policy
    form: Form | None
    sources: tuple[LegalSource, ...]
    evidence: tuple[Evidence, ...]
    reversed_by: Entry | None
    reverses: Entry | None
    institution: str | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a statement says of a certification, and what became of that.

    ``fate``: a code of `mappings.certification.FATES` or ``REFUSALS``; `UNRESOLVED` where nobody knows yet who the
    candidate is. ``found``: where she stands now.
    """

    scheme: Scheme
    stage: Stage | None
    told: Told
    fate: str
    candidate: Learner | None = None
    assessor: Learner | None = None
    found: Certification | None = None

    @property
    def is_counted(self) -> bool:
        """Whether it changed where the candidate stands."""
        return self.fate in ("evidence", "heard")


@dataclass(frozen=True, slots=True)
class StatementExplained:
    """A statement with what it came to. ``target``: what it voids, where it is a voiding one. ``assessment``: what it
    says of a certification, where it is about one. ``refused_step``: why it is no step of a follow-up plan although it
    says so, a code of `mappings.rtl.REFUSALS`."""

    evidence: Evidence
    actor: Identifier | None
    learner: Learner | None
    reading: Fact | NotAFact
    outcome: Outcome | None
    entries: tuple[Entry, ...]
    target: UUID | None
    assessment: Assessment | None = None
    refused_step: str | None = None

    @property
    def stored(self) -> Stored:
        """The statement as it lies in the LRS."""
        return self.evidence.stored

    @property
    def code(self) -> str:
        """Why it counts or not: a code of "reason" or "outcome" in `mappings.codes`, or `UNRESOLVED`; of what is said
        of a certification and of no course, `CERTIFICATION` and what became of it."""
        if isinstance(self.reading, NotAFact):
            return f"{CERTIFICATION}_{self.assessment.fate}" if self.assessment else self.reading.reason
        return self.outcome.code if self.outcome else UNRESOLVED

    @property
    def detail(self) -> Mapping[str, str]:
        """The values that belong to the code."""
        if isinstance(self.reading, NotAFact):
            return self.reading.detail if self.assessment is None else _assessed(self.assessment)
        return self.outcome.detail if self.outcome else {}

    @property
    def is_counted(self) -> bool:
        """Whether an hour rests on it, or where somebody stands in a certification."""
        return self.code == COUNTED or (self.assessment is not None and self.assessment.is_counted)


def _assessed(found: Assessment) -> Mapping[str, str]:
    stage = {"stage": found.stage.name} if found.stage else {}
    return {"scheme": found.scheme.name, **stage, **({"standing": found.found.standing} if found.found else {})}


# Explaining --------------------------------------------------------------------------------------------


def explain_entry(conn: sa.Connection, hub: Hub, entry_id: str) -> EntryExplained | None:
    """Everything that an entry rests on; None where there is no such entry."""
    entry = ledger.get(conn, entry_id)
    if entry is None:
        return None
    policy = hub.policies.named(conn, entry.policy)
    around = recognition.surroundings(conn, hub)
    titles = {each.name: each.institution for each in around.systems.values()}
    course = _course_version(conn, entry.course_digest)
    seen = (query.get(conn, UUID(each)) for each in entry.evidence)
    return EntryExplained(
        entry=entry,
        learner=learners.find(conn, entry.learner),
        course=course,
        course_number=conn.execute(sa.select(courses.c.id).where(courses.c.course == entry.course)).scalar(),
        policy=policy,
        form=policy.forms.get(entry.form),
        sources=_sources(entry),
        evidence=tuple(_evidence(conn, stored, around) for stored in seen if stored is not None),
        reversed_by=ledger.find_reversal(conn, entry),
        reverses=ledger.get(conn, entry.reverses) if entry.reverses else None,
        institution=titles.get(course.provider, course.provider) if course else None,
    )


def explain_statement(conn: sa.Connection, hub: Hub, statement_id: UUID) -> StatementExplained | None:
    """What a statement came to; None where there is none with this id."""
    stored = query.get(conn, statement_id)
    if stored is None:
        return None
    around = recognition.surroundings(conn, hub)
    evidence = _evidence(conn, stored, around)
    observed = recognition.observe(hub, stored, around)
    reading = observed.reading
    owner = identity.learner_of(conn, stored.actor_key)
    hers = recognition.observations(conn, hub, owner, around) if owner and isinstance(reading, Fact) else []
    return StatementExplained(
        evidence=evidence,
        actor=identifier(_mapping(evidence.statement.get("actor"))),
        learner=learners.find(conn, owner) if owner else None,
        reading=reading,
        outcome=_outcome(conn, hub, hers, reading, around) if hers and isinstance(reading, Fact) else None,
        entries=_resting_on(conn, statement_id),
        target=_target(evidence.statement),
        assessment=_assessment(conn, hub, observed, around),
        refused_step=_refused_step(hub, hers, reading) if isinstance(reading, Fact) else None,
    )


def _refused_step(hub: Hub, hers: Sequence[Observed], fact: Fact) -> str | None:
    """Why a step that a statement tells was not taken, in the plan that it is about."""
    if not fact.kind.startswith("rtl_"):
        return None
    refused = undertakings.plan_of(hub, hers, fact.course).plan.refused
    return next((each.reason for each in refused if each.step.statement == fact.statement), None)


def _assessment(conn: sa.Connection, hub: Hub, each: Observed, around: Surroundings) -> Assessment | None:
    """What a statement says of a certification; None where it says nothing of one, or was voided."""
    named = scheme_of(each.observation.statement, around.schemes)
    told = undertakings.report_of(conn, hub, each.observation, *named) if named else None
    if named is None or told is None:
        return None
    scheme, stage = named
    about = candidate_of(each.observation.statement)
    who = identifier(about) if about else None
    candidate = identity.learner_of(conn, agent_key(who) if who else each.stored.actor_key)
    seen = Assessment(scheme, scheme.stage(stage), told, UNRESOLVED, assessor=_assessor(conn, told))
    if candidate is None:
        return seen
    observed = recognition.observations(conn, hub, candidate, around)
    reported = [*observed, *recognition.assessed(conn, hub, candidate, around)]
    heard = [one for _scheme, listed in undertakings.reports_of(conn, hub, candidate, reported, (scheme,))
             for one in listed]  # fmt: skip
    found = undertakings.certification_of(hub, candidate, scheme, heard)
    return replace(seen, fate=fate_of(found, told), candidate=learners.find(conn, candidate), found=found)


def _assessor(conn: sa.Connection, told: Told) -> Learner | None:
    """Who judged, where the hub knows her."""
    name = getattr(told, "assessor", "")
    return _read(name, UUID, partial(learners.find, conn)) if name else None


def _outcome(conn: sa.Connection, hub: Hub, observed: Sequence[Observed], fact: Fact, around: Surroundings) -> Outcome:
    """What the fact comes to among all of the learner's, under the policy of its year."""
    policy = hub.policies.active(conn, fact.at.astimezone(hub.settings.timezone).year)
    return outcome_of(recognition.evaluate_all(hub, policy, observed, around), fact)


def _resting_on(conn: sa.Connection, statement: UUID) -> tuple[Entry, ...]:
    """The entries that rest on a statement, and what took some of them back."""
    by_learner: dict[UUID, list[int]] = {}
    for learner, position in ledger.resting_on(conn, statement):
        by_learner.setdefault(learner, []).append(position)
    return tuple(
        entry for learner, positions in by_learner.items() for entry in ledger.at_positions(conn, learner, positions)
    )


def _target(statement: Mapping[str, Any]) -> UUID | None:
    thing = _mapping(statement.get("object"))
    is_voiding = _mapping(statement.get("verb")).get("id") == xapi.VERBS["voided"]
    return UUID(thing["id"]) if is_voiding and thing.get("objectType") == "StatementRef" else None


def _sources(entry: Entry) -> tuple[LegalSource, ...]:
    given = (LegalSource(check.reference, check.confirmed) for check in entry.checks if check.reference)
    return tuple(dict.fromkeys(given))


def _course_version(conn: sa.Connection, digest: str) -> Course | None:
    text = conn.execute(sa.select(course_versions.c.document).where(course_versions.c.digest == digest)).scalar()
    try:
        return None if text is None else Course.from_json(text)
    except CourseError:
        return None


def _evidence(conn: sa.Connection, stored: Stored, around: Surroundings) -> Evidence:
    system = around.systems.get(stored.owner) if stored.owner is not None else None
    statement = recognition.parse(stored.payload)
    name = system.name if system else None
    institution = system.institution if system else None
    return Evidence(stored, statement, name, institution, find_origin(conn, stored, statement, name))


def find_origin(conn: sa.Connection, stored: Stored, statement: Mapping[str, Any], connector: str | None) -> Origin:
    """How a statement came, as far as the hub has it on record."""
    kind, _, id = stored.origin.partition(":")
    if kind == "launch":
        launch = _read(id, UUID, partial(_launch, conn))
        return Origin(kind, id, launch.tool if launch else connector or "", launch=launch)
    if kind == "score":
        return _score_origin(conn, id, statement)
    if kind == "run":
        run = _read(id, UUID, partial(_run, conn, stored))
        return Origin(kind, id, connector or "", run=run)
    if kind == "credential":
        name = _read(id, int, partial(_credential, conn))
        return Origin(kind, id, name or connector or "")
    return Origin(kind, id, "hub")


def _read(text: str, parse: Callable[[str], Any], find: Callable[[Any], T]) -> T | None:
    """What an origin names; None where it names it in no way that is known."""
    try:
        return find(parse(text))
    except ValueError:
        return None


def _launch(conn: sa.Connection, id: UUID) -> LaunchSeen | None:
    at = launches.c
    found = sa.select(
        at.id, at.learner, at.activity, tools.c.name.label("tool"), deployments.c.name.label("deployment"),
        at.created_at, at.hint_used_at, at.fetched_at,
    )  # fmt: skip
    joined = found.outerjoin_from(launches, tools, tools.c.id == at.tool)
    joined = joined.outerjoin(deployments, deployments.c.id == at.deployment)
    row = conn.execute(joined.where(at.id == id)).first()
    return None if row is None else LaunchSeen(*row)


def _score_origin(conn: sa.Connection, id: str, statement: Mapping[str, Any]) -> Origin:
    extensions = _mapping(_mapping(statement.get("context")).get("extensions"))
    lineitem = str(extensions.get(xapi.LINEITEM, ""))
    row = _read(id, UUID, partial(_score, conn, lineitem))
    if row is None:
        return Origin("score", id, "")
    score = ScoreSeen(row.id, lineitem, row.tool or "", bytes(row.body), row.received_at)
    return Origin("score", id, score.tool, _launch_of(conn, row.learner, statement), score)


def _score(conn: sa.Connection, lineitem: str, id: UUID) -> sa.Row[Any, Any, Any, Any, Any] | None:
    at = scores.c
    query = sa.select(at.id, at.learner, tools.c.name.label("tool"), at.body, at.received_at)
    query = query.outerjoin_from(scores, tools, tools.c.id == at.tool)
    return conn.execute(query.where(at.lineitem == UUID(lineitem.rpartition("/")[2]), at.id == id)).first()


def _launch_of(conn: sa.Connection, learner: UUID, statement: Mapping[str, Any]) -> LaunchSeen | None:
    """The newest launch of the registration that a score is about."""
    registration = _mapping(statement.get("context")).get("registration")
    if registration is None:
        return None
    at = enrollments.c
    newest = sa.select(at.launch).where(at.learner == learner, at.registration == UUID(registration))
    launch = conn.execute(newest.order_by(at.last_at.desc()).limit(1)).scalar()
    return None if launch is None else _launch(conn, launch)


def _run(conn: sa.Connection, stored: Stored, id: UUID) -> RunSeen | None:
    at = connector_runs.c
    row = conn.execute(
        sa.select(at.id, at.started, at.state).where(at.connector == stored.owner, at.id == id)
    ).first()  # fmt: skip
    if row is None:
        return None
    theirs = sync.find_origin(conn, stored.id)
    authority = orjson.loads(theirs.authority) if theirs is not None and theirs.authority else None
    return RunSeen(row.id, row.started, row.state, theirs.stored if theirs is not None else None, authority)


def _credential(conn: sa.Connection, id: int) -> str | None:
    return conn.execute(sa.select(credentials.c.name).where(credentials.c.id == id)).scalar()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# Listing -----------------------------------------------------------------------------------------------

#: What a statement of a list comes to: an hour rests on it, or it is evidence on which none rests (yet). Else
#: `UNRESOLVED`, `CERTIFICATION`, or the reason why it is no evidence. What exactly is still missing, or what became of
#: it in a certification, the statement's own page says.
EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Outlined:
    """A statement of a list: whose it is, and what it comes to."""

    stored: Stored
    learner: Learner | None
    code: str
    detail: Mapping[str, str]


def outline(conn: sa.Connection, hub: Hub, page: Sequence[Stored]) -> tuple[Outlined, ...]:
    """What each statement of a page comes to, with as many questions for a long page as for a short one."""
    around = recognition.surroundings(conn, hub)
    known = identity.find_many(conn, [each.actor_key for each in page])
    people = learners.find_many(conn, [each.learner for each in known.values() if each.learner is not None])
    counted = ledger.standing_on(conn, [each.id for each in page])
    found = []
    for stored in page:
        actor = known.get(stored.actor_key)
        learner = people.get(actor.learner) if actor is not None and actor.learner is not None else None
        reading = recognition.observe(hub, stored, around).reading
        if isinstance(reading, NotAFact):
            found.append(Outlined(stored, learner, _no_fact(stored, reading, around), reading.detail))
        else:
            code = COUNTED if stored.id in counted else EVIDENCE if learner else UNRESOLVED
            found.append(Outlined(stored, learner, code, {}))
    return tuple(found)


def _no_fact(stored: Stored, reading: NotAFact, around: Surroundings) -> str:
    """Why a statement of a list is no evidence for a course, or that it is about a certification instead."""
    is_about_none = reading.reason == "unknown_course"
    named = scheme_of(recognition.parse(stored.payload), around.schemes) if is_about_none else None
    return CERTIFICATION if named else reading.reason


# Handing out ---------------------------------------------------------------------------------------------------


def export(conn: sa.Connection, hub: Hub, learner: Learner) -> Iterator[dict[str, Any]]:
    """All that is recorded of one person, thing by thing: who she is, by what she is known, every row of her ledger
    with key and digest (so that the chain can be followed elsewhere), what is pending, what she undertakes and needs,
    her statements, and those of her assessors."""
    nips = learners.nips_of(conn, learner.id)
    yield {"kind": "learner", **asdict(learner), "nips": nips}
    for known in identity.identities_of(conn, learner.id):
        who = {"type": known.who.kind, "homepage": known.who.homepage, "name": known.who.name}
        yield {"kind": "identity", **who, "linked_by": known.linked_by, "linked_at": known.linked_at}
    for row in ledger.rows_of(conn, learner.id):
        plain = {str(name): value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
        yield {"kind": "entry", "id": ledger.entry_id(learner.id, row["position"]), **plain}
    around = recognition.surroundings(conn, hub)
    for policy in around.policies:
        for found in ledger.pending_of(conn, learner.id, policy.name):
            yield {"kind": "pending", "policy": policy.name, **asdict(found)}
    for undertaken in undertakings.read(conn, learner.id):
        yield {"kind": undertaken.kind, **asdict(undertaken), "document": orjson.loads(undertaken.document)}
    if needed := needs.of_learner(conn, learner):
        yield {"kind": "needs", "competencies": [asdict(need) for need in needed]}
    assessed = recognition.assessed(conn, hub, learner.id, around)
    for each in (*recognition.observations(conn, hub, learner.id, around), *assessed):
        yield {
            "kind": "statement",
            "statement": each.observation.statement,
            "connector": each.observation.connector,
            "origin": each.stored.origin,
            "voided_by": each.observation.voided_by,
            "reason": each.reading.reason if isinstance(each.reading, NotAFact) else None,
        }


# Verifying ---------------------------------------------------------------------------------------------

#: Every code of a `Finding`. Those of `NOTICES` say that something is under way, the others that something is wrong.
FINDINGS = (
    "position_missing",  # the entries are not numbered without a gap
    "chain_broken",  # an entry does not say what it said when it was written, or the one before it
    "key_wrong",  # the idempotency key is not that of the entry
    "document_changed",  # the reasoning is not the one whose digest the entry has
    "entry_differs",  # the entry's columns say something else than its reasoning
    "reversal_wrong",  # it does not take back exactly one earlier entry
    "policy_changed",  # the policy of that name is another document
    "course_version_missing",  # the version of the course is not there, or another one
    "evidence_differs",  # the way from statements to entries is not that of the reasoning
    "statement_missing",
    "statement_changed",  # the stored bytes are not those that were accepted
    "not_recognized",  # an entry holds that the statements do not give
    "not_entered",  # what the statements give is in no entry
    "waiting",  # something arrived that was not recomputed yet
)
NOTICES = frozenset({"waiting"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between what is recorded and what can be computed. ``subject``: an entry, statement or course."""

    code: str
    learner: UUID
    subject: str
    detail: Mapping[str, str]

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.code not in NOTICES


@dataclass(frozen=True, slots=True)
class Verified:
    """One learner after she was verified."""

    learner: UUID
    entries: int
    statements: int
    findings: tuple[Finding, ...]


def verify(hub: Hub, nip: str | None = None) -> Iterator[Verified]:
    """Recompute from stored bytes what is recorded of a learner, or of everybody: one at a time, each in one read."""
    if nip is not None:
        with hub.db.read() as conn:
            learner = learners.find_by_nip(conn, nip)
        if learner is not None:
            yield _verify(hub, learner.id)
        return
    after: UUID | None = None
    while True:
        with hub.db.read() as conn:
            page = recognition.list_learners(conn, after=after, limit=500)
        if not page:
            return
        for each in page:
            yield _verify(hub, each)
        after = page[-1]


def _verify(hub: Hub, learner: UUID) -> Verified:
    with hub.db.read() as conn:
        rows = ledger.rows_of(conn, learner)
        around = recognition.surroundings(conn, hub)
        observed = recognition.observations(conn, hub, learner, around)
        findings = [
            *_check_chain(learner, rows),
            *(finding for row in rows for finding in _check_entry(conn, hub, learner, row, rows)),
            *_check_evidence(conn, learner, rows, observed),
            *_check_bytes(conn, learner, observed),
            *_check_balance(conn, hub, learner, rows, observed, around),
        ]
    return Verified(learner, len(rows), len(observed), tuple(findings))


def _check_chain(learner: UUID, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    before = b""
    for position, row in enumerate(rows, start=1):
        subject = ledger.entry_id(learner, row["position"])
        if row["position"] != position:
            yield Finding("position_missing", learner, ledger.entry_id(learner, position), {"found": subject})
            return
        if row["digest"] != ledger.chained(before, row):
            yield Finding("chain_broken", learner, subject, {"recorded": row["digest"].hex()})
        before = row["digest"]


def _check_entry(
    conn: sa.Connection, hub: Hub, learner: UUID, row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """One entry by itself: its reasoning, its key, its policy, its course."""
    subject = ledger.entry_id(learner, row["position"])
    document = _document(row)
    if document is None or sha256(row["document"].encode()).hexdigest() != row["content"]:
        yield Finding("document_changed", learner, subject, {"digest": row["content"]})
    elif different := sorted(ledger.differences(row, document)):
        yield Finding("entry_differs", learner, subject, {"columns": ", ".join(different)})
    if row["reverses"] is None and row["key"] != ledger.key_of(row, rows):
        yield Finding("key_wrong", learner, subject, {"key": row["key"].hex()})
    if row["reverses"] is not None and not ledger.is_reversal(row, rows):
        yield Finding("reversal_wrong", learner, subject, {"reverses": ledger.entry_id(learner, row["reverses"])})
    try:
        digest = hub.policies.named(conn, row["policy"]).digest
    except PolicyUnknown:
        digest = ""
    if digest != row["policy_digest"]:
        yield Finding("policy_changed", learner, subject, {"policy": row["policy"], "recorded": row["policy_digest"]})
    course = _course_version(conn, row["course_digest"])
    if course is None or course.digest != row["course_digest"]:
        detail = {"course": row["course"], "digest": row["course_digest"]}
        yield Finding("course_version_missing", learner, subject, detail)


def _document(row: Mapping[str, Any]) -> ledger.Document | None:
    """An entry's reasoning; None where it cannot be read any more."""
    try:
        return ledger.Document.parse(row["document"])
    except ValueError:
        return None


def _check_evidence(
    conn: sa.Connection, learner: UUID, rows: Sequence[Mapping[str, Any]], observed: Sequence[Observed]
) -> Iterator[Finding]:
    """The way up must be the way down: the entries that a statement leads to are those that name it."""
    named: dict[UUID, set[int]] = {each.stored.id: set() for each in observed}
    for row in rows:
        document = _document(row) if row["reverses"] is None else None
        for each in document.evidence if document else ():
            named.setdefault(UUID(each), set()).add(row["position"])
    led = ledger.positions_resting_on(conn, learner, named)
    for statement, positions in named.items():
        found = led.get(statement, set())
        if found != positions:
            detail = {"recorded": _joined(found), "computed": _joined(positions)}
            yield Finding("evidence_differs", learner, str(statement), detail)
    for statement in named.keys() - {each.stored.id for each in observed}:
        # It may be somebody else's by now: what matters is that it is still there.
        if query.get(conn, statement) is None:
            yield Finding("statement_missing", learner, str(statement), {})


def _check_bytes(conn: sa.Connection, learner: UUID, observed: Sequence[Observed]) -> Iterator[Finding]:
    accepted = _accepted_digests(conn, [each.stored.id for each in observed])
    for each in observed:
        if accepted.get(each.stored.id) != statements.digest(each.observation.statement):
            yield Finding("statement_changed", learner, str(each.stored.id), {"origin": each.stored.origin})


def _accepted_digests(conn: sa.Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The digests that were taken when these statements were accepted."""
    at = statement_ids.c
    found: dict[UUID, int] = {}
    for begin in range(0, len(ids), 500):
        part = sa.select(at.id, at.digest).where(at.id.in_(ids[begin : begin + 500]))
        found |= {row.id: row.digest for row in conn.execute(part)}
    return found


def _check_balance(
    conn: sa.Connection,
    hub: Hub,
    learner: UUID,
    rows: Sequence[Mapping[str, Any]],
    observed: Sequence[Observed],
    around: Surroundings,
) -> Iterator[Finding]:
    """Evaluate again: what holds must be what the statements give."""
    if recognition.is_waiting(conn, learner):
        yield Finding("waiting", learner, str(learner), {})
        return
    gone = {row["reverses"] for row in rows}
    for policy in hub.policies.complete(conn):
        live = {
            (row["course"], row["period"], row["content"]): row
            for row in rows
            if row["policy"] == policy.name and row["reverses"] is None and row["position"] not in gone
        }
        given = {each.key: each for each in recognition.evaluate_all(hub, policy, observed, around).recognitions}
        for key in live.keys() - given.keys():
            subject = ledger.entry_id(learner, live[key]["position"])
            yield Finding("not_recognized", learner, subject, {"course": key[0], "jp": jp_text(live[key]["centi_jp"])})
        for key in given.keys() - live.keys():
            detail = {"policy": policy.name, "period": key[1], "jp": jp_text(given[key].centi_jp)}
            yield Finding("not_entered", learner, key[0], detail)


def _joined(positions: Iterable[int]) -> str:
    return ", ".join(str(position) for position in sorted(positions))
