"""The formats of a list: exact as stored, ids alone, or canonical in the reader's language (Communication 2.1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from lrs import agents, index

Statement = dict[str, Any]
Definitions = Mapping[str, Mapping[str, Any]]

_LANGUAGE_MAPS = ("name", "description")
_MOST_LANGUAGES = 20
_COMPONENT_LISTS = ("choices", "scale", "source", "target", "steps")


def as_ids(payload: bytes) -> bytes:
    """Only what identifies each agent, group, verb and activity."""
    return orjson.dumps(_mapped(orjson.loads(payload), _actor_id, lambda activity: {"id": activity["id"]}, _verb_id))


def as_canonical(payload: bytes, definitions: Definitions, languages: Sequence[str]) -> bytes:
    """Each activity with its merged definition, and of each language map the one entry that fits best."""

    def activity(given: Mapping[str, Any]) -> dict[str, Any]:
        definition = definitions.get(given["id"], given.get("definition"))
        return dict(given) if definition is None else {**given, "definition": _in_one(definition, languages)}

    def verb(given: Mapping[str, Any]) -> dict[str, Any]:
        return {**given, "display": pick(given["display"], languages)} if "display" in given else dict(given)

    return orjson.dumps(_mapped(orjson.loads(payload), dict, activity, verb))


def activities_of(payloads: Iterable[bytes]) -> set[str]:
    """The ids of every activity in these statements."""
    return {activity["id"] for payload in payloads for activity in index.activities(orjson.loads(payload))}


def parse_accept_language(header: str) -> tuple[str, ...]:
    """The language ranges, best first (RFC 9110 12.5.4). What cannot be read is left out, and so are more than a few:
    each is looked for in every language map."""
    ranges: list[tuple[float, str]] = []
    for item in header.split(",", _MOST_LANGUAGES)[:_MOST_LANGUAGES]:
        match = re.fullmatch(r"\s*([A-Za-z0-9*-]+)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?", item)
        if match:
            quality = float(match[2]) if match[2] else 1.0
            if quality > 0:
                ranges.append((quality, match[1].lower()))
    return tuple(tag for _, tag in sorted(ranges, key=lambda each: -each[0]))


def pick(language_map: Mapping[str, str], languages: Sequence[str]) -> dict[str, str]:
    """The entry that fits best, as a map of one; the first entry where none fits."""
    tags = {tag.lower(): tag for tag in language_map}
    for wanted in languages:
        chosen = _lookup(tags, wanted)
        if chosen is not None:
            return {chosen: language_map[chosen]}
    return dict([*language_map.items()][:1])


def _lookup(tags: Mapping[str, str], wanted: str) -> str | None:
    """RFC 4647: the tag itself, a longer one that begins with it, or what is left when its end is cut off."""
    while wanted:
        if wanted in tags:
            return tags[wanted]
        longer = next((tag for low, tag in tags.items() if low.startswith(wanted + "-")), None)
        if longer is not None:
            return longer
        wanted = wanted.rpartition("-")[0]
    return None


def _in_one(definition: Mapping[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    chosen = dict(definition)
    for name in _LANGUAGE_MAPS:
        if name in chosen:
            chosen[name] = pick(chosen[name], languages)
    for name in _COMPONENT_LISTS:
        if name in chosen:
            chosen[name] = [
                {**each, "description": pick(each["description"], languages)} if "description" in each else each
                for each in chosen[name]
            ]
    return chosen


Change = Callable[[Mapping[str, Any]], dict[str, Any]]


def _mapped(statement: Statement, actor: Change, activity: Change, verb: Change) -> Statement:
    """The statement with each actor, activity and verb changed, those of a SubStatement too."""
    changed = {**statement, "actor": actor(statement["actor"]), "verb": verb(statement["verb"])}
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        changed["object"] = activity(target)
    elif kind in ("Agent", "Group"):
        changed["object"] = actor(target)
    elif kind == "SubStatement":
        changed["object"] = _mapped(target, actor, activity, verb)
    if "authority" in statement:
        changed["authority"] = actor(statement["authority"])
    if "context" in statement:
        changed["context"] = _mapped_context(statement["context"], actor, activity)
    return changed


def _mapped_context(context: Mapping[str, Any], actor: Change, activity: Change) -> dict[str, Any]:
    changed = dict(context)
    for name in ("instructor", "team"):
        if name in changed:
            changed[name] = actor(changed[name])
    for name, member in (("contextAgents", "agent"), ("contextGroups", "group")):
        if name in changed:
            changed[name] = [{**each, member: actor(each[member])} for each in changed[name]]
    if "contextActivities" in changed:
        changed["contextActivities"] = {
            name: [activity(each) for each in listed] for name, listed in changed["contextActivities"].items()
        }
    return changed


def _actor_id(actor: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"objectType": actor["objectType"]} if "objectType" in actor else {}
    identified = next((name for name in agents.IDENTIFIERS if name in actor), None)
    if identified is not None:
        return {**kept, identified: actor[identified]}
    return {**kept, "member": [_actor_id(member) for member in actor["member"]]}


def _verb_id(verb: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": verb["id"]}
