"""Whose an actor of statements is.

The same employee is an account here, a number there and an e-mail address elsewhere. Each of these is an *identity*;
linked to a learner, its statements are hers. An identity that nobody has linked is kept as *unresolved*: its
statements lie in the LRS, earn nothing, and count from the first day on once somebody says whose it is.

Linking and unlinking change what others earned: everybody concerned is recomputed, through the inbox like everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from hub.errors import Refused
from hub.rows import Cells, ReadRows, read_rows
from hub.statements import ingest
from hub.tables import identities, identity_hints, learner_actors, learner_nips
from lrs.agents import Identifier, agent_key, identifier
from lrs.database import among, insert_missing, insert_new, upsert
from mappings.course import Problem

NewId: TypeAlias = Callable[[], UUID]

#: The columns of `identity link`.
COLUMNS = ("homepage_or_issuer", "name", "nip")

#: Who linked the hub's own account, which stays with its learner.
HUB = "hub"
_MERGE = "If the two are one person, link her other identities instead."


@dataclass(frozen=True, slots=True)
class Identity:
    """An actor and, if somebody said so, whose it is. ``linked_by``: "hub", "launch" (of the hub), "launched" (by
    it), "import", "admin:<name>", "rule:<connector>", "nrps:<platform>"."""

    actor_key: int
    who: Identifier
    learner: UUID | None
    linked_by: str | None
    linked_at: datetime | None
    first_seen: datetime

    @property
    def is_hub_account(self) -> bool:
        """Whether it is the account that the hub itself gave to the learner."""
        return _is_hub_account(self.linked_by)


@dataclass(frozen=True, slots=True)
class Description:
    """What a membership list calls somebody; empty where it does not say."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One good row of a file: this identity is the learner's who has this NIP."""

    line: int
    who: Identifier
    nip: str


LinkFile: TypeAlias = ReadRows[LinkRow]


@dataclass(frozen=True, slots=True)
class Linked:
    """How many identities of a file were linked, and how many were linked so before."""

    linked: int
    same: int


def hub_account(base_url: str, learner: UUID) -> Identifier:
    """The account under which the hub itself writes about a learner: opaque, never a NIP."""
    return Identifier("account", base_url, str(learner))


#: Written once: every launch asks it.
_CLAIM = sa.select(identities.c.learner, identities.c.linked_by).where(identities.c.actor_key == sa.bindparam("which"))


# Linking -----------------------------------------------------------------------------------------------


def link(conn: sa.Connection, who: Identifier, learner: UUID, *, by: str, now: datetime, new_id: NewId) -> bool:
    """Make this identity the learner's, whoever had it before; False where it was hers already.

    The account that the hub gave to a learner cannot be given to another (`Refused`)."""
    row = _row(who, now) | {"learner": learner, "linked_by": by, "linked_at": now}
    key = row["actor_key"]
    if not insert_new(conn, identities, [row], returning=[identities.c.actor_key]):
        before = _lock(conn, key)
        if before.learner == learner:
            return False
        if _is_hub_account(before.linked_by):
            raise Refused("hub_account", "This account was made by the hub for another learner.", action=_MERGE)
        values = {"learner": learner, "linked_by": by, "linked_at": now}
        conn.execute(sa.update(identities).where(identities.c.actor_key == key).values(**values))
        conn.execute(sa.delete(identity_hints).where(identity_hints.c.actor_key == key))
        _take_away(conn, key, before.learner, now=now, new_id=new_id)
    insert_missing(conn, learner_actors, [{"learner": learner, "actor_key": key}])
    ingest.wake(conn, [key], now=now, new_id=new_id)
    return True


def link_unclaimed(
    conn: sa.Connection, who: Identifier, learner: UUID, *, by: str, now: datetime, new_id: NewId
) -> bool:
    """Make this identity the learner's unless somebody has it, or a person decided that it is nobody's."""
    claimed = conn.execute(_CLAIM, {"which": agent_key(who)}).first()
    # Somebody who unlinked it is named in ``linked_by``.
    if claimed is not None and (claimed.learner is not None or claimed.linked_by is not None):
        return False
    return link(conn, who, learner, by=by, now=now, new_id=new_id)


def unlink(conn: sa.Connection, who: Identifier, *, by: str, now: datetime, new_id: NewId) -> bool:
    """Make this identity nobody's again; False where it was nobody's. The hub's own account stays where it is."""
    key = agent_key(who)
    if find(conn, key) is None:
        return False
    before = _lock(conn, key)
    if before.learner is None or _is_hub_account(before.linked_by):
        return False
    values = {"learner": None, "linked_by": by, "linked_at": now}
    conn.execute(sa.update(identities).where(identities.c.actor_key == key).values(**values))
    _take_away(conn, key, before.learner, now=now, new_id=new_id)
    return True


