"""One employee's year, as her pages show it: hours with their reasons, what is missing, and how far her plan has come.

Everything here is worked out of values that were read before; nothing asks the database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from hub.jp.ledger import Entry, Year
from hub.learning.catalogue import Listed, Snapshot, expected_centi_jp
from hub.web import texts
from mappings.course import Course
from mappings.evaluate import Pending
from mappings.policy import Policy

#: What becomes of a planned course.
STATES = ("planned", "started", "done", "recognized")


@dataclass(frozen=True, slots=True)
class Hour:
    """An entry of the ledger with the course it is of; ``listed`` is None where the catalogue has lost it."""

    entry: Entry
    listed: Listed | None

    @property
    def title(self) -> str:
        return texts.course_title(self.listed.course) if self.listed else self.entry.course

    @property
    def is_live(self) -> bool:
        """Whether it counts: neither a reversal nor reversed."""
        return self.entry.reverses is None and not self.entry.is_reversed


@dataclass(frozen=True, slots=True)
class Todo:
    """A course with evidence that earns nothing yet: why, and what to do. ``plan``: how far the follow-up plan has
    come that it waits for; empty where it waits for none."""

    pending: Pending
    listed: Listed | None
    reasons: tuple[str, ...]
    steps: tuple[str, ...]
    plan: str = ""

    @property
    def title(self) -> str:
        return texts.course_title(self.listed.course) if self.listed else self.pending.course


@dataclass(frozen=True, slots=True)
class Planned:
    """A course of the plan, what it would be worth (None: that depends), and how far it has come."""

    listed: Listed
    centi_jp: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Hundredths of JP: recognized, what the plan would add, and the target (None: there is none)."""

    recognized: int
    planned: int
    target: int | None

    @property
    def lacking(self) -> int:
        return max(0, (self.target or 0) - self.recognized)

    @property
    def is_reached(self) -> bool:
        return self.target is not None and self.recognized >= self.target

    @property
    def is_planned(self) -> bool:
        """Whether the target is reached once everything planned is recognized."""
        return self.target is not None and self.recognized + self.planned >= self.target

    def percent(self, centi: int) -> float:
        """A length in the progress bar, of which the whole is the target, or more where there is more."""
        whole = max(self.target or 0, self.recognized + self.planned, 1)
        return round(100 * min(max(centi, 0), whole) / whole, 2)


def hours(entries: Iterable[Entry], courses: Snapshot) -> tuple[Hour, ...]:
    """Entries, the newest first."""
    found = [Hour(entry, courses.by_iri.get(entry.course)) for entry in entries]
    return tuple(sorted(found, key=lambda hour: (hour.entry.on, hour.entry.position), reverse=True))


def taken_back(found: Iterable[Hour]) -> tuple[Hour, ...]:
    """Reversals after which nothing of that course and period is left: what somebody would look for in vain."""
    found = tuple(found)
    there = {(hour.entry.course, hour.entry.period) for hour in found if hour.is_live}
    latest: dict[tuple[str, str], Hour] = {}
    for hour in sorted(found, key=lambda hour: hour.entry.position):
        key = (hour.entry.course, hour.entry.period)
        if hour.entry.reverses is not None and key not in there:
            latest[key] = hour
    return tuple(latest.values())


def todos(
    pending: Iterable[Pending], courses: Snapshot, plans: Mapping[str, str] = MappingProxyType({})
) -> tuple[Todo, ...]:
    """What is missing, course by course. ``plans``: how far each course's follow-up plan has come."""
    return tuple(_todo(each, courses.by_iri.get(each.course), plans.get(each.course, "asked")) for each in pending)


def _todo(pending: Pending, listed: Listed | None, plan: str) -> Todo:
    reasons = dict.fromkeys(texts.waiting_reason(waiting) for waiting in pending.waiting)
    steps = dict.fromkeys(
        [
            *texts.missing_steps(listed.course if listed else None, pending, plan),
            *filter(None, map(texts.waiting_step, pending.waiting)),
        ]
    )
    return Todo(pending, listed, tuple(reasons), tuple(steps), plan if "rtl_approved" in pending.missing else "")


def planned(
    course_ids: Iterable[int], courses: Snapshot, year: Year, started: Collection[int], on: date
) -> tuple[Planned, ...]:
    """The plan, in its order; a course that left the catalogue is left out."""
    return tuple(
        Planned(
            listed,
            expected_centi_jp(listed.course, year.policy, on),
            state_of(listed.course, year, is_started=listed.id in started),
        )
        for listed in (courses.by_id.get(course_id) for course_id in course_ids)
        if listed is not None
    )


def state_of(course: Course, year: Year, *, is_started: bool) -> str:
    """How far somebody has come with a course in a year."""
    if any(entry.course == course.id and entry.reverses is None and not entry.is_reversed for entry in year.entries):
        return "recognized"
    waiting = next((each for each in year.pending if each.course == course.id), None)
    if waiting is None:
        return "started" if is_started else "planned"
    is_complete = "completed" in required(course, year.policy) and "completed" not in waiting.missing
    return "done" if is_complete or not waiting.missing else "started"


def required(course: Course, policy: Policy) -> tuple[str, ...]:
    """The evidence that a course asks for: its own, else that of its form."""
    if course.requires:
        return course.requires
    form = policy.forms.get(course.form)
    return form.evidence if form else ("completed",)


def progress(year: Year, plan: Iterable[Planned]) -> Progress:
    """How far the year has come."""
    target = year.target
    open_centi = sum(each.centi_jp or 0 for each in plan if each.state != "recognized")
    return Progress(year.credited_centi, open_centi, None if target is None else target.centi_jp)
