"""``/lti/tool/…`` over HTTP: the login, the launch, the key set, and what a person sees of a launch."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

import flask
import orjson
import sqlalchemy as sa
import structlog
from flask_babel import gettext as _

from hub import headers
from hub.access import accounts, limits
from hub.errors import HubError
from hub.keysets import Jwk, KeySets
from hub.lti import keys, launches
from hub.lti_tool import cookies, entry, frames, logins, people, platforms, registering
from hub.lti_tool.claims import LaunchRefused
from hub.lti_tool.entry import Accepted, Repeated
from hub.lti_tool.messages import Launch
from hub.lti_tool.pages import browser, for_platform, read_parameters, refused
from hub.lti_tool.people import Known, Unknown
from hub.lti_tool.platforms import Platform
from hub.operations import outcomes
from hub.people import learners
from hub.runtime import Hub, current
from hub.web import admin_forms, layout

log = structlog.get_logger()

#: The parameters of a login (LTI 1.3 Core 4.1); others mean nothing to the hub.
LOGIN = ("iss", "login_hint", "target_link_uri", "lti_message_hint", "client_id", "lti_deployment_id")

#: Registrations per address and minute in which it may fail and be tried again.
REGISTRATIONS = 10

#: Marks a request that our own page has sent again, so that it is not sent a third time.
REPOSTED = "hub_reposted"


class Views:
    """The views; one object per application, because it keeps platforms' keys."""

    def __init__(self, key_sets: KeySets[Jwk]) -> None:
        self._key_sets = key_sets

    def login(self) -> flask.typing.ResponseReturnValue:
        """Third-party initiated login, by GET or POST (Security Framework 5.1.1.1)."""
        hub, given = current(), read_parameters().to_dict()
        if frames.is_framed_by_another_site():
            return _in_a_window(hub, given)
        name = browser() or _new_browser(hub)
        outcome = entry.begin_login(hub, given, name)
        if isinstance(outcome, LaunchRefused):
            return refused("login", outcome)
        response = flask.redirect(outcome.url, HTTPStatus.FOUND)
        response.headers["Cache-Control"] = "no-store"
        cookies.set_browser(hub, response, name)
        return response

    def launch(self) -> flask.typing.ResponseReturnValue:
        """The id_token, by POST alone (Security Framework 5.1.1.3: form_post)."""
        hub = current()
        if flask.request.method != "POST":
            action = _("Open it again from your learning platform.")
            raise HubError("lti_method", _("This address is opened by a learning platform."), action=action, status=405)
        given = read_parameters().to_dict()
        name = browser()
        if not name and not hub.settings.is_https and REPOSTED not in given:
            # Without TLS our cookie is Lax: it does not come with what another site posts, but with what we post.
            return _repost(given)
        outcome = entry.launch(hub, self._key_sets, given, browser=name, find_session=accounts.current)
        if isinstance(outcome, LaunchRefused):
            return refused("launch", outcome)
        if isinstance(outcome, Repeated):
            return _again(hub, outcome, given["state"])
        return _accepted(hub, outcome, given["state"])


