"""Follow-up plans (RTL): the employee writes hers, her supervisor decides, and who runs or audits the hub sees what is
late. One address is one plan; who looks at it decides what can be done there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import flask
import sqlalchemy as sa
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from hub.access import accounts
from hub.errors import NotFound
from hub.jp import reports
from hub.learning import plan, rtl, undertakings
from hub.learning.catalogue import Listed, Snapshot
from hub.learning.undertakings import OWNER, SUPERVISOR, After, Duty, FollowUpPlan
from hub.people import learners
from hub.people.learners import Learner
from hub.runtime import Hub, current
from hub.web import development_texts, employee, sheets, texts, waiting
from hub.web.sheets import Sheet, Value
from mappings.rtl import LONGEST_TEXT, MOST_ITEMS, Item, owes_plan

pages = flask.Blueprint("rtl", __name__, url_prefix="/rtl")

#: Who sees every plan, and what is late.
READERS = ("admin", "operator", "auditor")

LIMIT = 50

#: The longest texts of an item; who and how are a name and a sentence.
_LONGEST = {"activity": 500, "indicator": 500, "who": 200, "monitoring": 300}


@dataclass(frozen=True, slots=True)
class Mine:
    """One of an employee's own plans in her list."""

    listed: Listed
    state: str
    url: str


# Lists -------------------------------------------------------------------------------------------------------


@pages.get("")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    """An employee's own plans, and those that wait for her as a supervisor."""
    hub, session = current(), accounts.current()
    if session is not None and session.learner is None:
        return flask.redirect(flask.url_for("rtl.overdue"), 303)
    after = _after()
    with hub.db.read() as conn:
        learner = employee.me(conn)
        snapshot = hub.courses.current(conn)
        nips = learners.nips_of(conn, learner.id)
        own = undertakings.duties_of(conn, [str(learner.id)], hub.today(), limit=LIMIT)
        team = undertakings.duties_of(conn, nips, hub.today(), limit=LIMIT + 1, after=after)
        mine = _mine(conn, hub, learner, snapshot)
        is_supervisor = reports.has_people(conn, reports.Team(nips))
        lines = waiting.lines(conn, hub, [*own, *team[:LIMIT]], snapshot)
    return flask.render_template(
        "rtl/index.html",
        own=lines[: len(own)],
        team=lines[len(own) :],
        mine=mine,
        is_supervisor=is_supervisor,
        next_url=_next_url("rtl.index", team),
        first_url=flask.url_for("rtl.index") if after else "",
        says=development_texts,
        texts=texts,
    )


def _mine(conn: sa.Connection, hub: Hub, learner: Learner, snapshot: Snapshot) -> list[Mine]:
    """What she owes or has written, and courses that she has begun and will owe a plan for."""
    states = {course: found.state for course, found in undertakings.plans(conn, learner.id).items()}
    follow_up = hub.policies.follow_up(conn)
    begun = (snapshot.by_id.get(number) for number in sorted(plan.started_courses(conn, learner.id)))
    for listed in begun:
        if listed is not None and owes_plan(listed.course, follow_up):
            states.setdefault(listed.course.id, undertakings.ASKED)
    found = [(snapshot.by_iri[course], state) for course, state in states.items() if course in snapshot.by_iri]
    return [Mine(listed, state, _address(learner, listed)) for listed, state in found]


def _address(learner: Learner, listed: Listed) -> str:
    return flask.url_for("rtl.plan_page", learner_id=learner.id, course_id=listed.id)


def _after() -> After | None:
    """Where the page before ended; an address that says nothing of it begins at the beginning."""
    given = flask.request.args
    try:
        due_on, learner = date.fromisoformat(given["due"]), UUID(given["of"])
    except (KeyError, ValueError):
        return None
    subject, who = ("".join(c for c in given.get(name, "") if c >= " ") for name in ("subject", "who"))
    return After(due_on, learner, given.get("kind", undertakings.RTL)[:16], subject, who[:36])


def _next_url(endpoint: str, found: Sequence[Duty]) -> str:
    if len(found) <= LIMIT:
        return ""
    last = found[LIMIT - 1]
    return flask.url_for(
        endpoint, due=last.due_on.isoformat(), of=last.learner, kind=last.kind, subject=last.subject, who=last.who
    )


# What is late, for who runs or audits the hub --------------------------------------------------------------------


