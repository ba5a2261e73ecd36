"""The LRS over HTTP: every resource of xAPI 1.0.3 and 2.0 under one URL.

A request becomes a `Call` (version negotiated, alternate syntax undone), its credential a `Caller`; a resource is a
function of the two. What the two versions say differently is decided at ``call.is_2``. Who calls and what else hears of
a new statement is the hub's: `Services` names what it gives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from uuid import UUID

import flask
import orjson
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, TooManyRequests, Unauthorized

from hub.bodies import read_body
from hub.operations import outcomes
from hub.statements.xapi_call import (
    VERSION_HEADER,
    VERSIONS,
    Call,
    VersionRefused,
    headers_of,
    negotiate,
    parameters_of,
    undo_alternate_syntax,
)
from lrs import (
    activities,
    agents,
    attachments,
    documents,
    formats,
    index,
    multipart,
    paging,
    people,
    query,
    render,
    statements,
    store,
)
from lrs.database import Database
from lrs.documents import Condition, Context, Kind
from lrs.errors import (
    Conflict,
    Invalid,
    LRSError,
    Malformed,
    NoPartition,
    PreconditionFailed,
    PreconditionMissing,
    TooMuch,
    VoidRefused,
)
from lrs.sequence import Sequence, SequenceError, stored_at
from lrs.statements import Writer

#: Statements on a page, and the most that a client may ask for (limit=0 means that).
PAGE, MOST = 100, 1000
#: Attachment data on a page: it ends early where there would be more, but has at least one statement.
MOST_ATTACHED_BYTES = 32 * 1024 * 1024
_CURSOR = "cursor"
_CONSISTENT_THROUGH = "X-Experience-API-Consistent-Through"


class Forbidden(LRSError):
    """The credential is good, and was not given this right."""


@dataclass(frozen=True, slots=True)
class LaunchScope:
    """What the token of a launch is limited to."""

    actor: Mapping[str, Any]
    registration: str
    activity: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. ``reader`` names the credential or launch for ever: `more` links are bound to it."""

    scopes: frozenset[str]
    writer: Writer
    reader: str
    launch: LaunchScope | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What this face of the LRS needs from the hub.

    ``authenticate`` takes the Authorization header and raises werkzeug's Unauthorized, or TooManyRequests.
    ``accept`` stores in one transaction, with whatever else has to hear of new statements; ``extra_keys`` are
    those of `lrs.statements.prepare`. ``key`` signs `more` links.
    """

    db: Database
    sequence: Sequence
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    authenticate: Callable[[str | None], Caller]
    accept: Callable[[tuple[statements.Prepared, ...], Mapping[str, bytes] | None], store.Saved]
    key: bytes
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    default_version: str = VERSIONS[-1]
    max_body_bytes: int = 32 * 1024 * 1024


Resource = Callable[[Services, Call, Caller], flask.Response]


def create_blueprint(find_services: Callable[[], Services]) -> flask.Blueprint:
    """The LRS under /xapi; ``find_services`` is asked on each request, within the application's context."""
    blueprint = flask.Blueprint("xapi", __name__, url_prefix="/xapi")
    methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]

    @blueprint.route("/<path:resource>", provide_automatic_options=False, methods=methods)
    def serve(resource: str) -> flask.Response:
        return _serve(find_services(), resource)

    # Those that there are by addresses of their own: a pattern is looked at last, and costs ten times as much.
    for each in ("", "about", *_RESOURCES):
        options: dict[str, Any] = {"defaults": {"resource": each}, "methods": methods}
        blueprint.add_url_rule(f"/{each}", view_func=serve, provide_automatic_options=False, **options)

    @blueprint.after_app_request
    def complete(response: flask.Response) -> flask.Response:
        """An error that comes from elsewhere, such as a method that no address takes, has the headers too."""
        if flask.request.path.startswith("/xapi/") and VERSION_HEADER not in response.headers:
            _with_headers(response, _version_of_answer(find_services(), flask.request.headers.get(VERSION_HEADER)))
        return response

    return blueprint


