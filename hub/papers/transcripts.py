"""Papers: what the hub says in writing of one employee's year, and whether a paper that somebody holds still stands.

A paper has a *code* that nobody can guess. It names one learner, one year, and the state of her ledger when the paper
was issued: the position and the digest of her last entry. Since every digest holds the one before it, whoever knows
the paper knows the whole ledger up to there. What the paper says is kept as it was said; what is true now is worked
out from the ledger each time somebody asks (`standing`), so a paper is never a second truth.

The same content gives the same paper: asking twice makes no second code. A paper can be revoked; its code then says
only that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from hub import journal
from hub.jp import ledger
from hub.papers.transcript_tables import transcript_codes, transcripts
from hub.tables import course_versions, entries
from lrs.database import insert_all
from mappings.course import Course

if TYPE_CHECKING:
    from hub.jp.ledger import Entry, Year
    from hub.people.learners import Learner
    from hub.runtime import Hub

#: Crockford's digits: none of I, L, O and U, which are read or typed for others.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Five bits each: a code has a hundred.
LENGTH = 20

#: What a paper may turn out to be. stands: everything on it holds, and there is nothing else. grown: everything on it
#: holds, and more was recognized since. changed: some of it was taken back. other_policy: another policy is official
#: for that year by now. revoked: it was withdrawn. broken: the ledger is not the one that the paper names.
STATES = ("stands", "grown", "changed", "other_policy", "revoked", "broken")

#: An employee's page shows so many papers of a year.
MOST_PAPERS = 50
_PART = 500


@dataclass(frozen=True, slots=True)
class Line:
    """A recognized course as the paper says it. ``position`` names the entry of the ledger."""

    position: int
    on: date
    course: str
    title_id: str
    title_en: str
    form: str
    form_id: str
    form_en: str
    centi_jp: int

    def title(self, language: str) -> str:
        return self.title_en if language == "en" else self.title_id

    def form_name(self, language: str) -> str:
        return self.form_en if language == "en" else self.form_id


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that a paper says of a learner and her year. ``target_centi`` is None where no rule fits her."""

    name: str
    nip: str
    status: str
    employer: str
    unit: str
    year: int
    policy: str
    policy_digest: str
    policy_id: str
    policy_en: str
    target_centi: int | None
    target_source: str
    credited_centi: int
    recognized_centi: int
    lines: tuple[Line, ...]

    def policy_title(self, language: str) -> str:
        return self.policy_en if language == "en" else self.policy_id


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper that was issued. ``digest`` is that of the ledger at ``position``, empty before the first entry."""

    learner: UUID
    code: str
    position: int
    digest: bytes
    said: Said
    issued_at: datetime
    revoked_at: datetime | None

    @property
    def spoken_code(self) -> str:
        """The code in groups, as it stands on the paper."""
        return "-".join(self.code[begin : begin + 5] for begin in range(0, LENGTH, 5))


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a paper: one of `STATES`, which of its lines were taken back, and the year as it is now."""

    state: str
    taken_back: tuple[Line, ...] = ()
    added_centi: int = 0
    recognized_centi: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything that the paper says is still so."""
        return self.state in {"stands", "grown"}


# Codes -------------------------------------------------------------------------------------------------


def new_code(random: bytes) -> str:
    """The code of these 13 random bytes."""
    number = int.from_bytes(random)
    return "".join(_DIGITS[number >> (5 * place) & 31] for place in range(LENGTH))


def read_code(text: str) -> str | None:
    """The code that somebody typed, however it was grouped; None where it cannot be one."""
    typed = "".join(each for each in text.upper() if each not in " -–—\t").translate(str.maketrans("OIL", "011"))
    return typed if len(typed) == LENGTH and set(typed) <= set(_DIGITS) else None


def masked(nip: str) -> str:
    """A NIP for everybody's eyes: without the birth date, which is its first eight digits."""
    return "•" * 8 + nip[8:]


# Issuing -----------------------------------------------------------------------------------------------


