"""Pull statements from another Learning Record Store, every one exactly as it was sent.

The other LRS is asked in tincan's words (`RemoteLRS`, `HTTPRequest`), and that is where tincan ends: it has no
timeouts, refuses xAPI 2.0 and rewrites durations, so its request method is replaced by one through the guarded
session and its Statement objects are never made. What it answers is cut into the bytes of each statement.

How nothing is missed (xAPI 1.0.3 Communication 2.1.3 and 2.2; IEEE 9274.1.1 4.1.6.1):

- ``since`` is exclusive and goes by `stored`, so the cursor is always a `stored` that was seen.
- Several statements may share one `stored`, and a page may end between them: until the last page the cursor stays
  below the last `stored` of what was handed out. Starting again then meets some statements twice, with the same ids.
- The cursor stays below the `X-Experience-API-Consistent-Through` of the *first* answer of a run: a statement stored
  at or after it may still turn up. An LRS that does not send the header gets `OVERLAP` instead.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
import requests
from tincan import RemoteLRS
from tincan.http_request import HTTPRequest
from tincan.lrs_response import LRSResponse

from connectors.base import Batch, Check, Clock, ConnectorError, Received
from connectors.checks import check_clock, check_tls, failed
from connectors.http import RequestFailed, describe, require_ok

VERSIONS = ("1.0.3", "2.0.0")

#: How far the cursor stays behind the newest statement of an LRS that does not say how far it is consistent.
OVERLAP = timedelta(minutes=5)

#: A moment of any precision: whole seconds in UTC, then the digits of the fraction (which compare as text).
Moment = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class LRSSettings:
    """Another LRS, as an admin registered it. `page_cap` bounds one run; the next one goes on."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    version: str = "1.0.3"
    page_size: int = 200
    page_cap: int = 500


@dataclass(frozen=True, slots=True)
class Page:
    """One StatementResult (xAPI 1.0.3 Data 4.2.3): its statements as received, and where the next one is."""

    statements: tuple[Received, ...]
    more: str | None


class RawResponse(LRSResponse):  # type: ignore[misc]
    """tincan's response with what it leaves out: the bytes, and the headers."""

    _props = [*LRSResponse._props, "raw", "headers"]  # noqa: RUF012 (tincan's own way to declare attributes)


class GuardedLRS(RemoteLRS):  # type: ignore[misc]
    """tincan's client of another LRS, whose every request goes through the guarded session.

    tincan knows versions up to 1.0.3 only; the one that is spoken is kept beside its `version`.
    """

    _props = [*RemoteLRS._props, "session", "spoken"]  # noqa: RUF012

    def __init__(self, settings: LRSSettings, session: requests.Session) -> None:
        super().__init__(endpoint=settings.endpoint, auth=basic(settings.key, settings.secret))
        self.session = session
        self.spoken = settings.version

    def _send_request(self, request: HTTPRequest) -> RawResponse:
        """Answers with status 2xx; every other one is `RequestFailed`."""
        url = request.resource if request.resource.startswith("http") else self.endpoint + request.resource
        headers = {"X-Experience-API-Version": self.spoken, "Authorization": self.auth, **request.headers}
        response = require_ok(self.session.request(request.method, url, params=request.query_params, headers=headers))
        return RawResponse(success=True, request=request, raw=response.content, headers=response.headers)

    def get(self, resource: str, params: Mapping[str, str] | None = None) -> RawResponse:
        """The answer to a GET of a resource below the endpoint, or of an absolute address."""
        return self._send_request(HTTPRequest(method="GET", resource=resource, query_params=dict(params or {})))