def _serve(hub: Services, resource: str) -> flask.Response:
    environ = flask.request.environ
    method = environ["REQUEST_METHOD"].upper()
    if method == "OPTIONS":
        return _with_headers(flask.Response(status=204, headers=_OPTIONS), hub.default_version)
    version = _version_of_answer(hub, environ.get("HTTP_X_EXPERIENCE_API_VERSION"))
    # Asked before the read opens, and sent whatever the answer is (XAPI-00153, Communication 2.1.3).
    through = None
    if resource == "statements":
        through = hub.sequence.horizon() if _is_read(method) else hub.sequence.recent_horizon()
    try:
        call = _read_call(hub, environ, method, resource, through)
        version = call.version
        response = _dispatch(hub, resource, call)
    except (LRSError, HTTPException) as error:
        response = _refusal(error)
        outcomes.note(f"xapi:{resource if resource in _RESOURCES else 'other'}", type(error).__name__)
    if through is not None:
        # The last millisecond that is complete: what is stored in the next one is found by `since`, which excludes it.
        response.headers[_CONSISTENT_THROUGH] = _iso(through - timedelta(milliseconds=1))
    return _with_headers(response, version)


def _version_of_answer(hub: Services, given: str | None) -> str:
    """The version that the request names, however wrong the rest of it may be; else the default one."""
    try:
        return negotiate(given)
    except VersionRefused:
        return hub.default_version


def _is_read(method: str) -> bool:
    request = flask.request
    return method in ("GET", "HEAD") or (request.query_string != b"" and request.args.get("method") in ("GET", "HEAD"))


def _read_call(hub: Services, environ: dict[str, Any], method: str, resource: str, through: datetime | None) -> Call:
    headers = headers_of(environ)
    parameters = _parameters() if environ.get("QUERY_STRING") else {}
    body = b""
    if method in ("PUT", "POST"):
        # A chunked body that was cut off looks whole: it may not replace a document.
        body = read_body(environ, limit=hub.max_body_bytes, chunked=resource == "statements")
    call = Call(method, headers, parameters, body, through=through)
    if "method" in parameters and not headers.get(VERSION_HEADER, "").strip().startswith("2"):
        call = undo_alternate_syntax(call)
    given = call.headers.get(VERSION_HEADER)
    version = _version_for_about(hub, given) if resource == "about" else negotiate(given)
    if "method" in parameters and version.startswith("2") and given is not None:
        raise Malformed("xAPI 2.0 has no alternate request syntax: send the request itself, without ?method=")
    return call._replace(method="GET" if call.method == "HEAD" else call.method, version=version)


def _parameters() -> dict[str, str]:
    try:
        unquote_to_bytes(flask.request.query_string).decode()
    except UnicodeDecodeError:
        # Werkzeug would leave such a sign as it stands, and two parameters could be one.
        raise Malformed("The query is not percent-encoded UTF-8 (RFC 3986 2.5)") from None
    return parameters_of(flask.request.args.items(multi=True))


def _version_for_about(hub: Services, given: str | None) -> str:
    """It refuses nobody for a version, because it is asked for which there are (Communication 2.8)."""
    return VERSIONS[-1] if given is None else _version_of_answer(hub, given)


def _dispatch(hub: Services, resource: str, call: Call) -> flask.Response:
    if resource == "about":
        return _about(call)
    methods = _RESOURCES.get(resource)
    if methods is None:
        raise NotFound(f"There is no resource {resource!r}; xAPI has about, {', '.join(_RESOURCES)}")
    if call.method not in methods:
        raise MethodNotAllowed(list(methods), f"{resource} takes {', '.join(methods)}")
    caller = hub.authenticate(call.headers.get("authorization"))
    return methods[call.method](hub, call, caller)


