"""A paper says what the ledger said when it was made; whether that still stands is worked out each time it is asked."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hub.jp import policies
from hub.papers import transcripts
from hub.papers.transcript_tables import transcripts as papers
from hub.papers.transcripts import Paper, Standing
from hub.people.learners import Learner
from hub.tables import audit_log, entries
from lrs.database import Database
from recognizedtest import OTHER_NIP, SERVICE, World, course, linked_world, replayed, statement, voiding


def issue(world: World, learner: Learner, year: int = 2026) -> Paper:
    return world.db.run(lambda conn: transcripts.issue(conn, world.hub, learner, year, by="budi"))


def check(world: World, paper: Paper) -> Standing:
    """What somebody is told who brings the paper's code."""
    with world.db.read() as conn:
        found = transcripts.find(conn, paper.code)
        assert found is not None
        return transcripts.standing(conn, world.hub, found)


def completed_world(db: Database) -> tuple[World, Learner, str]:
    """Budi has completed one course of 4.5 JP."""
    world, learner = linked_world(db, course(), course(SERVICE, title_id="Pelayanan Publik", title_en="Service"))
    said = statement()
    world.receive(said)
    world.settle()
    return world, learner, said["id"]


def test_a_paper_says_what_is_recognized_and_is_found_by_its_code(db: Database) -> None:
    world, learner, _ = completed_world(db)

    paper = issue(world, learner)

    assert len(paper.code) == transcripts.LENGTH
    assert (paper.said.name, paper.said.nip, paper.said.year) == ("Budi Santoso", learner.nip, 2026)
    assert (paper.said.recognized_centi, paper.said.target_centi) == (450, 2000)
    (line,) = paper.said.lines
    assert (line.title_id, line.title_en, line.centi_jp) == ("Keamanan Informasi", "Information Security", 450)
    assert paper.position == 1
    with world.db.read() as conn:
        assert transcripts.find(conn, paper.code) == paper
    assert check(world, paper) == Standing("stands", (), 0, 450)


def test_asking_again_gives_the_same_paper_until_something_changes(db: Database) -> None:
    world, learner, _ = completed_world(db)
    first = issue(world, learner)

    assert issue(world, learner).code == first.code
    world.receive(statement(object=SERVICE, timestamp="2026-03-03T09:00:00+07:00"))
    world.settle()

    assert issue(world, learner).code != first.code


def test_a_year_without_hours_has_a_paper_too(db: Database) -> None:
    world, learner = linked_world(db)

    paper = issue(world, learner, 2025)

    assert (paper.position, paper.digest, paper.said.lines) == (0, b"", ())
    assert check(world, paper).state == "stands"


