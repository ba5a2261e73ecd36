"""The Person behind an agent: what one identifier was ever called (Communication 2.4)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lrs.agents import Identifier, agent_key
from lrs.tables import agent_names


def get_person(conn: sa.Connection, who: Identifier, name: str | None = None) -> dict[str, Any]:
    """The Person object, every member but objectType an array; ``name`` is the one in the request."""
    query = sa.select(agent_names.c.name).where(agent_names.c.agent_key == agent_key(who))
    names = [bytes(each).decode() for each in conn.execute(query.order_by(agent_names.c.seq)).scalars()]
    if name is not None and name not in names:
        names.append(name)
    value = {"homePage": who.homepage, "name": who.name} if who.kind == "account" else who.name
    person: dict[str, Any] = {"objectType": "Person", who.kind: [value]}
    return {**person, "name": names} if names else person
