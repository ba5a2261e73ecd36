"""A sandbox LMS that is registered at a hub: what one does with the two from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from hub.demo.visitor import Visitor
from wkmbpeers.prepared import NAME, PreparedHub

TITLE = "Pelayanan Publik Digital"


@dataclass(frozen=True)
class SandboxAtHub:
    """A running sandbox, registered at a hub that has one course of it."""

    hub: PreparedHub
    url: str

    def launch(self, visitor: Visitor) -> str:
        """Sign in and start the course; gives the sandbox's id of the launch."""
        self.hub.sign_in(visitor)
        page = self.hub.launch(visitor, TITLE)
        assert page.url.startswith(f"{self.url}/learn/"), f"{page.status_code} {page.url}: {page.text[:3000]}"
        assert NAME in page.text
        return page.url.rsplit("/", 1)[1]

    def complete(self, launch: str, *faults: str, score: float = 85) -> dict[str, Any]:
        return self._post(f"/api/launches/{launch}/complete", score=score, faults=list(faults))

    def again(self, launch: str) -> dict[str, Any]:
        """Send what the hub did not accept again, without faults."""
        return self._post(f"/api/launches/{launch}/retry", clean=True)

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = requests.post(self.url + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found
