"""The administrator's pages of the LMSs that launch the hub: connecting them, letting them in, and their gradebooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import flask
import orjson
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.errors import HubError, NotFound
from hub.lti_tool import gradebooks, members, platforms, registering
from hub.lti_tool.gradebooks import Cell
from hub.lti_tool.platforms import NewPlatform, Platform
from hub.people import learners
from hub.runtime import Hub, current
from hub.systems import registry
from hub.web import admin_forms, layout
from hub.web.admin import by, guard
from hub.web.admin_forms import Reading

pages = flask.Blueprint("platforms", __name__, url_prefix="/admin")

#: Rows of a page.
LIMIT = 50

HAND, ASK, INVITE = "hand", "ask", "invite"


# Connecting ------------------------------------------------------------------------------------------------------


@pages.get("/add/platform")
@guard
def add() -> ResponseReturnValue:
    """Three ways: the LMS's registration address, an invitation for it, or everything by hand."""
    return _add_form(Reading({"how": ASK}))


@pages.post("/add/platform")
@guard
def create() -> ResponseReturnValue:
    form = Reading(flask.request.form)
    how = form.choice("how", (ASK, INVITE, HAND))
    name, internal, title = form.name(), form.ticked("internal"), form.text("title")
    wanted = _read_by_hand(form, name, internal=internal) if how == HAND else None
    url = form.required("url") if how == ASK else ""
    if form.problems:
        return _add_form(form)
    hub = current()
    try:
        if how == INVITE:
            address = registering.invite(hub, registering.Invitation(name, internal, title), by=by())
            return flask.render_template(
                "admin/invited_platform.html", shown=title or name, address=address, days=registering.LIFE.days
            )
        if wanted is not None:
            made = hub.db.run(lambda conn: _add(conn, hub, wanted, title))
        else:
            start = registering.read_start(url)
            made = registering.register(hub, name, start, by=by(), internal=internal, title=title)
    except HubError as refusal:
        _show(form, refusal, how)
        return _add_form(form)
    flask.flash(_("%(name)s is connected. Test the connection.", name=made.name), "success")
    return flask.redirect(flask.url_for("admin.system", name=made.name), 303)


def _add(conn: sa.Connection, hub: Hub, wanted: NewPlatform, title: str) -> Platform:
    made = platforms.add(conn, hub, wanted, by=by())
    if title:
        registry.set_title(conn, hub, registry.get_connector(conn, made.connector), title, by=by())
    return made


def _read_by_hand(form: Reading, name: str, *, internal: bool) -> NewPlatform:
    deployments = form.lines("deployments")
    if not deployments:
        form.refuse("deployments", _("Enter at least one deployment ID, one on each line."))
    return NewPlatform(
        name=name,
        issuer=form.address("issuer") or "",
        client_id=form.required("client_id"),
        auth_url=form.address("auth_url") or "",
        token_url=form.address("token_url") or "",
        jwks_url=form.address("jwks_url") or "",
        deployments=deployments,
        token_audience=form.text("token_audience") or None,
        internal=internal,
    )


def _show(form: Reading, refusal: HubError, how: str) -> None:
    """What was refused, beside the field that it is about."""
    said = admin_forms.registration_problems()
    own = {"name_taken": "name", "name": "name", "title": "title"}
    field = own.get(refusal.code, "url" if how == ASK else "form")
    form.refuse(field, said.get(refusal.code, str(refusal)))


def _add_form(form: Reading) -> ResponseReturnValue:
    page = flask.render_template("admin/add_platform.html", form=form)
    return page, 422 if form.problems else 200


# Letting in ------------------------------------------------------------------------------------------------------


@pages.post("/systems/<name>/platforms/<platform>/<switch>")
@guard
def switch(name: str, platform: str, switch: str) -> ResponseReturnValue:
    hub, disabled = current(), _is_off(switch)

    def work(conn: sa.Connection) -> None:
        platforms.set_disabled(conn, hub, _platform(conn, name, platform), disabled=disabled, by=by())

    hub.db.run(work)
    told = _("%(name)s may not launch the hub any more.") if disabled else _("%(name)s may launch the hub.")
    flask.flash(told % {"name": platform}, "success")
    return _back(name)


@pages.post("/systems/<name>/platforms/<platform>/deployments/<int:number>/<switch>")
@guard
def switch_deployment(name: str, platform: str, number: int, switch: str) -> ResponseReturnValue:
    hub, disabled = current(), _is_off(switch)

    def work(conn: sa.Connection) -> str:
        found = _platform(conn, name, platform)
        deployed = {each.id: each.deployment_id for each in platforms.deployments_of(conn, found.id)}
        if number not in deployed:
            raise NotFound("unknown_deployment", _("This LMS has no such deployment."))
        change = platforms.disable_deployment if disabled else platforms.add_deployment
        change(conn, hub, found, deployed[number], by=by())
        return deployed[number]

    told = _("%(name)s may not launch the hub any more.") if disabled else _("%(name)s may launch the hub.")
    flask.flash(told % {"name": hub.db.run(work)}, "success")
    return _back(name)


