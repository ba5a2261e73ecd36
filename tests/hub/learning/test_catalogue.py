"""The catalogue: versions, who is woken by a change, and that every process sees it at once."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hub import revisions
from hub.learning import catalogue
from hub.learning.catalogue import Courses, Imported, Snapshot
from hub.runtime import Hub
from hub.statements import ingest
from hub.systems import registry
from hub.tables import course_versions, inbox
from lrs import agents, statements
from mappings import shipped
from mappings.course import COLUMNS, Course, CourseFile

POLICY = shipped.policy("perlan-10-2018")
COURSE = Course(
    id="https://lms.example/course/1",
    provider="lan",
    title_id="Pelayanan Publik",
    title_en="Public Service",
    form="NKL04",
    scope="national",
    aliases=("101",),
    programme_centi_jp=450,
    requires=("completed",),
)
ANNA = {"account": {"homePage": "https://lms.example", "name": "7"}}


def course(number: int = 1, **given: Any) -> Course:
    values = {name: getattr(COURSE, name) for name in ("provider", "title_id", "form", "scope", "programme_centi_jp")}
    return Course(**(values | {"id": f"https://lms.example/course/{number}", "title_en": "", **given}))


def import_(hub: Hub, *courses: Course) -> Imported:
    return hub.db.run(lambda conn: catalogue.import_courses(conn, hub, courses, by="test"))


def current(hub: Hub, courses: Courses | None = None) -> Snapshot:
    with hub.db.read() as conn:
        return (courses or hub.courses).current(conn)


def row(**cells: str) -> dict[str, str]:
    return COURSE.to_row() | cells


def file(*rows: dict[str, str]) -> str:
    return "\n".join([",".join(COLUMNS), *(",".join(each[name] for name in COLUMNS) for each in rows)]) + "\n"


def read(hub: Hub, *rows: dict[str, str]) -> CourseFile:
    with hub.db.read() as conn:
        return catalogue.read_courses(conn, file(*rows), POLICY)


@pytest.fixture
def lan(hub: Hub) -> Hub:
    """A hub that knows the provider."""
    hub.db.run(lambda conn: registry.add_connector(conn, hub, "lan", "lti", by="test"))
    return hub


# Importing


def test_an_import_adds_then_changes_nothing(hub: Hub) -> None:
    assert import_(hub, course(1), course(2)) == Imported(added=2, changed=0, same=0)
    before = current(hub)

    assert import_(hub, course(1), course(2)) == Imported(added=0, changed=0, same=2)
    assert current(hub) is before


def test_a_known_id_becomes_a_new_version(hub: Hub) -> None:
    import_(hub, course(title_id="Old"))
    old = current(hub).by_iri[COURSE.id]

    assert import_(hub, course(title_id="New")) == Imported(added=0, changed=1, same=0)

    new = current(hub).by_iri[COURSE.id]
    assert (new.id, new.version, new.course.title_id) == (old.id, 2, "New")
    with hub.db.read() as conn:
        kept = {each.digest: each.version for each in conn.execute(sa.select(course_versions))}
    assert kept == {old.course.digest: 1, new.course.digest: 2}


def test_what_it_once_was_is_a_version_again(hub: Hub) -> None:
    for title in ("One", "Two", "One"):
        import_(hub, course(title_id=title))

    found = current(hub).by_iri[COURSE.id]

    assert (found.version, found.course.title_id) == (3, "One")


def test_every_process_sees_a_change_at_once(hub: Hub) -> None:
    another_process = Courses()
    import_(hub, course(1))
    assert len(current(hub, another_process).listed) == 1

    import_(hub, course(2))

    assert len(current(hub, another_process).listed) == 2
    assert current(hub, another_process) is current(hub, another_process)


def test_an_import_that_is_taken_back_leaves_nothing(hub: Hub) -> None:
    import_(hub, course(1))

    def work(conn: sa.Connection) -> None:
        catalogue.import_courses(conn, hub, [course(2)], by="test")
        raise RuntimeError("something else of this transaction")

    with pytest.raises(RuntimeError):
        hub.db.run(work)
    import_(hub, course(3))

    assert [each.course.id[-1] for each in current(hub).listed] == ["1", "3"]


def test_two_imports_at_once_are_both_there(hub: Hub) -> None:
    threads = [
        threading.Thread(target=import_, args=(hub, *(course(10 * part + each) for each in range(5))))
        for part in range(1, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = current(hub)

    assert len(found.listed) == 15
    with hub.db.read() as conn:
        assert revisions.read(conn)[catalogue.REVISION] == 3


def test_the_list_is_in_the_order_of_titles(hub: Hub) -> None:
    import_(hub, course(1, title_id="beta"), course(2, title_id="Alfa"), course(3, title_id="Zeta"))

    found = current(hub)

    assert [each.course.title_id for each in found.listed] == ["Alfa", "beta", "Zeta"]
    assert found.by_id[found.listed[0].id] == found.listed[0]
    assert found.catalogue.find("https://lms.example/course/3") is not None


# Waking


def report(hub: Hub, object_id: str, extra: dict[str, str] | None = None, around: str = "") -> int:
    """Store a statement about an activity, with another ``around`` it; gives its actor's key."""
    activity: dict[str, Any] = {"id": object_id}
    if extra:
        activity["definition"] = {"extensions": extra}
    said = {"actor": ANNA, "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"}, "object": activity}
    if around:
        said["context"] = {"contextActivities": {"grouping": [{"id": around}]}}
    prepared = statements.prepare(
        statements.parse(orjson.dumps(said)),
        version="1.0.3",
        writer=ingest.hub_writer(hub, "hub:test"),
        new_id=hub.new_id,
        extra_keys=ingest.extra_keys,
    )
    ingest.accept(hub, prepared)
    hub.db.run(lambda conn: conn.execute(sa.delete(inbox)))
    return agents.actor_key(ANNA)


