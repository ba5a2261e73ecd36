"""Every code that the hub shows to people, in words: why a statement counts or not, each step of an hour, each check
of a connection. Codes are stable and in the database; words are here alone, and in the translations.

A family is a function that gives its whole table, so that a test can compare it with `mappings.codes.CODES`. Texts
hold ``%(name)s`` for the values that came with a code; a value that did not come shows as "?".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from flask_babel import format_date, format_decimal, format_percent, ngettext
from flask_babel import gettext as _

from mappings.facts import parse_duration


class Step(Protocol):
    """A check of a recognition, as `mappings.rules.Check` has it."""

    @property
    def code(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def threshold(self) -> str: ...
    @property
    def subject(self) -> str: ...


class _Values(dict[str, str]):
    """The values of a text; one that is missing is shown, never an error on a page."""

    def __missing__(self, key: str) -> str:
        return "?"


def fill(text: str, values: Mapping[str, Any]) -> str:
    """A translated text with its values."""
    return text % _Values({name: str(value) for name, value in values.items()})


# Numbers and days ------------------------------------------------------------------------------------------


def jp(centi: int | None) -> str:
    """Hundredths of JP in the reader's way of writing numbers: 450 is "4,5" in Indonesian."""
    return "–" if centi is None else str(format_decimal(Decimal(centi) / 100))


#: A locale's own pattern has three decimals, and would make 0.7 of a score of 0.69999 that is below it.
_EVERY_DIGIT = "#,##0." + "#" * 17


def number(text: str) -> str:
    """A decimal of a code's values or of a statement, as the reader writes it, not rounded.

    What is no number, or has too many digits, stays as it is.
    """
    try:
        return str(format_decimal(Decimal(text), _EVERY_DIGIT))
    except InvalidOperation:
        return text


def share(text: str) -> str:
    """A score 0..1 as a percentage."""
    try:
        return str(format_percent(Decimal(text), "#,##0.##%"))
    except InvalidOperation:
        return text


def day(text: str) -> str:
    """An ISO day, or month, as the reader writes it; a whole moment by its day."""
    try:
        if len(text) == len("2026-01"):
            return str(format_date(date.fromisoformat(f"{text}-01"), "LLLL yyyy"))
        return str(format_date(datetime.fromisoformat(text).date(), "d MMMM yyyy"))
    except ValueError:
        return text


def days(text: str) -> str:
    """A span ``2026-01-01..2026-12-31``, open on either side."""
    since, _dots, until = text.partition("..")
    if since and until:
        return str(_("%(since)s to %(until)s", since=day(since), until=day(until)))
    return str(_("from %(since)s", since=day(since)) if since else _("until %(until)s", until=day(until)))