def _about(call: Call) -> flask.Response:
    """Open to everybody: it is how a client learns which version to speak (Communication 2.8)."""
    if call.method != "GET":
        raise MethodNotAllowed(["GET", "HEAD"], "about is only read")
    call.allow()
    return _json({"version": list(VERSIONS)})


# Answers -------------------------------------------------------------------------------------------------


_ALWAYS = (
    # A document has a Last-Modified, from which a cache may think that it is good for some time.
    ("Cache-Control", "private, no-cache"),
    # Any origin may ask: no cookie is ever read here.
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "ETag, Last-Modified, Content-Length, X-Experience-API-Version, X-Experience-API-Consistent-Through",
    ),
)
_OPTIONS = {
    "Allow": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, Accept-Language, Cache-Control, "
        "Pragma, X-Experience-API-Version"
    ),
    "Access-Control-Max-Age": "86400",
}


def _with_headers(response: flask.Response, version: str) -> flask.Response:
    """What every answer carries, errors too (XAPI-00333)."""
    response.headers.extend((("X-Experience-API-Version", version), *_ALWAYS))
    return response


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Forbidden, 403),
    (VoidRefused, 403),
    (Conflict, 409),
    (PreconditionMissing, 409),
    (PreconditionFailed, 412),
    (TooMuch, 413),
    (NoPartition, 503),
    (SequenceError, 503),
    (LRSError, 400),
)


def _refusal(error: LRSError | HTTPException) -> flask.Response:
    """The status, and in words and as data what is wrong; for statements, every problem of every one of them."""
    if isinstance(error, HTTPException):
        status, title, detail = error.code or 500, error.name, error.description
    else:
        status = next(code for kind, code in _STATUS if isinstance(error, kind))
        title, detail = type(error).__name__, str(error)
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if isinstance(error, Invalid):
        problem["problems"] = [
            {"path": each.path, "requirement": each.requirement, "reason": each.reason} for each in error.problems
        ]
    response = _json(problem, status)
    response.content_type = "application/problem+json"
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Basic realm="xAPI", charset="UTF-8"'
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    if isinstance(error, TooManyRequests) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _json(value: Any, status: int = 200) -> flask.Response:
    return flask.Response(orjson.dumps(value), status=status, content_type="application/json")


def _nothing() -> flask.Response:
    return flask.Response(status=204)


# A horizon stands for some requests.
@functools.lru_cache(maxsize=16)
def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@functools.lru_cache(maxsize=16)
def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _require(caller: Caller, *scopes: str) -> None:
    if caller.scopes.isdisjoint(("all", *scopes)):
        raise Forbidden(f"This credential was given none of the scopes all, {', '.join(scopes)}")


# Statements (Communication 2.1) ----------------------------------------------------------------------------


def _put_statement(hub: Services, call: Call, caller: Caller) -> flask.Response:
    _require(caller, "statements/write")
    call.allow("statementId")
    call.required("statementId")
    statement_id = call.uuid("statementId") or UUID(int=0)
    parsed, data = _parse_statements(call)
    if parsed.is_batch:
        raise Malformed("PUT takes one statement, not an array")
    given = parsed.statements[0].get("id") if isinstance(parsed.statements[0], dict) else None
    if isinstance(given, str) and formats.is_uuid(given) and UUID(given) != statement_id:
        raise Malformed("The statement's id is not the parameter statementId")
    _store(hub, call, caller, parsed, data, lambda: statement_id)
    return _nothing()


def _post_statements(hub: Services, call: Call, caller: Caller) -> flask.Response:
    _require(caller, "statements/write")
    call.allow()
    parsed, data = _parse_statements(call)
    ids = _store(hub, call, caller, parsed, data, hub.new_id)
    return _json(ids)


