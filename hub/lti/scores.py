"""Scores: what a tool says of one person's work in one line item (AGS 2.0 section 3.4).

`parse_score` reads, `decide` judges, both pure; `accept` writes once: the score as it was received, the statement
made from it, the result that the results service tells, and the wake-up of the learner's recognition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.lti import launches
from hub.lti.contexts import Context
from hub.lti.lineitems import LineItem, coupled_id
from hub.lti.numbers import parse_number
from hub.lti.refused import ServiceRefused
from hub.lti.times import parse_time
from hub.lti_tool import gradebooks
from hub.lti_tool.gradebooks import Wanted
from hub.statements import ingest
from hub.systems.registry import Tool
from hub.tables import enrollments, results, scores
from lrs import statements
from lrs.database import insert_all, upsert
from lrs.statements import Prepared
from mappings.course import Course

if TYPE_CHECKING:
    from hub.runtime import Hub

ACTIVITY_PROGRESS = ("Initialized", "Started", "InProgress", "Submitted", "Completed")
GRADING_PROGRESS = ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady")

#: A score from further ahead is taken for one of now: else it would shut out every score until that day.
AHEAD = timedelta(minutes=5)

#: Moodle sends 1970-01-01 for a grade whose day it does not know. Such a score is ordered by what it says, and its
#: statement is of the day on which it came.
UNKNOWN_DAY = datetime(1970, 1, 2, tzinfo=UTC)

LONGEST_COMMENT = 32 * 1024


@dataclass(frozen=True, slots=True)
class Score:
    """One score. ``given`` is None where the score is taken back."""

    user: UUID
    timestamp: datetime
    activity_progress: str
    grading_progress: str
    given: Decimal | None
    maximum: Decimal | None
    comment: str | None
    digest: bytes

    @property
    def is_published(self) -> bool:
        """Whether it changes the result that is told: a final grade, or one taken back (sections 3.4.4 and 3.4.7)."""
        return self.grading_progress == "FullyGraded" or self.given is None


@dataclass(frozen=True, slots=True)
class Newest:
    """What is stored of the newest score of one person in one line item."""

    timestamp: datetime
    digest: bytes


class Decision(Enum):
    """What becomes of a score."""

    STORE = "store"
    REPEATED = "repeated"
    OLDER = "older"


def decide(newest: Newest | None, timestamp: datetime, digest: bytes) -> Decision:
    """An older score is refused (section 3.4.9), the same one again changes nothing, everything else is newer.

    Two of the same moment may differ: some tools' clocks have whole seconds. The later arrival holds.
    """
    if newest is None:
        return Decision.STORE
    if newest.digest == digest:
        return Decision.REPEATED
    return Decision.OLDER if timestamp < newest.timestamp else Decision.STORE


# Reading ---------------------------------------------------------------------------------------------------------


def parse_score(body: Any) -> Score:
    """The score in a request's body; `ServiceRefused` says which member is wrong. Unknown members are ignored."""
    if not isinstance(body, dict):
        raise ServiceRefused(400, "score", "The body must be one score: a JSON object.")
    _check_submission(body.get("submission"))
    said = {name: body.get(name) for name in _MEMBERS}
    return Score(
        user=_user(body.get("userId")),
        timestamp=_timestamp(body.get("timestamp"), "timestamp"),
        activity_progress=_one_of(body, "activityProgress", ACTIVITY_PROGRESS),
        grading_progress=_one_of(body, "gradingProgress", GRADING_PROGRESS),
        given=_given(body),
        maximum=_maximum(body),
        comment=_comment(body.get("comment")),
        digest=hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest(),
    )


#: What makes two scores the same one.
_MEMBERS = (
    "userId",
    "timestamp",
    "activityProgress",
    "gradingProgress",
    "scoreGiven",
    "scoreMaximum",
    "comment",
    "submission",
)


def _user(value: Any) -> UUID:
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:
        raise ServiceRefused(404, "userId", "userId is the sub of nobody who was launched in this context.")
    return found


