"""The catalogue for people: finding a course, what it is worth and why, and starting it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import flask
import sqlalchemy as sa
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from hub import headers
from hub.access import accounts
from hub.errors import NotFound, Refused
from hub.jp import ledger
from hub.learning import plan, rtl, undertakings
from hub.learning.catalogue import Listed, Snapshot, expected_centi_jp
from hub.lti import launches
from hub.people import learners
from hub.runtime import Hub, current
from hub.systems import registry
from hub.web import development_texts, layout, overview, texts
from hub.web.starting import startable
from mappings.course import Course
from mappings.policy import Policy

pages = flask.Blueprint("catalogue", __name__)

PAGE = 24
SORTS = ("title", "jp", "newest")


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody looks for in the catalogue."""

    text: str = ""
    form: str = ""
    provider: str = ""
    launchable: bool = False
    sort: str = SORTS[0]

    @staticmethod
    def of(arguments: MultiDict[str, str]) -> Filters:
        sort = arguments.get("sort", SORTS[0])
        return Filters(
            text=" ".join(arguments.get("q", "").split())[:100],
            form=arguments.get("form", ""),
            provider=arguments.get("provider", ""),
            launchable=bool(arguments.get("launchable")),
            sort=sort if sort in SORTS else SORTS[0],
        )

    def arguments(self) -> dict[str, str]:
        """The arguments of an address that says so; nothing for what was not chosen."""
        given = {
            "q": self.text,
            "form": self.form,
            "provider": self.provider,
            "launchable": "yes" if self.launchable else "",
            "sort": "" if self.sort == SORTS[0] else self.sort,
        }
        return {name: value for name, value in given.items() if value}

    def take(self, listed: Listed) -> bool:
        course = listed.course
        if self.form and course.form != self.form:
            return False
        if self.provider and course.provider != self.provider:
            return False
        if self.launchable and not course.launch_url:
            return False
        if not self.text:
            return True
        about = [course.title_id, course.title_en, course.provider, listed.institution]
        found = " ".join([*about, *(each.name for each in course.competencies)]).casefold()
        return all(word in found for word in self.text.casefold().split())


@dataclass(frozen=True, slots=True)
class Offer:
    """A course with what it is worth today."""

    listed: Listed
    centi_jp: int | None


@pages.get("/courses")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    hub = current()
    filters = Filters.of(flask.request.args)
    after = flask.request.args.get("after", 0, int)
    with hub.db.read() as conn:
        courses = hub.courses.current(conn)
        policy = hub.policies.active(conn, hub.today().year)
        found = [each for each in courses.listed if filters.take(each)]
        offers = [Offer(each, expected_centi_jp(each.course, policy, hub.today())) for each in found]
        page, is_last = _page(offers, courses.by_id.get(after), filters.sort, policy, hub.today())
        starts = startable(conn, [offer.listed for offer in page])
    following = "" if is_last else flask.url_for("catalogue.index", **filters.arguments(), after=page[-1].listed.id)  # type: ignore[arg-type]
    return flask.render_template(
        "catalogue/index.html",
        filters=filters,
        offers=page,
        starts=starts,
        next_url=following,
        first_url=flask.url_for("catalogue.index", **filters.arguments()) if after else "",  # type: ignore[arg-type]
        is_empty=not courses.listed,
        form_options=_form_options(courses, policy),
        provider_options=_provider_options(courses),
        policy=policy,
        texts=texts,
    )


def _form_options(courses: Snapshot, policy: Policy) -> list[tuple[str, str]]:
    """The forms of learning that the catalogue has, by name."""
    codes = {each.course.form for each in courses.listed}
    return sorted(((code, texts.form_name(policy, code)) for code in codes), key=lambda option: option[1].casefold())


def _provider_options(courses: Snapshot) -> list[tuple[str, str]]:
    """The institutions that the catalogue has courses of, by what people call them."""
    called = {each.course.provider: each.institution for each in courses.listed}
    return sorted(called.items(), key=lambda option: option[1].casefold())


def _page(
    offers: Iterable[Offer], after: Listed | None, sort: str, policy: Policy, on: date
) -> tuple[list[Offer], bool]:
    """The offers behind a course in this order, and whether that is all. The course itself need not be among them:
    it may have been changed, or filtered out, since the page before."""
    key = _key(sort)
    ordered = sorted(offers, key=key)
    if after is not None:
        seen = key(Offer(after, expected_centi_jp(after.course, policy, on)))
        ordered = [offer for offer in ordered if key(offer) > seen]
    return ordered[:PAGE], len(ordered) <= PAGE


def _key(sort: str) -> Callable[[Offer], tuple[Any, ...]]:
    def title(offer: Offer) -> tuple[Any, ...]:
        return texts.course_title(offer.listed.course).casefold(), offer.listed.id

    if sort == "jp":
        return lambda offer: (-(offer.centi_jp or 0), *title(offer))
    if sort == "newest":
        return lambda offer: (-offer.listed.updated_at.timestamp(), *title(offer))
    return title