def test_what_is_added_later_leaves_the_paper_standing(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    world.receive(statement(object=SERVICE, timestamp="2026-03-03T09:00:00+07:00"))
    world.settle()

    assert check(world, paper) == Standing("grown", (), 450, 900)


def test_what_is_taken_back_is_told_line_by_line(db: Database) -> None:
    world, learner, said = completed_world(db)
    paper = issue(world, learner)

    world.receive(voiding(said))
    world.settle()

    found = check(world, paper)
    assert found.state == "changed"
    assert found.taken_back == paper.said.lines
    assert (found.recognized_centi, found.holds) == (0, False)


def test_another_year_has_no_part_in_it(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    world.receive(statement(object=SERVICE, timestamp="2025-03-03T09:00:00+07:00"))
    world.settle()

    assert check(world, paper).state == "stands"


def test_another_policy_overtakes_it(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)
    text = policies.shipped.policy_text(policies.DEFAULT).replace(f"policy: {policies.DEFAULT}", "policy: other-2026")

    world.db.run(lambda conn: policies.add(conn, text, now=world.clock()))
    replayed(world, "other-2026")
    world.db.run(
        lambda conn: policies.activate(conn, world.hub.policies, "other-2026", 2026, by="ani", now=world.clock())
    )

    assert check(world, paper).state == "other_policy"


def test_a_revoked_paper_says_only_that_and_the_next_one_has_another_code(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    assert world.db.run(lambda conn: transcripts.revoke(conn, world.hub, paper, by="budi"))
    assert not world.db.run(lambda conn: transcripts.revoke(conn, world.hub, paper, by="budi"))

    assert check(world, paper) == Standing("revoked")
    assert issue(world, learner).code != paper.code


def test_the_journal_names_a_paper_without_its_code(db: Database) -> None:
    world, learner, _ = completed_world(db)

    paper = issue(world, learner)
    world.db.run(lambda conn: transcripts.revoke(conn, world.hub, paper, by="budi"))

    with world.db.read() as conn:
        found = conn.execute(sa.select(audit_log).where(audit_log.c.action.like("transcript.%"))).all()
    assert sorted(row.action for row in found) == ["transcript.issue", "transcript.revoke"]
    assert paper.code not in str(found)


@pytest.mark.parametrize(
    "forgery",
    [
        {"centi_jp": 900},
        {"course": SERVICE},
        {"digest": b"\x00" * 32},
    ],
    ids=lambda forgery: next(iter(forgery)),
)
def test_an_altered_ledger_confirms_nothing(db: Database, forgery: dict[str, object]) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    with world.db.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.learner == learner.id).values(**forgery))

    assert check(world, paper).state == "broken"


def test_an_altered_paper_is_not_confirmed(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    with world.db.write() as conn:
        document = conn.execute(sa.select(papers.c.document)).scalar_one()
        forged = document.replace('"position":1,', '"position":1,').replace('"centi_jp":450', '"centi_jp":9000')
        assert forged != document
        conn.execute(sa.update(papers).values(document=forged))

    assert check(world, paper).state == "broken"


def test_a_ledger_whose_end_was_cut_off_confirms_nothing(db: Database) -> None:
    world, learner, _ = completed_world(db)
    paper = issue(world, learner)

    with world.db.write() as conn:
        conn.execute(sa.delete(entries).where(entries.c.learner == learner.id))

    assert check(world, paper).state == "broken"


def test_papers_of_two_people_do_not_mix(db: Database) -> None:
    world, learner, _ = completed_world(db)
    other = world.employ(OTHER_NIP, "Siti Aminah", "PPPK")

    mine, hers = issue(world, learner), issue(world, other)

    assert hers.said.name == "Siti Aminah"
    with world.db.read() as conn:
        assert [each.code for each in transcripts.of_learner(conn, learner.id, 2026)] == [mine.code]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("0123456789ABCDEFGHJK", "0123456789ABCDEFGHJK"),
        ("01234-56789-abcde-fghjk", "0123456789ABCDEFGHJK"),
        (" o1234 56789 ABCDE FGHJK ", "0123456789ABCDEFGHJK"),
        ("0I23456789ABCDEFGHJK", "0123456789ABCDEFGHJK"),
        ("0123456789ABCDEFGHJ", None),
        ("0123456789ABCDEFGHJKM", None),
        ("0123456789ABCDEFGHJU", None),
        ("../../etc/passwd-----", None),
        ("０１２３４５６７８９ABCDEFGHJK", None),
        ("", None),
    ],
)
def test_codes_are_read_however_they_are_typed(typed: str, read: str | None) -> None:
    assert transcripts.read_code(typed) == read


def test_codes_use_all_their_randomness() -> None:
    assert transcripts.new_code(b"\x00" * 13) == "0" * 20
    assert transcripts.new_code(b"\xff" * 13) == "Z" * 20
    assert transcripts.new_code(b"\x00" * 12 + b"\x01") != transcripts.new_code(b"\x00" * 13)


def test_a_nip_is_shown_without_the_birth_date() -> None:
    assert transcripts.masked("198501012010011001") == "••••••••2010011001"
