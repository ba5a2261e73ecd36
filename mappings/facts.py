"""From one statement to one fact, or to the reason why it is none.

A `Fact` says: this course, this kind of event, at this time, proving this, with these minutes and this score. What is
no fact says why with a code of `REASONS`, so that "why does this not count?" always has an answer. A refusal is a
value and never an error: a statement that makes no sense is set aside with its reason and the rest goes on.

Rules (CONTRACTS, "What proves what"):

- only the course object counts, never its children; type and id decide, not the verb;
- only the right source counts: the course's provider, the hub itself, or a source that the course names;
- a score is (raw - min) / (max - min), min 0 where absent, else scaled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import isfinite
from typing import Any, NamedTuple

from mappings.course import MILLION, Ambiguous, Catalogue, Course
from mappings.vocabulary import Event, Vocabulary, activity_keys

#: Every reason why a statement is no fact. `tests/mappings` checks that no other is ever given.
REASONS = (
    "voided",  # a voiding statement took it back
    "voiding",  # it is itself a voiding statement
    "group_actor",  # its actor is a group
    "not_an_activity",  # its object is a person, a sub-statement or another statement
    "unknown_course",  # its object is no course of the catalogue
    "ambiguous_course",  # its object's key names several courses of this provider
    "child_activity",  # its object is a part of a course: an attempt, a module, a page
    "wrong_source",  # its source is not the course's provider, nor the hub, nor named by the course
    "future",  # it says it happened later than it was received
    "implausible_date",  # its time is impossible or before there was xAPI
    "verb_not_mapped",  # the vocabulary does not know its verb
    "no_proof",  # its verb is known and proves nothing
    "wrong_type",  # its verb counts on other types of object, or for other forms of learning
    "contradictory",  # its verb says one thing, its result another
    "bad_duration",  # negative, unreadable or absurd
    "bad_score",  # unreadable
    "score_above_maximum",
    "score_below_minimum",  # below the score's own minimum
    "self_approved",  # a follow-up plan approved with the learner's own launch token, or with her as its instructor
    "malformed",  # not a statement
)


class Observation(NamedTuple):
    """A stored statement as recognition sees it. ``connector`` is the one its credential belongs to, if any.

    ``is_hub``: the hub itself wrote it. ``origin``: "credential:7", "launch:<uuid>", "score:<id>", "run:<id>",
    "hub:<what>". ``voided_by``: the statement that voided it. ``is_own_instructor``: the statement's instructor is its
    actor, by whatever name.
    """

    statement: Mapping[str, Any]
    id: str
    stored: datetime
    connector: str | None
    is_hub: bool
    origin: str
    voided_by: str | None = None
    is_own_instructor: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate by number and, where stated, issuer. Spaces and case do not make another certificate."""

    number: str
    issuer: str | None

    def is_same(self, other: Certificate) -> bool:
        """Equal numbers of one issuer; where one side does not state the issuer, the number decides."""
        if self.number != other.number:
            return False
        return self.issuer is None or other.issuer is None or self.issuer == other.issuer


class Fact(NamedTuple):
    """One event of one learner about one course.

    ``score`` in millionths of 0..1, rounded down. ``lineitem``: this is an AGS score, of which only the newest counts.
    """

    statement: str
    course: str
    kind: str
    at: datetime
    stored: datetime
    connector: str | None
    proves: tuple[str, ...] = ()
    seconds: int | None = None
    score: int | None = None
    fully_graded: bool = False
    lineitem: str | None = None
    certificate: Certificate | None = None
    asserted_centi_jp: int | None = None


@dataclass(frozen=True, slots=True)
class NotAFact:
    """Why a statement is no fact: a code of `REASONS` and the values a reader needs to check it."""

    reason: str
    detail: Mapping[str, str]


class _Refused(Exception):
    """Carries a reason up to `read`, which gives it back as a value. Never leaves this module."""

    def __init__(self, reason: str, **detail: object) -> None:
        super().__init__(reason)
        self.value = NotAFact(reason, {name: str(value) for name, value in detail.items() if value is not None})


