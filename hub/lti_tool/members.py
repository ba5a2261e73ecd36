"""Links the people on a platform's membership lists to learners: what NRPS 2.0 is asked for.

A launch that carries the address of its context's list leaves it here. Each list is read by the worker once a day, or
when somebody asks for it: claim (one write), read (no transaction is open), link (one write for each few members).
Nobody is known by how a name looks: a member is a learner's where a rule of the platform's connector says so
(`hub.people.identity_rules`), or where her account is one that the hub's own launch made there (`connectors.accounts`).
Everybody else goes to the unresolved list, with what the platform calls her.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from connectors import accounts
from connectors.http import RequestFailed
from hub import journal
from hub.errors import HubError, NotFound
from hub.lti.keys import SigningKeys
from hub.lti_tool import platforms, roster
from hub.lti_tool.claims import is_id
from hub.lti_tool.messages import Launch
from hub.lti_tool.platforms import Platform
from hub.lti_tool.roster import Member
from hub.lti_tool.services import Services
from hub.lti_tool.tables import platform_contexts
from hub.people import identity, identity_rules
from hub.people.identity import Identity
from hub.people.identity_rules import Rule
from lrs.agents import Identifier, agent_key
from lrs.database import upsert

if TYPE_CHECKING:
    from hub.runtime import Hub

log = structlog.get_logger()

#: The first launch of a course comes with many others: its list is read when they are in.
FIRST = timedelta(minutes=10)
EVERY = timedelta(days=1)
#: After a list could not be read; twice as long after each further time, up to `EVERY`.
AGAIN = timedelta(hours=1)
#: After so many times, which are six days, nobody asks for the list any more: its course is gone. A launch from it, or
#: an administrator, has it read again.
MOST_FAILURES = 10
#: How long one reading may take before another process may begin it anew.
LEASE = timedelta(minutes=15)

#: Lists that one reading takes, and members that one transaction links.
MOST_LISTS = 20
PAGE = 100

LINKED, SAME, UNRESOLVED = OUTCOMES = ("linked", "same", "unresolved")

WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Context:
    """A course of a platform, and what its membership list gave when it was read last: members linked then, linked
    before, and unresolved; or in ``failure`` why it could not be read, the ``failures``-th time in a row."""

    platform: int
    context: str
    title: str
    url: str
    next_at: datetime
    read_at: datetime | None
    linked: int | None
    same: int | None
    unresolved: int | None
    failure: str | None
    failures: int | None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody asks for it any more."""
        return (self.failures or 0) >= MOST_FAILURES


# What launches leave ---------------------------------------------------------------------------------------------


def note(conn: sa.Connection, hub: Hub, platform: Platform, launch: Launch) -> None:
    """Remember where the membership list of a launch's context is. Nothing is written where that is known.

    A list that was given up is read again: its course is there.
    """
    url, context = launch.memberships_url, launch.context_id or ""
    if url is None or not (context == "" or is_id(context)):
        return
    at = platform_contexts.c
    known = sa.select(at.url).where(at.platform == platform.id, at.context == context, _is_asked_for())
    if conn.execute(known).scalar() == url:
        return
    row = {"platform": platform.id, "context": context, "title": launch.context_title[:200], "url": url,
           "next_at": hub.clock() + FIRST, "read_at": None, "failures": 0}  # fmt: skip
    row |= dict.fromkeys((*OUTCOMES, "failure"))
    upsert(conn, platform_contexts, row, update=["title", "url", "next_at", "failures"])


def of_platform(conn: sa.Connection, platform: Platform, *, limit: int) -> tuple[Context, ...]:
    """A platform's contexts, the one read last first."""
    at = platform_contexts.c
    query = sa.select(platform_contexts).where(at.platform == platform.id)
    rows = conn.execute(query.order_by(at.next_at.desc(), at.context).limit(limit))
    return tuple(Context(**row._mapping) for row in rows)


