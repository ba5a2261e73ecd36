"""Link and match: what an employee needs and where she gets it; what a unit needs, for its head and who runs the
hub."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import flask
import sqlalchemy as sa
from flask_babel import gettext as _
from werkzeug.exceptions import Forbidden

from hub import journal
from hub.access import accounts
from hub.errors import NotFound
from hub.jp import reports
from hub.jp.reports import Team, Unit
from hub.learning import needs, plan
from hub.learning.catalogue import Listed, Snapshot
from hub.people import learners
from hub.runtime import Hub, current
from hub.web import development_texts, employee, files, layout, texts
from mappings.competencies import Match
from mappings.course import Problem

pages = flask.Blueprint("competencies", __name__, url_prefix="/competencies")
pages.before_request(layout.belongs_to("rtl.overdue"))

READERS = ("admin", "operator", "auditor")
WRITERS = ("admin", "operator")

UNITS, PEOPLE = 50, 50
#: Units of one supervisor's people that a page shows.
TEAM_UNITS = 20
#: Courses of one need that a page names.
MOST_COURSES = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A need with the courses that serve it, as far as a page names them."""

    match: Match
    courses: tuple[Listed, ...]
    more: int

    @property
    def name(self) -> str:
        need = self.match.need
        return f"{need.name} ({need.level})" if need.level else need.name


def lines(matches: tuple[Match, ...], snapshot: Snapshot) -> list[Line]:
    found = []
    for each in matches:
        ids = (*each.courses, *each.courses_below)
        courses = tuple(snapshot.by_iri[id] for id in ids[:MOST_COURSES] if id in snapshot.by_iri)
        found.append(Line(each, courses, max(0, len(ids) - MOST_COURSES)))
    return found


@pages.get("")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    """What the employee who is signed in needs, what she has reached, and which courses offer the rest."""
    hub, session = current(), accounts.current()
    if session is not None and session.learner is None:
        return flask.redirect(flask.url_for("competencies.units"), 303)
    year = hub.today().year
    with hub.db.read() as conn:
        learner, snapshot = employee.me(conn), hub.courses.current(conn)
        found = lines(needs.match_learner(conn, hub, learner), snapshot)
        planned = frozenset(plan.courses_of(conn, learner.id, year))
        leads = reports.has_people(conn, Team(learners.nips_of(conn, learner.id)))
    return flask.render_template(
        "competencies/index.html", lines=found, planned=planned, year=year, leads=leads, says=development_texts,
        texts=texts,
    )  # fmt: skip


@pages.get("/units")
@accounts.require(*READERS)
def units() -> flask.typing.ResponseReturnValue:
    """Every unit with needs, and what of them nobody offers."""
    hub, given = current(), flask.request.args
    after = Unit(_clean("employer"), _clean("unit")) if "unit" in given else None
    with hub.db.read() as conn:
        found = needs.list_units(conn, hub, limit=UNITS + 1, after=after)
    last = found[UNITS - 1].unit if len(found) > UNITS else None
    session = accounts.current()
    return flask.render_template(
        "competencies/units.html",
        units=found[:UNITS],
        can_import=session is not None and session.role in WRITERS,
        next_url=flask.url_for("competencies.units", employer=last.employer, unit=last.unit) if last else "",
        first_url=flask.url_for("competencies.units") if after else "",
    )


def _clean(name: str) -> str:
    return "".join(each for each in flask.request.args.get(name, "") if each >= " ")


@pages.get("/unit")
@accounts.require()
def unit() -> flask.typing.ResponseReturnValue:
    """A unit's needs, and person by person what is reached. A supervisor (``team=mine``) sees her people alone."""
    hub = current()
    after = _after()
    with hub.db.read() as conn:
        whose, units = _asked(conn)
        people = reports.people(conn, whose, limit=PEOPLE + 1, after=after)
        rows = needs.match_people(conn, hub, people[:PEOPLE])
        snapshot = hub.courses.current(conn)
        found = [(each.unit, lines(each.matches, snapshot)) for each in needs.match_units(conn, hub, units)]
    address = {"team": "mine"} if isinstance(whose, Team) else {"employer": whose.employer, "unit": whose.unit}
    last = people[PEOPLE - 1] if len(people) > PEOPLE else None
    following = flask.url_for("competencies.unit", **address, name=last.name, id=last.id) if last else ""  # type: ignore[arg-type]
    return flask.render_template(
        "competencies/unit.html",
        units=found,
        rows=rows,
        next_url=following,
        first_url=flask.url_for("competencies.unit", **address) if after else "",  # type: ignore[arg-type]
        says=development_texts,
        texts=texts,
    )


def _asked(conn: sa.Connection) -> tuple[Unit | Team, tuple[Unit, ...]]:
    """Whose people the address asks for, and the units whose needs are theirs, as far as who asks may see them."""
    session = accounts.current()
    if flask.request.args.get("team") == "mine" and session is not None and session.learner is not None:
        team = Team(learners.nips_of(conn, session.learner))
        units = reports.units_of(conn, team, limit=TEAM_UNITS)
        if not units:
            raise NotFound("no_team", _("Nobody has you as supervisor, so there is no report for you."))
        return team, units
    if session is None or session.role not in READERS:
        raise Forbidden
    whose = Unit(_clean("employer"), _clean("unit"))
    return whose, (whose,)


def _after() -> reports.After | None:
    try:
        return (_clean("name"), UUID(flask.request.args["id"]))
    except (KeyError, ValueError):
        return None


@pages.post("/import")
@accounts.require(*WRITERS)
def import_file() -> flask.typing.ResponseReturnValue:
    """Take a file of needs (`wkmb need import`): all of it, or nothing."""
    hub, back = current(), flask.url_for("competencies.units")
    upload = files.read_text(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return _problems("", (upload,), back)
    found = needs.read_needs(upload.text)
    with hub.db.read() as conn:
        people, unknown = needs.find_people(conn, found.rows)
    problems = (*found.problems, *unknown)
    if problems:
        return _problems(upload.name, problems, back)

    def work(conn: sa.Connection) -> int:
        count = needs.import_needs(conn, found.rows, people)
        _note(conn, hub, count)
        return count

    count = hub.db.run(work)
    flask.flash(_("The needs of %(count)s units and people are recorded.", count=count), "success")
    return flask.redirect(back, 303)


def _problems(name: str, problems: tuple[Problem, ...], back: str) -> flask.typing.ResponseReturnValue:
    title = name or _("File of needs")
    return flask.render_template("admin/problems.html", title=title, problems=problems, back=back), 422


def _note(conn: sa.Connection, hub: Hub, count: int) -> None:
    session = accounts.current()
    journal.record(
        conn, who=session.username if session else "", action="need.import", object=f"{count} rows", now=hub.clock(),
        new_id=hub.new_id,
    )  # fmt: skip
