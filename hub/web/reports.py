"""Reports: a unit's year for its head, and what another policy would change.

Who runs the hub, or audits it, sees every unit. An employee who is somebody's supervisor sees those people alone, and
nothing of others. Taking a file is written into the journal: it carries personal data out of the hub.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from hub.people import learners
from hub.runtime import Hub, current
from hub.web import employee, sheets, texts
from hub.web.layout import language
from hub.web.sheets import Sheet, Value

pages = flask.Blueprint("reports", __name__, url_prefix="/reports")

#: Who sees every unit.
ROLES = ("admin", "operator", "auditor")

UNITS, PEOPLE = 50, 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose year a page is about. ``arguments`` are those of its address."""

    whose: Unit | Team
    year: int
    title: str
    arguments: dict[str, str]


# Units -------------------------------------------------------------------------------------------------


@pages.get("")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    """Every unit, for who sees all of them; a supervisor goes on to her people."""
    if not _sees_all():
        return flask.redirect(flask.url_for("reports.people", team="mine"), 303)
    after = _after_unit()
    with current().db.read() as conn:
        units = reports.list_units(conn, limit=UNITS + 1, after=after)
        has_team = _has_team(conn)
    last = units[UNITS - 1] if len(units) > UNITS else None
    following = flask.url_for("reports.index", employer=last.employer, unit=last.unit) if last else ""
    first = flask.url_for("reports.index") if after else ""
    return flask.render_template(
        "reports/index.html", units=units[:UNITS], next_url=following, first_url=first, has_team=has_team
    )


def _after_unit() -> Unit | None:
    return Unit(_given("employer"), _given("unit")) if "employer" in flask.request.args else None


def _given(name: str) -> str:
    """An argument of the address, without the control characters that no name has and a database may refuse."""
    return "".join(each for each in flask.request.args.get(name, "") if each >= " ")


def _sees_all() -> bool:
    session = accounts.current()
    return session is not None and session.role in ROLES


def _has_team(conn: sa.Connection) -> bool:
    session = accounts.current()
    if session is None or session.learner is None:
        return False
    return reports.has_people(conn, Team(learners.nips_of(conn, session.learner)))


# People ------------------------------------------------------------------------------------------------


@pages.get("/people")
@accounts.require()
def people() -> flask.typing.ResponseReturnValue:
    """The people of a unit, or of a supervisor, and how far each has come."""
    hub = current()
    with hub.db.read() as conn:
        asked = _asked(conn, hub)
        found = reports.people(conn, asked.whose, limit=PEOPLE + 1, after=_after_person())
        rows = reports.years(conn, hub, found[:PEOPLE], asked.year)
    last = found[PEOPLE - 1] if len(found) > PEOPLE else None
    address = {**asked.arguments, "year": str(asked.year)}
    following = flask.url_for("reports.people", **address, name=last.name, id=str(last.id)) if last else ""  # type: ignore[arg-type]
    first = flask.url_for("reports.people", **address) if "id" in flask.request.args else ""  # type: ignore[arg-type]
    return flask.render_template(
        "reports/people.html",
        asked=asked,
        address=address,
        rows=rows,
        years=_years(hub, asked.year),
        next_url=following,
        first_url=first,
        sees_all=_sees_all(),
    )


def _asked(conn: sa.Connection, hub: Hub) -> Asked:
    """Whose year the address asks for, as far as the person may see it."""
    given, year = flask.request.args, employee.asked_year(hub)
    if "unit" in given and _sees_all():
        whose = Unit(_given("employer"), _given("unit"))
        title = ", ".join(filter(None, (whose.unit, whose.employer))) or _("Without a unit")
        return _existing(conn, Asked(whose, year, title, {"employer": whose.employer, "unit": whose.unit}))
    session = accounts.current()
    if "unit" in given or session is None or session.learner is None:
        raise Forbidden
    team = Team(learners.nips_of(conn, session.learner))
    return _existing(conn, Asked(team, year, _("My people"), {"team": "mine"}))