def duration(text: str) -> str:
    """A duration of a statement in hours and minutes; what has no fixed length stays as it was said."""
    seconds = parse_duration(text)
    if seconds is None:
        return text
    minutes, rest = divmod(seconds, 60)
    if minutes == 0:
        return str(_("%(seconds)s s", seconds=rest))
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return str(_("%(minutes)s min", minutes=minutes))
    return str(_("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes))


def names(text: str, titles: Mapping[str, str] | None = None) -> str:
    """A list with ``;`` between its members, by the ``titles`` that they have; the hub's own name in words."""
    shown = {"hub": _("this hub")} | dict(titles or {})
    return ", ".join(shown.get(name, name) for name in text.split(";"))


# The steps of a recognition --------------------------------------------------------------------------------


def checks() -> dict[str, str]:
    """What each step of a recognition looked at."""
    return {
        "source": _("Reported by the right source"),
        "completed": _("Completed"),
        "passed": _("Passed"),
        "score": _("Score"),
        "certificate": _("Certificate"),
        "rtl_approved": _("Follow-up plan (RTL) approved"),
        "valid_days": _("Within the days of the course"),
        "repeat": _("How often the course counts"),
        "certificate_jp": _("JP stated by the certificate"),
        "programme_jp": _("JP stated by the programme"),
        "per_day": _("Value per day"),
        "per_session": _("Value per session"),
        "per_activity": _("Value per activity"),
        "minutes_reported": _("Reported minutes of learning"),
        "minutes_of_course": _("Minutes of the course"),
        "international_bonus": _("Addition for learning abroad"),
        "cap_per_day": _("Daily limit"),
        "cap_per_month": _("Monthly limit"),
        "cap_per_year": _("Yearly limit"),
    }


def check_outcomes() -> dict[str, str]:
    return {"met": _("met"), "applied": _("applied"), "limited": _("limited")}


def confirmed_marks() -> dict[str, str]:
    """How sure the source of a number is."""
    return {
        "yes": _("confirmed: the regulation's text was read"),
        "partly": _("partly confirmed: read in applications of the regulation"),
        "no": _("not confirmed: no source was found"),
        "own": _("the hub's own rule, to be confirmed by the ministry"),
    }


def proofs() -> dict[str, str]:
    """The evidence that a course may ask for."""
    return {
        "completed": _("completion"),
        "passed": _("a pass"),
        "score": _("the minimum score"),
        "certificate": _("a certificate"),
        "rtl_approved": _("an approved follow-up plan (RTL)"),
    }


def repeats() -> dict[str, str]:
    return {"once": _("once"), "yearly": _("once a year"), "each": _("each session")}


def scopes() -> dict[str, str]:
    return {"national": _("in Indonesia"), "international": _("abroad")}


def check_title(step: Step) -> str:
    """What a step looked at."""
    return checks().get(step.code, step.code)


def check_found(step: Step, titles: Mapping[str, str] | None = None) -> str:
    """What was found there, with its unit and day; who reported by the ``titles`` of institutions, where given."""
    if step.code == "source":
        return names(step.value, titles)
    if step.code not in _FOUND:
        return step.value
    found = _FOUND[step.code](step.value)
    if step.subject and step.code not in ("certificate",):
        return f"{found} · {day(step.subject)}"
    return f"{found} · {step.subject}" if step.subject else found


def check_against(step: Step, titles: Mapping[str, str] | None = None) -> str:
    """What it was held against; empty where the step has no threshold."""
    if not step.threshold:
        return ""
    if step.code == "source":
        return names(step.threshold, titles)
    return _AGAINST[step.code](step.threshold) if step.code in _AGAINST else step.threshold


def _jp_of(text: str) -> str:
    return str(_("%(jp)s JP", jp=number(text)))


def _day_or_share(text: str) -> str:
    """A pass is proved by a day, or by a score."""
    return share(text) if text.replace(".", "", 1).isdigit() else day(text)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _period(text: str) -> str:
    if text == "once":
        return repeats()[text]
    return text if len(text) == len("2026") else day(text)


_FOUND: Mapping[str, Callable[[str], str]] = {
    "completed": day,
    "passed": _day_or_share,
    "score": share,
    "certificate": str,
    "rtl_approved": day,
    "valid_days": day,
    "repeat": _period,
    "certificate_jp": _jp_of,
    "programme_jp": _jp_of,
    "per_day": lambda text: ngettext("%(num)s day", "%(num)s days", _count(text)),
    "per_session": lambda text: ngettext("%(num)s session", "%(num)s sessions", _count(text)),
    "per_activity": lambda text: ngettext("%(num)s activity", "%(num)s activities", _count(text)),
    "minutes_reported": lambda text: _("%(number)s minutes", number=number(text)),
    "minutes_of_course": lambda text: _("%(number)s minutes", number=number(text)),
    "international_bonus": lambda text: f"+{number(text)} %",
    "cap_per_day": _jp_of,
    "cap_per_month": number,
    "cap_per_year": number,
}

_AGAINST: Mapping[str, Callable[[str], str]] = {
    "passed": lambda text: _("at least %(score)s", score=share(text)),
    "score": lambda text: _("at least %(score)s", score=share(text)),
    "valid_days": days,
    "repeat": lambda text: repeats().get(text, text),
    "certificate_jp": lambda text: _("at most %(jp)s JP", jp=number(text)),
    "per_day": lambda text: _("%(jp)s JP each", jp=number(text)),
    "per_session": lambda text: _("%(jp)s JP each", jp=number(text)),
    "per_activity": lambda text: _("%(jp)s JP each", jp=number(text)),
    "minutes_reported": lambda text: _("%(number)s minutes are 1 JP", number=number(text)),
    "minutes_of_course": lambda text: _("%(number)s minutes are 1 JP", number=number(text)),
    "cap_per_day": lambda text: _("%(jp)s JP left of the limit", jp=number(text)),
    "cap_per_month": lambda text: _("%(number)s left of the limit", number=number(text)),
    "cap_per_year": lambda text: _("%(number)s left of the limit", number=number(text)),
}


def check_sentence(step: Step) -> str:
    """A step in one line, for people who do not audit: "Score: 85 % (at least 60 %)"."""
    against = check_against(step)
    found = check_found(step)
    return f"{check_title(step)}: {found} ({against})" if against else f"{check_title(step)}: {found}"


# Why a statement counts for nothing ------------------------------------------------------------------------


def reasons() -> dict[str, str]:
    """Why a statement is no fact (`mappings.facts.REASONS`)."""
    return {
        "voided": _("It was voided by the statement %(by)s."),
        "voiding": _("It voids the statement %(target)s and proves nothing itself."),
        "group_actor": _("Its actor is a group. Learning is recognized for persons only."),
        "not_an_activity": _("It is not about a course: its object is a %(type)s."),
        "unknown_course": _("%(object)s is not in the catalogue. Import the course if it should count."),
        "ambiguous_course": _("%(object)s names several courses (%(courses)s). Give each an alias of its own."),
        "child_activity": _("It is about a part of %(course)s, not about the course itself."),
        "wrong_source": _("%(source)s may not report about %(course)s; that is for %(expected)s."),
        "future": _("It says it happened on %(timestamp)s, later than it was received (%(stored)s)."),
        "implausible_date": _("Its time %(timestamp)s is impossible."),
        "verb_not_mapped": _("The vocabulary of its source does not know the verb %(verb)s."),
        "no_proof": _("The verb %(verb)s proves nothing about %(course)s."),
        "wrong_type": _("The verb %(verb)s counts for other kinds of activity, or other forms of learning."),
        "contradictory": _("Its verb says “%(verb)s” and its result says the opposite."),
        "bad_duration": _("Its duration %(duration)s is unreadable, or more than %(at_most_hours)s hours."),
        "bad_score": _("Its score cannot be read."),
        "score_above_maximum": _("Its score is above its own maximum (%(max)s)."),
        "score_below_minimum": _("Its score is below its own minimum (%(min)s)."),
        "self_approved": _("A follow-up plan for %(course)s was approved with the learner's own launch."),
        "malformed": _("It is not a readable statement (%(error)s)."),
    }  # fmt: skip


def waitings() -> dict[str, str]:
    """Why evidence earns nothing, or not yet (`mappings.evaluate.WAITING`)."""
    return {
        "superseded": _("A newer score of the same line item counts instead (statement %(by)s)."),
        "outside_valid_days": _("%(on)s is not a day on which the course counts."),
        "before_policy": _("%(on)s is before the policy begins."),
        "after_policy": _("%(on)s is after the policy ends."),
        "score_below_minimum": _("The score %(value)s is below the minimum of %(threshold)s."),
        "no_rule": _("The policy has no rule for this form of learning."),
        "no_minutes": _("No minutes were reported, and the course states none."),
        "no_programme_jp": _("The course states no JP."),
        "no_certificate_jp": _("Only the JP of a trusted certificate counts here, and there is none."),
        "same_certificate": _("The certificate was counted already, with %(recognised)s."),
        "same_course": _("The same course was counted already, as %(recognised)s."),
        "cap_per_day": _("Nothing was left of the daily limit on %(on)s."),
        "cap_per_month": _("Nothing was left of the monthly limit on %(on)s."),
        "cap_per_year": _("Nothing was left of the yearly limit on %(on)s."),
        "nothing_to_count": _("Zero minutes were reported."),
        "course_gone": _("The course is no longer in the catalogue."),
    }


def outcomes() -> dict[str, str]:
    """What one fact came to (`mappings.evaluate.OUTCOMES_OF_A_FACT`)."""
    return {
        "counted": _("It counts: an hour rests on it."),
        "missing_evidence": _("The course still needs: %(missing)s."),
        "not_needed": _("It is evidence, but the course was recognized without it."),
        **waitings(),
    }


def finding(code: str, detail: Mapping[str, str]) -> str:
    """What verifying found, in words."""
    return fill(findings().get(code, code), detail)


#: Values that are shown otherwise than they are stored.
_VALUES: Mapping[str, Callable[[str], str]] = {
    "missing": lambda text: ", ".join(proofs().get(proof, proof) for proof in text.split(";")),
    "on": day,
    "value": share,
    "threshold": share,
    "courses": lambda text: text.replace(";", ", "),
    "source": lambda text: _("a source without a connector") if text in ("", "None") else text,
}


def told(text: str, detail: Mapping[str, str]) -> str:
    """A text with its values, each as the reader writes it. A source that did not come is none at all."""
    values = {"source": "", **detail}
    return fill(text, {name: _VALUES[name](value) if name in _VALUES else value for name, value in values.items()})


def reason(code: str, detail: Mapping[str, str]) -> str:
    """Why a statement is no fact, in words."""
    return told(reasons().get(code, code), detail)


def waiting(code: str, detail: Mapping[str, str]) -> str:
    """Why evidence earns nothing (yet), in words."""
    return told(waitings().get(code, code), detail)


def outcome(code: str, detail: Mapping[str, str]) -> str:
    """What a statement came to, in words: counted, or why not. Takes reasons and outcomes alike."""
    return told((reasons() | outcomes()).get(code, code), detail)


# Auditing --------------------------------------------------------------------------------------------------


def findings() -> dict[str, str]:
    """What verifying found (`hub.jp.audit.FINDINGS`)."""
    return {
        "position_missing": _("An entry of the ledger is missing."),
        "chain_broken": _("An entry does not say what it said when it was written, or the one before it does not."),
        "key_wrong": _("The key that keeps an hour from being entered twice is not that of the entry."),
        "document_changed": _("The reasoning is not the one whose digest the entry has."),
        "entry_differs": _("The entry says something else than its reasoning: %(columns)s."),
        "reversal_wrong": _("It does not take back exactly one earlier entry."),
        "policy_changed": _("The policy %(policy)s is another document than it was."),
        "course_version_missing": _("The version of the course %(course)s is not there, or another one."),
        "evidence_differs": _("The statements that lead to entries are not those that the entries name."),
        "statement_missing": _("A statement that an entry rests on is not there."),
        "statement_changed": _("The stored bytes of a statement are not those that were accepted."),
        "not_recognized": _("An entry of %(jp)s JP stands for something that the statements do not give."),
        "not_entered": _("The statements give %(jp)s JP that are in no entry."),
        "waiting": _("Something arrived that was not computed yet. Verify again in a moment."),
    }


def origins() -> dict[str, str]:
    """How a statement came to the hub."""
    return {
        "launch": _("Sent by the course that was opened from the hub"),
        "score": _("Score that the tool sent (LTI AGS)"),
        "run": _("Fetched, or imported from a file"),
        "credential": _("Sent with a key"),
        "hub": _("Written by the hub"),
    }


def source(authority: str, titles: Mapping[str, str]) -> str:
    """By whom statements are reported (`hub.statements.search`); ``titles`` is what people see of each connector."""
    kind, _slash, name = authority.partition("/")
    texts = {"hub": _("The hub itself"), "connector": _("Fetched from %(name)s", name=titles.get(name, name))}
    return str(texts.get(kind) or _("Key %(name)s", name=name))


def verbs() -> dict[str, str]:
    """The verbs that systems use most, by the last word of their ID."""
    return {
        "completed": _("completed"),
        "passed": _("passed"),
        "failed": _("failed"),
        "scored": _("received a score for"),
        "attended": _("attended"),
        "launched": _("opened"),
        "initialized": _("began"),
        "terminated": _("ended"),
        "satisfied": _("fulfilled"),
        "certified": _("received a certificate for"),
        "approved": _("approved"),
        "experienced": _("viewed"),
        "viewed": _("viewed"),
        "answered": _("answered"),
        "voided": _("took back"),
        "reviewed": _("reviewed"),
        "interviewed": _("held the interview of"),
        "appealed": _("appealed against"),
        "planned": _("drew up"),
        "submitted": _("handed in"),
        "submit": _("handed in"),
        "reject": _("got back"),
        "implemented": _("carried out"),
        "evaluated": _("evaluated the effect of"),
        "read": _("read"),
        "posted": _("wrote in"),
        "coached": _("was coached in"),
        "mentored": _("was mentored in"),
        "verified": _("had verified"),
    }


def verb(iri: str, given: str) -> str:
    """A verb in the reader's language; as its source calls it, where these words do not know it."""
    return verbs().get(re.split("[/:]", iri.rstrip("/"))[-1], given or iri)


def actions() -> dict[str, str]:
    """What people do, as the journal names it."""
    return {
        "certification.record": _("recorded a certification result of"),
        "need.import": _("imported needs of competencies:"),
        "connector.add": _("connected the system"),
        "connector.title": _("gave another title to the system"),
        "connector.secret": _("changed the secret of the system"),
        "connector.sync": _("had statements fetched from"),
        "tool.add": _("registered the tool"),
        "tool.invite": _("invited to register itself the tool"),
        "tool.register": _("let register itself the tool"),
        "tool.update": _("changed the tool"),
        "tool.disable": _("disabled the tool"),
        "tool.enable": _("enabled the tool"),
        "deployment.add": _("added the deployment"),
        "deployment.disable": _("disabled the deployment"),
        "deployment.enable": _("enabled the deployment"),
        "credential.add": _("added the key"),
        "credential.rotate": _("renewed the secret of the key"),
        "credential.disable": _("disabled the key"),
        "credential.enable": _("enabled the key"),
        "course.import": _("imported courses"),
        "course.withdraw": _("withdrew the course"),
        "draft.pick": _("picked courses in the deployment"),
        "learner.import": _("imported people"),
        "learner.retry": _("had hours computed again of"),
        "learner.merge": _("merged people into"),
        "learner.split": _("took the merging back of"),
        "identity.link": _("linked the actor"),
        "identity.unlink": _("took back the link of the actor"),
        "identity.rule.add": _("added an identity rule to the system"),
        "identity.rule.remove": _("removed an identity rule from the system"),
        "policy.add": _("added the policy"),
        "policy.activate": _("activated the policy"),
        "policy.withdraw": _("took back the activation of the policy"),
        "policy.replay": _("had everybody replayed under the policy"),
        "policy.let-go": _("let go the ledger of the policy"),
        "target.set": _("set the targets"),
        "target.employer.add": _("put an employer on the list of"),
        "target.employer.remove": _("took an employer off the list of"),
        "rtl.rule.set": _("set the deadlines of follow-up plans for"),
        "rtl.rule.remove": _("removed the deadlines of follow-up plans for"),
        "key.rotate": _("renewed the signing key"),
        "audit.export": _("took everything out that is recorded of"),
        "report.take": _("took out the report of"),
        "transcript.issue": _("issued the transcript of"),
        "transcript.revoke": _("withdrew the transcript of"),
        "platform.invite": _("invited to register itself the LMS"),
        "platform.update": _("changed the LMS"),
        "platform.roster": _("read the membership lists of the LMS"),
        "platform.roster.ask": _("asked for the membership lists of the LMS"),
        "statements.export": _("took statements out of the hub as"),
        "statements.import": _("imported the statements of"),
        "account.add": _("made the account"),
        "account.disable": _("locked the account"),
        "account.enable": _("opened the account again"),
        "account.password": _("gave a new password to the account"),
    }


#: What stands before the name of what somebody changed, in the journal.
_THINGS = frozenset(
    {"connector", "tool", "deployment", "credential", "policy", "account", "learner", "identity", "key", "file",
     "provider", "course", "platform", "transcript"}
)  # fmt: skip


def thing(object: str) -> str:
    """What somebody changed, without its kind: the act has said that, of several things too (``4 courses``)."""
    kind, _colon, name = object.partition(":")
    many, _space, noun = object.partition(" ")
    if many.isdecimal() and noun.isalpha():
        return many
    return name if kind in _THINGS and name else object


# Files -----------------------------------------------------------------------------------------------------


def file_problems() -> dict[str, str]:
    """What is wrong with a cell, a row or a file that somebody imports, and what to do."""
    return {
        "missing": _("is missing. Fill it in."),
        "unknown": _("is not known."),
        "not_an_iri": _("is not an absolute IRI, such as https://lms.example.go.id/course/3."),
        "not_a_number": _("is not a number as it is needed here. Use a point for decimals."),
        "out_of_range": _("is too small or too large."),
        "not_a_date": _("is not a date. Use YYYY-MM-DD, for example 2026-01-31."),
        "not_a_time": _("is not a time. Use YYYY-MM-DD, or a time with its zone."),
        "ends_before_begin": _("ends before it begins. Correct the dates."),
        "no_rule": _("has no rule in the policy. Choose another form or scope."),
        "not_a_url": _("is not a web address. Write https://… or leave it empty."),
        "not_a_pair": _("is not name=value. Write k=v;k=v."),
        "twice": _("is there twice. Keep one."),
        "not_a_level": _("has no level from 1 to 5. Write name:level, or the name."),
        "ambiguous": _("names more than one course. An alias names one course of a provider."),
        "too_many_cells": _("has more cells than columns. Quote a cell that holds a comma."),
        "not_csv": _("is not CSV. Check the quotes."),
        "not_utf8": _("is not UTF-8. Save it as “CSV UTF-8” in your spreadsheet."),
        "unknown_column": _("is not a column of this file."),
        "missing_column": _("is missing in the header. Add the column."),
        "too_long": _("is too long."),
        "control_character": _("holds a line break or control character. Remove it."),
        "not_a_nip": _("is not a NIP: it has 18 digits. Format the column as text."),
        "not_an_address": _("is no e-mail address. Correct it or leave it empty."),
        "own_supervisor": _("is her own NIP. Name somebody else, or leave it empty."),
        "not_an_identity": _("names nobody."),
        "conflict": _("says something else than an earlier import about the same event."),
    }


def file_problem(code: str, told: str) -> str:
    """A problem in words, with the value that it is about."""
    known = file_problems().get(code)
    if known is None:
        return told
    quoted = told.partition("'")[2].rpartition("'")[0]
    return f"“{quoted}” {known}" if quoted else known


# Connected systems -----------------------------------------------------------------------------------------


def kinds() -> dict[str, str]:
    """The kinds of connector."""
    return {
        "lti": _("LTI 1.3 course provider"),
        "xapi-push": _("Sends statements (xAPI)"),
        "xapi-pull": _("Statements are fetched (xAPI)"),
        "csv": _("Completion files (CSV)"),
        "siasn": _("SIASN export"),
        "forward": _("Receives a copy of statements"),
    }


def connection_checks() -> dict[str, str]:
    """What the test of a connection looks at."""
    return {
        "reachable": _("Address"),
        "tls": _("Encryption (TLS)"),
        "clock": _("Clock"),
        "jwks": _("Public keys"),
        "public_key": _("Public key"),
        "version": _("xAPI version"),
        "credential": _("Key and secret"),
        "consistency": _("Completeness"),
        "reports": _("Reports"),
        "launch": _("Launch"),
        "deployments": _("Deployments"),
        "token": _("Access token"),
        "dry_launch": _("A launch on trial"),
        "last_launch": _("Last launch"),
    }


def connection_reasons() -> dict[str, str]:
    """What a check of a connection found, and what to do."""
    return {
        "answered": _("Something answers at this address."),
        "verified": _("The certificate is valid for this name."),
        "plain_http": _("The connection is not encrypted. Use https outside a test network."),
        "in_step": _("Both clocks agree."),
        "no_date": _("The answer names no time to compare clocks by."),
        "skewed": _("The clocks differ. Set both by NTP, or launches and tokens will be refused."),
        "keys": _("It publishes keys to check signatures with."),
        "not_jwks": _("There is no key set at this address. Check the address."),
        "no_keys": _("The key set holds no key to check signatures with. Ask its administrator."),
        "no_kid": _("A key has no name (kid), so tokens cannot pick it. Tell its administrator."),
        "private_key": _("It publishes a private key. Tell its administrator to replace this key at once."),
        "spoken": _("It speaks the version of xAPI that is set here."),
        "not_spoken": _("It speaks another version of xAPI than is set here. Connect it with that version."),
        "accepted": _("Key and secret are accepted, and may read statements."),
        "said": _("It says how far its statements are complete."),
        "not_said": _("It does not say how far its statements are complete; each pull overlaps by 5 minutes."),
        "address_refused": _("Not a public https address. Use one, or mark the system as internal."),
        "address_invalid": _("This is not an address. Correct it."),
        "unresolved": _("The name has no address. Check its spelling, and the DNS."),
        "refused": _("Nobody answers there. Check port and firewall; it is tried again."),
        "slow": _("It answers, but slowly, and launches wait for it. Ask its administrator."),
        "timeout": _("It answers too slowly. It is tried again."),
        "connection_lost": _("The connection was lost. It is tried again."),
        "tls": _("Its certificate has expired or is for another name. Its administrator must renew it."),
        "redirected": _("It answers with another address. Enter the final address."),
        "too_large": _("Its answer is too large. Check the address."),
        "unreadable": _("Its answer cannot be read. Check the address."),
        "not_json": _("Its answer is not JSON. Check the address."),
        "not_siasn": _("SIASN's answer is not what it should be. It is tried again."),
        "not_xapi": _("This is not an xAPI endpoint. Check the address; it often ends in /xapi/."),
        "credential_refused": _("Key or secret is refused. Check both, and their rights to read statements."),
        "not_found": _("There is nothing at this address (404). Check it."),
        "request_refused": _("It refuses the request. Check address and settings."),
        "unavailable": _("It is busy or down. It is tried again, later each time."),
        "disabled": _("It is disabled, so nobody can open its courses. Enable it below."),
        "no_deployment": _("Every deployment is disabled. Enable one below."),
        "no_tool": _("It has no tool to launch. Add one."),
        "no_credential": _("It has no key to report with. Add one below."),
        "pending": _("A deployment waits for a decision; until then its launches are refused."),
        "entered": _("It is entered here."),
        "expired": _("Every key is disabled or over. Add a new one."),
        "may_not_write": _("No key of it may send statements. Add one that may."),
        "never": _("It has not reported anything yet."),
        "page": _("It shows a page before it answers. Open a course to try it."),
        "login_refused": _("It refuses the beginning of a launch. Compare client ID and addresses on both sides."),
        "auth_url": _("It sends people to another address than the hub’s. Correct it on its side."),
        "client_id": _("It uses another client ID than was given to it. Correct it on its side."),
        "request_wrong": _("Its request for a launch is refused. The reason stands below."),
        "launchable": _("It answers the beginning of a launch as it should."),
        "no_token_yet": _("It has not fetched an access token in the last hour. It does so when it sends a score."),
        "token_fetched": _("It has fetched an access token."),
        "launch_refused": _("The last launch that was refused. The reason stands below."),
        "request_answered": _("It answers a request for a launch."),
        "token_refused": _("It gives the hub no access token. Compare client ID, key set address and clocks."),
        "token_given": _("It gives the hub access tokens."),
        "no_token": _("Its answer holds no access token. Tell its administrator."),
        "reported": _("It has reported."),
        "secret_sealed": _("Its secret was sealed with another WKMB_SECRET_KEY. Start the hub with that one."),
    }  # fmt: skip


def connection_check(code: str) -> str:
    return connection_checks().get(code, code)


def connection_reason(code: str, detail: str) -> str:
    """What a check found; its own sentence where these words do not know the code."""
    return connection_reasons().get(code, detail)
