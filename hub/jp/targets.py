"""What people must reach in a year, as an administrator sets it: the document of rules, and the employers on the lists
of those rules that hold for listed employers alone.

A document is never changed: a new one is put beside it, and the newest holds. Where none was given, the one that comes
with the hub holds (`mappings/policies/targets.yaml`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub import journal
from hub.errors import HubError, NotFound
from hub.jp.policy_tables import target_documents, target_employers
from lrs.database import insert_new
from mappings.targets import Targets, load_targets

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Characters of a document, far more than the law needs.
LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class InForce:
    """The document that holds, since when and by whom (None: it came with the hub), and who is on its lists."""

    targets: Targets
    at: datetime | None
    by: str | None
    listed: Mapping[str, tuple[str, ...]]


def in_force(conn: sa.Connection, hub: Hub) -> InForce:
    """What holds now."""
    obligations = hub.policies.obligations(conn)
    at = target_documents.c
    newest = conn.execute(sa.select(at.at, at.by).order_by(at.id.desc()).limit(1)).first()
    listed = {rule: tuple(sorted(employers)) for rule, employers in obligations.listed.items()}
    return InForce(obligations.targets, newest.at if newest else None, newest.by if newest else None, listed)


def text_of(conn: sa.Connection, hub: Hub) -> str:
    """The document that holds, as it was given."""
    return hub.policies.targets_text(conn)


def put(conn: sa.Connection, hub: Hub, text: str, *, by: str) -> Targets:
    """Let another document hold from now on; raises `mappings.targets.TargetsError` with the line.

    What an employer's list was for stays with the rule's name."""
    if len(text) > LONGEST:
        raise HubError("too_long", f"A document of targets has at most {LONGEST} characters.", status=413)
    found = load_targets(text)
    table, now = target_documents, hub.clock()
    row = {"digest": found.digest, "text": text, "at": now, "by": by[:128]}
    while True:
        number = (conn.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0) + 1
        # Somebody else's document at the same moment has the number: this one comes after it.
        if insert_new(conn, table, [row | {"id": number}], returning=[table.c.id]):
            break
    _record(conn, hub, "target.set", found.name, by=by, digest=found.digest)
    return found


def put_on_list(conn: sa.Connection, hub: Hub, rule: str, employer: str, *, by: str) -> bool:
    """Let a rule hold for an employer, named as in the people's rows; False where it does already."""
    known = {each.name for each in hub.policies.obligations(conn).targets.rules if each.listed}
    if rule not in known:
        detail = f"There is no rule {rule} that holds for listed employers alone."
        raise NotFound("no_such_rule", detail, action=f"Such rules are: {', '.join(sorted(known)) or 'none'}.")
    name = " ".join(employer.split())
    if not name or len(name) > 200 or "\x00" in name:
        raise HubError("bad_employer", "An employer's name has 1 to 200 characters.")
    row = {"rule": rule, "employer": name, "at": hub.clock(), "by": by[:128]}
    is_new = bool(insert_new(conn, target_employers, [row], returning=[target_employers.c.rule]))
    if is_new:
        _record(conn, hub, "target.employer.add", f"{rule}: {name}", by=by)
    return is_new


def take_off_list(conn: sa.Connection, hub: Hub, rule: str, employer: str, *, by: str) -> bool:
    """Let a rule hold for an employer no more; False where it did not."""
    at, name = target_employers.c, " ".join(employer.split())
    is_gone = bool(conn.execute(sa.delete(target_employers).where(at.rule == rule, at.employer == name)).rowcount)
    if is_gone:
        _record(conn, hub, "target.employer.remove", f"{rule}: {name}", by=by)
    return is_gone


def _record(conn: sa.Connection, hub: Hub, action: str, object: str, *, by: str, **detail: str) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=by, action=action, object=object, now=now, new_id=new_id, **detail)
