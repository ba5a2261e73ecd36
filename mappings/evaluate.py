"""All facts of one learner under one policy: what is recognised, with its reasons, and what still waits for what.

One pure function serves the running hub and every replay. Its result depends on the set of facts alone: not on their
order, nor on how often one is given, nor on when it arrived (arrival only chooses between equal reports of one event,
so that a resend changes nothing).

The steps, each a small function:

1. facts are put in order by course; superseded AGS scores and days outside the course's or policy's are set aside
2. per course, evidence is matched with what the course requires, by its repeat rule: `Achievement`
3. over all courses in the order of time: double claims earn once, then worth, then caps, which are shared by courses
4. each becomes a `Recognition` with its checks and evidence; the rest a `Pending` that says what is missing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

import orjson

from mappings.course import Catalogue, Course
from mappings.facts import Certificate, Fact
from mappings.policy import Cap, Policy
from mappings.rules import Achievement, Check, Happened, Worth, Worthless, check, jp_text, score_text, worth
from mappings.vocabulary import KINDS

#: Every code a `Waiting` may have: why evidence that is there earns nothing (yet).
WAITING = (
    "superseded",  # a newer AGS score of the same line item counts instead
    "outside_valid_days",  # the event is before valid_from or after valid_until
    "before_policy",  # the event is on a day before the policy begins
    "after_policy",
    "score_below_minimum",  # value and threshold in the detail
    "no_rule",  # the policy has no rule for this form and scope
    "no_minutes",  # neither reported nor stated by the course
    "no_programme_jp",
    "no_certificate_jp",  # only a trusted certificate's JP counts for this form
    "same_certificate",  # the certificate was recognised already, with another course
    "same_course",  # the same course was recognised under another provider's id
    "cap_per_day",  # nothing was left of the cap
    "cap_per_month",
    "cap_per_year",
    "nothing_to_count",  # zero minutes
    "course_gone",  # the catalogue does not know the course any more
)

#: What one fact came to: `outcome_of`.
OUTCOMES_OF_A_FACT = (
    "counted",  # it is evidence of a recognition
    "missing_evidence",  # the course still needs something else
    "not_needed",  # the course was recognised without it
    *WAITING,
)

# These explain single facts; a course that was recognised is not pending because of them.
_ABOUT_FACTS = frozenset({"superseded", "outside_valid_days", "before_policy", "after_policy", "score_below_minimum"})


class Recognition(NamedTuple):
    """Recognised JP of one course and period. ``key`` with the policy's name identifies it in a ledger; ``document`` is
    the canonical text of everything it says, and ``content`` its digest: equal content is the same entry."""

    course: str
    course_digest: str
    form: str
    scope: str
    period: str
    on: date
    at: datetime
    year: int
    centi_jp: int
    checks: tuple[Check, ...]
    evidence: tuple[str, ...]
    document: str
    content: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Course, period and content. With the policy and the number of earlier reversals: the idempotency key."""
        return (self.course, self.period, self.content)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why evidence earns nothing (yet): a code of `WAITING`, its values, and the statements it is about."""

    code: str
    detail: Mapping[str, str]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A course with evidence that is not (wholly) recognised: what is missing, and what is there and does not count."""

    course: str
    missing: tuple[str, ...]
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Recognitions in the order of time, pending courses in the order of their ids.

    ``set_aside``: everything that is there and does not earn, by course, also of recognised courses.
    """

    recognitions: tuple[Recognition, ...]
    pending: tuple[Pending, ...]
    set_aside: tuple[tuple[str, Waiting], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fact came to: a code of `OUTCOMES_OF_A_FACT`, its values, and the recognitions that rest on it."""

    code: str
    detail: Mapping[str, str]
    recognitions: tuple[Recognition, ...] = ()


def outcome_of(evaluation: Evaluation, fact: Fact) -> Outcome:
    """Why a fact counted, or why not."""
    resting = tuple(r for r in evaluation.recognitions if fact.statement in r.evidence)
    if resting:
        return Outcome("counted", {}, resting)
    for _, waiting in evaluation.set_aside:
        if fact.statement in waiting.statements:
            return Outcome(waiting.code, waiting.detail)
    for pending in evaluation.pending:
        if pending.course == fact.course and pending.missing:
            return Outcome("missing_evidence", {"missing": ";".join(pending.missing)})
    return Outcome("not_needed", {})


