"""The people whose hours are recognized: keyed by an id of their own, found by every NIP that they ever had.

A NIP is a number that the state gives and changes: a PPPK has another with each contract, and one more when she
becomes a PNS. Nothing is kept under it but the way to the person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from hub.people import identity, identity_rules
from hub.rows import Cells, ReadRows, read_rows
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import learner_nips, learners
from lrs.database import insert_all, insert_new
from lrs.precompiled import Precompiled
from mappings.targets import STATUSES

#: The columns of `learner import`, in their order; the first six are required.
COLUMNS = ("nip", "name", "email", "status", "employer", "unit", "supervisor_nip", "contract_begin")

#: Rows of a file that are looked up at once.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Learner:
    """A person with a right to JP. ``status`` is PNS or PPPK; ``contract_begin``: from which day a PPPK's contract
    years are counted, where targets are about them."""

    id: UUID
    nip: str
    name: str
    email: str | None
    status: str
    employer: str
    unit: str
    supervisor_nip: str | None
    contract_begin: date | None = None


@dataclass(frozen=True, slots=True)
class LearnerRow:
    """One good row of a file."""

    line: int
    nip: str
    name: str
    email: str | None
    status: str
    employer: str
    unit: str
    supervisor_nip: str | None
    contract_begin: date | None


LearnerFile: TypeAlias = ReadRows[LearnerRow]


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people of a file were new, have changed, and were known as they are."""

    added: int
    changed: int
    same: int


# Finding -----------------------------------------------------------------------------------------------


def _columns() -> list[sa.ColumnElement[Any]]:
    at = learners.c
    return [at.id, at.nip, at.name, at.email, at.status, at.employer, at.unit, at.supervisor_nip, at.contract_begin]


_FIND = Precompiled(sa.select(*_columns()).where(learners.c.id == sa.bindparam("who")))


def find(conn: sa.Connection, learner: UUID) -> Learner | None:
    """The person with this id."""
    row = _FIND.first(conn, who=learner)
    return None if row is None else Learner(*row)


def find_by_nip(conn: sa.Connection, nip: str) -> Learner | None:
    """The person who has this NIP, or once had it."""
    learner = conn.execute(sa.select(learner_nips.c.learner).where(learner_nips.c.nip == nip)).scalar()
    return None if learner is None else find(conn, learner)


def find_many(conn: sa.Connection, ids: Iterable[UUID]) -> dict[UUID, Learner]:
    """The people with these ids."""
    wanted = sorted(set(ids), key=lambda each: each.bytes)
    rows = [
        row
        for part in _chunks(wanted)
        for row in conn.execute(sa.select(*_columns()).where(learners.c.id.in_(part))).all()
    ]
    return {row.id: Learner(*row) for row in rows}


def find_by_nips(conn: sa.Connection, nips: Iterable[str]) -> dict[str, Learner]:
    """The people who have these NIPs, or once had them, each by the number that was asked for."""
    at = learner_nips.c
    rows = [
        row
        for part in _chunks(sorted(set(nips)))
        for row in conn.execute(sa.select(at.nip, at.learner).where(at.nip.in_(part))).all()
    ]
    people = find_many(conn, (row.learner for row in rows))
    return {row.nip: people[row.learner] for row in rows if row.learner in people}


def nips_of(conn: sa.Connection, learner: UUID) -> tuple[str, ...]:
    """Every NIP that leads to this person; the first one that she had comes first."""
    query = sa.select(learner_nips.c.nip).where(learner_nips.c.learner == learner)
    return tuple(conn.execute(query.order_by(learner_nips.c.since, learner_nips.c.nip)).scalars())


def search(conn: sa.Connection, text: str, *, limit: int, after: tuple[str, UUID] | None = None) -> tuple[Learner, ...]:
    """People whose NIP or name begins with this text, by name; ``after`` is the name and id of the last one seen.

    An empty text finds everybody.
    """
    wanted = " ".join(text.split())
    digits = wanted.replace(" ", "")
    if digits and digits.isascii() and digits.isdigit():
        return _by_number(conn, digits, limit) if after is None else ()
    found: list[Learner] = []
    while len(found) < limit:
        page = [Learner(*row) for row in conn.execute(_by_name(wanted, limit, after))]
        found += _who_are_there(conn, page)
        if len(page) < limit:
            break
        after = page[-1].name, page[-1].id
    return tuple(found[:limit])


def _by_name(wanted: str, limit: int, after: tuple[str, UUID] | None) -> sa.Select[Any]:
    at = learners.c
    query = sa.select(*_columns()).order_by(at.name, at.id).limit(limit)
    if wanted:
        # As it was typed, and as names are usually written.
        query = query.where(sa.or_(*map(_begins_with, sorted({wanted, wanted.upper(), wanted.title()}))))
    if after is not None:
        query = query.where(sa.or_(at.name > after[0], sa.and_(at.name == after[0], at.id > after[1])))
    return query


def _who_are_there(conn: sa.Connection, found: Sequence[Learner]) -> list[Learner]:
    """Without those who were merged with somebody else: their number leads to another person."""
    at = learner_nips.c
    query = sa.select(at.nip, at.learner).where(at.nip.in_([each.nip for each in found]))
    whose = {row.nip: row.learner for row in conn.execute(query)}
    return [each for each in found if whose.get(each.nip) == each.id]


