"""Rules by which the actors of one connector are known without anybody linking them.

An administrator who knows a system says once: its accounts are named by NIP ("nip", with their homePage), or its people
use their own office addresses ("mail", with the domain). A rule speaks only of actors about whom that very connector
reported, so another system cannot claim somebody's hours by writing a NIP. What a person decided stays as she decided
it: a rule never takes an identity from a learner, and never links again what somebody unlinked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from hub import journal
from hub.errors import HubError, NotFound
from hub.jp.policy_tables import identity_rules
from hub.people import identity
from hub.people.identity import Identity
from hub.rows import is_nip
from hub.tables import connectors, learner_nips, learners
from lrs import query
from lrs.agents import Identifier
from lrs.database import insert_new

if TYPE_CHECKING:
    from hub.runtime import Hub

NIP, MAIL = KINDS = ("nip", "mail")

#: Unresolved actors that a new rule looks at in one transaction.
PAGE = 200
#: So many statements of an actor are asked by whom they were reported.
_REPORTS = 20
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class Rule:
    """``value``: the homePage of the accounts (nip), or the domain of the addresses (mail). ``is_new``: the unresolved
    list is still being looked through for it."""

    connector: int
    name: str
    kind: str
    value: str
    by: str
    at: datetime
    is_new: bool

    def is_about(self, who: Identifier) -> bool:
        """Whether an actor looks like one of those that the rule knows."""
        if self.kind == NIP:
            return who.kind == "account" and who.homepage == self.value and is_nip(who.name)
        return who.kind == "mbox" and who.name.rpartition("@")[2].lower() == self.value


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom a rule would link now. ``is_more``: the unresolved list is longer than the part that was looked at."""

    rule: Rule
    rows: tuple[tuple[Identity, UUID], ...]
    looked_at: int
    is_more: bool


def list_all(conn: sa.Connection) -> tuple[Rule, ...]:
    """Every rule, by connector."""
    return tuple(Rule(*row) for row in conn.execute(_select()))


def of_connector(conn: sa.Connection, connector: int) -> tuple[Rule, ...]:
    """The rules of one connector."""
    return tuple(Rule(*row) for row in conn.execute(_select().where(identity_rules.c.connector == connector)))


def _select() -> sa.Select[Any]:
    at = identity_rules.c
    found = sa.select(at.connector, connectors.c.name, at.kind, at.value, at.by, at.at, at.is_new)
    joined = found.join_from(identity_rules, connectors, connectors.c.id == at.connector)
    return joined.order_by(connectors.c.name, at.kind, at.value)


def recognize(conn: sa.Connection, rules: Iterable[Rule], called: Iterable[Identifier]) -> UUID | None:
    """The one learner whom these rules see in what their own connector calls somebody; None where it is not one."""
    seen = {_learner(conn, rule, who) for who in called for rule in rules if rule.is_about(who)} - {None}
    return seen.pop() if len(seen) == 1 else None


def preview(conn: sa.Connection, connector: str, kind: str, value: str, *, now: datetime) -> Preview:
    """Whom a rule would link if it held now, among the first of the unresolved list; writes nothing."""
    rule = Rule(_connector(conn, connector), connector, kind, _checked(kind, value), "", now, is_new=True)
    page = identity.list_unresolved(conn, limit=PAGE + 1)
    seen = [(each, _meant(conn, each, [rule])) for each in page[:PAGE]]
    rows = tuple((each, meant[1]) for each, meant in seen if meant is not None)
    return Preview(rule, rows, len(seen), is_more=len(page) > PAGE)


def add(conn: sa.Connection, hub: Hub, connector: str, kind: str, value: str, *, by: str) -> bool:
    """Know a connector's actors by this rule from now on, those of the unresolved list too; False where it is there."""
    row = {"connector": _connector(conn, connector), "kind": kind, "value": _checked(kind, value), "at": hub.clock(),
           "by": by[:128], "is_new": True, "seen_at": None, "seen_key": None}  # fmt: skip
    is_new = bool(insert_new(conn, identity_rules, [row], returning=[identity_rules.c.connector]))
    if is_new:
        _record(conn, hub, "identity.rule.add", connector, by=by, kind=kind, value=row["value"])
    return is_new


def remove(conn: sa.Connection, hub: Hub, connector: str, kind: str, value: str, *, by: str) -> bool:
    """Know nobody by this rule any more; whom it linked stays linked. False where there is none."""
    at = identity_rules.c
    wanted = (at.connector == _connector(conn, connector), at.kind == kind, at.value == _checked(kind, value))
    is_gone = bool(conn.execute(sa.delete(identity_rules).where(*wanted)).rowcount)
    if is_gone:
        _record(conn, hub, "identity.rule.remove", connector, by=by, kind=kind, value=value)
    return is_gone


