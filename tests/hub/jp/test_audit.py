"""From an hour to its evidence and back; and whatever is altered in the database is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
import sqlalchemy as sa

from hub import revisions
from hub.jp import audit
from hub.jp.ledger import Entry
from hub.people.learners import Learner
from hub.systems import registry
from hub.systems.sync_tables import connector_runs, pulled_statements
from hub.tables import connectors, course_versions, courses, credentials, entries, entry_evidence
from lrs.database import Database, insert_all
from lrs.tables import statements
from mappings.codes import CODES
from mappings.facts import Fact, NotAFact
from recognizedtest import (
    BASE,
    NIP,
    SECURITY,
    SERVICE,
    World,
    account,
    by,
    course,
    linked_world,
    statement,
    voiding,
)

MOODLE = Path(__file__).parents[2] / "cases" / "moodle"


def explained(world: World, said: str) -> audit.StatementExplained:
    with world.db.read() as conn:
        found = audit.explain_statement(conn, world.hub, UUID(said))
    assert found is not None
    return found


def explained_entry(world: World, entry: Entry) -> audit.EntryExplained:
    with world.db.read() as conn:
        found = audit.explain_entry(conn, world.hub, entry.id)
    assert found is not None
    return found


# Down and up -------------------------------------------------------------------------------------------


def test_an_entry_leads_to_its_course_policy_sources_and_statements(db: Database) -> None:
    world, learner = linked_world(db)
    add_credential(db)
    said = statement()
    world.receive(said)
    world.settle()
    (entry,) = world.entries(learner)

    found = explained_entry(world, entry)

    assert found.learner == learner
    assert found.course is not None
    assert (found.course.id, found.course.digest) == (SECURITY, entry.course_digest)
    assert found.course_number == 1
    assert found.policy.digest == entry.policy_digest
    assert found.form is not None
    assert found.form.code == "KL03"
    assert found.sources
    assert all(source.reference and source.confirmed for source in found.sources)
    (evidence,) = found.evidence
    assert str(evidence.stored.id) == said["id"]
    assert evidence.statement["verb"]["id"].endswith("/completed")
    assert evidence.authority["account"] == {"homePage": BASE, "name": "lms"}
    assert (evidence.connector, evidence.origin.kind, evidence.origin.label) == ("asn-unggul", "credential", "push")
    assert found.reversed_by is None


def test_a_reversal_and_what_it_takes_back_lead_to_each_other(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()
    world.receive(said)
    world.settle()
    world.receive(voiding(said["id"]))
    world.settle()
    first, second = world.entries(learner)

    assert explained_entry(world, first).reversed_by == second
    assert explained_entry(world, second).reverses == first
    assert explained_entry(world, first).evidence[0].stored.voided_by is not None


def test_an_entry_keeps_the_version_of_the_course_by_which_it_was_valued(db: Database) -> None:
    world, learner = linked_world(db)
    world.receive(statement())
    world.settle()
    world.offer(course(programme_centi_jp=600))
    world.settle()
    first, _, third = world.entries(learner)

    assert [explained_entry(world, each).course for each in (first, third)] == [
        course(),
        course(programme_centi_jp=600),
    ]


def test_a_statement_leads_to_its_entries(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()
    world.receive(said)
    world.settle()

    found = explained(world, said["id"])

    assert found.code == "counted"
    assert found.learner == learner
    assert found.actor == account()
    assert found.entries == world.entries(learner)
    assert isinstance(found.reading, Fact)


def test_a_statement_that_waits_for_more_says_for_what(db: Database) -> None:
    world, _ = linked_world(db, course(requires=("completed", "passed")))
    said = statement()
    world.receive(said)
    world.settle()

    found = explained(world, said["id"])

    assert (found.code, found.detail) == ("missing_evidence", {"missing": "passed"})
    assert found.entries == ()


def test_a_statement_of_nobody_says_so(db: Database) -> None:
    world, _ = linked_world(db)
    said = statement(actor=by("77"))
    world.receive(said)
    world.settle()

    found = explained(world, said["id"])

    assert found.code == audit.UNRESOLVED
    assert found.learner is None
    assert isinstance(found.reading, Fact)


def test_a_voided_statement_and_its_voiding_one_say_what_they_are(db: Database) -> None:
    world, _ = linked_world(db)
    said = statement()
    void = voiding(said["id"])
    world.receive(said)
    world.receive(void)
    world.settle()

    assert explained(world, said["id"]).code == "voided"
    assert explained(world, void["id"]).code == "voiding"
    assert explained(world, void["id"]).target == UUID(said["id"])


def test_what_a_moodle_says_beside_the_completion_says_why_it_earns_nothing(db: Database) -> None:
    said = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(MOODLE.glob("*.json"))}
    for each in said.values():
        each.setdefault("id", str(uuid4()))
    completion = said.pop("core.course_completed__completed__course")
    who = completion["actor"]["account"]
    world, learner = linked_world(db, course("https://catalogue.example/peer-101", aliases=("course-PEER101",)))
    world.link(learner, account(who["name"], who["homePage"]))
    with db.write() as conn:
        conn.execute(sa.update(connectors).values(vocabulary="moodle"))
        revisions.bump(conn, registry.REVISION)
    world.receive(completion, *said.values())
    world.settle()

    assert explained(world, completion["id"]).code == "counted"
    found = {name: explained(world, each["id"]) for name, each in said.items()}
    assert all(isinstance(each.reading, NotAFact) and each.code in CODES["reason"] for each in found.values())
    assert found["mod_quiz.attempt_submitted__completed__attempt"].code == "child_activity"
    assert found["core.course_viewed__viewed__course"].code == "no_proof"
    assert found["core.course_module_completion_updated__completed__page"].code == "child_activity"


def test_there_is_nothing_to_say_of_what_is_not_there(db: Database) -> None:
    world, _ = linked_world(db)
    with db.read() as conn:
        assert audit.explain_statement(conn, world.hub, uuid4()) is None
        for name in ("", "-", "x-1", f"{uuid4().hex}-1", f"{uuid4().hex}-99999999999", f"{'z' * 32}-1"):
            assert audit.explain_entry(conn, world.hub, name) is None


# Origins -----------------------------------------------------------------------------------------------


def add_credential(db: Database) -> None:
    row = {
        "id": 7, "name": "push", "key": "push", "secret": b"", "previous_secret": None, "previous_until": None,
        "scopes": "[]", "connector": 1, "per_minute": None, "expires": None, "disabled": False,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    with db.write() as conn:
        insert_all(conn, credentials, [row])


def test_a_pulled_statement_tells_its_run_and_what_the_other_lrs_had_set(db: Database) -> None:
    world, _ = linked_world(db)
    run, said = uuid4(), statement()
    at = datetime(2026, 3, 3, tzinfo=UTC)
    world.receive(said, origin=f"run:{run}")
    with db.write() as conn:
        insert_all(
            conn,
            connector_runs,
            [
                {
                    "connector": 1, "id": run, "started": at, "ended": at, "state": "ok", "stored": 1, "repeated": 0,
                    "set_aside": 0, "cursor_from": None, "cursor_to": None, "error_code": None, "error": None,
                }
            ],
        )  # fmt: skip
        insert_all(
            conn,
            pulled_statements,
            [{"id": UUID(said["id"]), "run": run, "stored": "2026-03-02T10:00:00Z", "authority": b'{"mbox":"a@b"}'}],
        )

    origin = explained(world, said["id"]).evidence.origin

    assert (origin.kind, origin.label) == ("run", "asn-unggul")
    assert origin.run is not None
    assert (origin.run.id, origin.run.stored, origin.run.authority) == (run, "2026-03-02T10:00:00Z", {"mbox": "a@b"})


@pytest.mark.parametrize("origin", ["launch:not-an-id", "score:1", "run:x", "credential:y", "hub:demo", "elsewhere"])
def test_an_origin_that_is_not_on_record_is_still_told(db: Database, origin: str) -> None:
    world, _ = linked_world(db)
    said = statement()
    world.receive(said, origin=origin)

    found = explained(world, said["id"]).evidence.origin

    assert found.kind == origin.partition(":")[0]
    assert (found.launch, found.score, found.run) == (None, None, None)


# Searching ---------------------------------------------------------------------------------------------


# Verifying ---------------------------------------------------------------------------------------------


def findings(world: World, nip: str | None = None) -> set[str]:
    return {finding.code for each in audit.verify(world.hub, nip) for finding in each.findings}


def eventful(db: Database) -> tuple[World, Learner]:
    """A ledger with entries, a reversal of each cause, and something pending."""
    world, learner = linked_world(db, course(), course(SERVICE, requires=("completed", "passed")))
    said = statement()
    world.receive(said, statement(object=SERVICE))
    world.settle()
    world.receive(voiding(said["id"]))
    world.settle()
    world.receive(statement(timestamp="2026-05-02T09:00:00+07:00"))
    world.settle()
    world.offer(course(programme_centi_jp=600))
    world.settle()
    return world, learner


def test_what_nobody_altered_verifies(db: Database) -> None:
    world, learner = eventful(db)

    (verified,) = audit.verify(world.hub)

    assert verified == audit.Verified(learner.id, 5, 4, ())
    assert list(audit.verify(world.hub, NIP)) == [verified]
    assert list(audit.verify(world.hub, "000000000000000000")) == []


Alter = Callable[[sa.Connection], object]
at = entries.c
FIRST = at.position == 1
REASONING = '["https://x.example","","KL03","national","once","2026-03-02",900,[],[]]'
NOTHING = sha256(b"[]").hexdigest()

ALTERED: dict[str, tuple[Alter, set[str]]] = {
    "more hours": (
        lambda conn: conn.execute(sa.update(entries).where(FIRST).values(centi_jp=900)),
        {"chain_broken", "entry_differs", "reversal_wrong"},
    ),
    "another year": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 5).values(year=2025)),
        {"chain_broken", "entry_differs"},
    ),
    "another reasoning": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 5).values(document=REASONING)),
        {"chain_broken", "document_changed", "evidence_differs"},
    ),
    "no reasoning": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 5).values(document="[1,2")),
        {"chain_broken", "document_changed", "evidence_differs"},
    ),
    "no reasoning, and its digest": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 5).values(document="[]", content=NOTHING)),
        {"chain_broken", "document_changed", "key_wrong"},
    ),
    "an entry taken out": (lambda conn: conn.execute(sa.delete(entries).where(FIRST)), {"position_missing"}),
    "the last entry taken out": (
        lambda conn: conn.execute(sa.delete(entries).where(at.position == 5)),
        {"not_entered", "evidence_differs"},
    ),
    "another key": (
        lambda conn: conn.execute(sa.update(entries).where(FIRST).values(key=b"k" * 32)),
        {"chain_broken", "key_wrong"},
    ),
    "another cause": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 2).values(cause="{}")),
        {"chain_broken"},
    ),
    "a policy of another digest": (
        lambda conn: conn.execute(sa.update(entries).where(FIRST).values(policy_digest="0" * 64)),
        {"chain_broken", "policy_changed"},
    ),
    "a policy that is not there": (
        lambda conn: conn.execute(sa.update(entries).where(at.position == 5).values(policy="perlan-1-1900")),
        {"policy_changed", "not_entered"},
    ),
    "evidence taken out": (lambda conn: conn.execute(sa.delete(entry_evidence)), {"evidence_differs"}),
    "a course version taken out": (
        lambda conn: conn.execute(sa.delete(course_versions)),
        {"course_version_missing"},
    ),
    "the statements taken out": (
        lambda conn: conn.execute(sa.delete(statements)),
        {"statement_missing", "not_recognized"},
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_whatever_is_altered_is_found(db: Database, what: str) -> None:
    world, _ = eventful(db)
    alter, expected = ALTERED[what]

    with db.write() as conn:
        alter(conn)

    assert findings(world) >= expected


def test_altered_bytes_of_a_statement_are_found(db: Database) -> None:
    world, learner = linked_world(db)
    said = statement()
    world.receive(said)
    world.settle()
    with db.write() as conn:
        payload = orjson.dumps(explained(world, said["id"]).evidence.statement | {"object": {"id": SERVICE}})
        conn.execute(sa.update(statements).values(codec=0, payload=payload))

    assert findings(world) == {"statement_changed", "not_recognized"}
    assert world.amounts(learner) == [450]


def test_an_altered_course_is_found_although_the_catalogue_names_it(db: Database) -> None:
    world, _ = linked_world(db)
    world.receive(statement())
    world.settle()
    with db.write() as conn:
        conn.execute(sa.update(courses).values(document=course(programme_centi_jp=4500).to_json()))
    world.hub = world.another_process()

    assert findings(world) == {"not_recognized", "not_entered"}


def test_what_was_not_recomputed_yet_is_no_difference(db: Database) -> None:
    world, _ = linked_world(db)
    world.receive(statement())

    (verified,) = audit.verify(world.hub)

    assert [finding.code for finding in verified.findings] == ["waiting"]
    assert not verified.findings[0].is_wrong


def test_each_code_is_one_that_verify_gives_out() -> None:
    source = Path(audit.__file__).read_text(encoding="utf-8")

    assert all(source.count(f'"{code}"') >= 2 for code in audit.FINDINGS)
