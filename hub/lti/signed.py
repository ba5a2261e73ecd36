"""What tools sign: reading a compact JWS before and after its signature is known to be good."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from hub.keysets import KeyNotFound
from hub.lti.toolkeys import ToolKeys
from hub.systems.registry import Tool

if TYPE_CHECKING:
    from hub.runtime import Hub

ALGORITHM = "RS256"

HEADER, CLAIMS = 0, 1


def members(text: str, part: int) -> dict[str, Any] | None:
    """What the header (0) or the claims (1) of a compact JWS say, unverified; None where it is none."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        said = orjson.loads(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def check_header(header: dict[str, Any]) -> tuple[str, str] | None:
    """Why no signature with such a header is looked at: the check and why. The algorithm is named by us alone."""
    if header.get("alg") != ALGORITHM:
        return "alg", f"It must be signed with {ALGORITHM}; its header says {str(header.get('alg'))[:40]!r}."
    # No extension of JWS is understood here (RFC 7515 section 4.1.11), and the library takes other values for text.
    if not all(isinstance(value, str) for value in header.values()):
        return "header", "Its header holds something else than text, or an extension."
    return None


def check_signature(hub: Hub, tool_keys: ToolKeys, tool: Tool, kid: Any, text: str) -> tuple[str, str] | None:
    """Why the signature is not the tool's: the check and why. Outside any transaction: a key set may be read."""
    try:
        key = tool_keys.find(hub, tool, kid)
    except KeyNotFound as error:
        return "kid", str(error)
    try:
        jws.deserialize_compact(text.encode(), key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        return "signature", f"The signature was not made with the key {kid!r} of this tool."
    return None


def moment(value: Any) -> datetime | None:
    """A NumericDate (RFC 7519 section 2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
