"""The employee's pages: her year, her plan, her transcript, and why an hour counts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import flask
import orjson
import sqlalchemy as sa
from flask_babel import gettext as _
from markupsafe import Markup

from hub.access import accounts
from hub.errors import NotFound, Refused
from hub.jp import ledger
from hub.jp.ledger import Entry, Year
from hub.learning import plan, undertakings
from hub.learning.catalogue import Snapshot
from hub.people import learners
from hub.people.learners import Learner
from hub.rows import Number
from hub.runtime import Hub, current
from hub.systems import institutions
from hub.web import development_texts, files, overview, starting, texts, waiting, words
from hub.web import session as session_pages
from lrs import query
from mappings.policy import Policy
from mappings.rules import jp_text

pages = flask.Blueprint("employee", __name__)

#: Years that a page can be about; PP 11/2017 is older than every policy.
FIRST_YEAR = 2017

#: Lines of the home page about what waits; the page of follow-up has all.
WAITING = 5


@dataclass(frozen=True, slots=True)
class Mine:
    """Everything that the pages about one employee's year are made of."""

    learner: Learner
    year: Year
    courses: Snapshot
    plan: tuple[overview.Planned, ...]

    @property
    def progress(self) -> overview.Progress:
        return overview.progress(self.year, self.plan)


def me(conn: sa.Connection) -> Learner:
    """The employee who is signed in. Others have no hours: `Refused`."""
    session = accounts.current()
    learner = None if session is None or session.learner is None else learners.find(conn, session.learner)
    if learner is None:
        detail = _("Your account belongs to no employee, so it has no plan and no hours.")
        raise Refused("no_learner", detail, action=_("Sign in with your own account to see them."))
    return learner


def read_mine(conn: sa.Connection, hub: Hub, year: int) -> Mine:
    """The year of whoever is signed in."""
    learner, courses = me(conn), hub.courses.current(conn)
    found = ledger.year_of(conn, hub, learner, year)
    on = plan.day_in(year, hub.today())
    started = plan.started_courses(conn, learner.id)
    ids = plan.courses_of(conn, learner.id, year)
    return Mine(learner, found, courses, overview.planned(ids, courses, found, started, on))


def asked_year(hub: Hub) -> int:
    """The year that the address asks for, else this one."""
    text = flask.request.values.get("year", "")
    if not text:
        return hub.today().year
    if text.isascii() and text.isdigit() and FIRST_YEAR <= int(text) <= hub.today().year + 1:
        return int(text)
    raise NotFound("no_such_year", _("There is nothing about the year “%(year)s”.", year=text[:20]))


# Home --------------------------------------------------------------------------------------------------------


@pages.get("/")
@accounts.require()
def home() -> flask.typing.ResponseReturnValue:
    session = accounts.current()
    if session is not None and session.learner is None:
        return flask.redirect(session_pages.begin(session), 303)
    live, version = _live()
    return flask.render_template("employee/home.html", live=Markup(live), version=f'"{version}"')  # noqa: S704


@pages.get("/live")
@accounts.require()
def live() -> flask.typing.ResponseReturnValue:
    """The part of the home page that changes when something was recognized; its script asks for it again."""
    part, version = _live()
    response = flask.make_response(part)
    response.set_etag(version)
    return response.make_conditional(flask.request)


def _live() -> tuple[str, str]:
    hub = current()
    with hub.db.read() as conn:
        mine = read_mine(conn, hub, hub.today().year)
        starts = starting.startable(conn, [planned.listed for planned in mine.plan])
        waits = waiting.of_person(conn, hub, mine.learner, mine.courses, limit=WAITING)
        plans = {course: found.state for course, found in undertakings.plans(conn, mine.learner.id).items()}
    hours = overview.hours(mine.year.entries, mine.courses)
    part = flask.render_template(
        "employee/live.html",
        mine=mine,
        progress=mine.progress,
        hours=[hour for hour in hours if hour.is_live],
        taken_back=overview.taken_back(hours),
        todos=overview.todos(mine.year.pending, mine.courses, plans),
        starts=starts,
        origins=starting.origins(),
        waits=waits,
        texts=texts,
        says=development_texts,
    )
    return part, sha256(part.encode()).hexdigest()[:20]


# Plan --------------------------------------------------------------------------------------------------------


@pages.get("/plan", endpoint="plan")
@accounts.require()
def show_plan() -> flask.typing.ResponseReturnValue:
    hub = current()
    year = asked_year(hub)
    with hub.db.read() as conn:
        mine = read_mine(conn, hub, year)
        starts = starting.startable(conn, [planned.listed for planned in mine.plan])
    removed = mine.courses.by_id.get(flask.request.args.get("removed", 0, int))
    return flask.render_template(
        "employee/plan.html",
        mine=mine,
        progress=mine.progress,
        removed=removed,
        years=_years(hub, year),
        starts=starts,
        texts=texts,
    )


