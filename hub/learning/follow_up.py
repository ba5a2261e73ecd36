"""Rules of follow-up plans (RTL): whose duty one is, and when its steps are due, for one provider or one course.

What no rule says is as the document that comes with the hub has it (`mappings/policies/follow-up.yaml`). A rule says
where it is from and how sure that is, as every number does. Whoever took part in a course that a rule touches is
recomputed, so that what is due is due by the rule at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub import journal, revisions
from hub.errors import HubError, NotFound
from hub.learning import catalogue
from hub.learning.development_tables import follow_up_rules
from hub.tables import connectors
from lrs.database import upsert
from mappings.course import Course
from mappings.dated import CONFIRMED, Source
from mappings.rtl import COURSE, DEADLINES, PROVIDER, SUBJECTS, FollowUpRule

if TYPE_CHECKING:
    from hub.runtime import Hub

LONGEST_REFERENCE = 300
#: Days or months, as in the document.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule, and since when and by whom it holds."""

    rule: FollowUpRule
    at: datetime
    by: str


def list_all(conn: sa.Connection) -> tuple[Listed, ...]:
    """Every rule, those of providers first."""
    at = follow_up_rules.c
    rows = conn.execute(sa.select(follow_up_rules).order_by(at.kind.desc(), at.subject)).mappings()
    return tuple(Listed(_rule(row), row["at"], row["by"]) for row in rows)


def _rule(row: sa.RowMapping) -> FollowUpRule:
    deadlines = {name: row[name] for name in DEADLINES if row[name] is not None}
    source = Source(row["reference"], row["confirmed"])
    return FollowUpRule(row["kind"], row["subject"], row["is_owed"], deadlines, source)


def put(conn: sa.Connection, hub: Hub, rule: FollowUpRule, *, by: str) -> None:
    """Let a rule hold from now on, in place of the one that its provider or course had."""
    _check(rule)
    touched = _touched(conn, hub, rule.kind, rule.subject)
    now = hub.clock()
    row: dict[str, Any] = {
        "kind": rule.kind,
        "subject": rule.subject,
        "is_owed": rule.is_owed,
        **{name: rule.deadlines.get(name) for name in DEADLINES},
        "reference": rule.source.reference,
        "confirmed": rule.source.confirmed,
        "at": now,
        "by": by[:128],
    }
    upsert(conn, follow_up_rules, row, update=[name for name in row if name not in ("kind", "subject")])
    _check_order(conn, hub, rule, touched)
    catalogue.wake(conn, hub, touched, now)
    said = {name: row[name] for name in ("is_owed", *DEADLINES, "reference", "confirmed") if row[name] is not None}
    _record(conn, hub, "rtl.rule.set", rule.kind, rule.subject, by=by, **said)


def remove(conn: sa.Connection, hub: Hub, kind: str, subject: str, *, by: str) -> bool:
    """Take a rule away: what it said is as the document has it again. False where there is none."""
    at = follow_up_rules.c
    if not conn.execute(sa.delete(follow_up_rules).where(at.kind == kind, at.subject == subject)).rowcount:
        return False
    catalogue.wake(conn, hub, _courses(conn, hub, kind, subject), hub.clock())
    _record(conn, hub, "rtl.rule.remove", kind, subject, by=by)
    return True


def _check(rule: FollowUpRule) -> None:
    """Refuse what cannot be a rule; the code is the name of the field."""
    if rule.kind not in SUBJECTS:
        raise HubError("subject", "A rule is about a provider or a course.")
    if rule.is_owed is None and not rule.deadlines:
        raise HubError("nothing", "The rule changes nothing.", action="Say whose duty it is, or a number.")
    for name, value in rule.deadlines.items():
        if name not in DEADLINES or not 0 <= value <= MOST:
            raise HubError(name, f"{name}: {value} is not between 0 and {MOST}.", action="Enter days or months.")
    reference = rule.source.reference
    if not reference.strip() or len(reference) > LONGEST_REFERENCE or "\x00" in reference:
        detail = f"The reference has 1 to {LONGEST_REFERENCE} characters."
        raise HubError("reference", detail, action="Name the regulation, or who decided it.")
    if rule.source.confirmed not in CONFIRMED:
        raise HubError("confirmed", f"The mark is one of {', '.join(CONFIRMED)}.")


def _check_order(conn: sa.Connection, hub: Hub, rule: FollowUpRule, touched: list[Course]) -> None:
    """Together with what it leaves as it is, and with other rules, a rule must leave time for an evaluation."""
    found = hub.policies.follow_up(conn)
    terms = [found.of(course.id, course.provider) for course in touched]
    if rule.kind == PROVIDER:
        terms.append(found.of("", rule.subject))
    wrong = next((each for each in terms if not each.is_possible), None)
    if wrong is not None:
        detail = (
            f"The evaluation would begin after {wrong.evaluate_after_months.value} months "
            f"and end after {wrong.evaluate_before_months.value}."
        )
        raise HubError("evaluate_before_months", detail, action="Correct one of them.")


def _touched(conn: sa.Connection, hub: Hub, kind: str, subject: str) -> list[Course]:
    """The courses that a rule is about; raises `NotFound` where nobody knows its subject."""
    if (
        kind == PROVIDER
        and conn.execute(sa.select(connectors.c.id).where(connectors.c.name == subject)).first() is None
    ):
        raise NotFound("provider", f"There is no connector {subject[:64]}.", action="`wkmb connector list` shows all.")
    found = _courses(conn, hub, kind, subject)
    if kind == COURSE and not found:
        action = "`wkmb course list` shows the ids."
        raise NotFound("course", f"There is no course {subject[:200]} in the catalogue.", action=action)
    return found


def _courses(conn: sa.Connection, hub: Hub, kind: str, subject: str) -> list[Course]:
    snapshot = hub.courses.current(conn)
    if kind == COURSE:
        listed = snapshot.by_iri.get(subject)
        return [listed.course] if listed else []
    return [each.course for each in snapshot.listed if each.course.provider == subject]


def _record(conn: sa.Connection, hub: Hub, action: str, kind: str, subject: str, *, by: str, **detail: Any) -> None:
    """Write down the act; processes learn of it."""
    revisions.bump(conn, revisions.FOLLOWED)
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=by, action=action, object=f"{kind}:{subject}", now=now, new_id=new_id, **detail)