def ask(conn: sa.Connection, hub: Hub, platform: Platform, *, by: str) -> int:
    """Have every list of the platform read now; tells how many."""
    at, now = platform_contexts.c, hub.clock()
    asked = sa.update(platform_contexts).where(at.platform == platform.id).values(next_at=now, failures=0)
    lists, named = conn.execute(asked).rowcount, f"platform:{platform.name}"
    journal.record(
        conn, who=by, action="platform.roster.ask", object=named, now=now, new_id=hub.new_id, lists=lists
    )  # fmt: skip
    return lists


# Reading ---------------------------------------------------------------------------------------------------------


class Rosters:
    """Reads the lists that are due, some of a platform at a time; one object per worker: it keeps opened keys."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._keys = SigningKeys()

    def due(self) -> Iterable[int]:
        """Platforms that have a list to read, for `connectors.polling.Polling`."""
        at = platform_contexts.c
        query = sa.select(at.platform).where(at.next_at <= self._hub.clock(), _is_asked_for()).distinct()
        with self._hub.db.read() as conn:
            return conn.execute(query).scalars().all()

    def run(self, platform_id: int, *, by: str = WORKER) -> tuple[Context, ...]:
        """Read what is due of one platform, at most `MOST_LISTS`; what became of each."""
        hub = self._hub
        platform, claimed = hub.db.run(lambda conn: _claim(conn, hub, platform_id))
        if platform is None:
            return ()
        with Services(hub, self._keys, platform) as services:
            return tuple(self._read(services, platform, each, by) for each in claimed)

    def _read(self, services: Services, platform: Platform, context: Context, by: str) -> Context:
        hub, counts, failure = self._hub, Counter[str](), None
        try:
            for page in _pages(_everybody(services, context)):
                counts += hub.db.run(lambda conn, page=page: _link(conn, hub, platform, page))  # type: ignore[misc]
        except RequestFailed as error:
            failure = str(error)[:500]
        log.info("members_read", platform=platform.name, failed=failure is not None, **counts)
        return hub.db.run(lambda conn: _settle(conn, hub, platform, context, counts, failure, by))


def read_now(hub: Hub, name: str, *, by: str) -> tuple[Context, ...]:
    """Read every membership list of the platform of that name."""

    def work(conn: sa.Connection) -> Platform:
        platform = platforms.named(conn, name)
        if platform.disabled:
            action = f"`wkmb platform disable {name} --again` takes it again."
            raise HubError("platform_disabled", f"{name} is switched off at the hub.", action=action, status=409)
        ask(conn, hub, platform, by=by)
        return platform

    platform, rosters = hub.db.run(work), Rosters(hub)
    found: list[Context] = []
    while part := rosters.run(platform.id, by=by):
        found += part
    return tuple(found)


def _everybody(services: Services, context: Context) -> Iterator[Member]:
    """The members, each once: a list that names somebody twice does not count her twice."""
    seen: set[str] = set()
    for member in roster.members(services, context.url):
        if member.user_id not in seen:
            seen.add(member.user_id)
            yield member


def _pages(found: Iterator[Member]) -> Iterator[list[Member]]:
    while page := list(islice(found, PAGE)):
        yield page


def _claim(conn: sa.Connection, hub: Hub, platform_id: int) -> tuple[Platform | None, tuple[Context, ...]]:
    """What of a platform is due, which nobody else reads for the time of a lease."""
    at, now = platform_contexts.c, hub.clock()
    due = sa.select(platform_contexts).where(at.platform == platform_id, at.next_at <= now, _is_asked_for())
    rows = conn.execute(due.order_by(at.next_at, at.context).limit(MOST_LISTS)).all()
    platform = _platform(conn, platform_id)
    wait = LEASE if platform is not None else EVERY
    mine = []
    for row in rows:
        # Compared and set, so that of two workers one has it.
        still = sa.and_(at.platform == platform_id, at.context == row.context, at.next_at == row.next_at)
        if conn.execute(sa.update(platform_contexts).where(still).values(next_at=now + wait)).rowcount:
            mine.append(Context(**row._mapping))
    return platform, tuple(mine)


def _is_asked_for() -> sa.ColumnElement[bool]:
    """That a list was not given up. What an older version of the hub wrote has no number."""
    failures = platform_contexts.c.failures
    return sa.or_(failures.is_(None), failures < MOST_FAILURES)


def _platform(conn: sa.Connection, platform_id: int) -> Platform | None:
    try:
        found = platforms.get(conn, platform_id)
    except NotFound:
        return None
    return None if found.disabled else found


def _settle(
    conn: sa.Connection,
    hub: Hub,
    platform: Platform,
    context: Context,
    counts: Mapping[str, int],
    failure: str | None,
    by: str,
) -> Context:
    now, at = hub.clock(), platform_contexts.c
    told: dict[str, Any] = {each: counts.get(each, 0) for each in OUTCOMES}
    failures = (context.failures or 0) + 1 if failure else 0
    wait = min(AGAIN * 2 ** (failures - 1), EVERY) if failure else EVERY
    values = told | {"read_at": now, "failure": failure, "failures": failures, "next_at": now + wait}
    mine = sa.update(platform_contexts).where(at.platform == platform.id, at.context == context.context)
    row = conn.execute(mine.values(values).returning(*at)).one()
    # What the worker finds every day is no act; that it linked somebody is one.
    if by != WORKER or told[LINKED]:
        named = f"platform:{platform.name}"
        detail = told | {"context": context.context, "failure": failure}
        journal.record(
            conn, who=by, action="platform.roster", object=named, now=now, new_id=hub.new_id, **detail
        )  # fmt: skip
    return Context(**row._mapping)


# Linking ---------------------------------------------------------------------------------------------------------


def _link(conn: sa.Connection, hub: Hub, platform: Platform, page: Sequence[Member]) -> Counter[str]:
    """Link some members; how many came out how."""
    rules = identity_rules.of_connector(conn, platform.connector)
    members = {agent_key(_who(platform, each.user_id)): each for each in page}
    launched = {agent_key(_who(platform, each.username)) for each in page if accounts.is_of_launch(each.username)}
    known = identity.find_many(conn, {*members, *launched})
    # Sorted, so that two readings lock identities in the same order and cannot deadlock.
    return Counter(_link_one(conn, hub, platform, members[key], known, rules) for key in sorted(members))


def _link_one(
    conn: sa.Connection,
    hub: Hub,
    platform: Platform,
    member: Member,
    known: Mapping[int, Identity],
    rules: Sequence[Rule],
) -> str:
    who, now = _who(platform, member.user_id), hub.clock()
    before = known.get(agent_key(who))
    if before is not None and before.learner is not None:
        return SAME
    learner = _learner(conn, platform, member, known, rules)
    by = f"nrps:{platform.name}"
    if learner is not None and identity.link_unclaimed(conn, who, learner, by=by, now=now, new_id=hub.new_id):
        return LINKED
    identity.note_unknown(conn, [who], now=now)
    identity.describe(conn, who, name=member.name, email=member.email)
    return UNRESOLVED


def _learner(
    conn: sa.Connection, platform: Platform, member: Member, known: Mapping[int, Identity], rules: Sequence[Rule]
) -> UUID | None:
    """Whose a member is: by the account that a launch of the hub made, else by the connector's rules."""
    if accounts.is_of_launch(member.username):
        launched = known.get(agent_key(_who(platform, member.username)))
        if launched is not None and launched.learner is not None:
            return launched.learner
    # Not her ``name``: that people write themselves.
    called = {member.user_id, member.sourced_id, member.username} - {""}
    named = [_who(platform, each) for each in called]
    mailed = identity.parse_identifier("", f"mailto:{member.email}")
    return identity_rules.recognize(conn, rules, named if mailed is None else [*named, mailed])


def _who(platform: Platform, name: str) -> Identifier:
    """How launches and, of a Moodle, statements name somebody there."""
    return Identifier("account", platform.issuer, name)
