"""The administrator's page of identity rules: by which the actors of a system are known without anybody linking them.

Before a rule holds, the page shows whom it would link now; nothing is written for that.
"""

from __future__ import annotations

from operator import itemgetter

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.errors import HubError
from hub.people import identity_rules as rules
from hub.people import learners
from hub.people.identity_rules import Preview, Rule
from hub.runtime import current
from hub.systems import registry
from hub.web.admin import by, guard
from hub.web.admin_forms import Reading

pages = flask.Blueprint("identity_rules", __name__, url_prefix="/admin/identities/rules")


@pages.get("")
@guard
def index() -> ResponseReturnValue:
    """Every rule; with ``preview`` also whom the one in the address would link."""
    asked = flask.request.args
    if not asked.get("preview"):
        return _show(Reading(asked))
    form = Reading(asked)
    system, kind, value = _read(form)
    if form.problems:
        return _show(form)
    hub = current()
    with hub.db.read() as conn:
        try:
            preview = rules.preview(conn, system, kind, value, now=hub.clock())
        except HubError as refusal:
            return _show(_refuse(form, refusal))
    return _show(form, preview)


@pages.post("")
@guard
def add() -> ResponseReturnValue:
    form, hub = Reading(flask.request.form), current()
    system, kind, value = _read(form)
    if form.problems:
        return _show(form)
    try:
        is_new = hub.db.run(lambda conn: rules.add(conn, hub, system, kind, value, by=by()))
    except HubError as refusal:
        return _show(_refuse(form, refusal))
    if is_new:
        flask.flash(_("The rule holds. Whom it knows of the unresolved list is linked in a moment."), "success")
    else:
        flask.flash(_("This rule holds already."), "warning")
    return flask.redirect(flask.url_for("identity_rules.index"), 303)


@pages.post("/remove")
@guard
def remove() -> ResponseReturnValue:
    form, hub = flask.request.form, current()
    system, kind, value = (form.get(name, "") for name in ("connector", "kind", "value"))
    if hub.db.run(lambda conn: rules.remove(conn, hub, system, kind, value, by=by())):
        flask.flash(_("The rule is removed. Whom it linked stays linked."), "success")
    else:
        flask.flash(_("There was no such rule."), "warning")
    return flask.redirect(flask.url_for("identity_rules.index"), 303)


def _read(form: Reading) -> tuple[str, str, str]:
    return form.required("connector"), form.choice("kind", rules.KINDS), form.required("value")


def _refuse(form: Reading, refusal: HubError) -> Reading:
    """What is wrong with a rule, beside its field."""
    texts = {
        "unknown_connector": ("connector", _("There is no such system.")),
        "bad_domain": ("value", _("Write the domain alone, such as kemdikbud.example.go.id.")),
        "bad_homepage": ("value", _("Write the address as statements have it, such as https://lms.example.go.id")),
    }
    field, text = texts.get(refusal.code, ("value", refusal.detail))
    form.refuse(field, text)
    return form


def _show(form: Reading, preview: Preview | None = None) -> ResponseReturnValue:
    with current().db.read() as conn:
        found = rules.list_all(conn)
        systems = sorted(((each.name, each.shown) for each in registry.list_connectors(conn)), key=itemgetter(1))
        people = learners.find_many(conn, [learner for _each, learner in preview.rows]) if preview else {}
    page = flask.render_template(
        "admin/identity_rules.html",
        form=form,
        preview=preview,
        people=people,
        rules=found,
        systems=systems,
        titles=dict(systems),
        kinds={rules.NIP: _("Accounts are named by NIP"), rules.MAIL: _("Office addresses of a domain")},
        told=_told,
    )
    return page, 422 if form.problems else 200


def _told(rule: Rule) -> str:
    """A rule as a sentence."""
    if rule.kind == rules.NIP:
        return str(_("Accounts of %(homepage)s are named by NIP.", homepage=rule.value))
    return str(_("Addresses @%(domain)s are people’s own.", domain=rule.value))
