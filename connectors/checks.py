"""What the admin's "test" button asks of a system, each answer a `Check`: a tick, or the reason and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from connectors.base import Check, Clock, ConnectorError
from connectors.http import describe, get_json

#: LTI tokens live for minutes and may not be issued in the future (1EdTech Security Framework 1.1 section 5.1.3); the
#: hub forgives a minute.
SKEW_NOTICED = timedelta(seconds=30)
SKEW_HARMFUL = timedelta(minutes=1)

#: People wait for a key set that is read while they are launched.
SLOW = timedelta(seconds=3)


def check_address(session: requests.Session, url: str, clock: Clock) -> tuple[Check, ...]:
    """Whether something answers there, over TLS, with a clock like ours. Any status is an answer."""
    try:
        response = session.get(url)
    except ConnectorError as error:
        return (failed("tls" if error.code == "tls" else "reachable", error),)
    reached = Check("reachable", "ok", "answered", f"{describe(url)} answered {response.status_code}.")
    return reached, check_tls(url), check_clock(response.headers.get("Date"), clock())


def check_tls(url: str) -> Check:
    """Https was verified by the call itself; http is possible for internal connectors only, and said so."""
    if urlsplit(url).scheme == "https":
        return Check("tls", "ok", "verified", "The certificate is valid for this name.")
    return Check("tls", "warning", "plain_http", "The connection is not encrypted; use https outside a test network.")


def check_clock(date: str | None, now: datetime) -> Check:
    """Compare the Date header (RFC 9110 section 6.6.1, whole seconds) with our clock."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Check("clock", "skipped", "no_date", "The answer has no Date header to compare clocks by.")
    skew = theirs.replace(tzinfo=theirs.tzinfo or UTC) - now
    seconds = round(skew.total_seconds())
    if abs(skew) < SKEW_NOTICED:
        return Check("clock", "ok", "in_step", "Both clocks agree.")
    where = f"Its clock is {abs(seconds)} seconds {'ahead of' if seconds > 0 else 'behind'} ours"
    if abs(skew) < SKEW_HARMFUL:
        return Check("clock", "warning", "skewed", f"{where}. Set both by NTP.")
    return Check("clock", "failed", "skewed", f"{where}; launches and tokens will be refused. Set both by NTP.")


def check_jwks(session: requests.Session, url: str, clock: Clock) -> Check:
    """Whether the address holds a JSON Web Key Set (RFC 7517 section 5) to check signatures with, and soon enough."""
    begun = clock()
    try:
        found = get_json(session, url)
    except ConnectorError as error:
        return failed("jwks", error)
    took = clock() - begun
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        return Check("jwks", "failed", "not_jwks", f"{describe(url)} holds no JSON Web Key Set. Check the address.")
    judged = _judge([key for key in keys if isinstance(key, dict)], describe(url))
    if judged.outcome == "ok" and took >= SLOW:
        detail = f"{describe(url)} took {took.total_seconds():.1f} seconds. Launches wait for it, and fail beyond ten."
        return Check("jwks", "warning", "slow", detail)
    return judged


def find_redirect(session: requests.Session, url: str) -> str | Check:
    """Where an address sends a browser; as a check where it sends it nowhere."""
    try:
        response = session.get(url, allow_redirects=False)
    except ConnectorError as error:
        return failed("dry_launch", error)
    location = response.headers.get("Location", "")
    if response.is_redirect and location:
        return urljoin(url, location)
    where = f"{describe(url)} answered {response.status_code}"
    if response.ok:
        # Some tools see to cookies first, by a page with a script.
        detail = f"{where} with a page, where most tools send the browser back. Open a course to try it."
        return Check("dry_launch", "skipped", "page", detail)
    detail = f"{where} to the beginning of a launch. Compare client_id and addresses on both sides."
    return Check("dry_launch", "failed", "login_refused", detail)


def _judge(keys: list[dict[str, Any]], where: str) -> Check:
    if any("d" in key or key.get("kty") == "oct" for key in keys):
        detail = f"{where} publishes a private key. Tell its administrator to replace this key at once."
        return Check("jwks", "failed", "private_key", detail)
    usable = [key for key in keys if key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig"]
    if not usable:
        return Check("jwks", "failed", "no_keys", f"{where} holds no key to check signatures with.")
    if not all(isinstance(key.get("kid"), str) for key in usable):
        return Check("jwks", "warning", "no_kid", f"{where} holds a key without `kid`; it cannot be picked by a token.")
    return Check("jwks", "ok", "keys", f"{where} holds {len(usable)} key(s) for signatures.")


def failed(code: str, error: ConnectorError) -> Check:
    """A failure as a value, with what to do."""
    return Check(code, "failed", error.code, str(error))
