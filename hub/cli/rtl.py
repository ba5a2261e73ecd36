"""``wkmb rtl``: follow-up plans, and what is due of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import click
import sqlalchemy as sa

from hub.cli.base import json_option, opened, say
from hub.cli.learner import find
from hub.learning import undertakings
from hub.learning.catalogue import Snapshot
from hub.learning.undertakings import After, Duty, FollowUpPlan
from hub.people import learners
from hub.runtime import Hub
from mappings.rtl import item_json

#: Lines that are read at once.
_PAGE = 500


@click.group()
def rtl() -> None:
    """Follow-up plans (RTL), certifications that end, and who has to do what about them."""


@rtl.command()
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Due up to this day; else what is overdue today.")
@click.option("--nip", help="Only what this person has to do, as employee and as supervisor.")
@json_option
def due(until: datetime | None, nip: str | None, as_json: bool) -> None:
    """What is due and not done, the longest overdue first: whose it is, what, by when, and whom it waits for."""
    with opened() as hub:
        listed = list(_due(hub, None if until is None else until.date(), nip))
    lines = [
        f"{each['due_on']}\t{each['code']}\t{each['nip']}\t{each['subject']}\twaits for {each['waits_for'] or 'nobody'}"
        for each in listed
    ]
    say(listed, as_json, *(lines or ["Nothing is due."]))


def _due(hub: Hub, until: date | None, nip: str | None) -> Iterator[dict[str, Any]]:
    today = hub.today()
    after: After | None = None
    while True:
        with hub.db.read() as conn:
            page = _page(conn, hub, until, nip, after)
            people = learners.find_many(conn, (duty.learner for duty in page))
        for duty in page:
            owner = people.get(duty.learner)
            number = owner.nip if owner else None
            yield {
                "nip": number,
                "kind": duty.kind,
                "subject": duty.subject,
                "code": duty.code,
                "due_on": duty.due_on,
                "is_overdue": duty.due_on < today,
                "waits_for": number if duty.who == str(duty.learner) else duty.who or None,
            }
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _page(conn: sa.Connection, hub: Hub, until: date | None, nip: str | None, after: After | None) -> tuple[Duty, ...]:
    today = hub.today()
    if nip is None:
        last = undertakings.day_before(today) if until is None else until
        return undertakings.due(conn, last, max(today, last), limit=_PAGE, after=after)
    person = find(conn, nip)
    who = [str(person.id), *learners.nips_of(conn, person.id)]
    found = undertakings.duties_of(conn, who, today, limit=_PAGE, after=after)
    return tuple(duty for duty in found if until is None or duty.due_on <= until)


@rtl.command()
@click.argument("nip")
@json_option
def show(nip: str, as_json: bool) -> None:
    """The follow-up plans of the employee with this NIP, each with its steps."""
    with opened() as hub, hub.db.read() as conn:
        person = find(conn, nip)
        plans = undertakings.plans(conn, person.id)
        courses = hub.courses.current(conn)
    lines = [line for course, found in plans.items() for line in _lines(course, found, courses)]
    say([plan_json(found) for found in plans.values()], as_json, *(lines or ["She owes and has no follow-up plan."]))


def _lines(course: str, found: FollowUpPlan, courses: Snapshot) -> Iterator[str]:
    listed = courses.by_iri.get(course)
    yield f"{listed.course.title('id') if listed else course}: {found.state}"
    for step in found.plan.steps:
        yield f"  {step.at:%Y-%m-%d %H:%M}Z\t{step.state}\t{step.by}\t{step.statement}"
    for each in found.plan.refused:
        yield f"  {each.step.at:%Y-%m-%d %H:%M}Z\t{each.step.state}\tnot counted: {each.reason}\t{each.step.statement}"


def plan_json(found: FollowUpPlan) -> dict[str, Any]:
    """A plan for programs."""
    plan = found.plan
    return {
        "course": plan.course,
        "state": found.state,
        "finished_on": found.finished_on,
        "items": [item_json(item) for item in plan.items],
        "effect": dict(plan.effect),
        "steps": [
            {"state": step.state, "at": step.at, "by": step.by, "note": step.note, "statement": step.statement}
            for step in plan.steps
        ],
        "refused": [
            {"state": each.step.state, "at": each.step.at, "reason": each.reason, "statement": each.step.statement}
            for each in plan.refused
        ],
    }