def woken(hub: Hub) -> set[int]:
    with hub.db.read() as conn:
        return set(conn.execute(sa.select(inbox.c.actor_key)).scalars())


def test_a_new_course_wakes_who_reported_it_before(hub: Hub) -> None:
    anna = report(hub, COURSE.id)

    import_(hub, course(2))
    assert woken(hub) == set()
    import_(hub, course(1))

    assert woken(hub) == {anna}


@pytest.mark.parametrize("alias", ["https://lms.example/old/1", "101"])
def test_a_change_wakes_by_the_names_of_before_too(hub: Hub, alias: str) -> None:
    external = "https://w3id.org/learning-analytics/learning-management-system/external-id"
    anna = report(hub, *((alias,) if ":" in alias else ("https://lms.example/other", {external: alias})))
    import_(hub, course(aliases=(alias,)))
    assert woken(hub) == {anna}
    hub.db.run(lambda conn: conn.execute(sa.delete(inbox)))

    import_(hub, course(aliases=()))

    assert woken(hub) == {anna}


def test_a_certificate_that_names_the_course_wakes_too(hub: Hub) -> None:
    anna = report(hub, "https://bkn.example/certificates/17", around=COURSE.id)

    import_(hub, course(1))

    assert woken(hub) == {anna}


def test_an_import_of_the_same_wakes_nobody(hub: Hub) -> None:
    report(hub, COURSE.id)
    import_(hub, course(1))
    hub.db.run(lambda conn: conn.execute(sa.delete(inbox)))

    import_(hub, course(1))

    assert woken(hub) == set()


# Files


def test_a_file_of_known_providers_is_read(lan: Hub) -> None:
    found = read(lan, row())

    assert found.problems == ()
    assert found.courses == (COURSE,)


def test_an_unknown_connector_is_a_problem_of_its_row(lan: Hub) -> None:
    found = read(lan, row(), row(id="https://lms.example/course/2", aliases="", provider="lan;bkn"))

    [problem] = found.problems
    assert (problem.line, problem.column, problem.code) == (3, "provider", "unknown")
    assert "'bkn'" in str(problem)
    assert found.courses == (COURSE,)


def test_a_refused_row_does_not_move_the_line_of_another(lan: Hub) -> None:
    found = read(lan, row(form="KL99"), row(provider="bkn"))

    assert [(each.line, each.column) for each in found.problems] == [(2, "form"), (3, "provider")]


def test_an_alias_names_one_course_of_a_provider_ever(lan: Hub) -> None:
    import_(lan, COURSE)

    found = read(lan, row(id="https://lms.example/course/2"))

    [problem] = found.problems
    assert (problem.line, problem.code) == (2, "ambiguous")
    assert read(lan, row(id="https://lms.example/course/2"), row(aliases="")).problems == ()


def test_too_long_a_file_is_refused(lan: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MAX_ROWS", 1)

    found = read(lan, row(), row(id="https://lms.example/course/2", aliases=""))

    assert found.courses == ()
    assert [each.column for each in found.problems] == ["file"]


def test_what_is_exported_can_be_imported(lan: Hub) -> None:
    quoted = course(2, title_id='Satu, "dua"; tiga')
    import_(lan, COURSE, quoted)

    text = catalogue.write_courses(current(lan).listed)
    with lan.db.read() as conn:
        found = catalogue.read_courses(conn, text, POLICY)

    assert found.problems == ()
    assert import_(lan, *found.courses) == Imported(added=0, changed=0, same=2)


# What a completion is worth

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("given", "centi"),
    [
        ({}, 450),
        ({"form": "NKL01", "programme_centi_jp": None}, 200),
        ({"form": "NKL03", "programme_centi_jp": None, "minutes": 135}, 300),
        ({"form": "NKL03", "programme_centi_jp": None}, None),
    ],
)
def test_what_one_completion_is_worth(given: dict[str, Any], centi: int | None) -> None:
    assert catalogue.expected_centi_jp(course(**given), POLICY, DAY) == centi


def test_before_the_policy_nothing_is_worth_anything() -> None:
    assert catalogue.expected_centi_jp(COURSE, POLICY, date(2001, 1, 1)) is None


# What growing would cost


def test_the_catalogue_is_asked_for_with_one_read(hub: Hub) -> None:
    import_(hub, course(1))
    current(hub)
    asked: list[Any] = []

    with hub.db.read() as conn:
        sa.event.listen(conn.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        hub.courses.current(conn)

    assert len(asked) == 1
