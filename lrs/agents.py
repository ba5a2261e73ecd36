"""Who an actor is: one inverse functional identifier, and the key under which her statements lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lrs.keys import key64


class Identifier(NamedTuple):
    """What identifies an Agent or Group (xAPI Data 2.4.2.3). ``homepage`` is empty except for an account."""

    kind: str
    homepage: str
    name: str


IDENTIFIERS = ("account", "mbox", "mbox_sha1sum", "openid")


def identifier(actor: Mapping[str, Any]) -> Identifier | None:
    """The identifier of an Agent or Group; None for an anonymous group."""
    account = actor.get("account")
    if account is not None:
        return Identifier("account", account["homePage"], account["name"])
    mbox = actor.get("mbox")
    if mbox is not None:
        # The domain of a mail address is case insensitive (Data 2.3.1, "Case sensitivity").
        local, at, domain = mbox.rpartition("@")
        return Identifier("mbox", "", local + at + domain.lower())
    sha1sum = actor.get("mbox_sha1sum")
    if sha1sum is not None:
        return Identifier("mbox_sha1sum", "", sha1sum.lower())
    openid = actor.get("openid")
    if openid is not None:
        return Identifier("openid", "", openid)
    return None


def as_agent(who: Identifier) -> dict[str, Any]:
    """The smallest Agent with this identifier."""
    if who.kind == "account":
        return {"objectType": "Agent", "account": {"homePage": who.homepage, "name": who.name}}
    return {"objectType": "Agent", who.kind: who.name}


def agent_key(who: Identifier) -> int:
    """The key of an identifier. Groups and agents share it: xAPI lets no two of them share an identifier."""
    return key64("agent", *who)


def actor_key(actor: Mapping[str, Any]) -> int:
    """The key of the actor, beside which her statements lie.

    An anonymous group is keyed by its members: two statements of the same people lie together.
    """
    who = identifier(actor)
    if who is not None:
        return agent_key(who)
    return key64("group", *sorted(str(agent_key(each)) for each in members(actor)))


def members(actor: Mapping[str, Any]) -> list[Identifier]:
    """The identifiers of a Group's members."""
    return [who for who in map(identifier, actor.get("member", ())) if who is not None]


def identifiers(actor: Mapping[str, Any]) -> list[Identifier]:
    """Every identifier by which the ``agent`` filter finds this actor: its own, and a group's members."""
    who = identifier(actor)
    others = members(actor) if "member" in actor else []
    return others if who is None else [who, *others]
