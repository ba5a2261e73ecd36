"""A launch of a course at its provider's LMS, from the click to the token with which the course reports.

`start` writes the launch and gives the address at which the tool's login begins. The tool sends the browser back to
the hub's authentication endpoint, where `consume` lets the launch go through exactly once (`hub.lti.login`).
With the id_token the course is given a fetch URL, which gives a token for the LRS, once too (cmi5 section 8.2).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import sqlalchemy as sa
from flask_babel import gettext as _

from connectors import accounts, xapi
from hub import revisions
from hub.access.accounts import Session
from hub.lti.contexts import Context
from hub.people import identity
from hub.systems.registry import Deployment, Tool
from hub.tables import enrollments, launches, learners
from lrs.agents import Identifier
from lrs.database import insert_all, upsert
from lrs.precompiled import Precompiled
from mappings.course import Course

if TYPE_CHECKING:
    from hub.runtime import Hub

#: The tool's login has to come back within this time; later a launch is a stale bookmark, or an attack.
HINT_LIFE = timedelta(minutes=5)

#: A provider's system that has not asked for a launch after this time is down or slow; how long that is worth saying.
PATIENCE = timedelta(seconds=10)
UNANSWERED = timedelta(hours=1)

#: How long a course may report about one launch.
TOKEN_LIFE = timedelta(hours=8)

#: The custom parameter of a course that says: it is plain content, opened without LTI.
PLAIN = ("launch", "cmi5")

#: In place of the number of a tool and of a deployment, for plain content.
NOWHERE = 0

#: Who linked the accounts that an LMS names after a launch by the hub.
BY = "launched"

_HINT = "launch-hint"
_FETCH = "launch-fetch"
_TOKEN = "launch-token"  # noqa: S105  # a purpose of the keyring


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """Why a course cannot be opened: which check failed, and in words for the one who asked."""

    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch: who, which course, where, when, and how far it came. ``session`` is the one that asked for it."""

    id: UUID
    learner: UUID
    session: bytes
    tool: int
    deployment: int
    course: int
    activity: str
    actor: str
    registration: UUID
    target_link_uri: str
    locale: str
    document_target: str | None
    created_at: datetime
    hint_used_at: datetime | None
    fetched_at: datetime | None
    token_until: datetime | None

    @property
    def login_hint(self) -> str:
        """Who it is for the tool, in the login as in the id_token's ``sub``."""
        return str(self.learner)

    def is_of(self, session: Session) -> bool:
        """Whether this browser began it: else a link could sign somebody in as another."""
        return session.id == self.session and session.learner == self.learner

    @property
    def context(self) -> Context:
        """Where its scores go."""
        return Context(self.deployment, self.course)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Who is launched, and whether her enrollment in the context is still there."""

    name: str
    email: str | None
    is_enrolled: bool


@dataclass(frozen=True, slots=True)
class FetchRefused:
    """Why a fetch URL gives no token: cmi5's ``error-code`` and ``error-text`` (section 8.2.3)."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Target:
    """What is opened. Plain content has neither tool nor deployment, and its ``connector`` says whose it is."""

    course_id: int
    course: Course
    tool: Tool | None = None
    deployment: Deployment | None = None
    connector: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A launch that was begun: where the browser goes now; ``framed``: the tool, where that is inside our page."""

    url: str
    course: Course
    framed: Tool | None = None


def start(
    hub: Hub,
    *,
    learner: UUID,
    session: bytes,
    course_id: int,
    locale: str,
    in_window: bool = True,
    numbers: Mapping[str, int] | None = None,
) -> Started | LaunchRefused:
    """Begin a launch, or why not. ``in_window``: in the whole window, also where the tool's courses open in a frame.

    ``numbers`` are `hub.revisions`, where this request has read them already.
    """
    begun = _Begun(hub.new_id(), learner, session, locale, in_window)
    target, started = hub.db.run_at_once(lambda conn: _start(conn, hub, course_id, begun, numbers))
    if target is not None and target.tool is not None:
        _link_there(hub, target.tool, learner)
    return started


def _start(
    conn: sa.Connection, hub: Hub, course_id: int, begun: _Begun, numbers: Mapping[str, int] | None
) -> tuple[_Target | None, Started | LaunchRefused]:
    # Within the transaction that writes: what is looked up is in memory, and needs the connection after a change alone.
    target = _find_target(conn, hub, course_id, revisions.read(conn) if numbers is None else numbers)
    if isinstance(target, LaunchRefused):
        return None, target
    if target.tool is None or target.deployment is None:
        return target, _start_plain(conn, hub, target, begun)
    _write(conn, hub, target, begun)
    url = _login_url(hub, target.tool, target.deployment, target.course, begun)
    return target, Started(url, target.course, target.tool if begun.is_framed(target.tool) else None)


@dataclass(frozen=True, slots=True)
class _Begun:
    """Who begins a launch, and how."""

    id: UUID
    learner: UUID
    session: bytes
    locale: str
    in_window: bool

    def is_framed(self, tool: Tool) -> bool:
        """Whether the course opens inside the hub's page."""
        return tool.framed and not self.in_window