def _parse_statements(call: Call) -> tuple[statements.Parsed, Mapping[str, bytes] | None]:
    """The statements, and the attachment data of a multipart body; None where it is plain JSON."""
    if call.media_type == "application/json":
        return statements.parse(call.body), None
    if call.media_type == "multipart/mixed":
        text, data = multipart.parse_multipart(call.body, multipart.boundary_of(call.headers["content-type"]))
        return statements.parse(text), data
    raise Malformed("Content-Type must be application/json or multipart/mixed (XAPI-00127)")


def _store(
    hub: Services,
    call: Call,
    caller: Caller,
    parsed: statements.Parsed,
    data: Mapping[str, bytes] | None,
    new_id: Callable[[], UUID],
) -> tuple[UUID, ...]:
    prepared = statements.prepare(
        parsed, version=call.version, writer=caller.writer, new_id=new_id, extra_keys=hub.extra_keys
    )
    attachments.check_attachments(prepared, data or {})
    if caller.launch is not None:
        _within_launch(caller.launch, prepared)
        _voids_its_own(hub, caller, prepared)
    return hub.accept(prepared, data).ids


def _within_launch(launch: LaunchScope, prepared: Iterable[statements.Prepared]) -> None:
    """A launch's token writes about its learner, its registration and its activity alone."""
    learner = agents.identifier(launch.actor)
    for each in prepared:
        statement = each.statement
        registration = statement.get("context", {}).get("registration")
        named = {activity["id"] for activity in index.context_activities(statement)}
        if agents.identifier(statement["actor"]) != learner:
            raise Forbidden(f"Statement {each.id}: this launch reports about its own learner alone")
        if registration is None or UUID(registration) != UUID(launch.registration):
            raise Forbidden(f"Statement {each.id}: this launch reports with registration {launch.registration} alone")
        if statement["object"].get("id") != launch.activity and launch.activity not in named:
            raise Forbidden(f"Statement {each.id}: neither its object nor its contextActivities are {launch.activity}")


def _voids_its_own(hub: Services, caller: Caller, prepared: Iterable[statements.Prepared]) -> None:
    """A launch's token voids what that launch stored, never what its connector stored of somebody else."""
    for each in prepared:
        if not each.is_voiding or each.target is None:
            continue
        with hub.db.read() as conn:
            target = query.get(conn, each.target)
        if target is None or target.origin != caller.writer.origin:
            raise Forbidden(f"Statement {each.id}: this launch voids what it stored itself alone, not {each.target}")


def _get_statements(hub: Services, call: Call, caller: Caller) -> flask.Response:
    mine = _mine(caller)
    after = None
    if _CURSOR in call.parameters:
        call.allow(_CURSOR)
        cursor = paging.read_cursor(call.required(_CURSOR), reader=caller.reader, key=hub.key)
        after, call = cursor.after, call._replace(parameters=cursor.parameters)
    if "statementId" in call.parameters or "voidedStatementId" in call.parameters:
        return _get_one(hub, call, mine)
    return _get_page(hub, call, caller, mine, after)


def _mine(caller: Caller) -> query.Mine | None:
    """Whether the caller reads everything, or only what she stored."""
    if caller.scopes & {"all", "all/read", "statements/read"}:
        return None
    _require(caller, "all/read", "statements/read", "statements/read/mine")
    # Whoever asserts, an agent or the members of an OAuth group, is indexed: one of them leads to all.
    asserting, *_ = agents.identifiers(caller.writer.authority)
    return query.Mine(asserting, caller.writer.origin)


