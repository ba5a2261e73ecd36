"""Names and Role Provisioning Services 2.0 as a tool: who is in a context of a platform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.http import RequestFailed, describe
from hub.lti.scopes import MEMBERSHIP_READ
from hub.lti_tool.claims import is_id
from hub.lti_tool.services import Services

CONTAINER_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


@dataclass(frozen=True, slots=True)
class Member:
    """One person there: the ``user_id`` is her ``sub`` in launches (NRPS 2.0 section 2.4).

    ``sourced_id``: her number in the institution's own records; ``username``: a Moodle's ``ext_user_username``.
    """

    user_id: str
    roles: tuple[str, ...]
    is_active: bool
    username: str
    sourced_id: str
    name: str
    email: str


def members(services: Services, url: str) -> Iterator[Member]:
    """Everybody in the context; entries that name nobody are left out."""
    for page in services.pages(url, MEMBERSHIP_READ, accept=CONTAINER_TYPE):
        listed = page.get("members") if isinstance(page, dict) else None
        if not isinstance(listed, list):
            raise RequestFailed(
                describe(url), "the answer holds no members", "Tell its administrator", code="malformed", retryable=True
            )
        yield from (found for each in listed if (found := _member(each)))


def _member(value: Any) -> Member | None:
    if not isinstance(value, dict) or not is_id(value.get("user_id")):
        return None
    roles = value.get("roles")
    return Member(
        user_id=value["user_id"],
        roles=tuple(each for each in roles if isinstance(each, str)) if isinstance(roles, list) else (),
        # Absent is Active (section 2.4.1).
        is_active=value.get("status", "Active") == "Active",
        username=_text(value.get("ext_user_username")),
        sourced_id=_text(value.get("lis_person_sourcedid")),
        name=_text(value.get("name")),
        email=_text(value.get("email")),
    )


def _text(value: Any) -> str:
    """Empty for what a page or a database would choke on: what people are called is no reason to leave them out."""
    return value if is_id(value) else ""