def read(observation: Observation, vocabulary: Vocabulary, catalogue: Catalogue) -> Fact | NotAFact:
    """The fact that a statement is, or why it is none."""
    if observation.voided_by is not None:
        return NotAFact("voided", {"by": observation.voided_by})
    try:
        return _read(observation, vocabulary, catalogue)
    except _Refused as refused:
        return refused.value
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        # The LRS validates what it accepts. Should one statement be poisonous nevertheless, it is set aside alone.
        return NotAFact("malformed", {"error": str(error)})


def _read(observation: Observation, vocabulary: Vocabulary, catalogue: Catalogue) -> Fact:
    statement = observation.statement
    activity = _activity(statement)
    activity_type = _mapping(activity.get("definition")).get("type")
    verb = statement["verb"]["id"]
    candidates = vocabulary.events.get(verb, ())
    course = _course(observation, activity, candidates, vocabulary, catalogue)
    event = next((event for event in candidates if event.fits(activity_type, course.form)), None)
    if activity_type in vocabulary.child_types and (event is None or activity_type not in (event.types or ())):
        raise _Refused("child_activity", course=course.id, type=activity_type)
    if not (observation.is_hub or course.hears(observation.connector)):
        raise _Refused("wrong_source", course=course.id, source=observation.connector, expected=course.provider)
    if event is not None and event.kind == "rtl_approved" and _is_by_herself(observation):
        raise _Refused("self_approved", course=course.id)
    at = _timestamp(observation, vocabulary)
    if event is None:
        # The verb says nothing here, yet its result may: any statement about the course itself that carries a score
        # is score evidence, and a success is a success.
        event = Event("result", ())
    return _fact(observation, vocabulary, course, at, event, known=bool(candidates))


def _is_by_herself(observation: Observation) -> bool:
    """A decision that is the learner's own word: said with her launch, or with her as who decided."""
    return observation.is_own_instructor or observation.origin.startswith("launch:")


def _fact(
    observation: Observation, vocabulary: Vocabulary, course: Course, at: datetime, event: Event, *, known: bool
) -> Fact:
    statement = observation.statement
    result = _mapping(statement.get("result"))
    extensions = tuple(_extensions(statement, result))
    context = _mapping(_mapping(statement.get("context")).get("extensions"))
    lineitem = context.get(vocabulary.lineitem) if observation.is_hub else None
    kind = event.kind if lineitem is None else "graded"
    score = _score(result.get("score"), vocabulary)
    seconds = _seconds(result.get("duration"), kind, vocabulary)
    proves = _proofs(event, result)
    if lineitem is not None and context.get(vocabulary.activity_progress) == "Completed":
        proves = _with(proves, "completed")
    certificate = _certificate(extensions, vocabulary) if extensions else None
    if certificate is not None:
        proves = _with(proves, "certificate")
    if kind == "result" and not proves and score is None:
        verb = statement["verb"]["id"]
        spoken = "wrong_type" if known else "verb_not_mapped"
        raise _Refused("no_proof" if verb in vocabulary.silent_verbs else spoken, verb=verb, course=course.id)
    return Fact(
        observation.id,
        course.id,
        kind,
        at,
        observation.stored,
        observation.connector,
        proves,
        seconds,
        score,
        lineitem is not None and context.get(vocabulary.grading_progress) == "FullyGraded",
        None if lineitem is None else str(lineitem),
        certificate,
        _asserted_jp(extensions, vocabulary) if extensions else None,
    )


# -- who and what


