"""The columns of the gradebook: AGS 2.0 section 3.2.

The line item that is *coupled* to a course's own link is made by the hub at the first launch; scores in it are about
the course. Further ones a tool makes for itself: they are kept, and count for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.lti.contexts import Context
from hub.lti.numbers import parse_number, to_json
from hub.lti.refused import ServiceRefused
from hub.lti.times import parse_time
from hub.tables import lineitems, results
from lrs.database import insert_missing
from mappings.course import Course

if TYPE_CHECKING:
    from hub.runtime import Hub

#: The most that a tool can have in one context: they are read whole to be filtered.
MOST = 1000

LONGEST = 255

#: What a coupled line item is out of; the tool may change it.
MAXIMUM = Decimal(100)


@dataclass(frozen=True, slots=True)
class Column:
    """What a tool may say of a line item (AGS 2.0 section 3.2.6 and following)."""

    label: str
    maximum: Decimal
    resource_link_id: str | None = None
    resource_id: str | None = None
    tag: str | None = None
    start: str | None = None
    end: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The members, absent ones left out."""
        said = {
            "label": self.label,
            "scoreMaximum": to_json(self.maximum),
            "resourceLinkId": self.resource_link_id,
            "resourceId": self.resource_id,
            "tag": self.tag,
            "startDateTime": self.start,
            "endDateTime": self.end,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class LineItem:
    """A stored line item."""

    id: UUID
    context: Context
    is_coupled: bool
    column: Column

    def url(self, base_url: str) -> str:
        """Its address, which is its id for the tool."""
        return f"{self.context.url(base_url)}/lineitems/{self.id}"

    def to_json(self, base_url: str) -> dict[str, Any]:
        return {"id": self.url(base_url), **self.column.to_json()}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a tool looks for; given ones hold together (AGS 2.0 section 3.2.9)."""

    resource_link_id: str | None = None
    resource_id: str | None = None
    tag: str | None = None

    def hold(self, column: Column) -> bool:
        wanted = (self.resource_link_id, self.resource_id, self.tag)
        found = (column.resource_link_id, column.resource_id, column.tag)
        return all(want is None or want == there for want, there in zip(wanted, found, strict=True))


# Reading what a tool sends ---------------------------------------------------------------------------------------


def parse_column(body: Any, context: Context) -> Column:
    """The line item in a request's body; `ServiceRefused` says which member is wrong."""
    if not isinstance(body, dict):
        raise ServiceRefused(400, "lineitem", "The body must be one line item: a JSON object.")
    link = _text(body, "resourceLinkId")
    # LI03: the hub has one link in each context, the course itself.
    if link is not None and link != context.resource_link_id:
        raise ServiceRefused(400, "resourceLinkId", f"{link!r} is no resource link of this context.")
    return Column(
        label=_label(body),
        maximum=_maximum(body),
        resource_link_id=link,
        resource_id=_text(body, "resourceId"),
        tag=_text(body, "tag"),
        start=_time(body, "startDateTime"),
        end=_time(body, "endDateTime"),
    )


def _label(body: Mapping[str, Any]) -> str:
    label = _text(body, "label")
    if label is None or not label.strip():
        raise ServiceRefused(400, "label", "label is missing or blank.")
    return label


def _maximum(body: Mapping[str, Any]) -> Decimal:
    value = body.get("scoreMaximum")
    number = None if isinstance(value, str) else parse_number(value)
    if number is None or number <= 0:
        raise ServiceRefused(400, "scoreMaximum", "scoreMaximum must be a number above 0.")
    return number


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    # Moodle sends its resourceId as a number.
    if isinstance(value, int) and not isinstance(value, bool) and name == "resourceId":
        value = str(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise ServiceRefused(400, name, f"{name} must be text of at most {LONGEST} characters.")
    return value


def _time(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or parse_time(value) is None:
        raise ServiceRefused(400, name, f"{name} must be a time with a zone, such as 2026-01-31T08:00:00Z.")
    return value


# In the database -------------------------------------------------------------------------------------------------


def coupled_id(hub: Hub, context: Context) -> UUID:
    """The id of a context's coupled line item: it follows from the context, so two launches make one."""
    return xapi.statement_id("lineitem", hub.base_url, context.id)


def coupled_url(hub: Hub, context: Context) -> str:
    """The address of a context's coupled line item."""
    return f"{context.url(hub.base_url)}/lineitems/{coupled_id(hub, context)}"


def ensure_coupled(conn: sa.Connection, hub: Hub, context: Context, tool: int, course: Course) -> None:
    """Make the context's coupled line item if it is not there."""
    column = Column(course.title("id").strip()[:LONGEST], MAXIMUM, context.resource_link_id)
    item = LineItem(coupled_id(hub, context), context, is_coupled=True, column=column)
    _insert(conn, hub, item, tool)


def create(
    conn: sa.Connection, hub: Hub, context: Context, tool: int, course: Course, wanted: Column
) -> tuple[LineItem, bool]:
    """A new line item and True; or the one that is there for the same resource, tag and link, and False.

    A tool that lost our answer asks again: two columns for one thing would split its scores (LI08).
    """
    ensure_coupled(conn, hub, context, tool, course)
    # The coupled one is always there: whoever creates in this context waits at it for those before. What they made
    # is read after that by a statement of its own: one that had to wait still sees what was there when it began.
    conn.execute(_of(context).where(lineitems.c.id == coupled_id(hub, context)).with_for_update())
    there = _rows(conn, _of(context), context)
    same = [item for item in there if _is_same(item.column, wanted)]
    if same:
        return same[0], False
    if len(there) >= MOST:
        raise ServiceRefused(403, "too_many", f"This context has {MOST} line items, the most that a tool may make.")
    item = LineItem(hub.new_id(), context, is_coupled=False, column=wanted)
    _insert(conn, hub, item, tool)
    return item, True


def find(conn: sa.Connection, context: Context, lineitem_id: UUID) -> LineItem | None:
    """The line item with that id in that context."""
    found = _rows(conn, _of(context).where(lineitems.c.id == lineitem_id), context)
    return found[0] if found else None


def find_all(
    conn: sa.Connection, context: Context, filters: Filters, *, limit: int, after: UUID | None
) -> tuple[Sequence[LineItem], bool]:
    """The context's line items that pass the filters, in the order of ids, and whether there are more."""
    there = _rows(conn, _of(context), context)
    wanted = [item for item in there if filters.hold(item.column) and (after is None or item.id.bytes > after.bytes)]
    wanted.sort(key=lambda item: item.id.bytes)
    return wanted[:limit], len(wanted) > limit


def update(conn: sa.Connection, item: LineItem, wanted: Column) -> LineItem:
    """Change what a tool may change: everything but the id and the link (LI06)."""
    changed = replace(item, column=replace(wanted, resource_link_id=item.column.resource_link_id))
    conn.execute(sa.update(lineitems).where(*_key(item)).values(document=_document(changed.column)))
    return changed


def delete(conn: sa.Connection, item: LineItem) -> None:
    """Take a line item away with its results. Its scores stay as they were received."""
    conn.execute(sa.delete(lineitems).where(*_key(item)))
    conn.execute(sa.delete(results).where(results.c.lineitem == item.id))


def _is_same(there: Column, wanted: Column) -> bool:
    """Whether two columns are for one thing; one with neither resourceId nor tag is like no other."""
    if wanted.resource_id is None and wanted.tag is None:
        return False
    names = (there.resource_id, there.tag, there.resource_link_id)
    return names == (wanted.resource_id, wanted.tag, wanted.resource_link_id)


def _insert(conn: sa.Connection, hub: Hub, item: LineItem, tool: int) -> None:
    row = {
        "context": item.context.id,
        "id": item.id,
        "tool": tool,
        "deployment": item.context.deployment,
        "course": item.context.course,
        "is_coupled": item.is_coupled,
        "document": _document(item.column),
        "created_at": hub.clock(),
    }
    insert_missing(conn, lineitems, [row])


def _of(context: Context) -> sa.Select[Any]:
    columns = (lineitems.c.id, lineitems.c.is_coupled, lineitems.c.document)
    return sa.select(*columns).where(lineitems.c.context == context.id)


def _key(item: LineItem) -> Iterable[sa.ColumnElement[bool]]:
    return (lineitems.c.context == item.context.id, lineitems.c.id == item.id)


def _rows(conn: sa.Connection, query: sa.Select[Any], context: Context) -> list[LineItem]:
    return [LineItem(row.id, context, row.is_coupled, _column(row.document)) for row in conn.execute(query)]


def _document(column: Column) -> str:
    return orjson.dumps(column.to_json() | {"scoreMaximum": str(column.maximum)}).decode()


def _column(document: str) -> Column:
    stored = orjson.loads(document)
    return Column(
        label=stored["label"],
        maximum=Decimal(stored["scoreMaximum"]),
        resource_link_id=stored.get("resourceLinkId"),
        resource_id=stored.get("resourceId"),
        tag=stored.get("tag"),
        start=stored.get("startDateTime"),
        end=stored.get("endDateTime"),
    )
