"""Is it a statement? Strict, in one pass, and every problem with its path, requirement and reason.

The requirement names are those of ADL's requirement list (XAPI-00001 …) with the section of xAPI 1.0.3 part
two; xAPI 2.0 keeps the same rules in 4.2 and adds contextAgents and contextGroups. Written by hand because
no schema language says what xAPI needs, and because it is on the path of every statement: about 15 us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lrs import formats
from lrs.errors import MOST_PROBLEMS, Problem

VOIDED = "http://adlnet.gov/expapi/verbs/voided"

Problems = list[Problem]
Check = Callable[[Any, str, Problems], None]

_NULL = "XAPI-00001, Data 2.2"
_TYPE = "XAPI-00006, Data 2.2"
_FORMAT = "XAPI-00007, Data 2.2"
_KEY = "XAPI-00008, Data 2.2"
_VALUE = "XAPI-00009, Data 2.2"

_STRING, _BOOLEAN, _NUMBER, _OBJECT, _ARRAY = (str,), (bool,), (int, float), (dict,), (list,)
_NAMES: dict[tuple[type, ...], str] = {
    _STRING: "a string",
    _BOOLEAN: "true or false",
    _NUMBER: "a number",
    _OBJECT: "an object",
    _ARRAY: "an array",
}


def validate(statement: Any, *, version: str, path: str = "statement") -> Problems:
    """Every requirement of the ``version`` (such as 1.0.3) that the parsed statement breaks; empty if none."""
    problems: Problems = []
    check = _STATEMENT_2 if version.startswith("2") else _STATEMENT_1
    if not _members(statement, path, problems, check, ("actor", "verb", "object"), "XAPI-00003, Data 2.2"):
        return problems
    _whole(statement, path, problems)
    return problems


def validate_actor(actor: Any, path: str) -> Problems:
    """The problems of an Agent or Group that came as a parameter."""
    problems: Problems = []
    _actor(actor, path, problems)
    return problems


def validate_agent(agent: Any, path: str) -> Problems:
    """The problems of an Agent that came as a parameter."""
    problems: Problems = []
    _agent(agent, path, problems)
    return problems


# The parts they are made of ---------------------------------------------------------------------------


def _add(problems: Problems, path: str, requirement: str, reason: str) -> None:
    if len(problems) < MOST_PROBLEMS:
        problems.append(Problem(path, requirement, reason))


def _is(value: Any, kinds: tuple[type, ...], path: str, problems: Problems, requirement: str = _TYPE) -> bool:
    if type(value) in kinds:
        return True
    if value is None:
        _add(problems, path, _NULL, "null is allowed inside extensions only")
    else:
        _add(problems, path, requirement, f"must be {_NAMES[kinds]}")
    return False


@dataclass(frozen=True, slots=True)
class _Plain:
    """The check of a value without members. Where it is ``wrong`` and not only of another kind, that is named."""

    kinds: tuple[type, ...]
    requirement: str
    good: Callable[[Any], object] = lambda _: True
    reason: str = ""
    wrong: str = ""

    def __call__(self, value: Any, path: str, problems: Problems) -> None:
        if _is(value, self.kinds, path, problems, self.requirement) and not self.good(value):
            _add(problems, path, self.wrong or self.requirement, self.reason)


def _members(
    value: Any,
    path: str,
    problems: Problems,
    checks: Mapping[str, Check],
    required: tuple[str, ...],
    requirement: str,
    kind: str = _TYPE,
) -> bool:
    """Each member by its check; a member without one is not allowed here, a required one must be there.

    Tells whether it is an object at all, as ``kind`` requires.
    """
    if type(value) is not dict:
        return _is(value, _OBJECT, path, problems, kind)
    for name, member in value.items():
        check = checks.get(name)
        if check is None:
            _unknown(name, path, problems, checks)
        # Most of a statement are plain values that are as they should be: no call for them, and no path.
        elif type(check) is not _Plain or type(member) not in check.kinds or not check.good(member):
            check(member, f"{path}.{name}", problems)
    for name in required:
        if name not in value:
            _add(problems, f"{path}.{name}", requirement, "is required")
    return True


def _unknown(name: str, path: str, problems: Problems, checks: Mapping[str, Check]) -> None:
    meant = next((known for known in checks if known.lower() == name.lower()), None)
    reason = f"is spelled {meant}" if meant else "is not a property that xAPI has here"
    _add(problems, f"{path}.{_shown(name)}", _KEY, reason)


def _shown(name: str) -> str:
    return name if len(name) <= 80 else name[:77] + "..."


def _object(checks: Mapping[str, Check], required: tuple[str, ...] = (), requirement: str = _TYPE) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        _members(value, path, problems, checks, required, requirement, requirement)

    return check


def _array(item: Check, requirement: str, *, least: int = 0) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        if not _is(value, _ARRAY, path, problems, requirement):
            return
        if len(value) < least:
            _add(problems, path, requirement, "must not be empty")
        for position, each in enumerate(value):
            item(each, f"{path}[{position}]", problems)

    return check


def _text(good: Callable[[str], bool], reason: str, requirement: str) -> Check:
    return _Plain(_STRING, requirement, good, reason)


def _string(requirement: str = _TYPE) -> Check:
    return _Plain(_STRING, requirement)


def _one_of(requirement: str, *values: str) -> Check:
    reason = f"must be {' or '.join(values)}, in this spelling"
    return _Plain(_STRING, requirement, values.__contains__, reason, f"{requirement}; {_VALUE}")


def _iri(requirement: str) -> Check:
    return _text(formats.is_iri, "must be an absolute IRI with its scheme", f"{requirement}; XAPI-00011, Data 2.2")


def _uuid(requirement: str) -> Check:
    return _text(formats.is_uuid, "must be a UUID such as fdc6e1f5-7a9d-4d3f-8c53-9d1ae2b6ab1d", requirement)


def _language_map(requirement: str) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        if not _is(value, _OBJECT, path, problems, requirement):
            return
        for tag, text in value.items():
            if not formats.is_language_tag(tag):
                _add(problems, f"{path}.{_shown(tag)}", "XAPI-00121, Data 4.2", "is not an RFC 5646 language tag")
            if type(text) is not str:
                _is(text, _STRING, f"{path}.{_shown(tag)}", problems, requirement)

    return check


def _extensions(value: Any, path: str, problems: Problems) -> None:
    """Keys are IRIs, values anything, null included (Data 4.1)."""
    if not _is(value, _OBJECT, path, problems, "XAPI-00120, Data 4.1"):
        return
    for key in value:
        if not formats.is_iri(key):
            _add(problems, f"{path}.{_shown(key)}", "XAPI-00118, Data 4.1", "the key must be an absolute IRI")


def _timestamp(requirement: str) -> Check:
    return _text(
        lambda text: formats.parse_timestamp(text) is not None,
        "must be a date and time such as 2026-01-31T08:00:00.000Z; its offset must not be minus zero",
        f"{requirement}; XAPI-00123, Data 4.5",
    )


def _timestamp_2(value: Any, path: str, problems: Problems) -> None:
    before = len(problems)
    _timestamp("XAPI-00022, Data 2.4.7")(value, path, problems)
    if len(problems) == before and not formats.is_rfc3339(value):
        _add(problems, path, "xAPI 2.0 4.2.7, RFC 3339", "must name its offset and abbreviate nothing (RFC 3339)")


# Agents and groups (Data 2.4.2) ------------------------------------------------------------------------

_account = _object(
    {"homePage": _iri("XAPI-00042, Data 2.4.2.4"), "name": _string()},
    ("homePage", "name"),
    "XAPI-00042, XAPI-00043, Data 2.4.2.4",
)
_IDENTIFIERS: dict[str, Check] = {
    "mbox": _text(formats.is_mbox, "must be mailto: and one mail address", "XAPI-00038, Data 2.4.2.3"),
    "mbox_sha1sum": _text(formats.is_sha1, "must be 40 hex digits", "XAPI-00039, Data 2.4.2.3"),
    "openid": _iri("XAPI-00040, Data 2.4.2.3"),
    "account": _account,
}


def _agent(value: Any, path: str, problems: Problems) -> None:
    if _members(value, path, problems, _AGENT, (), "", "XAPI-00032, Data 2.4.2.1"):
        _one_identifier(value, path, problems, "XAPI-00034, Data 2.4.2.1")


def _group(value: Any, path: str, problems: Problems) -> None:
    required = ("objectType",)
    if not _members(value, path, problems, _GROUP, required, "XAPI-00031, Data 2.4.2.2", "XAPI-00037, Data 2.4.2.2"):
        return
    if "member" in value and not any(name in value for name in _IDENTIFIERS):
        return
    if "member" not in value and not any(name in value for name in _IDENTIFIERS):
        _add(problems, path + ".member", "XAPI-00035, Data 2.4.2.2", "a Group without an identifier needs its members")
        return
    _one_identifier(value, path, problems, "XAPI-00037, Data 2.4.2.2")


def _one_identifier(value: dict[str, Any], path: str, problems: Problems, requirement: str) -> None:
    found = [name for name in _IDENTIFIERS if name in value]
    if len(found) != 1:
        listed = f", not {' and '.join(found)}" if found else ""
        _add(problems, path, requirement, f"needs exactly one of mbox, mbox_sha1sum, openid, account{listed}")


def _actor(value: Any, path: str, problems: Problems) -> None:
    if type(value) is dict and value.get("objectType", "Agent") != "Agent":
        _group(value, path, problems)
    else:
        _agent(value, path, problems)


_AGENT: dict[str, Check] = {
    "objectType": _one_of("XAPI-00031, Data 2.4.2.1", "Agent"),
    "name": _string("XAPI-00033, Data 2.4.2.1"),
    **_IDENTIFIERS,
}
_GROUP: dict[str, Check] = {
    **_AGENT,
    "objectType": _one_of("XAPI-00031, Data 2.4.2.2", "Group"),
    "member": _array(_agent, "XAPI-00036, Data 2.4.2.2"),
}


def _authority(value: Any, path: str, problems: Problems) -> None:
    """An Agent, or the two members that three-legged OAuth makes (Data 2.4.9)."""
    before = len(problems)
    _actor(value, path, problems)
    if len(problems) > before or value.get("objectType") != "Group":
        return
    if any(name in value for name in _IDENTIFIERS) or len(value.get("member", ())) != 2:
        _add(problems, path, "XAPI-00098, Data 2.4.9", "a Group as authority has no identifier and exactly two members")
    elif not any("account" in member for member in value["member"]):
        _add(problems, path, "XAPI-00100, Data 2.4.9", "one member must be the OAuth consumer, identified by account")


# Verb, activity, result (Data 2.4.3 to 2.4.5) ------------------------------------------------------------

_verb = _object(
    {"id": _iri("XAPI-00044, Data 2.4.3"), "display": _language_map("XAPI-00045, Data 2.4.3")},
    ("id",),
    "XAPI-00044, Data 2.4.3",
)

_component = _object(
    {"id": _string(), "description": _language_map("XAPI-00063, Data 2.4.4.1")}, ("id",), "XAPI-00063, Data 2.4.4.1"
)


def _components(value: Any, path: str, problems: Problems) -> None:
    """A list of interaction components, whose ids are different (Data 2.4.4.1)."""
    before = len(problems)
    _array(_component, "XAPI-00063, Data 2.4.4.1")(value, path, problems)
    if len(problems) == before:
        ids = [each["id"] for each in value]
        if len(set(ids)) < len(ids):
            _add(problems, path, "XAPI-00063, Data 2.4.4.1", "the ids of components must be different")


#: Interaction type -> which lists of components go with it (Data 2.4.4.1, table "Interaction Components").
_INTERACTIONS: dict[str, tuple[str, ...]] = {
    "true-false": (),
    "choice": ("choices",),
    "fill-in": (),
    "long-fill-in": (),
    "matching": ("source", "target"),
    "performance": ("steps",),
    "sequencing": ("choices",),
    "likert": ("scale",),
    "numeric": (),
    "other": (),
}
_COMPONENT_LISTS = ("choices", "scale", "source", "target", "steps")
_DEFINITION: dict[str, Check] = {
    "name": _language_map("XAPI-00056, Data 2.4.4.1"),
    "description": _language_map("XAPI-00059, Data 2.4.4.1"),
    "type": _iri("XAPI-00060, Data 2.4.4.1"),
    "moreInfo": _iri("XAPI-00061, Data 2.4.4.1"),
    "extensions": _extensions,
    "interactionType": _one_of("XAPI-00049, Data 2.4.4.1", *_INTERACTIONS),
    "correctResponsesPattern": _array(_string(), "XAPI-00050, Data 2.4.4.1"),
    **dict.fromkeys(_COMPONENT_LISTS, _components),
}


def _definition(value: Any, path: str, problems: Problems) -> None:
    if not _members(value, path, problems, _DEFINITION, (), "", "XAPI-00048, Data 2.4.4.1"):
        return
    kind = value.get("interactionType")
    if kind is None:
        if "correctResponsesPattern" in value or any(name in value for name in _COMPONENT_LISTS):
            _add(
                problems,
                path + ".interactionType",
                "XAPI-00064, Data 2.4.4.1",
                "is required here",
            )
        return
    allowed = _INTERACTIONS.get(kind) if type(kind) is str else None
    if allowed is not None:
        for name in _COMPONENT_LISTS:
            if name in value and name not in allowed:
                _add(problems, f"{path}.{name}", "XAPI-00064, Data 2.4.4.1", f"does not go with interactionType {kind}")


_ACTIVITY: dict[str, Check] = {
    "objectType": _one_of("XAPI-00046, Data 2.4.4", "Activity"),
    "id": _iri("XAPI-00047, Data 2.4.4.1"),
    "definition": _definition,
}
_activity = _object(_ACTIVITY, ("id",), "XAPI-00047, Data 2.4.4.1")

_statement_ref = _object(
    {"objectType": _one_of("XAPI-00073, Data 2.4.4.3", "StatementRef"), "id": _uuid("XAPI-00072, Data 2.4.4.3")},
    ("objectType", "id"),
    "XAPI-00072, Data 2.4.4.3",
)


def _score(value: Any, path: str, problems: Problems) -> None:
    if not _members(value, path, problems, _SCORE, (), "", "XAPI-00079, Data 2.4.5.1"):
        return
    numbers = [value.get(name) for name in ("scaled", "raw", "min", "max")]
    scaled, raw, least, most = (each if type(each) in _NUMBER else None for each in numbers)
    if scaled is not None and not -1 <= scaled <= 1:
        _add(problems, path + ".scaled", "XAPI-00083, Data 2.4.5.1", "must lie between -1 and 1")
    if least is not None and most is not None and least >= most:
        _add(problems, path + ".min", "XAPI-00081, Data 2.4.5.1", "must be less than max")
    if raw is not None and ((least is not None and raw < least) or (most is not None and raw > most)):
        _add(problems, path + ".raw", "XAPI-00082, Data 2.4.5.1", "must lie between min and max")


_SCORE: dict[str, Check] = {
    "scaled": _Plain(_NUMBER, "XAPI-00083, Data 2.4.5.1"),
    "raw": _Plain(_NUMBER, "XAPI-00082, Data 2.4.5.1"),
    "min": _Plain(_NUMBER, "XAPI-00081, Data 2.4.5.1"),
    "max": _Plain(_NUMBER, "XAPI-00080, Data 2.4.5.1"),
}

_result = _object(
    {
        "score": _score,
        "success": _Plain(_BOOLEAN, "XAPI-00074, Data 2.4.5"),
        "completion": _Plain(_BOOLEAN, "XAPI-00075, Data 2.4.5"),
        "response": _string("XAPI-00076, Data 2.4.5"),
        "duration": _text(
            formats.is_duration, "must be an ISO 8601 duration such as PT1H30M", "XAPI-00077, XAPI-00124, Data 4.6"
        ),
        "extensions": _extensions,
    }
)

# Context (Data 2.4.6; xAPI 2.0 4.2.2.5) -----------------------------------------------------------------


def _context_activity(value: Any, path: str, problems: Problems) -> None:
    """One activity or an array of them; it is given back as an array (Data 2.4.6.2)."""
    if type(value) is list:
        for position, each in enumerate(value):
            _activity(each, f"{path}[{position}]", problems)
    else:
        _activity(value, path, problems)


_relevant_types = _array(_iri("xAPI 2.0 4.2.2.5"), "xAPI 2.0 4.2.2.5", least=1)

_CONTEXT_1: dict[str, Check] = {
    "registration": _uuid("XAPI-00087, Data 2.4.6"),
    "instructor": _actor,
    "team": _group,
    "contextActivities": _object(
        dict.fromkeys(("parent", "grouping", "category", "other"), _context_activity), (), "XAPI-00086, Data 2.4.6.2"
    ),
    "revision": _string("XAPI-00089, Data 2.4.6"),
    "platform": _string("XAPI-00090, Data 2.4.6"),
    "language": _text(formats.is_language_tag, "must be an RFC 5646 language tag", "XAPI-00091, Data 2.4.6"),
    "statement": _statement_ref,
    "extensions": _extensions,
}
_CONTEXT_2: dict[str, Check] = {
    **_CONTEXT_1,
    "contextAgents": _array(
        _object(
            {
                "objectType": _one_of("xAPI 2.0 4.2.2.5", "contextAgent"),
                "agent": _agent,
                "relevantTypes": _relevant_types,
            },
            ("objectType", "agent"),
            "xAPI 2.0 4.2.2.5",
        ),
        "xAPI 2.0 4.2.2.5",
    ),
    "contextGroups": _array(
        _object(
            {
                "objectType": _one_of("xAPI 2.0 4.2.2.5", "contextGroup"),
                "group": _group,
                "relevantTypes": _relevant_types,
            },
            ("objectType", "group"),
            "xAPI 2.0 4.2.2.5",
        ),
        "xAPI 2.0 4.2.2.5",
    ),
}

# Attachments (Data 2.4.11) -------------------------------------------------------------------------------


def _length(value: Any, path: str, problems: Problems) -> None:
    if value is None:
        _add(problems, path, _NULL, "null is allowed inside extensions only")
    elif type(value) is not int or value < 0:
        _add(problems, path, "XAPI-00102, Data 2.4.11", "must be a whole number of bytes")


_attachments = _array(
    _object(
        {
            "usageType": _iri("XAPI-00107, Data 2.4.11"),
            "display": _language_map("XAPI-00106, Data 2.4.11"),
            "description": _language_map("XAPI-00106, Data 2.4.11"),
            "contentType": _text(
                formats.is_media_type, "must be a media type such as application/pdf", "XAPI-00105, Data 2.4.11"
            ),
            "length": _length,
            "sha2": _text(formats.is_sha2, "must be the hex digits of a SHA-2 digest", "XAPI-00103, Data 2.4.11"),
            "fileUrl": _iri("XAPI-00104, Data 2.4.11"),
        },
        ("usageType", "display", "contentType", "length", "sha2"),
        "XAPI-00107, Data 2.4.11",
    ),
    "XAPI-00025, Data 2.4",
)

# The object and the whole (Data 2.4, 2.4.4) --------------------------------------------------------------


def _statement_checks(context: Mapping[str, Check], timestamp: Check) -> tuple[dict[str, Check], dict[str, Check]]:
    """The members of a SubStatement and of a Statement."""
    shared: dict[str, Check] = {
        "actor": _actor,
        "verb": _verb,
        "result": _result,
        "context": _object(context),
        "timestamp": timestamp,
        "attachments": _attachments,
    }
    inner = {**shared, "objectType": _one_of("XAPI-00046, Data 2.4.4", "SubStatement"), "object": _object_of({})}
    outer = {
        **shared,
        "id": _uuid("XAPI-00029, Data 2.4.1"),
        "object": _object_of({"SubStatement": _substatement(inner)}),
        "stored": _timestamp("XAPI-00023, Data 2.4.8"),
        "authority": _authority,
        "version": _text(formats.is_statement_version, "must be 1.0, 1.0.x, 2.0 or 2.0.x", "XAPI-00332, Data 2.4.10"),
    }
    return inner, outer


def _substatement(checks: Mapping[str, Check]) -> Check:
    """It follows the rules of a statement, without id, stored, version, authority (Data 2.4.4.3)."""

    def check(value: Any, path: str, problems: Problems) -> None:
        _members(value, path, problems, checks, ("actor", "verb", "object"), "XAPI-00066, Data 2.4.4.3")
        _whole(value, path, problems)

    return check


_KINDS: dict[str, Check] = {
    "Activity": _activity,
    "Agent": _agent,
    "Group": _group,
    "StatementRef": _statement_ref,
}


def _object_of(more: Mapping[str, Check]) -> Check:
    kinds = {**_KINDS, **more}

    def check(value: Any, path: str, problems: Problems) -> None:
        if not _is(value, _OBJECT, path, problems, "XAPI-00046, Data 2.4.4"):
            return
        kind = value.get("objectType", "Activity")
        by_kind = kinds.get(kind) if type(kind) is str else None
        if by_kind is None:
            reason = "a SubStatement holds no SubStatement" if kind == "SubStatement" else f"must be {', '.join(kinds)}"
            _add(problems, path + ".objectType", "XAPI-00046, XAPI-00071, Data 2.4.4", reason)
        else:
            by_kind(value, path, problems)

    return check


def _whole(statement: dict[str, Any], path: str, problems: Problems) -> None:
    """What concerns more than one member: a void's object is a reference (Data 2.3.2), and revision and platform go
    with an Activity alone (Data 2.4.6)."""
    verb, context, target = statement.get("verb"), statement.get("context"), statement.get("object")
    if type(target) is not dict:
        return
    kind = target.get("objectType", "Activity")
    if type(verb) is dict and verb.get("id") == VOIDED and kind != "StatementRef":
        reason = "the object of a voiding statement is a StatementRef"
        _add(problems, path + ".object.objectType", "XAPI-00017, Data 2.3.2", reason)
    if type(context) is not dict or kind == "Activity":
        return
    for name, requirement in (("revision", "XAPI-00084"), ("platform", "XAPI-00085")):
        if name in context:
            _add(problems, f"{path}.context.{name}", f"{requirement}, Data 2.4.6", "is allowed for an Activity alone")


_, _STATEMENT_1 = _statement_checks(_CONTEXT_1, _timestamp("XAPI-00022, Data 2.4.7"))
_, _STATEMENT_2 = _statement_checks(_CONTEXT_2, _timestamp_2)
