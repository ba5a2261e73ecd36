"""The one door into the LRS: whatever is stored wakes the recognition of its learner, in the same transaction.

A wake-up is a row of its own, appended and later deleted, never a mark that is set: a mark that is taken away after
the work was done takes away also what was set meanwhile, and a cursor over numbers misses what commits late. Both
were reproduced (DESIGN section 7).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from connectors import xapi
from hub.learning.development_tables import assessments
from hub.tables import inbox
from lrs import store as lrs_store
from lrs.agents import agent_key, identifier
from lrs.database import insert_all, insert_missing
from lrs.sequence import Ticket
from lrs.statements import Prepared, Writer
from lrs.store import Saved
from mappings import shipped
from mappings.certification import candidate_of
from mappings.vocabulary import Vocabulary, object_keys

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Workers look at one part of the inbox at a time. The number is in stored rows: it does not change.
BUCKETS = 16


def store(
    conn: sa.Connection,
    prepared: Sequence[Prepared],
    ticket: Ticket,
    data: Mapping[str, bytes] | None = None,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
) -> Saved:
    """Store the batch and wake whom it is about: the actors of what is new and of what it voids.

    Raises what `lrs.store.save` raises; the caller's transaction then takes everything back.
    """
    saved = lrs_store.save(conn, prepared, ticket, data)
    actors = {each.actor_key for each in saved.new} | {actor for actor, _ in saved.voided}
    actors |= _assessed(conn, saved)
    wake(conn, actors, now=now, new_id=new_id)
    return saved


def _assessed(conn: sa.Connection, saved: Saved) -> set[int]:
    """Whom assessors' statements are about, of what is new and of what was voided: they are recomputed as well."""
    about = [
        (agent_key(who), each.id)
        for each in saved.new
        if (named := candidate_of(each.statement)) is not None and (who := identifier(named)) is not None
    ]
    insert_missing(conn, assessments, [{"actor_key": key, "statement": statement} for key, statement in about])
    found = {key for key, _statement in about}
    voided = [statement for _actor, statement in saved.voided]
    if voided:
        at = assessments.c
        found |= set(conn.execute(sa.select(at.actor_key).where(at.statement.in_(voided))).scalars())
    return found


def accept(hub: Hub, prepared: Sequence[Prepared], data: Mapping[str, bytes] | None = None) -> Saved:
    """`store` in a transaction that is committed with those of whoever writes at the same time."""
    with hub.sequence.writing() as ticket:
        return hub.db.run_together(lambda conn: store(conn, prepared, ticket, data, now=hub.clock(), new_id=hub.new_id))


def wake(conn: sa.Connection, actor_keys: Iterable[int], *, now: datetime, new_id: Callable[[], UUID]) -> None:
    """Have the learners of these actors recomputed."""
    rows = [
        {"bucket": actor_key % BUCKETS, "id": new_id(), "actor_key": actor_key, "at": now}
        for actor_key in sorted(set(actor_keys))
    ]
    insert_all(conn, inbox, rows)


def hub_writer(hub: Hub, origin: str, owner: int | None = None) -> Writer:
    """The hub as the author of statements. ``origin`` says what they were made from: "score:<id>", "hub:<what>"."""
    return Writer(xapi.account(hub.base_url, "hub"), owner, origin, may_void_any=owner is None)


def extra_keys(statement: Mapping[str, Any]) -> Iterable[str]:
    """Further names of the statement's object inside its LMS, by which a course is found again when it changes."""
    return object_keys(statement, _default_vocabulary())


@functools.cache
def _default_vocabulary() -> Vocabulary:
    return shipped.vocabulary("default")
