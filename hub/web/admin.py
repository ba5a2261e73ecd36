"""The administrator's systems: which are connected and how they do, adding one, and the parts that it consists of.

Every change is one transaction with its line in the journal, and every switch can be switched back from where it was
switched. A secret is shown once, in the answer to the form that made it: it is in no address, cookie or log.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from connectors.external_lrs import VERSIONS
from hub import journal
from hub.access import accounts
from hub.errors import HubError, NotFound
from hub.lti import refusals, registering
from hub.runtime import Hub, current
from hub.systems import completions, connections, credentials, pulls, registry, sync
from hub.systems.credentials import Credential
from hub.systems.registry import Connector, NewTool, Tool
from hub.web import admin_forms, files, systems
from mappings.course import Problem
from mappings.shipped import VOCABULARIES

pages = flask.Blueprint("admin", __name__, url_prefix="/admin")

guard = accounts.require("admin", "operator")

#: Rows of a page.
LIMIT = 50

#: How long the secret before stays good after a rotation, in hours.
OVERLAPS = (24, 1, 168, 0)


def by() -> str:
    """Who asks, for the journal."""
    session = accounts.current()
    return session.username if session else ""


def show_problems(what: str, found: tuple[Problem, ...], back: str) -> ResponseReturnValue:
    """Everything that is wrong with a file; nothing of it was applied."""
    page = flask.render_template("admin/problems.html", what=what, problems=found, back=back)
    return page, 422


def note(conn: sa.Connection, hub: Hub, action: str, what: str, **detail: Any) -> None:
    """A line in the journal, by who is signed in."""
    journal.record(conn, who=by(), action=action, object=what, now=hub.clock(), new_id=hub.new_id, **detail)


def say_imported(added: int, changed: int, same: int) -> None:
    """What an import did."""
    told = _(
        "Imported: %(added)s new, %(changed)s changed, %(same)s as before.", added=added, changed=changed, same=same
    )
    flask.flash(told, "success")


# Systems ---------------------------------------------------------------------------------------------------


@pages.get("/", endpoint="systems")
@guard
def list_systems() -> ResponseReturnValue:
    hub, asked = current(), flask.request.args
    with hub.db.read() as conn:
        found = systems.list_systems(conn, hub)
    kind, state, sort = asked.get("kind", ""), asked.get("state", ""), asked.get("sort", "name")
    of_kind = systems.chosen(found, kind=kind, state="", sort="name")
    return flask.render_template(
        "admin/systems.html",
        found=found,
        shown=systems.chosen(found, kind=kind, state=state, sort=sort),
        counts={code: sum(each.code == code for _system, each in of_kind) for code in systems.HEALTHS},
        of_kind=len(of_kind),
        kinds={each.connector.kind for each in found},
        kind=kind,
        state=state,
        sort=sort if sort in systems.SORTS else "name",
        healths=systems.healths(),
    )


@pages.get("/systems/<name>")
@guard
def system(name: str) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = systems.read(conn, hub, _connector(conn, name))
        deployed = {tool.id: registry.deployments_of(conn, tool.id) for tool in found.tools}
        refused = {tool.id: refusals.of_tool(conn, tool) for tool in found.tools}
        runs = sync.recent_runs(conn, found.connector.id, limit=10)
        set_aside = sync.list_set_aside(conn, found.connector.id, limit=LIMIT)
        launching = systems.of_system(conn, hub, found.connector.id)
        has_courses = any(each.course.provider == name for each in hub.courses.current(conn).listed)
    return flask.render_template(
        "admin/system.html",
        launching=launching,
        system=found,
        steps=systems.steps(found, has_courses=has_courses),
        health=systems.health(found),
        healths=systems.healths(),
        is_testable=found.connector.kind in systems.TESTABLE,
        tools=[(tool, deployed[tool.id], _entered_there(hub, tool, deployed[tool.id])) for tool in found.tools],
        refused=refused,
        runs=runs,
        set_aside=[(row, files.readable(row.payload)) for row in set_aside],
        endpoint=f"{hub.base_url}/xapi/",
        overlaps=OVERLAPS,
        now=hub.clock(),
    )


def _connector(conn: sa.Connection, name: str) -> Connector:
    found = registry.find_connector(conn, name)
    if found is None:
        raise NotFound("unknown_system", _("There is no system “%(name)s”.", name=name))
    return found


def _entered_there(hub: Hub, tool: Tool, deployed: tuple[registry.Deployment, ...]) -> list[tuple[str, str]]:
    """What the administrator of the other side enters there, by the names that LMSs give it."""
    said = registry.registration(hub, tool, deployed)
    named = {
        _("Platform ID (issuer)"): said["issuer"],
        _("Client ID"): said["client_id"],
        _("Authentication request URL"): said["auth_url"],
        _("Access token URL"): said["token_url"],
        _("Public keyset URL (JWKS)"): said["jwks_url"],
    }
    return list(named.items())


@pages.post("/systems/<name>/test")
@guard
def test(name: str) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        connector = _connector(conn, name)
    found = connections.test(hub, connector.id)
    failed = sum(each.outcome == "failed" for each in found)
    warned = sum(each.outcome == "warning" for each in found)
    if failed:
        told = ngettext("%(num)d check failed. See below what to do.", "%(num)d checks failed. See below what to do.",
                        failed)  # fmt: skip
        flask.flash(told, "danger")
    elif warned:
        flask.flash(_("The connection works, with something to look at below."), "warning")
    else:
        flask.flash(_("The connection works."), "success")
    return _to_system(name, "test")


@pages.post("/systems/<name>/fetch")
@guard
def fetch(name: str) -> ResponseReturnValue:
    """Pull now, whatever the schedule says: the worker sees it within a second."""
    hub = current()

    def work(conn: sa.Connection) -> bool:
        is_pulled = pulls.ask(conn, _connector(conn, name).id, hub.clock())
        note(conn, hub, "connector.sync", f"connector:{name}")
        return is_pulled

    hub.db.run(work)
    flask.flash(_("It is fetched in a moment. Reload this page to see what came."), "success")
    return _to_system(name, "pulls")


@pages.post("/systems/<name>/files")
@guard
def import_file(name: str) -> ResponseReturnValue:
    """A completion file of an institution: all of it, or nothing and every problem."""
    hub = current()
    with hub.db.read() as conn:
        connector = _connector(conn, name)
    upload = files.read(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return show_problems(_("Completion file"), (upload,), flask.url_for("admin.system", name=name))
    done = completions.import_file(hub, connector, upload.content)
    if done.problems:
        found = tuple(Problem(each.line, each.column, each.code, each.message, each.advice) for each in done.problems)
        return show_problems(upload.name, found, flask.url_for("admin.system", name=name))
    told = _("Imported: %(stored)s new, %(repeated)s known before.", stored=done.stored, repeated=done.repeated)
    flask.flash(told, "success")
    return _to_system(name, "pulls")


def _to_system(name: str, part: str | None = None) -> ResponseReturnValue:
    return flask.redirect(flask.url_for("admin.system", name=name, _anchor=part), 303)


# Adding a system -------------------------------------------------------------------------------------------


@pages.get("/add")
@guard
def choose() -> ResponseReturnValue:
    return flask.render_template("admin/choose.html", kinds=admin_forms.KINDS)


@pages.get("/add/lti/invite")
@guard
def invite() -> ResponseReturnValue:
    """A tool that registers itself: LTI Dynamic Registration 1.0."""
    return _invite_form(admin_forms.Reading({"deployments": "default"}))


@pages.post("/add/lti/invite")
@guard
def send_invitation() -> ResponseReturnValue:
    hub, form = current(), admin_forms.Reading(flask.request.form)
    wanted = admin_forms.read_invitation(form)
    if not form.problems:
        invitation = registering.Invitation(
            wanted.name,
            deployments=wanted.deployments,
            names=wanted.names,
            internal=wanted.internal,
            title=wanted.title,
        )
        try:
            address = registering.invite(hub, invitation, wanted.url, by=by())
        except HubError as refusal:
            form.refused(refusal)
        else:
            return flask.render_template(
                "admin/invited.html",
                name=wanted.name,
                shown=wanted.title or wanted.name,
                address=address,
                minutes=registering.LIFE.seconds // 60,
            )
    return _invite_form(form)


def _invite_form(form: admin_forms.Reading) -> ResponseReturnValue:
    page = flask.render_template("admin/invite.html", form=form)
    return page, 422 if form.problems else 200


@pages.get("/add/<kind>")
@guard
def add(kind: str) -> ResponseReturnValue:
    return _add_form(kind, admin_forms.Reading({"every": str(pulls.EVERY), "deployments": "default"}))


@pages.post("/add/<kind>")
@guard
def create(kind: str) -> ResponseReturnValue:
    hub, form = current(), admin_forms.Reading(flask.request.form)
    if kind not in admin_forms.READERS:
        return _add_form(kind, form)
    wanted = admin_forms.READERS[kind](form, VOCABULARIES)
    issued = _issue(hub, wanted.name) if isinstance(wanted, admin_forms.Push) else None
    if not form.problems:
        try:
            hub.db.run(lambda conn: _create(conn, hub, wanted, issued))
        except HubError as refusal:
            form.refused(refusal)
    if form.problems:
        return _add_form(kind, form)
    if issued is not None:
        return _show_secret(hub, wanted.name, issued)
    flask.flash(_("%(name)s is connected.", name=wanted.name), "success")
    return _to_system(wanted.name)


def _add_form(kind: str, form: admin_forms.Reading) -> ResponseReturnValue:
    if kind not in admin_forms.READERS:
        raise NotFound("unknown_kind", _("Systems of the kind “%(kind)s” cannot be connected here.", kind=kind))
    page = flask.render_template(
        "admin/add.html", kind=kind, form=form, vocabularies=VOCABULARIES, versions=VERSIONS, hub=current()
    )
    return page, 422 if form.problems else 200


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with its secret, which nobody can be shown again."""

    key: str
    secret: str