def look_again(conn: sa.Connection) -> None:
    """Have the unresolved list looked through once more: there are new people, whom a rule may know."""
    conn.execute(sa.update(identity_rules).values(is_new=True, seen_at=None, seen_key=None))


def apply(conn: sa.Connection, hub: Hub, found: Iterable[Identity]) -> int:
    """Link those of these actors whom a rule knows; tells how many."""
    rules = list_all(conn)
    return sum(_link(conn, hub, each, rules) for each in found) if rules else 0


def step(hub: Hub) -> int:
    """Look through the next part of the unresolved list for a new rule; tells how many actors were looked at."""
    at = identity_rules.c
    with hub.db.read() as conn:
        if conn.execute(sa.select(at.connector).where(at.is_new).limit(1)).first() is None:
            return 0
    return hub.db.run(lambda conn: _look_through(conn, hub))


def _look_through(conn: sa.Connection, hub: Hub) -> int:
    at = identity_rules.c
    row = conn.execute(sa.select(identity_rules).where(at.is_new).order_by(at.connector, at.kind, at.value)).first()
    if row is None:
        return 0
    after = None if row.seen_at is None else (row.seen_at, row.seen_key)
    page = identity.list_unresolved(conn, limit=PAGE, after=after)
    rules = [each for each in list_all(conn) if (each.connector, each.kind, each.value) == row[:3]]
    for each in page:
        _link(conn, hub, each, rules)
    mine = (at.connector == row.connector, at.kind == row.kind, at.value == row.value)
    is_more = len(page) == PAGE
    seen = {"seen_at": page[-1].first_seen, "seen_key": page[-1].actor_key} if page else {}
    conn.execute(sa.update(identity_rules).where(*mine).values(is_new=is_more, **seen))
    return len(page) or 1


def _link(conn: sa.Connection, hub: Hub, found: Identity, rules: Sequence[Rule]) -> bool:
    meant = _meant(conn, found, rules)
    if meant is None:
        return False
    rule, learner = meant
    by = f"rule:{rule.name}"[:128]
    return identity.link(conn, found.who, learner, by=by, now=hub.clock(), new_id=hub.new_id)


def _meant(conn: sa.Connection, found: Identity, rules: Sequence[Rule]) -> tuple[Rule, UUID] | None:
    """The first of these rules that knows an actor, and whom it means; None where a person decided about the actor."""
    # Somebody who unlinked it is named in ``linked_by``.
    about = [rule for rule in rules if rule.is_about(found.who)]
    if not about or found.learner is not None or found.linked_by is not None:
        return None
    reported_by = {stored.owner for stored in query.of_actors(conn, [found.actor_key], limit=_REPORTS)}
    for rule in about:
        learner = _learner(conn, rule, found.who) if rule.connector in reported_by else None
        if learner is not None:
            return rule, learner
    return None


def _learner(conn: sa.Connection, rule: Rule, who: Identifier) -> UUID | None:
    """Whom the rule means; None where that is nobody, or not one alone."""
    if rule.kind == NIP:
        return conn.execute(sa.select(learner_nips.c.learner).where(learner_nips.c.nip == who.name)).scalar()
    address = who.name.removeprefix("mailto:")
    local, _, domain = address.rpartition("@")
    spellings = {address, address.lower(), f"{local}@{domain.lower()}"}
    found = conn.execute(sa.select(learners.c.id).where(learners.c.email.in_(spellings)).limit(2)).scalars().all()
    return found[0] if len(found) == 1 else None


def _connector(conn: sa.Connection, name: str) -> int:
    found = conn.execute(sa.select(connectors.c.id).where(connectors.c.name == name)).scalar()
    if found is None:
        raise NotFound("unknown_connector", f"There is no connector {name}.", action="`wkmb connector list` shows all.")
    return int(found)


def _checked(kind: str, value: str) -> str:
    text = value.strip()
    if kind == MAIL:
        text = text.lower().removeprefix("@")
        if not _DOMAIN.fullmatch(text) or len(text) > 253:
            raise HubError("bad_domain", f"'{value[:80]}' is no domain.", action="Write it as kemdikbud.example.go.id.")
    elif identity.parse_identifier(text, "x") is None or len(text) > 500:
        action = "Write the homePage of the accounts, as statements have it: https://lms.example.go.id"
        raise HubError("bad_homepage", f"'{value[:80]}' is no homePage.", action=action)
    return text


def _record(conn: sa.Connection, hub: Hub, action: str, connector: str, *, by: str, **detail: Any) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=by, action=action, object=f"connector:{connector}", now=now, new_id=new_id, **detail)