_TRUST_NOBODY: Mapping[str, int] = MappingProxyType({})


def evaluate(
    policy: Policy,
    catalogue: Catalogue,
    facts: Iterable[Fact],
    *,
    timezone: tzinfo,
    trusted: Mapping[str, int] = _TRUST_NOBODY,
) -> Evaluation:
    """What one learner's facts are recognised as. ``trusted``: connectors that may assert JP in a certificate, each
    with its limit in hundredths."""
    notes = _Notes()
    achievements: list[Achievement] = []
    for course_id, history in _histories(facts, timezone).items():
        course = catalogue.find(course_id)
        if course is None:
            notes.wait(course_id, "course_gone", [event.fact for event in history])
        else:
            counting = _counting_days(policy, course, _newest_scores(course, history, notes), notes)
            found = _achievements(course, _required(policy, course), counting, notes)
            achievements += _by_day(found) if _is_counted_by_day(policy, course) else found
    achievements.sort(key=lambda a: (a.at, a.course.id, a.period))
    recognitions = _recognise(policy, catalogue, achievements, trusted, notes)
    return Evaluation(tuple(recognitions), notes.pending(), notes.set_aside())


class _Notes:
    """What is missing and what waits, by course, while an evaluation runs."""

    def __init__(self) -> None:
        self._missing: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, list[Waiting]] = {}

    def miss(self, course: str, proofs: Sequence[str]) -> None:
        self._missing[course] = tuple(proofs)

    def wait(self, course: str, code: str, facts: Iterable[Fact], **detail: str) -> None:
        statements = tuple(sorted(fact.statement for fact in facts))
        self._waiting.setdefault(course, []).append(Waiting(code, detail, statements))

    def pending(self) -> tuple[Pending, ...]:
        held_up = {c for c, found in self._waiting.items() if any(w.code not in _ABOUT_FACTS for w in found)}
        courses = sorted(self._missing.keys() | held_up)
        return tuple(Pending(c, self._missing.get(c, ()), tuple(self._waiting.get(c, ()))) for c in courses)

    def set_aside(self) -> tuple[tuple[str, Waiting], ...]:
        return tuple((course, waiting) for course in sorted(self._waiting) for waiting in self._waiting[course])


# -- 1. in order


def _histories(facts: Iterable[Fact], timezone: tzinfo) -> dict[str, list[Happened]]:
    """Each course's facts in the order of time, each statement once."""
    unique = {fact.statement: fact for fact in facts}
    histories: dict[str, list[Happened]] = {}
    for fact in sorted(unique.values(), key=_order):
        event = Happened(fact, fact.at.astimezone(timezone).date())
        histories.setdefault(fact.course, []).append(event)
    return histories


def _newest_scores(course: Course, history: list[Happened], notes: _Notes) -> list[Happened]:
    """The history in which of AGS scores only the newest of each line item counts."""
    newest: dict[str, Happened] = {}
    superseded: set[str] = set()
    for event in reversed(history):
        lineitem = event.fact.lineitem
        if lineitem is None:
            continue
        newer = newest.get(lineitem)
        if newer is None or _stands_beside(event, newer, course):
            newest[lineitem] = event
        else:
            superseded.add(event.fact.statement)
            notes.wait(course.id, "superseded", [event.fact], by=newer.fact.statement)
    return [event for event in history if event.fact.statement not in superseded] if superseded else history


def _stands_beside(older: Happened, newer: Happened, course: Course) -> bool:
    """Does a newer score of the line item leave the older one alone? Yes where it is about another time and takes
    nothing back: the next year's completion of a yearly course, a grade raised after the year's end, or one sent again
    after the course's last day. Where each session counts, a new session and a new grade cannot be told apart."""
    is_next_year = course.repeat != "each" and newer.day.year > older.day.year
    is_too_late = course.holds(older.day) and not course.holds(newer.day)
    return (is_next_year or is_too_late) and set(_proofs(older.fact, course)) <= set(_proofs(newer.fact, course))