@pages.post("/systems/<name>/platforms/<platform>/roster")
@guard
def roster(name: str, platform: str) -> ResponseReturnValue:
    """Have the platform's membership lists read: that may take minutes, so the worker does it."""
    hub = current()
    if hub.db.run(lambda conn: members.ask(conn, hub, _platform(conn, name, platform), by=by())):
        flask.flash(_("The membership lists are read now. Reload this page to see who was linked."), "success")
    else:
        flask.flash(_("No launch has named a membership list yet."), "info")
    return _back(name)


def _is_off(switch: str) -> bool:
    if switch not in ("disable", "enable"):
        raise NotFound("not_found", "")
    return switch == "disable"


def _platform(conn: sa.Connection, name: str, platform: str) -> Platform:
    found, connector = platforms.find(conn, platform), registry.find_connector(conn, name)
    if found is None or connector is None or found.connector != connector.id:
        raise NotFound("unknown_platform", _("This system has no such LMS."))
    return found


def _back(name: str) -> ResponseReturnValue:
    return flask.redirect(flask.url_for("admin.system", name=name, _anchor="platforms"), 303)


# Gradebooks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the LMS's gradebook, with the words that people have for who and what it is about."""

    cell: Cell
    person: str
    course: str
    next_at: datetime | None
    attempts: int


@pages.get("/systems/<name>/platforms/<platform>/scores")
@guard
def scores(name: str, platform: str) -> ResponseReturnValue:
    """Scores passed on to the LMS: what failed and why first."""
    hub, asked = current(), flask.request.args
    with hub.db.read() as conn:
        found = _platform(conn, name, platform)
        state = asked.get("state", "")
        if state not in gradebooks.STATES:
            state = _first_state(conn, found)
        cells = gradebooks.of_platform(conn, found.id, state, limit=LIMIT + 1, before=_read_mark(asked.get("before")))
        rows = _rows(conn, hub, cells[:LIMIT])
    return flask.render_template(
        "admin/scores.html",
        name=name,
        platform=found,
        rows=rows,
        state=state,
        states=states(),
        next_mark=_mark(cells[LIMIT - 1]) if len(cells) > LIMIT else None,
        is_first="before" not in asked,
    )


def states() -> Mapping[str, str]:
    """The states of a score that is passed on, in the order in which they need somebody."""
    return {
        gradebooks.FAILED: _("Failed"),
        gradebooks.WAITING: _("On its way"),
        gradebooks.SENT: _("Arrived"),
        gradebooks.IDLE: _("No score yet"),
    }


@pages.post("/systems/<name>/platforms/<platform>/scores/retry")
@guard
def retry(name: str, platform: str) -> ResponseReturnValue:
    """Send one again, or every one of a page that failed."""
    hub, given = current(), flask.request.form

    def work(conn: sa.Connection) -> int:
        found = _platform(conn, name, platform)
        if "cell" in given:
            one = gradebooks.find(conn, _uuid(given.get("learner", "")), _uuid(given["cell"]))
            cells = [one] if one is not None and one.platform == found.id else []
        else:
            cells = list(gradebooks.of_platform(conn, found.id, gradebooks.FAILED, limit=LIMIT))
        for cell in cells:
            gradebooks.retry(conn, hub, cell)
        return len(cells)

    if hub.db.run(work):
        flask.flash(_("It is sent again in a moment. Reload this page to see what came of it."), "success")
    back = flask.url_for("platforms.scores", name=name, platform=platform, state=gradebooks.WAITING)
    return flask.redirect(back, 303)


def _first_state(conn: sa.Connection, platform: Platform) -> str:
    found = (each for each in gradebooks.STATES if gradebooks.of_platform(conn, platform.id, each, limit=1))
    return next(found, gradebooks.SENT)


def _rows(conn: sa.Connection, hub: Hub, cells: tuple[Cell, ...]) -> list[Row]:
    people = learners.find_many(conn, {each.learner for each in cells})
    courses = hub.courses.current(conn).by_id
    waiting = gradebooks.queued(conn, cells)
    language = layout.language()
    return [
        Row(
            cell=each,
            person=people[each.learner].name if each.learner in people else str(each.learner),
            course=courses[each.course].course.title(language) if each.course in courses else str(each.course),
            next_at=waiting[each.id][0] if each.id in waiting else None,
            attempts=waiting[each.id][1] if each.id in waiting else 0,
        )
        for each in cells
    ]


def _mark(cell: Cell) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(orjson.dumps([cell.changed_at.isoformat(), str(cell.id)])).decode()


def _read_mark(text: str | None) -> tuple[datetime, UUID] | None:
    if not text:
        return None
    try:
        at, cell_id = orjson.loads(base64.urlsafe_b64decode(text))
        found = datetime.fromisoformat(at), UUID(cell_id)
    except (ValueError, TypeError, AttributeError):
        found = None
    return None if found is None or found[0].tzinfo is None else found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("not_found", _("There is no such score.")) from None