def _activity(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    if statement["actor"].get("objectType") == "Group":
        raise _Refused("group_actor")
    activity: Mapping[str, Any] = statement["object"]
    object_type = activity.get("objectType", "Activity")
    if object_type == "StatementRef" and statement["verb"]["id"] == "http://adlnet.gov/expapi/verbs/voided":
        raise _Refused("voiding", target=activity.get("id"))
    if object_type != "Activity":
        raise _Refused("not_an_activity", type=object_type)
    return activity


def _course(
    observation: Observation,
    activity: Mapping[str, Any],
    candidates: tuple[Event, ...],
    vocabulary: Vocabulary,
    catalogue: Catalogue,
) -> Course:
    """The course a statement is about: its object, or what its context names where the verb says so."""
    course = _match(activity, observation, vocabulary, catalogue)
    if course is not None:
        return course
    around = None
    for other in _context_activities(observation.statement):
        around = _match(other, observation, vocabulary, catalogue)
        if around is not None:
            break
    activity_type = _mapping(activity.get("definition")).get("type")
    if around is None:
        meant = catalogue.elsewhere(activity["id"], activity_keys(activity, vocabulary))
        if meant is not None and activity_type not in vocabulary.child_types:
            raise _Refused("wrong_source", course=meant.id, source=observation.connector, expected=meant.provider)
        raise _Refused("unknown_course", object=activity["id"], type=activity_type)
    for event in candidates:
        if event.about_context and activity_type is not None and event.fits(activity_type, around.form):
            return around
    raise _Refused("child_activity", course=around.id, object=activity["id"], type=activity_type)


def _match(
    activity: Mapping[str, Any], observation: Observation, vocabulary: Vocabulary, catalogue: Catalogue
) -> Course | None:
    keys = activity_keys(activity, vocabulary) if "definition" in activity else ()
    found = catalogue.match(activity["id"], keys, observation.connector)
    if isinstance(found, Ambiguous):
        raise _Refused("ambiguous_course", object=activity["id"], courses=";".join(found.courses))
    return found


def _context_activities(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    around = _mapping(_mapping(statement.get("context")).get("contextActivities"))
    for name in ("parent", "grouping", "other"):
        activities = around.get(name, ())
        # xAPI 1.0.3 lets a client send one activity without a list; the LRS normalizes it, a file may not.
        yield from (activities,) if isinstance(activities, Mapping) else activities


def _mapping(value: Any) -> Mapping[str, Any]:
    # A statement is parsed JSON. Asking for dict and not for Mapping is ten times faster, six times a statement.
    return value if isinstance(value, dict) else {}


# -- when


def _timestamp(observation: Observation, vocabulary: Vocabulary) -> datetime:
    """The time of the event. A statement without one happened when it was stored (xAPI 2.4.7)."""
    text = observation.statement.get("timestamp")
    if text is None:
        return observation.stored
    try:
        at = parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise _Refused("implausible_date", timestamp=text) from error
    # Compared first: hardly any is of later, and a replay feels two spans of time for each statement.
    if at > observation.stored and at - observation.stored > timedelta(minutes=vocabulary.future_minutes):
        raise _Refused("future", timestamp=text, stored=observation.stored.isoformat())
    if at.date() < vocabulary.earliest:
        raise _Refused("implausible_date", timestamp=text)
    return at


def read_time(observation: Observation, vocabulary: Vocabulary) -> datetime | None:
    """When the event of a statement was; None where that cannot be."""
    try:
        return _timestamp(observation, vocabulary)
    except _Refused:
        return None


def parse_timestamp(text: str) -> datetime:
    """An RFC 3339 time in UTC. A time without zone is UTC, as xAPI recommends to assume."""
    if len(text) < 11 or text[10] not in "Tt ":
        raise ValueError(f"{text} has no time of day")
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


# -- what it proves


def _proofs(event: Event, result: Mapping[str, Any]) -> tuple[str, ...]:
    """What verb and result prove together. Where they contradict each other, nothing is taken from the statement."""
    success, completion = result.get("success"), result.get("completion")
    if success is False and "passed" in event.proves:
        raise _Refused("contradictory", verb=event.kind, success="false")
    if completion is False and "completed" in event.proves:
        raise _Refused("contradictory", verb=event.kind, completion="false")
    if success is True:
        if event.kind == "failed":
            raise _Refused("contradictory", verb=event.kind, success="true")
        return _with(event.proves, "passed")
    return event.proves


def _with(proves: tuple[str, ...], proof: str) -> tuple[str, ...]:
    return proves if proof in proves else (*proves, proof)


def _score(score: Any, vocabulary: Vocabulary) -> int | None:
    """A score as millionths of 0..1, rounded down; None where there is none."""
    if not score:
        return None
    raw, scaled = score.get("raw"), score.get("scaled")
    if raw is not None and score.get("max") is not None and not (vocabulary.scaled_first and scaled is not None):
        low, high, value = _exact(score.get("min", 0)), _exact(score["max"]), _exact(raw)
        if high <= low:
            raise _Refused("bad_score", min=low, max=high)
        if value > high:
            raise _Refused("score_above_maximum", raw=raw, max=score["max"])
        if value < low:
            raise _Refused("score_below_minimum", raw=raw, min=score.get("min", 0))
        return int((value - low) * MILLION // (high - low))
    if scaled is None:
        return None
    value = _exact(scaled)
    if value > 1:
        raise _Refused("score_above_maximum", scaled=scaled, max=1)
    if value < -1:
        raise _Refused("score_below_minimum", scaled=scaled, min=-1)
    return int(value * MILLION // 1)


def read_score(score: Any, vocabulary: Vocabulary) -> int | None:
    """A score as millionths of 0..1; None where there is none, or an impossible one."""
    try:
        return _score(score, vocabulary)
    except _Refused:
        return None


def _exact(number: Any) -> int | Fraction:
    """A JSON number as what was written: 0.6 is three fifths, not its binary neighbour."""
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    if not isinstance(number, float) or not isfinite(number):
        raise _Refused("bad_score", value=number)
    return Fraction(repr(number))


_DURATION = re.compile(
    r"P(?:(?:(?P<years>[0-9]+(?:\.[0-9]+)?)Y)?(?:(?P<months>[0-9]+(?:\.[0-9]+)?)M)?(?:(?P<days>[0-9]+(?:\.[0-9]+)?)D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]+(?:\.[0-9]+)?)H)?(?:(?P<minutes>[0-9]+(?:\.[0-9]+)?)M)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)S)?)?|(?P<weeks>[0-9]+(?:\.[0-9]+)?)W)"
)
_SECONDS = (("weeks", 604_800), ("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
#: A browser writes eighteen of them: PT12.299999999999997S.
_MOST_DIGITS = 40


def parse_duration(text: str) -> int | None:
    """An ISO 8601 duration as whole seconds, rounded down.

    None where it is none, has no fixed length (a month), or more digits than anybody's.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text in ("P", "PT"):
        return None
    parts = match.groupdict()
    # Nobody's duration has so many digits, of which not even every one can be written as a number.
    if any(part is not None and len(part) > _MOST_DIGITS for part in parts.values()):
        return None
    if any(parts[name] and float(parts[name]) for name in ("years", "months")):
        return None
    # Nearly all durations are whole numbers; exact fractions are for the others, such as PT0.1H.
    return int(
        sum(
            (int(part) if part.isdigit() else Fraction(part)) * seconds
            for name, seconds in _SECONDS
            if (part := parts[name])
        )
    )


def _seconds(duration: Any, kind: str, vocabulary: Vocabulary) -> int | None:
    if duration is None:
        return None
    seconds = parse_duration(duration) if isinstance(duration, str) else None
    hours = vocabulary.terminated_hours if kind == "terminated" else vocabulary.duration_hours
    if seconds is None or seconds > hours * 3600:
        raise _Refused("bad_duration", duration=duration, at_most_hours=hours)
    return seconds


# -- what a certificate says


def _extensions(statement: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    definition = _mapping(statement["object"].get("definition"))
    for holder in (result, _mapping(statement.get("context")), definition):
        extensions = holder.get("extensions")
        if extensions and isinstance(extensions, Mapping):
            yield extensions


def _extension(extensions: tuple[Mapping[str, Any], ...], names: tuple[str, ...]) -> Any:
    for holder in extensions:
        for name in names:
            if name in holder:
                return holder[name]
    return None


def _certificate(extensions: tuple[Mapping[str, Any], ...], vocabulary: Vocabulary) -> Certificate | None:
    number = _extension(extensions, vocabulary.certificate_number)
    if number is None or not (text := _normal(number)):
        return None
    issuer = _extension(extensions, vocabulary.certificate_issuer)
    return Certificate(text, _normal(issuer) or None if issuer is not None else None)


def _normal(value: Any) -> str:
    return "".join(str(value).split()).casefold()


def _asserted_jp(extensions: tuple[Mapping[str, Any], ...], vocabulary: Vocabulary) -> int | None:
    value = _extension(extensions, vocabulary.certificate_jp)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value <= 0:
        return None
    return int(_exact(value) * 100 // 1)
