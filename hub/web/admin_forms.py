"""The forms by which systems are connected: what was filled in becomes a value, or a problem beside its field.

Every problem of a form is told at once, each saying what is wrong and what to do. Whether a name is free
is the registry's to decide; what it refuses is shown beside the field that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from flask_babel import gettext as _

from hub.errors import HubError
from hub.systems import door
from hub.web import words

#: The kinds that the wizard can connect, in the order in which it offers them.
KINDS = ("lti", "xapi-push", "xapi-pull", "csv")

#: A connector's name stands in files and addresses: `provider` of a course, `/admin/systems/<name>`.
_NAME = re.compile("[a-z0-9][a-z0-9._-]{0,63}")

#: CONTRACTS, "Systems and how they are registered": a shorter secret is refused.
SHORTEST_SECRET = 16
SHORTEST_EVERY, LONGEST_EVERY = 10, 86_400

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tool:
    """An external LMS to launch. Either ``jwks_url`` or ``public_key``."""

    name: str
    internal: bool
    login_url: str
    redirect_uris: tuple[str, ...]
    jwks_url: str | None
    public_key: str | None
    target_link_uri: str
    deep_linking_url: str | None
    deployments: tuple[str, ...]
    names: bool
    vocabulary: str
    framed: bool
    title: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A tool that registers itself at ``url``."""

    name: str
    internal: bool
    url: str
    deployments: tuple[str, ...]
    names: bool
    title: str


@dataclass(frozen=True, slots=True)
class Push:
    """A system that sends statements."""

    name: str
    internal: bool
    vocabulary: str
    trusted_centi_jp: int | None
    title: str


@dataclass(frozen=True, slots=True)
class Pull:
    """Another LRS, which the hub asks."""

    name: str
    internal: bool
    vocabulary: str
    trusted_centi_jp: int | None
    title: str
    url: str
    key: str
    secret: str
    version: str
    every: int


@dataclass(frozen=True, slots=True)
class Files:
    """An institution that sends completion files."""

    name: str
    trusted_centi_jp: int | None
    title: str


System = Tool | Push | Pull | Files


@dataclass
class Reading:
    """A form while it is read. ``problems`` has one sentence a field, in the reader's language."""

    given: Mapping[str, str]
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.given.get(name, "").strip()

    def ticked(self, name: str) -> bool:
        return bool(self.given.get(name))

    def refuse(self, name: str, why: str) -> None:
        """Note the first problem of a field."""
        self.problems.setdefault(name, why)

    def refused(self, refusal: HubError) -> None:
        """Show what the registry refused beside its field; "form" where it is about none."""
        self.refuse(FIELD_OF.get(refusal.code, "form"), registry_problems().get(refusal.code, str(refusal)))

    def required(self, name: str) -> str:
        text = self.text(name)
        if not text:
            self.refuse(name, _("Fill this in."))
        return text

    def name(self) -> str:
        """A name for files and addresses."""
        text = self.required("name")
        if text and not _NAME.fullmatch(text):
            self.refuse("name", registry_problems()["name"])
        return text

    def address(self, name: str, *, required: bool = True) -> str | None:
        """A web address that the hub may call."""
        text = self.required(name) if required else self.text(name)
        if not text:
            return None
        if problem := address_problem(text, internal=self.ticked("internal")):
            self.refuse(name, problem)
        return text

    def addresses(self, name: str) -> tuple[str, ...]:
        """At least one address, one a line."""
        found = self.lines(name)
        if not found:
            self.refuse(name, _("Enter at least one address, one on each line."))
        for text in found:
            if problem := address_problem(text, internal=self.ticked("internal")):
                self.refuse(name, f"{text}: {problem}")
        return found

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a field, each once, without empty ones."""
        return tuple(dict.fromkeys(line.strip() for line in self.text(name).splitlines() if line.strip()))

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        text = self.text(name) or choices[0]
        if text not in choices:
            self.refuse(name, _("Choose one of the list."))
        return text

    def whole(self, name: str, low: int, high: int) -> int:
        text = self.required(name)
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            self.refuse(name, _("Enter a whole number from %(low)s to %(high)s.", low=low, high=high))
            return low
        return int(text)

    def centi_jp(self, name: str) -> int | None:
        """JP with at most two decimals, point or comma, in hundredths; None where the field is empty."""
        text = self.text(name).replace(",", ".")
        if not text:
            return None
        try:
            centi = Decimal(text) * 100
        except InvalidOperation:
            centi = Decimal("0.1")
        if not centi.is_finite() or centi != centi.to_integral_value() or not 0 < centi <= 1_000_000:
            self.refuse(name, _("Enter a number of JP with at most two decimals, for example 20."))
            return None
        return int(centi)


def address_problem(text: str, *, internal: bool) -> str | None:
    """Why the hub may not call this address, in the reader's language; None where it may."""
    try:
        door.check_url("", text, internal=internal)
    except HubError as refusal:
        return address_problems().get(refusal.code, str(refusal))
    return None