def hand_over(conn: sa.Connection, each: Identity, learner: UUID, *, by: str) -> None:
    """Give an identity to another learner without waking anybody: for who recomputes both at once."""
    at = identities.c
    conn.execute(sa.update(identities).where(at.actor_key == each.actor_key).values(learner=learner, linked_by=by))
    before = sa.and_(learner_actors.c.learner == each.learner, learner_actors.c.actor_key == each.actor_key)
    conn.execute(sa.delete(learner_actors).where(before))
    insert_missing(conn, learner_actors, [{"learner": learner, "actor_key": each.actor_key}])


def _is_hub_account(linked_by: str | None) -> bool:
    """Linked by the hub, also where it came to another learner by merging ("merge:<from whom>:hub")."""
    return linked_by == HUB or ((linked_by or "").startswith("merge:") and (linked_by or "").endswith(f":{HUB}"))


def link_hub_accounts(
    conn: sa.Connection, base_url: str, learners: Sequence[UUID], *, now: datetime, new_id: NewId
) -> None:
    """Give new learners the account under which the hub writes about them."""
    rows = [
        _row(hub_account(base_url, learner), now) | {"learner": learner, "linked_by": HUB, "linked_at": now}
        for learner in learners
    ]
    del new_id  # Nothing can have been written about somebody new: there is nobody to wake.
    insert_missing(conn, identities, rows)
    actors = [{"learner": row["learner"], "actor_key": row["actor_key"]} for row in rows]
    insert_missing(conn, learner_actors, actors)


def note_unknown(conn: sa.Connection, actors: Iterable[Identifier], *, now: datetime) -> int:
    """Put identities that nobody has linked on the unresolved list; tells how many were new there."""
    # PostgreSQL's text holds no U+0000, which xAPI allows in a name: such an identity cannot be listed or linked.
    rows = {row["actor_key"]: row for row in (_row(who, now) for who in actors if "\x00" not in "".join(who))}
    return insert_missing(conn, identities, [rows[key] for key in sorted(rows)])


def describe(conn: sa.Connection, who: Identifier, *, name: str, email: str) -> None:
    """Keep what an unresolved identity is called elsewhere, until it is somebody's."""
    if name or email:
        row = {"actor_key": agent_key(who), "name": name, "email": email}
        upsert(conn, identity_hints, row, update=["name", "email"])


def descriptions(conn: sa.Connection, found: Iterable[Identity]) -> dict[int, Description]:
    """What is known of unresolved identities besides, by their keys."""
    at = identity_hints.c
    query = sa.select(identity_hints).where(at.actor_key.in_([each.actor_key for each in found]))
    return {row.actor_key: Description(row.name, row.email) for row in conn.execute(query)}


def _row(who: Identifier, now: datetime) -> dict[str, Any]:
    return {
        "actor_key": agent_key(who),
        "kind": who.kind,
        "homepage": who.homepage,
        "name": who.name,
        "learner": None,
        "linked_by": None,
        "linked_at": None,
        "first_seen": now,
    }


def _lock(conn: sa.Connection, key: int) -> sa.Row[Any, Any]:
    """Whose it is and by whom, which nobody else changes until this transaction has ended."""
    query = sa.select(identities.c.learner, identities.c.linked_by).where(identities.c.actor_key == key)
    return conn.execute(query.with_for_update()).one()


def _take_away(conn: sa.Connection, key: int, before: UUID | None, *, now: datetime, new_id: NewId) -> None:
    """Whoever had the identity is recomputed without it: a wake-up names an actor, so one that she still has."""
    if before is None:
        return
    at = learner_actors.c
    conn.execute(sa.delete(learner_actors).where(at.learner == before, at.actor_key == key))
    ingest.wake(conn, actors_of(conn, before)[:1], now=now, new_id=new_id)


# Asking ------------------------------------------------------------------------------------------------


def learner_of(conn: sa.Connection, actor_key: int) -> UUID | None:
    """Whose actor this is."""
    return conn.execute(sa.select(identities.c.learner).where(identities.c.actor_key == actor_key)).scalar()


def actors_of(conn: sa.Connection, learner: UUID) -> tuple[int, ...]:
    """The keys of a learner's actors."""
    query = sa.select(learner_actors.c.actor_key).where(learner_actors.c.learner == learner)
    return tuple(conn.execute(query.order_by(learner_actors.c.actor_key)).scalars())


def owners_of_actors(conn: sa.Connection, learners: Iterable[UUID]) -> dict[int, UUID]:
    """All actors of these learners, and whose each is."""
    at = learner_actors.c
    query = sa.select(at.actor_key, at.learner).where(among(conn, at.learner, learners))
    return {row.actor_key: row.learner for row in conn.execute(query)}


def one_actor_each(conn: sa.Connection, learners: Sequence[UUID]) -> tuple[int, ...]:
    """One actor of each of these learners: enough to wake them."""
    at = learner_actors.c
    query = sa.select(sa.func.min(at.actor_key)).where(at.learner.in_(learners)).group_by(at.learner)
    return tuple(conn.execute(query).scalars())


def find(conn: sa.Connection, actor_key: int) -> Identity | None:
    """What is known of an actor; None while nothing was heard of it."""
    row = conn.execute(_select().where(identities.c.actor_key == actor_key)).first()
    return None if row is None else _identity(row)


