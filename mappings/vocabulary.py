"""What the words in a statement mean: which verbs make which fact, on which types of object.

One YAML document per kind of external system, on top of ``default``. "Object type and id decide, never the verb
alone": a vocabulary therefore says for each verb what its object may be, and which types are parts of a course.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from mappings.document import DocumentError, Node, compose

#: What an event may prove by itself. A score proves by its value, see `mappings.evaluate`.
_PROVABLE = ("completed", "passed", "certificate", "rtl_approved")

#: Every kind of fact. "graded" is an AGS score, "result" a verb that says nothing but carries a score or a success.
KINDS = (
    "completed",
    "passed",
    "satisfied",
    "failed",
    "scored",
    "terminated",
    "certified",
    "verified",
    "read",
    "attended",
    "posted",
    "coached",
    "rtl_planned",
    "rtl_submitted",
    "rtl_approved",
    "rtl_returned",
    "rtl_realised",
    "rtl_evaluated",
    "graded",
    "result",
)


class VocabularyError(DocumentError):
    """A vocabulary document that cannot be used."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a verb means. `types` and `forms` None: on a course or assessment, for every form."""

    kind: str
    proves: tuple[str, ...]
    types: frozenset[str] | None = None
    forms: frozenset[str] | None = None
    about_context: bool = False

    def fits(self, activity_type: str | None, form: str) -> bool:
        """Does the verb count on this object, for this course? An object that states no type is not held against it."""
        if self.forms is not None and form not in self.forms:
            return False
        return self.types is None or activity_type is None or activity_type in self.types


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one kind of external system."""

    name: str
    events: Mapping[str, tuple[Event, ...]]
    silent_verbs: frozenset[str]
    child_types: frozenset[str]
    course_keys: tuple[str, ...]
    scaled_first: bool
    certificate_number: tuple[str, ...]
    certificate_issuer: tuple[str, ...]
    certificate_jp: tuple[str, ...]
    lineitem: str
    activity_progress: str
    grading_progress: str
    earliest: date
    future_minutes: int
    terminated_hours: int
    duration_hours: int
    words: _Words = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Words:
    """What a document says, after what it extends: later words are added, an event of the same kind replaces."""

    events: Mapping[str, tuple[tuple[str, ...], Event]]
    silent_verbs: frozenset[str]
    child_types: frozenset[str]
    settings: Mapping[str, Any]


_SETTINGS = ("course_keys", "score", "certificate", "ags", "limits")


def load_vocabulary(text: str, *, base: Vocabulary | None = None) -> Vocabulary:
    """The vocabulary in a YAML text. A document with ``extends`` needs that vocabulary as ``base``."""
    root = compose(text, kind="vocabulary", error=VocabularyError)
    members = root.members(
        required=("vocabulary",), optional=("extends", "events", "silent_verbs", "child_types", *_SETTINGS)
    )
    before = _base_words(members, base)
    events = dict(before.events)
    if "events" in members:
        events.update({kind: _parse_event(kind, node) for kind, node in members["events"].entries().items()})
    settings = dict(before.settings)
    for name in _SETTINGS:
        if name in members:
            settings.update(_PARSE[name](members[name]))
        elif base is None:
            root.refuse(f"{name} is missing. Add it, or `extends: default`.")
    silent = members["silent_verbs"].texts() if "silent_verbs" in members else ()
    children = members["child_types"].texts() if "child_types" in members else ()
    words = _Words(
        MappingProxyType(events), before.silent_verbs | set(silent), before.child_types | set(children), settings
    )
    return _vocabulary(members["vocabulary"].text(), words)


def _base_words(members: Mapping[str, Node], base: Vocabulary | None) -> _Words:
    if "extends" not in members:
        return _Words(MappingProxyType({}), frozenset(), frozenset(), {})
    name = members["extends"].text()
    if base is None or base.name != name:
        members["extends"].refuse(f"the vocabulary {name} was not given.")
    return base.words


def _vocabulary(name: str, words: _Words) -> Vocabulary:
    by_verb: dict[str, tuple[Event, ...]] = {}
    for verbs, event in words.events.values():
        for verb in verbs:
            by_verb[verb] = (*by_verb.get(verb, ()), event)
    return Vocabulary(
        name=name,
        events=MappingProxyType(by_verb),
        silent_verbs=words.silent_verbs,
        child_types=words.child_types,
        words=words,
        **words.settings,
    )


def _parse_event(kind: str, node: Node) -> tuple[tuple[str, ...], Event]:
    if kind not in KINDS:
        node.refuse(f"{kind} is not a kind of fact. Known are: {', '.join(KINDS)}.")
    members = node.members(required=("verbs", "proves"), optional=("types", "forms", "about"))
    event = Event(
        kind=kind,
        proves=tuple(item.choice(_PROVABLE) for item in members["proves"].items()),
        types=frozenset(members["types"].texts()) if "types" in members else None,
        forms=frozenset(members["forms"].texts()) if "forms" in members else None,
        about_context="about" in members and members["about"].choice(("object", "context")) == "context",
    )
    return members["verbs"].texts(), event


def _parse_certificate(node: Node) -> dict[str, Any]:
    members = node.members(required=("number", "issuer", "jp"))
    return {f"certificate_{name}": member.texts() for name, member in members.items()}


def _parse_ags(node: Node) -> dict[str, Any]:
    members = node.members(required=("lineitem", "activity_progress", "grading_progress"))
    return {name: member.text() for name, member in members.items()}


def _parse_limits(node: Node) -> dict[str, Any]:
    names = ("future_minutes", "terminated_hours", "duration_hours")
    members = node.members(required=("earliest", *names))
    numbers = {name: members[name].integer(low=1, high=1_000_000) for name in names}
    return {"earliest": members["earliest"].day(), **numbers}


_PARSE = MappingProxyType(
    {
        "course_keys": lambda node: {"course_keys": node.texts()},
        "score": lambda node: {"scaled_first": node.choice(("raw_first", "scaled_first")) == "scaled_first"},
        "certificate": _parse_certificate,
        "ags": _parse_ags,
        "limits": _parse_limits,
    }
)


def object_keys(statement: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The values by which the object names its course inside its provider (external-id, short-id), each once."""
    activity = statement.get("object")
    return activity_keys(activity, vocabulary) if isinstance(activity, Mapping) else ()


def activity_keys(activity: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The same, of any activity."""
    # Asking for dict and not for Mapping is ten times faster; a statement is parsed JSON.
    definition = activity.get("definition")
    extensions = definition.get("extensions") if isinstance(definition, dict) else None
    if not isinstance(extensions, dict):
        return ()
    return tuple(dict.fromkeys(_texts(extensions.get(key) for key in vocabulary.course_keys)))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        # A Moodle course without idnumber sends an empty text, which names nothing.
        if isinstance(value, str) and value:
            yield value
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(value)