def _order(fact: Fact) -> tuple[datetime, int, int, int, datetime, str]:
    """By time. Of reports of one moment the one that earns less comes first, whatever arrived when; of equal ones the
    one that arrived first, so that a resend does not replace the evidence of an entry."""
    seconds = 1 << 62 if fact.seconds is None else fact.seconds
    score = -1 if fact.score is None else fact.score
    return (fact.at, seconds, score, fact.asserted_centi_jp or 0, fact.stored, fact.statement)


def _counting_days(policy: Policy, course: Course, history: list[Happened], notes: _Notes) -> list[Happened]:
    """The events on days of the policy and of the course."""
    counting: list[Happened] = []
    for event in history:
        if event.day < policy.since:
            notes.wait(course.id, "before_policy", [event.fact], on=event.day.isoformat())
        elif policy.until is not None and event.day > policy.until:
            notes.wait(course.id, "after_policy", [event.fact], on=event.day.isoformat())
        elif not course.holds(event.day):
            notes.wait(course.id, "outside_valid_days", [event.fact], on=event.day.isoformat())
        else:
            counting.append(event)
    return counting


# -- 2. evidence against requirements


def _required(policy: Policy, course: Course) -> tuple[str, ...]:
    if course.requires:
        return course.requires
    form = policy.forms.get(course.form)
    return form.evidence if form else ("completed",)


def _proofs(fact: Fact, course: Course) -> tuple[str, ...]:
    """What a fact proves for this version of the course: a score by its value (CONTRACTS, "What proves what")."""
    if fact.score is None:
        return fact.proves
    if course.min_score is None:
        return (*fact.proves, "score")
    if fact.score < course.min_score:
        return fact.proves
    if fact.fully_graded and "passed" not in fact.proves:
        return (*fact.proves, "score", "passed")
    return (*fact.proves, "score")


def is_done(policy: Policy, course: Course, facts: Iterable[Fact]) -> bool:
    """Whether these facts prove everything that the course requires, on whatever days."""
    return {proof for fact in facts for proof in _proofs(fact, course)}.issuperset(_required(policy, course))


def _achievements(
    course: Course, required: tuple[str, ...], history: list[Happened], notes: _Notes
) -> list[Achievement]:
    if not history:
        notes.miss(course.id, required)
        return []
    find = {"once": _once, "yearly": _yearly, "each": _each}[course.repeat]
    achievements, missing = find(course, required, history)
    if missing:
        notes.miss(course.id, missing)
        if "score" in missing or "passed" in missing:
            _note_low_score(course, history, notes)
    return achievements


def _note_low_score(course: Course, history: list[Happened], notes: _Notes) -> None:
    scored = [event.fact for event in history if event.fact.score is not None]
    if course.min_score is None or not scored:
        return
    best = max(scored, key=lambda fact: (fact.score or 0, fact.at))
    if best.score is not None and best.score < course.min_score:
        value, threshold = score_text(best.score), score_text(course.min_score)
        notes.wait(course.id, "score_below_minimum", [best], value=value, threshold=threshold)


Found = tuple[list[Achievement], tuple[str, ...]]


def _once(course: Course, required: tuple[str, ...], history: list[Happened]) -> Found:
    first: dict[str, Happened] = {}
    for event in history:
        for proof in _proofs(event.fact, course):
            first.setdefault(proof, event)
    missing = tuple(proof for proof in required if proof not in first)
    if missing:
        return [], missing
    return [_achievement(course, "once", required, first, history)], ()


def _yearly(course: Course, required: tuple[str, ...], history: list[Happened]) -> Found:
    """At most one a year. Evidence may be gathered over a new year's eve; the year is that of the last piece."""
    achievements: list[Achievement] = []
    first: dict[str, Happened] = {}
    since: date | None = None
    since_at: datetime | None = None
    for event in history:
        if since is not None and event.day.year <= since.year:
            continue
        for proof in _proofs(event.fact, course):
            first.setdefault(proof, event)
        if all(proof in first for proof in required):
            achievement = _achievement(course, str(event.day.year), required, first, history)
            achievements.append(achievement._replace(since=since, since_at=since_at))
            # What is done in the rest of the year belongs to neither this recognition nor the next year's.
            first, since, since_at = {}, date(event.day.year, 12, 31), achievement.at
    begun = bool(first) or not achievements
    return achievements, tuple(proof for proof in required if proof not in first) if begun else ()


