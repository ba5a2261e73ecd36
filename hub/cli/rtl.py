"""``wkmb rtl``: follow-up plans, and what is due of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import click
import sqlalchemy as sa

from hub.cli.base import actor, json_option, opened, say
from hub.cli.learner import find
from hub.learning import follow_up, undertakings
from hub.learning.catalogue import Snapshot
from hub.learning.undertakings import After, Duty, FollowUpPlan
from hub.people import learners
from hub.runtime import Hub
from mappings.dated import CONFIRMED, Source
from mappings.rtl import COURSE, DEADLINES, PROVIDER, FollowUpRule, item_json

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


@rtl.command()
@click.option("--provider", help="The rule is for the courses of this connector.")
@click.option("--course", help="The rule is for the course with this id.")
@click.option("--owed/--not-owed", "is_owed", default=None, help="Every participant owes a plan, or none does.")
@click.option("--submit-within-days", type=int, help="Handed in so many days after the course.")
@click.option("--decide-within-days", type=int, help="Approved or returned so many days after that.")
@click.option("--evaluate-after-months", type=int, help="Evaluated at the earliest so many months after realised.")
@click.option("--evaluate-before-months", type=int, help="And at the latest.")
@click.option("--reference", default="", help="Where it is from: the regulation, or who decided it.")
@click.option("--confirmed", type=click.Choice(CONFIRMED), default="own", help="How sure that is (own: decided here).")
@click.option("--remove", is_flag=True, help="Take the rule away: what it said is as the document has it again.")
@json_option
def rule(provider: str | None, course: str | None, reference: str, confirmed: str, remove: bool, as_json: bool,
         is_owed: bool | None, **deadlines: int | None) -> None:  # fmt: skip
    """Say whose duty a follow-up plan is, and when its steps are due, for one provider or one course."""
    if (provider is None) == (course is None):
        raise click.UsageError("Give either --provider CONNECTOR or --course ID.")
    kind, subject = (PROVIDER, provider) if provider is not None else (COURSE, course or "")
    given = {name: value for name, value in deadlines.items() if value is not None}
    said = FollowUpRule(kind, subject, is_owed, given, Source(reference, confirmed))
    with opened() as hub:
        if remove:
            is_changed = hub.db.run(lambda conn: follow_up.remove(conn, hub, kind, subject, by=actor()))
        else:
            hub.db.run(lambda conn: follow_up.put(conn, hub, said, by=actor()))
            is_changed = True
    told = f"{kind} {subject}: {'no rule any more' if remove else 'the rule holds'}."
    value = {"kind": kind, "subject": subject, "changed": is_changed}
    say(value, as_json, told if is_changed else f"As it was: {told}")


@rtl.command()
@json_option
def rules(as_json: bool) -> None:
    """The deadlines of follow-up plans, and the rules that say them otherwise for a provider or a course."""
    with opened() as hub, hub.db.read() as conn:
        found = hub.policies.follow_up(conn)
    deadlines = [getattr(found, name) for name in DEADLINES]
    default = {
        "providers": sorted(found.providers),
        "reference": found.duty.reference,
        "confirmed": found.duty.confirmed,
        **{name: {"value": each.value, "reference": each.source.reference, "confirmed": each.source.confirmed}
           for name, each in zip(DEADLINES, deadlines, strict=True)},
    }  # fmt: skip
    lines = [
        f"owed after courses of: {', '.join(sorted(found.providers))}\t{found.duty.confirmed}\t{found.duty.reference}",
        *(f"{name}: {each.value}\t{each.source.confirmed}\t{each.source.reference}"
          for name, each in zip(DEADLINES, deadlines, strict=True)),
        *map(_rule_line, found.rules),
    ]  # fmt: skip
    say({"default": default, "rules": [_rule_value(each) for each in found.rules]}, as_json, *lines)


def _rule_value(each: FollowUpRule) -> dict[str, Any]:
    source = {"reference": each.source.reference, "confirmed": each.source.confirmed}
    return {"kind": each.kind, "subject": each.subject, "is_owed": each.is_owed, **each.deadlines, **source}


def _rule_line(each: FollowUpRule) -> str:
    owed = {True: "owed", False: "not owed", None: ""}[each.is_owed]
    said = [owed, *(f"{name} {value}" for name, value in each.deadlines.items())]
    what = ", ".join(filter(None, said))
    return f"{each.kind} {each.subject}: {what}\t{each.source.confirmed}\t{each.source.reference}"


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
