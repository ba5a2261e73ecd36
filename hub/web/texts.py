"""What employees are told beyond the codes of `hub.web.words`: what a course is worth and why, what to do next, and
why something was taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask_babel import get_locale, gettext

from hub.web import words
from mappings.course import Course
from mappings.evaluate import Pending, Waiting
from mappings.policy import Policy
from mappings.rules import Check, jp_text, score_text


def _(text: str, **values: Any) -> str:
    """A text in the reader's language, with its values."""
    return str(gettext(text, **values))


def form_name(policy: Policy, code: str) -> str:
    """A form of learning by its name in the regulation."""
    form = policy.forms.get(code)
    if form is None:
        return code
    return form.name_en if _is_english() else form.name_id


def category(policy: Policy, code: str) -> str:
    """Classical or not, of which transcripts speak."""
    names = {"klasikal": _("classical"), "nonklasikal": _("non-classical")}
    form = policy.forms.get(code)
    return "" if form is None else names.get(form.category, form.category)


def policy_title(policy: Policy) -> str:
    return policy.title_en if _is_english() else policy.title_id


def course_title(course: Course) -> str:
    return course.title("en" if _is_english() else "id")


def _is_english() -> bool:
    return str(get_locale()).startswith("en")


# What a course is worth --------------------------------------------------------------------------------------


def worth_reason(course: Course, policy: Policy, on: date) -> str:
    """How the JP of a course is found, as a sentence."""
    rule = policy.rule(course.form, course.scope)
    if rule is None:
        return _("The regulation has no value for this form of learning.")
    if course.programme_centi_jp is not None:
        sentence = _("The programme itself states %(jp)s JP.", jp=words.jp(course.programme_centi_jp))
    else:
        sentence = _by_rule(course, policy, on)
    bonus = rule.bonus_percent.find(on) if rule.bonus_percent else None
    if bonus is None:
        return sentence
    return f"{sentence} {_('Learning abroad adds %(percent)s per cent.', percent=bonus.value)}"


def _by_rule(course: Course, policy: Policy, on: date) -> str:
    rule = policy.rule(course.form, course.scope)
    kind = rule.kind if rule else "none"
    if kind == "actual_minutes":
        return _by_minutes(course, policy, on)
    period = rule.jp.find(on) if rule and rule.jp else None
    each = words.number(jp_text(period.value)) if period else "–"
    if kind == "per_day":
        return _("%(jp)s JP for each day; the course has %(days)s.", jp=each, days=course.days)
    if kind == "per_session":
        return _("%(jp)s JP for each session.", jp=each)
    if kind == "per_activity":
        return _("%(jp)s JP for the activity.", jp=each)
    return _("The JP that your certificate states.")


def _by_minutes(course: Course, policy: Policy, on: date) -> str:
    period = policy.minutes_per_jp.find(on)
    each = period.value if period else "–"
    if course.minutes is None:
        return _("The minutes that you really learned count: %(each)s minutes are 1 JP.", each=each)
    return _(
        "The course takes %(minutes)s minutes; %(each)s minutes are 1 JP. If the provider reports the minutes that "
        "you really learned, those count.",
        minutes=course.minutes,
        each=each,
    )


def requirement(course: Course, proof: str) -> str:
    """One thing that a course asks for, as an instruction."""
    if proof == "score" and course.min_score is not None:
        return _("Reach a score of at least %(score)s", score=words.share(score_text(course.min_score)))
    texts = {
        "completed": _("Complete the course"),
        "passed": _("Pass the final test"),
        "score": _("Get a score"),
        "certificate": _("Receive the certificate"),
        "rtl_approved": _("Have your follow-up plan (RTL) approved"),
    }
    return texts.get(proof, proof)


#: Steps that go without saying where an hour is told in one line.
_SILENT = frozenset({"source", "completed", "valid_days", "repeat"})


