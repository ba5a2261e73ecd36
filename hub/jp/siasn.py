"""Hand over recognized hours to SIASN, each once, and remember what became of each.

SIASN cannot be asked to take something back, so what was handed over is on record here: the entry, SIASN's id for it,
or why it was refused. A run goes one call at a time and stops at the first failure that is not about one entry (the
system is down, a token is refused): whatever comes after would fail too, and the next run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors.base import ConnectorError
from connectors.siasn import SIASN, AlreadyThere, Hours, NotSaved, Outcome, Saved, SIASNSettings
from hub.access.crypto import SealBroken
from hub.errors import HubError
from hub.jp import ledger
from hub.jp.ledger import Entry
from hub.jp.siasn_tables import siasn_entries
from hub.systems import door, institutions, registry
from hub.systems.registry import Connector
from hub.tables import course_versions, learners
from lrs.database import Database, upsert
from mappings.course import Course
from mappings.policy import Policy

if TYPE_CHECKING:
    from hub.runtime import Hub

#: A process that has been handing over one entry for so long is dead.
SENDING = timedelta(minutes=10)

#: So many people are looked at together.
_PAGE = 200

#: The certificate's PDF of an entry, where there is one.
FindCertificate = Callable[[Hours], bytes | None]


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of one entry."""

    entry: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Export:
    """What a run did, in order, and why it stopped early, if it did."""

    handed: tuple[Handed, ...]
    error: ConnectorError | None = None


@dataclass(frozen=True)
class SIASNExport:
    """Exports of one siasn connector."""

    db: Database
    siasn: SIASN
    connector: int
    clock: Callable[[], datetime]
    find_certificate: FindCertificate = lambda _hours: None

    def run(self, hours: Sequence[Hours], *, dry_run: bool = False, again: bool = False) -> Export:
        """Hand over what is not there yet.

        ``again`` tries what was refused too. ``dry_run`` shows what would be sent, and keeps nothing.
        """
        with self.db.read() as conn:
            known = _known(conn, self.connector, [each.entry for each in hours])
        handed: list[Handed] = []
        try:
            for each in hours:
                before = known.get(each.entry)
                if _is_settled(before, again=again):
                    continue
                if dry_run:
                    handed.append(Handed(each.entry, self.siasn.save(each, dry_run=True)))
                elif self._begin(each):
                    handed.append(Handed(each.entry, self._hand_over(each, before)))
        except ConnectorError as error:
            return Export(tuple(handed), error)
        return Export(tuple(handed))

    def _begin(self, hours: Hours) -> bool:
        """Reserve an entry; false if another process is handing it over. SIASN would keep both attempts."""
        now = self.clock()
        row = {
            "connector": self.connector,
            "entry": hours.entry,
            "hours": hours.whole_hours,
            "is_settled": False,
            "sending_until": now + SENDING,
            "at": now,
        }
        until = siasn_entries.c.sending_until
        free = sa.or_(until.is_(None), until <= now)
        return self.db.run(lambda conn: upsert(conn, siasn_entries, row, update=["sending_until"], where=free))

    def _end(self, handed: Hours, **outcome: Any) -> None:
        row = siasn_entries.c
        update = sa.update(siasn_entries).where(row.connector == self.connector, row.entry == handed.entry)
        self.db.run(lambda conn: conn.execute(update.values(sending_until=None, at=self.clock(), **outcome)))

    def _hand_over(self, hours: Hours, before: sa.Row[Any] | None) -> Outcome:
        try:
            if before is not None and before.siasn_id is not None:
                outcome: Outcome = AlreadyThere(before.siasn_id)
            else:
                outcome = self.siasn.save(hours)
            if isinstance(outcome, NotSaved):
                self._end(hours, reason=outcome.reason, detail=outcome.detail)
            elif isinstance(outcome, Saved | AlreadyThere):
                # On record before the certificate goes out: whatever happens to that, the entry is at SIASN.
                self._end(hours, siasn_id=outcome.id, hours=hours.whole_hours, reason=None, detail=None)
                outcome = self._attach(hours, outcome)
        except ConnectorError:
            self._end(hours)
            raise
        return outcome

    def _attach(self, hours: Hours, outcome: Saved | AlreadyThere) -> Outcome:
        pdf = self.find_certificate(hours)
        refused = None if pdf is None else self.siasn.upload_certificate(outcome.id, pdf)
        if refused is not None:
            return NotSaved("document_refused", refused.detail)
        self._end(hours, is_settled=True)
        return outcome


