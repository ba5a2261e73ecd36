"""The administrator's pages of one deployment, and of the courses that were picked at a provider and wait as drafts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from hub import headers
from hub.access import accounts
from hub.errors import HubError, NotFound
from hub.learning.catalogue import Listed
from hub.lti import drafts, launches, pickings
from hub.lti.drafts import Draft
from hub.runtime import Hub, current
from hub.systems import registry
from hub.systems.registry import Connector, Deployment, Tool
from hub.web import layout, texts, words
from hub.web.admin import LIMIT, guard
from mappings.course import REPEATS, Problem
from mappings.policy import PROOFS, SCOPES, Policy

#: Drafts that the page of a deployment shows; the others are on a page of their own.
FIRST = 10

pages = flask.Blueprint("picking", __name__, url_prefix="/admin")


@dataclass(frozen=True, slots=True)
class Place:
    """One tenant, its tool and its system."""

    connector: Connector
    tool: Tool
    deployment: Deployment

    @property
    def url(self) -> str:
        return flask.url_for(
            "picking.deployment", name=self.connector.name, tool=self.tool.name, number=self.deployment.id
        )


def _session() -> accounts.Session:
    """Who asks; `guard` let nobody else in."""
    session = accounts.current()
    assert session is not None  # noqa: S101
    return session


# One deployment ----------------------------------------------------------------------------------------------


@pages.get("/systems/<name>/tools/<tool>/deployments/<int:number>")
@guard
def deployment(name: str, tool: str, number: int) -> ResponseReturnValue:
    """What one tenant may be told, which courses it gives, and which wait."""
    hub = current()
    with hub.db.read() as conn:
        place = _place(conn, name, tool, number)
        given = _courses_of(conn, hub, place)
        waiting = drafts.page(conn, limit=FIRST + 1, deployments=(number,))
    headers.allow_form_action(place.tool.login_url)
    after = flask.request.args.get("after", 0, int)
    shown = [each for each in given if each.id > after]
    return flask.render_template(
        "admin/deployment.html",
        place=place,
        courses=shown[:LIMIT],
        next_after=shown[LIMIT - 1].id if len(shown) > LIMIT else None,
        is_first=not after,
        waiting=waiting[:FIRST],
        has_more_waiting=len(waiting) > FIRST,
    )


def _place(conn: sa.Connection, name: str, tool: str, number: int) -> Place:
    connector, found = registry.find_connector(conn, name), registry.find_tool(conn, tool)
    if connector is None or found is None or found.connector != connector.id:
        raise NotFound("unknown_tool", _("%(name)s has no tool “%(tool)s”.", name=name, tool=tool))
    there = next((each for each in registry.deployments_of(conn, found.id) if each.id == number), None)
    if there is None:
        raise NotFound("unknown_deployment", _("This tool has no such deployment."))
    return Place(connector, found, there)


def _courses_of(conn: sa.Connection, hub: Hub, place: Place) -> list[Listed]:
    """The courses that are launched in this tenant, in the order of their numbers."""
    deployed = registry.deployments_of(conn, place.tool.id)
    mine = [
        each
        for each in hub.courses.current(conn).listed
        if each.course.provider == place.connector.name
        and launches.deployment_for(each.course, deployed) == place.deployment
    ]
    return sorted(mine, key=lambda each: each.id)


@pages.post("/systems/<name>/tools/<tool>/deployments/<int:number>/names")
@guard
def names(name: str, tool: str, number: int) -> ResponseReturnValue:
    """What the tenant may be told of learners."""
    hub = current()
    wanted = {"yes": True, "no": False}.get(flask.request.form.get("names", ""))

    def work(conn: sa.Connection) -> Place:
        place = _place(conn, name, tool, number)
        registry.set_deployment_names(conn, hub, place.deployment, wanted, by=_session().username)
        return place

    flask.flash(_("Saved. It holds from the next launch on."), "success")
    return flask.redirect(hub.db.run(work).url, 303)


@pages.post("/systems/<name>/tools/<tool>/deployments/<int:number>/pick")
@guard
def pick(name: str, tool: str, number: int) -> ResponseReturnValue:
    """Go to the provider's picker."""
    hub = current()
    with hub.db.read() as conn:
        place = _place(conn, name, tool, number)
    try:
        return flask.redirect(pickings.start(hub, place.tool, place.deployment, _session(), layout.language()), 303)
    except HubError as refusal:
        told = {
            "no_picker": _("This tool has no deep linking URL. Enter it under “Change”."),
            "switched_off": _("The tool or this deployment is disabled. Enable it first."),
        }
        flask.flash(told.get(refusal.code, str(refusal)), "danger")
    return flask.redirect(place.url, 303)


# Drafts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft with where it is from."""

    draft: Draft
    place: Place


@pages.get("/courses/drafts", endpoint="drafts")
@guard
def list_drafts() -> ResponseReturnValue:
    """What was picked and waits, everywhere or of one deployment; the oldest first."""
    hub, after = current(), flask.request.args.get("after", 0, int)
    undone, deployment = (flask.request.args.get(name, 0, int) for name in ("discarded", "deployment"))
    with hub.db.read() as conn:
        found = drafts.page(conn, limit=LIMIT + 1, after=after, deployments=(deployment,) if deployment else None)
        places = _places(conn, {each.deployment for each in found} | ({deployment} if deployment else set()))
        discarded = drafts.find(conn, undone) if undone else None
    return flask.render_template(
        "admin/drafts.html",
        waiting=[Waiting(each, places[each.deployment]) for each in found[:LIMIT] if each.deployment in places],
        next_after=found[LIMIT - 1].id if len(found) > LIMIT else None,
        is_first=not after,
        only=places.get(deployment),
        discarded=discarded if discarded and discarded.state == drafts.DISCARDED else None,
    )


