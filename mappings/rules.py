"""What an achievement is worth under a policy, before caps.

An achievement is a course whose required evidence is complete. Its worth is the JP that a trusted certificate or the
programme states, else the form's conversion: a fixed number, or the reported minutes of each day. Every step leaves a
`Check` behind, so that the hour can be explained years later.
"""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from mappings.course import MILLION, Course
from mappings.dated import Dated, Period, Source
from mappings.facts import Fact
from mappings.policy import Policy, Rule

Bonus = Period[int] | None

#: Seconds by the time they were reported for, with the fact that reported them; None where the course states them.
Durations = dict[datetime | None, tuple[int, Fact | None]]

#: Every code a check may have. The web layer translates them.
CHECKS = (
    "source",  # value: who reported, threshold: whose reports count
    "completed",  # value: the day of the evidence
    "passed",
    "score",  # value: the score 0..1, threshold: the course's minimum
    "certificate",  # value: its number, subject: its issuer
    "rtl_approved",
    "valid_days",  # value: the day, threshold: from..until
    "repeat",  # value: the period that this recognition stands for, threshold: the repeat rule
    "certificate_jp",  # value: JP as stated, threshold: the limit of the provider's trust
    "programme_jp",  # value: JP
    "per_day",  # value: days, threshold: JP each
    "per_session",
    "per_activity",
    "minutes_reported",  # value: minutes, threshold: minutes of a JP, subject: the day
    "minutes_of_course",  # the same, where none were reported
    "international_bonus",  # value: per cent
    "cap_per_day",  # value: JP without the cap, threshold: what was left of it, subject: the day
    "cap_per_month",  # value: JP or sessions, threshold: what was left, subject: the month
    "cap_per_year",
)

#: met: a requirement is fulfilled. applied: a value was used. limited: it was cut.
OUTCOMES = ("met", "applied", "limited")


class Check(NamedTuple):
    """One step of the reasoning: what was looked at, against what, how it ended, and where the number is from.

    ``reference`` is empty where the course's own catalogue row is the source.
    """

    code: str
    outcome: str
    value: str
    threshold: str = ""
    subject: str = ""
    reference: str = ""
    confirmed: str = ""


def check(code: str, outcome: str, value: str, threshold: str = "", subject: str = "", *, source: Source) -> Check:
    return Check(code, outcome, value, threshold, subject, source.reference, source.confirmed)


class Happened(NamedTuple):
    """A fact with its local day."""

    fact: Fact
    day: date


class Achievement(NamedTuple):
    """A course whose required evidence is there, for one period of its repeat rule.

    ``completions``: the completions it rests on, also where the course requires other evidence; their durations are
    minutes of their days. ``since``: the last day that belongs to the achievement before this one, which was reached
    at ``since_at``.
    """

    course: Course
    period: str
    at: datetime
    on: date
    evidence: Mapping[str, tuple[Happened, ...]]
    completions: tuple[Happened, ...]
    sessions: int
    since: date | None
    since_at: datetime | None
    history: Sequence[Happened]

    def facts(self) -> list[Fact]:
        """The facts that prove it, each once."""
        return list(
            {event.fact.statement: event.fact for events in self.evidence.values() for event in events}.values()
        )


class Worth(NamedTuple):
    """JP in hundredths by day, before caps: (day, plain, with the bonus for learning abroad).

    ``converted``: not stated by a programme or certificate.
    """

    amounts: tuple[tuple[date, int, int], ...]
    bonus_percent: int
    converted: bool
    checks: tuple[Check, ...]
    used: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Worthless:
    """Why an achievement cannot be valued: a code of `mappings.evaluate.WAITING`."""

    code: str


def worth(policy: Policy, achievement: Achievement, trusted: Mapping[str, int]) -> Worth | Worthless:
    """What an achievement is worth. ``trusted``: connectors that may assert JP, each with its limit in hundredths."""
    course, on = achievement.course, achievement.on
    rule = policy.rule(course.form, course.scope)
    if rule is None:
        return Worthless("no_rule")
    bonus = rule.bonus_percent.find(on) if rule.bonus_percent else None
    stated = _stated(policy, achievement, rule, bonus, trusted)
    if stated is not None:
        return stated
    if rule.kind == "actual_minutes":
        return _minutes(policy, achievement, bonus)
    if rule.kind == "certificate_only":
        return Worthless("no_certificate_jp")
    if rule.jp is None:
        return Worthless("no_programme_jp")
    return _fixed(rule, rule.jp, bonus, course, on)


# -- stated by certificate or programme


def _stated(
    policy: Policy, achievement: Achievement, rule: Rule, bonus: Bonus, trusted: Mapping[str, int]
) -> Worth | None:
    asserted = _asserted(achievement, policy, bonus, trusted) if trusted else None
    centi = achievement.course.programme_centi_jp
    if asserted is not None and (centi is None or policy.choice("certificate_jp") == "first"):
        return asserted
    if centi is None:
        return None
    step = check("programme_jp", "applied", jp_text(centi), source=rule.source)
    return _whole(achievement.on, centi, bonus, (step,), converted=False)


def _asserted(achievement: Achievement, policy: Policy, bonus: Bonus, trusted: Mapping[str, int]) -> Worth | None:
    """The JP that a certificate of a trusted connector states, never above the limit of that trust."""
    for fact in sorted(achievement.facts(), key=lambda fact: (fact.at, fact.statement)):
        limit = trusted.get(fact.connector) if fact.connector is not None else None
        if limit is not None and fact.asserted_centi_jp:
            centi = min(fact.asserted_centi_jp, limit)
            outcome = "limited" if centi < fact.asserted_centi_jp else "applied"
            stated, source = jp_text(fact.asserted_centi_jp), policy.options["certificate_jp"].source
            step = check("certificate_jp", outcome, stated, jp_text(limit), source=source)
            return _whole(achievement.on, centi, bonus, (step,), converted=False)
    return None


