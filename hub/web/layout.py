"""What every page has: language, theme, navigation by role, protection of forms, and how values are written."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import flask
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionInterface, SessionMixin
from flask_babel import Babel, format_date, format_datetime
from flask_babel import gettext as _
from flask_bootstrap import Bootstrap5
from flask_wtf.csrf import CSRFError, CSRFProtect
from markupsafe import Markup

from hub import headers
from hub.access import accounts
from hub.errors import HubError
from hub.runtime import current
from hub.web import sources, words

#: The first is what somebody sees who never chose.
LANGUAGES: Mapping[str, str] = {"id": "Bahasa Indonesia", "en": "English"}
THEMES = ("auto", "light", "dark")

LANGUAGE_COOKIE = "wkmb_lang"
THEME_COOKIE = "wkmb_theme"
_YEAR_SECONDS = 365 * 24 * 3600

#: Machines send no forms of ours: they carry a credential with each request, never a cookie.
_WITHOUT_FORMS = ("/xapi/", "/lti/", "/api/")


@dataclass(frozen=True, slots=True)
class NavItem:
    """A place that the person may go to."""

    endpoint: str
    label: str
    icon: str
    is_here: bool


def register(app: flask.Flask) -> None:
    """Prepare the application for pages."""
    hub = app.extensions["hub"]
    app.config.update(
        BOOTSTRAP_SERVE_LOCAL=True,
        BABEL_DEFAULT_LOCALE=next(iter(LANGUAGES)),
        BABEL_DEFAULT_TIMEZONE=str(hub.settings.timezone),
        BABEL_TRANSLATION_DIRECTORIES=str(Path(__file__).parents[1] / "translations"),
        # Flask's own signed cookie holds the forms' token and messages; who is signed in is in hub.accounts' cookie.
        SESSION_COOKIE_NAME="wkmb_form",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=hub.settings.is_https,
        # A form that was open over lunch is still good: its token ends with the browser's session.
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    app.secret_key = hub.keyring.key("flask-session")
    app.session_interface = _FormSessions()
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Babel(app, locale_selector=language)
    Bootstrap5(app)
    _protect_forms(app)
    headers.register(app)
    app.after_request(_remember_choices)
    app.context_processor(_page_values)
    app.jinja_env.filters.update(jp=words.jp, day=day, moment=moment, instant=instant, source=sources.source)
    app.jinja_env.globals.update(icon=icon, words=words)


# -- language and theme


def language() -> str:
    """The language of this answer: asked for (``?lang=``), else chosen before, else Indonesian."""
    return _choice("lang", LANGUAGE_COOKIE, tuple(LANGUAGES))


def theme() -> str:
    """light, dark, or as the system has it."""
    return _choice("theme", THEME_COOKIE, THEMES)


def _choice(argument: str, cookie: str, choices: tuple[str, ...]) -> str:
    if not flask.has_request_context():
        return choices[0]
    # Looked at first: Werkzeug makes an HTTP exception for what is not there.
    for given, name in ((flask.request.args, argument), (flask.request.cookies, cookie)):
        if name in given and given[name] in choices:
            return given[name]
    return choices[0]


def _remember_choices(response: flask.Response) -> flask.Response:
    if not flask.request.query_string:
        return response
    given = flask.request.args
    for argument, cookie, choices in (
        ("lang", LANGUAGE_COOKIE, tuple(LANGUAGES)),
        ("theme", THEME_COOKIE, THEMES),
    ):
        if argument in given and given[argument] in choices:
            secure = current().settings.is_https
            response.set_cookie(cookie, given[argument], max_age=_YEAR_SECONDS, samesite="Lax", secure=secure)
    return response


def here_with(**changed: str) -> str:
    """This page's address with other arguments; after a form, which has no address to come back to, the home page."""
    if flask.request.method not in ("GET", "HEAD") or flask.request.url_rule is None:
        return flask.url_for("employee.home", **changed)  # type: ignore[arg-type]
    kept = [(name, value) for name, value in flask.request.args.items(multi=True) if name not in ("lang", "theme")]
    return f"{quote(flask.request.path)}?{urlencode([*kept, *changed.items()])}"


# -- forms


class _FormSession(SessionMixin):
    """Flask's session, whose cookie is read when it is asked for the first time: a launch never does."""

    def __init__(self, read: Callable[[], SecureCookieSession]) -> None:
        self._read = read
        self.is_read = False

    @functools.cached_property
    def kept(self) -> SecureCookieSession:
        self.is_read = True
        return self._read()

    def __getitem__(self, name: str) -> Any:
        return self.kept[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.kept[name] = value

    def __delitem__(self, name: str) -> None:
        del self.kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)


class _Cookies(SecureCookieSessionInterface):
    """Flask's own, which would make its signer anew for each request."""

    _signer: Any = None

    def get_signing_serializer(self, app: flask.Flask) -> Any:
        if self._signer is None:
            self._signer = super().get_signing_serializer(app)
        return self._signer


class _FormSessions(SessionInterface):
    """Where the session for forms is kept: in a signed cookie."""

    def __init__(self) -> None:
        self._cookies = _Cookies()

    def open_session(self, app: flask.Flask, request: flask.Request) -> _FormSession:
        return _FormSession(lambda: self._cookies.open_session(app, request) or SecureCookieSession())

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        if isinstance(session, _FormSession) and session.is_read:
            session.kept.accessed = session.accessed
            self._cookies.save_session(app, session.kept, response)