def key_set() -> flask.Response:
    """The hub's public keys: the same that sign its id_tokens."""
    hub = current()
    keys.ensure(hub)
    with hub.db.read() as conn:
        published = keys.key_set(conn, hub.clock())
    response = flask.Response(orjson.dumps(published), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def register() -> flask.typing.ResponseReturnValue:
    """An LMS's registration window: it opens our invitation with its configuration and its token (section 3.1)."""
    hub, given = current(), read_parameters()
    address = flask.request.remote_addr or ""
    if not limits.allow(hub, "tool-register", address, most=REGISTRATIONS, seconds=60):
        raise HubError("slow_down", _("Too many registrations from this address. Try again in a minute."), status=429)
    start = registering.Start(given.get("openid_configuration", ""), given.get("registration_token", ""))
    try:
        made = registering.accept(hub, given.get("invitation", ""), start)
    except HubError as refusal:
        raise _in_words(refusal) from refusal
    log.info("registered_as_tool", platform=made.name)
    return for_platform(made, "lti_tool/registered.html")


def _in_words(refusal: HubError) -> HubError:
    """What the LMS's administrator reads of a refusal that is about an address, or about a call of her LMS."""
    known = admin_forms.registration_problems()
    if layout.language() == "en" or refusal.code not in known:
        return refusal
    return HubError(refusal.code, known[refusal.code], status=refusal.status)


def connect() -> flask.typing.ResponseReturnValue:
    """Where somebody comes back to who signed in for the sake of a launch: now the two are linked."""
    hub, state = current(), flask.request.args.get("state", "")
    with hub.db.read() as conn:
        login = logins.find(conn, hub, state)
        if login is None or login.launch is None or not logins.is_of_browser(hub, login, browser()):
            return refused("connect", LaunchRefused("state", _("This launch is over, or was not made here.")))
        platform = platforms.get(conn, login.platform)
    session, launch = accounts.current(), login.launch
    if session is None:
        return flask.redirect(flask.url_for("session.login", next=flask.request.full_path), HTTPStatus.SEE_OTHER)

    def work(conn: sa.Connection) -> Known | Unknown:
        person = people.recognize(conn, hub, launch, session)
        if isinstance(person, Known):
            entry.settle(conn, hub, login, platform, launch, person.learner)
        return person

    person = hub.db.run(work)
    if isinstance(person, Known) and session.learner == person.learner:
        flask.flash(_("From now on you come here from %(platform)s without signing in.", platform=platform.name))
        return _go(hub, launch, person.learner, session.id)
    return _unknown_page(hub, platform, launch, Unknown(other=True), state)


def destination(launch: Launch) -> str:
    """Where a launch leads: to the course that it is about, else to the learner's own page."""
    if launch.course is not None:
        return flask.url_for("catalogue.course", course_id=launch.course)
    return flask.url_for("employee.home")


def _go(hub: Hub, launch: Launch, learner: UUID, session: bytes) -> flask.typing.ResponseReturnValue:
    """On to where a launch leads; to the course's provider at once, where it can be opened.

    Not in a frame: the provider would have to let itself be framed by a page that it does not know.
    """
    if launch.course is not None and not frames.is_framed():
        begun = launches.start(hub, learner=learner, session=session, course_id=launch.course, locale=layout.language())
        if isinstance(begun, launches.Started):
            return flask.redirect(begun.url, HTTPStatus.SEE_OTHER)
        flask.flash(begun.why, "warning")
    return flask.redirect(destination(launch), HTTPStatus.SEE_OTHER)


# Outcomes --------------------------------------------------------------------------------------------------------


def _accepted(hub: Hub, outcome: Accepted, state: str) -> flask.typing.ResponseReturnValue:
    outcomes.note("tool_launch", "accepted")
    log.info("tool_launched", platform=outcome.platform.name, deployment=outcome.launch.deployment_id)
    if outcome.launch.is_deep_linking:
        return flask.redirect(flask.url_for("lti_tool.select", state=state), HTTPStatus.SEE_OTHER)
    if isinstance(outcome.person, Unknown):
        return _unknown_page(hub, outcome.platform, outcome.launch, outcome.person, state)
    if outcome.token is None and not outcome.is_signed_in:
        return for_platform(outcome.platform, "lti_tool/no_account.html")
    if outcome.person.is_new:
        said = _("Your account at %(platform)s is connected with yours here.", platform=outcome.platform.name)
        flask.flash(said, "success")
    response = flask.make_response(_go(hub, outcome.launch, outcome.person.learner, _session(hub, outcome.token)))
    if outcome.token is not None:
        cookies.set_session(hub, response, outcome.token)
    frames.remember(response, outcome.platform)
    return response


def _session(hub: Hub, token: str | None) -> bytes:
    """The session in which the person goes on: the one begun just now, else the one that there was."""
    if token is not None:
        return accounts.session_id(hub, token)
    session = accounts.current()
    return b"" if session is None else session.id


def _again(hub: Hub, outcome: Repeated, state: str) -> flask.typing.ResponseReturnValue:
    """A page that was refreshed leads where it led before, as long as the session lasts that it began."""
    login, session = outcome.login, accounts.current()
    assert login.launch is not None  # noqa: S101  # it was consumed
    if login.launch.is_deep_linking:
        return flask.redirect(flask.url_for("lti_tool.select", state=state), HTTPStatus.SEE_OTHER)
    if login.learner is None:
        with hub.db.read() as conn:
            platform = platforms.get(conn, login.platform)
        return _unknown_page(hub, platform, login.launch, Unknown(other=False), state)
    if session is None or session.learner != login.learner:
        return refused("launch", LaunchRefused("state", _("This launch has been used.")))
    return _go(hub, login.launch, login.learner, session.id)


def _unknown_page(hub: Hub, platform: Platform, launch: Launch, person: Unknown, state: str) -> flask.Response:
    session = accounts.current()
    learner = None
    if session is not None and session.learner is not None:
        with hub.db.read() as conn:
            learner = learners.find(conn, session.learner)
    after = flask.url_for("lti_tool.connect", state=state)
    return for_platform(
        platform,
        "lti_tool/unknown.html",
        launch=launch,
        other=person.other,
        learner=learner,
        sign_in=flask.url_for("session.login", next=after),
    )


def _in_a_window(hub: Hub, given: Mapping[str, str]) -> flask.Response:
    """A page with a button that begins the login in a window of its own."""
    with hub.db.read() as conn:
        found = platforms.of_issuer(conn, given.get("iss", ""))
    if not found:
        return refused("login", LaunchRefused("iss", _("This platform is not registered here.")))
    # Browsers hold the redirect that follows the form against it, too.
    headers.allow_form_action(found[0].auth_url)
    fields = {name: value for name, value in given.items() if name in LOGIN}
    return for_platform(found[0], "lti_tool/window.html", fields=fields)


def _repost(given: Mapping[str, str]) -> flask.Response:
    page = flask.render_template("lti/form_post.html", action=flask.request.path, fields={**given, REPOSTED: "1"})
    return flask.Response(page, content_type="text/html; charset=utf-8")


def _new_browser(hub: Hub) -> str:
    return base64.urlsafe_b64encode(hub.random(24)).rstrip(b"=").decode()
