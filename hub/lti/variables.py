"""``$Variables`` in custom parameters, and what the hub puts in their place (LTI 1.3 Core section 5.4.6.1), pure.

Each is the value of a claim of the same message: what a tool is not told cannot come to it by a variable either. One
that the hub does not know, or that has no value here, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"

#: Where each variable's value is: a claim, or a member of one.
_PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "User.id": ("sub",),
        "Person.name.full": ("name",),
        "Person.name.given": ("given_name",),
        "Person.name.family": ("family_name",),
        "Person.email.primary": ("email",),
        "Person.sourcedId": (CLAIM + "lis", "person_sourcedid"),
        "Context.id": (CLAIM + "context", "id"),
        "Context.label": (CLAIM + "context", "label"),
        "Context.title": (CLAIM + "context", "title"),
        "Context.type": (CLAIM + "context", "type"),
        "CourseSection.sourcedId": (CLAIM + "lis", "course_section_sourcedid"),
        "CourseSection.label": (CLAIM + "context", "label"),
        "CourseSection.title": (CLAIM + "context", "title"),
        "ResourceLink.id": (CLAIM + "resource_link", "id"),
        "ResourceLink.title": (CLAIM + "resource_link", "title"),
        "Membership.role": (CLAIM + "roles",),
        "Message.documentTarget": (CLAIM + "launch_presentation", "document_target"),
        "Message.locale": (CLAIM + "launch_presentation", "locale"),
        "Message.returnUrl": (CLAIM + "launch_presentation", "return_url"),
        "Message.returnURL": (CLAIM + "launch_presentation", "return_url"),
        "ToolPlatform.productFamilyCode": (CLAIM + "tool_platform", "product_family_code"),
        "ToolPlatform.version": (CLAIM + "tool_platform", "version"),
        "ToolPlatformInstance.guid": (CLAIM + "tool_platform", "guid"),
        "ToolPlatformInstance.name": (CLAIM + "tool_platform", "name"),
        "ToolPlatformInstance.description": (CLAIM + "tool_platform", "description"),
        "ToolPlatformInstance.url": (CLAIM + "tool_platform", "url"),
    }
)

#: What the hub can put in, as its configuration tells tools.
NAMES = tuple(_PLACES)


def substitute(custom: Iterable[tuple[str, str]], claims: Mapping[str, Any]) -> dict[str, str]:
    """The parameters with the claims' values in the places of variables; text, each of them."""
    return {name: _value(text, claims).strip() for name, text in custom}


def _value(text: str, claims: Mapping[str, Any]) -> str:
    place = _PLACES.get(text[1:]) if text.startswith("$") else None
    if place is None:
        return text
    found: Any = claims
    for member in place:
        found = found.get(member) if isinstance(found, Mapping) else None
    if isinstance(found, list):
        return ",".join(found)
    return found if isinstance(found, str) else text
