"""Replays: everybody under a policy, in parts, by whoever has time, and never half of a learner."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hub.jp import audit, policies, recognition, replays
from hub.people.learners import Learner
from hub.tables import entries, recompute_failures
from lrs.database import Database, metadata
from recognizedtest import NOW, World, account, by, course, replayed, statement
from wkmbtest.clusterrules import distribution

NAME, OTHER = "perlan-10-2018", "double"
DOUBLED = ("per_session, jp: [{from: 2019-01-01, value: 2}]", "per_session, jp: [{from: 2019-01-01, value: 4}]")


def other_policy(world: World) -> None:
    """One in which a session is worth twice as much."""
    text = policies.shipped.policy_text(NAME).replace(f"policy: {NAME}", f"policy: {OTHER}").replace(*DOUBLED)
    world.db.run(lambda conn: policies.add(conn, text, now=NOW))


def coached_people(db: Database, count: int = 5) -> tuple[World, list[Learner]]:
    """So many people who were coached once, and settled."""
    world = World(db)
    world.offer(course(form="NKL01", programme_centi_jp=None))
    people = [world.employ(f"19850101201001{number:04}", f"Pegawai {number}") for number in range(count)]
    for number, person in enumerate(people):
        world.link(person, account(str(number)))
        world.receive(statement(actor=by(str(number))))
    world.settle()
    other_policy(world)
    return world, people


def amounts(world: World, person: Learner, policy: str = OTHER) -> list[int]:
    return [entry.centi_jp for entry in world.entries(person) if entry.policy == policy]


def test_a_replay_writes_its_ledger_beside_the_official_one(db: Database) -> None:
    world, people = coached_people(db)
    before = [world.entries(person) for person in people]

    done = replayed(world, OTHER)

    assert (done.people, done.entered, done.reversed, done.failed, done.percent) == (5, 5, 0, 0, 100)
    assert done.finished_at is not None
    assert [amounts(world, person) for person in people] == [[400]] * 5
    assert [tuple(e for e in world.entries(p) if e.policy == NAME) for p in people] == before
    assert [finding for each in audit.verify(world.hub) for finding in each.findings] == []


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_nothing_that_it_asks_reads_a_growing_table_whole_also_while_it_is_empty(db: Database) -> None:
    """PostgreSQL plans once for a connection, and would prefer that for tables without rows."""
    world, _people = coached_people(db)
    asked: dict[str, Any] = {}
    sa.event.listen(db.engine, "before_cursor_execute", lambda *said: asked.setdefault(said[2], said[3]))
    replayed(world, OTHER)

    growing = {table.name for table in metadata.tables.values() if distribution(table)}
    read_whole, planned = set(), 0
    with db.read() as conn:
        for text, parameters in list(asked.items()):
            if text.startswith("SELECT"):
                given = parameters[0] if isinstance(parameters, list) else parameters
                plan = "\n".join(conn.exec_driver_sql(f"EXPLAIN {text}", given).scalars())
                read_whole |= growing.intersection(re.findall(r"Seq Scan on (\w+)", plan))
                planned += 1
        compiles = conn.exec_driver_sql("SHOW jit").scalar()
    assert (read_whole, compiles) == (set(), "off")
    assert planned > 10


def test_one_that_was_interrupted_goes_on_where_it_was_and_nobody_is_official_by_it_before(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "TOGETHER", 1)
    world, people = coached_people(db)
    found = replayed(world, OTHER, steps=1)
    interrupted = replays.Replayer(world.hub)
    while found.people < 2:
        interrupted.step()
        found = how_far(db) or found
    assert found.finished_at is None
    assert 0 < found.percent < 100
    with db.write() as conn, pytest.raises(policies.PolicyBehind, match="wkmb policy replay double"):
        policies.activate(conn, world.hub.policies, OTHER, 2026, by="ani", now=NOW)

    # Whoever worked on it is gone: her part is free when nothing was heard of her for a while.
    world.clock.forward(seconds=60)
    done = replayed(world, OTHER)

    assert (done.people, done.entered, done.percent) == (5, 5, 100)
    assert [amounts(world, person) for person in people] == [[400]] * 5
    with db.write() as conn:
        policies.activate(conn, world.hub.policies, OTHER, 2026, by="ani", now=NOW)
    assert [world.year(person).recognized_centi for person in people] == [400] * 5


def test_several_share_a_replay_and_do_nobody_twice(db: Database) -> None:
    world, people = coached_people(db, 8)
    world.db.run(lambda conn: replays.begin(conn, world.hub, OTHER, by="ani"))
    three = [replays.Replayer(world.another_process()) for _ in range(3)]

    while sum(each.step() for each in three):
        pass

    with db.read() as conn:
        found = replays.find(conn, OTHER, now=NOW)
        again = replays.list_all(conn, now=NOW)
    assert found is not None
    assert (found.people, found.entered) == (8, 8)
    assert again[OTHER] == found
    assert [amounts(world, person) for person in people] == [[400]] * 8


def test_every_process_follows_what_another_one_began_until_it_is_let_go(db: Database) -> None:
    """What recomputations go by is kept in the memory of each process."""
    world, _ = coached_people(db)
    other = world.another_process()

    def followed() -> list[str]:
        with db.read() as conn:
            return [policy.name for policy in recognition.surroundings(conn, other).policies]

    before = followed()
    db.run(lambda conn: replays.begin(conn, world.hub, OTHER, by="ani"))
    during = followed()
    db.run(lambda conn: replays.let_go(conn, world.hub, OTHER, by="ani"))

    assert (before, during, followed()) == ([NAME], [NAME, OTHER], [NAME])


def test_what_arrives_during_and_after_a_replay_is_followed_so_that_nothing_is_behind(db: Database) -> None:
    world, people = coached_people(db)
    replayed(world, OTHER, steps=1)
    world.receive(statement(actor=by("0"), object="https://lms.example.go.id/course/1", id=None,
                            timestamp="2027-01-01T09:00:00+07:00"))  # fmt: skip
    world.clock.forward(days=60)
    world.offer(course(form="NKL01", programme_centi_jp=None, repeat="each"))
    world.receive(statement(actor=by("0"), timestamp="2026-11-25T09:00:00+07:00"))
    world.settle()
    replayed(world, OTHER)
    world.receive(statement(actor=by("1"), timestamp="2026-11-26T09:00:00+07:00"))
    world.settle()

    with db.write() as conn:
        policies.activate(conn, world.hub.policies, OTHER, 2026, by="ani", now=NOW)

    assert [world.year(person).recognized_centi for person in people[:3]] == [800, 800, 400]
    assert [finding for each in audit.verify(world.hub) for finding in each.findings] == []


def test_a_learner_who_cannot_be_recomputed_is_listed_and_the_replay_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, people = coached_people(db)
    good = recognition.observations_of

    def poisonous(conn: Any, hub: Any, wanted: Any, around: Any) -> Any:
        if people[2].id in wanted:
            raise ValueError("poison")
        return good(conn, hub, wanted, around)

    monkeypatch.setattr(recognition, "observations_of", poisonous)
    done = replayed(world, OTHER)
    monkeypatch.undo()

    assert (done.people, done.entered, done.failed, done.percent) == (5, 4, 1, 100)
    assert [amounts(world, person) for person in people] == [[400], [400], [], [400], [400]]
    with db.read() as conn:
        assert [each.learner for each in recognition.list_failures(conn, limit=9)] == [people[2].id]
    world.settle()
    assert amounts(world, people[2]) == [400]
    assert world.count(recompute_failures) == 0


def test_an_activation_is_taken_back_and_the_ledger_before_is_whole(db: Database) -> None:
    world, people = coached_people(db)
    replayed(world, OTHER)
    with db.write() as conn:
        policies.activate(conn, world.hub.policies, OTHER, 2019, by="ani", now=NOW)
    world.offer(course(form="NKL01", programme_centi_jp=None, repeat="each"))
    world.receive(statement(actor=by("0"), timestamp="2026-11-20T09:00:00+07:00"))
    world.settle()
    assert world.year(people[0]).recognized_centi == 800

    with db.write() as conn:
        newest = policies.list_activations(conn)[-1]
        policies.withdraw(conn, world.hub.policies, newest.id, by="budi", now=NOW)

    assert world.year(people[0]).recognized_centi == 400
    with db.write() as conn:
        for each in (newest.id, policies.list_activations(conn)[-1].id):
            with pytest.raises(policies.NotWithdrawable):
                policies.withdraw(conn, world.hub.policies, each, by="budi", now=NOW)


def test_what_is_let_go_is_behind_and_cannot_be_made_official_again_without_a_replay(db: Database) -> None:
    world, _people = coached_people(db)
    replayed(world, OTHER)
    with db.write() as conn:
        policies.activate(conn, world.hub.policies, OTHER, 2019, by="ani", now=NOW)
        assert not replays.let_go(conn, world.hub, OTHER, by="ani")
        assert replays.let_go(conn, world.hub, NAME, by="ani")
        assert not replays.let_go(conn, world.hub, NAME, by="ani")
    with db.read() as conn:
        newest = policies.list_activations(conn)[-1]
    with pytest.raises(policies.PolicyBehind), db.write() as conn:
        policies.withdraw(conn, world.hub.policies, newest.id, by="budi", now=NOW)
    with db.read() as conn:
        assert world.hub.policies.active(conn, 2026).name == OTHER
    assert replayed(world, NAME).percent == 100


# SQLite locks no single learner to stop at; there is one write lock.
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_killed_replay_has_done_everybody_wholly_or_not_at_all(db: Database, tmp_path: Path) -> None:
    """The command itself, killed while it waits for a learner whom somebody else has locked."""
    world, people = coached_people(db, 4)
    url = db.url.render_as_string(hide_password=False)
    environment = {"WKMB_HOME": str(tmp_path), "WKMB_DATABASE_URL": url, "WKMB_SECRET_KEY": "k" * 32}
    command = [sys.executable, "-m", "hub", "policy", "replay", OTHER]
    last = max(people, key=lambda each: each.id.bytes)
    with db.write() as conn:
        recognition.recompute(conn, world.hub, last.id)
        process = subprocess.Popen(command, env=os.environ | environment)
        while (done := how_far(db)) is None or done.people < 1:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert amounts(world, last) == []

    done_before = how_far(db)
    assert done_before is not None
    assert done_before.entered == entered(db)
    world.clock.now = done_before.started_at
    world.clock.forward(minutes=10)
    done = replayed(world, OTHER)

    assert (done.people, done.entered, done.percent) == (4, 4, 100)


def how_far(db: Database) -> replays.Replay | None:
    with db.read() as conn:
        return replays.find(conn, OTHER, now=NOW)


def entered(db: Database) -> int:
    with db.read() as conn:
        rows = sa.select(sa.func.count()).select_from(entries).where(entries.c.policy == OTHER)
        return conn.execute(rows).scalar_one()


def test_a_part_is_a_sixty_fourth_of_all_ids() -> None:
    part = replays._Part("p", 63, None)
    assert UUID(int=(part.number + 1) * replays._SPAN - 1) == UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