def issue(conn: sa.Connection, hub: Hub, learner: Learner, year: int, *, by: str) -> Paper:
    """The paper of a learner's year as her ledger is now: the one that was issued for it already, or a new one."""
    found = ledger.year_of(conn, hub, learner, year)
    said = say(conn, found)
    for paper in of_learner(conn, learner.id, year):
        if paper.revoked_at is None and paper.said == said:
            return paper
    # Read after the year: an entry that comes between the two is behind the paper, never on it and unknown to it.
    position, digest = _end_of_ledger(conn, learner.id)
    # Credentials tell whole seconds, and both must say the same moment.
    now = hub.clock().replace(microsecond=0)
    paper = Paper(learner.id, new_code(hub.random(13)), position, digest, said, now, None)
    insert_all(conn, transcript_codes, [{"code": paper.code, "learner": learner.id}])
    insert_all(conn, transcripts, [_row(paper)])
    _record(conn, hub, "transcript.issue", paper, by)
    return paper


def say(conn: sa.Connection, found: Year) -> Said:
    """What a paper says of a year: the entries that count, each by the version of the course that it was valued by."""
    learner, policy = found.learner, found.policy
    live = [entry for entry in found.entries if entry.reverses is None and not entry.is_reversed]
    courses = _versions(conn, {entry.course_digest for entry in live})
    target = found.target
    return Said(
        name=learner.name,
        nip=learner.nip,
        status=learner.status,
        employer=learner.employer,
        unit=learner.unit,
        year=found.year,
        policy=policy.name,
        policy_digest=policy.digest,
        policy_id=policy.title_id,
        policy_en=policy.title_en,
        target_centi=target.centi_jp if target else None,
        target_source=target.source.reference if target else "",
        credited_centi=found.credited_centi,
        recognized_centi=found.recognized_centi,
        lines=tuple(
            _line(entry, courses.get(entry.course_digest), found)
            for entry in sorted(live, key=lambda each: (each.on, each.position))
        ),
    )


def _end_of_ledger(conn: sa.Connection, learner: UUID) -> tuple[int, bytes]:
    at = entries.c
    newest = sa.select(at.position, at.digest).where(at.learner == learner).order_by(at.position.desc()).limit(1)
    row = conn.execute(newest).first()
    return (0, b"") if row is None else (row.position, row.digest)


def _line(entry: Entry, course: Course | None, found: Year) -> Line:
    form = found.policy.forms.get(entry.form)
    return Line(
        position=entry.position,
        on=entry.on,
        course=entry.course,
        title_id=course.title("id") if course else entry.course,
        title_en=course.title("en") if course else entry.course,
        form=entry.form,
        form_id=form.name_id if form else entry.form,
        form_en=form.name_en if form else entry.form,
        centi_jp=entry.centi_jp,
    )


def _versions(conn: sa.Connection, digests: Collection[str]) -> dict[str, Course]:
    wanted = sorted(digests)
    at = course_versions.c
    return {
        row.digest: Course.from_json(row.document)
        for begin in range(0, len(wanted), _PART)
        for row in conn.execute(
            sa.select(at.digest, at.document).where(at.digest.in_(wanted[begin : begin + _PART]))
        )
    }  # fmt: skip


def revoke(conn: sa.Connection, hub: Hub, paper: Paper, *, by: str) -> bool:
    """Withdraw a paper; False where it was withdrawn before."""
    at = transcripts.c
    update = sa.update(transcripts).where(
        at.learner == paper.learner, at.code == paper.code, at.revoked_at.is_(None)
    )  # fmt: skip
    is_new = conn.execute(update.values(revoked_at=hub.clock(), revoked_by=by[:64])).rowcount == 1
    if is_new:
        _record(conn, hub, "transcript.revoke", paper, by)
    return is_new


def _record(conn: sa.Connection, hub: Hub, action: str, paper: Paper, by: str) -> None:
    # The journal names a paper by a digest: its code opens the page, and whoever reads the journal needs no key.
    name = f"transcript:{sha256(paper.code.encode()).hexdigest()[:16]}"
    now, new_id = hub.clock(), hub.new_id
    journal.record(
        conn, who=by, action=action, object=name, now=now, new_id=new_id, learner=str(paper.learner),
        year=paper.said.year,
    )  # fmt: skip


