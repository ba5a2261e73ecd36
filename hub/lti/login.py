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
from flask_babel import get_babel
from flask_babel import gettext as _
from markupsafe import escape
from werkzeug.datastructures import MultiDict

from hub import revisions
from hub.access import accounts
from hub.bodies import read_body
from hub.errors import HubError
from hub.lti import claims, idtoken, keys, launches, lineitems, pickings, refusals
from hub.lti.claims import AuthenticationRequest, Refusal, Situation
from hub.lti.contexts import Context
from hub.lti.keys import SigningKey, SigningKeys
from hub.lti.launches import FetchRefused, Launch
from hub.lti.pickings import Picking
from hub.operations import outcomes
from hub.runtime import Hub, current
from hub.systems.registry import Deployment, Tool
from mappings.course import Course

log = structlog.get_logger()

#: Stands in for the address of the form where the page around it is made.
_ACTION = "ACTION"

#: Marks a request that our own page has sent again, so that it is not sent a third time.
REPOSTED = "hub_reposted"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database knows of a request, from one snapshot; None for what there is not."""

    tool: Tool | None
    key: SigningKey | None
    launch: Launch | None = None
    picking: Picking | None = None
    deployment: Deployment | None = None
    is_enrolled: bool = False
    course: Course | None = None
    person: idtoken.Person | None = None


class Login:
    """The authentication endpoint; one object per application, because it keeps opened keys."""

    def __init__(self, signing_keys: SigningKeys) -> None:
        self._keys = signing_keys
        self._version = version("wkmb-hub")
        #: The coupled line items that are there, by their contexts: none is ever deleted, so none need be made at each
        #: launch.
        self._coupled: dict[Context, str] = {}

    def authenticate(self) -> flask.Response:
        """``/lti/platform/auth``, GET and POST."""
        hub = current()
        parameters = _parameters()
        request = AuthenticationRequest.of(parameters)
        seen = self._look(hub, request)
        refusal = claims.check_address(request, seen.tool)
        if refusal or seen.tool is None:
            raise _page(refusal, seen.tool)
        refusal = claims.check_request(request)
        if refusal:
            return _error(request, seen.tool, refusal)
        session = accounts.current()
        if session is None and REPOSTED not in parameters:
            return _repost(parameters)
        refusal = claims.check_launch(request, _situation(seen.tool, session, seen))
        if refusal:
            return _error(request, seen.tool, refusal)
        return self._complete(hub, request, seen) if seen.picking is None else self._open_picker(hub, request, seen)

    def _look(self, hub: Hub, request: AuthenticationRequest) -> _Seen:
        """Everything that the checks are about."""
        launch_id = launches.read_hint(hub, request.lti_message_hint)
        picking_id = None if launch_id else pickings.read_hint(hub, request.lti_message_hint)
        with hub.db.singly() as conn:
            session = accounts.current_in(conn)
            numbers = session.numbers if session and session.numbers else revisions.read(conn)
            systems = hub.directory.current(conn, numbers)
            tool = systems.clients.get(request.client_id)
            key = self._keys.current(conn, hub.clock(), numbers)
            picking = None if picking_id is None else pickings.find(conn, hub, picking_id)
            if picking is not None:
                return _Seen(tool, key, picking=picking, deployment=systems.deployments.get(picking.deployment))
            found = None if launch_id is None else launches.find_with_learner(conn, launch_id)
            if tool is None or found is None:
                return _Seen(tool, key)
            launch, learner = found
            listed = hub.courses.current(conn, numbers).by_id.get(launch.course)
            return _Seen(
                tool=tool,
                key=key,
                launch=launch,
                deployment=systems.deployments.get(launch.deployment),
                is_enrolled=learner.is_enrolled,
                course=None if listed is None else listed.course,
                person=idtoken.Person(learner.name, learner.email),
            )

    def _complete(self, hub: Hub, request: AuthenticationRequest, seen: _Seen) -> flask.Response:
        """The answer to a request that passed every check, unless another one was faster."""
        tool, launch, deployment, course = seen.tool, seen.launch, seen.deployment, seen.course
        assert tool and launch and deployment and course  # noqa: S101, PT018  # checks saw to each
        secret = base64.urlsafe_b64encode(hub.random(24)).decode()
        context = launch.context
        lineitem = self._coupled.get(context)
        # With the line item there, all that is written is one statement.
        run = hub.db.run if lineitem is None else hub.db.run_single
        if not run(lambda conn: self._grant(conn, hub, tool, launch, course, secret)):
            used = Refusal("lti_message_hint", "invalid_request", "lti_message_hint has been used.")
            return _error(request, tool, used)
        if lineitem is None:
            lineitem = self._coupled[context] = lineitems.coupled_url(hub, context)
        message = idtoken.Message(
            issuer=hub.base_url,
            client_id=tool.client_id,
            deployment_id=deployment.deployment_id,
            nonce=request.nonce,
            now=hub.clock(),
            launch=launch,
            course=course,
            lineitem=lineitem,
            fetch_url=launches.fetch_url(hub, launch, secret),
            person=seen.person if deployment.tells_names(tool) else None,
            version=self._version,
        )
        token = self._keys.sign(hub, seen.key or keys.ensure(hub), idtoken.resource_link_claims(message))
        outcomes.note("launch", "opened")
        log.info("launched", launch=str(launch.id), tool=tool.name, course=launch.course)
        return _form_post(tool, request.redirect_uri, {"id_token": token, "state": request.state})

    def _open_picker(self, hub: Hub, request: AuthenticationRequest, seen: _Seen) -> flask.Response:
        """The same for an administrator who picks courses (Deep Linking 2.0 section 4.4)."""
        tool, picking, deployment = seen.tool, seen.picking, seen.deployment
        assert tool and picking and deployment  # noqa: S101, PT018  # checks saw to each
        if not hub.db.run(lambda conn: pickings.consume(conn, picking, hub.clock())):
            used = Refusal("lti_message_hint", "invalid_request", "lti_message_hint has been used.")
            return _error(request, tool, used)
        message = idtoken.PickingMessage(
            issuer=hub.base_url,
            client_id=tool.client_id,
            deployment_id=deployment.deployment_id,
            nonce=request.nonce,
            now=hub.clock(),
            picking=picking,
            target_link_uri=tool.deep_linking_url or tool.target_link_uri,
            return_url=f"{hub.base_url}/lti/platform/deep-link",
            data=pickings.data_of(hub, picking),
            version=self._version,
        )
        token = self._keys.sign(hub, seen.key or keys.ensure(hub), idtoken.deep_linking_claims(message))
        log.info("picker_opened", picking=str(picking.id), tool=tool.name)
        return _form_post(tool, request.redirect_uri, {"id_token": token, "state": request.state})

    def _grant(
        self, conn: sa.Connection, hub: Hub, tool: Tool, launch: Launch, course: Course, fetch_secret: str
    ) -> bool:
        """The one write of a launch: it goes through here, once."""
        if not launches.consume(conn, hub, launch, fetch_secret):
            return False
        if launch.context not in self._coupled:
            lineitems.ensure_coupled(conn, hub, launch.context, tool.id, course)
        return True


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


def _parameters() -> dict[str, str]:
    """The parameters of the request. One that comes twice is refused (RFC 6749 section 3.1)."""
    if flask.request.method == "POST":
        return read_form(limit=claims.LARGEST)
    if len(flask.request.query_string) > claims.LARGEST:
        raise _page(Refusal("query", "invalid_request", f"The query is longer than {claims.LARGEST} bytes."))
    return _single(flask.request.args)


def read_form(*, limit: int) -> dict[str, str]:
    """The form that a browser was made to post here; each field once."""
    if flask.request.mimetype != "application/x-www-form-urlencoded":
        raise _page(Refusal("body", "invalid_request", "The body must be a form (x-www-form-urlencoded)."))
    return _single(_form(read_body(flask.request.environ, limit=limit)))


def _single(given: MultiDict[str, str]) -> dict[str, str]:
    if any(len(values) > 1 for values in given.listvalues()):
        raise _page(Refusal("parameters", "invalid_request", "A parameter stands in the request twice."))
    return given.to_dict()


def _situation(tool: Tool, session: accounts.Session | None, seen: _Seen) -> Situation:
    if seen.picking is not None:
        return Situation(tool, session, seen.picking, seen.deployment)
    return Situation(tool, session, seen.launch, seen.deployment, seen.is_enrolled, seen.course is not None)


# Answers ---------------------------------------------------------------------------------------------------------


def _page(refusal: Refusal | None, tool: Tool | None = None) -> HubError:
    """What the person sees where the tool cannot be told."""
    assert refusal is not None  # noqa: S101
    outcomes.note("launch", refusal.check)
    log.info("launch_refused", check=refusal.check, error=refusal.error)
    if tool is not None:
        refusals.note(current(), tool, "launch", refusal.check, refusal.error, refusal.why)
    detail = _("The course's system asked in a way that the hub refuses: %(why)s", why=refusal.why)
    action = _("Open the course again from the list of courses. If it stays, show this page to an administrator.")
    return HubError(f"lti_{refusal.check}", detail, action=action)


def _error(request: AuthenticationRequest, tool: Tool, refusal: Refusal | None) -> flask.Response:
    """Tell the tool, at its validated address (Security Framework 1.0 section 5.1.1.5)."""
    assert refusal is not None  # noqa: S101
    outcomes.note("launch", refusal.check)
    log.info("launch_refused", check=refusal.check, error=refusal.error, tool=tool.name)
    refusals.note(current(), tool, "launch", refusal.check, refusal.error, refusal.why)
    fields = {"error": refusal.error, "error_description": refusal.why}
    if request.state:
        fields["state"] = request.state
    return _form_post(tool, request.redirect_uri, fields)


def _form_post(tool: Tool, url: str, fields: Mapping[str, str]) -> flask.Response:
    """A page that posts the fields (OAuth 2.0 Form Post Response Mode)."""
    # Browsers hold the form to this also where the tool redirects after it, often to another host of its own: so
    # every https address may follow. The one form on the page is ours, and its action one that was registered.
    allowed = [_origin(url), _origin(tool.target_link_uri), "https:", *(["http:"] if tool.internal else [])]
    return form_page(url, fields, " ".join(dict.fromkeys(allowed)))


def _repost(parameters: Mapping[str, str]) -> flask.Response:
    """A page of ours that sends the request again.

    A browser keeps our cookie back from what another site makes it post. What our own page posts carries it.
    """
    known = {name: value for name, value in parameters.items() if name in AuthenticationRequest.__dataclass_fields__}
    return form_page(flask.request.path, {**known, REPOSTED: "1"}, "'self'")


def form_page(action: str, fields: Mapping[str, str], form_action: str) -> flask.Response:
    """A page whose one form goes on by itself; ``form_action`` is where browsers let it, and what follows it, go."""
    # Babel's own answer is a whole locale, of which the page has no use.
    start, end = _around(get_babel().locale_selector())
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n' for name, value in fields.items()
    )
    page = f'{start}{escape(action)}">\n{inputs}{end}'
    response = flask.Response(page, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    # Not no-referrer: the tool would be told `Origin: null`.
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action {form_action}; "
        "frame-ancestors 'self'"
    )
    return response


def _around(language: str) -> tuple[str, str]:
    """The page before the address of its form, and after the form's fields.

    Made once per language, and without what pages for people are given: nobody reads this one, and it is in the way of
    every launch.
    """
    known: dict[str, tuple[str, str]] = flask.current_app.extensions.setdefault("lti_form_page", {})
    if language not in known:
        template = flask.current_app.jinja_env.get_template("lti/form_post.html")
        start, _action, end = template.render(action=_ACTION, fields={}, language=language).partition(f'{_ACTION}">\n')
        known[language] = start, end
    return known[language]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _form(body: bytes) -> MultiDict[str, str]:
    try:
        return MultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise _page(Refusal("body", "invalid_request", "The body is not a form in UTF-8.")) from None
