"""Calls of a platform's services: with an access token, within bounds, and along the links that it gives.

1EdTech Security Framework 1.0 section 4.1 (``private_key_jwt``), RFC 8288 (``Link``). PyLTI1p3's own connector is not
used: it asks for a token with every object, whatever ``expires_in`` says, lower-cases the ``Link`` header (so that
paging fails or never ends), and sends the bearer token to whatever host that names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import orjson
import requests
import sqlalchemy as sa

from connectors.http import RequestFailed, describe, require_ok
from hub.access.crypto import SealBroken
from hub.lti import keys
from hub.lti.keys import SigningKeys
from hub.lti_tool.platforms import Platform
from hub.lti_tool.tables import platform_tokens
from lrs.database import upsert

if TYPE_CHECKING:
    from hub.runtime import Hub

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: S01: an assertion is used at once.
ASSERTION_LIFE = timedelta(minutes=5)

#: S03: a token is not used in its last minute, in which it could end on its way.
EARLY = timedelta(seconds=60)

#: How long a token is good whose answer does not say so (RFC 6749 section 5.1 only recommends it).
UNSAID = 3600
LONGEST_LIFE = 24 * 3600
LONGEST_TOKEN = 8192

#: S07: a container of more pages is refused. At 100 members a page that is a context of 20,000 people.
MOST_PAGES = 200

_SEAL = "platform-token"


@dataclass(frozen=True, slots=True)
class Answer:
    """One page of a container: the JSON value in it, and the address of the next one."""

    value: Any
    next_url: str | None


class Services:
    """The services of one platform, for one piece of work; a context manager. Never inside a transaction."""

    def __init__(self, hub: Hub, signing_keys: SigningKeys, platform: Platform) -> None:
        self._hub = hub
        self._keys = signing_keys
        self._platform = platform
        self._session = hub.new_session(internal=platform.internal)

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def call(
        self, method: str, url: str, scope: str, *, accept: str, body: Any = None, content_type: str = ""
    ) -> requests.Response:
        """The answer to one call, whose status is 2xx; else `RequestFailed`.

        A token that is not taken (any more) is replaced once (S04).
        """
        response = self._send(method, url, self.token(scope), accept, body, content_type)
        if response.status_code == requests.codes.unauthorized:
            response = self._send(method, url, self.token(scope, fresh=True), accept, body, content_type)
        return require_ok(response)

    def read(self, url: str, scope: str, *, accept: str) -> Answer:
        """One page."""
        response = self.call("GET", url, scope, accept=accept)
        return Answer(parse(response), _next_url(url, response))

    def pages(self, url: str, scope: str, *, accept: str) -> Iterator[Any]:
        """Every page of a container from ``url`` on. It stays at one host, comes nowhere twice, and ends (S06, S07)."""
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            seen.add(following)
            answer = self.read(following, scope, accept=accept)
            yield answer.value
            following = answer.next_url
            if following is not None:
                _check_next(url, following, seen)

    # Access tokens -----------------------------------------------------------------------------------------------

    def token(self, scope: str, *, fresh: bool = False) -> str:
        """A token for this scope: the one that any process of this hub has, or a new one."""
        kept = None if fresh else self._kept(scope)
        return kept or self._ask(scope)

    def _kept(self, scope: str) -> str | None:
        at = platform_tokens.c
        query = sa.select(at.token).where(at.platform == self._platform.id, at.scopes == _digest(scope))
        with self._hub.db.read() as conn:
            sealed = conn.execute(query.where(at.expires > self._hub.clock())).scalar()
        try:
            return None if sealed is None else self._hub.keyring.open(_SEAL, sealed).decode()
        except SealBroken:  # Of a time before WKMB_SECRET_KEY was changed.
            return None

    def _ask(self, scope: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(),
            "scope": scope,
        }
        asked_at = self._hub.clock()
        response = self._session.post(self._platform.token_url, data=form, headers={"Accept": "application/json"})
        # Whatever the Content-Type says: Moodle's is text/html.
        said = parse(require_ok(response))
        token, life = _read_token(said, response)
        row = {
            "platform": self._platform.id,
            "scopes": _digest(scope),
            "token": self._hub.seal(_SEAL, token),
            "expires": asked_at + life - EARLY,
        }
        self._hub.db.run(lambda conn: upsert(conn, platform_tokens, row, update=["token", "expires"]))
        return token

    def _assertion(self) -> str:
        now = int(self._hub.clock().timestamp())
        said = {
            "iss": self._platform.client_id,
            "sub": self._platform.client_id,
            # S02: some platforms want another one than the address of their endpoint.
            "aud": self._platform.token_audience or self._platform.token_url,
            "iat": now,
            "exp": now + int(ASSERTION_LIFE.total_seconds()),
            "jti": str(self._hub.new_id()),
        }
        return self._keys.sign(self._hub, keys.ensure(self._hub), said)

    def _send(self, method: str, url: str, token: str, accept: str, body: Any, content_type: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        if body is None:
            return self._session.request(method, url, headers=headers)
        headers["Content-Type"] = content_type
        return self._session.request(method, url, data=orjson.dumps(body), headers=headers)


def parse(response: requests.Response) -> Any:
    """The JSON value of an answer, whatever its Content-Type; `RequestFailed` for anything else (S09)."""
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        where = f"{response.request.method} {describe(response.url)}"
        advice = "Check the address; if it is right, tell the other side's administrator"
        raise RequestFailed(where, "the answer is not JSON", advice, code="not_json", retryable=True) from None


def _read_token(said: Any, response: requests.Response) -> tuple[str, timedelta]:
    token = said.get("access_token") if isinstance(said, dict) else None
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN or not token.isascii() or " " in token:
        where = f"POST {describe(response.url)}"
        raise RequestFailed(
            where, "the answer holds no access token", "Tell its administrator", code="no_token", retryable=True
        )  # fmt: skip
    seconds = said.get("expires_in")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    return token, timedelta(seconds=min(seconds if is_number else UNSAID, LONGEST_LIFE))


def _next_url(url: str, response: requests.Response) -> str | None:
    """The address behind ``rel="next"``, letter by letter as it was given; relative ones from here."""
    given = response.links.get("next", {}).get("url")
    if given is None:
        return None
    try:
        return urljoin(url, given)
    except ValueError:
        return given


def _check_next(first: str, following: str, seen: set[str]) -> None:
    where = f"GET {describe(first)}"
    advice = "Tell the other side's administrator"
    if host_of(following) != host_of(first):
        why = f"its next page is at another host, {describe(following)}"
        raise RequestFailed(where, why, advice, code="foreign_page")
    if following in seen:
        raise RequestFailed(where, "its next page is one that was read before", advice, code="endless_pages")
    if len(seen) >= MOST_PAGES:
        raise RequestFailed(where, f"it has more than {MOST_PAGES} pages", advice, code="endless_pages")


def host_of(url: str) -> tuple[str, str]:
    """Scheme, host and port; nothing of what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower()


def _digest(scope: str) -> bytes:
    return hashlib.sha256(" ".join(sorted(scope.split())).encode()).digest()
