"""The authentication endpoint: from a launch that was begun to the id_token in the tool's hands.

1EdTech Security Framework 1.0 section 5.1.1: the tool sends the browser here (step 2), by GET or POST; the hub
answers with a page that posts the id_token, or the error, to the tool (step 3). The page's form is submitted by a
script file of ours, so that the policy against inline scripts holds here too, and by a button where scripts are off.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import flask
import sqlalchemy as sa
import structlog
from werkzeug.datastructures import MultiDict

from hub import accounts, learners, registry
from hub.bodies import read_body
from hub.errors import HubError
from hub.lti import claims, idtoken, keys, launches, lineitems
from hub.lti.claims import AuthenticationRequest, Refusal, Situation
from hub.lti.clients import find_client
from hub.lti.keys import SigningKey, SigningKeys
from hub.lti.launches import FetchRefused, Launch
from hub.registry import Deployment, Tool
from hub.runtime import Hub, current
from mappings.course import Course

log = structlog.get_logger()

#: Marks a request that our own page has sent again, so that it is not sent a third time.
REPOSTED = "hub_reposted"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database knows of a request. ``course`` is None where it has left the catalogue."""

    situation: Situation
    course: Course | None
    key: SigningKey | None


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the one write of a launch leaves for signing."""

    lineitem: str
    person: idtoken.Person | None
    fetch_secret: str


class Login:
    """The views of a launch; one object per application, because it keeps opened keys."""

    def __init__(self, signing_keys: SigningKeys) -> None:
        self._keys = signing_keys

    def authenticate(self) -> flask.Response:
        """``/lti/platform/auth``, GET and POST."""
        hub = current()
        parameters = _parameters()
        request = AuthenticationRequest.of(parameters)
        with hub.db.read() as conn:
            tool = find_client(conn, request.client_id)
        refusal = claims.check_address(request, tool)
        if refusal or tool is None:
            raise _page(refusal)
        refusal = claims.check_request(request)
        if refusal:
            return _error(request, tool, refusal)
        session = accounts.current()
        if session is None and REPOSTED not in parameters:
            return _repost(parameters)
        if session is None:
            return _error(request, tool, Refusal("session", "login_required", "Nobody is signed in at the hub."))
        return self._complete(hub, request, tool, session)

    def _complete(
        self, hub: Hub, request: AuthenticationRequest, tool: Tool, session: accounts.Session
    ) -> flask.Response:
        seen = _look(hub, request, tool, session)
        refusal = claims.check_launch(request, seen.situation)
        launch, deployment = seen.situation.launch, seen.situation.deployment
        if refusal or launch is None or deployment is None:
            return _error(request, tool, refusal)
        if seen.course is None:
            return _error(request, tool, Refusal("course", "access_denied", "The course has left the catalogue."))
        key = seen.key or keys.ensure(hub)
        granted = _grant(hub, launch, seen.course, tool)
        if granted is None:
            used = Refusal("lti_message_hint", "invalid_request", "lti_message_hint has been used.")
            return _error(request, tool, used)
        message = _message(hub, request, tool, deployment, launch, seen.course, granted)
        token = self._keys.sign(hub, key, idtoken.resource_link_claims(message))
        log.info("launched", launch=str(launch.id), tool=tool.name, course=launch.course)
        return _form_post(tool, request.redirect_uri, {"id_token": token, "state": request.state})


def fetch(launch_id: UUID, secret: str) -> flask.Response:
    """POST of a fetch URL: the token, once. Errors are answered with 200, as cmi5 wants it (section 8.2.3)."""
    answer = launches.fetch_token(current(), launch_id, secret)
    if isinstance(answer, FetchRefused):
        body = {"error-code": answer.code, "error-text": answer.text}
    else:
        body = {"auth-token": answer}
    response = flask.jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response


def _message(
    hub: Hub,
    request: AuthenticationRequest,
    tool: Tool,
    deployment: Deployment,
    launch: Launch,
    course: Course,
    granted: _Granted,
) -> idtoken.Message:
    return idtoken.Message(
        issuer=hub.base_url,
        client_id=tool.client_id,
        deployment_id=deployment.deployment_id,
        nonce=request.nonce,
        now=hub.clock(),
        launch=launch,
        course=course,
        lineitem=granted.lineitem,
        fetch_url=launches.fetch_url(hub, launch, granted.fetch_secret),
        person=granted.person,
        version=version("wkmb-hub"),
    )


def _parameters() -> dict[str, str]:
    """The parameters of the request. One that comes twice is refused (RFC 6749 section 3.1)."""
    request = flask.request
    if request.method == "POST":
        if request.mimetype != "application/x-www-form-urlencoded":
            raise _page(Refusal("body", "invalid_request", "The body must be a form (x-www-form-urlencoded)."))
        body = read_body(request.environ, limit=claims.LARGEST)
        given = _form(body)
    else:
        given = request.args
        if len(request.query_string) > claims.LARGEST:
            raise _page(Refusal("query", "invalid_request", f"The query is longer than {claims.LARGEST} bytes."))
    if any(len(values) > 1 for _, values in given.lists()):
        raise _page(Refusal("parameters", "invalid_request", "A parameter stands in the request twice."))
    return given.to_dict()


def _look(hub: Hub, request: AuthenticationRequest, tool: Tool, session: accounts.Session) -> _Seen:
    """Everything that the checks are about, from one snapshot."""
    with hub.db.read() as conn:
        key = keys.signing_key(conn, hub.clock())
        launch = launches.find_by_hint(conn, hub, request.lti_message_hint)
        if launch is None:
            return _Seen(Situation(tool, session, None, None, is_enrolled=False), None, key)
        deployment = _deployment(conn, tool, launch)
        is_enrolled = launches.is_enrolled(conn, launch.learner, launch.context)
        listed = hub.courses.current(conn).by_id.get(launch.course)
    situation = Situation(tool, session, launch, deployment, is_enrolled)
    return _Seen(situation, None if listed is None else listed.course, key)


def _deployment(conn: sa.Connection, tool: Tool, launch: Launch) -> Deployment | None:
    return next((each for each in registry.deployments_of(conn, tool.id) if each.id == launch.deployment), None)


def _grant(hub: Hub, launch: Launch, course: Course, tool: Tool) -> _Granted | None:
    """The one write of a launch: it goes through here, once, or None."""
    secret = base64.urlsafe_b64encode(hub.random(24)).decode()

    def work(conn: sa.Connection) -> _Granted | None:
        if not launches.consume(conn, hub, launch, secret):
            return None
        lineitem = lineitems.ensure_coupled(conn, hub, launch.context, tool.id, course)
        learner = learners.find(conn, launch.learner) if tool.names else None
        person = None if learner is None else idtoken.Person(learner.name, learner.email)
        return _Granted(lineitem, person, secret)

    return hub.db.run(work)


# Answers ---------------------------------------------------------------------------------------------------------


def _page(refusal: Refusal | None) -> HubError:
    """What the person sees where the tool cannot be told."""
    assert refusal is not None  # noqa: S101
    log.info("launch_refused", check=refusal.check, error=refusal.error)
    action = "Open the course again from the hub. If it stays, tell the course's provider what you read here."
    return HubError(f"lti_{refusal.check}", refusal.why, action=action)


def _error(request: AuthenticationRequest, tool: Tool, refusal: Refusal | None) -> flask.Response:
    """Tell the tool, at its validated address (Security Framework 1.0 section 5.1.1.5)."""
    assert refusal is not None  # noqa: S101
    log.info("launch_refused", check=refusal.check, error=refusal.error, tool=tool.name)
    fields = {"error": refusal.error, "error_description": refusal.why}
    if request.state:
        fields["state"] = request.state
    return _form_post(tool, request.redirect_uri, fields)


def _form_post(tool: Tool, url: str, fields: Mapping[str, str]) -> flask.Response:
    """A page that posts the fields (OAuth 2.0 Form Post Response Mode)."""
    # Browsers hold the form to this also where the tool redirects after it, often to another host of its own: so
    # every https address may follow. The one form on the page is ours, and its action one that was registered.
    allowed = [_origin(url), _origin(tool.target_link_uri), "https:"]
    return _form_page(url, fields, " ".join(dict.fromkeys(allowed)))


def _repost(parameters: Mapping[str, str]) -> flask.Response:
    """A page of ours that sends the request again.

    A browser keeps our cookie back from what another site makes it post. What our own page posts carries it.
    """
    known = {name: value for name, value in parameters.items() if name in AuthenticationRequest.__dataclass_fields__}
    return _form_page(flask.request.path, {**known, REPOSTED: "1"}, "'self'")


def _form_page(action: str, fields: Mapping[str, str], form_action: str) -> flask.Response:
    page = flask.render_template("lti/form_post.html", action=action, fields=fields)
    response = flask.Response(page, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action {form_action}; "
        "frame-ancestors 'self'"
    )
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _form(body: bytes) -> MultiDict[str, str]:
    try:
        return MultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise _page(Refusal("body", "invalid_request", "The body is not a form in UTF-8.")) from None
