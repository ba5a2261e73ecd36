"""Names and Role Provisioning Services 2.0: who has been launched in a context.

Names and e-mail addresses are told to the same tools as in launches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import flask
import sqlalchemy as sa

from hub.lti import idtoken, variables
from hub.lti.refused import ServiceRefused
from hub.lti.scopes import MEMBERSHIP_READ
from hub.lti.services import Call, open_call, page, read_page
from hub.tables import enrollments, learners

CONTAINER_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a context."""

    id: UUID
    person: idtoken.Person


def add_to(blueprint: flask.Blueprint) -> None:
    """Serve NRPS in this blueprint."""
    blueprint.get("/lti/platform/contexts/<context>/memberships")(list_members)


def list_members(context: str) -> flask.Response:
    """Section 2.4: a page of members, all of them learners."""
    call = open_call(context, MEMBERSHIP_READ)
    limit, after = read_page()
    link = flask.request.args.get("rlid")
    if link not in (None, call.context.resource_link_id):
        raise ServiceRefused(403, "rlid", "rlid is no resource link of this context.")
    role = flask.request.args.get("role")
    is_asked = role in (None, "Learner", idtoken.LEARNER)
    with call.hub.db.read() as conn:
        found, last = _find(conn, call, limit=limit, after=after) if is_asked else ([], None)
    url = f"{call.context.url(call.hub.base_url)}/memberships"
    value = {
        "id": url,
        "context": context_of(call),
        "members": [_member(call, each, link) for each in found],
    }
    return page(value, CONTAINER_TYPE, url=url, next_after=last)


def _find(conn: sa.Connection, call: Call, *, limit: int, after: UUID | None) -> tuple[list[Member], UUID | None]:
    query = (
        sa.select(learners.c.id, learners.c.name, learners.c.email)
        .join_from(enrollments, learners, learners.c.id == enrollments.c.learner)
        .where(enrollments.c.deployment == call.context.deployment, enrollments.c.course == call.context.course)
    )
    if after is not None:
        query = query.where(enrollments.c.learner > after)
    rows = conn.execute(query.order_by(enrollments.c.learner).limit(limit + 1)).all()
    members = [Member(row.id, idtoken.Person(row.name, row.email)) for row in rows[:limit]]
    return members, members[-1].id if len(rows) > limit else None


def _member(call: Call, member: Member, link: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "user_id": str(member.id),
        "status": "Active",
        "roles": [idtoken.LEARNER],
        **(idtoken.identity(member.person) if call.deployment.tells_names(call.tool) else {}),
    }
    if link is not None:
        # Section 3: what a launch of that link by this person would say.
        claims = {
            "sub": said["user_id"],
            **said,
            idtoken.CLAIM + "context": context_of(call),
            idtoken.CLAIM + "resource_link": {"id": link},
            idtoken.CLAIM + "roles": said["roles"],
        }
        message = {
            idtoken.CLAIM + "message_type": "LtiResourceLinkRequest",
            idtoken.CLAIM + "custom": variables.substitute(call.course.custom, claims),
        }
        said["message"] = [message]
    return said


def context_of(call: Call) -> dict[str, Any]:
    """What is told of the context itself."""
    title = call.course.title("id").strip()
    return {"id": call.context.id, "label": title[: idtoken.LONGEST_ID], "title": title}
