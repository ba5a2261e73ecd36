"""The auditor's pages: find any statement, walk from an hour down to its evidence and back up, see who did what.

Everything is read. The one form that posts computes an hour anew and shows whether it still holds; it writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub import journal
from hub.access import accounts
from hub.errors import NotFound
from hub.journal import Act
from hub.jp import audit, ledger
from hub.jp.audit import Evidence, Outlined, Verified
from hub.jp.ledger import Entry
from hub.learning.catalogue import Listed
from hub.people import identity, learners
from hub.rows import Number, is_nip
from hub.runtime import Hub, current
from hub.statements import columns, exports, search
from hub.statements.search import Search
from hub.systems import institutions
from hub.web import certifications, development_texts, files, layout, texts, words
from hub.web.statements import Sketch, sketch
from lrs import query
from lrs.agents import agent_key
from mappings.facts import NotAFact
from mappings.rules import jp_text

pages = flask.Blueprint("audit", __name__, url_prefix="/audit")

guard = accounts.require("auditor", "admin")

#: Statements of a page.
LIMIT = 50

#: Acts of a page, and how many of them are looked at for it where a filter leaves most out.
ACTS, ACTS_READ = 100, 2_000

#: ADL's verbs may be asked for by their last word alone.
_ADL = "http://adlnet.gov/expapi/verbs/"

#: The fields of a search.
_FILTERS = ("nip", "actor", "homepage", "verb", "activity", "from", "until")

_MONTH = re.compile("[0-9]{4}-(?:0[1-9]|1[0-2])")


# Finding statements ----------------------------------------------------------------------------------------


def problem_texts() -> dict[str, str]:
    """What is wrong with a filter (`hub.statements.search.PROBLEMS`), and what to do."""
    return {
        "not_a_nip": _("A NIP has 18 digits."),
        "unknown_nip": _("Nobody here has this NIP."),
        "not_an_actor": _(
            "This names nobody. Give the account's name and its homePage, or mailto:…, a SHA-1 sum or an openid."
        ),
        "not_an_iri": _("Give its whole ID, such as https://lms.example.go.id/course/3."),
        "not_a_uuid": _("A registration is a UUID, such as 123e4567-e89b-42d3-a456-426614174000."),
        "not_a_day": _("Use YYYY-MM-DD, for example 2026-01-31."),
        "backwards": _("This is before the beginning."),
        "unknown_source": _("There is no such key or system. Choose one of the list."),
    }


@pages.get("/")
@guard
def home() -> ResponseReturnValue:
    """Where the statements were listed before they had an address of their own."""
    asked = flask.request.query_string.decode("ascii", errors="ignore")
    return flask.redirect(flask.url_for("audit.search") + (f"?{asked}" if asked else ""), 308)


@pages.get("/statements", endpoint="search")
@guard
def search_page() -> ResponseReturnValue:
    """Every statement, newest first; its address holds the filters, so that it can be sent to somebody."""
    find = flask.request.args.get("find", "").strip()
    if direct := _direct(find):
        return flask.redirect(direct, 303)
    hub = current()
    with hub.db.read() as conn:
        wanted = search.read(conn, hub, flask.request.args)
    problem = {"find": _("Give the ID of a statement or of an hour, or a NIP.")} if find else {}
    return _list(hub, wanted, problem)


@pages.get("/statements/export")
@guard
def export() -> ResponseReturnValue:
    """What the page lists, all of it, as a file; who takes it is written down."""
    hub, asked = current(), flask.request.args
    form = "csv" if asked.get("format") == "csv" else "jsonl"
    with hub.db.read() as conn:
        wanted = search.read(conn, hub, asked)
    try:
        chosen = columns.parse(asked.get("columns") or columns.DEFAULT)
    except columns.ColumnsWrong as error:
        told = _("These columns cannot be read from “%(near)s” on. Write them like id,verb.id,result.score.raw.",
                 near=error.near)  # fmt: skip
        return _list(hub, wanted, {"columns": told})
    if wanted.problems:
        return _list(hub, wanted, {})
    through = hub.sequence.horizon()
    session = accounts.current()
    by = session.username if session else ""
    hub.db.run(lambda conn: exports.record(conn, hub, wanted, form, by=by))
    lines = exports.table(hub, wanted, through, chosen) if form == "csv" else exports.json_lines(hub, wanted, through)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl; charset=utf-8"
    response = flask.Response(exports.in_chunks(lines), content_type=kind)
    response.headers.set("Content-Disposition", "attachment", filename=f"statements-{through:%Y%m%d-%H%M%S}.{form}")
    return response


def _list(hub: Hub, wanted: Search, problems: Mapping[str, str]) -> ResponseReturnValue:
    """A page of what a search finds; or what is wrong with it, beside each field."""
    asked = flask.request.args
    problems = {**problems, **{name: problem_texts()[code] for name, code in wanted.problems.items()}}
    with hub.db.read() as conn:
        page = search.find(conn, wanted.queries if not problems else (), limit=LIMIT, after=_after(asked))
        outlined = audit.outline(conn, hub, page.statements)
        systems, titles = institutions.by_number(conn), institutions.by_name(conn)
        sources = search.sources(conn)
        courses = hub.courses.current(conn).by_iri
    # Named one by one: url_for takes names such as _scheme for orders.
    given: dict[str, Any] = dict(wanted.given)
    shown = {**given, "view": "raw"} if asked.get("view") == "raw" else given
    answer = flask.render_template(
        "audit/search.html",
        given=given,
        find=asked.get("find", "").strip(),
        columns=asked.get("columns") or columns.DEFAULT,
        problems=problems,
        rows=[_row(each, systems) for each in outlined],
        courses=courses,
        cursor=_after(asked),
        who=wanted.who,
        sources=[("", _("Whoever")), *((each, words.source(each, titles)) for each in sources)],
        is_raw="view" in shown,
        next_url=flask.url_for("audit.search", **shown, cursor=page.next_after) if page.next_after else "",
        first_url=flask.url_for("audit.search", **shown) if asked.get("cursor") else "",
        readable=files.readable,
    )
    return answer, 422 if problems else 200


def _row(each: Outlined, systems: Mapping[int, str]) -> tuple[Outlined, Sketch, str]:
    return each, sketch(each.stored, layout.language()), systems.get(each.stored.owner or 0, "")


def _after(asked: Mapping[str, str]) -> int | None:
    """The number after which the page begins; one that nobody was given is none."""
    text = asked.get("cursor", "")
    return min(int(text), 2**63 - 1) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _direct(text: str) -> str | None:
    """The page of what was asked for by its own number."""
    if len(text) == len(str(UUID(int=0))):
        try:
            return flask.url_for("audit.statement", statement_id=UUID(text))
        except ValueError:
            return None
    if ledger.parse_entry_id(text) is not None:
        return flask.url_for("audit.entry", entry_id=text)
    nip = "".join(text.split())
    return flask.url_for("audit.learner", nip=nip) if is_nip(nip) else None


# A statement -----------------------------------------------------------------------------------------------


@pages.get("/statements/<uuid:statement_id>")
@guard
def statement(statement_id: UUID) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = audit.explain_statement(conn, hub, statement_id)
        if found is None:
            raise _no_statement(statement_id)
        titles = _titles(conn, hub, [entry.course for entry in found.entries])
        known = identity.find(conn, agent_key(found.actor)) if found.actor else None
    return flask.render_template(
        "audit/statement.html",
        found=found,
        sketch=sketch(found.stored, layout.language()),
        identity=known,
        titles=titles,
        outcome=_outcome(found),
        is_counted=found.is_counted,
        assessment=found.assessment,
        title=certifications.title,
        says=development_texts,
        readable=files.readable(found.stored.payload),
        raw=found.stored.payload.decode("utf-8", errors="replace"),
        score_body=_score_body(found.evidence),
        texts=texts,
    )


@pages.get("/statements/<uuid:statement_id>/raw")
@guard
def raw_statement(statement_id: UUID) -> ResponseReturnValue:
    """The bytes as they were accepted."""
    with current().db.read() as conn:
        found = query.get(conn, statement_id)
    if found is None:
        raise _no_statement(statement_id)
    response = flask.Response(found.payload, content_type="application/json")
    response.headers.set("Content-Disposition", "attachment", filename=f"{statement_id}.json")
    return response


def _no_statement(statement_id: UUID) -> NotFound:
    return NotFound("no_such_statement", _("There is no statement %(id)s in this hub.", id=statement_id))


def _outcome(found: audit.StatementExplained) -> str:
    if found.code == audit.UNRESOLVED:
        return str(_("It would be evidence, but nobody knows yet whose this actor is."))
    if found.assessment is not None and isinstance(found.reading, NotAFact):
        return development_texts.certification_fate(found.assessment.fate)
    return words.outcome(found.code, found.detail)


def _titles(conn: sa.Connection, hub: Hub, courses: list[str]) -> dict[str, str]:
    """What the catalogue calls these courses."""
    listed: Mapping[str, Listed] = hub.courses.current(conn).by_iri
    return {course: texts.course_title(listed[course].course) if course in listed else course for course in courses}


# An hour ---------------------------------------------------------------------------------------------------


@pages.get("/entries", endpoint="entries")
@guard
def find_entries() -> ResponseReturnValue:
    """An employee's hours, by NIP and year."""
    hub, nip, year = current(), flask.request.args.get("nip", ""), flask.request.args.get("year", "")
    with hub.db.read() as conn:
        wanted = search.read(conn, hub, {"nip": nip})
    if wanted.who is not None:
        return flask.redirect(flask.url_for("audit.learner", nip=wanted.who.nip, year=year or None), 303)
    problem = problem_texts()[wanted.problems["nip"]] if wanted.problems else ""
    page = flask.render_template("audit/entries.html", nip=nip, problem=problem, year=year, years=_years(hub))
    return page, 422 if problem else 200