def address_problems() -> dict[str, str]:
    """What `hub.systems.door.check_url` refuses, in words for a form."""
    return {
        "not_a_url": _("This is not a web address. Write it in full, for example https://lms.example.go.id/login."),
        "fragment": _("Leave out # and what follows it."),
        "user_in_url": _("Leave out the name or password before @."),
        "link_local": _("This address is valid on one cable only. Give the system's own address."),
        "not_https": _("http is not encrypted. Use https, or tick “Internal system” if it is in your own network."),
        "not_public": _("This address is not public. Tick “Internal system” if it is in your own network."),
    }


def key_problem(pem: str) -> str | None:
    """Why signatures cannot be checked with this key; None where they can."""
    try:
        door.check_public_key(pem)
    except HubError as refusal:
        if refusal.code == "private_key":
            return str(_("This is a private key, which nobody but the tool may have. Paste the public one."))
        return str(_("This is no public key: PEM of RSA (2048 bits or more) or of an elliptic curve is needed."))
    return None


#: Which field a refusal of the registry is about.
FIELD_OF = {
    "name": "name",
    "name_taken": "name",
    "title": "title",
    "trusted_jp": "trusted_jp",
    "unknown_vocabulary": "vocabulary",
    "redirect_uris": "redirect_uris",
    "key": "key",
    "short_secret": "secret",
    "secret": "secret",
    "deployment": "deployments",
    "deployments": "deployments",
}


def registry_problems() -> dict[str, str]:
    """What the registry refuses of a whole form, in words."""
    return {
        "name": _("Use up to 64 small letters, digits, dots and hyphens, for example asn-unggul."),
        "name_taken": _("There is a system of this name already. Choose another name."),
        "title": _("A title has at most 200 characters, in one line."),
        "deployment": _("The name of a deployment has 1 to 64 printable characters."),
        "deployments": _("There are too many deployments. Enter at most 500."),
        "redirect_uris": _("There are too many addresses. Enter at most 50."),
        "key": _("The key may hold letters, digits and marks, without colon or space."),
    }


def registration_problems() -> dict[str, str]:
    """What fails when two systems register each other: an address, a name, a call. What `hub.lti_tool.registering` says
    itself is in the reader's language already."""
    calls = {code: said for code, said in words.connection_reasons().items() if code != "client_id"}
    return calls | registry_problems() | address_problems()


def read_tool(form: Reading, vocabularies: tuple[str, ...]) -> Tool:
    """The form of an LTI 1.3 tool."""
    jwks_url, public_key = form.address("jwks_url", required=False), form.text("public_key") or None
    if jwks_url is None and public_key is None:
        form.refuse("jwks_url", _("Enter the address of its keys (JWKS), or paste its public key below."))
    elif jwks_url is not None and public_key is not None:
        form.refuse("public_key", _("There is a key address too. Keep one of the two."))
    elif public_key is not None and (problem := key_problem(public_key)):
        form.refuse("public_key", problem)
    return Tool(
        name=form.name(),
        internal=form.ticked("internal"),
        login_url=form.address("login_url") or "",
        redirect_uris=form.addresses("redirect_uris"),
        jwks_url=jwks_url,
        public_key=public_key,
        target_link_uri=form.address("target_link_uri") or "",
        deep_linking_url=form.address("deep_linking_url", required=False),
        deployments=form.lines("deployments") or ("default",),
        names=form.ticked("names"),
        vocabulary=form.choice("vocabulary", vocabularies),
        framed=form.ticked("framed"),
        title=form.text("title"),
    )


def read_invitation(form: Reading) -> Invitation:
    """The form of a tool that registers itself."""
    return Invitation(
        name=form.name(),
        internal=form.ticked("internal"),
        url=form.address("url") or "",
        deployments=form.lines("deployments") or ("default",),
        names=form.ticked("names"),
        title=form.text("title"),
    )


def read_push(form: Reading, vocabularies: tuple[str, ...]) -> Push:
    """The form of a system that sends statements."""
    vocabulary = form.choice("vocabulary", vocabularies)
    return Push(form.name(), form.ticked("internal"), vocabulary, form.centi_jp("trusted_jp"), form.text("title"))


def read_pull(form: Reading, vocabularies: tuple[str, ...]) -> Pull:
    """The form of an LRS that is asked."""
    return Pull(
        name=form.name(),
        internal=form.ticked("internal"),
        vocabulary=form.choice("vocabulary", vocabularies),
        trusted_centi_jp=form.centi_jp("trusted_jp"),
        title=form.text("title"),
        url=form.address("url") or "",
        key=form.required("key"),
        secret=form.required("secret"),
        version=form.choice("version", ("1.0.3", "2.0.0")),
        every=form.whole("every", SHORTEST_EVERY, LONGEST_EVERY),
    )


def read_files(form: Reading, _vocabularies: tuple[str, ...]) -> Files:
    """The form of an institution that sends files."""
    return Files(form.name(), form.centi_jp("trusted_jp"), form.text("title"))


READERS: Mapping[str, Callable[[Reading, tuple[str, ...]], System]] = {
    "lti": read_tool,
    "xapi-push": read_push,
    "xapi-pull": read_pull,
    "csv": read_files,
}