@pages.get("/overdue")
@accounts.require(*READERS)
def overdue() -> flask.typing.ResponseReturnValue:
    hub, after = current(), _after()
    today = hub.today()
    with hub.db.read() as conn:
        found = undertakings.due(conn, undertakings.day_before(today), today, limit=LIMIT + 1, after=after)
        lines = waiting.lines(conn, hub, found[:LIMIT], hub.courses.current(conn))
    return flask.render_template(
        "rtl/overdue.html",
        lines=lines,
        next_url=_next_url("rtl.overdue", found),
        first_url=flask.url_for("rtl.overdue") if after else "",
    )


@pages.get("/overdue.csv")
@accounts.require(*READERS)
def overdue_file() -> flask.typing.ResponseReturnValue:
    header = [_("NIP"), _("Name"), _("Unit"), _("About"), _("To do"), _("Due"), _("Waits for")]
    return sheets.send_csv("rtl-overdue.csv", Sheet(_("Overdue"), header, _overdue_rows(current())))


def _overdue_rows(hub: Hub) -> Iterable[Sequence[Value]]:
    after: After | None = None
    today = hub.today()
    while True:
        with hub.db.read() as conn:
            found = undertakings.due(conn, undertakings.day_before(today), today, limit=500, after=after)
            lines = waiting.lines(conn, hub, found, hub.courses.current(conn))
        for line in lines:
            learner = line.learner
            nip, unit = (learner.nip, learner.unit) if learner else ("", "")
            who = _("employee") if line.duty.who == str(line.duty.learner) else line.duty.who or _("nobody")
            yield [nip, line.name, unit, line.title, line.text, line.duty.due_on, who]
        if not found:
            return
        after = found[-1].key


# One plan --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """A plan, and what whoever looks at it is to it."""

    learner: Learner
    listed: Listed
    found: FollowUpPlan
    role: str | None
    supervisor: Learner | None
    people: Mapping[UUID, Learner]

    @property
    def can_write(self) -> bool:
        return self.role == OWNER and self.found.plan.state in (None, "planned", "returned")

    @property
    def can_decide(self) -> bool:
        return self.role == SUPERVISOR and self.found.plan.state == "submitted"

    @property
    def can_realise(self) -> bool:
        return self.role == OWNER and self.found.plan.state == "approved"

    @property
    def can_evaluate(self) -> bool:
        is_there = self.found.plan.state in ("realised", "evaluated")
        return self.role is not None and is_there and self.role not in self.found.plan.effect

    def who(self, statement: str, by: str) -> str:
        """Who took a step, by name where the hub knows it."""
        person = self.people.get(self.found.people.get(statement, self.learner.id))
        if person is not None and (by == SUPERVISOR) == (person.id != self.learner.id):
            return person.name
        return self.learner.name if by == OWNER else _("the supervisor")


@pages.get("/<uuid:learner_id>/<int:course_id>")
@accounts.require()
def plan_page(learner_id: UUID, course_id: int) -> flask.typing.ResponseReturnValue:
    return _show(learner_id, course_id)


@pages.post("/<uuid:learner_id>/<int:course_id>")
@accounts.require()
def take(learner_id: UUID, course_id: int) -> flask.typing.ResponseReturnValue:
    """Take a step: ``do`` is the state that the plan comes to."""
    hub, form = current(), flask.request.form
    with hub.db.read() as conn:
        page = _page(conn, hub, learner_id, course_id)
        person = employee.me(conn)
    problems: dict[str, str] = {}
    items = _items(form, problems) if page.can_write else ()
    note = form.get("note", "")
    if len(note) > LONGEST_TEXT:
        problems["note"] = _("Use at most %(most)s characters.", most=LONGEST_TEXT)
    state = form.get("do", "")
    if state not in development_texts.rtl_steps():
        raise NotFound("no_such_step", _("There is no such step."))
    if state == "submitted" and not items and page.can_write:
        problems["activity-0"] = development_texts.rtl_refusals()["no_items"]
    if problems:
        return _show(learner_id, course_id, problems, form), 422
    done = _take(hub, page, person, state, note, items)
    if isinstance(done, rtl.StepRefused):
        refused = development_texts.rtl_refusals()[done.code]
        return _show(learner_id, course_id, {"note": refused}, form), 409
    flask.flash(_said(state), "success")
    return flask.redirect(flask.url_for("rtl.plan_page", learner_id=learner_id, course_id=course_id), 303)