def _by_number(conn: sa.Connection, digits: str, limit: int) -> tuple[Learner, ...]:
    nips = learner_nips.c
    query = sa.select(nips.learner).where(nips.nip >= digits, nips.nip < digits + ":").order_by(nips.nip).limit(limit)
    found = find_many(conn, conn.execute(query).scalars())
    return tuple(sorted(found.values(), key=lambda each: (each.name, each.id.bytes)))


def _begins_with(text: str) -> sa.ColumnElement[bool]:
    """A range of the index of names, whatever the database's collation is, and in it exactly this beginning."""
    name = learners.c.name
    conditions = [name.startswith(text, autoescape=True), name >= text]
    # Up to the next letter: what sorts between "Bud" and "Bue" begins with "Bud", in every alphabet's order.
    stem = re.sub(r"[^A-Za-z0-9]*$", "", re.sub(r"[^A-Za-z0-9 .,'].*$", "", text)).rstrip("zZ9")
    if stem:
        conditions.append(name < stem[:-1] + chr(ord(stem[-1]) + 1))
    return sa.and_(*conditions)


# Files -------------------------------------------------------------------------------------------------


def read_learners(text: str) -> LearnerFile:
    """The people in a file of `learner import`, and what is wrong with the other rows."""
    seen: set[str] = set()

    def parse(cells: Cells) -> LearnerRow:
        row = _parse(cells)
        if row.nip in seen:
            cells.refuse("nip", "twice", "is there twice in this file.", "Keep one row.")
        seen.add(row.nip)
        return row

    return read_rows(text, columns=COLUMNS, required=COLUMNS[:6], parse=parse)


def _parse(cells: Cells) -> LearnerRow:
    nip = cells.nip("nip", required=True)
    supervisor = cells.nip("supervisor_nip") or None
    if supervisor is not None and supervisor == nip:
        cells.refuse("supervisor_nip", "own_supervisor", "is her own NIP.", "Name somebody else, or leave it empty.")
    email = cells.text("email", most=254)
    if email and not _is_email(email):
        cells.refuse("email", "not_an_address", f"'{email}' is no e-mail address.", "Correct it or leave it empty.")
    return LearnerRow(
        line=cells.line,
        nip=nip,
        name=cells.text("name", most=200, required=True),
        email=email or None,
        status=cells.choice("status", STATUSES),
        employer=cells.text("employer", most=200),
        unit=cells.text("unit", most=200),
        supervisor_nip=supervisor,
        contract_begin=cells.day("contract_begin"),
    )


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not any(each.isspace() for each in text)


def import_learners(conn: sa.Connection, hub: Hub, rows: Iterable[LearnerRow]) -> Imported:
    """Add who is new and update who is known; repeating it changes nothing.

    A row with a NIP that somebody had formerly is about her, and leaves her present NIP alone.
    """
    given = {row.nip: row for row in rows}
    added = changed = same = 0
    for part in _chunks(sorted(given)):
        new = _add(conn, hub, [given[nip] for nip in part])
        known = [given[nip] for nip in part if nip not in new]
        updated = _update(conn, hub, known)
        added, changed, same = added + len(new), changed + updated, same + len(known) - updated
    if added or changed:
        identity_rules.look_again(conn)
    return Imported(added, changed, same)


def _add(conn: sa.Connection, hub: Hub, rows: Sequence[LearnerRow]) -> set[str]:
    """Add those whose NIP leads to nobody; which NIP is new is for the table's key to say."""
    now = hub.clock()
    query = sa.select(learner_nips.c.nip).where(learner_nips.c.nip.in_([row.nip for row in rows]))
    known = set(conn.execute(query).scalars())
    wanted = {row.nip: (row, hub.new_id()) for row in rows if row.nip not in known}
    nips = [{"nip": nip, "learner": id, "since": now} for nip, (_, id) in wanted.items()]
    new = {row.nip for row in insert_new(conn, learner_nips, nips, returning=[learner_nips.c.nip])}
    people = [wanted[nip] for nip in sorted(new)]
    insert_all(
        conn,
        learners,
        [_values(row) | {"id": id, "nip": row.nip, "created_at": now, "updated_at": now} for row, id in people],
    )
    identity.link_hub_accounts(conn, hub.base_url, [id for _, id in people], now=now, new_id=hub.new_id)
    return new


def _update(conn: sa.Connection, hub: Hub, rows: Sequence[LearnerRow]) -> int:
    if not rows:
        return 0
    query = sa.select(learner_nips.c.nip, learner_nips.c.learner).where(learner_nips.c.nip.in_([r.nip for r in rows]))
    whose = {row.nip: row.learner for row in conn.execute(query)}
    known = find_many(conn, whose.values())
    changed = 0
    moved: list[UUID] = []
    for row in rows:
        learner = known[whose[row.nip]]
        values = _values(row)
        if any(getattr(learner, name) != value for name, value in values.items()):
            update = sa.update(learners).where(learners.c.id == learner.id)
            conn.execute(update.values(**values, updated_at=hub.clock()))
            changed += 1
        if learner.supervisor_nip != row.supervisor_nip:
            moved.append(learner.id)
    # What waits for somebody's supervisor waits for another one now.
    ingest.wake(conn, identity.one_actor_each(conn, moved), now=hub.clock(), new_id=hub.new_id)
    return changed


def _values(row: LearnerRow) -> dict[str, Any]:
    names = ("name", "email", "status", "employer", "unit", "supervisor_nip", "contract_begin")
    return {name: getattr(row, name) for name in names}


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(items), _CHUNK):
        yield items[begin : begin + _CHUNK]
