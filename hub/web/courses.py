"""The catalogue as an administrator keeps it: what is in it, and the file that makes it."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.errors import NotFound
from hub.learning import catalogue
from hub.lti import drafts
from hub.runtime import current
from hub.web import files, texts
from hub.web.admin import LIMIT, by, guard, say_imported, show_problems
from mappings.course import COLUMNS, Problem

pages = flask.Blueprint("courses", __name__, url_prefix="/admin")


@pages.get("/courses")
@guard
def listed() -> ResponseReturnValue:
    hub, wanted = current(), flask.request.args.get("q", "").strip()
    start = _number(flask.request.args.get("from", ""))
    with hub.db.read() as conn:
        every = hub.courses.current(conn).listed
        has_drafts = drafts.has_waiting(conn)
    words_in = wanted.casefold().split()
    found = [each for each in every if all(word in _searched(each) for word in words_in)]
    return flask.render_template(
        "admin/courses.html",
        found=found[start : start + LIMIT],
        next_from=start + LIMIT if len(found) > start + LIMIT else None,
        start=start,
        q=wanted,
        total=len(every),
        columns=COLUMNS,
        has_drafts=has_drafts,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _searched(listed: catalogue.Listed) -> str:
    course = listed.course
    said = (course.title_id, course.title_en, course.id, course.provider, listed.institution, *course.aliases)
    return " ".join(said).casefold()


@pages.get("/courses.csv")
@guard
def file() -> ResponseReturnValue:
    """The catalogue as the file that makes it."""
    hub = current()
    with hub.db.read() as conn:
        text = catalogue.write_courses(hub.courses.current(conn).listed)
    return files.download("courses.csv", text)


@pages.post("/courses")
@guard
def import_file() -> ResponseReturnValue:
    hub, back = current(), flask.url_for("courses.listed")
    upload = files.read_text(flask.request.files.get("file"))
    if isinstance(upload, Problem):
        return show_problems(_("Course file"), (upload,), back)
    with hub.db.read() as conn:
        policy = hub.policies.active(conn, hub.today().year)
        found = catalogue.read_courses(conn, upload.text, policy)
    if found.problems:
        return show_problems(upload.name, found.problems, back)
    done = hub.db.run(lambda conn: catalogue.import_courses(conn, hub, found.courses, by=by()))
    say_imported(done.added, done.changed, done.same)
    return flask.redirect(back, 303)


@pages.post("/courses/<int:number>/withdraw")
@guard
def withdraw(number: int) -> ResponseReturnValue:
    """Offer a course no more; today is the last day that counts."""
    hub = current()
    with hub.db.read() as conn:
        listed = hub.courses.current(conn).by_id.get(number)
    if listed is None:
        raise NotFound("no_such_course", _("This course is not in the catalogue."))
    hub.db.run(lambda conn: catalogue.withdraw(conn, hub, listed, hub.today(), by=by()))
    said = _("“%(title)s” is withdrawn: who finished it up to today keeps her JP, later reports do not count. "
             "To offer it again, import it again.", title=texts.course_title(listed.course))  # fmt: skip
    flask.flash(said, "success")
    return flask.redirect(flask.url_for("courses.listed"), 303)
