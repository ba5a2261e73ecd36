"""Statements from the grammar: valid ones come back equal, one broken requirement is refused, nothing else happens."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrs import formats, statements
from lrs.errors import LRSError
from lrs.sequence import lowest_seq
from lrs.validate import validate
from lrstest import WRITER

NEW = UUID("11111111-1111-4111-8111-111111111111")
VERSIONS = ("1.0.3", "2.0.0")

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
word = st.text("abcdefghij0123456789", min_size=1, max_size=8)
iris = st.builds(
    "{}{}".format, st.sampled_from(["http://x.org/", "https://é.example/a?b=", "urn:x:", "tag:x,2020:"]), word
)
uuids = st.uuids().map(str) | st.uuids().map(lambda each: str(each).upper())
tags = st.sampled_from(["id", "en-US", "zh-Hant-TW", "x-own", "i-klingon", "sr-Latn", "de-1996"])
language_maps = st.dictionaries(tags, text, max_size=2)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
extensions = st.dictionaries(iris, anything, max_size=2)
timestamps = st.sampled_from(
    [
        "2026-01-31T08:00:00Z",
        "2026-01-31T08:00:00.123456789+07:00",
        "1999-12-31t23:59:59.9z",
        "2026-01-31 08:00:00-03:30",
    ]
)
durations = st.sampled_from(["PT0S", "P4W", "P1Y2M3DT4H5M6.789S", "PT1.5H", "P1D"])


def some(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An object with its required members and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


identified = st.one_of(
    st.builds(lambda a, b: {"mbox": f"mailto:{a}@{b}.org"}, word, word),
    st.text("0123456789abcdefABCDEF", min_size=40, max_size=40).map(lambda each: {"mbox_sha1sum": each}),
    iris.map(lambda each: {"openid": each}),
    st.builds(lambda page, name: {"account": {"homePage": page, "name": name}}, iris, text),
)
agents = st.builds(lambda who, more: {**who, **more}, identified, some({}, objectType=st.just("Agent"), name=text))
named_groups = st.builds(
    lambda who, more: {"objectType": "Group", **who, **more},
    identified,
    some({}, name=text, member=st.lists(agents, max_size=2)),
)
groups = named_groups | some({"objectType": st.just("Group"), "member": st.lists(agents, max_size=2)}, name=text)
actors = agents | groups
verbs = some({"id": iris.filter(lambda each: "voided" not in each)}, display=language_maps)
plain = {"name": language_maps, "description": language_maps, "type": iris, "moreInfo": iris, "extensions": extensions}
components = st.lists(some({"id": word}, description=language_maps), max_size=3, unique_by=lambda each: str(each["id"]))
interactions = {
    "choice": ["choices"],
    "sequencing": ["choices"],
    "likert": ["scale"],
    "matching": ["source", "target"],
    "performance": ["steps"],
    "true-false": [],
    "other": [],
}
definitions = st.one_of(
    some({}, **plain),
    st.sampled_from(sorted(interactions)).flatmap(
        lambda kind: some(
            {"interactionType": st.just(kind)},
            correctResponsesPattern=st.lists(text, max_size=2),
            **dict.fromkeys(interactions[kind], components),
            **plain,
        )
    ),
)
activities = some({"id": iris}, objectType=st.just("Activity"), definition=definitions)
references = some({"objectType": st.just("StatementRef"), "id": uuids})
scores = st.one_of(
    some({}, scaled=st.floats(-1, 1)),
    st.tuples(numbers, numbers, numbers)
    .filter(lambda three: len({float(each) for each in three}) == 3)
    .map(lambda three: dict(zip(("min", "raw", "max"), sorted(three), strict=True))),
)
results = some(
    {}, score=scores, success=st.booleans(), completion=st.booleans(), response=text, duration=durations,
    extensions=extensions,
)  # fmt: skip
listed = st.one_of(activities, st.lists(activities, max_size=2))
context_1 = {
    "registration": uuids,
    "instructor": actors,
    "team": groups,
    "contextActivities": some({}, parent=listed, grouping=listed, category=listed, other=listed),
    "language": tags,
    "statement": references,
    "extensions": extensions,
}
context_2 = {
    **context_1,
    "contextAgents": st.lists(
        some(
            {"objectType": st.just("contextAgent"), "agent": agents},
            relevantTypes=st.lists(iris, min_size=1, max_size=2),
        ),
        max_size=2,
    ),
    "contextGroups": st.lists(some({"objectType": st.just("contextGroup"), "group": groups}), max_size=2),
}
files = st.lists(
    some(
        {
            "usageType": iris,
            "display": language_maps,
            "contentType": st.sampled_from(["text/plain", "application/pdf; charset=x"]),
            "length": st.integers(0, 2**40),
            "sha2": st.text("0123456789abcdef", min_size=64, max_size=64),
            "fileUrl": iris,
        },
        description=language_maps,
    ),
    max_size=2,
)


def statements_of(version: str) -> st.SearchStrategy[dict[str, Any]]:
    context = some({}, **(context_2 if version == "2.0.0" else context_1))
    shared = {"result": results, "context": context, "timestamp": timestamps, "attachments": files}
    things = st.one_of(
        activities,
        references,
        agents.map(lambda each: {**each, "objectType": "Agent"}),
        groups,
    )
    inner = some({"objectType": st.just("SubStatement"), "actor": actors, "verb": verbs, "object": things}, **shared)
    return some(
        {"actor": actors, "verb": verbs, "object": things | inner},
        id=uuids,
        version=st.sampled_from(["1.0", "1.0.3", "2.0.0"]),
        stored=timestamps,
        authority=agents,
        **shared,
    )


versioned = st.sampled_from(VERSIONS).flatmap(lambda version: st.tuples(st.just(version), statements_of(version)))


def prepare(body: bytes, version: str) -> tuple[statements.Prepared, ...]:
    return statements.prepare(statements.parse(body), version=version, writer=WRITER, new_id=lambda: NEW)


def _wrapped(statement: dict[str, Any]) -> dict[str, Any]:
    """With each single context activity in an array, as it is given back."""
    value = copy.deepcopy(statement)
    for each in (value, value["object"]):
        listed = each.get("context", {}).get("contextActivities", {}) if isinstance(each.get("context"), dict) else {}
        for name, activity in listed.items():
            listed[name] = activity if isinstance(activity, list) else [activity]
    return value


def _inner_moment(statement: dict[str, Any]) -> object:
    """When a SubStatement was, which 2.0 gives back in UTC: taken out of it."""
    inner = statement["object"]
    text = inner.pop("timestamp", None) if inner.get("objectType") == "SubStatement" else None
    return None if text is None else formats.parse_timestamp(text)


@settings(max_examples=150, deadline=None)
@given(versioned, st.booleans())
def test_a_valid_statement_is_accepted_and_comes_back_equal(made: tuple[str, dict[str, Any]], escaped: bool) -> None:
    version, statement = made
    body = json.dumps(statement, ensure_ascii=escaped, indent=1 if escaped else None).encode()

    assert validate(statement, version=version) == []
    [prepared] = prepare(body, version)

    value = orjson.loads(prepared.payload)
    for name in ("id", "stored", "authority", "version", "timestamp"):
        assert name in value
        if name not in statement or name in ("stored", "authority", "timestamp"):
            value.pop(name)
    expected = {n: m for n, m in _wrapped(statement).items() if n not in ("stored", "authority", "timestamp")}
    assert statements.digest(value) == prepared.digest
    assert _inner_moment(value) == _inner_moment(expected)
    assert value == expected
    assert lowest_seq(prepared.stored) == 0


@settings(max_examples=100, deadline=None)
@given(versioned, st.data())
def test_an_unknown_member_is_refused_wherever_it_stands(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    """XAPI-00008, Data 2.2."""
    version, statement = made
    objects = list(_objects(statement))

    data.draw(st.sampled_from(objects))["unknown"] = 1

    assert validate(statement, version=version)


@settings(max_examples=150, deadline=None)
@given(versioned, st.data())
def test_null_and_other_types_are_refused_wherever_they_stand(
    made: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    """XAPI-00001 and XAPI-00006, Data 2.2."""
    version, statement = made
    at, name = data.draw(st.sampled_from([(at, name) for at in _objects(statement) for name in at]))
    others = [None, True, 5, 5.5, "", [5], {"a": 5}]
    taken = at[name]

    at[name] = data.draw(st.sampled_from([each for each in others if not _same_kind(each, taken, name)]))

    assert validate(statement, version=version), (name, at[name])


def _same_kind(one: Any, other: Any, name: str) -> bool:
    if name in ("parent", "grouping", "category", "other"):
        return False
    if isinstance(one, bool) or isinstance(other, bool):
        return type(one) is type(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return True
    return type(one) is type(other)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of the statement whose members xAPI names: no extensions, no language maps."""
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)
    elif isinstance(value, dict):
        yield value
        for name, member in value.items():
            if name not in ("extensions", "display", "description") and not (
                name == "name" and isinstance(member, dict)
            ):
                yield from _objects(member)