def _years(hub: Hub) -> list[int]:
    return [hub.today().year - back for back in range(6)]


@pages.get("/entries/<entry_id>")
@guard
def entry(entry_id: str) -> ResponseReturnValue:
    return _entry(entry_id, None)


@pages.post("/entries/<entry_id>/verify")
@guard
def verify(entry_id: str) -> ResponseReturnValue:
    """Compute everything that this person's hours rest on anew, and say whether it is what is recorded."""
    hub = current()
    with hub.db.read() as conn:
        found = ledger.get(conn, entry_id)
        owner = learners.find(conn, found.learner) if found else None
    if owner is None:
        raise _no_entry(entry_id)
    return _entry(entry_id, next(iter(audit.verify(hub, owner.nip)), None))


def _entry(entry_id: str, verified: Verified | None) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = audit.explain_entry(conn, hub, entry_id)
        if found is None:
            raise _no_entry(entry_id)
        chain = _chain(conn, found.entry)
        number = found.course_number
    evidence = [(each, sketch(each.stored, layout.language()), _score_body(each)) for each in found.evidence]
    return flask.render_template(
        "audit/entry.html",
        found=found,
        entry=found.entry,
        title=texts.course_title(found.course) if found.course else found.entry.course,
        course_number=number,
        evidence=evidence,
        chain=chain,
        verified=verified,
        verified_at=hub.clock() if verified else None,
        texts=texts,
    )