# Finding -----------------------------------------------------------------------------------------------


def find(conn: sa.Connection, code: str) -> Paper | None:
    """The paper of this code."""
    whose = sa.select(transcript_codes.c.learner).where(transcript_codes.c.code == code)
    learner = conn.execute(whose).scalar()
    if learner is None:
        return None
    at = transcripts.c
    row = conn.execute(sa.select(transcripts).where(at.learner == learner, at.code == code)).first()
    return None if row is None else _read(row)


def of_learner(conn: sa.Connection, learner: UUID, year: int) -> tuple[Paper, ...]:
    """A learner's papers of a year, the newest first."""
    at = transcripts.c
    query = sa.select(transcripts).where(at.learner == learner, at.year == year)
    rows = conn.execute(query.order_by(at.issued_at.desc(), at.code).limit(MOST_PAPERS))
    return tuple(_read(row) for row in rows)


def _row(paper: Paper) -> dict[str, Any]:
    return {
        "learner": paper.learner,
        "code": paper.code,
        "year": paper.said.year,
        "policy": paper.said.policy,
        "position": paper.position,
        "digest": paper.digest,
        "document": orjson.dumps(asdict(paper.said)).decode(),
        "issued_at": paper.issued_at,
        "revoked_at": None,
        "revoked_by": None,
    }


def _read(row: sa.Row[Any]) -> Paper:
    said = orjson.loads(row.document)
    lines = tuple(Line(**{**line, "on": date.fromisoformat(line["on"])}) for line in said.pop("lines"))
    return Paper(
        row.learner, row.code, row.position, row.digest, Said(**said, lines=lines), row.issued_at, row.revoked_at
    )  # fmt: skip


# Whether it still stands -------------------------------------------------------------------------------


def standing(conn: sa.Connection, hub: Hub, paper: Paper) -> Standing:
    """What has become of what the paper says: its learner's whole chain is followed again, entry by entry."""
    if paper.revoked_at is not None:
        return Standing("revoked")
    rows = ledger.rows_of(conn, paper.learner)
    if not _is_chain_of(paper, rows):
        return Standing("broken")
    return _compare(paper, rows, hub.policies.active(conn, paper.said.year).name)


def _is_chain_of(paper: Paper, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these rows are a sound chain that goes on from the state that the paper names, and hold its lines."""
    before, at_paper = b"", b"" if paper.position == 0 else None
    for number, row in enumerate(rows, start=1):
        if row["position"] != number or row["digest"] != ledger.chained(before, row):
            return False
        before = row["digest"]
        if number == paper.position:
            at_paper = before
    by_position = {row["position"]: row for row in rows}
    return at_paper == paper.digest and all(_is_line_of(line, by_position, paper) for line in paper.said.lines)


def _is_line_of(line: Line, rows: Mapping[int, Mapping[str, Any]], paper: Paper) -> bool:
    row = rows.get(line.position)
    if row is None or line.position > paper.position or row["reverses"] is not None:
        return False
    found = (row["policy"], row["year"], row["course"], row["on"], row["form"], row["centi_jp"])
    return found == (paper.said.policy, paper.said.year, line.course, line.on, line.form, line.centi_jp)


def _compare(paper: Paper, rows: Iterable[Mapping[str, Any]], policy: str) -> Standing:
    mine = [row for row in rows if row["policy"] == paper.said.policy and row["year"] == paper.said.year]
    gone = {row["reverses"] for row in mine}
    taken_back = tuple(line for line in paper.said.lines if line.position in gone)
    on_paper = {line.position for line in paper.said.lines}
    added = sum(
        row["centi_jp"]
        for row in mine
        if row["reverses"] is None and row["position"] not in gone and row["position"] not in on_paper
    )
    state = "changed" if taken_back else "grown" if added else "stands"
    if policy != paper.said.policy:
        state = "other_policy"
    return Standing(state, taken_back, added, sum(row["centi_jp"] for row in mine))
