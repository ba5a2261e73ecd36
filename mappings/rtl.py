"""The follow-up plan after a training (RTL, *rencana tindak lanjut*): what its owner will do with what she learned.

A plan is its history. Each step comes from a statement or from the hub's own pages, and `follow` plays them in the
order of time: a step that does not fit is refused with a reason and changes nothing. The supervisor decides, never the
owner; the evaluation records the effect on work.

    planned -> submitted -> approved -> realised -> evaluated
                   ^            |
                   +- returned <+ (of a submitted plan)

A provider that keeps the plans in a system of its own may report only some of the steps. It vouches for those that it
leaves out: an approval without anything before it is an approval.
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

#: How far a plan has come in each state; what a provider reports may pass over steps, never go back.
_REACHED: Mapping[str | None, int] = MappingProxyType(
    {None: 0, "planned": 1, "submitted": 2, "returned": 2, "approved": 3, "realised": 4, "evaluated": 5}
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

#: The extension of a statement's result that holds the items of a plan: a list of objects with the members of `Item`.
ITEMS = "urn:wkmb:rtl:items"

#: More is no plan, and a page that never ends.
MOST_ITEMS = 20
LONGEST_TEXT = 2000


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
    """One step of a plan. ``by`` is a person; ``statement`` the evidence, empty while a page of the hub asks for it.

    ``is_reported``: a provider says so of a plan that it keeps itself.
    """

    state: str
    at: datetime
    by: str
    note: str = ""
    items: tuple[Item, ...] = ()
    statement: str = ""
    is_reported: bool = False


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
    if not _fits(plan, step):
        return "wrong_state"
    if (wrong := _wrong_person(plan, step)) is not None:
        return wrong
    if step.state == "submitted" and not (step.items or plan.items or step.is_reported):
        return "no_items"
    needs_note = {"returned": "no_reason", "evaluated": "no_effect", "realised": "no_evidence"}
    if step.state in needs_note and not step.note.strip() and not step.statement:
        return needs_note[step.state]
    return None


def _fits(plan: Plan, step: Step) -> bool:
    if plan.state in FROM[step.state]:
        return True
    return step.is_reported and _REACHED[plan.state] < _REACHED[step.state]


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
    result = result if isinstance(result, Mapping) else {}
    response = result.get("response")
    note = response if isinstance(response, str) else ""
    # What comes with the token of a launch is the learner's own word, and she passes over nothing.
    is_reported = not (observation.is_hub or observation.origin.startswith("launch:"))
    return Step(state, fact.at, by, note[:LONGEST_TEXT], _items(result), fact.statement, is_reported)


def _items(result: Mapping[str, Any]) -> tuple[Item, ...]:
    """The items that a statement carries; what is no item is left out."""
    extensions = result.get("extensions")
    listed = extensions.get(ITEMS) if isinstance(extensions, Mapping) else None
    if not isinstance(listed, list):
        return ()
    found = (item_of(each) for each in listed[:MOST_ITEMS])
    return tuple(item for item in found if item is not None)


def item_of(value: Any) -> Item | None:
    """The item that a JSON object says, as `item_json` writes it; None where it is none."""
    if not isinstance(value, Mapping):
        return None
    texts = {name: value.get(name, "") for name in ("activity", "indicator", "due_on", "who", "monitoring")}
    if not all(isinstance(text, str) and len(text) <= LONGEST_TEXT for text in texts.values()) or not texts["activity"]:
        return None
    try:
        due_on = date.fromisoformat(texts.pop("due_on"))
    except ValueError:
        return None
    return Item(due_on=due_on, **texts)


def item_json(item: Item) -> dict[str, str]:
    """An item as statements carry it."""
    return {
        "activity": item.activity,
        "indicator": item.indicator,
        "due_on": item.due_on.isoformat(),
        "who": item.who,
        "monitoring": item.monitoring,
    }


# -- what is due


@dataclass(frozen=True, slots=True)
class Deadline:
    """A number of days or months, and where it is from."""

    value: int
    source: Source


#: What a rule for one provider or one course may set, in days or months.
DEADLINES = ("submit_within_days", "decide_within_days", "evaluate_after_months", "evaluate_before_months")

#: About what a rule speaks. A course's own rule goes before that of its provider.
PROVIDER, COURSE = SUBJECTS = ("provider", "course")


@dataclass(frozen=True, slots=True)
class FollowUpRule:
    """What differs from the document for the courses of one provider, or for one course.

    ``is_owed`` None, and a deadline that ``deadlines`` does not name: as it is without the rule.
    """

    kind: str
    subject: str
    is_owed: bool | None
    deadlines: Mapping[str, int]
    source: Source


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Who owes a plan, and when its steps are due; ``rules`` say it otherwise for some providers and courses."""

    name: str
    providers: frozenset[str]
    duty: Source
    submit_within_days: Deadline
    decide_within_days: Deadline
    evaluate_after_months: Deadline
    evaluate_before_months: Deadline
    renew_before_days: Deadline
    rules: tuple[FollowUpRule, ...] = ()

    def rules_for(self, course: str, provider: str) -> tuple[FollowUpRule, ...]:
        """The rules that a course has, the most general one first."""
        wanted = {(PROVIDER, provider): 0, (COURSE, course): 1}
        found = [rule for rule in self.rules if (rule.kind, rule.subject) in wanted]
        return tuple(sorted(found, key=lambda rule: wanted[rule.kind, rule.subject]))

    def of(self, course: str, provider: str) -> FollowUp:
        """The deadlines of one course, each with its source."""
        found = self
        for rule in self.rules_for(course, provider):
            changed: dict[str, Any] = {name: Deadline(value, rule.source) for name, value in rule.deadlines.items()}
            found = replace(found, **changed)
        return found

    @property
    def is_possible(self) -> bool:
        """Whether an evaluation begins before it ends."""
        return self.evaluate_after_months.value <= self.evaluate_before_months.value


