"""Deep Linking 2.0 as a tool: a teacher of an LMS puts a course of the catalogue, or the JP page, into her own course.

The response is a JWT that her browser posts back (section 4.5). What it says is pure; absent members are left out,
because platforms take ``null`` for a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.learning.catalogue import Listed
from hub.lti_tool.claims import CLAIM, VERSION
from hub.lti_tool.messages import COURSE, Selection

DL_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/"

#: S13: a response is posted at once.
LIFE = timedelta(minutes=5)

LTI_LINK, LINK = "ltiResourceLink", "link"

#: The custom parameter that names a page of the hub.
PAGE = "hub_page"

#: What a course is out of in the platform's gradebook.
MAXIMUM = 100


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may be linked: a course of the catalogue, or with ``course`` None the learner's own page."""

    title: str
    text: str
    course: Listed | None = None


def content_item(item: Item, selection: Selection, base_url: str) -> dict[str, Any]:
    """One content item (section 3), of the first kind that the platform takes."""
    if LTI_LINK not in selection.accept_types:
        path = "/" if item.course is None else f"/courses/{item.course.id}"
        return _without_empty({"type": LINK, "title": item.title, "text": item.text, "url": base_url + path})
    custom = {PAGE: "jp"} if item.course is None else {COURSE: str(item.course.id)}
    said: dict[str, Any] = {
        "type": LTI_LINK,
        "title": item.title,
        "text": item.text,
        "url": f"{base_url}/lti/tool/launch",
        "custom": custom,
    }
    # The JP page gives no grade, so it gets no column.
    if item.course is not None and item.course.course.launch_url and selection.accept_lineitem:
        said["lineItem"] = {
            "label": item.title[:255],
            "scoreMaximum": MAXIMUM,
            "resourceId": f"hub-course-{item.course.id}",
        }
    if "window" in selection.targets:
        said["window"] = {"targetName": "_blank"}
    return _without_empty(said)


def takes(selection: Selection) -> bool:
    """Whether there is anything that the hub can give and the platform takes."""
    return LTI_LINK in selection.accept_types or LINK in selection.accept_types


def response_claims(
    items: Sequence[dict[str, Any]],
    selection: Selection,
    *,
    issuer: str,
    client_id: str,
    deployment_id: str,
    nonce: str,
    now: datetime,
    message: str = "",
) -> dict[str, Any]:
    """The claims of the response; from tool to platform ``iss`` and ``aud`` change places."""
    issued_at = int(now.timestamp())
    said: dict[str, Any] = {
        "iss": client_id,
        "aud": issuer,
        "iat": issued_at,
        "exp": issued_at + int(LIFE.total_seconds()),
        "nonce": nonce,
        CLAIM + "deployment_id": deployment_id,
        CLAIM + "message_type": "LtiDeepLinkingResponse",
        CLAIM + "version": VERSION,
        DL_CLAIM + "content_items": list(items),
    }
    # Section 4.4.1: data MUST go back as it came where there was some, and only there.
    if selection.data is not None:
        said[DL_CLAIM + "data"] = selection.data
    if message:
        said[DL_CLAIM + "msg"] = message
    return said


def _without_empty(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, "")}
