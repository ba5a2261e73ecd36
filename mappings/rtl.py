"""The follow-up plan after a training (RTL, *rencana tindak lanjut*): what its owner will do with what she learned.

A plan is its history. Each step comes from a statement or from the hub's own pages, and `follow` plays them in the
order of time: a step that does not fit is refused with a reason and changes nothing. The supervisor decides, never the
owner; the evaluation records the effect on work.

    planned -> submitted -> approved -> realised -> evaluated
                   ^            |
                   +- returned <+ (of a submitted plan)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any

from mappings.course import Course
from mappings.dated import Source, parse_source
from mappings.document import DocumentError, Node, compose
from mappings.facts import Fact, Observation

STATES = ("planned", "submitted", "approved", "returned", "realised", "evaluated")

#: From which states a step may be taken. A plan that was approved is not returned any more: a change is a new plan.
FROM: Mapping[str, tuple[str | None, ...]] = MappingProxyType(
    {
        "planned": (None, "planned", "returned"),
        "submitted": ("planned", "returned"),
        "approved": ("submitted",),
        "returned": ("submitted",),
        "realised": ("approved",),
        "evaluated": ("realised", "evaluated"),
    }
)

#: Who may take a step: the owner plans, hands in and realises; the supervisor decides; both evaluate.
BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "planned": ("owner",),
        "submitted": ("owner",),
        "approved": ("supervisor",),
        "returned": ("supervisor",),
        "realised": ("owner",),
        "evaluated": ("owner", "supervisor"),
    }
)

#: Why a step is refused.
REFUSALS = (
    "wrong_state",  # the plan is not in a state from which this step goes on
    "not_the_owner",
    "not_the_supervisor",  # deciding is the supervisor's
    "own_supervisor",  # nobody approves her own plan
    "no_items",  # there is nothing to hand in
    "no_reason",  # a returned plan says why
    "no_effect",  # an evaluation says what changed at work
    "no_evidence",  # realised says what was done
)

#: What may be due. `REMINDERS` are texts of the web layer.
REMINDERS = ("submit", "decide", "realise", "evaluate")


class FollowUpError(DocumentError):
    """A follow-up document that cannot be used."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be done: what, how one sees that it is done, when, who, and how it is monitored."""

    activity: str
    indicator: str
    due_on: date
    who: str
    monitoring: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan. ``by`` is a person; ``statement`` the evidence, empty where a page of the hub made it."""

    state: str
    at: datetime
    by: str
    note: str = ""
    items: tuple[Item, ...] = ()
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A step that was not taken, and why: a code of `REFUSALS`."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a plan stands. ``effect`` holds the effect on work by who evaluated it."""

    owner: str
    supervisor: str
    course: str
    state: str | None = None
    items: tuple[Item, ...] = ()
    steps: tuple[Step, ...] = ()
    refused: tuple[Refused, ...] = ()
    effect: Mapping[str, str] = field(default_factory=dict)

    def at(self, state: str) -> datetime | None:
        """When the plan last came to a state."""
        return next((step.at for step in reversed(self.steps) if step.state == state), None)

    @property
    def is_approved(self) -> bool:
        """Does the course's JP wait for this plan no longer?"""
        return self.at("approved") is not None


def follow(owner: str, supervisor: str, course: str, steps: Iterable[Step]) -> Plan:
    """The plan after all its steps, in whatever order they arrived. Equal steps count once."""
    plan = Plan(owner, supervisor, course)
    order = STATES.index
    for step in sorted(set(steps), key=lambda step: (step.at, order(step.state), step.by, step.statement, step.note)):
        plan = take(plan, step)
    return plan


def take(plan: Plan, step: Step) -> Plan:
    """The plan after one more step; one that does not fit is kept among the refused."""
    reason = _refusal(plan, step)
    if reason is not None:
        return replace(plan, refused=(*plan.refused, Refused(step, reason)))
    effect = {**plan.effect, step.by: step.note} if step.state == "evaluated" else plan.effect
    return replace(
        plan,
        state=step.state,
        items=step.items or plan.items,
        steps=(*plan.steps, step),
        effect=effect,
    )


def _refusal(plan: Plan, step: Step) -> str | None:
    if plan.state not in FROM[step.state]:
        return "wrong_state"
    if (wrong := _wrong_person(plan, step)) is not None:
        return wrong
    if step.state == "submitted" and not (step.items or plan.items):
        return "no_items"
    needs_note = {"returned": "no_reason", "evaluated": "no_effect", "realised": "no_evidence"}
    if step.state in needs_note and not step.note.strip() and not step.statement:
        return needs_note[step.state]
    return None