def _no_entry(entry_id: str) -> NotFound:
    return NotFound("no_such_entry", _("There is no hour %(id)s in this hub.", id=entry_id[:80]))


def _chain(conn: sa.Connection, entry: Entry) -> tuple[str, str]:
    """The digest of an entry, and that of the one before it, which it holds."""
    before = ""
    for row in ledger.rows_of(conn, entry.learner):
        if row["position"] == entry.position:
            return row["digest"].hex(), before
        before = row["digest"].hex()
    return "", before


def _score_body(evidence: Evidence) -> tuple[str, str] | None:
    """A score as it was received: its members one a line, and its bytes."""
    score = evidence.origin.score
    return (files.readable(score.body), score.body.decode("utf-8", errors="replace")) if score else None


# A learner -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerYear:
    """A learner's year with the names of its courses."""

    year: ledger.Year
    titles: Mapping[str, str]


def _read_year(conn: sa.Connection, hub: Hub, nip: str) -> LedgerYear:
    who = learners.find_by_nip(conn, nip) if is_nip(nip) else None
    if who is None:
        raise NotFound("no_such_learner", _("Nobody here has this NIP."))
    wanted = flask.request.args.get("year", "")
    year = int(wanted) if re.fullmatch("(?:19|20)[0-9]{2}", wanted) else hub.today().year
    found = ledger.year_of(conn, hub, who, year)
    courses = [each.course for each in found.entries] + [each.course for each in found.pending]
    return LedgerYear(found, _titles(conn, hub, courses))