def _get_one(hub: Services, call: Call, mine: query.Mine | None) -> flask.Response:
    if "statementId" in call.parameters and "voidedStatementId" in call.parameters:
        raise Malformed("Give statementId or voidedStatementId, not both")
    name = "statementId" if "statementId" in call.parameters else "voidedStatementId"
    call.allow(name, "format", "attachments")
    statement_id, with_attachments, form = call.uuid(name), call.flag("attachments"), _format(call)
    with hub.db.read() as conn:
        stored = query.get(conn, statement_id) if statement_id else None
        if stored is None or (stored.voided_by is not None) != (name == "voidedStatementId"):
            raise NotFound(f"No {'voided ' if name == 'voidedStatementId' else ''}statement has the id {statement_id}")
        if mine is not None and stored.origin != mine.origin:
            raise NotFound(f"This credential has stored no statement with the id {statement_id}")
        [payload] = _rendered(conn, [stored.payload], form, call)
        parts = _parts(conn, [stored.payload]) if with_attachments else None
    # Not the statement's own id, which its sender knew when she chose what her attachments say.
    response = _answer(payload, parts, hub.new_id())
    response.headers["Last-Modified"] = _http_date(stored.stored)
    return response


_FILTERS = (
    "agent",
    "verb",
    "activity",
    "registration",
    "related_activities",
    "related_agents",
    "since",
    "until",
    "limit",
    "format",
    "attachments",
    "ascending",
)


def _get_page(
    hub: Services,
    call: Call,
    caller: Caller,
    mine: query.Mine | None,
    after: int | None,
) -> flask.Response:
    call.allow(*_FILTERS)
    filters, limit, form = _query(call, mine), _limit(call), _format(call)
    with_attachments = call.flag("attachments")
    # What more than one query answers is of one moment.
    with hub.db.singly() if form == "exact" and not with_attachments else hub.db.read() as conn:
        page = query.find_texts(conn, filters, limit=limit, after=after, below=call.through)
        if with_attachments:
            page = _within_memory(conn, page)
        payloads = _rendered(conn, page.payloads, form, call)
        parts = _parts(conn, page.payloads) if with_attachments else None
    more = ""
    if page.next_after is not None:
        cursor = paging.Cursor(page.next_after, dict(call.parameters))
        text = paging.write_cursor(cursor, reader=caller.reader, key=hub.key)
        more = f"{flask.request.script_root}/xapi/statements?{_CURSOR}={quote(text)}"
    body = b'{"statements":[%s],"more":%s}' % (b",".join(payloads), orjson.dumps(more))
    response = _answer(body, parts, hub.new_id() if parts is not None else None)
    if page.numbers:
        # Of the newest on the page (xAPI 2.0 4.1.6.1).
        response.headers["Last-Modified"] = _http_date(stored_at(max(page.numbers)).replace(microsecond=0))
    return response


def _query(call: Call, mine: query.Mine | None) -> query.StatementQuery:
    registration = call.uuid("registration")
    return query.StatementQuery(
        agent=call.actor(),
        verb=call.iri("verb"),
        activity=call.iri("activity"),
        registration=None if registration is None else str(registration),
        related_activities=call.flag("related_activities"),
        related_agents=call.flag("related_agents"),
        since=call.moment("since"),
        until=call.moment("until"),
        ascending=call.flag("ascending"),
        mine=mine,
    )


def _limit(call: Call) -> int:
    text = call.text("limit")
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Malformed("The parameter limit must be a whole number, 0 for as many as possible")
    return min(int(text) or MOST, MOST)


def _format(call: Call) -> str:
    form = "exact" if call.text("format") is None else call.required("format")
    if form not in ("ids", "exact", "canonical"):
        raise Malformed("The parameter format must be ids, exact or canonical")
    return form


def _rendered(conn: Any, payloads: list[bytes], form: str, call: Call) -> list[bytes]:
    if form == "exact":
        return payloads
    if form == "ids":
        return [render.as_ids(each) for each in payloads]
    definitions = activities.find_definitions(conn, render.activities_of(payloads))
    languages = render.parse_accept_language(call.headers.get("accept-language", ""))
    return [render.as_canonical(each, definitions, languages) for each in payloads]