def _places(conn: sa.Connection, deployments: set[int]) -> dict[int, Place]:
    """The tenants of a page of drafts; they are few."""
    found: dict[int, Place] = {}
    for number in deployments:
        try:
            there = registry.get_deployment(conn, number)
            tool = registry.get_tool(conn, there.tool)
            found[number] = Place(registry.get_connector(conn, tool.connector), tool, there)
        except NotFound:
            continue
    return found


@pages.get("/courses/drafts/<int:number>", endpoint="draft")
@guard
def show_draft(number: int) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        waiting = _waiting(conn, number)
        policy = hub.policies.active(conn, hub.today().year)
    return _draft_form(waiting, policy, drafts.proposal(waiting.draft), {})


@pages.post("/courses/drafts/<int:number>")
@guard
def confirm(number: int) -> ResponseReturnValue:
    """The draft becomes a course of the catalogue, or every problem is shown beside its field."""
    hub, cells = current(), _cells(flask.request.form)
    with hub.db.read() as conn:
        waiting = _waiting(conn, number)
        policy = hub.policies.active(conn, hub.today().year)
        place = waiting.place
        found = drafts.check(conn, waiting.draft, cells, place.connector.name, place.deployment.name, policy)
        known = not isinstance(found, tuple) and found.id in hub.courses.current(conn).by_iri
    if isinstance(found, tuple):
        return _draft_form(waiting, policy, cells, {each.column: _told(each) for each in found} | _missing(cells))
    if known and not flask.request.form.get("replace"):
        why = _("There is a course with this ID. Tick “Replace it” below, or enter another ID.")
        return _draft_form(waiting, policy, cells, {"id": why}, is_known=True)
    if hub.db.run(lambda conn: drafts.confirm(conn, hub, waiting.draft, found, by=_session().username)):
        flask.flash(_("“%(title)s” is in the catalogue.", title=texts.course_title(found)), "success")
    else:
        flask.flash(_("Somebody else was faster with this draft."), "warning")
    return flask.redirect(flask.url_for("picking.drafts"), 303)


def _missing(cells: Mapping[str, str]) -> dict[str, str]:
    """What a form says of a field that is empty, where a file would speak of its columns and codes."""
    told = {"title_id": _("Enter a title."), "form": _("Choose a form of learning.")}
    return {name: told[name] for name in told if not cells[name] and not (name == "title_id" and cells["title_en"])}


def _cells(form: MultiDict[str, str]) -> dict[str, str]:
    """The form as a row of `course import`."""
    cells = {name: form.get(name, "").strip() for name in drafts.CONFIRMABLE}
    cells["requires"] = ";".join(each for each in PROOFS if each in form.getlist("requires"))
    cells["aliases"] = ";".join(line.strip() for line in cells["aliases"].splitlines() if line.strip())
    # As people write it here; a row has a point.
    return cells | {name: cells[name].replace(",", ".") for name in ("programme_jp", "min_score")}


@pages.post("/courses/drafts/<int:number>/<switch>")
@guard
def settle(number: int, switch: str) -> ResponseReturnValue:
    """Discard a draft, or take that back."""
    hub = current()
    acts = {"discard": drafts.discard, "restore": drafts.restore}
    if switch not in acts:
        raise NotFound("not_found", "")

    def work(conn: sa.Connection) -> bool:
        draft = drafts.find(conn, number)
        return draft is not None and acts[switch](conn, hub, draft, by=_session().username)

    if not hub.db.run(work):
        flask.flash(_("Somebody else was faster with this draft."), "warning")
        return flask.redirect(flask.url_for("picking.drafts"), 303)
    discarded = number if switch == "discard" else None
    return flask.redirect(flask.url_for("picking.drafts", discarded=discarded), 303)


def _waiting(conn: sa.Connection, number: int) -> Waiting:
    draft = drafts.find(conn, number)
    place = None if draft is None else _places(conn, {draft.deployment}).get(draft.deployment)
    if draft is None or place is None or draft.state != drafts.DRAFT:
        detail = _("This draft does not wait any more: it was confirmed, discarded, or its deployment is gone.")
        raise NotFound("no_such_draft", detail, action=_("Look at the list of drafts."))
    return Waiting(draft, place)


def _told(problem: Problem) -> str:
    if layout.language() == "en":
        return f"{problem.reason} {problem.action}"
    return words.file_problem(problem.code, problem.reason)


def _draft_form(
    waiting: Waiting, policy: Policy, cells: Mapping[str, str], problems: Mapping[str, str], *, is_known: bool = False
) -> ResponseReturnValue:
    page = flask.render_template(
        "admin/draft.html",
        waiting=waiting,
        item=waiting.draft.item,
        given=cells,
        problems=problems,
        is_known=is_known,
        forms=sorted((code, f"{code} · {texts.form_name(policy, code)}") for code in policy.forms),
        scopes=[(each, words.scopes()[each]) for each in SCOPES],
        repeats=[(each, words.repeats()[each]) for each in REPEATS],
        proofs=[(each, words.proofs()[each]) for each in PROOFS],
        required=cells.get("requires", "").split(";"),
    )
    return page, 422 if problems else 200