def _take(
    hub: Hub, page: Page, person: Learner, state: str, note: str, items: Sequence[Item]
) -> rtl.Taken | rtl.StepRefused:
    def step(which: str) -> rtl.Taken | rtl.StepRefused:
        return rtl.take_step(hub, page.learner.id, page.listed, which, by=person.id, note=note, items=items)

    # What is handed in was written before: one button does both.
    if state == "submitted" and page.found.plan.state is None:
        written = step("planned")
        if isinstance(written, rtl.StepRefused):
            return written
    return step(state)


def _said(state: str) -> str:
    texts = {
        "planned": _("The draft is saved. Nobody but you has to do anything yet."),
        "submitted": _("The plan is submitted and waits for your supervisor."),
        "approved": _("The plan is approved."),
        "returned": _("The plan is returned with your remark."),
        "realised": _("The plan is reported as realised."),
        "evaluated": _("Your evaluation is recorded."),
    }
    return str(texts[state])


def _page(conn: sa.Connection, hub: Hub, learner_id: UUID, course_id: int) -> Page:
    """The plan of an address, as far as whoever asks may see it. To others it looks as if there were none."""
    learner = learners.find(conn, learner_id)
    listed = hub.courses.current(conn).by_id.get(course_id)
    session = accounts.current()
    role = None
    if learner is not None and session is not None and session.learner is not None:
        role = rtl.role_of(conn, session.learner, learner)
    is_reader = session is not None and session.role in READERS
    if learner is None or listed is None or not (role or is_reader):
        raise NotFound("no_such_plan", _("There is no follow-up plan here that you may see."))
    found = undertakings.plans(conn, learner.id).get(listed.course.id)
    if found is None and (role != OWNER or not rtl.is_owed(conn, hub, listed)):
        raise NotFound("no_such_plan", _("There is no follow-up plan for this course yet."))
    found = found or undertakings.plan_of(hub, (), listed.course.id)
    people = learners.find_many(conn, {learner.id, *found.people.values()})
    return Page(learner, listed, found, role, rtl.supervisor_of(conn, learner), people)


def _show(
    learner_id: UUID,
    course_id: int,
    problems: Mapping[str, str] | None = None,
    form: MultiDict[str, str] | None = None,
) -> str:
    hub = current()
    with hub.db.read() as conn:
        page = _page(conn, hub, learner_id, course_id)
        duties = undertakings.next_of(hub, undertakings.read_terms(conn, hub), page.found)
    return flask.render_template(
        "rtl/plan.html",
        page=page,
        plan=page.found.plan,
        duties=duties,
        rows=_rows(page, form),
        note=form.get("note", "") if form else "",
        problems=problems or {},
        says=development_texts,
        texts=texts,
    )


# The form of a plan ----------------------------------------------------------------------------------------------


def _rows(page: Page, form: MultiDict[str, str] | None) -> list[dict[str, str]]:
    """What stands in the form: what was sent, else the plan's items, and room for one more."""
    if form is not None:
        count = max(1, sum(f"activity-{number}" in form for number in range(MOST_ITEMS)))
        return [{name: form.get(f"{name}-{number}", "") for name in (*_LONGEST, "due_on")} for number in range(count)]
    rows = [
        {name: getattr(item, name) for name in _LONGEST} | {"due_on": item.due_on.isoformat()}
        for item in page.found.plan.items
    ]
    blank = {"activity": "", "indicator": "", "who": page.learner.name, "monitoring": "", "due_on": ""}
    return [*rows, blank][:MOST_ITEMS]


def _items(form: MultiDict[str, str], problems: dict[str, str]) -> tuple[Item, ...]:
    """The items of a form; ``problems`` says what is wrong, by field. A row without an activity is none."""
    found = []
    for number in range(MOST_ITEMS):
        texts = {name: " ".join(form.get(f"{name}-{number}", "").split()) for name in _LONGEST}
        if not texts["activity"]:
            continue
        for name, text in texts.items():
            if len(text) > _LONGEST[name] or "\x00" in text:
                problems[f"{name}-{number}"] = _("Use at most %(most)s characters.", most=_LONGEST[name])
        if not texts["indicator"]:
            problems[f"indicator-{number}"] = _("Say by what one sees that it is done.")
        try:
            due_on = date.fromisoformat(form.get(f"due_on-{number}", ""))
        except ValueError:
            problems[f"due_on-{number}"] = _("Choose the day by which it is done.")
        else:
            found.append(Item(due_on=due_on, **texts))
    return tuple(found)