@pages.post("/courses/<int:course_id>/plan")
@accounts.require()
def change_plan(course_id: int) -> flask.typing.ResponseReturnValue:
    """Put a course into the plan, or take it out (``do=remove``); then back to where the button was."""
    hub = current()
    year, is_removal = asked_year(hub), flask.request.form.get("do") == "remove"
    with hub.db.write() as conn:
        learner = me(conn)
        listed = hub.courses.current(conn).by_id.get(course_id)
        if listed is None:
            raise NotFound("no_such_course", _("This course is not in the catalogue."))
        title = texts.course_title(listed.course)
        if is_removal:
            plan.remove(conn, learner.id, year, course_id, hub.clock())
        elif plan.add(conn, learner.id, year, course_id, hub.clock()):
            flask.flash(_("“%(title)s” is in your plan of %(year)s.", title=title, year=str(year)), "success")
        else:
            flask.flash(
                _("A plan holds at most %(most)s courses. Take one out first.", most=plan.MOST_COURSES), "warning"
            )
    removed: dict[str, Any] = {"removed": course_id} if is_removal else {}
    if flask.request.form.get("back") == "plan":
        return flask.redirect(flask.url_for("employee.plan", year=year, **removed), 303)
    return flask.redirect(flask.url_for("catalogue.course", course_id=course_id, **removed), 303)


# Transcript --------------------------------------------------------------------------------------------------


@pages.get("/transcript")
@accounts.require()
def transcript() -> flask.typing.ResponseReturnValue:
    hub = current()
    year = asked_year(hub)
    with hub.db.read() as conn:
        mine = read_mine(conn, hub, year)
    hours = sorted(overview.hours(mine.year.entries, mine.courses), key=lambda hour: hour.entry.position)
    return flask.render_template(
        "employee/transcript.html", mine=mine, hours=hours, years=_years(hub, year), texts=texts
    )


@pages.get("/transcript.csv")
@accounts.require()
def transcript_file() -> flask.typing.ResponseReturnValue:
    hub = current()
    year = asked_year(hub)
    with hub.db.read() as conn:
        mine = read_mine(conn, hub, year)
    hours = sorted(overview.hours(mine.year.entries, mine.courses), key=lambda hour: hour.entry.position)
    header = [_("Date"), _("Course"), _("Form of learning"), "JP", _("Note"), _("Policy"), _("Entry")]
    rows = [_row(hour, mine.year.policy) for hour in hours]
    response = files.download(f"jp-{mine.learner.nip}-{year}.csv", files.report(header, rows))
    response.headers["Cache-Control"] = "no-store"
    return response


def _row(hour: overview.Hour, policy: Policy) -> list[object]:
    entry = hour.entry
    name = texts.form_name(policy, entry.form)
    return [entry.on, hour.title, name, Number(jp_text(entry.centi_jp)), _note(entry), entry.policy, entry.id]


def _note(entry: Entry) -> str:
    if entry.reverses is not None:
        return texts.cause(entry.cause)
    return _("reversed later") if entry.is_reversed else ""


def _years(hub: Hub, year: int) -> list[int]:
    """The years to choose from, the newest first."""
    this = hub.today().year
    return sorted({this + 1, this, this - 1, this - 2, year}, reverse=True)


# Why an hour counts ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """A statement that an hour rests on, as far as it concerns the employee."""

    id: str
    verb: str
    at: str
    source: str


@pages.get("/entries/<entry_id>")
@accounts.require()
def entry(entry_id: str) -> flask.typing.ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        learner = me(conn)
        found = ledger.get(conn, entry_id)
        # Somebody else's entry and none at all look alike: its address must not tell whether it exists.
        if found is None or found.learner != learner.id:
            raise NotFound("no_such_entry", _("There is no such entry among your hours."))
        courses = hub.courses.current(conn)
        policy = hub.policies.named(conn, found.policy)
        reversal = ledger.find_reversal(conn, found) if found.is_reversed else None
        original = ledger.get(conn, found.reverses) if found.reverses else None
        systems = institutions.by_number(conn)
        titles = institutions.by_name(conn)
        proofs = [_proof(conn, UUID(each), systems) for each in found.evidence]
    return flask.render_template(
        "employee/entry.html",
        hour=overview.Hour(found, courses.by_iri.get(found.course)),
        policy=policy,
        reversal=reversal,
        original=original,
        titles=titles,
        proofs=[proof for proof in proofs if proof],
        texts=texts,
    )


def _proof(conn: sa.Connection, statement: UUID, connectors: dict[int, str]) -> Proof | None:
    stored = query.get(conn, statement)
    if stored is None:
        return None
    document = orjson.loads(stored.payload)
    verb = document["verb"]
    display = verb.get("display") or {}
    name = display.get("en") or display.get("en-US") or next(iter(display.values()), "")
    origin = texts.source(stored.origin, connectors.get(stored.owner) if stored.owner is not None else None)
    return Proof(str(stored.id), words.verb(verb["id"], name), document["timestamp"], origin)
