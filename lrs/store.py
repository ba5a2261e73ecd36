"""Saving prepared statements in the caller's transaction: all of them, or an error that takes everything back.

Four decisions are made here, because only the database can make them:

- **Is the id new?** The primary key of `statement_ids` says so. A repeated id with an equal statement is skipped,
  a different one is a `Conflict`.
- **Who refers to it?** A statement that refers to another is found by whatever finds that one (xAPI Communication
  2.1.4), so it gets index rows of its target's keys. The target may come later: then the referrers get them.
- **Is it voided?** By a void before or after it, where the void's source may do that.
- **In which order?** An id that is referred to before it is stored gets a *placeholder* row. Whoever comes
  second, target or referrer, waits on that row and sees the other: two transactions cannot miss each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa

from lrs import agents, index, payloads
from lrs.database import at_once, in_parts, insert_all, insert_missing
from lrs.errors import Conflict, TooMuch, VoidRefused
from lrs.sequence import Ticket
from lrs.statements import Prepared, same_timestamp
from lrs.tables import (
    activity_definitions,
    agent_names,
    attachments,
    statement_ids,
    statement_index,
    statement_references,
    statements,
    voids,
)
from lrs.validate import VOIDED

#: So many statements may refer to one another in a row, and so many rows of the index a transaction writes for that.
MOST_IN_A_ROW, MOST_INHERITED = 100, 250_000


class Saved(NamedTuple):
    """What a batch did: the new statements with their numbers, every id in the order received, the ids that were
    there already, and the statements that are voided by it (where they lie, and their ids)."""

    new: tuple[Prepared, ...]
    ids: tuple[UUID, ...]
    repeated: frozenset[UUID]
    voided: tuple[tuple[int, UUID], ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """A stored or just prepared statement, as far as references and voids need it."""

    id: UUID
    seq: int
    keys: index.Keys
    owner: int | None
    origin: str
    target: UUID | None
    is_voiding: bool


def save(
    conn: sa.Connection,
    prepared: Sequence[Prepared],
    ticket: Ticket,
    data: Mapping[str, bytes] | None = None,
    *,
    put_back: Mapping[UUID, UUID | None] | None = None,
) -> Saved:
    """Store the batch, with the attachment ``data`` by SHA-2.

    Equal statements already stored are skipped. `Conflict` (another statement under the id) and `VoidRefused`
    (the target is somebody else's) leave it to the caller's transaction to take everything back, and so does
    `TooMuch` (`MOST_IN_A_ROW`, `MOST_INHERITED`).

    ``put_back`` is given where the batch was stored before: by which statement each of it was voided, or None. So a
    void that had no effect, because it came before its target without the right to it, has none again.
    """
    ids = tuple(each.id for each in prepared)
    new, repeated, awaited = _claim_ids(conn, _numbered(conn, prepared, ticket))
    _insert(conn, new, ticket, data or {})
    voided = _relate(conn, new, awaited, put_back)
    ticket.confirm()
    return Saved(tuple(new), ids, repeated, tuple(voided))


def save_new(conn: sa.Connection, prepared: Sequence[Prepared], ticket: Ticket) -> list[Prepared]:
    """`save` for statements that `are_plain`, asking nothing; gives them with their numbers.

    An id that is there already is an ``IntegrityError`` and leaves it to the caller to take everything back, and to
    give it to `save`. Fit for `lrs.database.Database.write_at_once`.
    """
    new = _numbered(conn, prepared, ticket)
    # Sorted, so that two batches take the same ids in the same order and cannot deadlock.
    insert_all(conn, statement_ids, sorted(map(_id_row, new), key=lambda row: row["id"].bytes))
    _insert(conn, new, ticket, {})
    ticket.confirm()
    return new


def all_new(prepared: Sequence[Prepared]) -> Saved:
    """What became of a batch that was new altogether."""
    return Saved(tuple(prepared), tuple(each.id for each in prepared), frozenset(), ())


def are_plain(prepared: Sequence[Prepared]) -> bool:
    """Whether storing them depends on no other statement, while their ids are new."""
    return all(each.target is None for each in prepared)


def _numbered(conn: sa.Connection, prepared: Sequence[Prepared], ticket: Ticket) -> list[Prepared]:
    return [each._replace(seq=seq) for each, seq in zip(prepared, ticket.take(conn, len(prepared)), strict=True)]


# Ids ---------------------------------------------------------------------------------------------------


def _claim_ids(
    conn: sa.Connection, prepared: Sequence[Prepared]
) -> tuple[list[Prepared], frozenset[UUID], frozenset[UUID]]:
    """Which statements are new, which ids were there, and which of the new ones somebody has referred to."""
    rows = {each.id: _id_row(each) for each in prepared}
    placeholders = {each.target for each in prepared if each.target is not None} - rows.keys()
    # Sorted, so that two batches take the same ids in the same order and cannot deadlock.
    wanted = sorted([*rows.values(), *map(_placeholder, placeholders)], key=lambda row: row["id"].bytes)
    if insert_missing(conn, statement_ids, wanted) == len(wanted):
        return list(prepared), frozenset(), frozenset()
    mine = _numbers_of(conn, rows)
    awaited, repeated = set(), set()
    for each in prepared:
        if mine.get(each.id) == each.seq:
            continue
        if _fill_placeholder(conn, rows[each.id]):
            awaited.add(each.id)
        else:
            repeated.add(each.id)
    _refuse_different(conn, [each for each in prepared if each.id in repeated])
    new = [each for each in prepared if each.id not in repeated]
    return new, frozenset(repeated), frozenset(awaited)


def _numbers_of(conn: sa.Connection, ids: Iterable[UUID]) -> dict[UUID, int | None]:
    query = sa.select(statement_ids.c.id, statement_ids.c.seq).where(statement_ids.c.id.in_(list(ids)))
    return {row.id: row.seq for row in conn.execute(query)}


def _id_row(each: Prepared) -> dict[str, Any]:
    return {"id": each.id, "actor_key": each.actor_key, "seq": each.seq, "digest": each.digest}


def _placeholder(target: UUID) -> dict[str, Any]:
    return {"id": target, "actor_key": None, "seq": None, "digest": None}


def _fill_placeholder(conn: sa.Connection, row: Mapping[str, Any]) -> bool:
    update = sa.update(statement_ids).where(statement_ids.c.id == row["id"], statement_ids.c.seq.is_(None))
    return conn.execute(update.values(row)).rowcount == 1


def _refuse_different(conn: sa.Connection, repeated: Sequence[Prepared]) -> None:
    if not repeated:
        return
    ids = [each.id for each in repeated]
    digests = _digests_of(conn, ids)
    # Without those whose partition was detached; of them the digest alone is known.
    found = {row.id: row for row in _stored_rows(conn, ids)}
    different = [
        each.id
        for each in repeated
        if digests[each.id] != each.digest
        or (each.id in found and not same_timestamp(each, _payload(conn, found[each.id])))
    ]
    if different:
        raise Conflict(different)


def _digests_of(conn: sa.Connection, ids: Iterable[UUID]) -> dict[UUID, int]:
    query = sa.select(statement_ids.c.id, statement_ids.c.digest).where(statement_ids.c.id.in_(list(ids)))
    return {row.id: row.digest for row in conn.execute(query)}


def _payload(conn: sa.Connection, row: sa.Row[Any]) -> bytes:
    return payloads.text(conn, row)


def _stored_rows(conn: sa.Connection, ids: Iterable[UUID]) -> list[sa.Row[Any]]:
    """Id, place, owner and payload of those ids that are stored."""
    query = sa.select(
        statement_ids.c.id,
        statements.c.actor_key,
        statements.c.seq,
        statements.c.owner,
        statements.c.origin,
        statements.c.codec,
        statements.c.payload,
    ).join(
        statements,
        sa.and_(statements.c.actor_key == statement_ids.c.actor_key, statements.c.seq == statement_ids.c.seq),
    )
    return list(conn.execute(query.where(statement_ids.c.id.in_(sorted(ids, key=lambda each: each.bytes)))))


# Rows --------------------------------------------------------------------------------------------------


def _insert(conn: sa.Connection, new: Sequence[Prepared], ticket: Ticket, data: Mapping[str, bytes]) -> None:
    if not new:
        return
    # Of definitions and names, those that this process has not seen stored.
    definitions = {key: each for key, each in _definitions(new).items() if key[1] not in ticket.known}
    names = {key: each for key, each in _names(new).items() if key[1] not in ticket.known}
    payload_rows = [_statement_row(conn, each) for each in new]
    definition_rows = [_definition_row(conn, key, *definitions[key]) for key in sorted(definitions)]
    with at_once(conn):
        insert_all(conn, statements, payload_rows)
        insert_all(conn, statement_index, [row for each in new for row in _own_rows(each)])
        insert_missing(conn, activity_definitions, definition_rows)
        insert_missing(conn, agent_names, [_name_row(key, *names[key]) for key in sorted(names)])
        insert_missing(conn, attachments, [_attachment_row(*each, new[0].seq) for each in data.items()])
    ticket.written.update(key[1] for key in (*definitions, *names))


def _attachment_row(sha2: str, content: bytes, seq: int) -> dict[str, Any]:
    return {"sha2": bytes.fromhex(sha2), "content": content, "seq": seq}


def _statement_row(conn: sa.Connection, each: Prepared) -> dict[str, Any]:
    codec, payload = payloads.encode(conn, payloads.shorten(each.text, each.id))
    return {
        "actor_key": each.actor_key,
        "seq": each.seq,
        **each.keys.columns,
        "id": each.id,
        "owner": each.writer.owner,
        "codec": codec,
        "origin": each.writer.origin,
        "payload": payload,
    }


def _own_rows(each: Prepared) -> Iterator[dict[str, Any]]:
    for dim in (*each.keys.others, *each.extra):
        yield _index_row(dim, each.seq, 0, each.actor_key)


def _index_row(dim: int, seq: int, matched: int, actor_key: int) -> dict[str, Any]:
    return {"dim": dim, "seq": seq, "matched": matched, "actor_key": actor_key}


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _definitions(new: Sequence[Prepared]) -> dict[tuple[int, bytes], tuple[int, bytes]]:
    """Each activity with a definition that the statements name: key and digest, then number and text."""
    found: dict[tuple[int, bytes], tuple[int, bytes]] = {}
    for each in new:
        for activity in index.activities(each.statement) if each.writer.may_define else ():
            if activity.get("definition"):
                text = orjson.dumps({"id": activity["id"], "definition": activity["definition"]})
                found.setdefault((index.activity_key(activity["id"]), _digest(text)), (each.seq, text))
    return found


def _definition_row(conn: sa.Connection, key: tuple[int, bytes], seq: int, text: bytes) -> dict[str, Any]:
    codec, activity = payloads.encode(conn, text)
    return {"activity_key": key[0], "digest": key[1], "seq": seq, "codec": codec, "activity": activity}


def _names(new: Sequence[Prepared]) -> dict[tuple[int, bytes], tuple[int, bytes]]:
    """Each name of an identified agent in the statements: key and digest, then number and name."""
    found: dict[tuple[int, bytes], tuple[int, bytes]] = {}
    for each in new:
        for who, name in index.named_agents(each.statement) if each.writer.may_define else ():
            key = (agents.agent_key(who), _digest("\x00".join((*who, name)).encode()))
            found.setdefault(key, (each.seq, name.encode()))
    return found


def _name_row(key: tuple[int, bytes], seq: int, name: bytes) -> dict[str, Any]:
    return {"agent_key": key[0], "digest": key[1], "seq": seq, "name": name}


# References and voids ----------------------------------------------------------------------------------


def _relate(
    conn: sa.Connection,
    new: Sequence[Prepared],
    awaited: frozenset[UUID],
    put_back: Mapping[UUID, UUID | None] | None,
) -> list[tuple[int, UUID]]:
    referring = [each for each in new if each.target is not None]
    if not referring and not awaited:
        return []
    links = _Links(conn, new, put_back or {})
    rows = [
        {"target": each.target, "referrer": each.id, "actor_key": each.actor_key, "seq": each.seq} for each in referring
    ]
    insert_all(conn, statement_references, rows)
    for each in referring:
        links.inherit(each.id)
    for target in sorted(awaited, key=lambda each: each.bytes):
        links.pass_on(target)
    voiding = [each for each in referring if each.is_voiding]
    voided = [*_void(conn, links, voiding, may_refuse=put_back is None)]
    voided += _void_late(conn, links, awaited)
    return voided


class _Links:
    """Statements as nodes of references, read once each.

    A statement is found by the keys of all that it refers to, so a chain of them costs the square of its length, and
    who refers to a statement with thousands of keys thousands of rows: both have their bounds.
    """

    def __init__(self, conn: sa.Connection, new: Sequence[Prepared], voiders: Mapping[UUID, UUID | None]) -> None:
        self._conn = conn
        self._voiders = voiders
        self._known: dict[UUID, _Node | None] = {each.id: _prepared_node(each) for each in new}
        self._locked: set[UUID] = set()
        self._given = 0

    def node(self, statement_id: UUID) -> _Node | None:
        """The statement, or None while it is not stored."""
        if statement_id not in self._known:
            rows = _stored_rows(self._conn, [statement_id])
            self._known[statement_id] = _stored_node(self._conn, rows[0]) if rows else None
        return self._known[statement_id]

    def _lock(self, statement_id: UUID) -> None:
        """Keep others from linking to this statement, or voiding it, until this transaction has ended."""
        if statement_id in self._locked:
            return
        self._locked.add(statement_id)
        query = sa.select(statement_ids.c.id).where(statement_ids.c.id == statement_id)
        self._conn.execute(query.with_for_update())

    def reached(self, start: UUID) -> list[_Node]:
        """What the statement refers to, and what that refers to, and so on; a circle is walked once."""
        found: dict[UUID, _Node] = {}
        node = self.node(start)
        while node is not None and node.target is not None and node.target != start and node.target not in found:
            self._lock(node.target)
            node = self.node(node.target)
            if node is not None:
                found[node.id] = node
        return list(found.values())

    def referrers(self, start: UUID) -> tuple[list[_Node], int]:
        """Every statement that refers to it, directly or through others, and through how many at most."""
        found: dict[UUID, _Node] = {}
        level, depth = [start], 0
        while level:
            following = []
            for target in level:
                self._lock(target)
                query = sa.select(statement_references.c.referrer).where(statement_references.c.target == target)
                for referrer in self._conn.execute(query).scalars():
                    node = self.node(referrer)
                    if node is not None and referrer not in found and referrer != start:
                        found[referrer] = node
                        following.append(referrer)
            level, depth = following, depth + bool(following)
        return list(found.values()), depth

    def inherit(self, referrer: UUID) -> None:
        """Give the new statement, and what refers to it already, the keys of what it refers to."""
        node = self.node(referrer)
        if node is not None:
            reached = self.reached(referrer)
            _bound_chain(referrer, len(reached))
            self._give([node], reached)

    def pass_on(self, target: UUID) -> None:
        """Give every referrer the keys of the statement that has come at last, and of what that refers to."""
        node = self.node(target)
        if node is not None:
            (referrers, depth), reached = self.referrers(target), self.reached(target)
            _bound_chain(target, depth + len(reached))
            self._give(referrers, [node, *reached])

    def _give(self, to: Sequence[_Node], matched: Sequence[_Node]) -> None:
        self._given += len(to) * sum(len(each.keys.dims) for each in matched)
        if self._given > MOST_INHERITED:
            raise TooMuch(
                "Statements are found by what those are found by that they refer to: with the references of this "
                f"request that would be more than {MOST_INHERITED:,} entries. Send fewer at once."
            )
        for each in to:
            self._lock(each.id)
        hidden = self._voided(each.id for each in to)
        rows = [
            _index_row(dim, referrer.seq, each.seq, referrer.keys.actor)
            for referrer in to
            if referrer.id not in hidden
            for each in matched
            for dim in each.keys.dims
        ]
        insert_missing(self._conn, statement_index, rows)

    def _voided(self, ids: Iterable[UUID]) -> set[UUID]:
        query = sa.select(voids.c.target).where(voids.c.effective)
        return {
            target
            for some in in_parts(ids)
            for target in self._conn.execute(query.where(voids.c.target.in_(some))).scalars()
        }

    def is_voided(self, node: _Node, voider: UUID, *, allowed: bool) -> bool:
        """Whether this void takes effect, where its source is ``allowed`` that: what was, holds where it is known."""
        if node.is_voiding or node.id not in self._voiders:
            return allowed and not node.is_voiding
        first = self._voiders[node.id]
        return first == voider or (allowed and first is not None)

    def hide(self, node: _Node, voider: UUID) -> None:
        """Take the statement out of every list; who refers to it stays findable by its keys.

        Of several voids the first to take effect is named; which one that was before, is known where it is put back.
        """
        self._lock(node.id)
        dims = {*node.keys.dims, *(dim for each in self.reached(node.id) for dim in each.keys.dims)}
        at = statement_index.c
        for some in in_parts(sorted(dims)):
            self._conn.execute(sa.delete(statement_index).where(at.dim.in_(some), at.seq == node.seq))
        here = sa.and_(statements.c.actor_key == node.keys.actor, statements.c.seq == node.seq)
        hidden: dict[str, Any] = {"voided_by": self._voiders.get(node.id) or voider, **dict.fromkeys(index.COLUMNS)}
        self._conn.execute(sa.update(statements).where(here, statements.c.voided_by.is_(None)).values(hidden))


def _bound_chain(statement_id: UUID, length: int) -> None:
    if length > MOST_IN_A_ROW:
        raise TooMuch(
            f"Statement {statement_id} stands in a chain of more than {MOST_IN_A_ROW} statements of which each refers "
            "to the next one. Refer to the statement that is meant itself."
        )


def _prepared_node(each: Prepared) -> _Node:
    return _Node(each.id, each.seq, each.keys, each.writer.owner, each.writer.origin, each.target, each.is_voiding)


def _stored_node(conn: sa.Connection, row: sa.Row[Any]) -> _Node:
    statement = orjson.loads(_payload(conn, row))
    target = statement["object"]
    return _Node(
        id=row.id,
        seq=row.seq,
        keys=index.keys_of(statement, statement["authority"]),
        owner=row.owner,
        origin=row.origin,
        target=UUID(target["id"]) if target.get("objectType") == "StatementRef" else None,
        is_voiding=statement["verb"]["id"] == VOIDED,
    )


def _void(
    conn: sa.Connection, links: _Links, voiding: Sequence[Prepared], *, may_refuse: bool
) -> Iterator[tuple[int, UUID]]:
    """Record the voids; those of a known target take effect at once, or are refused."""
    rows, refused, voided = [], [], []
    for each in voiding:
        node = links.node(each.target) if each.target is not None else None
        by = each.writer
        allowed = node is not None and _may_void(by.owner, by.origin, by.may_void_any, node)
        if node is not None and not allowed and may_refuse:
            refused.append(node.id)
        effective = node is not None and links.is_voided(node, each.id, allowed=allowed)
        if effective and node is not None:
            voided.append((node, each.id))
        rows.append(
            {
                "target": each.target,
                "voider": each.id,
                "owner": each.writer.owner,
                "may_void_any": each.writer.may_void_any,
                "effective": effective,
            }
        )
    if refused:
        raise VoidRefused(refused)
    insert_all(conn, voids, rows)
    for node, voider in voided:
        links.hide(node, voider)
        yield node.keys.actor, node.id


def _void_late(conn: sa.Connection, links: _Links, awaited: Iterable[UUID]) -> Iterator[tuple[int, UUID]]:
    """The voids that came before their target: each takes effect now, if its source may do that."""
    query = sa.select(voids.c.target, voids.c.voider, voids.c.owner, voids.c.may_void_any)
    for row in conn.execute(query.where(voids.c.target.in_(list(awaited)), sa.not_(voids.c.effective))).all():
        node = links.node(row.target)
        voider = links.node(row.voider)
        origin = "" if voider is None else voider.origin
        if node is None:
            continue
        allowed = _may_void(row.owner, origin, row.may_void_any, node)
        if not links.is_voided(node, row.voider, allowed=allowed):
            continue
        where = sa.and_(voids.c.target == row.target, voids.c.voider == row.voider)
        conn.execute(sa.update(voids).where(where).values(effective=True))
        links.hide(node, row.voider)
        yield node.keys.actor, node.id


def _may_void(owner: int | None, origin: str, may_void_any: bool, target: _Node) -> bool:
    """The connector that stored the target, the credential that did where it has no connector, or who may void
    anything."""
    return may_void_any or (owner is not None and owner == target.owner) or origin == target.origin