@pages.get("/learners/<nip>")
@guard
def learner(nip: str) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = _read_year(conn, hub, nip)
        who = found.year.learner
        years = sorted({*ledger.years_of(conn, who.id), *_years(hub)[:2], found.year.year}, reverse=True)
        known = identity.identities_of(conn, who.id)
        nips = learners.nips_of(conn, who.id)
    return flask.render_template(
        "audit/learner.html",
        year=found.year,
        titles=found.titles,
        years=years,
        identities=known,
        nips=nips,
        texts=texts,
    )


@pages.get("/learners/<nip>/ledger.csv")
@guard
def ledger_file(nip: str) -> ResponseReturnValue:
    hub = current()
    with hub.db.read() as conn:
        found = _read_year(conn, hub, nip)
    header = (_("Entry"), _("Day"), _("Course"), _("Course ID"), _("Form"), "JP", _("Policy"), _("Reverses"),
              _("Reversed"), _("Recorded"), _("Evidence"))  # fmt: skip
    rows = [_ledger_row(each, found.titles) for each in found.year.entries]
    return files.download(f"jp-{found.year.year}.csv", files.report(header, rows))


def _ledger_row(entry: Entry, titles: Mapping[str, str]) -> tuple[object, ...]:
    jp = Number(jp_text(entry.centi_jp))
    recorded = entry.recorded_at.isoformat(timespec="seconds")
    is_reversed = _("yes") if entry.is_reversed else ""
    return (entry.id, entry.on.isoformat(), titles[entry.course], entry.course, entry.form, jp, entry.policy,
            entry.reverses or "", is_reversed, recorded, " ".join(entry.evidence))  # fmt: skip


# Who did what ----------------------------------------------------------------------------------------------


@pages.get("/journal", endpoint="journal")
@guard
def journal_page() -> ResponseReturnValue:
    hub, asked = current(), flask.request.args
    this_month = hub.clock().strftime("%Y-%m")
    month = asked.get("month", "")
    month = month if _MONTH.fullmatch(month) else this_month
    who, action = asked.get("who", "").strip(), asked.get("action", "").strip()
    with hub.db.read() as conn:
        acts, after = _acts(conn, month, who, action, _after_act(asked.get("after", "")))
    kept: dict[str, Any] = {"month": month, "who": who or None, "action": action or None}
    return flask.render_template(
        "audit/journal.html",
        acts=acts,
        month=month,
        months=_months(this_month),
        who=who,
        action=action,
        next_url=flask.url_for("audit.journal", **kept, after=after) if after else "",
        first_url=flask.url_for("audit.journal", **kept) if asked.get("after") else "",
    )


def _acts(
    conn: sa.Connection, month: str, who: str, action: str, after: tuple[datetime, UUID] | None
) -> tuple[list[Act], str | None]:
    """A page of the month's acts by somebody or of a kind, and where the next one begins."""
    found: list[Act] = []
    for _page in range(ACTS_READ // ACTS):
        read = journal.read(conn, month, limit=ACTS, after=after)
        for act in read:
            after = act.at, act.id
            if (not who or who.casefold() in act.who.casefold()) and act.action.startswith(action):
                found.append(act)
            if len(found) == ACTS:
                return found, _act_cursor(after)
        if len(read) < ACTS:
            return found, None
    return found, _act_cursor(after) if after else None


def _act_cursor(after: tuple[datetime, UUID]) -> str:
    return f"{after[0].isoformat()}~{after[1].hex}"


def _after_act(text: str) -> tuple[datetime, UUID] | None:
    moment, _tilde, act = text.partition("~")
    try:
        at = datetime.fromisoformat(moment)
        return (at, UUID(hex=act)) if at.tzinfo is not None else None
    except ValueError:
        return None


def _months(this_month: str) -> list[str]:
    """This month and those of the last three years."""
    year, month = int(this_month[:4]), int(this_month[5:])
    counts = range(year * 12 + month - 1, year * 12 + month - 37, -1)
    return [f"{count // 12:04d}-{count % 12 + 1:02d}" for count in counts]
