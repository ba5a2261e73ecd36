"""Sends scores on to the gradebooks of the LMSs that launched their courses.

The worker's part of `hub.lti_tool.gradebooks`.

Claim (one write), call the LMS (no transaction is open), settle (one write). A process that dies in between leaves a
lease that ends; the score is then sent again, which changes nothing at the LMS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from connectors.http import RequestFailed
from hub.errors import NotFound
from hub.lti.keys import SigningKeys
from hub.lti_tool import gradebooks, grades, platforms
from hub.lti_tool.gradebooks import Cell, Claim
from hub.lti_tool.grades import NewScore
from hub.lti_tool.platforms import Platform
from hub.lti_tool.services import Services

if TYPE_CHECKING:
    from hub.runtime import Hub

log = structlog.get_logger()

#: Two scores for one cell are so far apart at least: a Moodle compares whole seconds, and answers 409 within one.
APART = timedelta(seconds=1)

#: A platform that did not answer is left alone for so long, by this process.
REST = timedelta(seconds=30)

#: The longest that a platform is waited for because it asks for it (``Retry-After``).
LONGEST_WAIT = timedelta(days=1)

#: What an LMS means to say for good; anything else may be another thing tomorrow.
_FINAL = frozenset({400, 404, 405, 410, 413, 415, 422})

MAXIMUM = 100


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why an LMS did not take a score."""

    code: str
    why: str
    is_final: bool = False
    is_platform: bool = False
    wait: timedelta = timedelta(0)


class Passback:
    """Empties the queue, one part at a time; one object per worker, because it keeps opened keys."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._keys = SigningKeys()

    def due(self) -> Iterable[int]:
        """Parts of the queue in which something is due, for `connectors.polling.Polling`."""
        with self._hub.db.read() as conn:
            return gradebooks.due_buckets(conn, self._hub.clock())

    def run(self, bucket: int) -> int:
        """Send what is due in one part; tells how many cells were settled."""
        hub, silent, sent = self._hub, set[int](), 0
        claims = hub.db.run(lambda conn: gradebooks.claim(conn, bucket, hub.clock()))
        for claimed in claims:
            sent += self._send(claimed, silent)
        return sent

    def _send(self, claimed: Claim, silent: set[int]) -> bool:
        hub = self._hub
        with hub.db.read() as conn:
            cell = gradebooks.find(conn, claimed.learner, claimed.id)
            platform = None if cell is None else _platform(conn, cell.platform)
        if cell is None or platform is None or cell.wanted is None:
            hub.db.run(lambda conn: gradebooks.give_up(conn, claimed))
            return False
        if platform.id in silent:
            hub.db.run(lambda conn: gradebooks.postpone(conn, claimed, hub.clock() + REST))
            return False
        stamp = next_stamp(cell.stamp, hub.clock())
        outcome = self._deliver(platform, cell, stamp)
        if isinstance(outcome, _Failed):
            failed = outcome
            silent |= {platform.id} if failed.is_platform else set()
            log.info("score_not_passed_on", platform=platform.name, code=failed.code, final=failed.is_final)
            hub.db.run(
                lambda conn: gradebooks.fail(
                    conn, hub, claimed, failed.code, failed.why, stamp=stamp, is_final=failed.is_final, wait=failed.wait
                )
            )
            return False
        lineitem = outcome
        hub.db.run(lambda conn: gradebooks.settle(conn, hub, claimed, cell, stamp=stamp, lineitem=lineitem))
        log.info("score_passed_on", platform=platform.name)
        return True

    def _deliver(self, platform: Platform, cell: Cell, stamp: datetime) -> str | _Failed:
        """The line item in which the score stands now, or why it does not."""
        assert cell.wanted is not None  # noqa: S101  # the caller looked
        if platform.disabled:
            return _Failed("platform_disabled", f"{platform.name} is disabled at the hub.", is_final=True)
        wanted = cell.wanted
        score = NewScore(cell.user, stamp, wanted.given, wanted.maximum, wanted.comment)
        try:
            with Services(self._hub, self._keys, platform) as services:
                lineitem = cell.lineitem or _find_or_make(services, cell)
                grades.post_score(services, lineitem, score)
        except RequestFailed as error:
            wait = min(timedelta(seconds=error.retry_after or 0), LONGEST_WAIT)
            return _Failed(error.code, str(error), error.status in _FINAL, error.retryable, wait)
        return lineitem


def next_stamp(before: datetime | None, now: datetime) -> datetime:
    """The time that a score says: now, but later than any that went to the same cell (S11)."""
    return now if before is None else max(now, before + APART)


def _platform(conn: sa.Connection, platform_id: int) -> Platform | None:
    try:
        return platforms.get(conn, platform_id)
    except NotFound:
        return None


def _find_or_make(services: Services, cell: Cell) -> str:
    """The line item of a link that the LMS made without one."""
    if cell.lineitems is None:
        advice = "Let the link in the platform's course have a grade"
        raise RequestFailed("the launch", "it names no line item", advice, code="no_lineitem", status=404)
    resource = f"hub-course-{cell.course}"
    filters = {"resource_id": resource, "resource_link_id": cell.resource_link}
    found = next(grades.find_lineitems(services, cell.lineitems, **filters), None)
    if found is None:
        column = {
            "label": "WKMB",
            "scoreMaximum": MAXIMUM,
            "resourceId": resource,
            "resourceLinkId": cell.resource_link,
        }
        found = grades.create_lineitem(services, cell.lineitems, column)
    return grades.address_of(found, cell.lineitems)
