"""Certifications: an employee sees hers, an auditor the evidence of anybody's, an administrator records what a provider
without a system has decided. Nobody records or assesses her own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from uuid import UUID

import flask
import sqlalchemy as sa
from flask_babel import get_locale
from flask_babel import gettext as _

from hub import journal
from hub.access import accounts
from hub.errors import NotFound
from hub.learning import certifications, undertakings
from hub.learning.certifications import Recorded, RecordRefused, Result
from hub.operations.logs import mask
from hub.people import learners
from hub.people.learners import Learner
from hub.rows import is_nip
from hub.runtime import Hub, current
from hub.web import development_texts, employee, layout
from mappings.certification import Certification, Scheme, Stage, StageStanding
from mappings.course import MILLION

pages = flask.Blueprint("certifications", __name__, url_prefix="/certifications")
pages.before_request(layout.belongs_to("rtl.overdue"))

READERS = ("admin", "operator", "auditor")
RECORDERS = ("admin", "operator")

LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """One certification of somebody, and the names of who assessed her."""

    scheme: Scheme
    found: Certification
    names: Mapping[str, str]

    @property
    def title(self) -> str:
        return title(self.scheme)

    def stage_title(self, standing: StageStanding) -> str:
        stage = self.scheme.stage(standing.stage)
        return title(stage) if stage else standing.stage

    def assessors(self, standing: StageStanding) -> str:
        return ", ".join(self.names.get(each, each) for each in standing.assessors)

    def appealable(self, today: date) -> list[str]:
        """The stages of which the candidate may still ask that they be judged again."""
        if self.found.standing != "not_yet" or self.found.appeal_until is None or today > self.found.appeal_until:
            return []
        return sorted({each.stage for each in self.found.stages if each.standing == "not_yet"})


def title(named: Scheme | Stage) -> str:
    """The name of a scheme or stage in the reader's language."""
    return named.title_en if str(get_locale()).startswith("en") else named.title_id


@pages.get("")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    return _show()


def _show(problem: str = "", given: Mapping[str, str] | None = None) -> str:
    hub, session = current(), accounts.current()
    is_reader = session is not None and session.role in READERS
    typed = "".join(flask.request.values.get("nip", "").split())
    with hub.db.read() as conn:
        person = _person(conn, typed) if is_reader and typed else None
        if person is None and not is_reader:
            person = employee.me(conn)
        shown = _shown(conn, hub, person) if person else []
        schemes = certifications.schemes(conn, hub)
    is_own = person is not None and session is not None and person.id == session.learner
    return flask.render_template(
        "certifications/index.html",
        person=person,
        is_own=is_own,
        is_reader=is_reader,
        can_record=person is not None and not is_own and session is not None and session.role in RECORDERS,
        typed=typed[:20],
        shown=shown,
        schemes=schemes,
        title=title,
        problem=problem,
        given=given or {},
        says=development_texts,
    )


def _person(conn: sa.Connection, nip: str) -> Learner:
    found = learners.find_by_nip(conn, nip) if is_nip(nip) else None
    if found is None:
        raise NotFound("unknown_learner", _("No employee has this NIP."), action=_("Look for it among the people."))
    return found


def _shown(conn: sa.Connection, hub: Hub, person: Learner) -> list[Shown]:
    schemes = certifications.schemes(conn, hub)
    found = undertakings.certifications(conn, person.id)
    ids = {each for one in found.values() for stage in one.stages for each in stage.assessors if _is_id(each)}
    names = {str(id): each.name for id, each in learners.find_many(conn, map(UUID, sorted(ids))).items()}
    return [Shown(schemes[name], one, names) for name, one in found.items() if name in schemes]


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


# Recording ---------------------------------------------------------------------------------------------------------


@pages.post("/appeal")
@accounts.require()
def appeal() -> flask.typing.ResponseReturnValue:
    """The candidate asks that a stage be judged again."""
    hub, form = current(), flask.request.form
    with hub.db.read() as conn:
        person = employee.me(conn)
        scheme = certifications.get_scheme(conn, hub, form.get("scheme", ""))
    done = certifications.appeal(hub, person.id, scheme, form.get("stage", ""))
    if isinstance(done, RecordRefused):
        return _show(development_texts.certification_refusals()[done.code]), 409
    flask.flash(_("Your appeal is recorded. The stage is judged again."), "success")
    return flask.redirect(flask.url_for("certifications.index"), 303)


@pages.post("/record")
@accounts.require(*RECORDERS)
def record() -> flask.typing.ResponseReturnValue:
    """What came of a stage, or the number of a certificate (``what=certificate``)."""
    hub, form, session = current(), flask.request.form, accounts.current()
    with hub.db.read() as conn:
        person = _person(conn, form.get("nip", ""))
        name, _dot, stage = form.get("stage", "").partition("/")
        scheme = certifications.get_scheme(conn, hub, name)
        assessor_nip = "".join(form.get("assessor", "").split())
        assessor = _person(conn, assessor_nip) if assessor_nip else None
    by = session.learner if session else None
    try:
        on = date.fromisoformat(form["on"]) if form.get("on") else None
        until = date.fromisoformat(form["until"]) if form.get("until") else None
        score = _score(form.get("score", ""))
    except (ValueError, InvalidOperation):
        return _show(_("A day or the score cannot be read. Write the score as a percentage from 0 to 100."), form), 422
    if form.get("what") == "certificate":
        number = " ".join(form.get("number", "").split())
        if not number or len(number) > LONGEST_NUMBER or "\x00" in number:
            return _show(_("Enter the number of the certificate."), form), 422
        done = certifications.certify(hub, person.id, scheme, number, on=on, valid_until=until, by=by)
    else:
        decision = form.get("decision") or None
        result = Result(stage, form.get("unit", ""), assessor.id if assessor else None, score, decision, on)
        if decision not in (None, "competent", "not_yet"):
            raise NotFound("no_such_decision", _("There is no such decision."))
        done = certifications.record(hub, person.id, scheme, result, by=by)
    if isinstance(done, RecordRefused):
        return _show(development_texts.certification_refusals()[done.code], form), 409
    _note(hub, person, scheme, stage, done)
    flask.flash(_("It is recorded."), "success")
    return flask.redirect(flask.url_for("certifications.index", nip=person.nip), 303)


def _score(text: str) -> int | None:
    """A percentage as millionths; `ValueError` outside 0..100."""
    if not text.strip():
        return None
    percent = Decimal(text.strip().replace(",", "."))
    if not 0 <= percent <= 100:
        raise ValueError(text)
    return int(percent * MILLION / 100)


def _note(hub: Hub, person: Learner, scheme: Scheme, stage: str, done: Recorded) -> None:
    session = accounts.current()
    with hub.db.write() as conn:
        journal.record(
            conn,
            who=session.username if session else "",
            action="certification.record",
            object=mask(person.nip),
            now=hub.clock(),
            new_id=hub.new_id,
            scheme=scheme.name,
            stage=stage,
            statement=str(done.statement),
        )