@dataclass(frozen=True, slots=True)
class Duty:
    """Something a person has to do: a code of `REMINDERS`, from which day on it can be done, and by when."""

    code: str
    who: str
    from_on: date
    due_on: date


@dataclass(frozen=True, slots=True)
class Reminder:
    """A duty that has begun, and whether its last day has passed."""

    code: str
    who: str
    due_on: date
    is_overdue: bool


def load_follow_up(text: str) -> FollowUp:
    """The deadlines in a YAML text. Whatever is wrong raises `FollowUpError` with line, path and what to do."""
    root = compose(text, kind="follow_up", error=FollowUpError)
    names = (*DEADLINES, "renew_before_days")
    members = root.members(required=("follow_up", "duty", *names))
    duty = members["duty"].members(required=("providers", "reference", "confirmed"))
    deadlines: dict[str, Any] = {name: _parse_deadline(members[name]) for name in names}
    providers, source = frozenset(duty["providers"].texts()), parse_source(duty, None, members["duty"])
    found = FollowUp(members["follow_up"].text(), providers, source, **deadlines)
    if not found.is_possible:
        members["evaluate_before_months"].refuse("ends before evaluate_after_months begins. Correct one of them.")
    return found


def _parse_deadline(node: Node) -> Deadline:
    members = node.members(required=("value", "reference", "confirmed"))
    return Deadline(members["value"].integer(low=0, high=1000), parse_source(members, None, node))


def owes_plan(course: Course, follow_up: FollowUp) -> bool:
    """Does who finishes this course owe a follow-up plan? Whose JP wait for one, always does."""
    if "rtl_approved" in course.requires:
        return True
    said = [rule.is_owed for rule in follow_up.rules_for(course.id, course.provider) if rule.is_owed is not None]
    return said[-1] if said else course.provider in follow_up.providers


def duties(plan: Plan, finished_on: date | None, follow_up: FollowUp, *, timezone: tzinfo) -> tuple[Duty, ...]:
    """What has to be done next about a plan, whatever day it is now.

    ``finished_on``: the day on which its course was finished; None while it was not, and nothing need be handed in yet.
    """

    def day(state: str | None) -> date | None:
        at = plan.at(state) if state else None
        return at.astimezone(timezone).date() if at is not None else None

    reached = day(plan.state)
    if plan.state in (None, "planned", "returned"):
        begin = reached if plan.state == "returned" else finished_on
        return _due("submit", plan.owner, begin, follow_up.submit_within_days)
    if plan.state == "submitted":
        return _due("decide", plan.supervisor, reached, follow_up.decide_within_days)
    if reached is None:
        raise AssertionError("a plan came to its state by a step")
    if plan.state == "approved":
        return (Duty("realise", plan.owner, reached, max((item.due_on for item in plan.items), default=reached)),)
    realised = day("realised") or reached
    begins = add_months(realised, follow_up.evaluate_after_months.value)
    ends = add_months(realised, follow_up.evaluate_before_months.value)
    waiting = [who for who in (plan.owner, plan.supervisor) if who not in plan.effect]
    return tuple(Duty("evaluate", who, begins, ends) for who in waiting)


def _due(code: str, who: str, begin: date | None, within: Deadline) -> tuple[Duty, ...]:
    return () if begin is None else (Duty(code, who, begin, begin + timedelta(within.value)),)


def reminders(
    plan: Plan, finished_on: date, follow_up: FollowUp, *, today: date, timezone: tzinfo
) -> tuple[Reminder, ...]:
    """What can be done about a plan today, and what of it is late."""
    found = duties(plan, finished_on, follow_up, timezone=timezone)
    begun = (duty for duty in found if duty.from_on <= today or duty.code != "evaluate")
    return tuple(Reminder(duty.code, duty.who, duty.due_on, today > duty.due_on) for duty in begun)


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