def _within_memory(conn: Any, page: query.Texts) -> query.Texts:
    """As much of the page as its attachments leave room for; the rest follows by its `more`."""
    named = [set(_attached([payload])) for payload in page.payloads]
    sizes = query.measure_attachments(conn, set().union(*named))
    total, seen = 0, set[str]()
    for count, mine in enumerate(named):
        total += sum(sizes.get(sha2, 0) for sha2 in mine - seen)
        if count and total > MOST_ATTACHED_BYTES:
            return query.Texts(page.numbers[:count], page.payloads[:count], page.numbers[count - 1])
        seen |= mine
    return page


def _attached(payloads: Iterable[bytes]) -> dict[str, tuple[str, str]]:
    """Hash and content type of the attachments that the statements name, by the hash in lower case."""
    types: dict[str, tuple[str, str]] = {}
    for payload in payloads:
        for attachment in attachments.attachments_of(orjson.loads(payload)):
            types.setdefault(attachment["sha2"].lower(), (attachment["sha2"], attachment["contentType"]))
    return types


def _parts(conn: Any, payloads: Iterable[bytes]) -> list[tuple[str, str, bytes]]:
    """Hash, content type and data of the attachments that are stored here, each once."""
    types = _attached(payloads)
    found = query.find_attachments(conn, types)
    return [(*types[sha2], found[sha2]) for sha2 in types if sha2 in found]


def _answer(payload: bytes, parts: list[tuple[str, str, bytes]] | None, boundary: UUID | None) -> flask.Response:
    if parts is None or boundary is None:
        return flask.Response(payload, content_type="application/json")
    body = multipart.write_multipart(payload, parts, boundary.hex)
    return flask.Response(body, content_type=f"multipart/mixed; boundary={boundary.hex}")


# Documents (Communication 2.2, 2.3, 2.6, 2.7) ---------------------------------------------------------------


def _state(call: Call, caller: Caller, *scopes: str) -> tuple[Context, str]:
    _require(caller, "state", *scopes)
    registration = call.uuid("registration")
    agent = call.required_agent()
    activity = call.required_iri("activityId")
    if caller.launch is not None:
        _within_state(caller.launch, agent, activity, registration)
    context = Context(Kind.STATE, activity, agents.identifier(agent), "" if registration is None else str(registration))
    return context, "stateId"


def _within_state(launch: LaunchScope, agent: Mapping[str, Any], activity: str, registration: UUID | None) -> None:
    if agents.identifier(agent) != agents.identifier(launch.actor) or activity != launch.activity:
        raise Forbidden("This launch has the state of its own learner in its own activity alone")
    if registration is not None and registration != UUID(launch.registration):
        raise Forbidden(f"This launch has the state of registration {launch.registration} alone")


def _activity_profile(call: Call, caller: Caller, *scopes: str) -> tuple[Context, str]:
    _require(caller, "profile", *scopes)
    return Context(Kind.ACTIVITY_PROFILE, call.required_iri("activityId")), "profileId"


def _agent_profile(call: Call, caller: Caller, *scopes: str) -> tuple[Context, str]:
    _require(caller, "profile", *scopes)
    return Context(Kind.AGENT_PROFILE, agent=agents.identifier(call.required_agent())), "profileId"


Opener = Callable[..., tuple[Context, str]]


