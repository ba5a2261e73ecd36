"""What another policy would change: which numbers of the document differ, and who gains or loses hours, by which step.

Nothing is written: each learner's statements are evaluated under both documents (`hub.jp.recognition.compare_page`). A
page is some learners; whoever loses nothing takes no line. Files go through everybody, a page at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import flask
import sqlalchemy as sa
from flask_babel import gettext as _

from hub import journal
from hub.access import accounts
from hub.errors import HubError, NotFound
from hub.jp import policies, recognition, reports
from hub.people import learners
from hub.people.learners import Learner
from hub.runtime import Hub, current
from hub.web import sheets, words
from hub.web.layout import language
from hub.web.sheets import Sheet, Value
from hub.web.sources import source
from mappings import compare
from mappings.compare import Difference
from mappings.policy import Policy

pages = flask.Blueprint("comparison", __name__, url_prefix="/reports/policies")

guard = accounts.require("admin", "operator", "auditor")

#: Learners of a page, and those that a workbook goes through: beyond them it takes too long for one request.
LEARNERS, MOST_LEARNERS = 100, 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody's hour that differs; ``learner`` is None where she is not there any more."""

    learner: Learner | None
    found: Difference


@pages.get("")
@guard
def index() -> flask.typing.ResponseReturnValue:
    """Two policies side by side, and some learners with what they gain or lose."""
    hub = current()
    with hub.db.read() as conn:
        old, new = _asked(conn, hub)
        listed = [each.policy.name for each in hub.policies.list_all(conn)]
        page = recognition.compare_page(conn, hub, old, new, limit=LEARNERS, after=_after())
        rows = _with_people(conn, page.rows)
        titles = reports.titles(conn, hub, language())
    address = {"old": old.name, "new": new.name}
    following = flask.url_for("comparison.index", **address, after=page.next_after) if page.next_after else ""  # type: ignore[arg-type]
    first = flask.url_for("comparison.index", **address) if _after() else ""  # type: ignore[arg-type]
    return flask.render_template(
        "reports/policies.html",
        old=old,
        new=new,
        listed=listed,
        address=address,
        changes=compare.changes(old, new),
        rows=rows,
        titles=titles,
        looked_at=page.learners,
        gained=sum(row.found.centi_jp for row in rows if row.found.centi_jp > 0),
        lost=sum(row.found.centi_jp for row in rows if row.found.centi_jp < 0),
        because=because,
        next_url=following,
        first_url=first,
    )


def _asked(conn: sa.Connection, hub: Hub) -> tuple[Policy, Policy]:
    """The two policies of the address; where it names none, the one that is official this year, twice."""
    official = hub.policies.active(conn, hub.today().year).name
    try:
        names = [flask.request.args.get(name) or official for name in ("old", "new")]
        old, new = (hub.policies.named(conn, name.replace("\x00", "")) for name in names)
    except policies.PolicyUnknown as error:
        raise NotFound("no_such_policy", _("There is no policy “%(name)s”.", name=error.name[:64])) from error
    return old, new


def _after() -> UUID | None:
    try:
        return UUID(flask.request.args["after"]) if "after" in flask.request.args else None
    except ValueError:
        return None


def _with_people(conn: sa.Connection, rows: tuple[tuple[UUID, Difference], ...]) -> list[Row]:
    people = learners.find_many(conn, {learner for learner, _found in rows})
    return [Row(people.get(learner), found) for learner, found in rows]


def because(found: Difference) -> str:
    """Why an hour differs: the steps that read otherwise, or what one of the two policies asks for in addition."""
    steps, proofs = words.checks(), words.proofs()
    return "; ".join(steps.get(code) or proofs.get(code) or words.waiting(code, {}) for code in found.because)


# Files -------------------------------------------------------------------------------------------------


@pages.get("/difference.csv")
@guard
def csv_file() -> flask.typing.ResponseReturnValue:
    hub = current()
    old, new = _taken(hub, "csv")
    return sheets.send_csv(f"{old.name}-{new.name}.csv", _sheet(hub, old, new, most=None))


@pages.get("/difference.xlsx")
@guard
def xlsx_file() -> flask.typing.ResponseReturnValue:
    """Who gains and loses, and which values differ."""
    hub = current()
    old, new = _taken(hub, "xlsx")
    values = ([each.path, each.old, each.new, _source(each)] for each in compare.changes(old, new))
    header = [_("Value"), old.name, new.name, _("Source")]
    changes = Sheet(_("Values"), header, values, (50, 24, 24, 60))
    people = _sheet(hub, old, new, most=MOST_LEARNERS)
    return sheets.send_xlsx(f"{old.name}-{new.name}.xlsx", people, changes, at=hub.clock())


def _source(change: compare.Change) -> str:
    return source(change.source.reference) if change.source else ""


def _taken(hub: Hub, form: str) -> tuple[Policy, Policy]:
    """The two policies, once it is written down who takes what people would gain or lose."""
    session = accounts.current()
    with hub.db.write() as conn:
        old, new = _asked(conn, hub)
        who = session.username if session else ""
        name, now, new_id = f"policies:{old.name} {new.name}", hub.clock(), hub.new_id
        journal.record(conn, who=who, action="report.take", object=name, now=now, new_id=new_id, form=form)
    return old, new


def _sheet(hub: Hub, old: Policy, new: Policy, *, most: int | None) -> Sheet:
    header = ["NIP", _("Name"), _("Unit"), _("Year"), _("Course"), _("Period"), f"{old.name} (JP)", f"{new.name} (JP)",
              _("Difference (JP)"), _("Because")]  # fmt: skip
    return Sheet(_("People"), header, _rows(hub, old, new, most), (20, 32, 32, 6, 50, 12, 18, 18, 15, 60))


def _rows(hub: Hub, old: Policy, new: Policy, most: int | None) -> Iterator[list[Value]]:
    with hub.db.read() as conn:
        titles = reports.titles(conn, hub, language())
    after, seen = None, 0
    while True:
        with hub.db.read() as conn:
            page = recognition.compare_page(conn, hub, old, new, limit=LEARNERS, after=after)
            rows = _with_people(conn, page.rows)
        seen += page.learners
        if most is not None and seen > most:
            detail = _("There are more than %(most)s people, too many for a workbook.", most=most)
            raise HubError("too_many_people", detail, action=_("Take the file as CSV."), status=413)
        for row in rows:
            who, found = row.learner, row.found
            yield [
                who.nip if who else "", who.name if who else "", who.unit if who else "", found.year,
                titles.get(found.course, found.course), found.period, sheets.jp(found.old_centi_jp),
                sheets.jp(found.new_centi_jp), sheets.jp(found.centi_jp), because(found),
            ]  # fmt: skip
        after = page.next_after
        if after is None:
            return
