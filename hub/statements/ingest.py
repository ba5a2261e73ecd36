"""The one door into the LRS: whatever is stored wakes the recognition of its learner, in the same transaction.

A wake-up is a row of its own, appended and later deleted, never a mark that is set: a mark that is taken away after
the work was done takes away also what was set meanwhile, and a cursor over numbers misses what commits late. Both
were reproduced (DESIGN section 7).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
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
from lrs.together import Together
from mappings import shipped
from mappings.certification import candidate_of
from mappings.vocabulary import Vocabulary, object_keys

if TYPE_CHECKING:
    from hub.runtime import Hub

#: The most statements of a batch that is stored together with others, who wait for it.
_SMALL = 50

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
    put_back: Mapping[UUID, UUID | None] | None = None,
) -> Saved:
    """Store the batch and wake whom it is about: the actors of what is new and of what it voids.

    Takes (``put_back``) and raises what `lrs.store.save` raises; the caller's transaction then takes everything back.
    """
    saved = lrs_store.save(conn, prepared, ticket, data, put_back=put_back)
    _wake_for(conn, saved, now=now, new_id=new_id)
    return saved


def _wake_for(conn: sa.Connection, saved: Saved, *, now: datetime, new_id: Callable[[], UUID]) -> None:
    actors = {each.actor_key for each in saved.new} | {actor for actor, _ in saved.voided}
    actors |= _assessed(conn, saved)
    wake(conn, actors, now=now, new_id=new_id)


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
    """`store` in a transaction of its own."""
    with hub.sequence.writing() as ticket:
        return hub.db.run(lambda conn: store(conn, prepared, ticket, data, now=hub.clock(), new_id=hub.new_id))


class Intake:
    """`accept` for requests that come at the same time: small batches are stored together, in one transaction.

    Which asks nothing: it holds for statements that are new and refer to no other. Where one is not, each batch is
    accepted by itself.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._together: Together[Sequence[Prepared], Saved] = Together(self._accept_all, partial(accept, hub))

    def accept(self, prepared: Sequence[Prepared], data: Mapping[str, bytes] | None = None) -> Saved:
        """See `accept`."""
        with self._hub.trace.span("store", statements=len(prepared)):
            if len(prepared) > _SMALL or data or not lrs_store.are_plain(prepared):
                return accept(self._hub, prepared, data)
            return self._together.run(prepared)

    def _accept_all(self, batches: Sequence[Sequence[Prepared]]) -> list[Saved]:
        hub, everything = self._hub, [each for batch in batches for each in batch]
        with hub.sequence.writing() as ticket, hub.db.write_at_once() as conn:
            new = lrs_store.save_new(conn, everything, ticket)
            _wake_for(conn, lrs_store.all_new(new), now=hub.clock(), new_id=hub.new_id)
        stored = iter(new)
        return [lrs_store.all_new(list(islice(stored, len(batch)))) for batch in batches]


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
