"""What is known of an activity: the merge of every definition that statements brought (Data 2.4.4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from lrs import index, payloads
from lrs.database import in_parts
from lrs.tables import activity_definitions

#: Members whose parts are added to one another; every other member is taken from the newest definition.
_MERGED = ("name", "description", "extensions")


def find_definitions(conn: sa.Connection, iris: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The merged definition of each of these activities that has one."""
    wanted = set(iris)
    at = activity_definitions.c
    query = sa.select(at.codec, at.activity).order_by(at.seq, at.digest)
    merged: dict[str, dict[str, Any]] = {}
    for some in in_parts(sorted(map(index.activity_key, wanted))):
        for row in conn.execute(query.where(at.activity_key.in_(some))).all():
            activity = orjson.loads(payloads.decode(conn, row.codec, row.activity))
            if activity["id"] in wanted:  # Two IRIs may share a key; the full one settles it.
                _merge(merged.setdefault(activity["id"], {}), activity["definition"])
    return merged


def get_activity(conn: sa.Connection, iri: str) -> dict[str, Any]:
    """The Activity object; without a definition where none was ever sent (xAPI 2.0 4.1.6.4)."""
    activity: dict[str, Any] = {"objectType": "Activity", "id": iri}
    definition = find_definitions(conn, [iri]).get(iri)
    return activity if definition is None else {**activity, "definition": definition}


def _merge(into: dict[str, Any], definition: Mapping[str, Any]) -> None:
    for name, member in definition.items():
        into[name] = {**into.get(name, {}), **member} if name in _MERGED else member
