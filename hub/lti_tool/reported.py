"""Scores for other LMSs of providers that report by xAPI alone: what stands in a cell follows from the statements.

The worker brings the cells of a learner in line whenever she is recomputed, in the same transaction. So a statement
that comes late, twice, out of order or is voided, an identity that is linked later, and a course that is changed take
the path that her hours take. Where the provider gave an AGS score, that one stands, whatever its statements say.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub.lti import scores
from hub.lti_tool import gradebooks
from hub.lti_tool.gradebooks import Cell, Wanted
from mappings.course import MILLION, Course
from mappings.evaluate import is_done
from mappings.facts import Fact
from mappings.policy import Policy

if TYPE_CHECKING:
    from hub.jp.recognition import Observed, Surroundings
    from hub.runtime import Hub

#: What a score that is known as a part of 1 is out of, in another LMS's gradebook.
MAXIMUM = Decimal(100)

NOTHING = Wanted(None, None)


def bring_in_line(
    conn: sa.Connection, hub: Hub, cells: Sequence[Cell], observed: Sequence[Observed], around: Surroundings
) -> None:
    """Have every cell of a learner hold what it has to, and queue those in which that changes."""
    courses = hub.courses.current(conn).by_id if cells else {}
    for cell in cells:
        # What was sent of a course that has left the catalogue stays.
        if (listed := courses.get(cell.course)) is not None:
            wanted = _wanted(conn, hub, cell, listed.course, observed, around.policies)
            if not _is_same(cell.wanted, wanted):
                gradebooks.want(conn, cell, wanted, now=hub.clock(), new_id=hub.new_id)


def _wanted(
    conn: sa.Connection,
    hub: Hub,
    cell: Cell,
    course: Course,
    observed: Sequence[Observed],
    policies: Sequence[Policy],
) -> Wanted:
    if any(_is_ags_score(each, course) for each in observed):
        return scores.standing(conn, hub, cell.learner, cell.course) or NOTHING
    facts = [each.reading for each in observed if isinstance(each.reading, Fact) and each.reading.course == course.id]
    return score_of(course, facts, policies)


def _is_ags_score(each: Observed, course: Course) -> bool:
    """Whether the hub made the statement of a score that the provider posted to the course's line item."""
    spoken = each.stored.owner is None and each.stored.origin.startswith("score:")
    object_ = each.observation.statement.get("object")
    return spoken and isinstance(object_, dict) and object_.get("id") == course.id


def score_of(course: Course, facts: Sequence[Fact], policies: Sequence[Policy]) -> Wanted:
    """The score that statements about one course give: the best, as what a statement proves stays proven; without any
    score the whole of it once everything is there that the course requires."""
    given = [each.score for each in facts if each.score is not None]
    if given:
        return Wanted(max(Decimal(max(given)), Decimal(0)) * MAXIMUM / MILLION, MAXIMUM)
    if any(is_done(policy, course, facts) for policy in policies):
        return Wanted(MAXIMUM, MAXIMUM)
    return NOTHING


def _is_same(before: Wanted | None, after: Wanted) -> bool:
    """A score that was taken back is none, whatever it was out of."""
    if before is None or before.given is None:
        return after.given is None
    return before == after
