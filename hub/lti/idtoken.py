"""What an id_token says: the claims of an LTI 1.3 resource link launch, pure.

LTI 1.3 Core sections 5.3 (required) and 5.4 (optional); AGS 2.0 section 3.1 and NRPS 2.0 section 2.1 for the services;
the claim ``<issuer>/claim/xapi`` is the hub's own and hands over the LRS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import orjson

from hub.lti.launches import Launch
from hub.lti.scopes import AGS_SCOPES
from mappings.course import Course

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

#: A token is used at once; it is good for as long as a slow redirect takes.
LIFE = timedelta(minutes=5)

VERSION = "1.3.0"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER = MEMBERSHIP + "Learner"
INSTITUTION_LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Learner"
COURSE_SECTION = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseSection"

#: Longest value of an id in a message (LTI 1.3 Core sections 5.3 and 5.4).
LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Person:
    """Who is launched, where the tool may know; the opaque ``sub`` is always in the launch itself."""

    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """Everything that one id_token is made of. ``person`` is None where the tool is told no names."""

    issuer: str
    client_id: str
    deployment_id: str
    nonce: str
    now: datetime
    launch: Launch
    course: Course
    lineitem: str
    fetch_url: str
    person: Person | None
    version: str


def resource_link_claims(message: Message) -> dict[str, Any]:
    """The claims of a launch of the course's own link."""
    issued_at = int(message.now.timestamp())
    return {
        "iss": message.issuer,
        "aud": message.client_id,
        "sub": str(message.launch.learner),
        "iat": issued_at,
        "exp": issued_at + int(LIFE.total_seconds()),
        "nonce": message.nonce,
        "locale": message.launch.locale,
        **identity(message.person),
        CLAIM + "message_type": "LtiResourceLinkRequest",
        CLAIM + "version": VERSION,
        CLAIM + "deployment_id": message.deployment_id,
        CLAIM + "target_link_uri": message.launch.target_link_uri,
        CLAIM + "resource_link": {"id": message.launch.context.resource_link_id, "title": _title(message)},
        CLAIM + "roles": [LEARNER, INSTITUTION_LEARNER],
        CLAIM + "context": _context(message),
        CLAIM + "tool_platform": _platform(message),
        CLAIM + "launch_presentation": {
            "document_target": "window",
            "locale": message.launch.locale,
            "return_url": f"{message.issuer}/courses/{message.launch.course}",
        },
        CLAIM + "custom": custom_parameters(message),
        AGS_CLAIM: {
            "scope": list(AGS_SCOPES),
            "lineitems": f"{message.launch.context.url(message.issuer)}/lineitems",
            "lineitem": message.lineitem,
        },
        NRPS_CLAIM: {
            "context_memberships_url": f"{message.launch.context.url(message.issuer)}/memberships",
            "service_versions": ["2.0"],
        },
        xapi_claim(message.issuer): {**_xapi(message), "xapi_actor": orjson.loads(message.launch.actor)},
    }


def xapi_claim(issuer: str) -> str:
    """The name of the claim that hands over the LRS."""
    return f"{issuer}/claim/xapi"


def custom_parameters(message: Message) -> dict[str, str]:
    """The course's own parameters and those of xAPI: text, each of them (LTI 1.3 Core section 5.4.6).

    A ``$variable`` that the hub does not know stays as it is (section 5.4.6.1).
    """
    variables = _variables(message)
    own = {name: variables.get(value, value).strip() for name, value in message.course.custom}
    return own | _xapi(message)


def _xapi(message: Message) -> dict[str, str]:
    return {
        "xapi_endpoint": f"{message.issuer}/xapi/",
        "xapi_actor": message.launch.actor,
        "xapi_registration": str(message.launch.registration),
        "xapi_activity_id": message.launch.activity,
        "xapi_fetch": message.fetch_url,
    }


def _variables(message: Message) -> Mapping[str, str]:
    known = {
        "$User.id": str(message.launch.learner),
        "$Context.id": message.launch.context.id,
        "$Context.title": _title(message),
        "$ResourceLink.id": message.launch.context.resource_link_id,
        "$ResourceLink.title": _title(message),
        "$Message.locale": message.launch.locale,
        "$Message.returnUrl": f"{message.issuer}/courses/{message.launch.course}",
    }
    if message.person is not None:
        known["$Person.name.full"] = message.person.name.strip()
        if message.person.email:
            known["$Person.email.primary"] = message.person.email.strip()
    return known


def identity(person: Person | None) -> dict[str, str]:
    """Name and e-mail, in the members of OpenID Connect Core section 5.1; absent ones are left out, never empty."""
    if person is None:
        return {}
    # Academic titles stand behind a comma; a person with one name has no family name.
    words = person.name.partition(",")[0].split()
    said = {
        "name": person.name.strip(),
        "given_name": " ".join(words[:-1] or words),
        "family_name": " ".join(words[1:][-1:]),
        "email": (person.email or "").strip(),
    }
    return {name: value for name, value in said.items() if value}


def _context(message: Message) -> dict[str, Any]:
    return {
        "id": message.launch.context.id,
        "label": _title(message)[:LONGEST_ID],
        "title": _title(message),
        "type": [COURSE_SECTION],
    }


def _platform(message: Message) -> dict[str, str]:
    return {
        "guid": str(uuid5(NAMESPACE_URL, message.issuer)),
        "name": "WKMB Hub",
        "description": urlsplit(message.issuer).hostname or "",
        "url": message.issuer,
        "product_family_code": "wkmb-hub",
        "version": message.version,
    }


def _title(message: Message) -> str:
    return message.course.title(message.launch.locale).strip()
