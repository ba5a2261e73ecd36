"""By what a statement is found: the keys of its verb, activities, agents and registration (xAPI Communication 2.1.3).

Each filter is one key, so a list is one range of the index. What only ``related_activities`` or ``related_agents``
finds has a kind of its own: a filtered list reads one range, a related one reads two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lrs import agents
from lrs.keys import key64

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the statement lies (its actor), its verb, and every dim that finds it."""

    actor: int
    verb: int
    dims: tuple[int, ...]


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
    verb = verb_key(statement["verb"]["id"])
    direct = set(_direct_agents(statement))
    related = set(_related_agents(statement))
    related.update(agents.identifiers(authority))
    dims = [verb, *map(agents.agent_key, direct), *map(related_agent_key, related - direct)]
    target = statement["object"]
    own = target["id"] if target.get("objectType", "Activity") == "Activity" else None
    if own is not None:
        dims.append(activity_key(own))
    dims += [related_activity_key(iri) for iri in set(_related_activities(statement)) if iri != own]
    registration = statement.get("context", {}).get("registration")
    if registration is not None:
        dims.append(registration_key(registration))
    return Keys(agents.actor_key(statement["actor"]), verb, tuple(dims))


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
    for listed in statement.get("context", {}).get("contextActivities", {}).values():
        yield from (listed,) if isinstance(listed, Mapping) else listed


def _related_activities(statement: Statement) -> Iterator[str]:
    for activity in context_activities(statement):
        yield activity["id"]
    target = statement["object"]
    if target.get("objectType") == "SubStatement":
        inner = target["object"]
        if inner.get("objectType", "Activity") == "Activity":
            yield inner["id"]
        yield from _related_activities(target)


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
