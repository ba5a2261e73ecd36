"""Which policy is official in which year, and the documents that recognition reads.

A document never changes once it is known: its name is its content for ever, and new numbers are a new document. So
what was parsed once is kept by the process. Which of them is official from which year is a recorded act.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from hub import revisions, tables
from hub.jp.policy_tables import replays, target_documents, target_employers
from hub.learning import follow_up
from hub.learning.development_tables import schemes
from hub.revisions import Kept
from lrs.database import insert_missing, insert_new
from mappings import shipped
from mappings.certification import Scheme, load_scheme
from mappings.policy import Policy, load_policy
from mappings.rtl import FollowUp
from mappings.targets import Target, Targets, load_targets, target
from mappings.vocabulary import Vocabulary

#: Official where nothing else was activated.
DEFAULT = shipped.POLICIES[0]


class PolicyUnknown(Exception):
    """There is no policy of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no policy {name}. `wkmb policy list` shows all.")
        self.name = name


class PolicyExists(Exception):
    """A policy of this name says something else; a released policy never changes."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Policy {name} is there already and says something else. Give the new document a new name.")
        self.name = name


class PolicyBehind(Exception):
    """Its ledger is not whole, so nobody may be judged by it yet."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The ledger of {name} is behind: not everybody has been replayed under it. "
            f"Replay it to the end first: wkmb policy replay {name}."
        )
        self.name = name


class NotWithdrawable(Exception):
    """Only the newest activation can be taken back, and not the one that every hub begins with."""

    def __init__(self) -> None:
        super().__init__(
            "Only the newest activation can be taken back, and never the first one. Activate another policy."
        )


