"""By what a statement is found: the keys of its verb, activities, agents and registration (xAPI Communication 2.1.3).

Each filter is one key, so a list is one range of an index. What only ``related_activities`` or ``related_agents``
finds has a kind of its own: a filtered list reads one range, a related one reads those of a few columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lrs import agents
from lrs.keys import key64

Statement = Mapping[str, Any]

#: The columns of `lrs.tables.statements` that hold the key of an activity of the context, each of one role.
RELATED_ACTIVITIES = ("parent_key", "grouping_key", "category_key")

#: Every column that holds a key.
COLUMNS = ("verb_key", "authority_key", "activity_key", "registration_key", *RELATED_ACTIVITIES)


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the statement lies (its actor), and what finds it.

    ``columns`` are the keys that stand beside the payload, by the name of their column; ``others`` have rows of the
    index.
    """

    actor: int
    columns: Mapping[str, int | None]
    others: tuple[int, ...]

    @property
    def dims(self) -> set[int]:
        """Every key by which a statement is found that refers to this one."""
        return {self.actor, *self.others, *(key for key in self.columns.values() if key is not None)}


def verb_key(iri: str) -> int:
    """The key of a verb."""
    return key64("verb", iri)


def activity_key(iri: str) -> int:
    """The key of an activity as a statement's object; also the key of its definitions."""
    return key64("activity", iri)


def related_activity_key(iri: str) -> int:
    """The key of an activity that stands elsewhere in a statement."""
    return key64("activity*", iri)


def related_agent_key(who: agents.Identifier) -> int:
    """The key of an agent that stands elsewhere than in actor and object."""
    return key64("agent*", *who)


def registration_key(registration: str) -> int:
    """The key of a registration."""
    return key64("registration", str(UUID(registration)))


def extra_key(key: str) -> int:
    """A further key of the object, such as an LMS's external id."""
    return key64("extra", key)


def keys_of(statement: Statement, authority: Mapping[str, Any]) -> Keys:
    """The keys of a valid statement that this authority asserts."""
    actor = agents.actor_key(statement["actor"])
    asserting = [related_agent_key(who) for who in agents.identifiers(authority)]
    columns: dict[str, int | None] = dict.fromkeys(COLUMNS)
    columns["verb_key"] = verb_key(statement["verb"]["id"])
    columns["authority_key"] = asserting[0] if asserting else None
    target, own = statement["object"], None
    if target.get("objectType", "Activity") == "Activity":
        own = target["id"]
        columns["activity_key"] = activity_key(own)
    registration = statement.get("context", {}).get("registration")
    if registration is not None:
        columns["registration_key"] = registration_key(registration)
    others = set(asserting[1:])
    others.update(_place_activities(statement, own, columns))
    direct, related = set(_direct_agents(statement)), set(_related_agents(statement))
    others.update(agents.agent_key(who) for who in direct)
    others.update(related_agent_key(who) for who in related - direct)
    return Keys(actor, columns, tuple(others - {actor, columns["authority_key"]}))


def _place_activities(statement: Statement, own: str | None, columns: dict[str, int | None]) -> Iterator[int]:
    """Give the first activity of each role its column; the keys of those for which none is left."""
    placed = {own}
    for role, activity in _related_activities(statement):
        if activity not in placed:
            placed.add(activity)
            key, column = related_activity_key(activity), f"{role}_key"
            if column in RELATED_ACTIVITIES and columns[column] is None:
                columns[column] = key
            else:
                yield key


def _direct_agents(statement: Statement) -> Iterator[agents.Identifier]:
    yield from agents.identifiers(statement["actor"])
    if statement["object"].get("objectType") in ("Agent", "Group"):
        yield from agents.identifiers(statement["object"])


def _related_agents(statement: Statement) -> Iterator[agents.Identifier]:
    """Those of the context, and every one of a SubStatement."""
    context = statement.get("context", {})
    for name in ("instructor", "team"):
        if name in context:
            yield from agents.identifiers(context[name])
    for each in context.get("contextAgents", ()):
        yield from agents.identifiers(each["agent"])
    for each in context.get("contextGroups", ()):
        yield from agents.identifiers(each["group"])
    if statement["object"].get("objectType") == "SubStatement":
        yield from _direct_agents(statement["object"])
        yield from _related_agents(statement["object"])


def context_activities(statement: Statement) -> Iterator[Mapping[str, Any]]:
    """Every activity of contextActivities, where one may stand without its array."""
    for _, activity in _by_role(statement):
        yield activity


def _by_role(statement: Statement) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for role, listed in statement.get("context", {}).get("contextActivities", {}).items():
        for activity in (listed,) if isinstance(listed, Mapping) else listed:
            yield role, activity


def _related_activities(statement: Statement) -> Iterator[tuple[str, str]]:
    """The id of each activity beside the object, and its role; those of a SubStatement have none."""
    for role, activity in _by_role(statement):
        yield role, activity["id"]
    target = statement["object"]
    if target.get("objectType") == "SubStatement":
        inner = target["object"]
        if inner.get("objectType", "Activity") == "Activity":
            yield "", inner["id"]
        for _, related in _related_activities(target):
            yield "", related


def activities(statement: Statement) -> Iterator[Mapping[str, Any]]:
    """Every activity that the statement names, wherever."""
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        yield target
    elif kind == "SubStatement":
        yield from activities(target)
    yield from context_activities(statement)


def named_agents(statement: Statement) -> Iterator[tuple[agents.Identifier, str]]:
    """Every identified agent or group with a name, wherever in the statement."""
    context = statement.get("context", {})
    found: list[Mapping[str, Any]] = [statement["actor"], *(context[n] for n in ("instructor", "team") if n in context)]
    found += [each["agent"] for each in context.get("contextAgents", ())]
    found += [each["group"] for each in context.get("contextGroups", ())]
    target = statement["object"]
    kind = target.get("objectType")
    if kind in ("Agent", "Group"):
        found.append(target)
    yield from _named(found)
    if kind == "SubStatement":
        yield from named_agents(target)


def _named(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[agents.Identifier, str]]:
    for actor in found:
        who = agents.identifier(actor)
        if who is not None and "name" in actor:
            yield who, actor["name"]
        yield from _named(actor.get("member", ()))
