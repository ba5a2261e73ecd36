"""Drafts: courses that a provider's picker gave, until an administrator says what they are worth, or discards them.

A draft is in no catalogue: it is not listed, launched or recognized. Picked again it is the same draft; one that was
discarded comes back, one that was confirmed stays the course that it became.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub import journal
from hub.learning import catalogue
from hub.lti.contentitems import Item
from hub.tables import drafts
from lrs.database import insert_new
from mappings.course import COLUMNS, Course, Problem
from mappings.policy import Policy

if TYPE_CHECKING:
    from hub.runtime import Hub

DRAFT, CONFIRMED, DISCARDED = "draft", "confirmed", "discarded"

#: What an administrator fills in; the rest is the item's.
CONFIRMABLE = (
    "id", "aliases", "title_id", "title_en", "form", "scope", "programme_jp", "minutes", "days", "requires",
    "min_score", "repeat", "valid_from", "valid_until", "competencies",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A course-to-be. ``deployment`` is the tenant where it was picked, ``course`` the id that it was confirmed as."""

    id: int
    deployment: int
    state: str
    item: Item
    picked_by: str
    picked_at: datetime
    course: str | None


@dataclass(frozen=True, slots=True)
class Landed:
    """What a picking brought, in items."""

    new: int
    again: int
    known: int


def land(conn: sa.Connection, hub: Hub, deployment: int, items: Sequence[Item], *, by: str) -> Landed:
    """Keep the items as drafts: new ones, discarded ones again, and those that are there stay as they are."""
    given = {item.key: item for item in items}
    rows = [
        {
            "deployment": deployment,
            "item": key,
            "state": DRAFT,
            "document": item.to_json(),
            "picked_by": by,
            "picked_at": hub.clock(),
        }
        for key, item in given.items()
    ]
    new = insert_new(conn, drafts, rows, returning=(drafts.c.item,)) if rows else []
    others = [key for key in given if key not in {row.item for row in new}]
    again = sa.update(drafts).where(
        drafts.c.deployment == deployment, drafts.c.item.in_(others), drafts.c.state == DISCARDED
    )
    revived = conn.execute(again.values(state=DRAFT, picked_by=by, picked_at=hub.clock())).rowcount if others else 0
    done = Landed(len(new), revived, len(others) - revived)
    counts = {"added": done.new, "again": done.again, "known": done.known}
    journal.record(
        conn, who=by, action="draft.pick", object=f"deployment:{deployment}", now=hub.clock(), new_id=hub.new_id,
        **counts,
    )  # fmt: skip
    return done


def page(conn: sa.Connection, *, limit: int, after: int = 0, deployments: Collection[int] | None = None) -> list[Draft]:
    """Drafts that wait, of some deployments if named, the oldest first; ``after`` is the last one seen."""
    query = sa.select(drafts).where(drafts.c.state == DRAFT, drafts.c.id > after)
    if deployments is not None:
        query = query.where(drafts.c.deployment.in_(sorted(deployments)))
    return [_draft(row) for row in conn.execute(query.order_by(drafts.c.id).limit(limit))]


def find(conn: sa.Connection, draft_id: int) -> Draft | None:
    """The draft with that number, waiting or not."""
    row = conn.execute(sa.select(drafts).where(drafts.c.id == draft_id)).first()
    return None if row is None else _draft(row)


def proposal(draft: Draft) -> dict[str, str]:
    """How the form begins: what the provider proposes, and the hub where it says nothing."""
    item = draft.item
    cells = {"id": f"urn:uuid:{_uuid(item.key)}", "title_id": item.title, "title_en": "", "repeat": "once"}
    cells |= {"scope": "national", "days": "1", "requires": "completed"}
    cells |= {"valid_from": item.starts or "", "valid_until": item.ends or ""}
    return {name: cells.get(name, "") for name in CONFIRMABLE} | item.proposed


def check(
    conn: sa.Connection, draft: Draft, cells: Mapping[str, str], provider: str, deployment: str, policy: Policy
) -> Course | tuple[Problem, ...]:
    """The course that the form makes of a draft, or every problem of it, judged as a row of `course import`."""
    row = {name: cells.get(name, "") for name in CONFIRMABLE}
    row |= {"provider": provider, "launch_url": draft.item.url, "deployment": deployment}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerow(row)
    found = catalogue.read_courses(conn, text.getvalue(), policy)
    if found.problems:
        return found.problems
    # Not through the row: a value of the provider's stays as it is.
    return replace(found.courses[0], custom=draft.item.custom)


def confirm(conn: sa.Connection, hub: Hub, draft: Draft, course: Course, *, by: str) -> bool:
    """Take the course into the catalogue; False where somebody was faster with this draft."""
    if not _settle(conn, draft, CONFIRMED, course.id):
        return False
    catalogue.import_courses(conn, hub, [course], by=by)
    _record(conn, hub, draft, "draft.confirm", by, course=course.id)
    return True


def discard(conn: sa.Connection, hub: Hub, draft: Draft, *, by: str) -> bool:
    """Put a draft away; False where it does not wait any more."""
    if not _settle(conn, draft, DISCARDED, None):
        return False
    _record(conn, hub, draft, "draft.discard", by)
    return True


def restore(conn: sa.Connection, hub: Hub, draft: Draft, *, by: str) -> bool:
    """Take back that a draft was discarded."""
    back = sa.update(drafts).where(drafts.c.id == draft.id, drafts.c.state == DISCARDED).values(state=DRAFT)
    if conn.execute(back).rowcount != 1:
        return False
    _record(conn, hub, draft, "draft.restore", by)
    return True


def has_waiting(conn: sa.Connection) -> bool:
    """Whether anything waits for an administrator."""
    return conn.execute(sa.select(drafts.c.id).where(drafts.c.state == DRAFT).limit(1)).first() is not None


def _settle(conn: sa.Connection, draft: Draft, state: str, course: str | None) -> bool:
    waiting = sa.update(drafts).where(drafts.c.id == draft.id, drafts.c.state == DRAFT)
    return conn.execute(waiting.values(state=state, course=course)).rowcount == 1


def _record(conn: sa.Connection, hub: Hub, draft: Draft, action: str, by: str, **detail: Any) -> None:
    journal.record(
        conn, who=by, action=action, object=f"draft:{draft.id}", now=hub.clock(), new_id=hub.new_id, **detail
    )  # fmt: skip


def _uuid(key: str) -> str:
    return f"{key[:8]}-{key[8:12]}-8{key[13:16]}-a{key[17:20]}-{key[20:32]}"


def _draft(row: sa.Row[Any]) -> Draft:
    return Draft(
        row.id, row.deployment, row.state, Item.from_json(row.document), row.picked_by, row.picked_at, row.course
    )
