"""Statements that the hub writes itself: pure builders, and the recipe of their ids.

A statement made from something else (a score, a launch, a row of a file) has an id that follows from it, so doing
the work again makes the same statement again and the LRS skips it. The recipe is frozen: changing it would store
all of history a second time (docs/decisions/0001-statement-ids.md).

Builders give xAPI 1.0.3 statements: every LRS reads them, also one of version 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

ADL_VERB = "http://adlnet.gov/expapi/verbs/"
VERBS = {
    name: ADL_VERB + name for name in ("launched", "initialized", "completed", "passed", "failed", "scored", "attended")
} | {
    "certified": "https://w3id.org/xapi/tla/verbs/certified",
    "voided": ADL_VERB + "voided",
    # The steps of a follow-up plan (RTL).
    "planned": "https://w3id.org/xapi/tla/verbs/planned",
    "submitted": "https://w3id.org/xapi/dod-isd/verbs/submitted",
    "approved": "https://w3id.org/xapi/tla/verbs/approved",
    "returned": "http://activitystrea.ms/reject",
    "realised": "https://w3id.org/xapi/dod-isd/verbs/implemented",
    "evaluated": "https://w3id.org/xapi/acrossx/verbs/evaluated",
    # Certification; no profile has a verb for an appeal.
    "reviewed": "http://id.tincanapi.com/verb/reviewed",
    "interviewed": "http://id.tincanapi.com/verb/interviewed",
    "appealed": "urn:wkmb:verb:appealed",
}
PLAN_TYPE = "https://w3id.org/xapi/acrossx/activities/learning-plan"
COURSE_TYPE = "http://adlnet.gov/expapi/activities/course"

#: What an AGS score says beyond an xAPI result; read by the mappings' vocabulary.
LINEITEM = "urn:wkmb:ags:lineitem"
ACTIVITY_PROGRESS = "urn:wkmb:ags:activity-progress"
GRADING_PROGRESS = "urn:wkmb:ags:grading-progress"
SCORE_GIVEN = "urn:wkmb:ags:score-given"
#: The items of a follow-up plan; read by `mappings.rtl`.
RTL_ITEMS = "urn:wkmb:rtl:items"
#: What a certificate says.
CERTIFICATE_NUMBER = "urn:wkmb:certificate:number"
CERTIFICATE_ISSUER = "urn:wkmb:certificate:issuer"
CERTIFICATE_JP = "urn:wkmb:certificate:jp"

_NAMESPACE = UUID("5c3a3f0e-7f0b-5b0e-9a39-0b6f6f1d4f11")

Statement = dict[str, Any]


def statement_id(kind: str, source: str, *record: str) -> UUID:
    """The id of the statement made from one record of one source; equal input gives an equal id for ever.

    ``kind`` is "score", "launch", "csv" or another name that is never used for two things; ``source`` the system
    it came from; ``record`` what makes it one record there.
    """
    parts = (kind, source, *record)
    # The length before each part: no two lists of parts can ever read the same.
    return uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))


def moment(at: datetime) -> str:
    """A time as xAPI wants it: UTC, with as many decimals as it has, at least three."""
    return (
        at.astimezone(UTC)
        .isoformat(timespec="microseconds" if at.microsecond % 1000 else "milliseconds")
        .replace("+00:00", "Z")
    )


def account(home_page: str, name: str) -> Statement:
    """An Agent by its account. For people the hub writes an opaque id here, never a NIP."""
    return {"objectType": "Agent", "account": {"homePage": home_page, "name": name}}


def activity(id: str, titles: Mapping[str, str], type: str = COURSE_TYPE) -> Statement:
    """An Activity with its name in the languages there are."""
    definition: Statement = {"type": type}
    if names := {language: title for language, title in titles.items() if title}:
        definition["name"] = names
    return {"objectType": "Activity", "id": id, "definition": definition}


def statement(
    *,
    id: UUID,
    actor: Statement,
    verb: str,
    object: Statement,
    at: datetime,
    result: Statement | None = None,
    registration: UUID | None = None,
    extensions: Mapping[str, Any] | None = None,
    platform: str | None = None,
    about: Statement | None = None,
    instructor: Statement | None = None,
    team: Statement | None = None,
) -> Statement:
    """One statement; ``verb`` is a key of `VERBS`, ``about`` the activity that the object belongs to, ``team`` whom the
    actor did it with (xAPI Data 2.4.6.4: a Group, here of one)."""
    made: Statement = {
        "id": str(id),
        "actor": actor,
        "verb": {"id": VERBS[verb], "display": {"en": verb}},
        "object": object,
        "timestamp": moment(at),
    }
    context: Statement = {}
    if registration is not None:
        context["registration"] = str(registration)
    if platform:
        context["platform"] = platform
    if instructor is not None:
        context["instructor"] = instructor
    if team is not None:
        context["team"] = {"objectType": "Group", "member": [team]}
    if about is not None:
        context["contextActivities"] = {"grouping": [about]}
    if extensions:
        context["extensions"] = dict(extensions)
    if result:
        made["result"] = result
    if context:
        made["context"] = context
    return made


def score(given: float, maximum: float, *, minimum: float = 0) -> Statement:
    """An xAPI score (1.0.3 Data 2.4.5.1): raw may not pass max, so one above it says raw = maximum."""
    return {"raw": min(given, maximum), "min": min(minimum, given), "max": maximum}


def ags_score(
    *,
    id: UUID,
    actor: Statement,
    object: Statement,
    at: datetime,
    lineitem: str,
    activity_progress: str,
    grading_progress: str,
    given: float | None,
    maximum: float | None,
    registration: UUID | None = None,
    comment: str | None = None,
) -> Statement:
    """The statement made from one AGS score (1EdTech AGS 2.0 section 3.4); without ``given`` the score was cleared.

    The received value above the maximum is kept in an extension (CONTRACTS, "What proves what").
    """
    result: Statement = {}
    said: Statement = {LINEITEM: lineitem, ACTIVITY_PROGRESS: activity_progress, GRADING_PROGRESS: grading_progress}
    if given is not None and maximum is not None:
        result["score"] = score(given, maximum)
        if given > maximum:
            said[SCORE_GIVEN] = given
    if activity_progress == "Completed":
        result["completion"] = True
    if comment:
        result["response"] = comment
    return statement(
        id=id, actor=actor, verb="scored", object=object, at=at, result=result, registration=registration,
        extensions=said,
    )  # fmt: skip


def rtl_step(
    *,
    id: UUID,
    actor: Statement,
    state: str,
    plan: Statement,
    course: Statement,
    at: datetime,
    note: str = "",
    items: Sequence[Mapping[str, str]] = (),
    instructor: Statement | None = None,
) -> Statement:
    """One step of the actor's follow-up plan for a course; ``instructor`` is the supervisor where she took it."""
    result: Statement = {}
    if note:
        result["response"] = note
    if items:
        result["extensions"] = {RTL_ITEMS: [dict(item) for item in items]}
    return statement(
        id=id, actor=actor, verb=state, object=plan, at=at, result=result, about=course, instructor=instructor
    )  # fmt: skip
