"""One xAPI request as a value: version negotiated, alternate syntax undone, parameters checked for their names.

The version is negotiated here and nowhere else; where xAPI 1.0.x and 2.0 contradict each other, the resources ask
`Call.is_2`. The alternate request syntax (POST ?method=PUT with everything in a form, for old browsers) exists in
1.0.x alone; it may carry the version and the credential too, so both are read after it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from lrs import formats, validate
from lrs.agents import Identifier, identifier
from lrs.errors import Invalid, Malformed
from lrs.jsontext import parse_json

VERSION_HEADER = "x-experience-api-version"
#: What /about lists: everything that is taken.
VERSIONS = ("1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0")

_VERSION = re.compile(r"(?:1\.0|2\.0)(?:\.[0-9]{1,3})?")
_METHODS = frozenset(("GET", "PUT", "POST", "DELETE", "HEAD"))

#: The headers that are read, by their names in WSGI (PEP 3333).
_HEADERS = {
    "HTTP_AUTHORIZATION": "authorization",
    "HTTP_X_EXPERIENCE_API_VERSION": VERSION_HEADER,
    "CONTENT_TYPE": "content-type",
    "HTTP_IF_MATCH": "if-match",
    "HTTP_IF_NONE_MATCH": "if-none-match",
    "HTTP_ACCEPT_LANGUAGE": "accept-language",
}
#: Those that the alternate syntax may carry as form fields (xAPI 1.0.3 Communication 1.3).
_FORM_HEADERS = frozenset((*_HEADERS.values(), "content-length"))


class VersionRefused(Malformed):
    """The request names no version of xAPI that is spoken here."""


class Call(NamedTuple):
    """A request: header names in lower case, parameters once each; ``through`` is the horizon of a list."""

    method: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    body: bytes
    version: str = VERSIONS[-1]
    through: datetime | None = None

    @property
    def is_2(self) -> bool:
        return self.version.startswith("2")

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def allow(self, *names: str) -> None:
        """Refuse every parameter but these, also one that differs in case (XAPI-00324, XAPI-00325)."""
        for name in self.parameters:
            if name not in names:
                raise Malformed(f"The parameter {name!r} is not one of {', '.join(names) or 'none'}")

    def text(self, name: str) -> str | None:
        """The parameter, if it was given."""
        return self.parameters.get(name)

    def required(self, name: str) -> str:
        """The parameter, which must be there."""
        value = self.parameters.get(name)
        if not value:
            raise Malformed(f"The parameter {name} is required")
        return value

    def iri(self, name: str) -> str | None:
        """An absolute IRI."""
        value = self.text(name)
        if value is not None and not formats.is_iri(value):
            raise Malformed(f"The parameter {name} must be an absolute IRI")
        return value

    def required_iri(self, name: str) -> str:
        self.required(name)
        return self.iri(name) or ""

    def uuid(self, name: str) -> UUID | None:
        """A UUID in its standard form."""
        value = self.text(name)
        if value is None:
            return None
        if not formats.is_uuid(value):
            raise Malformed(f"The parameter {name} must be a UUID")
        return UUID(value)

    def moment(self, name: str) -> datetime | None:
        """A timestamp."""
        value = self.text(name)
        if value is None:
            return None
        moment = formats.parse_timestamp(value)
        if moment is None:
            raise Malformed(f"The parameter {name} must be a timestamp such as 2026-01-31T08:00:00Z")
        return moment

    def flag(self, name: str) -> bool:
        """True or false, false where it is absent."""
        value = self.text(name)
        if value not in (None, "true", "false"):
            raise Malformed(f"The parameter {name} must be true or false")
        return value == "true"

    def required_agent(self) -> Mapping[str, Any]:
        """The Agent in the parameter ``agent``."""
        agent = parse_json(self.required("agent").encode(), "The parameter agent")
        problems = validate.validate_agent(agent, "agent")
        if problems:
            raise Invalid(problems)
        return agent  # type: ignore[no-any-return]

    def actor(self) -> Identifier | None:
        """The identifier of the Agent or identified Group in the parameter ``agent``."""
        text = self.text("agent")
        if text is None:
            return None
        actor = parse_json(text.encode(), "The parameter agent")
        problems = validate.validate_actor(actor, "agent")
        if problems:
            raise Invalid(problems)
        who = identifier(actor)
        if who is None:
            raise Malformed("The parameter agent must be an Agent or a Group with an identifier")
        return who


def headers_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """The headers of the request that mean something here, by their names in lower case."""
    headers = {name: environ[key] for key, name in _HEADERS.items() if key in environ}
    if headers.get("content-type") == "":
        del headers["content-type"]  # So some servers say that there is none.
    return headers


@functools.lru_cache(maxsize=64)
def negotiate(header: str | None) -> str:
    """The version of this request: 1.0 means 1.0.0, 2.0 means 2.0.0 (Communication 3.3)."""
    if header is None:
        raise VersionRefused("Send X-Experience-API-Version: 1.0.3 or 2.0.0 (XAPI-00321)")
    version = header.strip()
    if not _VERSION.fullmatch(version):
        raise VersionRefused(f"X-Experience-API-Version {header[:40]!r} is not spoken here: send 1.0.3 or 2.0.0")
    return version if version.count(".") == 2 else version + ".0"


def parameters_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each parameter once; U+0000 stands in no value that could be meant."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise Malformed(f"The parameter {name!r} stands there twice")
        if "\x00" in value or "\x00" in name:
            raise Malformed(f"The parameter {name!r} contains U+0000")
        parameters[name] = value
    return parameters


def undo_alternate_syntax(call: Call) -> Call:
    """The request that is meant by POST ?method=X with a form (xAPI 1.0.3 Communication 1.3, XAPI-00336).

    The version is negotiated after this, from the headers that come out.
    """
    if call.method != "POST":
        raise Malformed("The parameter method goes with POST alone")
    method = call.parameters["method"]
    if method not in _METHODS:
        raise Malformed(f"The parameter method must be one of {', '.join(sorted(_METHODS))}")
    if len(call.parameters) > 1:
        raise Malformed("The alternate request syntax takes no parameter beside method: put them in the form")
    if call.media_type != "application/x-www-form-urlencoded":
        raise Malformed("The alternate request syntax takes a form: Content-Type application/x-www-form-urlencoded")
    fields = parameters_of(_form(call.body))
    content = fields.pop("content", None)
    if content is None and method in ("PUT", "POST"):
        raise Malformed("The form needs the field content, which holds the body")
    headers = {name: value for name, value in call.headers.items() if name != "content-type"}
    for name in list(fields):
        if name.lower() in _FORM_HEADERS:
            headers[name.lower()] = fields.pop(name)
    headers.setdefault("content-type", "application/json")
    return Call(method, headers, fields, (content or "").encode(), through=call.through)


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=100
        )
    except ValueError as error:
        raise Malformed("The form is not url-encoded UTF-8") from error