def _issue(hub: Hub, name: str) -> Issued:
    secret = base64.urlsafe_b64encode(hub.random(32)).rstrip(b"=").decode()
    return Issued(f"{name[:200]}-{hub.random(4).hex()}", secret)


def _create(conn: sa.Connection, hub: Hub, wanted: admin_forms.System, issued: Issued | None) -> None:
    """Everything that a system consists of, in one transaction."""
    match wanted:
        case admin_forms.Tool():
            registry.add_connector(
                conn, hub, wanted.name, "lti", by=by(), internal=wanted.internal, vocabulary=wanted.vocabulary,
                title=wanted.title,
            )  # fmt: skip
            registry.add_tool(conn, hub, _new_tool(wanted), by=by(), connector=wanted.name)
        case admin_forms.Pull():
            pulls.add(
                conn, hub, wanted.name, by=by(), url=wanted.url, key=wanted.key, secret=wanted.secret,
                version=wanted.version, every=wanted.every, internal=wanted.internal, vocabulary=wanted.vocabulary,
                trusted_centi_jp=wanted.trusted_centi_jp, title=wanted.title,
            )  # fmt: skip
        case admin_forms.Push():
            registry.add_connector(
                conn, hub, wanted.name, "xapi-push", by=by(), internal=wanted.internal, vocabulary=wanted.vocabulary,
                trusted_centi_jp=wanted.trusted_centi_jp, title=wanted.title,
            )  # fmt: skip
            if issued is not None:
                credentials.add(
                    conn, hub, wanted.name, by=by(), key=issued.key, secret=issued.secret, connector=wanted.name
                )
        case admin_forms.Files():
            registry.add_connector(
                conn, hub, wanted.name, "csv", by=by(), trusted_centi_jp=wanted.trusted_centi_jp, title=wanted.title
            )  # fmt: skip


