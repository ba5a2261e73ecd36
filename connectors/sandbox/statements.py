"""What the sandbox tells in xAPI about a learner's course. Pure: times and ids are arguments.

The launch hands over the endpoint, the actor, the registration and the activity; a course reports as exactly
that actor, under that registration, about that activity. Verbs and their order follow cmi5 (9.3):
initialized, completed, passed or failed, terminated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .lti import CLAIM

VERBS: Final = {
    "initialized": ("http://adlnet.gov/expapi/verbs/initialized", "memulai"),
    "completed": ("http://adlnet.gov/expapi/verbs/completed", "menyelesaikan"),
    "passed": ("http://adlnet.gov/expapi/verbs/passed", "lulus"),
    "failed": ("http://adlnet.gov/expapi/verbs/failed", "tidak lulus"),
    "terminated": ("http://adlnet.gov/expapi/verbs/terminated", "mengakhiri"),
}
COURSE_TYPE: Final = "http://adlnet.gov/expapi/activities/course"
PARAMETERS: Final = ("xapi_endpoint", "xapi_actor", "xapi_registration", "xapi_activity_id", "xapi_fetch")


@dataclass(frozen=True, slots=True)
class Handover:
    """How this launch may report in xAPI."""

    endpoint: str
    actor: Mapping[str, Any]
    registration: str
    activity_id: str
    fetch: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the learner did."""

    score: float  # 0..100
    pass_mark: float
    minutes: int

    @property
    def is_passed(self) -> bool:
        """Whether the score reaches the pass mark."""
        return self.score >= self.pass_mark


def handover(claims: Mapping[str, Any]) -> Handover | None:
    """What the launch handed over, from its claim or from the custom parameters; None where it gave nothing."""
    issuer = str(claims.get("iss", "")).rstrip("/")
    given: dict[str, Any] = {}
    for source in (claims.get(CLAIM + "custom"), claims.get(f"{issuer}/claim/xapi")):
        if isinstance(source, Mapping):
            given |= {name: source[name] for name in PARAMETERS if source.get(name)}
    if any(name not in given for name in PARAMETERS):
        return None
    actor = given["xapi_actor"]
    # Custom parameters are text (LTI 1.3 Core, 5.4.6), so the actor may come as JSON.
    if isinstance(actor, str):
        actor = json.loads(actor)
    return Handover(
        given["xapi_endpoint"].rstrip("/"),
        actor,
        given["xapi_registration"],
        given["xapi_activity_id"],
        given["xapi_fetch"],
    )


def initialized(to: Handover, title: str, *, new_id: Callable[[], str], at: datetime) -> list[dict[str, Any]]:
    """The learner opened the course."""
    return [_statement(to, title, "initialized", new_id(), at, None)]


def finished(
    to: Handover, title: str, outcome: Outcome, *, new_id: Callable[[], str], at: datetime
) -> list[dict[str, Any]]:
    """The learner came to the end: completed, passed or failed with her score, terminated with the time spent.

    She is judged after she has come to the end, and after the score: a platform that takes the first proof of each kind
    then sees the statement of the one and the score of the other.
    """
    judged_at = at + timedelta(milliseconds=1)
    duration = f"PT{outcome.minutes}M"
    score = {"scaled": outcome.score / 100, "raw": outcome.score, "min": 0, "max": 100}
    judged = {"success": outcome.is_passed, "score": score, "duration": duration}
    return [
        _statement(to, title, "completed", new_id(), at, {"completion": True, "duration": duration}),
        _statement(to, title, "passed" if outcome.is_passed else "failed", new_id(), judged_at, judged),
        _statement(to, title, "terminated", new_id(), judged_at, {"duration": duration}),
    ]


def _statement(
    to: Handover, title: str, verb: str, statement_id: str, at: datetime, result: dict[str, Any] | None
) -> dict[str, Any]:
    iri, indonesian = VERBS[verb]
    statement: dict[str, Any] = {
        "id": statement_id,
        "actor": dict(to.actor),
        "verb": {"id": iri, "display": {"en-US": verb, "id-ID": indonesian}},
        "object": {
            "objectType": "Activity",
            "id": to.activity_id,
            "definition": {"type": COURSE_TYPE, "name": {"id-ID": title}},
        },
        "context": {"registration": to.registration, "platform": "LMS Sandbox"},
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if result is not None:
        statement["result"] = result
    return statement
