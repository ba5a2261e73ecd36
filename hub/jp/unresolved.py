"""Who the actors may be that are nobody's yet, and how much JP waits behind each: what an administrator decides by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub.jp import recognition
from hub.jp.recognition import Behind
from hub.people import identity, learners
from hub.people.identity import Description, Identity
from hub.people.learners import Learner
from hub.rows import is_nip
from lrs import query
from lrs.agents import Identifier
from lrs.query import Stored

if TYPE_CHECKING:
    from hub.runtime import Hub


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An actor that is nobody's, what it last did, whom it may be, and how much JP waits behind it."""

    identity: Identity
    latest: Stored | None
    suggested: Learner | None
    behind: Behind
    described: Description | None


def weigh(conn: sa.Connection, hub: Hub, page: Sequence[Identity]) -> tuple[Unresolved, ...]:
    """What is known of each actor of a page. Of each at most `recognition.WEIGHED` statements are read."""
    around = recognition.surroundings(conn, hub)
    described = identity.descriptions(conn, page)
    found = []
    for each in page:
        said = query.find(conn, query.StatementQuery(agent=each.who), limit=1).statements
        latest, about = (said[0] if said else None), described.get(each.actor_key)
        name = _name(latest) or (about.name if about else "")
        behind = recognition.behind(conn, hub, each.actor_key, around)
        found.append(Unresolved(each, latest, _suggested(conn, each.who, name), behind, about))
    return tuple(found)


def _name(latest: Stored | None) -> str:
    actor = recognition.parse(latest.payload).get("actor") if latest else None
    return str(actor.get("name", "")) if isinstance(actor, dict) else ""


def _suggested(conn: sa.Connection, who: Identifier, name: str) -> Learner | None:
    """Whom an actor may be: the one whose NIP is the account's name, else the only one of exactly this name."""
    if is_nip(who.name):
        return learners.find_by_nip(conn, who.name)
    if not name:
        return None
    found = [each for each in learners.search(conn, name, limit=3) if each.name.casefold() == name.casefold()]
    return found[0] if len(found) == 1 else None
