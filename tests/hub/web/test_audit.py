"""The auditor's pages: from an hour down to its evidence and back, statements found, acts read; nothing written."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from itertools import pairwise
from urllib.parse import quote
from uuid import UUID

import pytest
import sqlalchemy as sa

from hub import journal
from hub.tables import audit_log, entries, inbox
from hub.web import files
from lrs import query
from lrs.tables import statements
from pagestest import Person, text
from recognizedtest import LMS, NIP, OTHER_NIP, SECURITY, World, by, course, linked_world, statement, voiding


@pytest.fixture
def seen(db):
    """Budi completed a course of 4.5 JP, which was taken back; then he completed it again."""
    world, budi = linked_world(db)
    first, second = statement(), statement(timestamp="2026-03-09T09:00:00+07:00")
    world.receive(first)
    world.settle()
    world.receive(voiding(first["id"], actor=by("4")))
    world.settle()
    world.receive(second)
    world.settle()
    return world, budi, first, second


@pytest.fixture
def auditor(seen):
    return Person(seen[0].hub, "auditor")


def hours(seen):
    world, budi, *_ = seen
    return world.entries(budi)


# Who may -----------------------------------------------------------------------------------------------

PATHS = ("/audit/statements", "/audit/entries", "/audit/journal", f"/audit/learners/{NIP}")


@pytest.mark.parametrize("path", PATHS)
def test_auditors_and_administrators_read_and_nobody_else(seen, path):
    world, *_ = seen

    assert Person(world.hub, "auditor").get(path).status_code == 200
    assert Person(world.hub, "admin").get(path).status_code == 200
    assert Person(world.hub, "operator").get(path).status_code == 403


def test_whoever_is_not_signed_in_signs_in_first(seen, auditor):
    auditor.client.delete_cookie("wkmb_session", domain="hub.example.go.id")

    answer = auditor.get(f"/audit/learners/{NIP}")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


def test_an_auditor_writes_nothing_whatever_is_asked(seen, auditor):
    """Every page of hers, and the one form, leave every table as it was."""
    world, _, first, _ = seen
    rows = {table: world.count(table) for table in (entries, inbox, statements, audit_log)}

    for path in (*PATHS, f"/audit/statements/{first['id']}", f"/audit/entries/{hours(seen)[0].id}"):
        assert auditor.get(path).status_code == 200
        assert auditor.post(path).status_code == 405
    assert auditor.post(f"/audit/entries/{hours(seen)[0].id}/verify").status_code == 200

    assert {table: world.count(table) for table in rows} == rows


ODD = {
    "digits": {"result": {"completion": True, "duration": f"PT{'9' * 5000}S"}},
    "days": {"result": {"completion": True, "duration": f"P{'9' * 400}D"}},
    "a fraction": {"result": {"completion": True, "duration": f"PT0.{'9' * 5000}S"}},
    "the last moment": {"timestamp": "9999-12-31T23:59:59Z"},
    "the first moment": {"timestamp": "0001-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("members", ODD.values(), ids=ODD.keys())
def test_a_statement_that_is_valid_and_absurd_is_shown_as_it_is(seen, auditor, members):
    world, *_ = seen
    absurd = statement(**members)
    world.receive(absurd)
    world.settle()

    assert auditor.get("/audit/statements").status_code == 200
    assert auditor.get(f"/audit/statements/{absurd['id']}").status_code == 200


# Down and up -------------------------------------------------------------------------------------------


def test_an_hour_is_explained_with_its_steps_policy_and_evidence(seen, auditor):
    live = hours(seen)[-1]

    page = auditor.get(f"/audit/entries/{live.id}")

    said = text(page)
    assert "4.5 JP" in said
    for told in (
        "Reported by the right source",
        "Completed",
        "JP stated by the programme",
        "How often the course counts",
    ):
        assert told in said
    assert live.policy_digest in page.text
    assert live.course_digest in page.text
    assert "It holds the digest before" in said
    assert f'href="/audit/statements/{seen[3]["id"]}"' in page.text
    assert "Sent with a key" in said


def test_the_digests_on_the_page_are_those_of_the_chain(seen, auditor):
    world, budi, *_ = seen
    with world.db.read() as conn:
        digests = [row.digest.hex() for row in conn.execute(sa.select(entries).order_by(entries.c.position))]

    pages = [auditor.get(f"/audit/entries/{each.id}").text for each in world.entries(budi)]

    assert "none: it is the first" in pages[0]
    for (before, own), page in zip(pairwise(digests), pages[1:], strict=True):
        assert own in page
        assert before in page


def test_a_reversal_and_what_it_takes_back_lead_to_each_other(seen, auditor):
    first, reversal, _ = hours(seen)

    down, up = auditor.get(f"/audit/entries/{first.id}"), auditor.get(f"/audit/entries/{reversal.id}")

    assert f'href="/audit/entries/{reversal.id}"' in down.text
    assert f'href="/audit/entries/{first.id}"' in up.text
    assert "This is a reversal" in text(up)
    assert "-4.5" in text(up)


def test_a_statement_leads_up_to_its_hours(seen, auditor):
    second = seen[3]

    page = auditor.get(f"/audit/statements/{second['id']}")

    said = text(page)
    assert "Counted It counts: an hour rests on it." in said
    assert f'href="/audit/entries/{hours(seen)[-1].id}"' in page.text
    assert "Budi Santoso" in said
    assert "credential:7" in said


def test_a_voided_statement_and_what_voided_it_lead_to_each_other(seen, auditor):
    _, _, first, _ = seen

    page = auditor.get(f"/audit/statements/{first['id']}")

    voider = re.search(r'href="/audit/statements/([0-9a-f-]{36})">See the voiding statement', page.text)[1]
    assert "It was taken back." in text(page)
    back = auditor.get(f"/audit/statements/{voider}")
    assert f'href="/audit/statements/{first["id"]}"' in back.text
    assert "and proves nothing itself" in text(back)


def test_the_bytes_are_given_as_they_were_accepted(seen, auditor):
    world, _, first, _ = seen

    answer = auditor.get(f"/audit/statements/{first['id']}/raw")

    with world.db.read() as conn:
        stored = query.get(conn, UUID(first["id"]))
    assert answer.data == stored.payload
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_why_a_statement_counts_for_nothing_is_said_in_words(seen, auditor):
    world, *_ = seen
    unknown, page_view = statement(object=f"{LMS}/page/7"), statement("experienced")
    stranger = statement(actor=by("99"))
    world.receive(unknown, page_view, stranger)

    def told(each):
        return text(auditor.get(f"/audit/statements/{each['id']}"))

    assert f"{LMS}/page/7 is not in the catalogue." in told(unknown)
    assert "Not counted The verb" in told(page_view)
    assert "nobody knows yet whose this actor is" in told(stranger)


def test_what_is_not_there_is_a_page_that_says_so(auditor):
    assert auditor.get("/audit/statements/00000000-0000-4000-8000-000000000000").status_code == 404
    assert auditor.get(f"/audit/entries/{'0' * 32}-1").status_code == 404
    assert auditor.get("/audit/entries/nonsense").status_code == 404
    assert auditor.get(f"/audit/learners/{OTHER_NIP}").status_code == 404
    assert auditor.get("/audit/learners/1").status_code == 404
    assert auditor.post("/audit/entries/nonsense/verify").status_code == 404


def test_texts_of_a_statement_are_never_taken_for_marks(seen, auditor):
    world, *_ = seen
    evil = statement(actor={**by("4"), "name": "<script>alert(1)</script>"})
    world.receive(evil)

    for path in (f"/audit/statements/{evil['id']}", "/audit/statements"):
        assert "<script>alert" not in auditor.get(path).text


# Verifying ---------------------------------------------------------------------------------------------


def test_an_hour_that_holds_is_said_to_hold(seen, auditor):
    answer = auditor.post(f"/audit/entries/{hours(seen)[-1].id}/verify")

    assert "Everything holds 3 entries and 3 statements of this person were read" in text(answer)


def test_an_hour_that_was_altered_is_found(seen, auditor):
    world, *_ = seen
    with world.db.write() as conn:
        conn.execute(sa.update(entries).where(entries.c.position == 3).values(centi_jp=4500))

    said = text(auditor.post(f"/audit/entries/{hours(seen)[-1].id}/verify"))

    assert "Something differs" in said
    assert "chain_broken" in said


# Finding -----------------------------------------------------------------------------------------------


def ids(answer):
    return re.findall(r'/audit/statements/([0-9a-f-]{36})"', answer.text)


def test_statements_are_found_by_nip_actor_verb_activity_and_day(seen, auditor):
    world, _, first, second = seen
    other = statement("passed", f"{LMS}/course/2", actor=by("99"))
    world.receive(other)

    def found(asked):
        return set(ids(auditor.get(f"/audit/statements?{asked}")))

    assert second["id"] in found(f"nip={NIP}")
    assert other["id"] not in found(f"nip={NIP}")
    assert found(f"actor=99&homepage={LMS}") == {other["id"]}
    assert found("verb=passed") == {other["id"]}
    assert second["id"] in found(f"activity={SECURITY}&verb=completed")
    assert other["id"] not in found(f"activity={SECURITY}&verb=completed")
    assert found("from=2026-11-24&until=2026-11-24") >= {second["id"], other["id"]}
    assert found("until=2026-11-23") == set()
    assert first["id"] not in found("")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("nip=12", "A NIP has 18 digits."),
        (f"nip={OTHER_NIP}", "Nobody here has this NIP."),
        ("actor=nobody", "This names nobody."),
        ("activity=course%203", "Give its whole ID"),
        ("from=yesterday", "Use YYYY-MM-DD"),
        ("find=nonsense", "Give the ID of a statement or of an hour, or a NIP."),
    ],
)
def test_a_wrong_filter_is_told_beside_its_field(auditor, query, told):
    answer = auditor.get(f"/audit/statements?{query}")

    assert answer.status_code == 422
    assert told in text(answer)


def test_numbers_lead_directly_to_what_they_name(seen, auditor):
    entry, said = hours(seen)[0].id, seen[2]["id"]

    for number, path in ((said, f"statements/{said}"), (entry, f"entries/{entry}"), (NIP, f"learners/{NIP}")):
        assert auditor.get(f"/audit/statements?find={number}").headers["Location"] == f"/audit/{path}"


def test_a_search_goes_on_by_key_and_repeats_nothing(seen, auditor):
    world, *_ = seen
    world.receive(*(statement("experienced", f"{LMS}/page/{number}") for number in range(60)))

    first = auditor.get("/audit/statements?verb=experienced")
    following = unescape(re.search(r'href="(/audit/statements\?[^"]*cursor=[^"]+)" rel="next"', first.text)[1])
    second = auditor.get(following)

    assert len(ids(first)) == 50
    assert len(set(ids(first) + ids(second))) == 60


def test_an_address_cannot_lead_pages_elsewhere(seen, auditor):
    """What follows ? goes into links of the page: only filters do."""
    world, *_ = seen
    world.receive(*(statement("experienced", f"{LMS}/page/{number}") for number in range(60)))

    page = auditor.get("/audit/statements?_scheme=javascript&_external=1&_anchor=x&verb=experienced")

    assert "javascript:" not in page.text


def test_each_row_says_what_it_came_to_and_leads_on(seen, auditor):
    world, *_ = seen
    world.receive(statement("experienced", actor=by("99")), statement(actor=by("99")))
    world.settle()

    page = auditor.get("/audit/statements")

    said = text(page)
    assert "Budi Santoso completed" in said
    assert "counted" in said
    assert "evidence nobody knows yet whose" in said
    assert f'href="/audit/learners/{NIP}"' in page.text
    assert f'href="/audit/statements?activity={quote(SECURITY, safe="/:")}"' in unescape(page.text)


def test_the_page_of_a_course_leads_to_everything_about_it(seen, auditor):
    world, *_ = seen
    with world.db.read() as conn:
        [listed] = world.hub.courses.current(conn).listed

    page = auditor.get(f"/courses/{listed.id}")

    assert f'href="/audit/statements?activity={quote(SECURITY, safe="/:")}"' in unescape(page.text)


def test_a_longer_page_asks_no_more_questions(seen, auditor):
    world, *_ = seen

    def questions():
        asked = []
        sa.event.listen(world.db._reader, "before_cursor_execute", lambda *each: asked.append(each[2]))
        assert auditor.get("/audit/statements").status_code == 200
        return len(asked)

    few = questions()
    world.receive(*(statement("experienced", f"{LMS}/page/{number}", actor=by(str(number))) for number in range(45)))
    world.settle()

    # The second listener counts each question once more.
    assert questions() <= few * 2 + 2


def test_the_raw_view_shows_the_statements_and_keeps_the_filters(seen, auditor):
    page = auditor.get("/audit/statements?verb=completed&view=raw")

    assert '"timestamp": "2026-03-09T09:00:00+07:00"' in unescape(page.text)
    assert 'href="/audit/statements?verb=completed"' in page.text


def test_what_is_listed_is_taken_as_a_file_and_that_is_written_down(seen, auditor):
    world, *_ = seen
    world.clock.forward(seconds=1)

    lines = auditor.get("/audit/statements/export?format=jsonl&verb=completed")
    table = auditor.get("/audit/statements/export?format=csv&columns=id,verb.id&verb=completed")

    assert lines.headers["Content-Type"].startswith("application/jsonl")
    # A void is found by what it takes back, and in lines of JSON what was taken back stands before it.
    assert lines.text.splitlines()[-1].startswith('{"kind":"end","statements":3,')
    assert table.headers["Content-Disposition"].endswith(".csv")
    assert table.text.splitlines()[-1].startswith("#end,2,")
    with world.db.read() as conn:
        acts = journal.read(conn, "2026-11", limit=2)
    assert [(act.action, act.who, act.detail) for act in acts] == [
        ("statements.export", "auditor", {"where_verb": "completed"})
    ] * 2


@pytest.mark.parametrize(
    ("query", "told"),
    [("columns=verb..id", "These columns cannot be read from “.id” on."), ("format=csv&nip=1", "A NIP has 18 digits.")],
)
def test_a_file_that_cannot_be_made_is_told_on_the_page(auditor, query, told):
    answer = auditor.get(f"/audit/statements/export?{query}")

    assert answer.status_code == 422
    assert told in text(answer)


# A learner ---------------------------------------------------------------------------------------------


def test_hours_are_asked_for_by_nip_and_year(seen, auditor):
    assert auditor.get(f"/audit/entries?nip={NIP}&year=2026").headers["Location"] == f"/audit/learners/{NIP}?year=2026"
    assert "Nobody here has this NIP." in text(auditor.get(f"/audit/entries?nip={OTHER_NIP}"))


def test_a_ledger_holds_what_was_taken_back(seen, auditor):
    page = text(auditor.get(f"/audit/learners/{NIP}?year=2026"))

    assert "Ledger of 2026 4.5 JP" in page
    assert "reversal" in page
    assert "reversed" in page
    assert "No entries in this year" in text(auditor.get(f"/audit/learners/{NIP}?year=2024"))


def test_a_ledger_is_given_as_a_table_without_formulas(seen, auditor):
    world, *_ = seen
    formula = "=HYPERLINK(1)"
    world.offer(course(f"{LMS}/course/3", title_en=formula, title_id=formula, programme_centi_jp=200))
    world.receive(statement(object=f"{LMS}/course/3"))
    world.settle()

    answer = auditor.get(f"/audit/learners/{NIP}/ledger.csv?year=2026")

    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["JP"] for row in rows] == ["4.5", "-4.5", "4.5", "2"]
    assert rows[-1]["Course"] == "'=HYPERLINK(1)"
    assert rows[1]["Reverses"] == rows[0]["Entry"]


@pytest.mark.parametrize("cell", ["=1+1", "+62", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_calculate_is_marked(cell):
    [_, row] = csv.reader(io.StringIO(files.report(["a"], [[cell]]).removeprefix("\ufeff"), newline=""))

    assert row == [f"'{cell}"]


# Who did what ------------------------------------------------------------------------------------------


def test_acts_are_read_by_month_person_and_kind(seen, auditor):
    world, *_ = seen
    with world.db.write() as conn:
        for number in range(3):
            journal.record(conn, who=f"ani{number}", action="tool.add", object=f"moodle-{number}", now=world.clock(),
                           new_id=world.hub.new_id)  # fmt: skip
        journal.record(conn, who="budi", action="credential.add", object="kunci", now=world.clock(),
                       new_id=world.hub.new_id, scopes="all")  # fmt: skip

    def told(query):
        return text(auditor.get(f"/audit/journal?{query}"))

    assert "ani1 registered the tool moodle-1" in told("")
    assert "budi added the key kunci" in told("who=BUDI")
    assert "moodle" not in told("who=BUDI")
    assert "kunci" not in told("action=tool.")
    assert "Nothing in this month" in told("month=2026-01")
    assert "moodle-1" in told("month=nonsense&after=nonsense")


def test_acts_come_in_pages(seen, auditor):
    world, *_ = seen
    with world.db.write() as conn:
        for number in range(130):
            journal.record(conn, who="ani", action="tool.add", object=f"t-{number:03d}", now=world.clock.now,
                           new_id=world.hub.new_id)  # fmt: skip

    first = auditor.get("/audit/journal?action=tool.")
    following = re.search(r'href="(/audit/journal\?[^"]*after=[^"]+)" rel="next"', first.text)[1].replace("&amp;", "&")

    objects = re.findall(r"<b>(t-[0-9]{3})</b>", first.text + auditor.get(following).text)
    assert len(objects) == len(set(objects)) == 130


def test_a_world_without_hours_has_pages_too(db):
    world = World(db)
    auditor = Person(world.hub, "auditor")

    assert "Nothing has arrived yet" in text(auditor.get("/audit/statements"))
    assert "Nothing in this month" in text(auditor.get("/audit/journal"))


def test_scores_are_written_as_the_reader_writes_numbers(seen, auditor):
    world, *_ = seen
    for score in ({"scaled": 0.84}, {"scaled": 0.69999}, {"raw": 1e300}, {"raw": 1085.5, "min": 0, "max": 2000}):
        world.receive(statement(result={"score": score, "completion": True}))

    english = text(auditor.get("/audit/statements"))
    auditor.client.set_cookie("wkmb_lang", "id", domain="hub.example.go.id")
    indonesian = text(auditor.get("/audit/statements"))

    assert "0,84" in indonesian
    assert "0,69999" in indonesian
    assert "1e+300" in indonesian
    assert "1.085,5 / 2.000" in indonesian
    assert "0.84" in english
    assert "1,085.5 / 2,000" in english