def find_many(conn: sa.Connection, actor_keys: Iterable[int]) -> dict[int, Identity]:
    """What is known of these actors, by their keys."""
    wanted = sorted(set(actor_keys))
    rows = [
        row
        for begin in range(0, len(wanted), 500)
        for row in conn.execute(_select().where(identities.c.actor_key.in_(wanted[begin : begin + 500]))).all()
    ]
    return {row.actor_key: _identity(row) for row in rows}


def identities_of(conn: sa.Connection, learner: UUID) -> tuple[Identity, ...]:
    """Everything that is this learner's, in the order in which it was seen."""
    found = find_many(conn, actors_of(conn, learner)).values()
    return tuple(sorted(found, key=lambda each: (each.first_seen, each.actor_key)))


def list_unresolved(
    conn: sa.Connection, *, limit: int, after: tuple[datetime, int] | None = None
) -> tuple[Identity, ...]:
    """Identities that are nobody's, the first seen first; ``after`` is ``first_seen`` and key of the last one."""
    at = identities.c
    query = _select().where(at.learner.is_(None))
    if after is not None:
        later = sa.and_(at.first_seen == after[0], at.actor_key > after[1])
        query = query.where(at.first_seen >= after[0], sa.or_(at.first_seen > after[0], later))
    rows = conn.execute(query.order_by(at.first_seen, at.actor_key).limit(limit))
    return tuple(_identity(row) for row in rows)


def _select() -> sa.Select[Any]:
    at = identities.c
    return sa.select(
        at.actor_key, at.kind, at.homepage, at.name, at.learner, at.linked_by, at.linked_at, at.first_seen
    )  # fmt: skip


def _identity(row: sa.Row[Any]) -> Identity:
    who = Identifier(row.kind, row.homepage, row.name)
    return Identity(row.actor_key, who, row.learner, row.linked_by, row.linked_at, row.first_seen)


# Files -------------------------------------------------------------------------------------------------


def read_links(text: str) -> LinkFile:
    """The links in a file of `identity link`, and what is wrong with its other rows."""
    seen: set[Identifier] = set()

    def parse(cells: Cells) -> LinkRow:
        homepage = cells.text("homepage_or_issuer", most=2000)
        name = cells.text("name", most=2000, required=True)
        who = parse_identifier(homepage, name)
        if who is None:
            action = "Write the homePage or issuer of an account, or a mailto:, SHA-1 sum or openid in name."
            cells.refuse("name", "not_an_identity", f"'{homepage}', '{name}' names nobody.", action)
            who = Identifier("account", homepage, name)
        elif who in seen:
            cells.refuse("name", "twice", f"{name} is there twice in this file.", "Keep one row.")
        seen.add(who)
        return LinkRow(cells.line, who, cells.nip("nip", required=True))

    return read_rows(text, columns=COLUMNS, required=COLUMNS, parse=parse)


def parse_identifier(homepage: str, name: str) -> Identifier | None:
    """The identity that two cells name: an account, or where ``homepage`` is empty a mailto:, SHA-1 sum or openid."""
    if homepage:
        return Identifier("account", homepage, name) if name and _is_address(homepage) else None
    if name.lower().startswith("mailto:"):
        address = "mailto:" + name[len("mailto:") :]
        return identifier({"mbox": address}) if re.fullmatch(r"mailto:[^@\s]+@[^@\s]+", address) else None
    if re.fullmatch(r"[0-9A-Fa-f]{40}", name):
        return identifier({"mbox_sha1sum": name})
    return identifier({"openid": name}) if _is_address(name) else None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and not any(each.isspace() for each in text)


def find_owners(conn: sa.Connection, rows: Sequence[LinkRow]) -> tuple[dict[str, UUID], tuple[Problem, ...]]:
    """Whom the rows' NIPs name, and a problem for each that names nobody."""
    found: dict[str, UUID] = {}
    nips = sorted({row.nip for row in rows})
    for begin in range(0, len(nips), 500):
        at = learner_nips.c
        query = sa.select(at.nip, at.learner).where(at.nip.in_(nips[begin : begin + 500]))
        found |= {row.nip: row.learner for row in conn.execute(query)}
    advice = "Import her first: wkmb learner import FILE."
    problems = [Problem(r.line, "nip", "unknown", "is no learner's NIP.", advice) for r in rows if r.nip not in found]
    return found, tuple(problems)


def import_links(
    conn: sa.Connection, rows: Iterable[LinkRow], owners: Mapping[str, UUID], *, now: datetime, new_id: NewId
) -> Linked:
    """Link the identities of a file; repeating it changes nothing."""
    linked = same = 0
    # Sorted, so that two imports lock identities in the same order and cannot deadlock.
    for row in sorted(rows, key=lambda each: agent_key(each.who)):
        if link(conn, row.who, owners[row.nip], by="import", now=now, new_id=new_id):
            linked += 1
        else:
            same += 1
    return Linked(linked, same)
