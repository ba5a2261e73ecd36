"""Assignment and Grade Services 2.0 as a tool: the columns of a platform's gradebook, and the scores in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from connectors.http import RequestFailed, describe
from hub.lti.numbers import to_json
from hub.lti.scopes import LINEITEM, RESULT_READ, SCORE
from hub.lti_tool.services import Services, host_of, parse

LINEITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
CONTAINER_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"


@dataclass(frozen=True, slots=True)
class NewScore:
    """A score for a platform. ``given`` None takes the one before back (AGS 2.0 section 3.4.7)."""

    user: str
    at: datetime
    given: Decimal | None
    maximum: Decimal | None
    comment: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Section 3.4.1. A final grade or none: Moodle erases the grade at any other ``gradingProgress``."""
        is_final = self.given is not None
        said = {
            "userId": self.user,
            "timestamp": _moment(self.at),
            "activityProgress": "Completed" if is_final else "Initialized",
            "gradingProgress": "FullyGraded" if is_final else "NotReady",
            "scoreGiven": None if self.given is None else to_json(self.given),
            "scoreMaximum": None if self.given is None or self.maximum is None else to_json(self.maximum),
            "comment": self.comment,
        }
        return {name: value for name, value in said.items() if value is not None}


def post_score(services: Services, lineitem: str, score: NewScore) -> None:
    """Post a score; `RequestFailed` unless the platform took it."""
    services.call(
        "POST", part_of(lineitem, "scores"), SCORE, accept="*/*", body=score.to_json(), content_type=SCORE_TYPE
    )


def find_lineitems(services: Services, lineitems: str, **filters: str) -> Iterator[Mapping[str, Any]]:
    """The line items of a context that pass the filters (``resource_id``, ``resource_link_id``, ``tag``)."""
    yield from _members(services, _with_query(lineitems, filters), LINEITEM, CONTAINER_TYPE)


def get_lineitem(services: Services, lineitem: str) -> Mapping[str, Any]:
    """One line item."""
    return _object(lineitem, services.read(lineitem, LINEITEM, accept=LINEITEM_TYPE).value)


def create_lineitem(services: Services, lineitems: str, column: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make a line item; the platform's answer holds its ``id``."""
    response = services.call("POST", lineitems, LINEITEM, accept=LINEITEM_TYPE, body=column, content_type=LINEITEM_TYPE)
    return _object(lineitems, parse(response))


def change_lineitem(services: Services, lineitem: str, column: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace a line item (PUT)."""
    response = services.call("PUT", lineitem, LINEITEM, accept=LINEITEM_TYPE, body=column, content_type=LINEITEM_TYPE)
    return _object(lineitem, parse(response))


def delete_lineitem(services: Services, lineitem: str) -> None:
    """Take a line item away with its results."""
    services.call("DELETE", lineitem, LINEITEM, accept="*/*")


def find_results(services: Services, lineitem: str, user: str | None = None) -> Iterator[Mapping[str, Any]]:
    """The results of a line item, of one person if named."""
    url = _with_query(part_of(lineitem, "results"), {} if user is None else {"user_id": user})
    yield from _members(services, url, RESULT_READ, RESULTS_TYPE)


def address_of(lineitem: Mapping[str, Any], container: str) -> str:
    """The address of a line item that a container holds. It is at the same host: the next call sends a token there."""
    url = lineitem.get("id")
    if not isinstance(url, str) or host_of(url) != host_of(container):
        raise _malformed(container, "a line item has no address at this host")
    return url


def part_of(lineitem: str, part: str) -> str:
    """The address of a line item's scores or results: in its path, before a query that it has (S12)."""
    parts = urlsplit(lineitem)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{part}"))


def _members(services: Services, url: str, scope: str, accept: str) -> Iterator[Mapping[str, Any]]:
    for page in services.pages(url, scope, accept=accept):
        if not isinstance(page, list):
            raise _malformed(url, "the answer is no list")
        yield from (_object(url, each) for each in page)


def _object(url: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise _malformed(url, "the answer is no JSON object")


def _malformed(url: str, why: str) -> RequestFailed:
    return RequestFailed(describe(url), why, "Tell its administrator", code="malformed", retryable=True)


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    if not parameters:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def _moment(at: datetime) -> str:
    """S11: milliseconds and Z."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