def _existing(conn: sa.Connection, asked: Asked) -> Asked:
    if reports.has_people(conn, asked.whose):
        return asked
    if isinstance(asked.whose, Team):
        detail = _("Nobody has you as supervisor, so there is no report for you.")
        raise NotFound("no_team", detail, action=_("Ask an administrator if that is wrong."))
    raise NotFound("no_such_unit", _("There is nobody in this unit."))


def _after_person() -> reports.After | None:
    given = flask.request.args
    try:
        return (_given("name"), UUID(given["id"])) if "id" in given else None
    except ValueError:
        return None


def _years(hub: Hub, year: int) -> list[int]:
    """The years to choose from, the newest first."""
    this = hub.today().year
    return sorted({this, this - 1, this - 2, year}, reverse=True)


# Files -------------------------------------------------------------------------------------------------


@pages.get("/<any(people, hours):what>.csv")
@accounts.require()
def csv_file(what: str) -> flask.typing.ResponseReturnValue:
    hub = current()
    asked = _taken(hub, f"{what}.csv")
    sheet = _people_sheet(hub, asked) if what == "people" else _hours_sheet(hub, asked)
    return sheets.send_csv(f"jp-{asked.year}-{what}.csv", sheet)


@pages.get("/year.xlsx")
@accounts.require()
def xlsx_file() -> flask.typing.ResponseReturnValue:
    hub = current()
    asked = _taken(hub, "xlsx")
    both = _people_sheet(hub, asked), _hours_sheet(hub, asked)
    return sheets.send_xlsx(f"jp-{asked.year}.xlsx", *both, at=hub.clock())


def _taken(hub: Hub, form: str) -> Asked:
    """What is asked for, once it is written down who takes it."""
    session = accounts.current()
    who = session.username if session else ""
    with hub.db.write() as conn:
        asked = _asked(conn, hub)
        name = f"unit:{asked.title}" if isinstance(asked.whose, Unit) else f"team:{who}"
        now, new_id = hub.clock(), hub.new_id
        journal.record(
            conn, who=who, action="report.take", object=name, now=now, new_id=new_id, year=asked.year, form=form
        )  # fmt: skip
    return asked


def _people_sheet(hub: Hub, asked: Asked) -> Sheet:
    header = ["NIP", _("Name"), _("Status"), _("Unit"), _("Year"), _("Target (JP)"), _("Planned (JP)"),
              _("Recognized (JP)"), _("Still lacking (JP)"), _("Reached")]  # fmt: skip
    return Sheet(_("People"), header, _people_rows(hub, asked), (20, 32, 8, 32, 6, 11, 12, 15, 17, 9))


def _people_rows(hub: Hub, asked: Asked) -> Iterator[list[Value]]:
    yes, no = _("yes"), _("no")
    for found in reports.pages(hub, asked.whose):
        with hub.db.read() as conn:
            years = reports.years(conn, hub, found, asked.year)
        for each in years:
            who = each.learner
            amounts = (each.target_centi, each.planned_centi, each.recognized_centi)
            lacking = None if each.target_centi is None else each.lacking_centi
            yield [
                who.nip, who.name, who.status, who.unit, asked.year, *map(sheets.jp, amounts), sheets.jp(lacking),
                "" if each.target_centi is None else yes if each.has_reached else no,
            ]  # fmt: skip


def _hours_sheet(hub: Hub, asked: Asked) -> Sheet:
    header = ["NIP", _("Name"), _("Date"), _("Course"), _("Form of learning"), "JP", _("Entry")]
    return Sheet(_("Hours"), header, _hours_rows(hub, asked), (20, 32, 12, 50, 36, 8, 38))


def _hours_rows(hub: Hub, asked: Asked) -> Iterator[list[Value]]:
    with hub.db.read() as conn:
        titles, policy = reports.titles(conn, hub, language()), hub.policies.active(conn, asked.year)
    for found in reports.pages(hub, asked.whose):
        with hub.db.read() as conn:
            hours = reports.hours(conn, hub, found, asked.year)
        for each in hours:
            who, title = each.learner, titles.get(each.course, each.course)
            form = texts.form_name(policy, each.form)
            yield [who.nip, who.name, each.on, title, form, sheets.jp(each.centi_jp), each.entry]
