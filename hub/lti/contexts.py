"""A context of LTI: one course in one deployment. Its id is in launches and in the addresses of the services."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ID = re.compile("([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Context:
    """``deployment`` and ``course`` are the hub's own numbers of the two."""

    deployment: int
    course: int

    @property
    def id(self) -> str:
        """What the context is called in launches (LTI 1.3 Core section 5.4.1)."""
        return f"{self.deployment}-{self.course}"

    @property
    def resource_link_id(self) -> str:
        """The one link that the hub has there: the course itself (LTI 1.3 Core section 5.3.5)."""
        return f"{self.id}-course"

    def url(self, base_url: str) -> str:
        """The address under which the context's services are."""
        return f"{base_url}/lti/platform/contexts/{self.id}"


def parse_context(text: str) -> Context | None:
    """The context with that id; None where no context can be called so."""
    found = _ID.fullmatch(text)
    return None if found is None else Context(int(found[1]), int(found[2]))
