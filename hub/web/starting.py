"""Where a course is shown, it can be started: which ones, and where the page's forms may then be redirected."""

from __future__ import annotations

from collections.abc import Iterable

import flask
import sqlalchemy as sa

from hub import headers
from hub.access import accounts
from hub.learning.catalogue import Listed
from hub.lti import launches
from hub.systems import registry


def startable(conn: sa.Connection, listed: Iterable[Listed]) -> frozenset[int]:
    """The ids of those courses that a connected system launches, where an employee asks.

    A browser lets a form be redirected only to where the page's policy says: this page's then names their systems.
    """
    session = accounts.current()
    if session is None or session.learner is None:
        return frozenset()
    wanted = [each for each in listed if each.course.launch_url]
    launchers = registry.launchers(conn) if wanted else {}
    found = [each for each in wanted if each.course.provider in launchers or launches.is_plain(each.course)]
    for course in (each.course for each in found):
        is_plain = launches.is_plain(course)
        headers.allow_form_action(course.launch_url if is_plain else launchers[course.provider].login_url)
    return frozenset(each.id for each in found)


def origins() -> str:
    """The systems that this page's forms may go to, for a page that replaces a part of itself."""
    return " ".join(sorted(flask.g.get("form_actions", ())))