# One course --------------------------------------------------------------------------------------------------


@pages.get("/courses/<int:course_id>", endpoint="course")
@accounts.require()
def show(course_id: int) -> flask.typing.ResponseReturnValue:
    return _show(course_id)


@pages.post("/courses/<int:course_id>/launch")
@accounts.require()
def launch(course_id: int) -> flask.typing.ResponseReturnValue:
    """Start the course at its provider: the browser goes to the tool's login."""
    hub, session = current(), accounts.current()
    if session is None or session.learner is None:
        detail = _("Courses are started by employees; your account belongs to none.")
        raise Refused("no_learner", detail, action=_("Sign in with your own account to learn."))
    outcome = launches.start(
        hub,
        learner=session.learner,
        session=session.id,
        course_id=course_id,
        locale=layout.language(),
        in_window="window" in flask.request.form,
        numbers=session.numbers,
    )
    if isinstance(outcome, launches.LaunchRefused):
        return _show(course_id, refused=outcome)
    if outcome.framed is None:
        # Without Flask's page that says so, which no browser shows: making it costs as much as the launch's queries.
        response = flask.Response(status=303, content_type="text/html; charset=utf-8")
        response.location = outcome.url
        return response
    return _frame(outcome, outcome.framed, course_id)


def _frame(started: launches.Started, tool: registry.Tool, course_id: int) -> flask.typing.ResponseReturnValue:
    """The course inside a page of the hub's, with the way out of it where frames or cookies fail."""
    headers.allow_form_action(tool.login_url)
    headers.allow_frames([tool.login_url, *tool.redirect_uris, started.course.launch_url], internal=tool.internal)
    return flask.render_template(
        "catalogue/frame.html", url=started.url, course=started.course, course_id=course_id, texts=texts
    )


def _show(course_id: int, refused: launches.LaunchRefused | None = None) -> flask.typing.ResponseReturnValue:
    hub = current()
    today = hub.today()
    with hub.db.read() as conn:
        courses = hub.courses.current(conn)
        listed = courses.by_id.get(course_id)
        if listed is None:
            detail = _("This course is not in the catalogue.")
            raise NotFound(
                "no_such_course", detail, action=_("Look for it in the catalogue: it may have another address now.")
            )
        policy = hub.policies.active(conn, today.year)
        mine = _mine(conn, hub, listed)
        starts = startable(conn, [listed])
    page = flask.render_template(
        "catalogue/course.html",
        listed=listed,
        course=listed.course,
        policy=policy,
        rule=policy.rule(listed.course.form, listed.course.scope),
        centi_jp=expected_centi_jp(listed.course, policy, today),
        required=overview.required(listed.course, policy),
        competencies=_competencies(listed.course),
        mine=mine,
        can_launch=bool(starts),
        refused=refused,
        removed=flask.request.args.get("removed", 0, int) == listed.id,
        texts=texts,
        says=development_texts,
    )
    return page, 409 if refused else 200


def _competencies(course: Course) -> str:
    """The competencies of a course by name, with their level where it states one."""
    with_level = [f"{each.name} ({each.level})" if each.level else each.name for each in course.competencies]
    return ", ".join(with_level)


@dataclass(frozen=True, slots=True)
class MyCourse:
    """How one employee stands with one course this year."""

    year: int
    state: str
    is_planned: bool
    hours: tuple[overview.Hour, ...]
    todos: tuple[overview.Todo, ...]
    unanswered: datetime | None
    plan_url: str
    plan_state: str


def _mine(conn: sa.Connection, hub: Hub, listed: Listed) -> MyCourse | None:
    session = accounts.current()
    learner = None if session is None or session.learner is None else learners.find(conn, session.learner)
    if learner is None:
        return None
    courses = hub.courses.current(conn)
    year = ledger.year_of(conn, hub, learner, hub.today().year)
    is_started = listed.id in plan.started_courses(conn, learner.id)
    plans = {course: found.state for course, found in undertakings.plans(conn, learner.id).items()}
    owes = rtl.is_owed(conn, hub, listed) or listed.course.id in plans
    return MyCourse(
        year=year.year,
        state=overview.state_of(listed.course, year, is_started=is_started),
        is_planned=listed.id in plan.courses_of(conn, learner.id, year.year),
        hours=tuple(
            hour
            for hour in overview.hours(year.entries, courses)
            if hour.is_live and hour.entry.course == listed.course.id
        ),
        todos=overview.todos((each for each in year.pending if each.course == listed.course.id), courses, plans),
        unanswered=launches.unanswered(conn, learner.id, listed.id, hub.clock()),
        plan_url=flask.url_for("rtl.plan_page", learner_id=learner.id, course_id=listed.id) if owes else "",
        plan_state=plans.get(listed.course.id, undertakings.ASKED),
    )