def _each(course: Course, required: tuple[str, ...], history: list[Happened]) -> Found:
    """Each session by itself: the first completion with the first pass, the second with the second. An approved RTL
    stands for all sessions."""
    standing = [proof for proof in required if proof == "rtl_approved"]
    repeated = [proof for proof in required if proof != "rtl_approved"]
    found = {proof: _occurrences(course, proof, history) for proof in {*required, "completed"}}
    sessions = min((len(found[proof]) for proof in repeated), default=len(found["rtl_approved"]) if standing else 0)
    if any(not found[proof] for proof in standing):
        sessions = 0
    achievements: list[Achievement] = []
    for index in range(sessions):
        nth = {proof: events[index] for proof, events in found.items() if index < len(events)}
        nth |= {proof: found[proof][0] for proof in standing}
        period = nth[(repeated or standing)[0]].fact.at.isoformat()
        achievements.append(_achievement(course, period, required, nth, history))
    begun = max((len(found[proof]) for proof in repeated), default=0)
    if sessions and begun <= sessions:
        return achievements, ()
    short = sessions + 1
    return achievements, tuple(p for p in required if len(found[p]) < (1 if p in standing else short))


def _occurrences(course: Course, proof: str, history: list[Happened]) -> list[Happened]:
    """Separate events that prove something. Equal times are one event. A session that is reported as attended, as
    completed and by an AGS score is one session: of a day's kinds the one with the most events counts."""
    by_day: dict[date, dict[str, dict[datetime, Happened]]] = {}
    for event in history:
        if proof in _proofs(event.fact, course):
            by_day.setdefault(event.day, {}).setdefault(event.fact.kind, {}).setdefault(event.fact.at, event)
    occurrences: list[Happened] = []
    for kinds in by_day.values():
        most = min(kinds, key=lambda kind: (-len(kinds[kind]), KINDS.index(kind)))
        occurrences += kinds[most].values()
    return occurrences


def _achievement(
    course: Course,
    period: str,
    required: tuple[str, ...],
    proofs: Mapping[str, Happened],
    history: list[Happened],
) -> Achievement:
    last = max((proofs[proof] for proof in required), key=lambda event: event.fact.at)
    evidence = {proof: (proofs[proof],) for proof in required}
    completions = (proofs["completed"],) if "completed" in proofs else ()
    return Achievement(course, period, last.fact.at, last.day, evidence, completions, 1, None, None, history)


def _is_counted_by_day(policy: Policy, course: Course) -> bool:
    rule = policy.rule(course.form, course.scope)
    by_minutes = rule is not None and rule.kind == "actual_minutes" and course.programme_centi_jp is None
    return by_minutes and course.repeat == "each"


def _by_day(achievements: Sequence[Achievement]) -> list[Achievement]:
    """Sessions of one course whose minutes are counted by day become one achievement of that day."""
    days: dict[date, list[Achievement]] = {}
    for achievement in sorted(achievements, key=lambda a: (a.at, a.period)):
        days.setdefault(achievement.on, []).append(achievement)
    merged: list[Achievement] = []
    since: date | None = None
    since_at: datetime | None = None
    for on, group in days.items():
        evidence = {p: tuple(event for a in group for event in a.evidence[p]) for p in group[0].evidence}
        completions = tuple(event for a in group for event in a.completions)
        last, count = group[-1], len(group)
        merged.append(
            last._replace(
                period=on.isoformat(),
                evidence=evidence,
                completions=completions,
                sessions=count,
                since=since,
                since_at=since_at,
            )
        )
        since, since_at = on, last.at
    return merged


# -- 3. double claims, worth, caps


def _recognise(
    policy: Policy,
    catalogue: Catalogue,
    achievements: Sequence[Achievement],
    trusted: Mapping[str, int],
    notes: _Notes,
) -> list[Recognition]:
    claims = _Claims(policy, catalogue)
    caps = _Caps(policy)
    recognitions: list[Recognition] = []
    for achievement in achievements:
        shown = certificates(achievement)
        double = claims.find_double(achievement, shown)
        if double is not None:
            code, other = double
            notes.wait(achievement.course.id, code, achievement.facts(), recognised=other)
            continue
        found = worth(policy, achievement, trusted)
        if isinstance(found, Worthless):
            notes.wait(achievement.course.id, found.code, achievement.facts())
            continue
        centi, steps = caps.cut(achievement, found)
        if centi <= 0:
            code = next((step.code for step in steps if step.outcome == "limited"), "nothing_to_count")
            notes.wait(achievement.course.id, code, achievement.facts(), on=achievement.on.isoformat())
            continue
        claims.take(achievement, shown)
        recognitions.append(_recognition(achievement, found, steps, centi))
    return recognitions