class ExternalLRS:
    """The connector of another LRS: `connectors.base.Connector` by xAPI's Statement Resource."""

    def __init__(self, settings: LRSSettings, session: requests.Session) -> None:
        self._settings = settings
        self._lrs = GuardedLRS(settings, session)

    def fetch(self, cursor: str | None) -> Iterator[Batch]:
        """Every statement stored after ``cursor``, oldest first, a batch for each page."""
        marks, ended = Marks(cursor), False
        for page, answer in self._pages(cursor):
            marks.consistent_through(answer.headers.get("X-Experience-API-Consistent-Through"))
            for statement in page.statements:
                if not marks.saw(statement):
                    raise self._refused("a statement has no readable `stored`, or they are not in ascending order")
            ended = page.more is None
            reached = marks.cursor(ended=ended)
            if page.statements:
                yield Batch(page.statements, reached, self._settings.version)
        if not ended and marks.cursor(ended=False) == cursor:
            raise self._refused(f"more than {self._settings.page_cap} pages share one `stored`")

    def test(self, clock: Clock) -> tuple[Check, ...]:
        """About, which needs no credential (xAPI 1.0.3 Communication 2.8), then one statement with it."""
        endpoint = self._settings.endpoint
        try:
            about = self._lrs.get("about")
        except ConnectorError as error:
            return (failed("tls" if error.code == "tls" else "reachable", error),)
        return (
            Check("reachable", "ok", "answered", f"{describe(endpoint)} answered."),
            check_tls(endpoint),
            check_clock(about.headers.get("Date"), clock()),
            check_version(about.raw, self._settings.version),
            *_check_statements(self._lrs),
        )

    def _pages(self, cursor: str | None) -> Iterator[tuple[Page, RawResponse]]:
        params = {"ascending": "true", "limit": str(self._settings.page_size)} | ({"since": cursor} if cursor else {})
        resource, seen = "statements", {""}
        for _ in range(self._settings.page_cap):
            answer = self._lrs.get(resource, params)
            page = read_page(answer.raw, describe(urljoin(self._lrs.endpoint, resource)))
            yield page, answer
            if page.more is None:
                return
            resource, params = self._follow(page.more), {}
            if resource in seen:
                raise self._refused("its `more` links lead in a circle")
            seen.add(resource)

    def _follow(self, more: str) -> str:
        """The address of the next page. It gets our credential, so it has to be on the same host."""
        address = urljoin(str(self._lrs.endpoint), more)
        if _origin(address) != _origin(self._lrs.endpoint):
            raise self._refused("its `more` link leads to another host")
        return address

    def _refused(self, why: str) -> ConnectorError:
        return RequestFailed(
            f"GET {describe(self._lrs.endpoint)}statements", why, "Tell the other LRS's administrator", code="not_xapi"
        )


def check_version(about: bytes, version: str) -> Check:
    """Whether the About resource lists the version that this connector is set to speak."""
    try:
        said = orjson.loads(about)
    except orjson.JSONDecodeError:
        said = None
    listed = said.get("version") if isinstance(said, Mapping) else None
    if not isinstance(listed, list):
        return Check("version", "failed", "not_xapi", "This is no xAPI endpoint: its `about` lists no versions.")
    # 2.0 and 2.0.0 are one version, as are all patches of 1.0.
    if any(str(each).startswith(version[:3]) for each in listed):
        return Check("version", "ok", "spoken", f"It speaks xAPI {version}.")
    others = ", ".join(str(each)[:20] for each in listed[:8])
    return Check(
        "version", "failed", "not_spoken", f"It speaks {others}, not {version}. Change the connector's version."
    )


def _check_statements(lrs: GuardedLRS) -> tuple[Check, ...]:
    try:
        answer = lrs.get("statements", {"limit": "1"})
    except ConnectorError as error:
        return (failed("credential", error),)
    accepted = Check("credential", "ok", "accepted", "Key and secret are accepted, and may read statements.")
    if answer.headers.get("X-Experience-API-Consistent-Through"):
        return accepted, Check("consistency", "ok", "said", "It says how far its statements are complete.")
    detail = "It sends no Consistent-Through header; the last five minutes are read again with each run."
    return accepted, Check("consistency", "warning", "not_said", detail)