def _known(conn: sa.Connection, connector: int, entries: Iterable[str]) -> dict[str, sa.Row[Any]]:
    found: dict[str, sa.Row[Any]] = {}
    wanted = list(entries)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        row = siasn_entries.c
        query = sa.select(siasn_entries).where(row.connector == connector, row.entry.in_(part))
        found |= {each.entry: each for each in conn.execute(query)}
    return found


def _is_settled(before: sa.Row[Any] | None, *, again: bool) -> bool:
    """Whether there is nothing more to do: at SIASN with its certificate, or refused and not asked for again."""
    if before is None:
        return False
    return bool(before.is_settled) or (before.reason is not None and not again)


# One hub's handing over ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Correction:
    """What SIASN was told and the ledger has taken back since: somebody has to correct it there by hand."""

    entry: str
    siasn_id: str


@dataclass(frozen=True, slots=True)
class Part:
    """What was done for some people: their hours, and what has to be corrected."""

    export: Export
    corrections: tuple[Correction, ...]


def add(
    conn: sa.Connection,
    hub: Hub,
    name: str,
    *,
    by: str,
    url: str,
    token_url: str,
    key: str,
    secret: str,
    sso_token: str,
    institution_id: str = "",
    location_id: str = "",
    internal: bool = False,
    title: str = "",
) -> Connector:
    """Hand hours over to the SIASN at this address, when somebody asks for it."""
    if not secret or not sso_token:
        action = "The gateway's secret comes from BKN, the token from its single sign-on."
        raise HubError("credential_missing", "SIASN asks for a secret and a token.", action=action)
    settings = check_settings(url=url, token_url=token_url, key=key, institution_id=institution_id,
                              location_id=location_id, internal=internal)  # fmt: skip
    return registry.add_connector(
        conn, hub, name, "siasn", by=by, internal=internal, settings=settings, title=title,
        secret=join_secrets(secret, sso_token),
    )  # fmt: skip


def check_settings(
    *, url: str, token_url: str, key: str, internal: bool, institution_id: str = "", location_id: str = ""
) -> dict[str, Any]:
    """The settings of a connector of this kind; what could never work is refused."""
    for what, each in (("address", url), ("token URL", token_url)):
        door.check_url(what, each, internal=internal)
    if not key:
        raise HubError("credential_missing", "SIASN asks for a key.", action="The gateway's key comes from BKN.")
    return {"url": url.rstrip("/"), "token_url": token_url, "key": key, "institution_id": institution_id,
            "location_id": location_id}  # fmt: skip


def join_secrets(secret: str, sso_token: str) -> str:
    """Both secrets of a siasn connector as the one that `hub.systems.registry` keeps."""
    return orjson.dumps([secret, sso_token]).decode()


@contextmanager
def opened(hub: Hub, connector: Connector) -> Iterator[SIASN]:
    """SIASN, ready to be called. Raises `ConnectorError` where its secrets cannot be read any more."""
    try:
        with hub.db.read() as conn:
            secret, sso_token = orjson.loads(registry.open_secret(conn, hub, connector.id))
    except SealBroken as error:
        advice = f"Start the hub with the one of before, or enter both again: wkmb connector secret {connector.name}"
        raise ConnectorError(
            connector.name, "its secrets cannot be opened with this WKMB_SECRET_KEY", advice, code="secret_sealed"
        ) from error
    said = connector.settings
    settings = SIASNSettings(
        said["url"], said["token_url"], said["key"], secret, sso_token, said["institution_id"], said["location_id"]
    )
    with hub.new_session(internal=connector.internal) as session:
        yield SIASN(settings, session)


