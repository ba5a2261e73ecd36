"""Two learners that turn out to be one person, and one that was taken for two wrongly made one.

Merging gives everything by which the one was known (numbers, identities, her account for signing in) to the other.
Both are recomputed in the same transaction: what the one had earned is taken back there and earned here, where double
claims and caps are judged over everything. Nothing of a ledger moves, so both histories stay as they were written.
A merged learner has no number and no identity left; splitting gives her back her identities and her last number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from hub import revisions
from hub.access import known_accounts
from hub.errors import HubError
from hub.jp import recognition
from hub.jp.recognition import Recomputed
from hub.people import identity, learners
from hub.people.identity import Identity
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import accounts, learner_nips
from hub.tables import learners as table

#: ``linked_by`` of an identity that came by merging: from whom, and by whom it was linked there.
_MERGED = "merge:"
_LONGEST = 128


@dataclass(frozen=True, slots=True)
class Moved:
    """How many identities changed hands, and what that did to the ledgers of who had them and who has them."""

    identities: int
    before: Recomputed
    after: Recomputed


def merge(conn: sa.Connection, hub: Hub, gone: Learner, kept: Learner) -> Moved:
    """Make two learners one: ``kept``. Raises `HubError` where they are one already."""
    if gone.id == kept.id:
        raise HubError("one_person", f"{gone.nip} and {kept.nip} are one person already.")
    _lock(conn, gone.id, kept.id)
    moved = _move(conn, hub, gone.id, kept.id, lambda each: f"{_MERGED}{gone.id}:{each.linked_by}")
    conn.execute(sa.update(learner_nips).where(learner_nips.c.learner == gone.id).values(learner=kept.id))
    if conn.execute(sa.update(accounts).where(accounts.c.learner == gone.id).values(learner=kept.id)).rowcount:
        revisions.bump(conn, known_accounts.REVISION)
    return Moved(moved, _recompute(conn, hub, gone.id), _recompute(conn, hub, kept.id))


def split(conn: sa.Connection, hub: Hub, nip: str) -> Moved:
    """Undo the merging of the learner whose number this was; raises `HubError` where there was none."""
    kept = learners.find_by_nip(conn, nip)
    alone = next((each for each in _merged_into(conn, kept) if each.nip == nip), None) if kept else None
    if kept is None or alone is None:
        action = "`wkmb learner show NIP` lists every number of a person."
        raise HubError("not_merged", f"Nobody with the NIP {nip} was merged with somebody else.", action=action)
    _lock(conn, alone.id, kept.id)
    mark = f"{_MERGED}{alone.id}:"
    moved = _move(conn, hub, kept.id, alone.id, lambda each: (each.linked_by or "").removeprefix(mark), mark)
    conn.execute(sa.update(learner_nips).where(learner_nips.c.nip == nip).values(learner=alone.id))
    return Moved(moved, _recompute(conn, hub, kept.id), _recompute(conn, hub, alone.id))


def _merged_into(conn: sa.Connection, kept: Learner) -> list[Learner]:
    """The learners whose identities this one was given."""
    marks = (each.linked_by or "" for each in identity.identities_of(conn, kept.id))
    ids = {UUID(mark.split(":")[1]) for mark in marks if mark.startswith(_MERGED)}
    return list(learners.find_many(conn, ids).values())


def _lock(conn: sa.Connection, *ids: UUID) -> None:
    # Sorted, so that two merges lock learners in the same order and cannot deadlock.
    for each in sorted(ids, key=lambda each: each.bytes):
        conn.execute(sa.select(table.c.id).where(table.c.id == each).with_for_update())


def _move(
    conn: sa.Connection, hub: Hub, before: UUID, after: UUID, mark: Callable[[Identity], str], only: str = ""
) -> int:
    """Give identities to another learner; ``mark`` says by whom each is linked from now on."""
    moving = [each for each in identity.identities_of(conn, before) if (each.linked_by or "").startswith(only)]
    for each in moving:
        identity.hand_over(conn, each, after, by=mark(each)[:_LONGEST])
    # What arrives while this is under way was claimed for whom the identity belonged to.
    ingest.wake(conn, [each.actor_key for each in moving], now=hub.clock(), new_id=hub.new_id)
    return len(moving)


def _recompute(conn: sa.Connection, hub: Hub, learner: UUID) -> Recomputed:
    return recognition.recompute(conn, hub, learner) or Recomputed(0, 0)