class Marks:
    """Works out how far a run may move the cursor, from what it has seen. Knows no network."""

    def __init__(self, cursor: str | None) -> None:
        self._cursor = cursor
        self._handed_out: Moment | None = None
        self._limit: Moment | None = None
        self._limit_known = False
        self._waiting: list[tuple[Moment, str]] = []

    def consistent_through(self, header: str | None) -> None:
        """Only the first of a run counts: later pages may be a snapshot that was taken with it."""
        if not self._limit_known:
            self._limit, self._limit_known = moment(header) if header else None, True

    def saw(self, statement: Received) -> bool:
        """Take note of a statement's `stored`; false if there is none, or it comes too late for the cursor."""
        at = moment(statement.stored) if statement.stored else None
        if at is None or statement.stored is None:
            return False
        self._waiting.append((at, statement.stored))
        return self._handed_out is None or at > self._handed_out

    def cursor(self, *, ended: bool) -> str | None:
        """The newest `stored` seen below which nothing more can come; the cursor of before where there is none."""
        if not self._waiting:
            return self._cursor
        newest = max(at for at, _ in self._waiting)
        limit = self._limit if self._limit is not None else (newest[0] - OVERLAP, newest[1])
        bound = limit if ended else min(limit, newest)
        safe = [mark for mark in self._waiting if mark[0] < bound]
        if safe:
            self._waiting = [mark for mark in self._waiting if mark[0] >= bound]
            self._handed_out, self._cursor = max(safe)
        return self._cursor


def moment(text: str) -> Moment | None:
    """A timestamp with offset (RFC 3339), exact to its last digit; `None` if it is none."""
    match = re.fullmatch(r"([0-9-]{10}T[0-9:]{8})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:?[0-9]{2})", text.strip())
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + match[3]).astimezone(UTC), (match[2] or "").rstrip("0")
    except (ValueError, OverflowError):
        return None


def read_page(body: bytes, where: str) -> Page:
    """Cut a StatementResult into the bytes of its statements, without re-writing a single one."""
    try:
        return _Scanner(body.decode("utf-8")).page()
    except (ValueError, RecursionError) as error:
        why = "the answer is not a StatementResult in JSON"
        raise RequestFailed(
            f"GET {where}", why, "Check that the address is the xAPI endpoint of an LRS", code="not_xapi"
        ) from error


class _Scanner:
    """Walks the outermost object by hand, and lets json's scanner say where each value ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder()

    def page(self) -> Page:
        found: dict[str, Any] = {}
        for _ in self._items("{", "}"):
            name = self._value()[0]
            self._take(":")
            if not isinstance(name, str) or name in found:
                raise ValueError("a member's name is no text, or is there twice")
            found[name] = self._statements() if name == "statements" else self._value()[0]
        self._skip()
        if self._at != len(self._text) or "statements" not in found:
            raise ValueError("more than one value, or no statements")
        more = found.get("more")
        if more is not None and not isinstance(more, str):
            raise ValueError("more is no text")
        return Page(found["statements"], more or None)

    def _statements(self) -> tuple[Received, ...]:
        return tuple(received(*self._value()) for _ in self._items("[", "]"))

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            yield
            if self._peek() == closing:
                self._at += 1
                return
            self._take(",")

    def _value(self) -> tuple[Any, str]:
        self._skip()
        start = self._at
        value, self._at = self._decoder.raw_decode(self._text, start)
        return value, self._text[start : self._at]

    def _peek(self) -> str:
        self._skip()
        return self._text[self._at : self._at + 1]

    def _take(self, char: str) -> None:
        if self._peek() != char:
            raise ValueError(f"no {char} at {self._at}")
        self._at += 1

    def _skip(self) -> None:
        while self._text[self._at : self._at + 1] in {" ", "\t", "\n", "\r"}:
            self._at += 1


def received(value: Any, text: str) -> Received:
    """A statement's own bytes, with what the other LRS set on it."""
    if not isinstance(value, dict):
        raise ValueError("a statement is no object")
    id_, stored, authority = value.get("id"), value.get("stored"), value.get("authority")
    return Received(
        text.encode("utf-8"),
        id_ if isinstance(id_, str) else None,
        stored if isinstance(stored, str) else None,
        authority if isinstance(authority, dict) else None,
    )


def basic(key: str, secret: str) -> str:
    """HTTP Basic (RFC 7617) in UTF-8; tincan's own is ASCII only."""
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None
