"""By what a statement is found: the keys of its verb, activities, agents and registration (xAPI Communication 2.1.3).

Each filter is one key, so a list is one range of an index. What only ``related_activities`` or ``related_agents``
finds has a kind of its own: a filtered list reads one range, a related one reads those of a few columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lrs import agents
from lrs.keys import key64

Statement = Mapping[str, Any]

#: The columns of `lrs.tables.statements` that hold the key of an activity of the context, each of one role.
RELATED_ACTIVITIES = ("parent_key", "grouping_key", "category_key")

#: Every column that holds a key.
COLUMNS = ("verb_key", "authority_key", "activity_key", "registration_key", *RELATED_ACTIVITIES)


_NO_RELATED = dict.fromkeys(RELATED_ACTIVITIES)


class Keys(NamedTuple):
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
    return key64("registration", registration.lower())


def extra_key(key: str) -> int:
    """A further key of the object, such as an LMS's external id."""
    return key64("extra", key)


def keys_of(statement: Statement, authority: Mapping[str, Any]) -> Keys:
    """The keys of a valid statement that this authority asserts."""
    actor, target = agents.actor_key(statement["actor"]), statement["object"]
    registration = statement.get("context", {}).get("registration")
    own = target["id"] if target.get("objectType", "Activity") == "Activity" else None
    asserting = [related_agent_key(who) for who in agents.identifiers(authority)]
    columns: dict[str, int | None] = {
        "verb_key": verb_key(statement["verb"]["id"]),
        "authority_key": asserting[0] if asserting else None,
        "activity_key": None if own is None else activity_key(own),
        "registration_key": None if registration is None else registration_key(registration),
        **_NO_RELATED,
    }
    others = {*asserting[1:], *_place_activities(statement, own, columns)}
    direct, related = _direct_agents(statement), _related_agents(statement)
    others.update([agents.agent_key(who) for who in direct])
    others.update([related_agent_key(who) for who in related if who not in direct])
    others.difference_update((actor, *asserting[:1]))
    return Keys(actor, columns, tuple(others))


def _place_activities(statement: Statement, own: str | None, columns: dict[str, int | None]) -> list[int]:
    """Give the first activity of each role its column; the keys of those for which none is left."""
    placed, left = {own}, []
    for role, activity in _related_activities(statement):
        if activity not in placed:
            placed.add(activity)
            key, column = related_activity_key(activity), f"{role}_key"
            if column in RELATED_ACTIVITIES and columns[column] is None:
                columns[column] = key
            else:
                left.append(key)
    return left


def _direct_agents(statement: Statement) -> list[agents.Identifier]:
    found = agents.identifiers(statement["actor"])
    if statement["object"].get("objectType") in ("Agent", "Group"):
        found += agents.identifiers(statement["object"])
    return found


def _related_agents(statement: Statement) -> list[agents.Identifier]:
    """Those of the context, and every one of a SubStatement."""
    found = [who for actor in _actors_of_context(statement) for who in agents.identifiers(actor)]
    target = statement["object"]
    if target.get("objectType") == "SubStatement":
        found += _direct_agents(target) + _related_agents(target)
    return found


def _actors_of_context(statement: Statement) -> list[Mapping[str, Any]]:
    context = statement.get("context", {})
    found = [context[name] for name in ("instructor", "team") if name in context]
    found += [each["agent"] for each in context.get("contextAgents", ())]
    found += [each["group"] for each in context.get("contextGroups", ())]
    return found


def context_activities(statement: Statement) -> list[Mapping[str, Any]]:
    """Every activity of contextActivities, where one may stand without its array."""
    return [activity for _, activity in _by_role(statement)]


def _by_role(statement: Statement) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (role, activity)
        for role, listed in statement.get("context", {}).get("contextActivities", {}).items()
        for activity in ((listed,) if isinstance(listed, dict) else listed)
    ]


def _related_activities(statement: Statement) -> list[tuple[str, str]]:
    """The id of each activity beside the object, and its role; those of a SubStatement have none."""
    found = [(role, activity["id"]) for role, activity in _by_role(statement)]
    target = statement["object"]
    if target.get("objectType") == "SubStatement":
        inner = target["object"]
        if inner.get("objectType", "Activity") == "Activity":
            found.append(("", inner["id"]))
        found += [("", related) for _, related in _related_activities(target)]
    return found


def activities(statement: Statement) -> list[Mapping[str, Any]]:
    """Every activity that the statement names, wherever."""
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    found = [target] if kind == "Activity" else activities(target) if kind == "SubStatement" else []
    return found + context_activities(statement)


def named_agents(statement: Statement) -> Iterator[tuple[agents.Identifier, str]]:
    """Every identified agent or group with a name, wherever in the statement."""
    target = statement["object"]
    kind = target.get("objectType")
    yield from _named([statement["actor"], *_actors_of_context(statement)])
    if kind in ("Agent", "Group"):
        yield from _named([target])
    if kind == "SubStatement":
        yield from named_agents(target)


def _named(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[agents.Identifier, str]]:
    for actor in found:
        who = agents.identifier(actor)
        if who is not None and "name" in actor:
            yield who, actor["name"]
        if "member" in actor:
            yield from _named(actor["member"])