def reason(checks: Iterable[Check]) -> str:
    """Why an hour counts, in one line; limits only where they cut something."""
    telling = (
        step
        for step in checks
        if step.code not in _SILENT and (step.outcome == "limited" or not step.code.startswith("cap_"))
    )
    # The day stands beside it already.
    told = "; ".join(words.check_sentence(step._replace(subject="")) for step in telling)
    return f"{told}." if told else ""


# What to do next ---------------------------------------------------------------------------------------------


def missing_steps(course: Course | None, pending: Pending, plan: str = "asked") -> tuple[str, ...]:
    """For each piece of evidence that is missing, what to do. ``plan``: how far the follow-up plan has come."""
    return tuple(_step(course, proof, plan) for proof in pending.missing)


def _step(course: Course | None, proof: str, plan: str) -> str:
    if proof == "rtl_approved" and plan in ("submitted", "returned"):
        return {
            "submitted": _("Your follow-up plan (RTL) waits for the approval of your supervisor."),
            "returned": _("Your supervisor returned the follow-up plan (RTL): change it and submit it again."),
        }[plan]
    if proof == "score" and course is not None and course.min_score is not None:
        return _("Take the test until you have at least %(score)s.", score=words.share(score_text(course.min_score)))
    texts = {
        "completed": _("Open the course and complete every part of it."),
        "passed": _("Take the final test until you pass."),
        "score": _("Take the test, so that the provider reports a score."),
        "certificate": _("Ask the provider to report your certificate."),
        "rtl_approved": _("Submit your follow-up plan (RTL) and ask your supervisor to approve it."),
    }
    return texts.get(proof, proof)


def waiting_reason(waiting: Waiting) -> str:
    """Why something that is there earns nothing, or not yet."""
    return words.waiting(waiting.code, waiting.detail)


def waiting_step(waiting: Waiting) -> str:
    """What can be done about it; empty where there is nothing to do."""
    texts = {
        "outside_valid_days": _("Ask the provider whether the course is given again."),
        "no_rule": _("Ask an administrator to correct the form of learning of this course."),
        "no_minutes": _("Ask the provider to report how long you learned."),
        "no_programme_jp": _("Ask an administrator to enter the JP of this programme."),
        "no_certificate_jp": _("Ask the provider to report the certificate with its JP."),
        "cap_per_day": _("Learn on another day as well: the limit is for each day."),
        "cap_per_month": _("More counts again next month."),
        "cap_per_year": _("More counts again next year."),
        "nothing_to_count": _("Ask the provider to report how long you learned."),
        "course_gone": _("Ask an administrator why the course left the catalogue."),
    }
    return texts.get(waiting.code, "")


# Why something was taken back --------------------------------------------------------------------------------


def cause(value: Mapping[str, Any] | None) -> str:
    """Why an entry was reversed (`hub.jp.recognition`)."""
    texts = {
        "voided": _("The provider took its report back."),
        "identity_changed": _("The report turned out to be about another account."),
        "course_changed": _("The course was changed in the catalogue; what it is worth now is a new entry."),
        "evidence_changed": _("Further reports arrived; what they come to together is a new entry."),
    }
    return texts.get(str((value or {}).get("code", "")), _("It was calculated again."))


def source(origin: str, connector: str | None) -> str:
    """How a statement came to the hub."""
    kind = origin.partition(":")[0]
    who = connector or _("an institution without a name")
    if kind == "score":
        return _("a score that the provider sent to the hub")
    if kind == "launch":
        return _("reported by the course that you had opened from the hub (%(who)s)", who=who)
    if kind == "run":
        return _("fetched from %(who)s", who=who)
    if kind == "file":
        return _("from a file of %(who)s", who=who)
    if kind == "hub":
        return _("written by the hub itself")
    return _("reported by %(who)s", who=who)


# Starting a course -------------------------------------------------------------------------------------------


def launch_step(check: str) -> str:
    """What to do when a course cannot be opened."""
    if check in ("no_tool", "no_deployment"):
        return _("Put the course into your plan; it can be started here once the system is connected.")
    if check in ("tool_disabled", "deployment_disabled"):
        return _("Nothing of what you have learned there is lost.")
    if check == "course":
        return _("Look in the catalogue for another one.")
    return ""