def _login_url(hub: Hub, tool: Tool, deployment: Deployment, course: Course, begun: _Begun) -> str:
    """The tool's login with the parameters of a third-party initiated login (1EdTech Security Framework 1.0 section
    5.1.1.1, LTI 1.3 Core section 4.1).

    In a frame the hub's page around it keeps data for the tool, whose cookies browsers may keep back there (LTI OIDC
    Login with LTI Client Side postMessages 0.1).
    """
    parameters = {
        "iss": hub.base_url,
        "login_hint": str(begun.learner),
        "target_link_uri": course.launch_url,
        "lti_message_hint": hub.keyring.sign(_HINT, str(begun.id), hub.clock() + HINT_LIFE),
        "client_id": tool.client_id,
        "lti_deployment_id": deployment.deployment_id,
    }
    if begun.is_framed(tool):
        parameters["lti_storage_target"] = "_parent"
    return with_parameters(tool.login_url, parameters)


def _start_plain(conn: sa.Connection, hub: Hub, target: _Target, begun: _Begun) -> Started:
    """Content without LTI is opened with cmi5's query (section 8.1), and reports with the token that it fetches."""
    secret = base64.urlsafe_b64encode(hub.random(24)).decode()
    opened = {"hint_used_at": hub.clock(), "fetch_secret": hub.keyring.digest(_FETCH, secret)}
    _write(conn, hub, target, begun, **opened)
    parameters = {
        "endpoint": f"{hub.base_url}/xapi/",
        "fetch": _fetch_url(hub, begun.id, secret),
        "actor": orjson.dumps(xapi.account(hub.base_url, str(begun.learner))).decode(),
        "registration": str(registration_id(hub, begun.learner, target.course.id)),
        "activityId": target.course.id,
    }
    return Started(with_parameters(target.course.launch_url, parameters), target.course)


def read_hint(hub: Hub, hint: str) -> UUID | None:
    """The id of the launch that this ``lti_message_hint`` was given for; None where it is forged or over."""
    value = hub.keyring.verify(_HINT, hint, hub.clock())
    return UUID(value) if isinstance(value, str) else None


_LAUNCH = [launches.c[name] for name in Launch.__dataclass_fields__]
_WHICH = launches.c.id == sa.bindparam("which")
_FIND = Precompiled(sa.select(*_LAUNCH).where(_WHICH))
_FIND_WITH_LEARNER = Precompiled(
    sa.select(*_LAUNCH, learners.c.name, learners.c.email, enrollments.c.launch.label("enrolled"))
    .outerjoin_from(launches, learners, learners.c.id == launches.c.learner)
    .outerjoin(
        enrollments,
        sa.and_(
            enrollments.c.learner == launches.c.learner,
            enrollments.c.deployment == launches.c.deployment,
            enrollments.c.course == launches.c.course,
        ),
    )
    .where(_WHICH)
)
_ENROLLMENT = sa.select(enrollments.c.launch).where(
    enrollments.c.learner == sa.bindparam("who"),
    enrollments.c.deployment == sa.bindparam("where"),
    enrollments.c.course == sa.bindparam("what"),
)
_CONSUME = Precompiled(
    sa.update(launches)
    .where(launches.c.id == sa.bindparam("which"), launches.c.hint_used_at.is_(None))
    .values(hint_used_at=sa.bindparam("at"), fetch_secret=sa.bindparam("digest"))
)


