"""Which tool says that it is a client."""

from __future__ import annotations

import re

import sqlalchemy as sa

from hub import registry
from hub.registry import Tool

#: What a client_id of ours looks like. Anything else is not asked for: PostgreSQL, for one, takes no NUL in text.
_CLIENT_ID = re.compile("[!-~]{1,64}")


def find_client(conn: sa.Connection, client_id: str) -> Tool | None:
    """The tool with that client_id, whatever text it is."""
    return registry.find_tool_by_client_id(conn, client_id) if _CLIENT_ID.fullmatch(client_id) else None
