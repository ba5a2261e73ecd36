"""By which law hours are recognized: every policy with its numbers and their sources, how far replays are, which one is
official from when, and what people must reach in a year.

Nothing long is done in a request: a replay is begun here and worked on by `wkmb worker`; the page says how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub import journal
from hub.access import accounts
from hub.errors import HubError, NotFound
from hub.jp import policies, replays, targets
from hub.jp.policies import Activation, NotWithdrawable, PolicyBehind, PolicyExists, PolicyUnknown
from hub.jp.replays import Replay
from hub.runtime import Hub, current
from hub.web import files, layout
from hub.web.admin import by, guard
from mappings.course import Problem
from mappings.policy import Policy, PolicyError
from mappings.targets import TargetsError

pages = flask.Blueprint("policies", __name__, url_prefix="/policies")
pages.before_request(layout.belongs_to("reports.index"))

reader = accounts.require("admin", "operator", "auditor")


@dataclass(frozen=True, slots=True)
class Row:
    """A policy, since when it is official, and how its ledger stands."""

    policy: Policy
    activations: tuple[Activation, ...]
    is_official: bool
    is_complete: bool
    replay: Replay | None

    @property
    def is_running(self) -> bool:
        """Whether a replay of it is under way."""
        return self.replay is not None and self.replay.kept_up and self.replay.finished_at is None


@pages.get("")
@reader
def index() -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        complete = {each.name for each in hub.policies.complete(conn)}
        official = {each.name for each in hub.policies.in_force(conn)}
        known = replays.list_all(conn, now=hub.clock())
        rows = [
            Row(each.policy, each.activations, each.policy.name in official, each.policy.name in complete,
                known.get(each.policy.name))
            for each in hub.policies.list_all(conn)
        ]  # fmt: skip
        activations = policies.list_activations(conn)
    return flask.render_template(
        "policies/index.html",
        rows=rows,
        activations=activations[::-1],
        activatable=[(row.policy.name, row.policy.name) for row in rows if row.is_complete],
        official_now=policies.name_in(activations, hub.today().year),
        can_change=_can_change(),
    )


def rule_names() -> dict[str, str]:
    """How a form's hours are found."""
    return {
        "programme": _("as the programme states"),
        "certificate_only": _("as the certificate states"),
        "per_day": _("a fixed number a day"),
        "per_session": _("a fixed number a session"),
        "per_activity": _("a fixed number an activity"),
        "actual_minutes": _("actual minutes"),
        "none": _("not provided for"),
    }


def _can_change() -> bool:
    session = accounts.current()
    return session is not None and session.role in ("admin", "operator")


@pages.get("/<name>")
@reader
def show(name: str) -> ResponseReturnValue:
    with current().db.read() as conn:
        found = _named(conn, name)
    return flask.render_template("policies/show.html", policy=found, rules=rule_names())


@pages.get("/<name>.yaml")
@reader
def text(name: str) -> ResponseReturnValue:
    """The document as it was given, to read or to begin a new one from."""
    with current().db.read() as conn:
        found = _named(conn, name)
    return flask.Response(found.text, content_type="application/yaml; charset=utf-8")


def _named(conn: sa.Connection, name: str) -> Policy:
    try:
        return current().policies.named(conn, name.replace("\x00", ""))
    except PolicyUnknown as error:
        raise NotFound("no_such_policy", _("There is no policy “%(name)s”.", name=error.name[:64])) from error


# Changing ----------------------------------------------------------------------------------------------


