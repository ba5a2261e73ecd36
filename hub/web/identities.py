"""Whose an unknown actor of statements is: suggestions, an administrator's decision, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.jp import unresolved
from hub.people import identity, learners
from hub.people.identity import Identity
from hub.rows import is_nip
from hub.runtime import Hub, current
from hub.web import layout
from hub.web.admin import LIMIT, by, guard, note
from hub.web.statements import sketch

pages = flask.Blueprint("identities", __name__, url_prefix="/admin")


@pages.get("/identities")
@guard
def listed() -> ResponseReturnValue:
    return _page({}, {})


def _page(given: Mapping[str, str], problems: Mapping[str, str]) -> ResponseReturnValue:
    hub, asked = current(), flask.request.args
    after = _after_identity(asked.get("after", ""))
    linked = asked.get("linked", "")
    with hub.db.read() as conn:
        found = identity.list_unresolved(conn, limit=LIMIT + 1, after=after)
        rows = unresolved.weigh(conn, hub, found[:LIMIT])
        done = identity.find(conn, int(linked)) if _is_key(linked) else None
        owner = learners.find(conn, done.learner) if done and done.learner else None
    page = flask.render_template(
        "admin/identities.html",
        rows=[(each, sketch(each.latest, layout.language()) if each.latest else None) for each in rows],
        next_after=_identity_cursor(found[LIMIT - 1]) if len(found) > LIMIT else None,
        is_first=after is None,
        linked=done,
        owner=owner,
        given=given,
        problems=problems,
    )
    return page, 422 if problems else 200


def _is_key(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 20


def _identity_cursor(last: Identity) -> str:
    return f"{last.first_seen.isoformat()}~{last.actor_key}"


def _after_identity(text: str) -> tuple[datetime, int] | None:
    """Where a page begins; a cursor that was not made here begins at the beginning."""
    moment, _tilde, key = text.partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, int(key)) if _is_key(key) and at.tzinfo is not None else None


@pages.post("/identities/link")
@guard
def link() -> ResponseReturnValue:
    hub, form = current(), flask.request.form
    key, nip = form.get("actor", ""), "".join(form.get("nip", "").split())
    problem = _link(hub, int(key), nip) if _is_key(key) else _("This actor is not known.")
    if problem:
        return _page({key: nip}, {key: problem})
    return flask.redirect(flask.url_for("identities.listed", linked=key), 303)


def _link(hub: Hub, key: int, nip: str) -> str | None:
    """Make an actor somebody's; why it cannot be done."""
    if not is_nip(nip):
        return str(_("A NIP has 18 digits."))

    def work(conn: sa.Connection) -> str | None:
        found, owner = identity.find(conn, key), learners.find_by_nip(conn, nip)
        if found is None:
            return str(_("This actor is not known."))
        if owner is None:
            return str(_("Nobody here has this NIP. Check it, or import her first under “People”."))
        now = hub.clock()
        if identity.link(conn, found.who, owner.id, by=f"admin:{by()}"[:128], now=now, new_id=hub.new_id):
            note(conn, hub, "identity.link", _object(found), learner=str(owner.id))
        return None

    return hub.db.run(work)


@pages.post("/identities/unlink")
@guard
def unlink() -> ResponseReturnValue:
    hub, key = current(), flask.request.form.get("actor", "")

    def work(conn: sa.Connection) -> bool:
        found = identity.find(conn, int(key)) if _is_key(key) else None
        if found is None or not identity.unlink(
            conn, found.who, by=f"admin:{by()}"[:128], now=hub.clock(), new_id=hub.new_id
        ):
            return False
        note(conn, hub, "identity.unlink", _object(found), learner=str(found.learner))
        return True

    if hub.db.run(work):
        flask.flash(_("The link is taken back. Hours that rested on it are taken back too."), "success")
    else:
        flask.flash(_("There was no link to take back."), "warning")
    return flask.redirect(flask.url_for("identities.listed"), 303)


def _object(found: Identity) -> str:
    """An actor, as the journal names what was done to."""
    return f"identity:{found.who.kind} {found.who.homepage} {found.who.name}".replace("  ", " ")
