"""What people look for among statements: the filters of the auditor's page, of its exports and of ``wkmb statements``.

One set of names for all three, so that an address that somebody was sent, and a command that somebody wrote down, mean
the same. Everything is answered by `lrs.query`: each filter is a range of the index or a look-up beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from hub.people import identity, learners
from hub.people.learners import Learner
from hub.rows import is_nip
from hub.runtime import Hub
from hub.systems import credentials, registry
from lrs import formats, query
from lrs.agents import Identifier
from lrs.query import Page, StatementQuery, Stored

#: Every filter. ``from`` and ``until`` are days of the hub's time zone, or moments; both are of `stored`.
FILTERS = ("nip", "actor", "homepage", "verb", "activity", "registration", "related", "source", "from", "until")

#: What can be wrong with a filter, and what to do; pages translate the code.
PROBLEMS = {
    "not_a_nip": "A NIP has 18 digits.",
    "unknown_nip": "Nobody here has this NIP.",
    "not_an_actor": (
        "This names nobody. Give the account's name and its homePage, or mailto:…, a SHA-1 sum or an openid."
    ),
    "not_an_iri": "Give its whole ID, such as https://lms.example.go.id/course/3.",
    "not_a_uuid": "A registration is a UUID, such as 123e4567-e89b-42d3-a456-426614174000.",
    "not_a_day": "Use YYYY-MM-DD, for example 2026-01-31.",
    "backwards": "This is before the beginning.",
    "unknown_source": "There is no such key or system. Choose one of the list.",
}

#: ADL's verbs may be asked for by their last word alone.
_ADL = "http://adlnet.gov/expapi/verbs/"


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it was asked for, by the names of `FILTERS`; ``problems``: a code of `PROBLEMS` by filter.

    ``queries`` are what the LRS is asked: one, or where a NIP is given one per identity of its learner ``who``.
    """

    given: Mapping[str, str]
    who: Learner | None = None
    queries: tuple[StatementQuery, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


def read(conn: sa.Connection, hub: Hub, given: Mapping[str, str]) -> Search:
    """What to ask the LRS; what is wrong is told for every filter at once."""
    asked = {name: given.get(name, "").strip() for name in FILTERS if given.get(name, "").strip()}
    form = _Form(asked, hub)
    nip, actor, authority = form.nip(), form.actor(), form.source(conn)
    activity, registration = form.iri("activity"), form.registration()
    since, until = form.begin(), form.end()
    who = learners.find_by_nip(conn, nip) if nip else None
    if nip and who is None:
        form.problems["nip"] = "unknown_nip"
    if form.problems:
        return Search(asked, who, problems=form.problems)
    agents: Sequence[Identifier | None] = [actor]
    if who is not None:
        agents = [each.who for each in identity.identities_of(conn, who.id) if actor in (None, each.who)]
    is_related = "related" in asked
    queries = tuple(
        StatementQuery(
            agent=agent,
            verb=form.verb(),
            activity=activity,
            registration=registration,
            related_activities=is_related,
            related_agents=is_related,
            authority=authority,
            since=since,
            until=until,
        )
        for agent in agents
    )
    return Search(asked, who, queries)


def find(
    conn: sa.Connection,
    queries: Sequence[StatementQuery],
    *,
    limit: int,
    after: int | None = None,
    below: datetime | None = None,
) -> Page:
    """A page of what any of these queries finds, in their order, each statement once; see `lrs.query.find`."""
    found: dict[int, Stored] = {}
    for each in queries:
        page = query.find(conn, each, limit=limit + 1, after=after, below=below)
        found |= {stored.seq: stored for stored in page.statements}
    ordered = sorted(found, reverse=not any(each.ascending for each in queries))
    page_end = ordered[limit - 1] if len(ordered) > limit else None
    return Page(tuple(found[seq] for seq in ordered[:limit]), page_end)


def sources(conn: sa.Connection) -> tuple[str, ...]:
    """By whom statements can be asked for: the hub itself, each system that is fetched from, and each key."""
    systems = [f"connector/{each.name}" for each in registry.list_connectors(conn)]
    return ("hub", *systems, *(f"credential/{each.name}" for each in credentials.list_all(conn)))


class _Form:
    """The filters one by one."""

    def __init__(self, given: Mapping[str, str], hub: Hub) -> None:
        self._given = given
        self._hub = hub
        self.problems: dict[str, str] = {}

    def _text(self, name: str) -> str:
        return self._given.get(name, "")

    def nip(self) -> str | None:
        text = "".join(self._text("nip").split())
        if text and not is_nip(text):
            self.problems["nip"] = "not_a_nip"
            return None
        return text or None

    def actor(self) -> Identifier | None:
        """An account by homePage and name, or a mailto:, SHA-1 sum or openid."""
        homepage, name = self._text("homepage"), self._text("actor")
        if not homepage and not name:
            return None
        found = identity.parse_identifier(homepage, name)
        if found is None:
            self.problems["actor"] = "not_an_actor"
        return found

    def verb(self) -> str | None:
        text = self._text("verb")
        return f"{_ADL}{text}" if text and ":" not in text else text or None

    def iri(self, name: str) -> str | None:
        text = self._text(name)
        if text and not formats.is_iri(text):
            self.problems[name] = "not_an_iri"
            return None
        return text or None

    def registration(self) -> str | None:
        text = self._text("registration")
        if not text:
            return None
        if not formats.is_uuid(text):
            self.problems["registration"] = "not_a_uuid"
            return None
        return str(UUID(text))

    def source(self, conn: sa.Connection) -> Identifier | None:
        """The authority under which a key or system reports."""
        text = self._text("source")
        if not text:
            return None
        if text not in sources(conn):
            self.problems["source"] = "unknown_source"
        return Identifier("account", self._hub.base_url, text)

    def begin(self) -> datetime | None:
        """The last moment before what is wanted: `since` of xAPI holds what came after it."""
        moment = self._moment("from", days=0)
        return moment - timedelta(microseconds=1) if moment and _is_day(self._text("from")) else moment

    def end(self) -> datetime | None:
        """The last moment that is wanted."""
        moment = self._moment("until", days=1)
        if moment and _is_day(self._text("until")):
            moment -= timedelta(microseconds=1)
        begin = self.begin() if "from" not in self.problems else None
        if moment and begin and moment <= begin:
            self.problems["until"] = "backwards"
        return moment

    def _moment(self, name: str, *, days: int) -> datetime | None:
        """A moment with its offset, or the beginning of a day, or of so many days later."""
        text = self._text(name)
        if not text:
            return None
        moment: datetime | None = None
        with suppress(ValueError, OverflowError):
            if _is_day(text):
                day = date.fromisoformat(text) + timedelta(days)
                moment = datetime(day.year, day.month, day.day, tzinfo=self._hub.settings.timezone)
            else:
                moment = formats.parse_timestamp(text)
        if moment is None or not 1970 <= moment.year < 9000:
            self.problems[name] = "not_a_day"
            return None
        return moment


def _is_day(text: str) -> bool:
    return len(text) == len("2026-01-31") and text[4:5] == text[7:8] == "-"
