"""What AGS and NRPS have in common at the door: who calls, with which scope, in which context.

A call is let in by an access token (`hub.lti.tokens`). The context must be one of the caller's own: what is another
tool's does not exist for this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import flask
import orjson
import sqlalchemy as sa

from hub.bodies import read_body
from hub.errors import problem
from hub.lti import tokens
from hub.lti.contexts import Context, parse_context
from hub.lti.refused import ServiceRefused
from hub.operations import outcomes
from hub.runtime import Hub, current
from hub.systems import registry
from hub.systems.registry import Deployment, Tool
from mappings.course import Course

#: No line item, score or page of them is longer.
LARGEST = 64 * 1024

PAGE = 100
MOST = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in: by which tool, about which context."""

    hub: Hub
    tool: Tool
    deployment: Deployment
    context: Context
    course: Course


def answer_refusal(error: ServiceRefused) -> flask.Response:
    """The refusal as the tool reads it."""
    outcomes.note("service", error.code)
    response = problem(error.status, error.code, HTTPStatus(error.status).phrase, error.detail)
    response.headers.update(error.headers)
    return response


def open_call(context_id: str, *scopes: str) -> Call:
    """Let the request in, if its token has one of the scopes and the context is of its tool."""
    hub = current()
    header = flask.request.headers.get("Authorization", "")
    with hub.db.read() as conn:
        grant = tokens.find(conn, hub, header)
        if grant is None:
            raise _unauthorized(header)
        if grant.scopes.isdisjoint(scopes):
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
            detail = f"This access token was not given {' or '.join(scopes)}."
            raise ServiceRefused(403, "insufficient_scope", detail, {"WWW-Authenticate": challenge})
        context = parse_context(context_id)
        found = None if context is None else _find_context(conn, hub, grant.tool, context)
    if context is None or found is None:
        raise ServiceRefused(404, "context", "There is no such context, or it belongs to another tool.")
    return Call(hub, grant.tool, found[0], context, found[1])


def read_json(*content_types: str) -> tuple[bytes, Any]:
    """The body as received and the value in it; only of these content types, and strict JSON."""
    if flask.request.mimetype not in (*content_types, "application/json"):
        accepted = content_types[0]
        raise ServiceRefused(415, "content_type", f"Send the body as {accepted}.", {"Accept": accepted})
    body = read_body(flask.request.environ, limit=LARGEST)
    try:
        return body, orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServiceRefused(400, "json", f"The body is not JSON: {error}.") from error


def parse_id(text: str) -> UUID | None:
    """The id in an address; None for what is none, in any spelling but ours."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def read_page() -> tuple[int, UUID | None]:
    """``limit``, and where the page before ended."""
    text = flask.request.args.get("limit", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ServiceRefused(400, "limit", "limit must be a whole number above 0.")
    after = flask.request.args.get("after")
    start = None if after is None else parse_id(after)
    if after is not None and start is None:
        raise ServiceRefused(400, "after", "Follow the next link as it was given.")
    return min(int(text or PAGE), MOST), start


def page(value: Any, content_type: str, *, url: str, next_after: UUID | None) -> flask.Response:
    """A page of a container, with the link to the next one (RFC 8288); filters stay in it."""
    response = flask.Response(orjson.dumps(value), content_type=content_type)
    if next_after is not None:
        kept = {name: text for name, text in flask.request.args.items() if name != "after"}
        response.headers["Link"] = f'<{url}?{urlencode({**kept, "after": str(next_after)})}>; rel="next"'
    return response


def _unauthorized(header: str) -> ServiceRefused:
    challenge = 'Bearer error="invalid_token"' if header else "Bearer"
    detail = "The access token is missing, unknown or over. Ask for a new one at the token URL."
    return ServiceRefused(401, "invalid_token", detail, {"WWW-Authenticate": challenge})


def _find_context(conn: sa.Connection, hub: Hub, tool: Tool, context: Context) -> tuple[Deployment, Course] | None:
    """The context's deployment and course, if both are the tool's."""
    listed = hub.courses.current(conn).by_id.get(context.course)
    deployment = next((each for each in registry.deployments_of(conn, tool.id) if each.id == context.deployment), None)
    if listed is None or deployment is None or deployment.disabled:
        return None
    connector = registry.find_connector(conn, listed.course.provider)
    is_own = connector is not None and connector.id == tool.connector
    return (deployment, listed.course) if is_own else None