# -- fixed numbers


def _fixed(rule: Rule, jp: Dated[int], bonus: Bonus, course: Course, on: date) -> Worth:
    period = jp.find(on)
    if period is None:
        raise AssertionError("a policy's values cover all its days, and other days were set aside")
    units = course.days if rule.kind == "per_day" else 1
    step = check(rule.kind, "applied", str(units), jp_text(period.value), source=period.source)
    return _whole(on, units * period.value, bonus, (step,), converted=True)


def _whole(on: date, centi: int, bonus: Bonus, checks: tuple[Check, ...], *, converted: bool) -> Worth:
    raised = centi * (100 + percent(bonus)) // 100
    return Worth(((on, centi, raised),), percent(bonus), converted, (*checks, *_bonus_check(bonus)))


def percent(bonus: Bonus) -> int:
    return bonus.value if bonus else 0


def _bonus_check(bonus: Bonus) -> tuple[Check, ...]:
    if bonus is None:
        return ()
    return (check("international_bonus", "applied", str(bonus.value), source=bonus.source),)


# -- actual minutes


def _minutes(policy: Policy, achievement: Achievement, bonus: Bonus) -> Worth | Worthless:
    """Minutes of a day: the sum of the durations of `terminated`, else of the day's separate completions; where none
    is reported, the course's minutes on the day of completion (CONTRACTS, "What proves what")."""
    reported = reported_durations(achievement)
    code = "minutes_reported"
    if not reported:
        if achievement.course.minutes is None:
            return Worthless("no_minutes")
        code = "minutes_of_course"
        day = achievement.completions[-1].day if achievement.completions else achievement.on
        reported = {day: {None: (achievement.course.minutes * 60 * achievement.sessions, None)}}
    per_event = policy.choice("rounding") == "per_event"
    amounts: list[tuple[date, int, int]] = []
    checks: list[Check] = []
    for day, events in sorted(reported.items()):
        minutes = policy.minutes_per_jp.find(day)
        if minutes is None:
            raise AssertionError("a policy's values cover all its days, and other days were set aside")
        seconds = [seconds for seconds, _ in events.values()]
        parts, jp = seconds if per_event else [sum(seconds)], 60 * minutes.value
        # One rounding for each event: with a bonus, of the raised amount and not of its rounded half.
        plain, raised = (sum(part * rate // jp for part in parts) for rate in (100, 100 + percent(bonus)))
        amounts.append((day, plain, raised))
        spent = decimal_text(sum(seconds) * 100 // 60, 2)
        checks.append(check(code, "applied", spent, str(minutes.value), day.isoformat(), source=minutes.source))
    used = tuple(fact for events in reported.values() for _, fact in events.values() if fact is not None)
    return Worth(tuple(amounts), percent(bonus), True, (*checks, *_bonus_check(bonus)), used)


def reported_durations(achievement: Achievement) -> dict[date, Durations]:
    """For each day of the achievement, the reported durations by their time: equal times count once, the shorter."""
    history, since = achievement.history, achievement.since
    begin = 0 if since is None else bisect_right(history, since, key=_day)
    end = bisect_right(history, achievement.on + timedelta(1), key=_day)
    reported: dict[date, Durations] = {}
    for index in range(begin, end):
        event = history[index]
        if event.fact.kind == "terminated" and event.fact.seconds is not None and _belongs(event, achievement):
            _keep_shorter(reported.setdefault(event.day, {}), event.fact)
    days = set(reported)
    for event in achievement.completions:
        if event.fact.seconds is None or event.day in days:
            continue
        durations = reported.setdefault(event.day, {})
        # A completion of a day that belongs to the achievement before: that day's sessions were counted there.
        if since is None or event.day > since or not _has_sessions(history, event.day):
            _keep_shorter(durations, event.fact)
    return reported


def _belongs(session: Happened, achievement: Achievement) -> bool:
    """Sessions up to the day of the achievement, and the one in which it was reached though it ended after midnight."""
    began = session.fact.at - timedelta(seconds=session.fact.seconds or 0)
    if achievement.since_at is not None and began <= achievement.since_at:
        return False
    return session.day <= achievement.on or began <= achievement.at


def _has_sessions(history: Sequence[Happened], day: date) -> bool:
    begin, end = bisect_left(history, day, key=_day), bisect_right(history, day, key=_day)
    return any(
        history[index].fact.kind == "terminated" and history[index].fact.seconds is not None
        for index in range(begin, end)
    )


def _day(event: Happened) -> date:
    return event.day


def _keep_shorter(events: Durations, fact: Fact) -> None:
    seconds = fact.seconds or 0
    if fact.at not in events or seconds < events[fact.at][0]:
        events[fact.at] = (seconds, fact)


# -- numbers as text


@functools.lru_cache(maxsize=4096)
def decimal_text(value: int, digits: int) -> str:
    """An integer of smaller units as the shortest decimal: 450 hundredths are "4.5"."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(value, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


def jp_text(centi: int) -> str:
    return decimal_text(centi, 2)


def score_text(score: int) -> str:
    return decimal_text(score, len(str(MILLION)) - 1)