def _new_tool(wanted: admin_forms.Tool) -> NewTool:
    return NewTool(
        name=wanted.name,
        login_url=wanted.login_url,
        redirect_uris=wanted.redirect_uris,
        target_link_uri=wanted.target_link_uri,
        jwks_url=wanted.jwks_url,
        public_key=wanted.public_key,
        deep_linking_url=wanted.deep_linking_url,
        deployments=wanted.deployments,
        names=wanted.names,
        internal=wanted.internal,
        framed=wanted.framed,
    )


def _show_secret(hub: Hub, name: str, issued: Issued, *, until: datetime | None = None) -> ResponseReturnValue:
    """The one time that a secret is seen. ``until``: how long the one before stays good."""
    return flask.render_template(
        "admin/secret.html", name=name, issued=issued, endpoint=f"{hub.base_url}/xapi/", until=until
    )


@pages.post("/systems/<name>/title")
@guard
def set_title(name: str) -> ResponseReturnValue:
    """What people see of the system; empty: its name."""
    hub, title = current(), flask.request.form.get("title", "")
    try:
        found = hub.db.run(lambda conn: registry.set_title(conn, hub, _connector(conn, name), title, by=by()))
    except HubError as refusal:
        flask.flash(admin_forms.registry_problems().get(refusal.code, str(refusal)), "danger")
    else:
        flask.flash(_("People see it as “%(title)s” now.", title=found.shown), "success")
    return _to_system(name, "about-head")