def find(conn: sa.Connection, launch_id: UUID) -> Launch | None:
    """The launch with that id."""
    row = _FIND.first(conn, which=launch_id)
    return None if row is None else Launch(*row)


def unanswered(conn: sa.Connection, learner: UUID, course_id: int, now: datetime) -> datetime | None:
    """When the learner last began this course without its provider's system ever coming back for it.

    None where it came, where there is still time, or where it is long ago.
    """
    last = sa.select(launches.c.created_at, launches.c.hint_used_at).join_from(
        enrollments, launches, launches.c.id == enrollments.c.launch
    )
    mine = last.where(enrollments.c.learner == learner, enrollments.c.course == course_id)
    row = conn.execute(mine.order_by(enrollments.c.last_at.desc()).limit(1)).first()
    if row is None or row.hint_used_at is not None or not PATIENCE <= now - row.created_at <= UNANSWERED:
        return None
    at: datetime = row.created_at
    return at


def find_with_learner(conn: sa.Connection, launch_id: UUID) -> tuple[Launch, Enrolled] | None:
    """The launch with that id, and whether who is launched may be launched and graded in its context."""
    row = _FIND_WITH_LEARNER.first(conn, which=launch_id)
    if row is None:
        return None
    return Launch(*row[: len(_LAUNCH)]), Enrolled(row.name, row.email, row.enrolled is not None)


def lock_enrollment(conn: sa.Connection, learner: UUID, context: Context) -> bool:
    """Whether the learner is enrolled there; and nobody else writes a score of hers there until this one is written."""
    return conn.execute(_ENROLLMENT.with_for_update(), _enrollment_key(learner, context)).first() is not None


def _enrollment_key(learner: UUID, context: Context) -> dict[str, object]:
    return {"who": learner, "where": context.deployment, "what": context.course}


def consume(conn: sa.Connection, hub: Hub, launch: Launch, fetch_secret: str) -> bool:
    """Let the launch go through; False if it went through before. One statement decides, so there is no second."""
    digest = hub.keyring.digest(_FETCH, fetch_secret)
    return _CONSUME.change(conn, which=launch.id, at=hub.clock(), digest=digest) == 1


def fetch_url(hub: Hub, launch: Launch, secret: str) -> str:
    """Where the course gets its token for the LRS, once."""
    return _fetch_url(hub, launch.id, secret)


def _fetch_url(hub: Hub, launch_id: UUID, secret: str) -> str:
    return f"{hub.base_url}/lti/platform/fetch/{launch_id}/{secret}"


def fetch_token(hub: Hub, launch_id: UUID, secret: str) -> str | FetchRefused:
    """The token with which the course of this launch reports, the first time; later cmi5's error.

    What is stored is a digest: nobody can be given the same token again.
    """
    now = hub.clock()
    query = sa.select(launches.c.fetch_secret, launches.c.hint_used_at).where(launches.c.id == launch_id)
    with hub.db.read() as conn:
        row = conn.execute(query).first()
    given = hub.keyring.digest(_FETCH, secret)
    if row is None or row.fetch_secret is None or not hmac.compare_digest(row.fetch_secret, given):
        return FetchRefused("2", "This fetch URL belongs to no launch. Open the course again from the hub.")
    if row.hint_used_at + TOKEN_LIFE <= now:
        return FetchRefused("2", "The launch of this fetch URL is over. Open the course again from the hub.")
    token = base64.urlsafe_b64encode(hub.random(24)).decode()
    statement = (
        sa.update(launches)
        .where(launches.c.id == launch_id, launches.c.fetched_at.is_(None))
        .values(fetched_at=now, token=hub.keyring.digest(_TOKEN, token), token_until=now + TOKEN_LIFE)
    )
    with hub.db.write() as conn:
        if conn.execute(statement).rowcount != 1:
            return FetchRefused("1", "This fetch URL has been used. Open the course again from the hub.")
    return base64.b64encode(f"{launch_id}:{token}".encode()).decode()


