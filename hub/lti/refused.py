"""How a call of LTI's services is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hub.errors import HubError


class ServiceRefused(HubError):
    """A call that is answered with a status and a problem (RFC 9457); ``code`` names the member or the rule."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(code, detail, status=status)
        self.headers = headers