def _wrong_person(plan: Plan, step: Step) -> str | None:
    allowed = BY[step.state]
    if "supervisor" in allowed and step.by == plan.supervisor:
        return "own_supervisor" if plan.supervisor == plan.owner else None
    if "owner" in allowed and step.by == plan.owner:
        return None
    return "not_the_owner" if allowed == ("owner",) else "not_the_supervisor"


def step_of(observation: Observation, fact: Fact, by: str) -> Step | None:
    """The step that a statement about a plan is; None where the fact is about something else.

    ``by``: who took it, as the hub knows the person: the statement's instructor for a decision, else its actor.
    """
    state = fact.kind.removeprefix("rtl_")
    if state == fact.kind or state not in STATES:
        return None
    result: Any = observation.statement.get("result")
    response = result.get("response") if isinstance(result, Mapping) else None
    note = response if isinstance(response, str) else ""
    return Step(state, fact.at, by, note, statement=fact.statement)


# -- what is due


@dataclass(frozen=True, slots=True)
class Deadline:
    """A number of days or months, and where it is from."""

    value: int
    source: Source


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Who owes a plan, and when its steps are due."""

    name: str
    providers: frozenset[str]
    duty: Source
    submit_within_days: Deadline
    decide_within_days: Deadline
    evaluate_after_months: Deadline
    evaluate_before_months: Deadline


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something a person still has to do: a code of `REMINDERS`, by when, and whether that day has passed."""

    code: str
    who: str
    due_on: date
    is_overdue: bool


def load_follow_up(text: str) -> FollowUp:
    """The deadlines in a YAML text. Whatever is wrong raises `FollowUpError` with line, path and what to do."""
    root = compose(text, kind="follow_up", error=FollowUpError)
    names = ("submit_within_days", "decide_within_days", "evaluate_after_months", "evaluate_before_months")
    members = root.members(required=("follow_up", "duty", *names))
    duty = members["duty"].members(required=("providers", "reference", "confirmed"))
    deadlines = {name: _parse_deadline(members[name]) for name in names}
    if deadlines["evaluate_after_months"].value > deadlines["evaluate_before_months"].value:
        members["evaluate_before_months"].refuse("ends before evaluate_after_months begins. Correct one of them.")
    providers, source = frozenset(duty["providers"].texts()), parse_source(duty, None, members["duty"])
    return FollowUp(members["follow_up"].text(), providers, source, **deadlines)


def _parse_deadline(node: Node) -> Deadline:
    members = node.members(required=("value", "reference", "confirmed"))
    return Deadline(members["value"].integer(low=0, high=1000), parse_source(members, None, node))


def owes_plan(course: Course, follow_up: FollowUp) -> bool:
    """Does who finishes this course owe a follow-up plan?"""
    return course.provider in follow_up.providers or "rtl_approved" in course.requires


def reminders(
    plan: Plan, finished_on: date, follow_up: FollowUp, *, today: date, timezone: tzinfo
) -> tuple[Reminder, ...]:
    """What is due of a plan. ``finished_on``: the day on which its course was finished."""

    def day(state: str) -> date:
        at = plan.at(state)
        return at.astimezone(timezone).date() if at is not None else finished_on

    def due(code: str, who: str, on: date) -> tuple[Reminder, ...]:
        return (Reminder(code, who, on, today > on),)

    if plan.state in (None, "planned", "returned"):
        begin = day("returned") if plan.state == "returned" else finished_on
        return due("submit", plan.owner, begin + timedelta(follow_up.submit_within_days.value))
    if plan.state == "submitted":
        return due("decide", plan.supervisor, day("submitted") + timedelta(follow_up.decide_within_days.value))
    if plan.state == "approved":
        last = max((item.due_on for item in plan.items), default=day("approved"))
        return due("realise", plan.owner, last)
    begins = add_months(day("realised"), follow_up.evaluate_after_months.value)
    ends = add_months(day("realised"), follow_up.evaluate_before_months.value)
    waiting = [who for who in (plan.owner, plan.supervisor) if who not in plan.effect]
    return tuple(Reminder("evaluate", who, ends, today > ends) for who in waiting) if today >= begins else ()


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