def _protect_forms(app: flask.Flask) -> None:
    csrf = CSRFProtect(app)

    @app.before_request
    def check_form() -> None:
        if flask.request.path.startswith(_WITHOUT_FORMS):
            return
        try:
            csrf.protect()
        except CSRFError as error:
            detail = _("This form was opened too long ago, or in another window where somebody signed in or out.")
            action = _("Go back, reload the page and send the form again. Nothing was changed.")
            raise HubError("form_expired", detail, action=action) from error


# -- what templates are given


def _page_values() -> dict[str, Any]:
    return {
        "account": accounts.current(),
        "language": language(),
        "languages": LANGUAGES,
        "theme": theme(),
        "themes": THEMES,
        "navigation": navigation(accounts.current()),
        "here_with": here_with,
        "today": current().today(),
    }


def navigation(session: accounts.Session | None) -> tuple[NavItem, ...]:
    """Where this person may go, in the order in which she needs it."""
    if session is None:
        return ()
    items: list[tuple[str, str, str]] = []
    if session.learner is not None:
        items += [
            ("employee.home", _("My JP"), "house"),
            ("catalogue.index", _("Courses"), "journal-bookmark"),
            ("employee.plan", _("Plan"), "calendar-check"),
            ("rtl.index", _("Follow-up"), "clipboard-check"),
            ("employee.transcript", _("Transcript"), "file-earmark-text"),
        ]
    if session.role in ("admin", "operator"):
        items += [
            ("admin.systems", _("Systems"), "diagram-3"),
            ("identities.listed", _("Identities"), "person-badge"),
            ("courses.listed", _("Catalogue"), "journals"),
            ("people.listed", _("People"), "people"),
        ]
    if session.role == "admin":
        items.append(("audit.search", _("Find evidence"), "search"))
    if session.role == "auditor":
        items += [
            ("audit.search", _("Find evidence"), "search"),
            ("audit.entries", _("Hours"), "patch-check"),
            ("audit.journal", _("Who did what"), "clock-history"),
        ]
        if session.learner is None:
            items.append(("catalogue.index", _("Courses"), "journal-bookmark"))
    if session.role != "learner":
        items.append(("rtl.overdue", _("Overdue"), "alarm"))
        items.append(("reports.index", _("Reports"), "bar-chart"))
    known = flask.current_app.view_functions
    places = [(name, flask.url_for(name), label, sign) for name, label, sign in items if name in known]
    here = _nearest([address for _name, address, _label, _sign in places])
    return tuple(NavItem(name, label, sign, address == here) for name, address, label, sign in places)


def belongs_to(place: str) -> Callable[[], None]:
    """For a blueprint's ``before_request``: the place to which its pages belong, whatever their address is."""

    def name() -> None:
        flask.g.place = place

    return name


def _nearest(addresses: list[str]) -> str:
    """The place that this page lies below: /courses for /courses/7. The home page has nothing below it."""
    path = flask.request.path
    if path.startswith("/entries/"):
        path = flask.url_for("employee.transcript")
    if "place" in flask.g:
        path = flask.url_for(flask.g.place)
    above = [
        each for each in addresses if path == each or (each != "/" and f"{path}/".startswith(f"{each.rstrip('/')}/"))
    ]
    return max(above, key=len, default="")


# -- how values are written


def day(value: date | None) -> str:
    """A day in words: 24 November 2026."""
    return "" if value is None else str(format_date(value, "d MMMM yyyy", rebase=False))


def moment(value: datetime | None) -> str:
    """A moment in the hub's time zone, with the zone's name."""
    if value is None:
        return ""
    clock = "HH.mm" if language() == "id" else "HH:mm"
    zone = current().settings.timezone
    # English has no names for Indonesia's zones in CLDR; here they are called as everybody there calls them.
    return f"{format_datetime(value, f'd MMMM yyyy {clock}')} {value.astimezone(zone).tzname()}"


def instant(text: str) -> str:
    """A timestamp as a statement has it; what is none stays as it is."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return text
    try:
        return moment(value) if value.tzinfo else text
    except OverflowError:  # The last day of the year 9999 is past it in the hub's time zone.
        return text


@functools.cache
def _symbols() -> Mapping[str, tuple[str, str]]:
    """Bootstrap's icons by name: view box and drawing. The sprite is 1.1 MB: pages get single icons of it, inline."""
    sprite = resources.files("flask_bootstrap") / "static/bootstrap5/icons/bootstrap-icons.svg"
    found = re.findall(r'<symbol[^>]*viewBox="([^"]*)"[^>]*id="([^"]*)"[^>]*>(.*?)</symbol>', sprite.read_text(), re.S)
    return {name: (box, drawing) for box, name, drawing in found}


def icon(name: str, label: str = "") -> Markup:
    """An icon; decoration unless it has a ``label``."""
    box, drawing = _symbols()[name]
    purpose = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    # The drawing comes from the package's own file.
    shape = Markup(drawing)  # noqa: S704
    return Markup('<svg class="bi" width="1em" height="1em" fill="currentColor" viewBox="{}" {}>{}</svg>').format(
        box, purpose, shape
    )