@dataclass(frozen=True, slots=True)
class Activation:
    """A policy was made official from a year on. Of several, the newest one that has begun holds."""

    policy: str
    from_year: int
    at: datetime
    by: str
    id: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A policy that could be official, and from which years it is."""

    policy: Policy
    is_shipped: bool
    activations: tuple[Activation, ...]


@dataclass(frozen=True, slots=True)
class Obligations:
    """The document of targets that holds, and the employers on the lists of its rules."""

    targets: Targets
    listed: Mapping[str, Collection[str]]

    def of(self, status: str, employer: str, year: int) -> Target | None:
        """What somebody must reach in a year; None where no rule is known."""
        return target(self.targets, status, employer, year, listed=self.listed)


@dataclass(frozen=True, slots=True)
class Followed:
    """What each recomputation goes by: every policy that is kept up, every scheme, and who owes a
    follow-up plan."""

    policies: tuple[Policy, ...]
    schemes: tuple[Scheme, ...]
    follow_up: FollowUp


class Policies:
    """The policies, vocabularies and targets of one hub, each parsed once. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[str, Policy] = {}
        self._vocabularies: dict[str, Vocabulary] = {}
        self._targets: dict[str, Targets] = {}
        self._follow_up: FollowUp | None = None
        self._schemes: dict[str, Scheme] = {}
        self._followed = Kept(revisions.FOLLOWED, self._read_followed)

    def followed(self, conn: sa.Connection, numbers: Mapping[str, int]) -> Followed:
        """`kept_up`, `schemes` and `follow_up` of one moment (`hub.revisions.Kept.current`)."""
        return self._followed.current(conn, numbers)

    def _read_followed(self, conn: sa.Connection) -> Followed:
        return Followed(self.kept_up(conn), self.schemes(conn), self.follow_up(conn))

    def named(self, conn: sa.Connection, name: str) -> Policy:
        """The policy of this name; raises `PolicyUnknown`."""
        found = self._policies.get(name)
        if found is not None:
            return found
        text = _text(conn, name)
        with self._lock:
            return self._policies.setdefault(name, load_policy(text))

    def active(self, conn: sa.Connection, year: int) -> Policy:
        """The policy that is official in this year."""
        return self.named(conn, name_in(list_activations(conn), year))

    def in_force(self, conn: sa.Connection) -> tuple[Policy, ...]:
        """Every policy that is official in some year: each has a ledger that is kept up."""
        activations = list_activations(conn)
        years = sorted({activation.from_year for activation in activations}) or [0]
        names = dict.fromkeys(name_in(activations, year) for year in years)
        return tuple(self.named(conn, name) for name in names)

    def kept_up(self, conn: sa.Connection) -> tuple[Policy, ...]:
        """Every policy whose ledger each recomputation brings in line: those in force, and those that were replayed,
        or are being replayed, to be compared or made official."""
        return self._with(conn, replays.c.kept_up)

    def complete(self, conn: sa.Connection) -> tuple[Policy, ...]:
        """Of these, all whose ledger is whole: no replay of them is behind."""
        return self._with(conn, sa.and_(replays.c.kept_up, replays.c.finished_at.is_not(None)))

    def _with(self, conn: sa.Connection, which: sa.ColumnElement[bool]) -> tuple[Policy, ...]:
        official = self.in_force(conn)
        names = {policy.name for policy in official}
        others = conn.execute(sa.select(replays.c.policy).where(which).order_by(replays.c.policy)).scalars()
        return (*official, *(self.named(conn, name) for name in others if name not in names))

    def list_all(self, conn: sa.Connection) -> tuple[Listed, ...]:
        """Every policy there is: those that come with the hub, then those that were added, by name."""
        activations = list_activations(conn)
        added = conn.execute(sa.select(tables.policies.c.name).order_by(tables.policies.c.name)).scalars().all()
        return tuple(
            Listed(
                self.named(conn, name), name in shipped.POLICIES, tuple(a for a in activations if a.policy == name)
            )
            for name in dict.fromkeys((*shipped.POLICIES, *added))
        )  # fmt: skip

    def vocabulary(self, name: str) -> Vocabulary:
        """A vocabulary that comes with the hub; the default one where there is none of this name."""
        known = name if name in shipped.VOCABULARIES else shipped.VOCABULARIES[0]
        found = self._vocabularies.get(known)
        if found is None:
            found = shipped.vocabulary(known)
            with self._lock:
                found = self._vocabularies.setdefault(known, found)
        return found

    def obligations(self, conn: sa.Connection) -> Obligations:
        """What people must reach, as it holds now."""
        at = target_employers.c
        listed: dict[str, set[str]] = {}
        for row in conn.execute(sa.select(at.rule, at.employer)):
            listed.setdefault(row.rule, set()).add(row.employer)
        return Obligations(self._targets_in_force(conn), listed)

    def targets_text(self, conn: sa.Connection) -> str:
        """The document of targets that holds, as it was given."""
        at = target_documents.c
        text = conn.execute(sa.select(at.text).order_by(at.id.desc()).limit(1)).scalar()
        return shipped.targets_text() if text is None else str(text)

    def _targets_in_force(self, conn: sa.Connection) -> Targets:
        at = target_documents.c
        digest = conn.execute(sa.select(at.digest).order_by(at.id.desc()).limit(1)).scalar() or ""
        found = self._targets.get(digest)
        if found is None:
            read = load_targets(self.targets_text(conn)) if digest else shipped.targets()
            with self._lock:
                found = self._targets.setdefault(digest, read)
        return found

    def follow_up(self, conn: sa.Connection) -> FollowUp:
        """Who owes a follow-up plan, and when its steps are due, with the rules that an administrator has set."""
        if self._follow_up is None:
            self._follow_up = shipped.follow_up()
        rules = tuple(each.rule for each in follow_up.list_all(conn))
        return replace(self._follow_up, rules=rules) if rules else self._follow_up

    def schemes(self, conn: sa.Connection) -> tuple[Scheme, ...]:
        """Every certification scheme: those that come with the hub, then those that were added, by name."""
        at = schemes.c
        added = conn.execute(sa.select(at.name, at.text).order_by(at.name)).all()
        texts = {
            **{name: shipped.scheme_text(name) for name in shipped.SCHEMES},
            **{row.name: row.text for row in added},
        }
        for name, text in texts.items():
            if name not in self._schemes:
                scheme = load_scheme(text)
                with self._lock:
                    self._schemes.setdefault(name, scheme)
        return tuple(self._schemes[name] for name in texts)


def add_scheme(conn: sa.Connection, text: str, *, now: datetime) -> Scheme:
    """Keep a further scheme; raises `mappings.certification.SchemeError` with the line, or `PolicyExists`."""
    scheme = load_scheme(text)
    row = {"name": scheme.name, "digest": scheme.digest, "text": text, "added_at": now}
    if scheme.name in shipped.SCHEMES:
        known: str | None = shipped.scheme(scheme.name).digest
    elif insert_new(conn, schemes, [row], returning=[schemes.c.name]):
        revisions.bump(conn, revisions.FOLLOWED)
        return scheme
    else:
        known = conn.execute(sa.select(schemes.c.digest).where(schemes.c.name == scheme.name)).scalar()
    if known != scheme.digest:
        raise PolicyExists(scheme.name)
    return scheme


