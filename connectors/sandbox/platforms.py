"""The platforms that may launch the sandbox: plain configuration, read from one JSON file.

The file holds what ``wkmb tool add --json`` prints, one object or a list of them. It is read at each
use, so a platform that is written into it while the sandbox runs may launch at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import SandboxError


@dataclass(frozen=True, slots=True)
class Platform:
    """One registration: who launches, and where its endpoints are."""

    issuer: str
    client_id: str
    deployment_ids: tuple[str, ...]
    auth_url: str
    token_url: str
    jwks_url: str


def parse_platform(given: Mapping[str, Any], where: str) -> Platform:
    """Make a platform of one JSON object; refuse it by name of the member that is missing or wrong."""
    texts = {}
    for name in ("issuer", "client_id", "auth_url", "token_url", "jwks_url"):
        value = given.get(name)
        if not isinstance(value, str) or not value:
            raise SandboxError(f"{where}: {name} is missing. Give the JSON that `wkmb tool add --json` prints.")
        texts[name] = value
    deployments = given.get("deployment_ids")
    if not isinstance(deployments, list) or not deployments or not all(isinstance(d, str) and d for d in deployments):
        raise SandboxError(f"{where}: deployment_ids must be a list of at least one text.")
    return Platform(deployment_ids=tuple(deployments), **texts)


@dataclass(frozen=True, slots=True)
class Platforms:
    """The registrations in one file."""

    path: Path

    def all(self) -> tuple[Platform, ...]:
        """Every registered platform; none where the file is not there yet, or still empty.

        A shell that redirects a command's output into the file makes it before the command has said anything.
        """
        text = self.path.read_text("utf-8").strip() if self.path.exists() else ""
        if not text:
            return ()
        try:
            content = json.loads(text)
        except ValueError as error:
            raise SandboxError(f"{self.path}: not JSON ({error}).") from error
        entries = content if isinstance(content, list) else [content]
        if not all(isinstance(entry, dict) for entry in entries):
            raise SandboxError(f"{self.path}: must hold one object or a list of objects.")
        return tuple(parse_platform(entry, str(self.path)) for entry in entries)

    def find(self, issuer: str, client_id: str | None) -> Platform | None:
        """The platform of that issuer; without a client id only where the issuer has exactly one.

        ``client_id`` is optional in a login initiation (LTI 1.3 Core, 4.1.3).
        """
        matching = [
            one for one in self.all() if one.issuer == issuer and (client_id is None or one.client_id == client_id)
        ]
        return matching[0] if len(matching) == 1 else None

    def save(self, platform: Platform) -> None:
        """Write the platform into the file; one with the same issuer and client id is replaced."""
        others = [one for one in self.all() if (one.issuer, one.client_id) != (platform.issuer, platform.client_id)]
        content = json.dumps([asdict(one) for one in (*others, platform)], indent=2)
        draft = self.path.with_suffix(".draft")
        draft.write_text(content + "\n", "utf-8")
        draft.replace(self.path)
