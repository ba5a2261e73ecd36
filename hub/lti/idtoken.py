"""What an id_token says: the claims of a launch of a course, and of a visit to a provider's picker, pure.

LTI 1.3 Core sections 5.3 (required) and 5.4 (optional); AGS 2.0 section 3.1 and NRPS 2.0 section 2.1 for the services;
Deep Linking 2.0 section 4.4 for the picker;
the claim ``<issuer>/claim/xapi`` is the hub's own and hands over the LRS.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import orjson

from hub.lti import variables
from hub.lti.contentitems import LTI_LINK
from hub.lti.launches import Launch
from hub.lti.pickings import Picking
from hub.lti.scopes import AGS_SCOPES
from mappings.course import Course

CLAIM = variables.CLAIM
DL_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"

#: A token is used at once; it is good for as long as a slow redirect takes.
LIFE = timedelta(minutes=5)

VERSION = "1.3.0"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER = MEMBERSHIP + "Learner"
INSTITUTION_LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Learner"
INSTRUCTOR = MEMBERSHIP + "Instructor"
ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"
COURSE_TEMPLATE = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseTemplate"
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
    launch, context, sub = message.launch, message.launch.context, message.launch.login_hint
    title, services, xapi = _title(message), context.url(message.issuer), _xapi(message)
    said = {
        **_envelope(message.issuer, message.client_id, sub, message.nonce, message.now, launch.locale),
        **identity(message.person),
        CLAIM + "message_type": "LtiResourceLinkRequest",
        CLAIM + "version": VERSION,
        CLAIM + "deployment_id": message.deployment_id,
        CLAIM + "target_link_uri": launch.target_link_uri,
        CLAIM + "resource_link": {"id": context.resource_link_id, "title": title},
        CLAIM + "roles": [LEARNER, INSTITUTION_LEARNER],
        CLAIM + "context": {"id": context.id, "label": title[:LONGEST_ID], "title": title, "type": [COURSE_SECTION]},
        CLAIM + "tool_platform": _platform(message.issuer, message.version),
        CLAIM + "launch_presentation": _presentation(
            launch.document_target, launch.locale, f"{message.issuer}/courses/{launch.course}"
        ),
        AGS_CLAIM: {
            "scope": list(AGS_SCOPES),
            "lineitems": f"{services}/lineitems",
            "lineitem": message.lineitem,
        },
        NRPS_CLAIM: {"context_memberships_url": f"{services}/memberships", "service_versions": ["2.0"]},
        xapi_claim(message.issuer): {**xapi, "xapi_actor": orjson.loads(launch.actor)},
    }
    if message.person is not None:
        said[CLAIM + "lis"] = {"person_sourcedid": sub, "course_section_sourcedid": message.course.id}
    said[CLAIM + "custom"] = variables.substitute(message.course.custom, said) | xapi
    return said


@dataclass(frozen=True, slots=True)
class PickingMessage:
    """Everything that the id_token of a visit to a picker is made of. ``data`` comes back with the answer."""

    issuer: str
    client_id: str
    deployment_id: str
    nonce: str
    now: datetime
    picking: Picking
    target_link_uri: str
    return_url: str
    data: str
    version: str


def deep_linking_claims(message: PickingMessage) -> dict[str, Any]:
    """The claims of a deep linking request: an administrator picks courses, of which the hub takes LTI links."""
    picking = message.picking
    return {
        **_envelope(message.issuer, message.client_id, picking.login_hint, message.nonce, message.now, picking.locale),
        CLAIM + "message_type": "LtiDeepLinkingRequest",
        CLAIM + "version": VERSION,
        CLAIM + "deployment_id": message.deployment_id,
        CLAIM + "target_link_uri": message.target_link_uri,
        CLAIM + "roles": [ADMINISTRATOR, INSTRUCTOR],
        CLAIM + "context": {
            "id": f"{picking.deployment}-catalogue",
            "label": "WKMB",
            "title": "WKMB Hub",
            "type": [COURSE_TEMPLATE],
        },
        CLAIM + "tool_platform": _platform(message.issuer, message.version),
        CLAIM + "launch_presentation": _presentation(None, picking.locale, f"{message.issuer}/admin/courses/drafts"),
        DL_CLAIM + "deep_linking_settings": {
            "deep_link_return_url": message.return_url,
            "accept_types": [LTI_LINK],
            "accept_presentation_document_targets": ["window", "iframe"],
            "accept_multiple": True,
            "accept_lineitem": True,
            "auto_create": False,
            "data": message.data,
        },
    }


def _envelope(issuer: str, client_id: str, sub: str, nonce: str, now: datetime, locale: str) -> dict[str, Any]:
    """What every id_token says: from whom, to whom, about whom, when (OpenID Connect Core section 2)."""
    issued_at = int(now.timestamp())
    return {
        "iss": issuer,
        "aud": client_id,
        "sub": sub,
        "iat": issued_at,
        "exp": issued_at + int(LIFE.total_seconds()),
        "nonce": nonce,
        "locale": locale,
    }


def _presentation(document_target: str | None, locale: str, return_url: str) -> dict[str, str]:
    return {"document_target": document_target or "window", "locale": locale, "return_url": return_url}


def xapi_claim(issuer: str) -> str:
    """The name of the claim that hands over the LRS."""
    return f"{issuer}/claim/xapi"


def _xapi(message: Message) -> dict[str, str]:
    return {
        "xapi_endpoint": f"{message.issuer}/xapi/",
        "xapi_actor": message.launch.actor,
        "xapi_registration": str(message.launch.registration),
        "xapi_activity_id": message.launch.activity,
        "xapi_fetch": message.fetch_url,
    }


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


@functools.cache
def _platform(issuer: str, version: str) -> Mapping[str, str]:
    return {
        "guid": str(uuid5(NAMESPACE_URL, issuer)),
        "name": "WKMB Hub",
        "description": urlsplit(issuer).hostname or "",
        "url": issuer,
        "product_family_code": "wkmb-hub",
        "version": version,
    }


def _title(message: Message) -> str:
    return message.course.title(message.launch.locale).strip()