@pages.post("")
@guard
def add() -> ResponseReturnValue:
    hub, back = current(), flask.url_for("policies.index")
    upload = files.read_text(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return _refused(f"{upload.reason} {upload.action}", back)

    def work(conn: sa.Connection) -> Policy:
        found = policies.add(conn, upload.text, now=hub.clock())
        _note(conn, hub, "policy.add", found.name, digest=found.digest)
        return found

    try:
        found = hub.db.run(work)
    except (PolicyError, PolicyExists) as error:
        return _refused(str(error), back)
    told = _("%(name)s is known, and official nowhere yet. Replay it to compare and to activate it.", name=found.name)
    flask.flash(told, "success")
    return flask.redirect(flask.url_for("policies.show", name=found.name), 303)


@pages.post("/<name>/replay")
@guard
def replay(name: str) -> ResponseReturnValue:
    """Begin a replay, which the workers do."""
    hub = current()
    with hub.db.read() as conn:
        _named(conn, name)
    hub.db.run(lambda conn: replays.begin(conn, hub, name, by=by()))
    told = _("Everybody is being replayed under %(name)s. Reload this page to see how far it is.", name=name)
    flask.flash(told, "success")
    return _to_index()


@pages.post("/<name>/let-go")
@guard
def let_go(name: str) -> ResponseReturnValue:
    hub = current()
    if hub.db.run(lambda conn: replays.let_go(conn, hub, name, by=by())):
        flask.flash(_("%(name)s is kept up no more. Replay it before it is used again.", name=name), "warning")
    return _to_index()


@pages.post("/activations")
@guard
def activate() -> ResponseReturnValue:
    hub, given = current(), flask.request.form
    name, year = given.get("policy", "").replace("\x00", ""), given.get("year", "")
    if not (year.isascii() and year.isdigit() and 1900 <= int(year[:5]) <= 9999):
        flask.flash(_("Write the year with four digits, such as 2027."), "danger")
        return _to_index()

    def work(conn: sa.Connection) -> None:
        found = policies.activate(conn, hub.policies, name, int(year), by=by(), now=hub.clock())
        _note(conn, hub, "policy.activate", name, from_year=int(year), digest=found.digest)

    return _acted(lambda: hub.db.run(work), _("%(name)s is official from %(year)s on.", name=name, year=year))


@pages.post("/activations/<int:number>/withdraw")
@guard
def withdraw(number: int) -> ResponseReturnValue:
    hub = current()

    def work(conn: sa.Connection) -> None:
        gone = policies.withdraw(conn, hub.policies, number, by=by(), now=hub.clock())
        _note(conn, hub, "policy.withdraw", gone.policy, from_year=gone.from_year)

    return _acted(lambda: hub.db.run(work), _("The newest activation is taken back."))


def _acted(work: Callable[[], None], done: str) -> ResponseReturnValue:
    """Do it, or tell why it is refused."""
    try:
        work()
    except PolicyBehind as error:
        flask.flash(
            _("Refused: the ledger of %(name)s is behind. Replay it to the end first.", name=error.name), "danger"
        )
    except NotWithdrawable:
        flask.flash(_("Only the newest activation can be taken back, and never the first one."), "danger")
    except PolicyUnknown as error:
        raise NotFound("no_such_policy", _("There is no policy “%(name)s”.", name=error.name[:64])) from error
    else:
        flask.flash(done, "success")
    return _to_index()


def _to_index() -> ResponseReturnValue:
    return flask.redirect(flask.url_for("policies.index"), 303)


def _note(conn: sa.Connection, hub: Hub, action: str, name: str, **detail: object) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=by(), action=action, object=f"policy:{name}", now=now, new_id=new_id, **detail)


def _refused(told: str, back: str) -> ResponseReturnValue:
    """Nothing was kept; where and why is told in the document's own words."""
    flask.flash(_("The document was refused, and nothing was changed. %(problem)s", problem=told), "danger")
    return flask.redirect(back, 303)


# Targets -----------------------------------------------------------------------------------------------


@pages.get("/targets")
@reader
def targets_page() -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = targets.in_force(conn, hub)
    return flask.render_template("policies/targets.html", found=found, can_change=_can_change())


@pages.get("/targets.yaml")
@reader
def targets_text() -> ResponseReturnValue:
    with current().db.read() as conn:
        document = targets.text_of(conn, current())
    return flask.Response(document, content_type="application/yaml; charset=utf-8")


@pages.post("/targets")
@guard
def set_targets() -> ResponseReturnValue:
    hub, back = current(), flask.url_for("policies.targets_page")
    upload = files.read_text(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return _refused(f"{upload.reason} {upload.action}", back)
    try:
        hub.db.run(lambda conn: targets.put(conn, hub, upload.text, by=by()))
    except TargetsError as error:
        return _refused(str(error), back)
    flask.flash(_("These targets hold from now on."), "success")
    return flask.redirect(back, 303)


@pages.post("/targets/<rule>/employers")
@guard
def change_employers(rule: str) -> ResponseReturnValue:
    hub, given = current(), flask.request.form
    change = targets.take_off_list if "remove" in given else targets.put_on_list
    try:
        hub.db.run(lambda conn: change(conn, hub, rule, given.get("employer", "").replace("\x00", ""), by=by()))
    except NotFound:
        raise
    except HubError:
        flask.flash(_("Write the employer’s name, as it stands in the people’s rows."), "danger")
    return flask.redirect(flask.url_for("policies.targets_page"), 303)
