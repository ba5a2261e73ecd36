"""From accepted statements to entries of the ledger, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa

from hub import revisions
from hub.jp import audit, recognition
from hub.jp.recognition import Behind
from hub.people import identity, persons
from hub.systems import registry
from hub.tables import connectors, entries, inbox, recompute_failures
from lrs.database import Database, insert_all
from lrs.errors import VoidRefused
from lrs.statements import Writer
from mappings.facts import Fact, NotAFact
from recognizedtest import (
    BASE,
    LMS,
    NIP,
    OTHER_NIP,
    SECURITY,
    SERVICE,
    World,
    account,
    by,
    connector,
    course,
    linked_world,
    statement,
    voiding,
)

MOODLE = Path(__file__).parents[2] / "cases" / "moodle"


def test_a_completion_earns_what_the_course_is_worth(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()

    world.receive(said)
    world.settle()

    (entry,) = world.entries(learner)
    assert (entry.centi_jp, entry.course, entry.year, entry.form) == (450, SECURITY, 2026, "KL03")
    assert entry.evidence == (said["id"],)
    assert entry.policy == "perlan-10-2018"
    assert [step.code for step in entry.checks][:2] == ["source", "completed"]
    assert world.year(learner).recognized_centi == 450


def test_twice_equals_once(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()

    for _ in range(2):
        world.receive(said)
        world.settle()
    world.receive(statement(timestamp="2026-04-01T09:00:00+07:00"))
    world.settle()

    assert world.amounts(learner) == [450]


def test_nothing_waits_when_all_is_settled(db: Database) -> None:
    world, _ = linked_world(db)
    world.receive(statement(), statement(object=SERVICE))

    world.settle()

    assert world.count(inbox) == 0
    assert recognition.drain(world.hub) == 0


def test_a_void_takes_the_hour_back_and_says_why(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()
    world.receive(said)
    world.settle()

    world.receive(voiding(said["id"]))
    world.settle()

    first, second = world.entries(learner)
    assert (first.centi_jp, second.centi_jp) == (450, -450)
    assert first.is_reversed
    assert second.reverses == first.id
    assert second.cause == {"code": "voided", "statements": [said["id"]]}
    assert world.year(learner).recognized_centi == 0


def test_what_is_voided_before_it_arrives_never_counts(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()

    world.receive(voiding(said["id"]))
    world.receive(said)
    world.settle()

    assert world.amounts(learner) == []


def test_late_evidence_corrects_what_was_recognized(db: Database) -> None:
    world, learner = linked_world(db, course(form="NKL03", programme_centi_jp=None, minutes=90))
    world.receive(statement())
    world.settle()
    before = world.year(learner).recognized_centi

    late = statement("terminated", timestamp="2026-03-02T08:30:00+07:00", result={"duration": "PT45M"})
    world.receive(late)
    world.settle()

    assert before == 200
    assert world.amounts(learner) == [200, -200, 100]
    assert world.entries(learner)[1].cause is not None
    assert late["id"] in world.entries(learner)[2].evidence


def test_a_course_that_still_misses_something_is_pending(db: Database) -> None:
    world, learner = linked_world(db, course(requires=("completed", "passed")))

    world.receive(statement())
    world.settle()
    (pending,) = world.year(learner).pending
    assert (pending.course, pending.missing) == (SECURITY, ("passed",))

    world.receive(statement("passed", timestamp="2026-03-03T09:00:00+07:00"))
    world.settle()
    assert world.year(learner).pending == ()
    assert world.amounts(learner) == [450]


def test_a_new_version_of_a_course_corrects_its_learners(db: Database) -> None:
    world, learner = linked_world(db)
    world.receive(statement())
    world.settle()

    world.offer(course(programme_centi_jp=600))
    world.settle()

    assert world.amounts(learner) == [450, -450, 600]
    assert (world.entries(learner)[1].cause or {})["code"] == "course_changed"


def test_a_statement_of_another_system_earns_nothing(db: Database) -> None:
    world, learner = linked_world(db)

    world.receive(statement(), owner=2)
    world.receive(statement(), owner=None)
    world.settle()

    assert world.amounts(learner) == []


def test_what_the_hub_itself_wrote_counts_for_every_course(db: Database) -> None:
    world, learner = linked_world(db)

    world.receive(statement(), owner=None, origin="score:7")
    world.settle()

    assert world.amounts(learner) == [450]


@pytest.mark.parametrize(("vocabulary", "amounts"), [("kms", [100]), ("default", [])])
def test_a_system_speaks_its_own_vocabulary(db: Database, vocabulary: str, amounts: list[int]) -> None:
    """In a KMS a page that was viewed is an article that was read; anywhere else a page is a part of a course."""
    page = {"id": SECURITY, "definition": {"type": "https://w3id.org/xapi/acrossx/activities/page"}}
    article = course(provider="kms", form="NKL09", programme_centi_jp=100)
    world, learner = linked_world(db)
    with db.write() as conn:
        insert_all(conn, connectors, [connector(3, "kms", vocabulary=vocabulary)])
        revisions.bump(conn, registry.REVISION)
    world.offer(article)

    world.receive(statement("http://id.tincanapi.com/verb/viewed", page), owner=3)
    world.settle()

    assert world.amounts(learner) == amounts


# Identity ----------------------------------------------------------------------------------------------


def test_who_is_not_known_earns_when_somebody_says_who_it_is(db: Database) -> None:
    world = World(db)
    world.offer(course())
    learner = world.employ()
    world.receive(statement())
    world.settle()
    with db.read() as conn:
        (unresolved,) = identity.list_unresolved(conn, limit=10)
    assert unresolved.who == account()
    assert world.amounts(learner) == []

    world.link(learner)
    world.settle()

    assert world.amounts(learner) == [450]


def test_what_waits_behind_an_unknown_actor_is_known(db: Database) -> None:
    world = World(db)
    world.offer(course())
    world.receive(statement(), statement(object=SERVICE), statement(timestamp="2025-03-02T09:00:00+07:00"))
    world.settle()

    with db.read() as conn:
        (unresolved,) = identity.list_unresolved(conn, limit=10)
        around = recognition.surroundings(conn, world.hub)
        assert recognition.behind(conn, world.hub, unresolved.actor_key, around) == Behind(450, is_more=False)
        assert recognition.behind(conn, world.hub, 1, around) == Behind(0, is_more=False)


def test_of_an_actor_with_a_long_history_the_first_part_is_weighed(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "WEIGHED", 1)
    world = World(db)
    world.offer(course())
    world.receive(statement(), statement(object=SERVICE))
    world.settle()

    with db.read() as conn:
        (unresolved,) = identity.list_unresolved(conn, limit=10)
        found = recognition.behind(conn, world.hub, unresolved.actor_key, recognition.surroundings(conn, world.hub))

    assert found == Behind(450, is_more=True)


def test_link_unlink_link_equals_link(db: Database) -> None:
    world, learner = linked_world(db)
    world.receive(statement())
    world.settle()

    assert world.unlink()
    world.settle()
    assert world.amounts(learner) == [450, -450]
    assert (world.entries(learner)[1].cause or {})["code"] == "identity_changed"

    assert world.link(learner)
    world.settle()
    assert world.amounts(learner) == [450, -450, 450]
    assert world.year(learner).recognized_centi == 450


def test_an_actor_that_moves_to_another_person_takes_her_hours_along(db: Database) -> None:
    world, learner = linked_world(db)
    other = world.employ(OTHER_NIP, "Siti Aminah", "PPPK")
    world.receive(statement())
    world.settle()

    world.link(other)
    world.settle()

    assert world.amounts(learner) == [450, -450]
    assert world.amounts(other) == [450]


def test_a_group_earns_nothing_and_is_on_no_list(db: Database) -> None:
    world, _ = linked_world(db)
    group = {"objectType": "Group", "account": {"homePage": LMS, "name": "class"}, "member": [by("4")]}

    world.receive(statement(actor=group), statement(actor={"objectType": "Group", "member": [by("4")]}))
    world.settle()

    with db.read() as conn:
        assert identity.list_unresolved(conn, limit=10) == ()
    assert world.count(entries) == 0
    assert world.count(inbox) == 0


def test_a_name_that_no_database_holds_does_not_stop_the_worker(db: Database) -> None:
    world, learner = linked_world(db)

    world.receive(statement(actor=by("a\x00b")), statement())
    world.settle()

    assert world.amounts(learner) == [450]
    assert world.count(inbox) == 0


# Trouble -----------------------------------------------------------------------------------------------


def test_a_learner_whose_recomputation_fails_is_set_aside_and_the_others_go_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, learner = linked_world(db)
    other = world.employ(OTHER_NIP, "Siti Aminah", "PPPK")
    world.link(other, account("5"))
    world.settle()
    good = recognition.observations_of

    def poisonous(conn: sa.Connection, hub: Any, whose: Any, around: Any) -> Any:
        if learner.id in whose:
            raise ValueError("poison")
        return good(conn, hub, whose, around)

    monkeypatch.setattr(recognition, "observations_of", poisonous)
    world.receive(statement(), statement(actor=by("5")))
    for _ in range(5):
        recognition.drain(world.hub)

    assert world.amounts(other) == [450]
    assert world.count(inbox) == 0
    with db.read() as conn:
        (failure,) = recognition.list_failures(conn, limit=10)
    assert (failure.learner, failure.failures, failure.is_set_aside) == (learner.id, 3, True)
    assert failure.error == "ValueError: poison"

    monkeypatch.undo()
    with db.write() as conn:
        assert recognition.try_again(conn, learner.id, now=world.clock(), new_id=world.hub.new_id)
    world.settle()
    assert world.amounts(learner) == [450]
    assert world.count(recompute_failures) == 0


def test_a_payload_that_cannot_be_read_is_no_statement_and_no_crash() -> None:
    assert recognition.parse(b"\xff") == {}
    assert recognition.parse(b"[1]") == {}


def test_more_wake_ups_than_one_batch_are_all_dealt_with(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "BATCH", 3)
    world, learner = linked_world(db)
    for number in range(7):
        world.receive(statement(actor=by(str(number))))

    assert recognition.drain(world.hub) == 3
    world.settle()

    assert world.count(inbox) == 0
    assert world.amounts(learner) == [450]


def test_a_database_that_is_away_is_nobody_s_failure(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    world, learner = linked_world(db)
    world.receive(statement())

    def away(*_: Any) -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(recognition, "observations_of", away)
    with pytest.raises(sa.exc.OperationalError):
        recognition.drain(world.hub)
    monkeypatch.undo()

    assert world.count(recompute_failures) == 0
    world.settle()
    assert world.amounts(learner) == [450]


def test_who_is_being_recomputed_elsewhere_is_left_to_the_other_worker(db: Database) -> None:
    """On PostgreSQL a locked learner is passed over, with her wake-ups; on SQLite nobody else can be at work."""
    world, learner = linked_world(db)
    world.receive(statement())
    if db.is_sqlite:
        world.settle()
    else:
        with db.write() as conn:
            recognition.recompute(conn, world.hub, learner.id)
            assert recognition.drain(world.hub) == 0
            assert world.count(inbox) == 1
        world.settle()

    assert world.amounts(learner) == [450]
    assert world.count(inbox) == 0


# Moodle ------------------------------------------------------------------------------------------------


def test_what_a_real_moodle_sends_earns_once(db: Database) -> None:
    """Only the completion of the course counts, matched by its external-id; what else says "completed" says why not."""
    said = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(MOODLE.glob("*.json"))}
    completion = said["core.course_completed__completed__course"]
    homepage, name = completion["actor"]["account"]["homePage"], completion["actor"]["account"]["name"]
    world, learner = linked_world(db, course("https://catalogue.example/peer-101", aliases=("course-PEER101",)))
    world.link(learner, account(name, homepage))

    for _ in range(2):
        world.clock.forward(minutes=1)
        world.receive(*said.values())
        world.settle()

    with db.read() as conn:
        observed = recognition.observations(conn, world.hub, learner.id)
    reasons = {each.reading.reason for each in observed if isinstance(each.reading, NotAFact)}
    facts = [each.reading for each in observed if isinstance(each.reading, Fact)]
    assert {fact.course for fact in facts} == {"https://catalogue.example/peer-101"}
    # Parts of the course that are "completed" too, and what others than this account did is not hers.
    assert reasons >= {"child_activity"}
    assert len(observed) < 2 * len(said)
    (entry,) = world.entries(learner)
    assert (entry.course, entry.centi_jp) == ("https://catalogue.example/peer-101", 450)


# Concurrency -------------------------------------------------------------------------------------------


def at_once(*works: Callable[[], None], workers: int, world: World) -> None:
    """Do all of it at the same time, beside so many workers that drain the inbox; then settle what is left."""
    stop = threading.Event()

    def drain() -> None:
        hub = world.another_process()
        while not stop.is_set():
            recognition.drain(hub)

    with ThreadPoolExecutor(workers + len(works)) as pool:
        draining = [pool.submit(drain) for _ in range(workers)]
        writing = [pool.submit(work) for work in works]
        wait(writing)
        stop.set()
    for each in (*writing, *draining):
        each.result()
    world.settle()


def test_workers_and_writers_at_once_agree_with_a_single_replay(db: Database) -> None:
    """Four writers and two workers: afterwards every ledger is what evaluating all that its learner has gives."""
    world = World(db)
    world.offer(course(), course(SERVICE, title_id="Pelayanan", requires=("completed", "passed")))
    people = [world.employ(f"19850101201001{number:04}", f"Pegawai {number}") for number in range(6)]
    for number, person in enumerate(people):
        world.link(person, account(str(number)))

    def write(offset: int) -> None:
        for number in range(12):
            verb, about = ("completed", "passed")[number % 2], (SECURITY, SERVICE)[(number + offset) % 2]
            said = statement(verb, about, actor=by(str((number + offset) % 6)))
            world.receive(said)
            if number % 4 == 3:
                world.receive(voiding(said["id"]))

    at_once(*(partial(write, offset) for offset in range(4)), workers=2, world=world)

    assert world.count(inbox) == 0
    assert sum(world.year(person).recognized_centi for person in people) > 0
    assert [finding for each in audit.verify(world.hub) for finding in each.findings] == []


def test_an_actor_that_moves_while_statements_arrive_leaves_no_hour_behind(db: Database) -> None:
    """Linked here and there, merged and split, while two workers recompute: nothing is lost and nothing is double."""
    world, budi = linked_world(db)
    siti = world.employ(OTHER_NIP, "Siti")

    def move() -> None:
        for number in range(6):
            world.link((siti, budi)[number % 2])
        world.unlink()
        world.link(budi)

    def merge() -> None:
        for _ in range(2):
            db.run(lambda conn: persons.merge(conn, world.hub, budi, siti))
            db.run(lambda conn: persons.split(conn, world.hub, NIP))

    def write() -> None:
        for number in range(10):
            world.receive(statement(timestamp=f"2026-03-{number + 1:02}T09:00:00+07:00"))

    at_once(move, write, workers=2, world=world)
    assert [world.year(each).recognized_centi for each in (budi, siti)] == [450, 0]
    at_once(merge, write, workers=2, world=world)

    assert [world.year(each).recognized_centi for each in (budi, siti)] == [450, 0]
    assert [finding for each in audit.verify(world.hub) for finding in each.findings] == []
    assert world.count(inbox) == 0


HUBS = {"objectType": "Agent", "account": {"homePage": BASE, "name": "hub"}}

#: Who voids a statement of connector 1, and whether it may: another credential of the connector, the hub itself, a
#: credential of another connector, one of none, and one of none with every right (CONTRACTS, "What proves what").
VOIDERS = [
    (Writer(HUBS, 1, "credential:8"), True),
    (Writer(HUBS, None, "hub:correction", may_void_any=True), True),
    (Writer(HUBS, None, "credential:9", may_void_any=True), True),
    (Writer(HUBS, 2, "credential:10"), False),
    (Writer(HUBS, None, "credential:11"), False),
]


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize(("voider", "may"), VOIDERS)
def test_only_who_may_void_takes_an_hour_back(db: Database, voider: Writer, may: bool, is_first: bool) -> None:
    """What is known and somebody else's is refused; a void that arrives first waits, and stays without effect."""
    world, learner = linked_world(db)
    said = statement()
    void = voiding(said["id"], actor=HUBS)
    if is_first:
        world.accept(world.hub, [void], voider)
        world.receive(said)
    else:
        world.receive(said)
        world.settle()
        with nullcontext() if may else pytest.raises(VoidRefused):
            world.accept(world.hub, [void], voider)
    world.settle()

    assert sum(world.amounts(learner)) == (0 if may else 450)
    assert all(not each.findings for each in audit.verify(world.hub))
    with db.read() as conn:
        seen = audit.explain_statement(conn, world.hub, UUID(said["id"]))
    assert seen is not None
    assert seen.code == ("voided" if may else "counted")
    year = world.year(learner)
    live = [entry for entry in year.entries if entry.reverses is None and not entry.is_reversed]
    assert len(live) == (0 if may else 1)
    if may and not is_first:
        assert year.entries[-1].cause == {"code": "voided", "statements": [said["id"]]}
