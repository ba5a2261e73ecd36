"""What another policy would change: between two documents, and between what one person gains or loses under them.

`wkmb policy diff` shows both: which numbers differ, and per learner which hours differ and by which step of the
reasoning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mappings.dated import Dated, Source
from mappings.evaluate import Evaluation, Recognition
from mappings.policy import Policy, Rule
from mappings.rules import decimal_text, jp_text


@dataclass(frozen=True, slots=True)
class Change:
    """One number or choice of a policy that differs. An empty text: it is not there."""

    path: str
    old: str
    new: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One hour that differs. ``because``: codes of the checks that read otherwise, or of why one of them is missing."""

    course: str
    period: str
    year: int
    old_centi_jp: int
    new_centi_jp: int
    because: tuple[str, ...]

    @property
    def centi_jp(self) -> int:
        """What is gained; negative is lost."""
        return self.new_centi_jp - self.old_centi_jp


def differences(old: Evaluation, new: Evaluation) -> tuple[Difference, ...]:
    """What one person gains or loses, in the order of courses and periods. Equal hours are left out."""
    before = {(r.course, r.period): r for r in old.recognitions}
    after = {(r.course, r.period): r for r in new.recognitions}
    found: list[Difference] = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        old_centi, new_centi = (was.centi_jp if was else 0), (now.centi_jp if now else 0)
        known = now or was
        if known is not None and old_centi != new_centi:
            because = _because(key[0], was, now, old, new)
            found.append(Difference(*key, known.year, old_centi, new_centi, because))
    return tuple(found)


def _because(
    course: str, was: Recognition | None, now: Recognition | None, old: Evaluation, new: Evaluation
) -> tuple[str, ...]:
    if was is None:
        return _held_up(course, old)
    if now is None:
        return _held_up(course, new)
    read = {(c.code, c.subject, c.value, c.threshold, c.outcome) for c in was.checks}
    now_read = {(c.code, c.subject, c.value, c.threshold, c.outcome) for c in now.checks}
    return tuple(sorted({step[0] for step in read ^ now_read}))


def _held_up(course: str, evaluation: Evaluation) -> tuple[str, ...]:
    waiting = [waiting.code for name, waiting in evaluation.set_aside if name == course]
    missing = [proof for pending in evaluation.pending if pending.course == course for proof in pending.missing]
    return tuple(sorted({*waiting, *missing}))


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Which values, rules, caps and options of two policies differ, by their place in the document."""
    before, after = dict(_values(old)), dict(_values(new))
    nothing = ("", None)
    return tuple(
        Change(path, before.get(path, nothing)[0], after.get(path, nothing)[0], after.get(path, nothing)[1])
        for path in sorted(before.keys() | after.keys())
        if before.get(path, nothing)[0] != after.get(path, nothing)[0]
    )


Value = tuple[str, tuple[str, Source | None]]


def _values(policy: Policy) -> Iterator[Value]:
    until = policy.until.isoformat() if policy.until else ""
    yield "from", (policy.since.isoformat(), None)
    yield "until", (until, None)
    yield from _dated("minutes_per_jp", policy.minutes_per_jp, 0)
    for code, form in policy.forms.items():
        yield f"forms.{code}.evidence", (";".join(form.evidence), form.source)
        for scope, rule in form.rules.items():
            yield from _rule(f"forms.{code}.{scope}", rule)
    for cap in policy.caps:
        yield f"caps.{cap.name}", (f"{cap.per} {cap.unit} {';'.join(sorted(cap.forms))}", None)
        yield from _dated(f"caps.{cap.name}.limit", cap.limit, 2 if cap.unit == "jp" else 0)
    for name, option in policy.options.items():
        yield f"options.{name}", (option.value, option.source)


def _rule(path: str, rule: Rule) -> Iterator[Value]:
    yield f"{path}.rule", (rule.kind, rule.source)
    if rule.jp is not None:
        yield from _dated(f"{path}.jp", rule.jp, 2)
    if rule.bonus_percent is not None:
        yield from _dated(f"{path}.bonus_percent", rule.bonus_percent, 0)


def _dated(path: str, dated: Dated[int], digits: int) -> Iterator[Value]:
    for period in dated.periods:
        until = f"..{period.until}" if period.until else ".."
        yield f"{path} {period.since}{until}", (decimal_text(period.value, digits), period.source)


def summary(found: tuple[Difference, ...]) -> dict[int, str]:
    """What is gained or lost in each year, as JP."""
    years: dict[int, int] = {}
    for difference in found:
        years[difference.year] = years.get(difference.year, 0) + difference.centi_jp
    return {year: jp_text(centi) for year, centi in sorted(years.items())}
