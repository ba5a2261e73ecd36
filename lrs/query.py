"""Reading: one statement, a page of a list, and everything of some actors.

A page is one range of the index, newest first or oldest first, joined to the payloads of its rows alone. Of
several filters one drives and the others are looked up beside each of its rows; the verb stands in the row.
Filters must hold for one and the same statement, which is why index rows name the one that matches
(a statement is also found through the one that it refers to; xAPI Communication 2.1.4).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from lrs import agents, index, payloads
from lrs.sequence import lowest_seq, stored_at
from lrs.tables import ALL, attachments, statement_ids, statement_index, statements, voids

#: So many actors are asked for at once.
_TOGETHER = 500


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


def get(conn: sa.Connection, statement_id: UUID) -> Stored | None:
    """The statement with this id, voided or not (``voided_by`` says it)."""
    at = statement_ids.c
    query = sa.select(*_columns()).join_from(
        statement_ids, statements, sa.and_(statements.c.actor_key == at.actor_key, statements.c.seq == at.seq)
    )
    row = conn.execute(query.where(at.id == statement_id)).first()
    return None if row is None else _stored(conn, row)


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
    low, high = _range(query, after, below)
    found: dict[int, Stored] = {}
    while len(found) <= limit:
        wanted = limit + 1 - len(found)
        rows = conn.execute(*_page(query, low, high, wanted)).all()
        for row in rows:
            if row.seq not in found:
                found[row.seq] = _stored(conn, row)
        if len(rows) < wanted:
            break
        # Rows that only repeat a statement (found in two ways) leave room on the page.
        low, high = (rows[-1].seq, high) if query.ascending else (low, rows[-1].seq)
    page = tuple(found.values())[:limit]
    return Page(page, page[-1].seq if len(found) > limit else None)


def of_actors(
    conn: sa.Connection, actor_keys: Iterable[int], *, after: int | None = None, limit: int | None = None
) -> Iterator[Stored]:
    """Every statement of these actors by actor and number, voided ones marked; for recognition.

    ``after`` leaves out the numbers up to it; ``limit`` bounds how many of each actor.
    """
    keys, at = sorted(set(actor_keys)), statements.c
    query = sa.select(*_columns()).order_by(at.actor_key, at.seq)
    if after is not None:
        query = query.where(at.seq > after)
    # A bound is one of each actor. Without one, a question for many of them: one for each is most of the cost.
    parts = (
        [[key] for key in keys]
        if limit is not None
        else [keys[n : n + _TOGETHER] for n in range(0, len(keys), _TOGETHER)]
    )
    decode = payloads.decoder(conn)
    for part in parts:
        rows = conn.execute(query.where(at.actor_key.in_(part)).limit(limit)).all()
        for id, actor_key, seq, codec, payload, owner, origin, voided_by in rows:
            yield Stored(id, actor_key, seq, decode(codec, payload), owner, origin, voided_by)


def actors_about(conn: sa.Connection, activities: Iterable[str], *, extra: Iterable[str] = ()) -> set[int]:
    """The actors of statements that name one of these activities, or whose object has one of these extra keys."""
    named = tuple(activities)
    dims = [*map(index.activity_key, named), *map(index.related_activity_key, named), *map(index.extra_key, extra)]
    query = sa.select(statement_index.c.actor_key).where(statement_index.c.dim.in_(dims)).distinct()
    return set(conn.execute(query).scalars())


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


def _columns() -> list[sa.ColumnElement[Any]]:
    voided_by = (
        sa.select(voids.c.voider)
        .where(voids.c.target == statements.c.id, voids.c.effective)
        .order_by(voids.c.voider)
        .limit(1)
        .scalar_subquery()
        .label("voided_by")
    )
    at = statements.c
    return [at.id, at.actor_key, at.seq, at.codec, at.payload, at.owner, at.origin, voided_by]


def _stored(conn: sa.Connection, row: sa.Row[Any]) -> Stored:
    payload = payloads.decode(conn, row.codec, row.payload)
    return Stored(row.id, row.actor_key, row.seq, payload, row.owner, row.origin, row.voided_by)


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


def _filters(query: StatementQuery) -> list[list[int]]:
    """Each filter as the dims of which one must hold, the most selective first."""
    filters: list[list[int]] = []
    if query.registration is not None:
        filters.append([index.registration_key(query.registration)])
    if query.agent is not None:
        filters.append([agents.agent_key(query.agent)])
        if query.related_agents:
            filters[-1].append(index.related_agent_key(query.agent))
    if query.activity is not None:
        filters.append([index.activity_key(query.activity)])
        if query.related_activities:
            filters[-1].append(index.related_activity_key(query.activity))
    if query.authority is not None:
        filters.append([index.related_agent_key(query.authority), agents.agent_key(query.authority)])
    return filters


@dataclass(frozen=True, slots=True)
class _Shape:
    """What makes it another query; all else is a parameter, so that each is built and compiled once.

    ``filters`` counts for each filter the dims of which one must hold. The first is the one whose range is walked.
    """

    filters: tuple[int, ...]
    verb: bool
    mine: bool
    ascending: bool


def _page(query: StatementQuery, low: int, high: int, limit: int) -> tuple[sa.Executable, dict[str, Any]]:
    """The query of the next rows of the index, each with its payload, and its parameters."""
    filters = _filters(query)
    verb = index.verb_key(query.verb) if query.verb is not None else None
    if not filters and query.mine is not None:
        filters = _filters(StatementQuery(authority=query.mine.authority))
    if not filters:
        filters, verb = [[ALL if verb is None else verb]], None
    parameters: dict[str, Any] = {"low": low, "high": high, "limit": limit}
    parameters |= {_dim(*at): dim for *at, dim in _numbered(filters)}
    if verb is not None:
        parameters["verb"] = verb
    if query.mine is not None:
        parameters["origin"] = query.mine.origin
    shape = _Shape(tuple(map(len, filters)), verb is not None, query.mine is not None, query.ascending)
    return _page_query(shape), parameters


def _numbered(filters: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    for position, dims in enumerate(filters):
        for number, dim in enumerate(dims):
            yield position, number, dim


def _dim(position: int, number: int) -> str:
    return f"dim_{position}_{number}"


@functools.cache
def _page_query(shape: _Shape) -> sa.Executable:
    # The limit stands inside: the database reads so many payloads and no more, whatever it thinks of its statistics.
    keys = _keys(shape).subquery()
    at = statements.c
    here = sa.and_(at.actor_key == keys.c.actor_key, at.seq == keys.c.seq)
    columns = [at.id, at.actor_key, at.seq, at.codec, at.payload, at.owner, at.origin, sa.null().label("voided_by")]
    page = sa.select(*columns).join_from(keys, statements, here)
    return page.order_by(keys.c.seq if shape.ascending else keys.c.seq.desc())


def _keys(shape: _Shape) -> sa.Select[Any]:
    """Number and actor of the next rows of the index; a statement that is found in two ways may come twice."""
    parts = [_part(shape, _dim(0, number)) for number in range(shape.filters[0])]
    if len(parts) == 1:
        return parts[0]
    both = sa.union_all(*(part.subquery().select() for part in parts)).subquery()
    return sa.select(both).order_by(both.c.seq if shape.ascending else both.c.seq.desc()).limit(sa.bindparam("limit"))


def _part(shape: _Shape, dim: str) -> sa.Select[Any]:
    at = statement_index.c
    part = sa.select(at.seq, at.actor_key)
    part = part.where(at.dim == sa.bindparam(dim), at.seq > sa.bindparam("low"), at.seq < sa.bindparam("high"))
    if shape.verb:
        part = part.where(at.verb_key == sa.bindparam("verb"))
    for position, alternatives in enumerate(shape.filters[1:], start=1):
        beside = statement_index.alias()
        dims = [sa.bindparam(_dim(position, number), type_=sa.BigInteger) for number in range(alternatives)]
        same = sa.and_(beside.c.dim.in_(dims), beside.c.seq == at.seq, beside.c.matched == at.matched)
        part = part.where(sa.exists(sa.select(sa.literal(1)).where(same)))
    if shape.mine:
        own = sa.and_(
            statements.c.actor_key == at.actor_key,
            statements.c.seq == at.seq,
            statements.c.origin == sa.bindparam("origin"),
        )
        part = part.where(sa.exists(sa.select(sa.literal(1)).where(own)))
    return part.order_by(at.seq if shape.ascending else at.seq.desc()).limit(sa.bindparam("limit"))
