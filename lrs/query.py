"""Reading: one statement, a page of a list, and everything of some actors.

A page is one range of an index, newest first or oldest first, with the payloads of its rows alone. Of several filters
one drives, and the others are looked up beside each of its rows. What a filter finds lies in a column of `statements`
or, where there may be several of a kind, in `statement_index`; a statement is also found through the one that it refers
to (xAPI Communication 2.1.4). Filters must hold for one and the same statement, which is why rows of the index name the
one that matches.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from lrs import agents, index, payloads
from lrs.database import among, uuid_bytes
from lrs.precompiled import Precompiled
from lrs.sequence import lowest_seq, stored_at
from lrs.tables import FREQUENT, attachments, slot, statement_ids, statement_index, statements, voids

_AT = statements.c
_NAMES = ("id", "actor_key", "seq", "codec", "payload", "owner", "origin", "voided_by")
_COLUMNS: tuple[sa.ColumnElement[Any], ...] = tuple(_AT[name] for name in _NAMES)
#: What `payloads.texts` needs, and the rest of what is on a list: it is not voided.
_TEXT = (uuid_bytes(_AT.id).label("id"), _AT.seq, _AT.codec, _AT.payload)
_SEQ = operator.itemgetter(1)
_LISTED = (*_TEXT, _AT.actor_key, _AT.owner, _AT.origin)
_BY_ID = Precompiled(
    sa.select(*_COLUMNS)
    .join_from(
        statement_ids,
        statements,
        sa.and_(_AT.actor_key == statement_ids.c.actor_key, _AT.seq == statement_ids.c.seq),
    )
    .where(statement_ids.c.id == sa.bindparam("wanted"))
)

#: So many actors are asked for at once, and so many of their statements are kept unpacked.
_TOGETHER, _READ_AT_ONCE = 500, 100


class Stored(NamedTuple):
    """A stored statement: the bytes as accepted, where it lies, who stored it, and what voided it."""

    id: UUID
    actor_key: int
    seq: int
    payload: bytes
    owner: int | None
    origin: str
    voided_by: UUID | None = None

    @property
    def stored(self) -> datetime:
        return stored_at(self.seq)


@dataclass(frozen=True, slots=True)
class Mine:
    """Only what this origin stored; its authority is the key by which that is found."""

    authority: agents.Identifier
    origin: str


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """The filters of a list (xAPI Communication 2.1.3), and ``authority``: on whose word it stands."""

    agent: agents.Identifier | None = None
    verb: str | None = None
    activity: str | None = None
    registration: str | None = None
    related_activities: bool = False
    related_agents: bool = False
    authority: agents.Identifier | None = None
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    mine: Mine | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The statements of a page, and after which number the next one begins; None at the end."""

    statements: tuple[Stored, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Texts:
    """The numbers of a page's statements, their bytes as accepted, and after which number the next one begins; None at
    the end."""

    numbers: list[int]
    payloads: list[bytes]
    next_after: int | None


def get(conn: sa.Connection, statement_id: UUID) -> Stored | None:
    """The statement with this id, voided or not (``voided_by`` says it)."""
    row = _BY_ID.first(conn, wanted=statement_id)
    if row is None:
        return None
    text = payloads.text(conn, row)
    return Stored(row.id, row.actor_key, row.seq, text, row.owner, row.origin, row.voided_by)


def find(
    conn: sa.Connection,
    query: StatementQuery,
    *,
    limit: int,
    after: int | None = None,
    below: datetime | None = None,
) -> Page:
    """A page of at most ``limit`` statements that are not voided.

    ``after`` is the ``next_after`` of the page before. ``below`` is the horizon: an ascending list stops there, so
    that a reader who follows it never passes a statement that is still to appear.
    """
    rows, next_after = _next_rows(conn, query, limit, _range(query, after, below), whole=True)
    texts = payloads.texts(conn, [row[:4] for row in rows])
    listed = [
        Stored(UUID(bytes=id), actor_key, seq, text, owner, origin)
        for (id, seq, _, _, actor_key, owner, origin), text in zip(rows, texts, strict=True)
    ]
    return Page(tuple(listed), next_after)


def find_texts(
    conn: sa.Connection,
    query: StatementQuery,
    *,
    limit: int,
    after: int | None = None,
    below: datetime | None = None,
) -> Texts:
    """The page that `find` gives, for who needs no more of it than the texts: for half of what it costs."""
    rows, next_after = _next_rows(conn, query, limit, _range(query, after, below), whole=False)
    return Texts([_SEQ(row) for row in rows], payloads.texts(conn, rows), next_after)


def _next_rows(
    conn: sa.Connection, query: StatementQuery, limit: int, between: tuple[int, int], *, whole: bool
) -> tuple[list[tuple[Any, ...]], int | None]:
    """The rows of a page, of `_TEXT` or all that is listed, and after which number the next one begins."""
    low, high = between
    shape, keys = _asked(query, whole)
    page_query = _page_query(shape)
    found: dict[int, tuple[Any, ...]] = {}
    while len(found) <= limit:
        wanted = limit + 1 - len(found)
        rows = page_query.plain(conn, **keys, **_bounds(low, high), limit=wanted)
        rows = sorted(rows, key=_SEQ, reverse=not query.ascending)[:wanted]
        found |= {_SEQ(row): row for row in rows}
        if len(rows) < wanted:
            break
        # Rows that only repeat a statement (found in two ways) leave room on the page.
        low, high = (_SEQ(rows[-1]), high) if query.ascending else (low, _SEQ(rows[-1]))
    page = list(found.values())[:limit]
    return page, _SEQ(page[-1]) if len(found) > limit else None


def of_actors(
    conn: sa.Connection, actor_keys: Iterable[int], *, after: int | None = None, limit: int | None = None
) -> Iterator[Stored]:
    """Every statement of these actors by actor and number, voided ones marked; for recognition.

    ``after`` leaves out the numbers up to it; ``limit`` bounds how many of each actor.
    """
    keys, at = sorted(set(actor_keys)), statements.c
    query = sa.select(*_COLUMNS).order_by(at.actor_key, at.seq)
    if after is not None:
        query = query.where(at.seq > after)
    # A bound is one of each actor. Without one, a question for many of them: one for each is most of the cost.
    parts = (
        [[key] for key in keys]
        if limit is not None
        else [keys[n : n + _TOGETHER] for n in range(0, len(keys), _TOGETHER)]
    )
    for part in parts:
        rows = conn.execute(query.where(among(conn, at.actor_key, part)).limit(limit)).all()
        for few in (rows[n : n + _READ_AT_ONCE] for n in range(0, len(rows), _READ_AT_ONCE)):
            texts = payloads.texts(conn, [(row[0].bytes, row[2], row[3], row[4]) for row in few])
            for (id, actor_key, seq, _, _, owner, origin, voided_by), text in zip(few, texts, strict=True):
                yield Stored(id, actor_key, seq, text, owner, origin, voided_by)


def actors_about(conn: sa.Connection, activities: Iterable[str], *, extra: Iterable[str] = ()) -> set[int]:
    """The actors of statements that name one of these activities, or whose object has one of these extra keys."""
    named = tuple(activities)
    dims = [*map(index.activity_key, named), *map(index.related_activity_key, named), *map(index.extra_key, extra)]
    found = [sa.select(statement_index.c.actor_key).where(statement_index.c.dim.in_(dims))]
    columns = ("activity_key", *index.RELATED_ACTIVITIES)
    found += [sa.select(statements.c.actor_key).where(statements.c[column].in_(dims)) for column in columns]
    return set(conn.execute(sa.union(*found)).scalars())


def voids_by_right(conn: sa.Connection, target: UUID, voider: UUID) -> bool:
    """Whether this voiding statement came from somebody who may void anything."""
    at = voids.c
    query = sa.select(at.may_void_any).where(at.target == target, at.voider == voider)
    return bool(conn.execute(query).scalar())


def stored_among(conn: sa.Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these ids under which a statement is stored."""
    at = statement_ids.c
    return set(conn.execute(sa.select(at.id).where(at.id.in_(list(ids)), at.seq.is_not(None))).scalars())


def find_attachments(conn: sa.Connection, sha2s: Iterable[str]) -> dict[str, bytes]:
    """The attachment data that is stored with these digests, by the digest in lower case."""
    wanted = sorted({bytes.fromhex(sha2) for sha2 in sha2s})
    if not wanted:
        return {}
    query = sa.select(attachments.c.sha2, attachments.c.content).where(attachments.c.sha2.in_(wanted))
    return {bytes(row.sha2).hex(): bytes(row.content) for row in conn.execute(query)}


def measure_attachments(conn: sa.Connection, sha2s: Iterable[str]) -> dict[str, int]:
    """How many bytes of attachment data are stored with these digests, by the digest in lower case; none is read."""
    wanted = sorted({bytes.fromhex(sha2) for sha2 in sha2s})
    query = sa.select(attachments.c.sha2, sa.func.length(attachments.c.content).label("bytes"))
    return {bytes(row.sha2).hex(): row.bytes for row in conn.execute(query.where(attachments.c.sha2.in_(wanted)))}


def _range(query: StatementQuery, after: int | None, below: datetime | None) -> tuple[int, int]:
    """The numbers strictly between which the page lies. ``since`` is exclusive, ``until`` inclusive."""
    low, high = -1, 2**63 - 1
    if query.since is not None:
        low = lowest_seq(query.since, later=1) - 1
    if query.until is not None:
        high = lowest_seq(query.until, later=1)
    if query.ascending:
        if after is not None:
            low = max(low, after)
        if below is not None:
            high = min(high, lowest_seq(below))
    elif after is not None:
        high = min(high, after)
    return low, high


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where a filter looks: the columns that hold its key, and with ``related`` also those that hold its related key.

    Where it is not ``indexed`` it is asked of the listed statement itself, never of one that it refers to.
    """

    columns: tuple[str, ...]
    related: tuple[str, ...] = ()
    indexed: bool = True


#: The most selective first: the first one that is given drives.
_KINDS = {
    "registration": _Kind(("registration_key",)),
    "agent": _Kind(("actor_key",), ("authority_key",)),
    "activity": _Kind(("activity_key",), index.RELATED_ACTIVITIES),
    "authority": _Kind(("authority_key",), indexed=False),
    "verb": _Kind(("verb_key",)),
}


class _Shape(NamedTuple):
    """What makes it another query; all else is a parameter, so that each is built and compiled once.

    ``filters`` are names of `_KINDS` in their order, and whether what is related counts. ``whole`` asks for more than
    the texts.
    """

    filters: tuple[tuple[str, bool], ...]
    mine: bool
    ascending: bool
    whole: bool

    def select(self) -> sa.Select[Any]:
        """Of `statements`, what the list is to tell."""
        return sa.select(*(_LISTED if self.whole else _TEXT))


def _asked(query: StatementQuery, whole: bool) -> tuple[_Shape, dict[str, Any]]:
    """A query's shape, and the values of its parameters: the keys of what is wanted."""
    keys: dict[str, tuple[int, int | None]] = {}
    if query.registration is not None:
        keys["registration"] = index.registration_key(query.registration), None
    if query.agent is not None:
        related = index.related_agent_key(query.agent) if query.related_agents else None
        keys["agent"] = agents.agent_key(query.agent), related
    if query.activity is not None:
        related = index.related_activity_key(query.activity) if query.related_activities else None
        keys["activity"] = index.activity_key(query.activity), related
    asserting = query.mine.authority if query.mine is not None and not keys else query.authority
    if asserting is not None:
        keys["authority"] = index.related_agent_key(asserting), None
    if query.verb is not None:
        keys["verb"] = index.verb_key(query.verb), None
    given: dict[str, Any] = {name: key for name, (key, _) in keys.items()}
    given |= {f"{name}_related": related for name, (_, related) in keys.items() if related is not None}
    if query.mine is not None:
        given["origin"] = query.mine.origin
    filters = tuple((name, related is not None) for name, (_, related) in keys.items())
    return _Shape(filters, query.mine is not None, query.ascending, whole), given


def _bounds(low: int, high: int) -> dict[str, int]:
    return {"low": low, "high": high, "low_slot": slot(low), "high_slot": slot(high)}


@functools.cache
def _page_query(shape: _Shape) -> Precompiled:
    parts = [*_parts(shape)]
    if len(parts) == 1:
        return Precompiled(parts[0])
    # The limit stands in each of them: the database reads so many payloads and no more, whatever it thinks of its
    # statistics. They are put in order where they arrive: mostly all rows are of one of them.
    return Precompiled(sa.union_all(*(part.subquery().select() for part in parts)))


def _parts(shape: _Shape) -> Iterator[sa.Select[Any]]:
    """The queries that together are the list: one for each range that is walked."""
    if not shape.filters:
        yield _ordered(_own(shape, shape.select().where(_AT.voided_by.is_(None))), _AT.seq, shape)
        return
    (name, with_related), *others = shape.filters
    for column, parameter in _places(name, with_related):
        part = shape.select().where(_AT[column] == parameter, *_holds_itself(others, beside=column))
        if column == "actor_key":
            part = part.where(_AT.verb_key.is_not(None))  # Not voided.
        yield _ordered(_own(shape, part), _AT.seq, shape, by_slot=column in FREQUENT)
    if _KINDS[name].indexed:
        for dim in _dims(name, with_related):
            yield _through_index(shape, dim, others)


def _ordered(
    part: sa.Select[Any], seq: sa.ColumnElement[int], shape: _Shape, *, by_slot: bool = False
) -> sa.Select[Any]:
    """The next rows of a range, whose index is by number or, ``by_slot``, by quarters of a second."""
    part = part.where(seq > sa.bindparam("low"), seq < sa.bindparam("high"))
    if by_slot:
        part = part.where(slot(seq) >= sa.bindparam("low_slot"), slot(seq) <= sa.bindparam("high_slot"))
        part = part.order_by(slot(seq) if shape.ascending else slot(seq).desc())
    return part.order_by(seq if shape.ascending else seq.desc()).limit(sa.bindparam("limit", type_=sa.BigInteger))


def _own(shape: _Shape, part: sa.Select[Any]) -> sa.Select[Any]:
    return part.where(_AT.origin == sa.bindparam("origin")) if shape.mine else part


def _places(name: str, with_related: bool) -> list[tuple[str, sa.BindParameter[int]]]:
    """The columns in which the filter looks, and for what."""
    kind = _KINDS[name]
    places = [(column, _key(name)) for column in kind.columns]
    return places + [(column, _key(f"{name}_related")) for column in kind.related if with_related]


def _dims(name: str, with_related: bool) -> list[sa.BindParameter[int]]:
    return [_key(name), _key(f"{name}_related")] if with_related else [_key(name)]


def _key(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _holds_itself(others: Iterable[tuple[str, bool]], *, beside: str = "") -> Iterator[sa.ColumnElement[bool]]:
    """That the statement itself matches these filters, where the range of the column ``beside`` is walked."""
    for name, with_related in others:
        here = [_holds(column, key, beside) for column, key in _places(name, with_related)]
        if name not in ("agent", "activity") or (name == "activity" and not with_related):
            yield sa.or_(*here)
        else:
            at = statement_index.alias().c
            row = sa.select(sa.literal(1)).where(at.dim.in_(_dims(name, with_related)))
            yield sa.or_(*here, sa.exists(row.where(_same(at.seq, _AT.seq), at.matched == 0)))


def _holds(column: str, key: sa.BindParameter[int], walked: str) -> sa.ColumnElement[bool]:
    # Not said as an equality of the column: the database would take the index of that for the one to walk. As a range,
    # the verb is still compared in the index of activities, where it stands too.
    if (column, walked) == ("verb_key", "activity_key"):
        return _AT[column].between(key, key)
    return _AT[column] + 0 == key


def _same(seq: sa.ColumnElement[int], as_seq: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    # A range, because of an equality PostgreSQL may make a table of everything that the key finds, to look into it.
    return seq.between(as_seq, as_seq)


def _through_index(shape: _Shape, dim: sa.BindParameter[int], others: list[tuple[str, bool]]) -> sa.Select[Any]:
    """What rows of the index find: statements by one of several, and those that refer to one that matches."""
    found = statement_index.c
    here = sa.and_(_AT.actor_key == found.actor_key, _AT.seq == found.seq)
    keys = sa.select(found.actor_key, found.seq).where(found.dim == dim)
    itself = [*_holds_itself(each for each in others if _KINDS[each[0]].indexed)]
    if itself:
        listed = sa.exists(sa.select(sa.literal(1)).select_from(statements).where(here, *itself))
        referred = [*_holds_of_matched(others)]
        keys = keys.where(sa.or_(sa.and_(found.matched == 0, listed), sa.and_(found.matched != 0, *referred)))
    always = [*_holds_itself(each for each in others if not _KINDS[each[0]].indexed)]
    if shape.mine:
        always.append(_AT.origin == sa.bindparam("origin"))
    if always:
        keys = keys.where(sa.exists(sa.select(sa.literal(1)).select_from(statements).where(here, *always)))
    first = _ordered(keys, found.seq, shape).subquery()
    here = sa.and_(_AT.actor_key == first.c.actor_key, _AT.seq == first.c.seq)
    return shape.select().join_from(first, statements, here)


def _holds_of_matched(others: Iterable[tuple[str, bool]]) -> Iterator[sa.ColumnElement[bool]]:
    """That the statement through which the row finds another matches these filters: each of its keys has a row."""
    found = statement_index.c
    for name, with_related in others:
        if _KINDS[name].indexed:
            beside = statement_index.alias()
            row = sa.select(sa.literal(1)).where(beside.c.dim.in_(_dims(name, with_related)))
            same = sa.and_(_same(beside.c.seq, found.seq), beside.c.matched == found.matched)
            yield sa.exists(row.where(same))
