"""The formats of a list (Communication 2.1.3, XAPI-00169 to XAPI-00171), activities and people."""

from __future__ import annotations

import orjson
import pytest

from lrs import activities, agents, paging, people, render
from lrs.errors import Malformed
from lrstest import ALICE, COURSE, Store, statement

LANGUAGES = ("id", "en")


def test_ids_keeps_what_identifies_and_nothing_else() -> None:
    given = statement(
        actor={"objectType": "Group", "name": "x", "mbox": "mailto:g@x.org", "member": [ALICE]},
        verb={"id": "http://x.org/v", "display": {"id": "v"}},
        object={"objectType": "Activity", "id": COURSE, "definition": {"name": {"id": "x"}}},
        context={
            "team": {"objectType": "Group", "member": [{**ALICE, "name": "A"}]},
            "contextActivities": {"parent": [{"id": "http://x.org/p", "definition": {}}]},
        },
    )

    ids = orjson.loads(render.as_ids(orjson.dumps(given)))

    assert ids["actor"] == {"objectType": "Group", "mbox": "mailto:g@x.org"}
    assert ids["verb"] == {"id": "http://x.org/v"}
    assert ids["object"] == {"id": COURSE}
    assert ids["context"] == {
        "team": {"objectType": "Group", "member": [ALICE]},
        "contextActivities": {"parent": [{"id": "http://x.org/p"}]},
    }


def test_canonical_takes_the_known_definition_in_one_language() -> None:
    sub = {
        "objectType": "SubStatement",
        "actor": ALICE,
        "verb": {"id": "http://x.org/v", "display": {"en": "done", "id": "selesai"}},
        "object": {"id": COURSE},
    }
    known = {
        COURSE: {"name": {"en-US": "Course", "id": "Kursus"}, "choices": [{"id": "a", "description": {"fr": "A"}}]}
    }

    value = orjson.loads(render.as_canonical(orjson.dumps(statement(object=sub)), known, LANGUAGES))

    assert value["object"]["verb"]["display"] == {"id": "selesai"}
    assert value["object"]["object"]["definition"]["name"] == {"id": "Kursus"}
    assert value["object"]["object"]["definition"]["choices"] == [{"id": "a", "description": {"fr": "A"}}]
    assert value["actor"] == ALICE


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("id", "id"),
        ("ID;q=0.5, en-us;q=0.9", "en-US"),
        ("en", "en-US"),
        ("en-GB, fr;q=0.1", "en-US"),
        ("zh", "en-US"),
        ("", "en-US"),
        ("id;q=0", "en-US"),
        ("@@, id", "id"),
    ],
)
def test_the_language_that_fits_best_is_chosen(header: str, chosen: str) -> None:
    tags = {"en-US": "x", "id": "y"}

    assert list(render.pick(tags, render.parse_accept_language(header))) == [chosen]


def test_definitions_of_all_statements_are_merged(lrs: Store) -> None:
    lrs.save(statement(object={"id": COURSE, "definition": {"name": {"en-US": "A"}, "type": "http://x.org/1"}}))
    lrs.save(statement(object={"id": COURSE, "definition": {"name": {"fr-FR": "B"}, "type": "http://x.org/2"}}))

    with lrs.db.read() as conn:
        known = activities.get_activity(conn, COURSE)
        unknown = activities.get_activity(conn, "http://x.org/unknown")

    assert known["definition"] == {"name": {"en-US": "A", "fr-FR": "B"}, "type": "http://x.org/2"}
    assert unknown == {"objectType": "Activity", "id": "http://x.org/unknown"}


def test_a_person_has_every_name_she_was_seen_under(lrs: Store) -> None:
    """XAPI-00237 to XAPI-00248, Communication 2.4."""
    lrs.save(statement(actor={**ALICE, "name": "Alice"}), statement(actor={**ALICE, "name": "Alice\x00A."}))
    who = agents.identifier(ALICE)
    assert who is not None

    with lrs.db.read() as conn:
        person = people.get_person(conn, who)

    assert person["objectType"] == "Person"
    assert person["account"] == [ALICE["account"]]
    assert sorted(person["name"]) == ["Alice", "Alice\x00A."]


def test_a_cursor_is_good_for_its_reader_alone() -> None:
    cursor = paging.Cursor(5, {"verb": "http://x.org/v"})
    text = paging.write_cursor(cursor, reader="credential:1", key=b"k")

    assert paging.read_cursor(text, reader="credential:1", key=b"k") == cursor
    for forged in (text[:-1], "A" + text[1:], "", "é", "x" * 100):
        with pytest.raises(Malformed):
            paging.read_cursor(forged, reader="credential:1", key=b"k")
    with pytest.raises(Malformed):
        paging.read_cursor(text, reader="credential:2", key=b"k")