def _timestamp(value: Any, name: str) -> datetime:
    at = parse_time(value) if isinstance(value, str) else None
    if at is None:
        raise ServiceRefused(400, name, f"{name} must be a time with a zone, such as 2026-01-31T08:00:00.123Z.")
    return at


def _one_of(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise ServiceRefused(400, name, f"{name} must be one of {', '.join(allowed)}.")
    return value


def _given(body: Mapping[str, Any]) -> Decimal | None:
    value = body.get("scoreGiven")
    if value is None:
        return None
    number = parse_number(value)
    if number is None or number < 0:
        raise ServiceRefused(400, "scoreGiven", "scoreGiven must be a number, 0 or above.")
    if body.get("scoreMaximum") is None:
        raise ServiceRefused(400, "scoreMaximum", "scoreMaximum is required where scoreGiven is there.")
    return number


def _maximum(body: Mapping[str, Any]) -> Decimal | None:
    value = body.get("scoreMaximum")
    if value is None:
        return None
    number = parse_number(value)
    if number is None or number <= 0:
        raise ServiceRefused(400, "scoreMaximum", "scoreMaximum must be a number above 0.")
    return number


def _comment(value: Any) -> str | None:
    if value is None or value == "":
        return None
    # A NUL is no text that PostgreSQL could keep.
    if not isinstance(value, str) or "\0" in value or len(value) > LONGEST_COMMENT:
        raise ServiceRefused(400, "comment", f"comment must be text of at most {LONGEST_COMMENT} characters.")
    return value


def _check_submission(value: Any) -> None:
    """``startedAt`` may not be after ``submittedAt`` (section 3.4.10)."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise ServiceRefused(400, "submission", "submission must be an object.")
    names = ("startedAt", "submittedAt")
    times = [_timestamp(value[name], f"submission.{name}") for name in names if value.get(name) is not None]
    if len(times) == len(names) and times[0] > times[1]:
        raise ServiceRefused(400, "submission", "submission.startedAt is after submission.submittedAt.")


# Writing ---------------------------------------------------------------------------------------------------------


def accept(hub: Hub, tool: Tool, course: Course, item: LineItem, score: Score, body: bytes) -> Decision:
    """Take the score, in one transaction; an older one leaves nothing behind.

    Refused is a person who was not launched in this context.
    """
    now = hub.clock()
    at = min(score.timestamp, now) if score.timestamp > now + AHEAD else score.timestamp
    score_id = hub.new_id()
    prepared = _statement(hub, course, item, score, score_id, now if at < UNKNOWN_DAY else at)
    row = {
        "lineitem": item.id,
        "id": score_id,
        "learner": score.user,
        "tool": tool.id,
        "body": body,
        "statement": prepared.id,
        "received_at": now,
    }

    def work(conn: sa.Connection) -> Decision:
        # One at a time for a person and a context, so that the newest is the newest when it is written.
        if not launches.lock_enrollment(conn, score.user, item.context):
            raise ServiceRefused(404, "userId", "userId is the sub of nobody who was launched in this context.")
        decision = decide(_newest(conn, item, score.user), at, score.digest)
        if decision is Decision.STORE:
            _write_result(conn, item, score, score_id, at)
            insert_all(conn, scores, [row])
            ingest.store(conn, [prepared], ticket, now=now, new_id=hub.new_id)
            if item.is_coupled and score.is_published:
                wanted = Wanted(score.given, score.maximum, score.comment)
                gradebooks.offer(conn, score.user, item.context.course, wanted, now=now, new_id=hub.new_id)
        return decision

    with hub.sequence.writing() as ticket:
        return hub.db.run(work)


def _newest(conn: sa.Connection, item: LineItem, learner: UUID) -> Newest | None:
    query = sa.select(results.c.timestamp, results.c.digest).where(
        results.c.lineitem == item.id, results.c.learner == learner
    )
    row = conn.execute(query).first()
    return None if row is None else Newest(row.timestamp, row.digest)


def _write_result(conn: sa.Connection, item: LineItem, score: Score, score_id: UUID, at: datetime) -> None:
    """The newest score, and what is told of it: what is not final changes the order alone."""
    order = {"lineitem": item.id, "learner": score.user, "score": score_id, "timestamp": at, "digest": score.digest}
    told = {"given": _text(score.given), "maximum": _text(score.maximum), "comment": score.comment}
    if not score.is_published:
        told = {"given": None, "maximum": None, "comment": None}
    changed = ["score", "timestamp", "digest", *(told if score.is_published else ())]
    upsert(conn, results, order | told, update=changed)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _statement(hub: Hub, course: Course, item: LineItem, score: Score, score_id: UUID, at: datetime) -> Prepared:
    """The statement made from the score. Only one in the coupled line item is about the course itself."""
    url = item.url(hub.base_url)
    if item.is_coupled:
        object_ = xapi.activity(course.id, {"id": course.title_id, "en": course.title_en})
    else:
        object_ = xapi.activity(url, {"und": item.column.label}, LINEITEM_TYPE)
    made = xapi.ags_score(
        id=_statement_id(item, score, at),
        actor=xapi.account(hub.base_url, str(score.user)),
        object=object_,
        at=at,
        lineitem=url,
        activity_progress=score.activity_progress,
        grading_progress=score.grading_progress,
        given=None if score.given is None else float(score.given),
        maximum=None if score.maximum is None else float(score.maximum),
        registration=launches.registration_id(hub, score.user, course.id),
        comment=score.comment,
    )
    writer = ingest.hub_writer(hub, f"score:{score_id}")
    [prepared] = statements.prepare(
        statements.parse(orjson.dumps(made)),
        version="1.0.3",
        writer=writer,
        new_id=hub.new_id,
        extra_keys=ingest.extra_keys,
    )
    return prepared


#: What a tool's own line item is as an activity.
LINEITEM_TYPE = "http://adlnet.gov/expapi/activities/assessment"


def _statement_id(item: LineItem, score: Score, at: datetime) -> UUID:
    """As docs/decisions/0001-statement-ids.md has it: line item, user, time, content."""
    return xapi.statement_id("score", str(item.id), str(score.user), xapi.moment(at), score.digest.hex())


# Telling ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What is told of one person's work (AGS 2.0 section 3.3)."""

    learner: UUID
    given: Decimal
    maximum: Decimal
    comment: str | None


def standing(conn: sa.Connection, hub: Hub, learner: UUID, course: int) -> Wanted | None:
    """The published score of a person in a course, in whichever deployment she took it; None where there is none."""
    query = sa.select(enrollments.c.deployment).where(enrollments.c.learner == learner, enrollments.c.course == course)
    contexts = [Context(deployment, course) for deployment in conn.execute(query).scalars()]
    column = results.c
    newest = sa.select(column.given, column.maximum, column.comment).where(
        column.lineitem.in_([coupled_id(hub, each) for each in contexts]),
        column.learner == learner,
        column.given.is_not(None),
    )
    row = conn.execute(newest.order_by(column.timestamp.desc()).limit(1)).first()
    return None if row is None else Wanted(Decimal(row.given), Decimal(row.maximum), row.comment)


def find_results(
    conn: sa.Connection, item: LineItem, *, user: UUID | None, limit: int, after: UUID | None
) -> tuple[list[Result], UUID | None]:
    """A page of a line item's results, of those who have one, and where it ended if there may be more."""
    column = results.c
    query = sa.select(column.learner, column.given, column.maximum, column.comment)
    query = query.where(column.lineitem == item.id, column.given.is_not(None))
    if user is not None:
        query = query.where(column.learner == user)
    if after is not None:
        query = query.where(column.learner > after)
    rows = conn.execute(query.order_by(column.learner).limit(limit + 1)).all()
    page = [Result(row.learner, Decimal(row.given), Decimal(row.maximum), row.comment) for row in rows[:limit]]
    return page, page[-1].learner if len(rows) > limit else None
