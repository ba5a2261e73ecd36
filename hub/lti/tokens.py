"""The token endpoint: a tool shows who it is with a JWT that it signed, and gets an access token for the services.

OAuth 2.0 client credentials with ``private_key_jwt`` (1EdTech Security Framework 1.0 section 4.1, RFC 7523). The
assertion works once. The access token is opaque: what lies in the database is its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.access import limits
from hub.errors import NotFound
from hub.lti import signed
from hub.lti.scopes import GRANTED
from hub.lti.toolkeys import ToolKeys
from hub.systems import registry
from hub.systems.registry import Tool
from hub.tables import access_tokens, used_tokens
from lrs.database import insert_all, insert_missing

if TYPE_CHECKING:
    from hub.runtime import Hub

GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: How long an access token is good.
LIFE = timedelta(hours=1)

#: Clocks of two machines differ.
LEEWAY = timedelta(seconds=60)

#: An assertion that is good for longer would have to be remembered for longer.
LONGEST_ASSERTION = timedelta(hours=1)

LONGEST_ID = 255

#: Per client and minute (CONTRACTS, "Processes").
MOST = 600

_PURPOSE = "access-token"


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token lets its holder do."""

    tool: Tool
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The token, for the tool alone, and the scopes that it was given."""

    token: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Why there is no token: the check that failed, the error as OAuth names it (RFC 6749 section 5.2), the reason.

    ``tool`` is whose request it was, or said it was.
    """

    check: str
    error: str
    why: str
    tool: Tool | None = None

    @property
    def status(self) -> int:
        return {"invalid_client": 401, "slow_down": 429}.get(self.error, 400)


@dataclass(frozen=True, slots=True)
class _Assertion:
    """What the assertion says, after its signature was found good."""

    tool: Tool
    jti: str
    expires: datetime


def grant(hub: Hub, tool_keys: ToolKeys, form: Mapping[str, str]) -> AccessToken | TokenRefused:
    """An access token for what the form asks, or why not."""
    refused = _check_form(form)
    if refused:
        return refused
    assertion = _read_assertion(hub, tool_keys, form["client_assertion"])
    if isinstance(assertion, TokenRefused):
        return assertion
    refused = _check_request(assertion.tool, form)
    if refused:
        return replace(refused, tool=assertion.tool)
    granted = _issue(hub, assertion, _granted(form.get("scope", "")))
    return replace(granted, tool=assertion.tool) if isinstance(granted, TokenRefused) else granted


def _check_request(tool: Tool, form: Mapping[str, str]) -> TokenRefused | None:
    """Why a tool that has proved who it is gets no token."""
    if form.get("client_id", tool.client_id) != tool.client_id:
        return _client("client_id", "client_id is not the one that the assertion is about.")
    if not _granted(form.get("scope", "")):
        return TokenRefused("scope", "invalid_scope", f"scope names none of: {' '.join(GRANTED)}.")
    return None