json_values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            text | st.sampled_from(["id", "actor", "verb", "object", "objectType", "mbox", "context", "account"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def _refusal(body: bytes, version: str) -> str | None:
    try:
        prepare(body, version)
    except LRSError as error:
        return str(error)
    return None


@settings(max_examples=300, deadline=None)
@given(json_values, st.sampled_from(VERSIONS))
def test_any_json_is_accepted_or_refused_with_reasons(value: Any, version: str) -> None:
    assert _refusal(json.dumps(value).encode("utf-8", "surrogatepass"), version) != ""


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",:\\ \n\tu0019aé\x00', max_size=40).map(str.encode))
def test_any_bytes_are_accepted_or_refused_with_reasons(body: bytes) -> None:
    assert _refusal(body, "1.0.3") != ""


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_json_has_no_number_for_is_refused(number: float) -> None:
    with pytest.raises(LRSError):
        prepare(json.dumps({"result": {"score": {"raw": number}}}).encode(), "1.0.3")


# Every single requirement, broken one at a time ----------------------------------------------------------------

DROPPED, RENAMED = object(), object()
NOT_IRIS = ["", "x", "/a", "http://", "http://a b", "a:%zz", "//x.org/a", "http://x.org/<>"]
NOT_UUIDS = ["", "x", "{11111111-1111-4111-8111-111111111111}", "1" * 32, "11111111-1111-4111-8111-11111111111g"]
NOT_TIMES = ["", "soon", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00-00:00", "20260101T000000Z"]
NOT_MAPS = [{"en_US": "x"}, {"": "x"}, {"en": 1}, {"en": None}, [], "x"]

#: Member -> values that break what xAPI says of it, wherever it stands.
WRONG: dict[str, list[Any]] = {
    "mbox": ["", "a@b.org", "mailto:", "mailto:a", "mailto:a@b@c", "mailto:a b@c.org"],
    "mbox_sha1sum": ["", "0" * 39, "0" * 41, "g" * 40],
    **dict.fromkeys(("openid", "homePage", "type", "moreInfo", "usageType", "fileUrl"), NOT_IRIS),
    "account": [{}, {"homePage": "http://x.org"}, {"name": "x"}],
    **dict.fromkeys(("timestamp", "stored"), NOT_TIMES),
    "registration": NOT_UUIDS,
    "duration": ["", "P", "PT", "1H", "P1YT", "P1.5Y1M", "P0003-06-04T12:30:05", "pt1h", "-PT1H", "P1W1D"],
    "language": ["", "a_b", "english language", "i", "en-"],
    "contentType": ["", "pdf", "a/", "/b", "a b/c"],
    "sha2": ["", "0" * 63, "g" * 64],
    "length": [-1, 1.5, "1"],
    "version": ["", "0.9", "1.1.0", "2.1.0", "1", "1.0.x"],
    "interactionType": ["", "Choice", "true_false"],
    "objectType": ["", "activity", "AGENT", "Person", "Statementref", "contextagent"],
    "scaled": [1.0001, -2, "1", True],
    "relevantTypes": [[], ["x"], {}],
    "extensions": [{"x": 1}, {"": 1}, []],
    "correctResponsesPattern": ["a", [1], {}],
    "team": [{"mbox": "mailto:a@b.org"}, {"objectType": "Group"}, {"objectType": "Group", "member": [{}]}],
    "member": [{}, [{}], [{"objectType": "Group", "mbox": "mailto:a@b.org"}]],
    "verb": [{}, {"id": "http://x.org/v", "display": None}],
    "authority": [{}, {"objectType": "Group", "member": [{"mbox": "mailto:a@b.org"}]}],
    "contextActivities": [[], {"sibling": []}, {"parent": [{}]}],
    "score": [{"min": 1, "max": 1}, {"min": 2, "max": 1}, {"min": 0, "raw": -1}, {"max": 1, "raw": 2}],
}
MAPS = ("display", "description")
ALWAYS_NEEDED = frozenset(
    ("actor", "verb", "object", "homePage", "usageType", "contentType", "length", "sha2", "agent", "group")
)
KINDS_NEEDED = frozenset(("StatementRef", "SubStatement", "contextAgent", "contextGroup"))


def _broken(statement: dict[str, Any], version: str) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Every change that breaks one requirement of this statement: where, which member, and its wrong value."""
    for at in _objects(statement):
        for name, value in list(at.items()):
            yield from ((at, name, wrong) for wrong in WRONG.get(name, ()))
            yield at, name, RENAMED
            if name in MAPS or (name == "name" and isinstance(value, dict)):
                yield from ((at, name, wrong) for wrong in NOT_MAPS)
            if name == "id" and isinstance(value, str):
                yield from _wrong_ids(at)
            if _is_needed(at, name):
                yield at, name, DROPPED
        yield from _contradictions(at)
    if version == "2.0.0":
        yield statement, "timestamp", "2026-01-01T00:00:00"
        yield statement, "timestamp", "2026-01-01T00:00:00,5Z"
    else:
        yield statement, "context", {"contextAgents": []}
    if statement["object"].get("objectType") != "StatementRef":
        yield statement, "verb", {"id": "http://adlnet.gov/expapi/verbs/voided"}


def _wrong_ids(at: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    if "actor" in at or at.get("objectType") == "StatementRef":
        yield from ((at, "id", wrong) for wrong in NOT_UUIDS)
    elif not set(at) <= {"id", "description"}:  # A component's id is any text.
        yield from ((at, "id", wrong) for wrong in NOT_IRIS)


def _is_needed(at: dict[str, Any], name: str) -> bool:
    if name in ("mbox", "mbox_sha1sum", "openid", "account"):
        return at.get("objectType") != "Group" or "member" not in at
    if name == "objectType":
        return at[name] in KINDS_NEEDED or "member" in at
    if name == "id":
        return "actor" not in at
    return name in ALWAYS_NEEDED or (name == "name" and "homePage" in at) or (name == "display" and "usageType" in at)


def _contradictions(at: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Members that are right alone and wrong beside what is there."""
    identifiers = {"mbox": "mailto:a@b.org", "openid": "http://x.org/a", "mbox_sha1sum": "0" * 40}
    if identifiers.keys() & at.keys() or "account" in at:
        yield from ((at, name, value) for name, value in identifiers.items() if name not in at)
    if "interactionType" in at:
        others = {"choices", "scale", "source", "target", "steps"} - set(interactions.get(at["interactionType"], ()))
        yield from ((at, name, []) for name in others)
    for name in ("choices", "scale", "source", "target", "steps"):
        if at.get(name) and name in interactions.get(at.get("interactionType", ""), ()):
            yield at, name, [*at[name], at[name][0]]
    if at.get("objectType") == "SubStatement":
        yield from ((at, name, value) for name, value in (("id", str(NEW)), ("version", "1.0.0"), ("authority", {})))
        yield at, "stored", "2026-01-31T08:00:00Z"
        yield at, "object", copy.deepcopy(at)
    if "actor" in at and at["object"].get("objectType", "Activity") != "Activity":
        yield from ((at, "context", {name: "x"}) for name in ("revision", "platform"))


@settings(max_examples=60, deadline=None)
@given(versioned)
def test_every_single_requirement_that_is_broken_is_refused(made: tuple[str, dict[str, Any]]) -> None:
    """Data 2.2 to 2.6, each MUST where it applies in this statement; the problem names place and requirement.

    XAPI-00001 to XAPI-00013 (formatting), XAPI-00048 to XAPI-00064 (definitions and interactions), and those that
    tests/cases/xapi names one by one.
    """
    version, statement = made
    for at, name, value in list(_broken(statement, version)):
        before = dict(at)
        if value is RENAMED:
            at[name.swapcase()] = at.pop(name)
        elif value is DROPPED:
            del at[name]
        else:
            at[name] = value

        problems = validate(statement, version=version)

        assert problems, (name, value, at)
        assert all(problem.path and problem.requirement and problem.reason for problem in problems)
        at.clear()
        at.update(before)
    assert validate(statement, version=version) == []
