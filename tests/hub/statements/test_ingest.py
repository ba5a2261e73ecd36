"""Whatever is stored wakes its learner's recognition, in the same transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import sqlalchemy as sa

from connectors import xapi
from hub import journal
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import inbox
from lrs import agents, statements
from lrs.errors import Conflict
from lrs.sequence import Sequence, SequenceError
from lrs.statements import Prepared
from lrs.validate import VOIDED
from wkmbtest.hubs import NOW

ACTOR = xapi.account("https://lms.example", "4")
KEY = agents.actor_key(ACTOR)


def prepared(hub: Hub, *made: xapi.Statement) -> tuple[Prepared, ...]:
    writer = ingest.hub_writer(hub, "hub:test")
    parsed = statements.parse(orjson.dumps(list(made)))
    return statements.prepare(parsed, version="1.0.3", writer=writer, new_id=uuid4)


def completed(**changes: object) -> xapi.Statement:
    made = xapi.statement(
        id=uuid4(), actor=ACTOR, verb="completed", object=xapi.activity("https://lms.example/course/1", {}), at=NOW
    )
    return made | changes


def awake(hub: Hub) -> list[int]:
    with hub.db.read() as conn:
        return list(conn.execute(sa.select(inbox.c.actor_key)).scalars())


def test_a_batch_wakes_each_of_its_actors_once(hub: Hub) -> None:
    other = xapi.account("https://lms.example", "5")

    ingest.accept(hub, prepared(hub, completed(), completed(), completed(actor=other)))

    assert sorted(awake(hub)) == sorted([KEY, agents.actor_key(other)])


def test_what_was_there_already_wakes_nobody(hub: Hub) -> None:
    made = completed()
    ingest.accept(hub, prepared(hub, made))

    ingest.accept(hub, prepared(hub, made))

    assert awake(hub) == [KEY]


def test_what_is_refused_wakes_nobody(hub: Hub) -> None:
    made = completed()
    ingest.accept(hub, prepared(hub, made))
    different = made | {"verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}}

    with pytest.raises(Conflict):
        ingest.accept(hub, prepared(hub, completed(actor=xapi.account("https://lms.example", "9")), different))

    assert awake(hub) == [KEY]


def test_a_void_wakes_the_actor_of_what_it_takes_away(hub: Hub) -> None:
    made = completed()
    ingest.accept(hub, prepared(hub, made))
    voiding = xapi.statement(
        id=uuid4(),
        actor=xapi.account("https://lms.example", "admin"),
        verb="voided",
        object={"objectType": "StatementRef", "id": made["id"]},
        at=NOW,
    )

    ingest.accept(hub, prepared(hub, voiding))

    assert awake(hub).count(KEY) == 2


def test_the_keys_of_a_course_inside_its_lms_are_indexed() -> None:
    extensions = {"https://w3id.org/learning-analytics/learning-management-system/external-id": "MK-101"}
    made = completed(object={"id": "https://lms.example/course/1", "definition": {"extensions": extensions}})

    assert list(ingest.extra_keys(made)) == ["MK-101"]


def test_the_journal_reads_backwards_in_pages(hub: Hub) -> None:
    with hub.db.write() as conn:
        for number in range(3):
            journal.record(
                conn, who="admin", action="tool.add", object=f"lms-{number}", now=NOW, new_id=uuid4, number=number
            )

    with hub.db.read() as conn:
        first = journal.read(conn, "2026-11", limit=2)
        rest = journal.read(conn, "2026-11", limit=2, after=(first[-1].at, first[-1].id))

    assert {act.detail["number"] for act in (*first, *rest)} == {0, 1, 2}
    assert len(rest) == 1


def test_batches_that_come_at_once_are_each_stored_repeated_or_refused(hub: Hub) -> None:
    intake, made = ingest.Intake(hub), completed()
    ingest.accept(hub, prepared(hub, made))
    different = made | {"verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}}
    batches = [prepared(hub, completed(), completed()) for _ in range(6)] + [
        prepared(hub, made),
        prepared(hub, different),
    ]

    with ThreadPoolExecutor(len(batches)) as pool:
        futures = [pool.submit(intake.accept, each) for each in batches]
        results: list[Any] = [each.exception() or each.result() for each in futures]
    *stored, repeated, refused = results

    assert [each.ids for each in stored] == [tuple(one.id for one in each) for each in batches[:6]]
    assert [len(each.new) for each in stored] == [2] * 6
    assert len({one.seq for each in stored for one in each.new}) == 12
    assert (repeated.new, repeated.repeated) == ((), {batches[6][0].id})
    assert type(refused) is Conflict
    assert set(awake(hub)) == {KEY}


def test_nobody_waits_for_what_another_writer_holds_up(hub: Hub) -> None:
    if hub.db.commits_in_order:
        return
    intake, held, other = ingest.Intake(hub), prepared(hub, completed()), {"id": "https://lms.example/course/2"}
    with ThreadPoolExecutor(2) as pool, hub.sequence.writing() as ticket, hub.db.write() as conn:
        ingest.store(conn, held, ticket, now=NOW, new_id=uuid4)
        repeated = pool.submit(intake.accept, held)
        others = [pool.submit(intake.accept, prepared(hub, completed(object=other))) for _ in range(3)]

        assert [len(each.result(20).new) for each in others] == [1] * 3
        assert not repeated.done()

    assert repeated.result(20).new == ()


def test_a_void_and_attachments_go_the_careful_way(hub: Hub) -> None:
    intake, made = ingest.Intake(hub), completed()
    voiding = completed(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": made["id"]})

    intake.accept(prepared(hub, made), {"0" * 64: b"data"})
    saved = intake.accept(prepared(hub, voiding))

    assert saved.voided == ((KEY, UUID(made["id"])),)


def test_what_a_process_that_stood_still_was_storing_is_stored_once_it_goes_on(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = [True]

    def confirm(numbers: Sequence, serial: int | None) -> None:
        if still and still.pop():
            raise SequenceError("stood still")

    monkeypatch.setattr(Sequence, "_confirm", confirm)

    saved = ingest.Intake(hub).accept(prepared(hub, completed()))

    assert (len(saved.new), still, awake(hub)) == (1, [], [KEY])