def _document_resource(open_context: Opener, *named_by: str) -> dict[str, Resource]:
    """GET, PUT, POST and DELETE of one document resource, whose context these parameters name."""
    is_state = "registration" in named_by

    def get(hub: Services, call: Call, caller: Caller) -> flask.Response:
        context, id_name = open_context(call, caller, "all/read")
        name = call.text(id_name)
        # Which of several is asked of a list, and of nothing else.
        call.allow(*named_by, id_name, *(("since",) if name is None else ()))
        since = call.moment("since")
        with hub.db.read() as conn:
            if name is None:
                return _json(documents.find_names(conn, context, since=since))
            document = documents.find_document(conn, context, name)
        if document is None:
            raise NotFound(f"There is no document {name!r} here")
        response = flask.Response(document.content, content_type=document.content_type)
        response.headers["ETag"] = f'"{document.etag}"'
        response.headers["Last-Modified"] = _http_date(document.updated)
        return response

    def put(hub: Services, call: Call, caller: Caller) -> flask.Response:
        context, name = _named(call, caller)
        # Where the versions differ: 2.0 wants a condition for state too, 1.0.x for new profiles too.
        required = call.is_2 if is_state else True
        condition = _condition(call, required=required, required_for_new=not is_state and not call.is_2)
        content_type = call.headers.get("content-type", "application/octet-stream")
        _refuse_bad_json(call)
        hub.db.run(
            lambda conn: documents.put_document(
                conn,
                context,
                name,
                content=call.body,
                content_type=content_type,
                condition=condition,
                now=hub.clock(),
            )
        )
        return _nothing()

    def post(hub: Services, call: Call, caller: Caller) -> flask.Response:
        context, name = _named(call, caller)
        content_type = call.headers.get("content-type", "application/octet-stream")
        hub.db.run(
            lambda conn: documents.merge_document(
                conn,
                context,
                name,
                content=call.body,
                content_type=content_type,
                condition=_condition(call),
                now=hub.clock(),
            )
        )
        return _nothing()

    def delete(hub: Services, call: Call, caller: Caller) -> flask.Response:
        if is_state and "stateId" not in call.parameters:
            call.allow(*named_by)
            context, _ = open_context(call, caller)
            hub.db.run(lambda conn: documents.delete_documents(conn, context))
        else:
            context, name = _named(call, caller)
            hub.db.run(lambda conn: documents.delete_document(conn, context, name, condition=_condition(call)))
        return _nothing()

    def _named(call: Call, caller: Caller) -> tuple[Context, str]:
        call.allow(*named_by, "stateId" if is_state else "profileId")
        context, id_name = open_context(call, caller)
        return context, call.required(id_name)

    return {"GET": get, "PUT": put, "POST": post, "DELETE": delete}


def _refuse_bad_json(call: Call) -> None:
    if call.media_type == "application/json":
        documents.check_json(call.body)


def _condition(call: Call, *, required: bool = False, required_for_new: bool = False) -> Condition:
    return Condition(
        _etags(call.headers.get("if-match")),
        _etags(call.headers.get("if-none-match")),
        required=required,
        required_for_new=required_for_new,
    )


def _etags(header: str | None) -> frozenset[str] | None:
    """The entity tags, unquoted; a weak mark is tolerated."""
    if header is None:
        return None
    return frozenset(item.strip().removeprefix("W/").strip('"') for item in header.split(","))


# Activities, agents, about (Communication 2.4, 2.5, 2.8) --------------------------------------------------------

_READERS = ("all/read", "statements/read", "statements/read/mine", "profile", "define")


def _get_activity(hub: Services, call: Call, caller: Caller) -> flask.Response:
    _require(caller, *_READERS)
    call.allow("activityId")
    iri = call.required_iri("activityId")
    with hub.db.read() as conn:
        return _json(activities.get_activity(conn, iri))


def _get_person(hub: Services, call: Call, caller: Caller) -> flask.Response:
    _require(caller, *_READERS)
    call.allow("agent")
    agent = call.required_agent()
    who = agents.identifier(agent)
    if who is None:
        raise Malformed("The parameter agent needs an identifier")
    with hub.db.read() as conn:
        return _json(people.get_person(conn, who, agent.get("name")))


_RESOURCES: dict[str, dict[str, Resource]] = {
    "statements": {"GET": _get_statements, "PUT": _put_statement, "POST": _post_statements},
    "activities/state": _document_resource(_state, "activityId", "agent", "registration"),
    "activities/profile": _document_resource(_activity_profile, "activityId"),
    "agents/profile": _document_resource(_agent_profile, "agent"),
    "activities": {"GET": _get_activity},
    "agents": {"GET": _get_person},
}