class _Claims:
    """Certificates and courses that were recognised already: a double claim earns once."""

    def __init__(self, policy: Policy, catalogue: Catalogue) -> None:
        self._once_per_certificate = policy.choice("same_certificate") == "once"
        self._once_per_course = policy.choice("same_course") == "once"
        self._same_as = catalogue.same_as
        self._certificates: dict[str, list[tuple[Certificate, str]]] = {}
        self._courses: dict[str, dict[str, list[Achievement]]] = {}

    def find_double(self, achievement: Achievement, shown: Sequence[Certificate]) -> tuple[str, str] | None:
        """Why this is claimed already with the certificates ``shown``, and the course that it was recognised with."""
        if self._once_per_course:
            for other, taken in self._courses.get(self._same_as(achievement.course.id), {}).items():
                if other != achievement.course.id and any(_is_same_period(achievement, one) for one in taken):
                    return "same_course", other
        if self._once_per_certificate:
            for certificate in shown:
                for known, course in self._certificates.get(certificate.number, ()):
                    if certificate.is_same(known):
                        return "same_certificate", course
        return None

    def take(self, achievement: Achievement, shown: Sequence[Certificate]) -> None:
        course = achievement.course.id
        self._courses.setdefault(self._same_as(course), {}).setdefault(course, []).append(achievement)
        for certificate in shown:
            self._certificates.setdefault(certificate.number, []).append((certificate, course))


def _is_same_period(one: Achievement, other: Achievement) -> bool:
    repeats = {one.course.repeat, other.course.repeat}
    if "once" in repeats:
        return True
    if "yearly" in repeats:
        return one.on.year == other.on.year
    return one.period == other.period


def certificates(achievement: Achievement) -> list[Certificate]:
    """The certificates that belong to an achievement: those of its evidence, and where the course counts once or
    yearly also those that came with other reports about it in that time."""
    events: Sequence[Happened]
    if achievement.course.repeat == "once":
        events = achievement.history
    else:
        events = [event for events in achievement.evidence.values() for event in events]
    if achievement.course.repeat == "yearly":
        events = [*events, *(event for event in achievement.history if event.day.year == achievement.on.year)]
    found = {event.fact.certificate for event in events if event.fact.certificate is not None}
    return sorted(found, key=lambda certificate: (certificate.number, certificate.issuer or ""))


