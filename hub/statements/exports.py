"""Statements as a file: lines of JSON from which they can be restored, or a table of chosen columns for people.

Oldest first, page by page, each page a read of its own: memory does not grow with the file, and nothing is held open
while a slow client takes its time. It ends at the horizon of its beginning (`lrs.sequence`), so nothing below it can
still appear: the next export begins with ``from`` at this one's ``through``.

The last line says how many there were. A file without it is not whole, whatever cut it off.

Lines of JSON are for restoring (docs/statements.md): each is a statement with what the hub knows beside its bytes, its
attachments among it, so that every line stands for itself. A voided statement is on no list; it stands directly before
the statement that voided it. The last line signs all of them with the hub's own key.
"""

from __future__ import annotations

import base64
import csv
import hmac
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub import journal
from hub.operations.logs import mask
from hub.people import identity, learners
from hub.people.learners import Learner
from hub.rows import Number, cell
from hub.runtime import Hub
from hub.statements import columns, search
from hub.statements.columns import Column
from hub.statements.search import Search
from hub.systems import credentials, registry, sync
from lrs import attachments, query
from lrs.query import Stored
from lrs.validate import VOIDED

#: Of the format of the lines.
FORMAT = 1
#: Statements that are read at once.
PAGE = 200
#: Bytes that are handed on at once.
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """A statement with what the hub knows of it."""

    stored: Stored
    statement: Mapping[str, Any]
    connector: str | None
    origin: str
    learner: Learner | None = None
    first: Mapping[str, Any] | None = None
    may_void_any: bool | None = None


def json_lines(hub: Hub, wanted: Search, through: datetime) -> Iterator[bytes]:
    """Everything that the search finds, restorable; ``through`` is the horizon."""
    mac = hmac.new(key(hub), digestmod="sha256")
    count = 0
    for line in _json_lines(hub, wanted, through):
        mac.update(line)
        count += line.startswith(b'{"kind":"statement"')
        yield line
    end = {"kind": "end", "statements": count, "through": _iso(through), "mac": mac.hexdigest()}
    yield orjson.dumps(end) + b"\n"


def table(hub: Hub, wanted: Search, through: datetime, chosen: Sequence[Column]) -> Iterator[bytes]:
    """What the search finds as a table for spreadsheets: nothing in it is taken for a formula."""
    yield "\ufeff".encode() + _csv(column.text for column in chosen)
    count = 0
    for each in _told(hub, wanted, through):
        count += 1
        yield _csv(cell(_cell(each, column)) for column in chosen)
    yield _csv(("#end", str(count), _iso(through)))