def hand_over(
    hub: Hub,
    connector: Connector,
    year: int,
    *,
    dry_run: bool = False,
    again: bool = False,
    find_certificate: FindCertificate = lambda _hours: None,
) -> Iterator[Part]:
    """Hand over a year's hours, some people's at a time; the last part says why it ended early, if it did.

    The hours are those of the policy that is official in that year. A certificate goes with the entry that is saved.
    """
    with opened(hub, connector) as siasn:
        export = SIASNExport(hub.db, siasn, connector.id, hub.clock, find_certificate)
        for hours, taken_back in _hours(hub, year):
            done = export.run(hours, dry_run=dry_run, again=again)
            with hub.db.read() as conn:
                corrections = _corrections(conn, connector.id, [each.entry for each in hours], taken_back)
            yield Part(done, corrections)
            if done.error is not None:
                return


def _corrections(
    conn: sa.Connection, connector: int, live: Sequence[str], taken_back: Sequence[str]
) -> tuple[Correction, ...]:
    """What SIASN has of these entries that were taken back, unless another entry stands for it now."""
    there = {row.siasn_id for row in _known(conn, connector, live).values()}
    known = _known(conn, connector, taken_back)
    return tuple(
        Correction(entry, row.siasn_id)
        for entry, row in sorted(known.items())
        if row.siasn_id is not None and row.siasn_id not in there
    )


def _hours(hub: Hub, year: int) -> Iterator[tuple[list[Hours], list[str]]]:
    """The live hours of a year, and the entries that were taken back, some people's at a time."""
    after: UUID | None = None
    while True:
        with hub.db.read() as conn:
            policy = hub.policies.active(conn, year)
            people = _people(conn, after)
            found = [(nip, entry) for id, nip in people for entry in ledger.of_year(conn, id, policy.name, year)
                     if entry.reverses is None]  # fmt: skip
            titles = institutions.by_name(conn)
            courses = _courses(conn, {entry.course_digest for _, entry in found})
        if found:
            live = [_hours_of(nip, entry, courses[entry.course_digest], policy, titles)
                    for nip, entry in found if not entry.is_reversed]  # fmt: skip
            yield live, [entry.id for _, entry in found if entry.is_reversed]
        if len(people) < _PAGE:
            return
        after = people[-1][0]


def _people(conn: sa.Connection, after: UUID | None) -> list[tuple[UUID, str]]:
    query = sa.select(learners.c.id, learners.c.nip).order_by(learners.c.id).limit(_PAGE)
    if after is not None:
        query = query.where(learners.c.id > after)
    return [(row.id, row.nip) for row in conn.execute(query)]


def _courses(conn: sa.Connection, digests: set[str]) -> dict[str, Course]:
    """The versions that entries were valued by."""
    query = sa.select(course_versions.c.digest, course_versions.c.document)
    rows = conn.execute(query.where(course_versions.c.digest.in_(sorted(digests))))
    return {row.digest: Course.from_json(row.document) for row in rows}


def _hours_of(nip: str, entry: Entry, course: Course, policy: Policy, titles: Mapping[str, str]) -> Hours:
    form = policy.forms[entry.form]
    certificate = next((check for check in entry.checks if check.code == "certificate"), None)
    return Hours(
        entry=entry.id,
        nip=nip,
        course=course.title("id"),
        organiser=(certificate.subject if certificate else "") or titles.get(course.provider, course.provider),
        form=entry.form,
        kind_id=form.siasn_jenis_diklat_id,
        certificate_kind=form.siasn_jenis_kursus_sertipikat,
        centi_jp=entry.centi_jp,
        start=entry.on,
        end=entry.on,
        number=certificate.value if certificate else own_number(entry),
    )


def own_number(entry: Entry) -> str:
    """The number of an entry whose course gives no certificate.

    The same for what is entered again after it was taken back: SIASN knows it by this number.
    """
    what = orjson.dumps([entry.learner.hex, entry.course, entry.period])
    return f"WKMB/{entry.year}/{sha256(what).hexdigest()[:16].upper()}"