def find(conn: sa.Connection, hub: Hub, authorization: str) -> Grant | None:
    """What the bearer of this Authorization header may do; None for no token, an unknown one, or one that is over."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token.strip()) <= LONGEST_ID:
        return None
    digest = hub.keyring.digest(_PURPOSE, token.strip())
    row = conn.execute(sa.select(access_tokens).where(access_tokens.c.id == digest)).first()
    if row is None or row.expires <= hub.clock():
        return None
    try:
        tool = registry.get_tool(conn, row.tool)
    except NotFound:
        return None
    return None if tool.disabled else Grant(tool, frozenset(row.scopes.split()))


def last_granted(conn: sa.Connection, tool: int) -> datetime | None:
    """When the tool was last given an access token that is still good."""
    at = access_tokens.c
    expires = conn.execute(sa.select(sa.func.max(at.expires)).where(at.tool == tool)).scalar()
    return None if expires is None else expires - LIFE


def purge(conn: sa.Connection, now: datetime) -> int:
    """Delete the access tokens and the memory of assertions that are over; tells how many."""
    tables = (access_tokens, used_tokens)
    return sum(conn.execute(sa.delete(table).where(table.c.expires <= now)).rowcount for table in tables)


# The form --------------------------------------------------------------------------------------------------------


def _check_form(form: Mapping[str, str]) -> TokenRefused | None:
    if form.get("grant_type") != GRANT_TYPE:
        return TokenRefused("grant_type", "unsupported_grant_type", f"grant_type must be {GRANT_TYPE}.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return _client("client_assertion_type", f"client_assertion_type must be {ASSERTION_TYPE}.")
    if not form.get("client_assertion"):
        return _client("client_assertion", "client_assertion is missing.")
    return None


def _granted(scope: str) -> tuple[str, ...]:
    """Of the scopes asked for those that a tool may have: fewer than asked are told in the answer (section 3.3)."""
    asked = set(scope.split())
    return tuple(each for each in GRANTED if each in asked)


# The assertion ---------------------------------------------------------------------------------------------------


def _read_assertion(hub: Hub, tool_keys: ToolKeys, text: str) -> _Assertion | TokenRefused:
    """The assertion, once its client is known, its signature good and each of its claims as it must be."""
    # Unverified: only to find out whose key to check it with.
    header, said = signed.members(text, signed.HEADER), signed.members(text, signed.CLAIMS)
    if header is None or said is None:
        return _client("client_assertion", "client_assertion is no signed JWT.")
    issuer = said.get("iss")
    if not isinstance(issuer, str) or issuer != said.get("sub"):
        return _client("iss", "iss and sub must both be the client_id.")
    with hub.db.singly() as conn:
        tool = hub.directory.current(conn).clients.get(issuer)
    if tool is None or tool.disabled:
        return _client("client", "iss names no tool that is registered here, or one that is switched off.")
    wrong = signed.check_header(header) or signed.check_signature(hub, tool_keys, tool, header.get("kid"), text)
    found = _client(*wrong) if wrong else _check_claims(hub, tool, said)
    return replace(found, tool=tool) if isinstance(found, TokenRefused) else found


def _check_claims(hub: Hub, tool: Tool, said: Mapping[str, Any]) -> _Assertion | TokenRefused:
    now = hub.clock()
    refused = next((found for check in _CLAIMS if (found := check(said, now, hub.base_url))), None)
    return refused or _Assertion(tool, said["jti"], signed.moment(said["exp"]) or now)


def _audience(said: Mapping[str, Any], _now: datetime, base_url: str) -> TokenRefused | None:
    ours = {f"{base_url}/lti/platform/token", base_url}
    audience = said.get("aud")
    named: Sequence[Any] = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    # One that names others too could have been made for them, and be shown here by them.
    if named and all(isinstance(each, str) and each in ours for each in named):
        return None
    return _client("aud", f"aud is {str(audience)[:200]!r}; it must be {base_url}/lti/platform/token, nothing else.")


def _expiry(said: Mapping[str, Any], now: datetime, _base_url: str) -> TokenRefused | None:
    expires, issued = signed.moment(said.get("exp")), signed.moment(said.get("iat"))
    if expires is None:
        return _client("exp", "exp is missing or no time.")
    if issued is None:
        return _client("iat", "iat is missing or no time.")
    if expires + LEEWAY <= now:
        return _client("exp", f"The assertion ended at {expires.isoformat()}; here it is {now.isoformat()}.")
    if issued > now + LEEWAY:
        return _client("iat", f"The assertion is of {issued.isoformat()}; here it is {now.isoformat()}.")
    if expires - issued > LONGEST_ASSERTION:
        return _client("exp", "The assertion is good for more than an hour.")
    return None


def _not_before(said: Mapping[str, Any], now: datetime, _base_url: str) -> TokenRefused | None:
    if "nbf" not in said:
        return None
    begins = signed.moment(said["nbf"])
    if begins is None or begins > now + LEEWAY:
        return _client("nbf", "nbf is no time, or in the future.")
    return None


def _jti(said: Mapping[str, Any], _now: datetime, _base_url: str) -> TokenRefused | None:
    jti = said.get("jti")
    if isinstance(jti, str) and 0 < len(jti) <= LONGEST_ID:
        return None
    return _client("jti", f"jti must be text of 1 to {LONGEST_ID} characters.")


_CLAIMS: tuple[Callable[[Mapping[str, Any], datetime, str], TokenRefused | None], ...] = (
    _audience,
    _expiry,
    _not_before,
    _jti,
)


def _client(check: str, why: str) -> TokenRefused:
    return TokenRefused(check, "invalid_client", why)


# The one write ---------------------------------------------------------------------------------------------------


def _issue(hub: Hub, assertion: _Assertion, scopes: tuple[str, ...]) -> AccessToken | TokenRefused:
    token = base64.urlsafe_b64encode(hub.random(32)).rstrip(b"=").decode()
    now = hub.clock()
    used = {"id": _used_id(assertion), "expires": assertion.expires + LEEWAY}
    row = {
        "id": hub.keyring.digest(_PURPOSE, token),
        "tool": assertion.tool.id,
        "scopes": " ".join(scopes),
        "expires": now + LIFE,
    }

    def work(conn: sa.Connection) -> TokenRefused | None:
        # Counted by whoever proved to be the client: a stranger cannot use up another's share.
        if not limits.allow_in(conn, hub, "lti-token", assertion.tool.client_id, most=MOST, seconds=60):
            return TokenRefused(
                "rate", "slow_down", f"More than {MOST} tokens in a minute. Keep a token until it ends."
            )
        # The insertion decides: of two that come at the same moment one is refused.
        if insert_missing(conn, used_tokens, [used]) != 1:
            return _client("jti", "This assertion has been used. Make a new one, with another jti, for each request.")
        insert_all(conn, access_tokens, [row])
        return None

    return hub.db.run(work) or AccessToken(token, scopes)


def _used_id(assertion: _Assertion) -> bytes:
    return hashlib.sha256(f"assertion\n{assertion.tool.id}\n{assertion.jti}".encode()).digest()
