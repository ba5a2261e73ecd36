"""An employee's papers: she has one made of a year, downloads it as PDF or as a signed credential, and withdraws it."""

from __future__ import annotations

import flask
import sqlalchemy as sa
from flask.blueprints import BlueprintSetupState
from flask_babel import gettext as _

from hub.access import accounts
from hub.access.limits import allow
from hub.errors import HubError, NotFound
from hub.papers import openbadges, transcript_pdf, transcripts
from hub.papers.transcripts import Paper
from hub.runtime import current
from hub.web import employee

pages = flask.Blueprint("transcripts", __name__, url_prefix="/transcript/papers")

#: Making a PDF takes a tenth of a second of a processor: enough for anybody, too few to keep one busy.
MOST_FILES, WINDOW_SECONDS = 30, 60


@pages.record
def _give_signer(state: BlueprintSetupState) -> None:
    """Each application opens the keys for itself."""
    state.app.extensions["issuer"] = openbadges.Signer()


@pages.get("")
@accounts.require()
def index() -> flask.typing.ResponseReturnValue:
    """The papers of a year, each with what has become of it."""
    hub = current()
    year = employee.asked_year(hub)
    with hub.db.read() as conn:
        learner = employee.me(conn)
        papers = transcripts.of_learner(conn, learner.id, year)
        found = [(paper, transcripts.standing(conn, hub, paper)) for paper in papers]
    return flask.render_template("transcript/papers.html", papers=found, year=year, printed_in=transcript_pdf.LANGUAGES)


@pages.post("")
@accounts.require()
def issue() -> flask.typing.ResponseReturnValue:
    """Make the paper of a year, or find the one that says the same."""
    hub = current()
    year = employee.asked_year(hub)
    _spare("transcript.issue")
    paper = hub.db.run(lambda conn: transcripts.issue(conn, hub, employee.me(conn), year, by=_who()))
    flask.flash(_("Your transcript is ready. Its code is %(code)s.", code=paper.spoken_code), "success")
    return flask.redirect(flask.url_for("transcripts.index", year=year), 303)


@pages.post("/<code>/revoke")
@accounts.require()
def revoke(code: str) -> flask.typing.ResponseReturnValue:
    """Withdraw a paper: whoever checks it is told so."""
    hub = current()
    with hub.db.write() as conn:
        paper = _mine(conn, code)
        transcripts.revoke(conn, hub, paper, by=_who())
    flask.flash(_("The transcript is withdrawn. Whoever checks its code is told so."), "success")
    return flask.redirect(flask.url_for("transcripts.index", year=paper.said.year), 303)


@pages.get("/<code>/<any(id, en):language>.pdf")
@accounts.require()
def pdf(code: str, language: str) -> flask.typing.ResponseReturnValue:
    hub = current()
    paper = _to_give(code)
    address = openbadges.paper_address(hub.base_url, paper.code)
    content = transcript_pdf.render(paper, language, address, hub.settings.timezone)
    return _file(content, "application/pdf", f"jp-{paper.said.year}-{language}.pdf")


@pages.get("/<code>/credential.jwt")
@accounts.require()
def credential(code: str) -> flask.typing.ResponseReturnValue:
    """The paper as a credential. Open Badges 3.0 section 5.2: a compact JWS as text, in a file that ends in .jwt."""
    hub = current()
    paper = _to_give(code)
    signer = flask.current_app.extensions["issuer"]
    signed = signer.sign(hub, openbadges.ensure(hub), openbadges.credential(paper, hub.base_url))
    return _file(signed.encode(), "text/plain; charset=utf-8", f"jp-{paper.said.year}.jwt")


def _to_give(code: str) -> Paper:
    """A paper of whoever is signed in, unless it was withdrawn."""
    _spare("transcript.file")
    with current().db.read() as conn:
        paper = _mine(conn, code)
    if paper.revoked_at is not None:
        action = _("Have a new one made on the page of your transcripts.")
        raise HubError("transcript_revoked", _("This transcript was withdrawn."), action=action, status=410)
    return paper


def _mine(conn: sa.Connection, code: str) -> Paper:
    learner, known = employee.me(conn), transcripts.read_code(code)
    paper = transcripts.find(conn, known) if known else None
    # Somebody else's paper and none at all look alike.
    if paper is None or paper.learner != learner.id:
        raise NotFound("no_such_transcript", _("There is no such transcript among yours."))
    return paper


def _spare(what: str) -> None:
    if not allow(current(), what, _who(), most=MOST_FILES, seconds=WINDOW_SECONDS):
        action = _("Wait a minute, then try again.")
        raise HubError("too_many_requests", _("Too many transcripts in one minute."), action=action, status=429)


def _who() -> str:
    session = accounts.current()
    return session.username if session else ""


def _file(content: bytes, kind: str, name: str) -> flask.Response:
    response = flask.Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