class _Caps:
    """What is left of each cap on each day, month and year. Earlier achievements take first."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._all = policy.choice("caps_apply_to") == "all"
        self._bonus_first = policy.choice("international_bonus") == "before_cap"
        self._sessions_abroad = policy.choice("session_caps_abroad") == "apply"
        self._used: dict[tuple[str, str], int] = {}

    def cut(self, achievement: Achievement, found: Worth) -> tuple[int, tuple[Check, ...]]:
        """The JP that remain under all caps, and the checks of the caps that were asked."""
        amounts = {day: (raised if self._bonus_first else plain) for day, plain, raised in found.amounts}
        steps: list[Check] = []
        caps = self._caps_of(achievement.course, found)
        for cap in caps:
            limit_to = self._cut_sessions if cap.unit == "sessions" else self._cut_jp
            steps += limit_to(cap, achievement, amounts)
        for cap in caps if sum(amounts.values()) else ():
            if cap.unit == "sessions":
                self._charge(cap, achievement.on, achievement.sessions)
            else:
                for day, amount in amounts.items():
                    self._charge(cap, day, amount)
        return self._raised(found, amounts), tuple(steps)

    def _caps_of(self, course: Course, found: Worth) -> list[Cap]:
        if not (found.converted or self._all):
            return []
        counted = course.scope == "national" or self._sessions_abroad
        return [cap for cap in self._policy.caps if course.form in cap.forms and (counted or cap.unit != "sessions")]

    def _charge(self, cap: Cap, day: date, amount: int) -> None:
        window = (cap.name, _window(cap.per, day))
        self._used[window] = self._used.get(window, 0) + amount

    def _cut_jp(self, cap: Cap, _achievement: Achievement, amounts: dict[date, int]) -> list[Check]:
        taken: dict[str, int] = {}
        steps: list[Check] = []
        for day, wanted in amounts.items():
            limit = cap.limit.find(day)
            if limit is None:
                raise AssertionError("a policy's values cover all its days, and other days were set aside")
            window = _window(cap.per, day)
            left = max(0, limit.value - self._used.get((cap.name, window), 0) - taken.get(window, 0))
            amounts[day] = min(wanted, left)
            taken[window] = taken.get(window, 0) + amounts[day]
            outcome = "limited" if left < wanted else "met"
            steps.append(
                check(f"cap_per_{cap.per}", outcome, jp_text(wanted), jp_text(left), window, source=limit.source)
            )
        return steps

    def _cut_sessions(self, cap: Cap, achievement: Achievement, amounts: dict[date, int]) -> list[Check]:
        limit = cap.limit.find(achievement.on)
        if limit is None:
            raise AssertionError("a policy's values cover all its days, and other days were set aside")
        window, wanted = _window(cap.per, achievement.on), achievement.sessions
        left = max(0, limit.value - self._used.get((cap.name, window), 0))
        if left < wanted:
            amounts.update({day: amount * left // wanted for day, amount in amounts.items()})
        outcome = "limited" if left < wanted else "met"
        return [check(f"cap_per_{cap.per}", outcome, str(wanted), str(left), window, source=limit.source)]

    def _raised(self, found: Worth, amounts: Mapping[date, int]) -> int:
        if self._bonus_first:
            return sum(amounts.values())
        total = 0
        for day, plain, raised in found.amounts:
            whole = amounts[day] == plain
            total += raised if whole else amounts[day] * (100 + found.bonus_percent) // 100
        return total


def _window(per: str, day: date) -> str:
    text = day.isoformat()
    return {"day": text, "month": text[:7], "year": text[:4]}[per]


# -- 4. the result


def _recognition(achievement: Achievement, found: Worth, steps: tuple[Check, ...], centi: int) -> Recognition:
    course = achievement.course
    facts = {fact.statement: fact for fact in (*achievement.facts(), *found.used)}
    ordered = sorted(facts.values(), key=lambda fact: (fact.at, fact.statement))
    checks = (*_evidence_checks(achievement, ordered), *found.checks, *steps)
    evidence = tuple([fact.statement for fact in ordered])
    named = (course.id, course.digest, course.form, course.scope, achievement.period)
    text = orjson.dumps([*named, achievement.on.isoformat(), centi, list(map(list, checks)), evidence])
    return Recognition(
        *named,
        on=achievement.on,
        at=achievement.at,
        year=achievement.on.year,
        centi_jp=centi,
        checks=checks,
        evidence=evidence,
        document=text.decode(),
        content=sha256(text).hexdigest(),
    )


def _evidence_checks(achievement: Achievement, facts: Sequence[Fact]) -> list[Check]:
    # Without a reference: the course's own catalogue row is the source of all of these.
    course = achievement.course
    sources = ";".join(sorted({fact.connector or "hub" for fact in facts}))
    heard = ";".join((course.provider, *course.sources))
    checks = [Check("source", "met", sources, heard)]
    for proof, events in achievement.evidence.items():
        checks.append(_proof_check(course, proof, events[-1]))
    if course.valid_from or course.valid_until:
        span = f"{course.valid_from or ''}..{course.valid_until or ''}"
        checks.append(Check("valid_days", "met", achievement.on.isoformat(), span))
    checks.append(Check("repeat", "met", achievement.period, course.repeat))
    return checks


def _proof_check(course: Course, proof: str, event: Happened) -> Check:
    fact, day = event.fact, event.day.isoformat()
    if proof in ("score", "passed") and fact.score is not None:
        threshold = "" if course.min_score is None else score_text(course.min_score)
        return Check(proof, "met", score_text(fact.score), threshold, day)
    if proof == "certificate" and fact.certificate is not None:
        return Check(proof, "met", fact.certificate.number, "", fact.certificate.issuer or "")
    return Check(proof, "met", day)
