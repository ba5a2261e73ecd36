"""What was launched: the parts of an id_token that the hub works with, after `claims` found it good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.lti_tool.claims import AGS_CLAIM, CLAIM, DEEP_LINKING, NRPS_CLAIM, SETTINGS_CLAIM, Claims, is_web_address

#: LTI 1.3 Core appendix A.2.3: who makes the links of a course. Platforms send the short names too.
_TEACHERS = ("Instructor", "ContentDeveloper", "Administrator", "TeachingAssistant", "Faculty", "Staff")

#: The custom parameter that names the course of a link.
COURSE = "hub_course"

_LONGEST_TEXT = 1000
_MOST_CUSTOM = 200


@dataclass(frozen=True, slots=True)
class Grades:
    """The platform's gradebook for this link (AGS 2.0 section 3.1.1)."""

    scopes: tuple[str, ...]
    lineitems: str | None
    lineitem: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a deep linking request asks for (Deep Linking 2.0 section 4.4.1). ``data`` goes back as it came."""

    return_url: str
    data: str | None
    accept_types: tuple[str, ...]
    targets: tuple[str, ...]
    accept_multiple: bool
    accept_lineitem: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of the hub: who, from where, and to what."""

    message_type: str
    issuer: str
    client_id: str
    deployment_id: str
    sub: str
    roles: tuple[str, ...]
    target_link_uri: str
    name: str
    email: str
    locale: str
    context_id: str | None
    context_title: str
    resource_link_id: str | None
    custom: Mapping[str, str]
    return_url: str | None
    document_target: str
    grades: Grades | None
    memberships_url: str | None
    selection: Selection | None

    @property
    def is_deep_linking(self) -> bool:
        """Whether a link is to be chosen."""
        return self.message_type == DEEP_LINKING

    @property
    def is_teacher(self) -> bool:
        """Whether the person makes links and sees grades in the platform's course."""
        return any(role.rpartition("#")[2].rpartition("/")[2] in _TEACHERS for role in self.roles)

    @property
    def course(self) -> int | None:
        """The number of the course of the catalogue that the link is about (`deep_linking`)."""
        text = self.custom.get(COURSE, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def to_json(self) -> str:
        """As it is kept with the login."""
        return orjson.dumps(self).decode()

    @staticmethod
    def from_json(text: str) -> Launch:
        """What `to_json` made."""
        kept: dict[str, Any] = orjson.loads(text)
        grades, selection = kept.pop("grades"), kept.pop("selection")
        return Launch(
            **kept | {"roles": tuple(kept["roles"])},
            grades=None if grades is None else Grades(**grades | {"scopes": tuple(grades["scopes"])}),
            selection=None
            if selection is None
            else Selection(
                **selection | {"accept_types": tuple(selection["accept_types"]), "targets": tuple(selection["targets"])}
            ),
        )


def read(claims: Claims, *, client_id: str, is_internal: bool) -> Launch:
    """The launch that these claims are about. Optional claims that make no sense are as if they were not there."""
    context = _object(claims.get(CLAIM + "context"))
    link = _object(claims.get(CLAIM + "resource_link"))
    presentation = _object(claims.get(CLAIM + "launch_presentation"))
    return_url = presentation.get("return_url")
    return Launch(
        message_type=claims[CLAIM + "message_type"],
        issuer=claims["iss"],
        client_id=client_id,
        deployment_id=claims[CLAIM + "deployment_id"],
        sub=claims["sub"],
        roles=tuple(claims[CLAIM + "roles"]),
        target_link_uri=claims[CLAIM + "target_link_uri"],
        name=_text(claims.get("name")),
        email=_text(claims.get("email")),
        locale=_text(presentation.get("locale") or claims.get("locale")),
        context_id=context.get("id"),
        context_title=_text(context.get("title")),
        resource_link_id=link.get("id"),
        custom=_custom(claims.get(CLAIM + "custom")),
        return_url=return_url if is_web_address(return_url, is_internal=is_internal) else None,
        document_target=_text(presentation.get("document_target")),
        grades=_grades(claims.get(AGS_CLAIM), is_internal=is_internal),
        memberships_url=_address(
            _object(claims.get(NRPS_CLAIM)).get("context_memberships_url"), is_internal=is_internal
        ),
        selection=_selection(claims) if claims[CLAIM + "message_type"] == DEEP_LINKING else None,
    )


def _grades(value: Any, *, is_internal: bool) -> Grades | None:
    given = _object(value)
    scopes = given.get("scope")
    lineitems = _address(given.get("lineitems"), is_internal=is_internal)
    lineitem = _address(given.get("lineitem"), is_internal=is_internal)
    if not isinstance(scopes, list) or (lineitems is None and lineitem is None):
        return None
    return Grades(tuple(each for each in scopes if isinstance(each, str)), lineitems, lineitem)


def _selection(claims: Claims) -> Selection:
    settings = claims[SETTINGS_CLAIM]
    data = settings.get("data")
    return Selection(
        return_url=settings["deep_link_return_url"],
        data=data if isinstance(data, str) else None,
        accept_types=tuple(settings["accept_types"]),
        targets=tuple(settings["accept_presentation_document_targets"]),
        accept_multiple=settings.get("accept_multiple") is True,
        accept_lineitem=settings.get("accept_lineitem") is not False,
    )


def _custom(value: Any) -> dict[str, str]:
    """Core 5.4.6: text, each of them."""
    given = list(_object(value).items())[:_MOST_CUSTOM]
    return {name: each for name, each in given if isinstance(name, str) and isinstance(each, str)}


def _address(value: Any, *, is_internal: bool) -> str | None:
    return value if is_web_address(value, is_internal=is_internal) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """Text for people, in one line."""
    return " ".join(value.split())[:_LONGEST_TEXT] if isinstance(value, str) else ""
