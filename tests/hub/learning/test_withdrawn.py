"""A course that is withdrawn while people are in it: nobody loses an hour or gets a wrong one, everybody sees why."""

from __future__ import annotations

from datetime import date

import pytest

from holdertest import employee, person, words_of
from hub import journal
from hub.application import create_app
from hub.errors import HubError
from hub.jp import audit
from hub.learning import catalogue
from lrs.database import Database
from recognizedtest import OTHER_NIP, SECURITY, World, account, by, course, linked_world, statement


def withdraw(world: World, last_day: date) -> None:
    with world.db.read() as conn:
        listed = world.hub.courses.current(conn).by_iri[SECURITY]
    world.db.run(lambda conn: catalogue.withdraw(conn, world.hub, listed, last_day, by="ani"))
    world.settle()


def test_who_finished_keeps_her_hours_and_who_finishes_later_sees_why_there_are_none(db: Database) -> None:
    world, budi = linked_world(db, course(launch_url="https://lms.example.go.id/launch"))
    citra = world.employ(OTHER_NIP, "Citra")
    world.link(citra, account("5"))
    world.receive(statement(timestamp="2026-11-23T09:00:00+07:00"), statement("initialized", actor=by("5")))
    world.settle()
    app = create_app(world.hub)
    admin, auditor, hers = person(world, "admin", app), person(world, "auditor", app), employee(world, citra, "c", app)
    with world.db.read() as conn:
        number = world.hub.courses.current(conn).by_iri[SECURITY].id

    done = admin.post(f"/admin/courses/{number}/withdraw", "/admin/courses")
    world.settle()
    listed = words_of(admin.get("/admin/courses?q=Keamanan"))
    shown = words_of(hers.get(f"/courses/{number}"))
    started = hers.post(f"/courses/{number}/launch", "/courses")
    world.clock.forward(days=3)
    late = statement(actor=by("5"), timestamp="2026-11-26T09:00:00+07:00")
    in_time = statement(actor=by("5"), timestamp="2026-11-24T09:00:00+07:00")
    world.receive(late)
    world.settle()
    why = words_of(auditor.sign_in("auditor").get(f"/audit/statements/{late['id']}"))
    home = words_of(hers.sign_in("c").get("/"))
    before = world.amounts(citra)
    world.receive(in_time)
    world.settle()

    assert done.status_code == 303
    assert "ends on 24 November 2026" in listed
    assert "Start" not in shown
    assert started.status_code == 409
    assert "This course cannot be opened from here." in words_of(started)
    assert sum(world.amounts(budi)) == 450, "what was finished before stays"
    assert before == []
    assert "Not counted 26 November 2026 is not a day on which the course counts." in why
    assert "26 November 2026 is not a day on which the course counts." in home
    assert world.amounts(citra) == [450], "what was finished in time counts, however late it arrives"
    assert all(not each.findings for each in audit.verify(world.hub))
    with world.db.read() as conn:
        assert "course.withdraw" in {act.action for act in journal.read(conn, "2026-11", limit=100)}


def test_a_course_does_not_end_before_it_begins_and_is_offered_again_by_an_import(db: Database) -> None:
    world, budi = linked_world(db, course(valid_from=date(2026, 11, 1)))
    with pytest.raises(HubError, match="cannot end before"):
        withdraw(world, date(2026, 10, 31))
    withdraw(world, date(2026, 11, 20))
    world.receive(statement(timestamp="2026-11-23T09:00:00+07:00"))
    world.settle()
    ended = world.amounts(budi)

    world.offer(course(valid_from=date(2026, 11, 1)))
    world.settle()

    assert ended == []
    assert world.amounts(budi) == [450]
