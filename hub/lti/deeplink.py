"""The answer of a provider's picker: a JWT that the administrator's browser posts (Deep Linking 2.0 section 4.4).

It comes from another site, so the first time without the hub's cookie: a page of ours sends it again. Whose picking
it answers is said by ``data``, which the hub signed and gave out in that browser. What is wrong with the answer as a
whole refuses all of it; a single item that cannot be a course is left out, and named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.access.accounts import Session
from hub.errors import NotFound
from hub.lti import contentitems, drafts, pickings, signed
from hub.lti.claims import Refusal, shown
from hub.lti.contentitems import Item, LeftOut
from hub.lti.drafts import Landed
from hub.lti.idtoken import CLAIM, DL_CLAIM, VERSION
from hub.lti.pickings import Picking
from hub.lti.tokens import LEEWAY, LONGEST_ASSERTION
from hub.lti.toolkeys import ToolKeys
from hub.systems import registry
from hub.systems.registry import Deployment, Tool
from hub.tables import used_tokens
from lrs.database import insert_missing

if TYPE_CHECKING:
    from hub.runtime import Hub

#: A whole catalogue of a provider fits.
LARGEST = 1024 * 1024

LONGEST_NONCE = 255

#: What is shown of a message of the provider's.
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What a picking brought. ``message`` and ``trouble`` are the provider's own words."""

    tool: Tool
    deployment: Deployment
    landed: Landed
    left_out: tuple[LeftOut, ...]
    message: str
    trouble: str
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an answer is not taken; ``tool`` is whose it is, or says it is."""

    refusal: Refusal
    tool: Tool | None


@dataclass(frozen=True, slots=True)
class _Said:
    """The claims of an answer whose signature is good, and what they are held against."""

    claims: Mapping[str, Any]
    issuer: str
    now: datetime


def accept(hub: Hub, tool_keys: ToolKeys, text: str, session: Session | None) -> Answer | Refused:
    """Take the answer that this browser brought, once; everything of it or nothing."""
    header, said = signed.members(text, signed.HEADER), signed.members(text, signed.CLAIMS)
    if header is None or said is None:
        return Refused(_wrong("JWT", "The answer is no signed JWT."), None)
    with hub.db.read() as conn:
        clients = hub.directory.current(conn).clients
        tool = clients.get(said["iss"]) if isinstance(said.get("iss"), str) else None
    if tool is None or tool.disabled:
        why = f"iss is {shown(str(said.get('iss', '')))}, which is no tool here, or one that is switched off."
        return Refused(_wrong("iss", why), None)
    unsigned = signed.check_header(header) or signed.check_signature(hub, tool_keys, tool, header.get("kid"), text)
    if unsigned:
        return Refused(_wrong(*unsigned), tool)
    claims = _Said(said, hub.base_url, hub.clock())
    refusal = next((wrong for check in _CHECKS if (wrong := check(claims))), None)
    if refusal:
        return Refused(refusal, tool)
    found = _find_picking(hub, tool, said, session)
    if isinstance(found, Refusal):
        return Refused(found, tool)
    picking, deployment = found
    return _land(hub, tool, picking, deployment, said, text)


# Checks of the claims, pure --------------------------------------------------------------------------------------


def _audience(said: _Said) -> Refusal | None:
    audience = said.claims.get("aud")
    # Moodle writes a list of one.
    if audience in (said.issuer, [said.issuer]):
        return None
    return _wrong("aud", f"aud is {shown(str(audience))}; it must be {said.issuer} alone.")


def _times(said: _Said) -> Refusal | None:
    expires, issued = signed.moment(said.claims.get("exp")), signed.moment(said.claims.get("iat"))
    here = f"here it is {said.now:%Y-%m-%d %H:%M:%S} UTC. Compare the clocks."
    if expires is None:
        return _wrong("exp", "exp is missing or no time.")
    if issued is None:
        return _wrong("iat", "iat is missing or no time.")
    if expires + LEEWAY <= said.now:
        return _wrong("exp", f"The answer ended at {expires:%Y-%m-%d %H:%M:%S} UTC; {here}")
    if issued > said.now + LEEWAY:
        return _wrong("iat", f"The answer is of {issued:%Y-%m-%d %H:%M:%S} UTC; {here}")
    if expires - issued > LONGEST_ASSERTION:
        return _wrong("exp", "The answer is good for more than an hour.")
    return None


def _nonce(said: _Said) -> Refusal | None:
    nonce = said.claims.get("nonce")
    if isinstance(nonce, str) and 0 < len(nonce) <= LONGEST_NONCE:
        return None
    return _wrong("nonce", f"nonce must be text of 1 to {LONGEST_NONCE} characters.")


def _message(said: _Said) -> Refusal | None:
    for name, wanted in (("message_type", "LtiDeepLinkingResponse"), ("version", VERSION)):
        value = said.claims.get(CLAIM + name)
        if value != wanted:
            return _wrong(name, f"{name} is {shown(str(value or ''))}; it must be {wanted}.")
    return None


def _items(said: _Said) -> Refusal | None:
    # Section 4.5: the claim may be absent, which is no choice at all.
    items = said.claims.get(DL_CLAIM + "content_items", [])
    if not isinstance(items, list):
        return _wrong("content_items", "content_items must be a list.")
    if len(items) > contentitems.MOST:
        return _wrong("content_items", f"{len(items)} items came; at most {contentitems.MOST} are taken at a time.")
    if not all(isinstance(each, dict) and isinstance(each.get("type"), str) and each["type"] for each in items):
        return _wrong("content_items", "An item has no type.")
    return None


_CHECKS: tuple[Callable[[_Said], Refusal | None], ...] = (_audience, _times, _nonce, _message, _items)


# Whose picking it is ---------------------------------------------------------------------------------------------


def _find_picking(
    hub: Hub, tool: Tool, said: Mapping[str, Any], session: Session | None
) -> tuple[Picking, Deployment] | Refusal:
    if session is None:
        return Refusal("session", "login_required", "Nobody is signed in at the hub in this browser.")
    data = said.get(DL_CLAIM + "data")
    picking_id = pickings.read_data(hub, data) if isinstance(data, str) else None
    if picking_id is None:
        return _wrong("data", "data is missing, changed or over: it must come back as the hub gave it.")
    with hub.db.read() as conn:
        picking = pickings.find(conn, hub, picking_id)
        deployment = None if picking is None else _deployment(conn, picking)
    if picking is None or picking.tool != tool.id or picking.hint_used_at is None:
        return _wrong("data", "data was given to another tool, or for a picker that was never opened.")
    if not picking.is_of(session):
        return Refusal("session", "access_denied", "Another person, or another browser, opened this picker.")
    wanted = said.get(CLAIM + "deployment_id")
    if deployment is None or deployment.disabled or wanted != deployment.deployment_id:
        why = f"deployment_id is {shown(str(wanted or ''))}, which is not the one of the request, or is switched off."
        return _wrong("deployment_id", why)
    return picking, deployment


def _deployment(conn: sa.Connection, picking: Picking) -> Deployment | None:
    try:
        return registry.get_deployment(conn, picking.deployment)
    except NotFound:
        return None


# The one write ---------------------------------------------------------------------------------------------------


def _land(
    hub: Hub, tool: Tool, picking: Picking, deployment: Deployment, said: Mapping[str, Any], text: str
) -> Answer | Refused:
    parsed = [contentitems.parse_item(each, tool) for each in said.get(DL_CLAIM + "content_items", [])]
    items = [each for each in parsed if isinstance(each, Item)]
    digest = hashlib.sha256(text.encode()).digest()

    def work(conn: sa.Connection) -> Landed | None:
        # The nonce of a tool is good once, whichever picking it is shown for.
        used = {"id": _nonce_id(tool, said["nonce"]), "expires": hub.clock() + LONGEST_ASSERTION + timedelta(hours=1)}
        if insert_missing(conn, used_tokens, [used]) != 1 or not pickings.answer(conn, picking, digest):
            return None
        return drafts.land(conn, hub, deployment.id, items, by=picking.username)

    landed = hub.db.run(work)
    if landed is None:
        return _answer_again(hub, tool, picking, deployment, digest)
    left_out = tuple(each for each in parsed if isinstance(each, LeftOut))
    message, trouble = (_words(said, name) for name in ("msg", "errormsg"))
    return Answer(tool, deployment, landed, left_out, message, trouble)


def _answer_again(hub: Hub, tool: Tool, picking: Picking, deployment: Deployment, digest: bytes) -> Answer | Refused:
    """The page was reloaded, which changes nothing and is no fault; anything else that comes a second time is one."""
    with hub.db.read() as conn:
        stored = pickings.find(conn, hub, picking.id)
    if stored is not None and stored.response == digest:
        return Answer(tool, deployment, Landed(0, 0, 0), (), "", "", is_repeated=True)
    return Refused(_wrong("nonce", "This nonce, or this data, has been used. Open the picker again."), tool)


def _nonce_id(tool: Tool, nonce: str) -> bytes:
    return hashlib.sha256(f"picking\n{tool.id}\n{nonce}".encode()).digest()


def _words(said: Mapping[str, Any], name: str) -> str:
    value = said.get(DL_CLAIM + name)
    return " ".join(value.split())[:LONGEST_MESSAGE] if isinstance(value, str) else ""


def _wrong(check: str, why: str) -> Refusal:
    return Refusal(check, "invalid_request", why)