def registration_id(hub: Hub, learner: UUID, course: str) -> UUID:
    """The xAPI registration of a learner and a course: every launch of the two reports under one."""
    return xapi.statement_id("registration", hub.base_url, str(learner), course)


def _find_target(conn: sa.Connection, hub: Hub, course_id: int, numbers: Mapping[str, int]) -> _Target | LaunchRefused:
    listed = hub.courses.current(conn, numbers).by_id.get(course_id)
    if listed is None:
        return LaunchRefused("course", _("This course is not in the catalogue any more."))
    if not listed.course.launch_url:
        return LaunchRefused(
            "not_launchable", _("This course cannot be opened from here. Ask its provider how to join.")
        )
    systems = hub.directory.current(conn, numbers)
    connector = systems.connectors.get(listed.course.provider)
    if connector is not None and is_plain(listed.course):
        return _Target(listed.id, listed.course, connector=connector.id)
    tool = None if connector is None else systems.launchers.get(connector.id)
    if tool is None:
        return LaunchRefused("no_tool", _("The provider's system is not connected yet. Tell an administrator."))
    if tool.disabled:
        return LaunchRefused(
            "tool_disabled", _("The provider's system is switched off at the moment. Try again later.")
        )
    deployment = deployment_for(listed.course, systems.tenants.get(tool.id, ()))
    if deployment is None:
        return LaunchRefused("no_deployment", _("The provider has no such branch any more. Tell an administrator."))
    if deployment.disabled:
        return LaunchRefused("deployment_disabled", _("This branch of the provider is switched off. Try again later."))
    return _Target(listed.id, listed.course, tool, deployment)


def is_plain(course: Course) -> bool:
    """Whether the course is opened with cmi5's query, not by LTI."""
    return PLAIN in course.custom


def deployment_for(course: Course, deployments: tuple[Deployment, ...]) -> Deployment | None:
    """The tenant that gives the course: the one that it names, else the tool's first."""
    if not course.deployment:
        return deployments[0] if deployments else None
    return next((each for each in deployments if course.deployment in (each.name, each.deployment_id)), None)


def _write(conn: sa.Connection, hub: Hub, target: _Target, begun: _Begun, **opened: Any) -> None:
    now = hub.clock()
    registration = registration_id(hub, begun.learner, target.course.id)
    deployment = NOWHERE if target.deployment is None else target.deployment.id
    row = {
        "id": begun.id,
        "learner": begun.learner,
        "session": begun.session,
        "tool": NOWHERE if target.tool is None else target.tool.id,
        "deployment": deployment,
        "course": target.course_id,
        "activity": target.course.id,
        "actor": orjson.dumps(xapi.account(hub.base_url, str(begun.learner))).decode(),
        "registration": registration,
        "target_link_uri": target.course.launch_url,
        "locale": begun.locale,
        "document_target": "iframe" if target.tool is not None and begun.is_framed(target.tool) else None,
        "connector": target.connector,
        "created_at": now,
        **opened,
    }
    insert_all(conn, launches, [row])
    enrollment = {
        "learner": begun.learner,
        "deployment": deployment,
        "course": target.course_id,
        "registration": registration,
        "launch": begun.id,
        "first_at": now,
        "last_at": now,
    }
    upsert(conn, enrollments, enrollment, update=["launch", "last_at"])


def _link_there(hub: Hub, tool: Tool, learner: UUID) -> None:
    """What the tool's LMS will call the learner is hers before it reports anything."""
    for account in accounts.of_launched(tool.login_url, hub.base_url, str(learner)):
        link = partial(identity.link_unclaimed, who=Identifier("account", *account), learner=learner, by=BY)
        hub.db.run(partial(link, now=hub.clock(), new_id=hub.new_id))


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """The address with further parameters; one that has a query keeps it (Moodle's login does)."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
