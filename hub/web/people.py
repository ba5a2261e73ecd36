"""People as an administrator keeps them: found, imported, and computed again where that failed."""

from __future__ import annotations

from uuid import UUID

import flask
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.jp import recognition
from hub.people import learners
from hub.runtime import current
from hub.web import files
from hub.web.admin import LIMIT, guard, note, say_imported, show_problems
from mappings.course import Problem

pages = flask.Blueprint("people", __name__, url_prefix="/admin")


@pages.get("/learners")
@guard
def listed() -> ResponseReturnValue:
    hub, wanted = current(), flask.request.args.get("q", "").strip()
    with hub.db.read() as conn:
        found = learners.search(conn, wanted, limit=LIMIT) if wanted else ()
        failures = recognition.list_failures(conn, limit=LIMIT)
        known = learners.find_many(conn, [each.learner for each in failures])
    return flask.render_template(
        "admin/learners.html",
        found=found,
        q=wanted,
        columns=learners.COLUMNS,
        failures=[(each, known.get(each.learner)) for each in failures],
    )


@pages.post("/learners/<uuid:learner>/retry")
@guard
def retry(learner: UUID) -> ResponseReturnValue:
    """Compute the hours of somebody again who was set aside."""
    hub = current()

    def work(conn: sa.Connection) -> bool:
        is_there = recognition.try_again(conn, learner, now=hub.clock(), new_id=hub.new_id)
        if is_there:
            note(conn, hub, "learner.retry", f"learner:{learner}")
        return is_there

    if hub.db.run(work):
        flask.flash(_("Her hours are computed again in a moment."), "success")
    else:
        flask.flash(_("Nothing of hers was set aside."), "warning")
    return flask.redirect(flask.url_for("people.listed"), 303)


@pages.post("/learners")
@guard
def import_file() -> ResponseReturnValue:
    hub, back = current(), flask.url_for("people.listed")
    upload = files.read_text(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return show_problems(_("File of people"), (upload,), back)
    found = learners.read_learners(upload.text)
    if found.problems:
        return show_problems(upload.name, found.problems, back)

    def work(conn: sa.Connection) -> learners.Imported:
        done = learners.import_learners(conn, hub, found.rows)
        counts = {"added": done.added, "changed": done.changed, "same": done.same}
        note(conn, hub, "learner.import", f"{len(found.rows)} people", **counts)
        return done

    done = hub.db.run(work)
    say_imported(done.added, done.changed, done.same)
    return flask.redirect(back, 303)
