"""Checking a transcript, without signing in: whether what a paper says still stands, in both languages at once.

Whoever holds the paper holds its code, and sees here what the paper says, less the birth date in the NIP. Codes cannot
be guessed, tries are counted, pages are not to be indexed or kept, and links on them do not carry the code elsewhere.
Beside it lies what checkers of the signed credential need: the issuer, its keys, the achievement, and what was revoked.
"""

from __future__ import annotations

from typing import Any

import flask
from flask_babel import force_locale
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.exceptions import TooManyRequests

from hub.access.limits import allow
from hub.errors import NotFound
from hub.jp.policies import PolicyUnknown
from hub.papers import openbadges, transcript_pdf, transcripts
from hub.papers.transcripts import Paper, Standing
from hub.runtime import current
from hub.web import layout

pages = flask.Blueprint("verify", __name__)

#: Checks of one address in a minute. A reception desk with a scanner stays below; guessing gets nowhere anyway.
MOST_CHECKS, WINDOW_SECONDS = 60, 60

#: How long others may keep what is published: a new key is fetched by its own address at once.
PUBLISHED_SECONDS = 300


@pages.after_request
def _keep_private(response: flask.Response) -> flask.Response:
    """A code is a secret between the holder and whoever she shows her paper to."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "no-referrer" if flask.request.view_args else "same-origin"
    return response


@pages.get("/verify")
def ask() -> flask.typing.ResponseReturnValue:
    """Where somebody types the code of a paper."""
    typed = flask.request.args.get("code", "")
    code = transcripts.read_code(typed)
    if code is not None:
        return flask.redirect(flask.url_for("verify.show", code=code), 303)
    error = _("A code has 20 letters and digits; they stand at the foot of the transcript.") if typed else ""
    return flask.render_template("verify/ask.html", typed=typed[:40], error=error), 400 if error else 200


@pages.get("/verify/<code>")
def show(code: str) -> flask.typing.ResponseReturnValue:
    """What the paper says, and whether it still stands."""
    found = _find(code)
    if found is None:
        parts = _in_both("verify/unknown.html", typed=code[:40])
        return flask.render_template("verify/show.html", parts=parts, title=_("No transcript has this code")), 404
    paper, standing = found
    nip = transcripts.masked(paper.said.nip)
    parts = _in_both("verify/paper.html", paper=paper, said=paper.said, standing=standing, nip=nip)
    return flask.render_template("verify/show.html", parts=parts, title=_("Verification of a transcript"))


@pages.get("/verify/<code>/status")
def status(code: str) -> flask.typing.ResponseReturnValue:
    """The revocation list of the paper's credential, for whoever checks one."""
    found = _find(code)
    if found is None:
        raise NotFound("no_such_transcript", _("There is no transcript with this code."))
    response = flask.jsonify(openbadges.revocations(*found, current().base_url))
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.get("/credentials/issuer")
def issuer() -> flask.typing.ResponseReturnValue:
    """Who issues credentials, as a Profile of Open Badges 3.0."""
    context = {"@context": list(openbadges.CONTEXT)}
    return _published(context | openbadges.issuer(current().base_url))


@pages.get("/credentials/jwks")
def jwks() -> flask.typing.ResponseReturnValue:
    """Every key that ever signed a credential (RFC 7517)."""
    with current().db.read() as conn:
        return _published(openbadges.key_set(conn))


@pages.get("/credentials/keys/<kid>")
def key(kid: str) -> flask.typing.ResponseReturnValue:
    """The key that a credential's ``kid`` names (Open Badges 3.0 section 8.5)."""
    with current().db.read() as conn:
        found = openbadges.find_key(conn, kid[:64])
    if found is None:
        raise NotFound("no_such_key", _("There is no such key."))
    return _published(found)


@pages.get("/credentials/achievements/<policy>/<int(fixed_digits=4):year>")
def achievement(policy: str, year: int) -> flask.typing.ResponseReturnValue:
    """What a credential says was achieved."""
    hub = current()
    try:
        with hub.db.read() as conn:
            found = hub.policies.named(conn, policy[:64])
    except PolicyUnknown as error:
        raise NotFound("no_such_policy", _("There is no such policy.")) from error
    context = {"@context": list(openbadges.CONTEXT)}
    return _published(context | openbadges.achievement(hub.base_url, found.name, year, title=found.title_en))


def _find(code: str) -> tuple[Paper, Standing] | None:
    """The paper of a code, and what has become of it; every try is counted."""
    hub = current()
    if not allow(hub, "verify", flask.request.remote_addr or "", most=MOST_CHECKS, seconds=WINDOW_SECONDS):
        raise TooManyRequests(retry_after=WINDOW_SECONDS)
    known = transcripts.read_code(code)
    if known is None:
        return None
    with hub.db.read() as conn:
        paper = transcripts.find(conn, known)
        return None if paper is None else (paper, transcripts.standing(conn, hub, paper))


def _published(value: dict[str, Any]) -> flask.Response:
    response = flask.jsonify(value)
    response.headers["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


# In both languages -------------------------------------------------------------------------------------


def _in_both(template: str, **values: Any) -> list[Markup]:
    """A part of a page once in each language, the reader's own first."""
    languages = sorted(transcript_pdf.LANGUAGES, key=lambda each: each != layout.language())
    return [_in(language, template, values) for language in languages]


def _in(language: str, template: str, values: dict[str, Any]) -> Markup:
    with force_locale(language):
        # Escaped by the template that it comes from.
        return Markup(flask.render_template(template, spoken=language, **values))  # noqa: S704