def _text(conn: sa.Connection, name: str) -> str:
    if name in shipped.POLICIES:
        return shipped.policy_text(name)
    text = conn.execute(sa.select(tables.policies.c.text).where(tables.policies.c.name == name)).scalar()
    if text is None:
        raise PolicyUnknown(name)
    return str(text)


def name_in(activations: tuple[Activation, ...], year: int) -> str:
    """The policy that is official in a year: of the newest activation that has begun by then. Years before the first
    one have the policy of the first."""
    if not activations:
        return DEFAULT
    first = min(activation.from_year for activation in activations)
    return [each.policy for each in activations if each.from_year <= max(year, first)][-1]


def list_activations(conn: sa.Connection) -> tuple[Activation, ...]:
    """Every activation that was not taken back, in the order in which they were made."""
    at = tables.policy_activations.c
    query = sa.select(at.policy, at.from_year, at.at, at.by, at.id).where(at.withdrawn_at.is_(None)).order_by(at.id)
    return tuple(Activation(*row) for row in conn.execute(query))


def activate(conn: sa.Connection, policies: Policies, name: str, from_year: int, *, by: str, now: datetime) -> Policy:
    """Make a policy official from a year on; raises `PolicyUnknown`, and `PolicyBehind` where its ledger is not whole.

    What was official before stays kept up, so that it can be made so again at once."""
    policy = policies.named(conn, name)
    if policy not in policies.complete(conn):
        raise PolicyBehind(name)
    before = policies.in_force(conn)
    table = tables.policy_activations
    row = {"policy": name, "from_year": from_year, "at": now, "by": by[:64]}
    # Somebody else's activation at the same moment may have the number: this one comes after it.
    while not insert_new(conn, table, [row | {"id": _newest(conn) + 1}], returning=[table.c.id]):
        pass
    _keep_up(conn, before, by=by, now=now)
    return policy


def withdraw(conn: sa.Connection, policies: Policies, activation: int, *, by: str, now: datetime) -> Activation:
    """Take the newest activation back, as if it had not been; raises `NotWithdrawable`, and `PolicyBehind` where a
    policy that would be official again has not been kept up meanwhile."""
    known = list_activations(conn)
    if len(known) < 2 or known[-1].id != activation:
        raise NotWithdrawable
    complete = {policy.name for policy in policies.complete(conn)}
    before = policies.in_force(conn)
    table = tables.policy_activations
    update = sa.update(table).where(table.c.id == activation, table.c.withdrawn_at.is_(None))
    if not conn.execute(update.values(withdrawn_at=now, withdrawn_by=by[:64])).rowcount:
        raise NotWithdrawable
    for policy in policies.in_force(conn):
        if policy.name not in complete:
            raise PolicyBehind(policy.name)
    _keep_up(conn, before, by=by, now=now)
    return known[-1]


def _newest(conn: sa.Connection) -> int:
    return conn.execute(sa.select(sa.func.max(tables.policy_activations.c.id))).scalar() or 0


def _keep_up(conn: sa.Connection, policies: tuple[Policy, ...], *, by: str, now: datetime) -> None:
    """Go on with the ledgers of these policies, which are whole, whether they stay official or not."""
    for policy in policies:
        row = {"policy": policy.name, "by": by[:128], "started_at": now, "finished_at": now, "kept_up": True}
        insert_missing(conn, replays, [row])
    revisions.bump(conn, revisions.FOLLOWED)


def add(conn: sa.Connection, text: str, *, now: datetime) -> Policy:
    """Keep a further policy; raises `mappings.policy.PolicyError` with the line, or `PolicyExists`."""
    policy = load_policy(text)
    row = {"name": policy.name, "digest": policy.digest, "text": text, "added_at": now}
    if policy.name in shipped.POLICIES:
        known: str | None = shipped.policy(policy.name).digest
    elif insert_new(conn, tables.policies, [row], returning=[tables.policies.c.name]):
        return policy
    else:
        query = sa.select(tables.policies.c.digest).where(tables.policies.c.name == policy.name)
        known = conn.execute(query).scalar()
    if known != policy.digest:
        raise PolicyExists(policy.name)
    return policy
