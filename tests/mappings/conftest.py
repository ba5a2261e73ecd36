"""Scenarios that a training officer can read: see tests/cases/mappings/README.md for the words of an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import pytest

from mappings import shipped
from mappings.course import Catalogue, Course, parse_course
from mappings.evaluate import Evaluation, evaluate
from mappings.facts import Fact, NotAFact, Observation, read
from mappings.policy import Policy, load_policy
from mappings.vocabulary import Vocabulary

CASES = Path(__file__).parent.parent / "cases"
WIB = ZoneInfo("Asia/Jakarta")
SITE = "https://lms.example/"
KEY = "https://w3id.org/learning-analytics/learning-management-system/external-id"

VERBS = {
    "completed": "http://adlnet.gov/expapi/verbs/completed",
    "passed": "http://adlnet.gov/expapi/verbs/passed",
    "failed": "http://adlnet.gov/expapi/verbs/failed",
    "satisfied": "https://w3id.org/xapi/adl/verbs/satisfied",
    "scored": "https://w3id.org/xapi/tla/verbs/scored",
    "graded": "https://w3id.org/xapi/tla/verbs/scored",
    "terminated": "http://adlnet.gov/expapi/verbs/terminated",
    "launched": "http://adlnet.gov/expapi/verbs/launched",
    "attended": "http://adlnet.gov/expapi/verbs/attended",
    "posted": "https://w3id.org/xapi/acrossx/verbs/posted",
    "coached": "https://w3id.org/xapi/adb/verbs/coached",
    "mentored": "http://id.tincanapi.com/verb/mentored",
    "read": "https://w3id.org/xapi/adb/verbs/read",
    "viewed": "http://id.tincanapi.com/verb/viewed",
    "verified": "https://w3id.org/xapi/tla/verbs/verified",
    "certified": "https://w3id.org/xapi/tla/verbs/certified",
    "planned": "https://w3id.org/xapi/tla/verbs/planned",
    "approved": "https://w3id.org/xapi/tla/verbs/approved",
    "returned": "http://activitystrea.ms/reject",
    "danced": "https://example.org/verbs/danced",
    "voiding": "http://adlnet.gov/expapi/verbs/voided",
}
TYPES = {
    "course": "https://w3id.org/xapi/cmi5/activitytype/course",
    "assessment": "http://adlnet.gov/expapi/activities/assessment",
    "attempt": "http://adlnet.gov/expapi/activities/attempt",
    "module": "http://adlnet.gov/expapi/activities/module",
    "page": "https://w3id.org/xapi/acrossx/activities/page",
    "article": "http://activitystrea.ms/article",
    "meeting": "http://adlnet.gov/expapi/activities/meeting",
    "webinar": "http://id.tincanapi.com/activitytype/webinar",
    "discussion": "https://w3id.org/xapi/acrossx/activities/online-discussion",
    "tutor session": "http://id.tincanapi.com/activitytype/tutor-session",
    "credential": "https://w3id.org/xapi/tla/activity-types/credential",
    "plan": "https://w3id.org/xapi/acrossx/activities/learning-plan",
}
#: Types that verbs have of themselves where the scenario does not say another.
OF_VERB = {
    "attended": "meeting",
    "posted": "discussion",
    "coached": "meeting",
    "mentored": "tutor session",
    "read": "article",
    "viewed": "article",
    "planned": "plan",
    "approved": "plan",
    "returned": "plan",
}

WORDS: dict[str, Callable[[dict[str, Any], re.Match[str]], None]] = {}


def word(pattern: str) -> Callable[[Callable[[dict[str, Any], re.Match[str]], None]], None]:
    """Teach the scenarios one more word."""

    def teach(act: Callable[[dict[str, Any], re.Match[str]], None]) -> None:
        WORDS[pattern] = act

    return teach


def result(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["statement"].setdefault("result", {})
    return found


def context_extensions(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["statement"].setdefault("context", {}).setdefault("extensions", {})
    return found


@word(r"(\d+) minutes")
def _minutes(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event)["duration"] = f"PT{m[1]}M"


@word(r"duration (.*)")
def _duration(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event)["duration"] = m[1]


@word(r"score (-?[\d.]+) of (?:(-?[\d.]+)\.\.)?(-?[\d.]+)")
def _score(event: dict[str, Any], m: re.Match[str]) -> None:
    score = {"raw": number(m[1]), "max": number(m[3])}
    result(event).setdefault("score", {}).update(score if m[2] is None else {**score, "min": number(m[2])})


@word(r"raw score (-?[\d.]+)")
def _raw(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event).setdefault("score", {})["raw"] = number(m[1])


@word(r"scaled (-?[\d.]+)")
def _scaled(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event).setdefault("score", {})["scaled"] = number(m[1])


def number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@word(r"(success|no success)")
def _success(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event)["success"] = m[1] == "success"


@word(r"not complete")
def _incomplete(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event)["completion"] = False


@word(r"by (?:the )?(\S+)")
def _by(event: dict[str, Any], m: re.Match[str]) -> None:
    event["connector"] = None if m[1] in ("hub", "nobody") else m[1]
    event["is_hub"] = m[1] == "hub"


@word(r"with (?:her|his) own launch")
def _launch(event: dict[str, Any], m: re.Match[str]) -> None:
    event["origin"] = "launch:0b4f"


@word(r"as (?:an? )?(.*)")
def _type(event: dict[str, Any], m: re.Match[str]) -> None:
    if m[1] == "untyped":
        del event["statement"]["object"]["definition"]["type"]
    else:
        event["statement"]["object"]["definition"]["type"] = TYPES[m[1]]


@word(r"part of (\S+)")
def _part(event: dict[str, Any], m: re.Match[str]) -> None:
    around = event["statement"].setdefault("context", {}).setdefault("contextActivities", {})
    around.setdefault("parent", []).append({"id": SITE + m[1]})


@word(r"key (\S+)")
def _key(event: dict[str, Any], m: re.Match[str]) -> None:
    event["statement"]["object"]["definition"]["extensions"] = {KEY: m[1]}


@word(r"certificate (\S+)(?: of (.+))?")
def _certificate(event: dict[str, Any], m: re.Match[str]) -> None:
    extensions = result(event).setdefault("extensions", {})
    extensions["urn:wkmb:certificate:number"] = m[1]
    if m[2]:
        extensions["urn:wkmb:certificate:issuer"] = m[2]


@word(r"stating ([\d.]+) JP")
def _states(event: dict[str, Any], m: re.Match[str]) -> None:
    result(event).setdefault("extensions", {})["urn:wkmb:certificate:jp"] = number(m[1])


@word(r"line item (\S+)")
def _lineitem(event: dict[str, Any], m: re.Match[str]) -> None:
    context_extensions(event)["urn:wkmb:ags:lineitem"] = m[1]


@word(r"activity (\S+)")
def _activity_progress(event: dict[str, Any], m: re.Match[str]) -> None:
    context_extensions(event)["urn:wkmb:ags:activity-progress"] = m[1]


@word(r"grading (\S+)")
def _grading_progress(event: dict[str, Any], m: re.Match[str]) -> None:
    context_extensions(event)["urn:wkmb:ags:grading-progress"] = m[1]


@word(r"voided")
def _voided(event: dict[str, Any], m: re.Match[str]) -> None:
    event["voided_by"] = "a-voiding-statement"


@word(r"received (.+)")
def _received(event: dict[str, Any], m: re.Match[str]) -> None:
    event["stored"] = moment(m[1])


@word(r"sent twice")
def _twice(event: dict[str, Any], m: re.Match[str]) -> None:
    event["copies"] = 2


@word(r"by a group")
def _group(event: dict[str, Any], m: re.Match[str]) -> None:
    event["statement"]["actor"]["objectType"] = "Group"


@word(r"timestamp (.+)")
def _timestamp(event: dict[str, Any], m: re.Match[str]) -> None:
    event["statement"]["timestamp"] = m[1]


@word(r"about (a person|another statement)")
def _about(event: dict[str, Any], m: re.Match[str]) -> None:
    kinds = {"a person": {"objectType": "Agent", "mbox": "mailto:a@example.org"}}
    event["statement"]["object"] = kinds.get(m[1], {"objectType": "StatementRef", "id": "1" * 8})


def moment(text: str) -> datetime:
    """``2026-03-02 10:00`` in Jakarta (WIB), or ``… UTC``."""
    local = text.removesuffix(" UTC")
    at = datetime.fromisoformat(local)
    return at.replace(tzinfo=UTC if local != text else WIB).astimezone(UTC)


EVENT = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})?(?: UTC)?) (\S+) (\S+)((?:, .*)?)")


def observations(line: str, name: str) -> list[Observation]:
    """The statements of one line: ``2026-03-02 10:00 completed diklat, 90 minutes, score 72 of 100``."""
    match = EVENT.fullmatch(line)
    assert match, f"{name}: an event begins with day, time, verb and course: {line}"
    at, verb, course, rest = moment(match[1]), match[2], match[3], match[4]
    event: dict[str, Any] = {
        "statement": {
            "actor": {"account": {"homePage": SITE, "name": "7"}},
            "verb": {"id": VERBS[verb]},
            "object": {"id": SITE + course, "definition": {"type": TYPES[OF_VERB.get(verb, "course")]}},
            "timestamp": at.isoformat(),
        },
        "stored": at + timedelta(seconds=1),
        "connector": "lms",
        "is_hub": False,
        "origin": "credential:1",
        "copies": 1,
    }
    if verb == "graded":
        event.update(connector=None, is_hub=True, origin="score:1")
        _words(event, "line item 1", name)
    _words(event, rest.removeprefix(", "), name)
    copies = event.pop("copies")
    return [Observation(id=str(uuid5(NAMESPACE_URL, f"{name} {line} {n}")), **event) for n in range(copies)]


def _words(event: dict[str, Any], text: str, name: str) -> None:
    for part in text.split(", ") if text else ():
        for pattern, act in WORDS.items():
            match = re.fullmatch(pattern, part)
            if match and not (part == "by a group" and pattern.startswith("by (?:the")):
                act(event, match)
                break
        else:
            raise AssertionError(f"{name}: '{part}' is not a word of the scenarios")


def course_of(row: Mapping[str, Any], policy: Policy) -> Course:
    """The course of a scenario: a row of ``course import`` in which only what matters is written."""
    cells = {
        "provider": "lms",
        "scope": "national",
        "title_id": str(row["id"]),
        **{name: str(value) for name, value in row.items()},
        "id": SITE + str(row["id"]),
    }
    course = parse_course(cells, 1, policy)
    assert isinstance(course, Course), str(course)
    return course


class World:
    """Everything one scenario needs: policy, vocabulary, catalogue, and what came out."""

    def __init__(self, scenario: Mapping[str, Any], policy: Policy, vocabulary: Vocabulary) -> None:
        name = scenario["name"]
        self.policy = policy
        self.catalogue = Catalogue([course_of(row, policy) for row in scenario.get("courses", ())])
        self.trusted = {name: limit * 100 for name, limit in scenario.get("trusted", {}).items()}
        self.seen = [o for line in scenario["events"] for o in observations(line, name)]
        self.read = [read(observation, vocabulary, self.catalogue) for observation in self.seen]

    @property
    def facts(self) -> list[Fact]:
        return [found for found in self.read if isinstance(found, Fact)]

    @property
    def reasons(self) -> list[str]:
        return [found.reason for found in self.read if isinstance(found, NotAFact)]

    def evaluate(self, facts: list[Fact] | None = None) -> Evaluation:
        chosen = self.facts if facts is None else facts
        return evaluate(self.policy, self.catalogue, chosen, timezone=WIB, trusted=self.trusted)


def policy_with(options: Mapping[str, str]) -> Policy:
    """The shipped policy with other choices where the regulation is silent."""
    text = shipped.policy_text("perlan-10-2018")
    for name, value in options.items():
        text, count = re.subn(rf"(\n  {name}:\n    value: ).*", rf"\g<1>{value}", text)
        assert count == 1, f"{name} is not an option"
    return load_policy(text)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return shipped.policy("perlan-10-2018")


@pytest.fixture(scope="session")
def vocabularies() -> dict[str, Vocabulary]:
    return {name: shipped.vocabulary(name) for name in shipped.VOCABULARIES}


@pytest.fixture(scope="session")
def world(policy: Policy, vocabularies: dict[str, Vocabulary]) -> Callable[[Mapping[str, Any]], World]:
    """Play a scenario: its statements are read and evaluated as the hub would."""

    def play(scenario: Mapping[str, Any]) -> World:
        options = scenario.get("options")
        vocabulary = vocabularies[scenario.get("vocabulary", "default")]
        return World(scenario, policy_with(options) if options else policy, vocabulary)

    return play


@pytest.fixture(scope="session")
def cases() -> Path:
    return CASES