# Parts of a system -----------------------------------------------------------------------------------------


@pages.post("/systems/<name>/tools/<tool>/<switch>")
@guard
def switch_tool(name: str, tool: str, switch: str) -> ResponseReturnValue:
    hub, disabled = current(), _is_off(switch)
    hub.db.run(lambda conn: registry.set_tool_disabled(conn, hub, _tool(conn, name, tool), disabled=disabled, by=by()))
    _say_switched(tool, disabled=disabled)
    return _to_system(name, "tools")


@pages.get("/systems/<name>/tools/<tool>/edit")
@guard
def edit_tool(name: str, tool: str) -> ResponseReturnValue:
    with current().db.read() as conn:
        found = _tool(conn, name, tool)
    given = {
        "name": found.name,
        "login_url": found.login_url,
        "redirect_uris": "\n".join(found.redirect_uris),
        "jwks_url": found.jwks_url or "",
        "public_key": found.public_key or "",
        "target_link_uri": found.target_link_uri,
        "deep_linking_url": found.deep_linking_url or "",
        "names": "yes" if found.names else "",
        "internal": "yes" if found.internal else "",
        "framed": "yes" if found.framed else "",
    }
    return _edit_form(name, tool, admin_forms.Reading(given))


@pages.post("/systems/<name>/tools/<tool>/edit")
@guard
def update_tool(name: str, tool: str) -> ResponseReturnValue:
    hub = current()
    form = admin_forms.Reading({**flask.request.form.to_dict(), "name": tool})
    wanted = admin_forms.read_tool(form, VOCABULARIES)
    if not form.problems:
        try:
            hub.db.run(
                lambda conn: registry.update_tool(conn, hub, _tool(conn, name, tool), _new_tool(wanted), by=by())
            )
        except HubError as refusal:
            form.refused(refusal)
    if form.problems:
        return _edit_form(name, tool, form)
    flask.flash(_("The addresses of %(name)s are changed. Test the connection.", name=tool), "success")
    return _to_system(name, "tools")


def _edit_form(name: str, tool: str, form: admin_forms.Reading) -> ResponseReturnValue:
    page = flask.render_template("admin/edit_tool.html", name=name, tool=tool, form=form)
    return page, 422 if form.problems else 200


@pages.post("/systems/<name>/tools/<tool>/deployments")
@guard
def add_deployment(name: str, tool: str) -> ResponseReturnValue:
    hub, wanted = current(), flask.request.form.get("deployment", "").strip()
    try:
        hub.db.run(lambda conn: registry.add_deployment(conn, hub, _tool(conn, name, tool), wanted, by=by()))
    except HubError as refusal:
        told = {
            **admin_forms.registry_problems(),
            "name_taken": _("There is a deployment of this name already. Choose another name."),
        }
        flask.flash(told.get(refusal.code, str(refusal)), "danger")
    else:
        flask.flash(_("The deployment %(name)s is added. Its ID is below.", name=wanted), "success")
    return _to_system(name, "tools")


