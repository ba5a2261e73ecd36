"""By which rules follow-up plans (RTL) are owed and due: the deadlines with their sources, and what an administrator
says otherwise for one provider or one course."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.access import accounts
from hub.errors import HubError
from hub.learning import follow_up
from hub.runtime import current
from hub.systems import registry
from hub.web import layout, texts
from hub.web.admin import by, guard
from hub.web.admin_forms import Reading
from mappings.dated import CONFIRMED, Source
from mappings.rtl import COURSE, DEADLINES, PROVIDER, FollowUpRule

pages = flask.Blueprint("follow_up", __name__, url_prefix="/rtl/rules")
pages.before_request(layout.belongs_to("rtl.overdue"))

reader = accounts.require("admin", "operator", "auditor")

#: What a form says of whose duty a plan is.
_OWED = {"": None, "yes": True, "no": False}


def deadlines() -> dict[str, str]:
    """What each number is the number of."""
    return {
        "submit_within_days": _("Handed in after the course: days at most"),
        "decide_within_days": _("Decided after handing in: days at most"),
        "evaluate_after_months": _("Evaluated after realisation: months at the earliest"),
        "evaluate_before_months": _("Evaluated after realisation: months at the latest"),
    }


@pages.get("")
@reader
def index() -> ResponseReturnValue:
    return _show(Reading(flask.request.args))


@pages.post("")
@guard
def put() -> ResponseReturnValue:
    form, hub = Reading(flask.request.form), current()
    rule = _read(form)
    if form.problems:
        return _show(form)
    try:
        hub.db.run(lambda conn: follow_up.put(conn, hub, rule, by=by()))
    except HubError as refusal:
        return _show(_refuse(form, refusal))
    flask.flash(_("The rule holds. What is due is computed anew."), "success")
    return flask.redirect(flask.url_for("follow_up.index"), 303)


@pages.post("/remove")
@guard
def remove() -> ResponseReturnValue:
    form, hub = flask.request.form, current()
    kind, subject = form.get("kind", ""), form.get("subject", "")
    if hub.db.run(lambda conn: follow_up.remove(conn, hub, kind, subject, by=by())):
        flask.flash(_("The rule is removed. The general deadlines hold again."), "success")
    else:
        flask.flash(_("There was no such rule."), "warning")
    return flask.redirect(flask.url_for("follow_up.index"), 303)


def _read(form: Reading) -> FollowUpRule:
    """The rule in a form: for the course that it names, else for the provider that was chosen."""
    course, provider = form.text("course"), form.text("provider")
    if not (course or provider):
        form.refuse("provider", _("Choose a system, or name a course."))
    numbers: dict[str, int] = {}
    for name in DEADLINES:
        text = form.text(name)
        if text.isascii() and text.isdigit() and len(text) <= len(str(follow_up.MOST)):
            numbers[name] = int(text)
        elif text:
            form.refuse(name, _("Enter a whole number from 0 to %(most)s.", most=follow_up.MOST))
    if not form.text("reference"):
        form.refuse("reference", _reference_wanted())
    kind, subject = (COURSE, course) if course else (PROVIDER, provider)
    source = Source(form.text("reference"), form.choice("confirmed", ("own", *CONFIRMED)))
    return FollowUpRule(kind, subject, _OWED.get(form.text("owed")), numbers, source)


def _reference_wanted() -> str:
    return str(_("Name the regulation, or who decided it (at most 300 characters)."))


def _refuse(form: Reading, refusal: HubError) -> Reading:
    """What is wrong with a rule, beside its field."""
    known = {
        "provider": _("There is no such system."),
        "course": _("There is no course with this ID in the catalogue."),
        "nothing": _("Say whose duty it is, or enter a number."),
        "reference": _reference_wanted(),
        "evaluate_before_months": _("The evaluation would end before it begins. Correct one of the two numbers."),
    }
    fallback = _("Enter a whole number from 0 to %(most)s.", most=follow_up.MOST)
    form.refuse("owed" if refusal.code == "nothing" else refusal.code, known.get(refusal.code, fallback))
    return form


def _show(form: Reading) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = hub.policies.follow_up(conn)
        rules = follow_up.list_all(conn)
        systems = sorted(((each.name, each.shown) for each in registry.list_connectors(conn)), key=lambda pair: pair[1])
        courses = hub.courses.current(conn).by_iri
    titles = dict(systems)
    subjects = {
        each.rule.subject: texts.course_title(courses[each.rule.subject].course)
        if each.rule.subject in courses
        else titles.get(each.rule.subject, each.rule.subject)
        for each in rules
    }
    session = accounts.current()
    page = flask.render_template(
        "rtl/rules.html",
        form=form,
        found=found,
        rules=rules,
        subjects=subjects,
        titles=titles,
        systems=[("", _("(one course, named below)")), *systems],
        deadlines=deadlines(),
        can_change=session is not None and session.role in ("admin", "operator"),
    )
    return page, 422 if form.problems else 200
