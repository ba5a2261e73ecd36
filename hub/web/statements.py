"""A stored statement for people's eyes: who did what, when, with what result. The bytes themselves stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.web.words import number
from lrs.agents import Identifier, identifier
from lrs.query import Stored
from lrs.render import pick


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a list shows of a statement."""

    id: UUID
    actor: Identifier | None
    actor_name: str
    verb: str
    verb_name: str
    object: str
    object_type: str
    object_name: str
    timestamp: str
    stored: datetime
    score: str
    success: bool | None
    completion: bool | None
    duration: str
    registration: str
    voided_by: UUID | None
    origin: str


def sketch(stored: Stored, language: str = "id") -> Sketch:
    """What stands in a statement, by its members; what it does not say is empty."""
    statement = _mapping(orjson.loads(stored.payload))
    actor, verb, thing = (_mapping(statement.get(name)) for name in ("actor", "verb", "object"))
    result, context = _mapping(statement.get("result")), _mapping(statement.get("context"))
    verb_id = str(verb.get("id", ""))
    return Sketch(
        id=stored.id,
        actor=identifier(actor),
        actor_name=str(actor.get("name", "")),
        verb=verb_id,
        verb_name=_in(verb.get("display"), language) or verb_id.rstrip("/").rpartition("/")[2],
        object=str(thing.get("id", "")),
        object_type=str(thing.get("objectType", "Activity")),
        object_name=_in(_mapping(thing.get("definition")).get("name"), language),
        timestamp=str(statement.get("timestamp", "")),
        stored=stored.stored,
        score=_score(_mapping(result.get("score"))),
        success=_truth(result.get("success")),
        completion=_truth(result.get("completion")),
        duration=str(result.get("duration", "")),
        registration=str(context.get("registration", "")),
        voided_by=stored.voided_by,
        origin=stored.origin,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _in(language_map: Any, language: str) -> str:
    """A text in the reader's language, else in whichever there is."""
    found = _mapping(language_map)
    if not found:
        return ""
    return str(next(iter(pick(found, (language, "en")).values()), ""))


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _score(score: Mapping[str, Any]) -> str:
    """A score as it was said, in the reader's way of writing numbers: "85,5 / 100", or its scaled value."""
    raw, high, scaled = score.get("raw"), score.get("max"), score.get("scaled")
    if raw is not None:
        return f"{number(str(raw))} / {number(str(high))}" if high is not None else number(str(raw))
    return number(str(scaled)) if scaled is not None else ""