@pages.post("/systems/<name>/tools/<tool>/deployments/<int:number>/<switch>")
@guard
def switch_deployment(name: str, tool: str, number: int, switch: str) -> ResponseReturnValue:
    hub, disabled = current(), _is_off(switch)

    def work(conn: sa.Connection) -> str:
        found = registry.get_deployment(conn, number)
        if found.tool != _tool(conn, name, tool).id:
            raise NotFound("unknown_deployment", _("This tool has no such deployment."))
        registry.set_deployment_disabled(conn, hub, found, disabled=disabled, by=by())
        return found.name

    _say_switched(hub.db.run(work), disabled=disabled)
    return _to_system(name, "tools")


@pages.post("/systems/<name>/credentials")
@guard
def add_credential(name: str) -> ResponseReturnValue:
    """A further key of a system, made here."""
    hub = current()
    issued = _issue(hub, name)

    def work(conn: sa.Connection) -> None:
        connector = _connector(conn, name)
        taken = {each.name for each in credentials.list_all(conn)}
        names = (name[:60] if number == 1 else f"{name[:60]}-{number}" for number in range(1, len(taken) + 2))
        free = next(each for each in names if each not in taken)
        credentials.add(
            conn, hub, free, by=by(), key=issued.key, secret=issued.secret, connector=connector.name
        )  # fmt: skip

    hub.db.run(work)
    return _show_secret(hub, name, issued)


@pages.post("/systems/<name>/credentials/<credential>/rotate")
@guard
def rotate(name: str, credential: str) -> ResponseReturnValue:
    hub = current()
    hours = next((each for each in OVERLAPS if str(each) == flask.request.form.get("overlap")), OVERLAPS[0])
    secret, overlap = _issue(hub, name).secret, timedelta(hours=hours)

    def work(conn: sa.Connection) -> Credential:
        found = _credential(conn, name, credential)
        return credentials.rotate(conn, hub, found.name, secret, by=by(), overlap=overlap)

    issued = Issued(hub.db.run(work).key, secret)
    return _show_secret(hub, name, issued, until=hub.clock() + overlap)


@pages.post("/systems/<name>/credentials/<credential>/<switch>")
@guard
def switch_credential(name: str, credential: str, switch: str) -> ResponseReturnValue:
    hub, disabled = current(), _is_off(switch)

    def work(conn: sa.Connection) -> None:
        found = _credential(conn, name, credential)
        credentials.set_disabled(conn, hub, found.name, disabled=disabled, by=by())

    hub.db.run(work)
    _say_switched(credential, disabled=disabled)
    return _to_system(name, "credentials")


def _is_off(switch: str) -> bool:
    if switch not in ("disable", "enable"):
        raise NotFound("not_found", "")
    return switch == "disable"


def _say_switched(name: str, *, disabled: bool) -> None:
    if disabled:
        flask.flash(_("%(name)s is disabled. “Enable” takes that back.", name=name), "warning")
    else:
        flask.flash(_("%(name)s is enabled.", name=name), "success")


def _tool(conn: sa.Connection, name: str, tool: str) -> Tool:
    connector, found = _connector(conn, name), registry.find_tool(conn, tool)
    if found is None or found.connector != connector.id:
        raise NotFound("unknown_tool", _("%(name)s has no tool “%(tool)s”.", name=name, tool=tool))
    return found


def _credential(conn: sa.Connection, name: str, credential: str) -> Credential:
    connector, found = _connector(conn, name), credentials.find(conn, credential)
    if found is None or found.connector != connector.id:
        raise NotFound("unknown_credential", _("%(name)s has no key “%(key)s”.", name=name, key=credential))
    return found