def in_chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces, for the network."""
    pieces: list[bytes] = []
    size = 0
    for line in lines:
        pieces.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join(pieces)


def record(conn: sa.Connection, hub: Hub, wanted: Search, form: str, *, by: str) -> None:
    """Write down who takes what out of the hub: it is personal data."""
    filters = {f"where_{name}": mask(value) for name, value in wanted.given.items()}
    journal.record(
        conn, who=by, action="statements.export", object=f"file:{form}", now=hub.clock(), new_id=hub.new_id, **filters
    )  # fmt: skip


def key(hub: Hub) -> bytes:
    """The key that signs the lines: an export of this hub, unchanged, is known by it."""
    return hub.keyring.key("statements-export")


# Reading -----------------------------------------------------------------------------------------------


def _told(hub: Hub, wanted: Search, through: datetime, *, whole: bool = False) -> Iterator[Told]:
    """Every statement found, oldest first. ``whole``: with what restoring needs, and voided ones where they belong."""
    queries = [replace(each, ascending=True) for each in wanted.queries]
    after: int | None = None
    while True:
        with hub.db.read() as conn:
            page = search.find(conn, queries, limit=PAGE, after=after, below=through)
            told = _tell(conn, page.statements)
            told = _restorable(conn, told) if whole else _with_learners(conn, told)
        yield from told
        after = page.next_after
        if after is None:
            return


def _tell(conn: sa.Connection, page: Iterable[Stored]) -> list[Told]:
    systems = registry.connector_names(conn)
    keys = {f"credential:{each.id}": f"credential/{each.name}" for each in credentials.list_all(conn)}
    return [
        Told(each, orjson.loads(each.payload), systems.get(each.owner or 0), keys.get(each.origin, each.origin))
        for each in page
    ]


def _with_learners(conn: sa.Connection, told: list[Told]) -> list[Told]:
    known = identity.find_many(conn, [each.stored.actor_key for each in told])
    owners = {actor: each.learner for actor, each in known.items() if each.learner is not None}
    people = learners.find_many(conn, owners.values())
    return [replace(each, learner=people.get(owners.get(each.stored.actor_key, UUID(int=0)))) for each in told]


def _restorable(conn: sa.Connection, told: list[Told]) -> list[Told]:
    """With what another LRS had set on it, the right by which it voids, and before it what it voided."""
    found: list[Told] = []
    for each in told:
        if each.statement["verb"]["id"] != VOIDED:
            found.append(each)
            continue
        target = UUID(each.statement["object"]["id"])
        voided = query.get(conn, target)
        if voided is not None and voided.voided_by == each.stored.id:
            found += _tell(conn, [voided])
        found.append(replace(each, may_void_any=query.voids_by_right(conn, target, each.stored.id)))
    firsts = sync.find_origins(conn, [each.stored.id for each in found])
    return [replace(each, first=firsts.get(each.stored.id)) for each in found]


# Writing -----------------------------------------------------------------------------------------------


def _json_lines(hub: Hub, wanted: Search, through: datetime) -> Iterator[bytes]:
    head = {
        "kind": "export",
        "format": FORMAT,
        "hub": hub.base_url,
        "made": _iso(hub.clock()),
        "through": _iso(through),
        "filters": dict(wanted.given),
    }
    yield orjson.dumps(head) + b"\n"
    for each in _told(hub, wanted, through, whole=True):
        yield _line(each, _data(hub, each))


def _line(each: Told, data: Mapping[str, str]) -> bytes:
    payload = each.stored.payload
    beside: dict[str, Any] = {
        "kind": "statement",
        "seq": str(each.stored.seq),
        "connector": each.connector,
        "origin": each.origin,
    }
    if each.first is not None:
        beside["first"] = dict(each.first)
    if each.may_void_any is not None:
        beside["may_void_any"] = each.may_void_any
    if each.stored.voided_by is not None:
        beside["voided_by"] = str(each.stored.voided_by)
    if data:
        beside["attachments"] = dict(data)
    if b"\n" in payload or b"\r" in payload:
        # Between members a client may break lines; a line of this file may not, so they stand apart.
        beside["exact"] = payload.decode()
        payload = payload.replace(b"\n", b" ").replace(b"\r", b" ")
    return orjson.dumps(beside)[:-1] + b',"statement":' + payload + b"}\n"


def _data(hub: Hub, each: Told) -> dict[str, str]:
    """The attachment data that is stored here, by SHA-2, in base64."""
    wanted = {attachment["sha2"] for attachment in attachments.attachments_of(each.statement)}
    if not wanted:
        return {}
    with hub.db.read() as conn:
        found = query.find_attachments(conn, wanted)
    return {sha2: base64.b64encode(content).decode() for sha2, content in sorted(found.items())}


def _cell(each: Told, column: Column) -> str:
    if column.steps[0] == "hub":
        who = each.learner
        beside = {
            "connector": each.connector or "",
            "origin": each.origin,
            "nip": who.nip if who else "",
            "name": who.name if who else "",
        }
        return beside[column.steps[1]]
    found = columns.value(each.statement, column.steps)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return Number(columns.text_of(found)) if is_number else columns.text_of(found)


def _csv(cells: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(list(cells))
    return text.getvalue().encode()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
