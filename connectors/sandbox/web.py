"""The sandbox's HTTP face: LTI endpoints, the learner's pages, the administrator's pages, JSON for machines.

A learner's page belongs to the browser that was launched (a cookie). Administrators' pages and the JSON
endpoints show every launch, so they answer this machine alone unless the sandbox was started otherwise.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, jsonify, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from .courier import Courier
from .courses import Course, course_of
from .deeplink import content_item, response_token, settings_of
from .errors import LaunchError, SandboxError
from .faults import FAULTS, lateness, names, parse_faults
from .lti import AGS_CLAIM, CLAIM, Tool
from .registering import register
from .statements import Outcome, finished, handover, initialized
from .store import Launch, NewReport, Report, Store
from .texts import LANGUAGES, translator

BROWSER_COOKIE = "sandbox_browser"
LANGUAGE_COOKIE = "sandbox_lang"
FAULTS_COOKIE = "sandbox_faults"
LARGEST_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Everything the routes work with."""

    tool: Tool
    store: Store
    courier: Courier
    courses: Mapping[str, Course]
    clock: Callable[[], float]
    new_id: Callable[[], str]
    admin_anywhere: bool


def create_app(sandbox: Sandbox) -> Flask:
    """The web application of one sandbox."""
    app = Flask(__name__)
    app.extensions["sandbox"] = sandbox
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.before_request(_refuse_foreign_names)
    app.before_request(_refuse_foreign_forms)
    app.before_request(_choose_language)
    app.after_request(_secure)
    app.context_processor(_page_values)
    app.register_error_handler(SandboxError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    for rule, view, methods in _ROUTES:
        app.add_url_rule(rule, view_func=view, methods=methods)
    return app


def _sandbox() -> Sandbox:
    sandbox = current_app.extensions["sandbox"]
    assert isinstance(sandbox, Sandbox)  # noqa: S101 - tells the type checker what create_app put there
    return sandbox


# LTI


def login() -> AnyResponse:
    """Third-party login initiation (Security Framework 1.0, 5.1.1.1), by GET or POST."""
    sandbox = _sandbox()
    answer = sandbox.tool.begin_login(request.values.to_dict(), request.cookies)
    response = redirect(answer.url)
    for name, (value, lifetime) in answer.cookies.items():
        _set_cookie(response, name, value, lifetime)
    return response


def launch() -> AnyResponse:
    """The platform's authentication response: an id_token by form_post (5.1.1.3)."""
    sandbox = _sandbox()
    digest = hashlib.sha256(request.form.get("id_token", "").encode()).hexdigest()
    browser = request.cookies.get(BROWSER_COOKIE)
    known = sandbox.store.find_launch_of_token(digest)
    if known is not None and known.browser == browser:
        # A refreshed page posts the same token again; it gets the launch that it made.
        return redirect(url_for(_first_page(known.claims), launch_id=known.id), 303)
    claims = sandbox.tool.accept_launch(request.form.to_dict(), request.cookies)
    browser = browser or sandbox.new_id()
    launch_id = sandbox.new_id()
    sandbox.store.add_launch(
        launch_id,
        browser=browser,
        token_digest=digest,
        claims=claims,
        now=sandbox.clock(),
        reports=_opening_reports(sandbox, claims, _faults()),
    )
    sandbox.courier.wake()
    response = redirect(url_for(_first_page(claims), launch_id=launch_id), 303)
    _set_cookie(response, BROWSER_COOKIE, browser, None)
    locale = str((claims.get(CLAIM + "launch_presentation") or {}).get("locale") or "")
    if LANGUAGE_COOKIE not in request.cookies and locale[:2].lower() in LANGUAGES:
        _set_cookie(response, LANGUAGE_COOKIE, locale[:2].lower(), None)
    return response


def _first_page(claims: Mapping[str, Any]) -> str:
    return "picker" if claims.get(CLAIM + "message_type") == "LtiDeepLinkingRequest" else "course"


def jwks() -> Response:
    """Our public key."""
    return jsonify(_sandbox().tool.key.jwks())


def register_here() -> str:
    """LTI Dynamic Registration: a platform's administrator opened our registration address."""
    _require_admin()
    tool = _sandbox().tool
    platform = register(
        tool.session,
        request.args.get("openid_configuration", ""),
        request.args.get("registration_token"),
        tool.base_url,
    )
    tool.platforms.save(platform)
    g.script_source = "script-src 'self';"
    return render_template("registered.html", platform=platform)


def _opening_reports(sandbox: Sandbox, claims: Mapping[str, Any], faults: tuple[str, ...]) -> list[NewReport]:
    to = handover(claims)
    if to is None:
        return []
    title = course_of(claims, sandbox.courses).title["id"]
    at = datetime.fromtimestamp(sandbox.clock(), UTC)
    return [_report("initialized", initialized(to, title, new_id=sandbox.new_id, at=at), faults)]


def _closing_reports(
    sandbox: Sandbox, claims: Mapping[str, Any], outcome: Outcome, faults: tuple[str, ...]
) -> list[NewReport]:
    at = datetime.fromtimestamp(sandbox.clock(), UTC)
    reports = []
    if claims.get(AGS_CLAIM):
        reports.append(_report("score", _score(claims, outcome, at), faults))
    to = handover(claims)
    if to is not None:
        title = course_of(claims, sandbox.courses).title["id"]
        reports.append(_report("finished", finished(to, title, outcome, new_id=sandbox.new_id, at=at), faults))
    return reports


def _score(claims: Mapping[str, Any], outcome: Outcome, at: datetime) -> dict[str, Any]:
    """AGS 2.0, 3.4: the score of a learner who completed and whose grade is final."""
    return {
        "userId": claims["sub"],
        "scoreGiven": outcome.score,
        "scoreMaximum": 100,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _report(kind: str, payload: Any, faults: tuple[str, ...]) -> NewReport:
    late = lateness(faults)
    return NewReport(kind, payload, faults, status="held" if late.held else "waiting", delay=late.delay)


# The learner's pages


def course(launch_id: str) -> str:
    """The course's first page."""
    launch = _own_launch(launch_id)
    return render_template("course.html", launch=launch, course=_course(launch))


def lesson(launch_id: str, number: int) -> str:
    """One lesson; opening it marks it as read."""
    launch = _own_launch(launch_id)
    shown = _course(launch)
    if not 1 <= number <= len(shown.lessons):
        abort(404)
    _sandbox().store.mark_lesson_read(launch.id, number)
    return render_template("lesson.html", launch=launch, course=shown, number=number, lesson=shown.lessons[number - 1])


def quiz(launch_id: str) -> AnyResponse | str:
    """The quiz; once it is answered, its result."""
    launch = _own_launch(launch_id)
    if launch.finished_at is not None or not _course(launch).questions:
        return redirect(url_for("report", launch_id=launch.id), 303)
    return render_template("quiz.html", launch=launch, course=_course(launch))


def answer_quiz(launch_id: str) -> AnyResponse:
    """Grade the quiz and report."""
    launch = _own_launch(launch_id)
    taken = _course(launch)
    if not taken.questions:
        abort(404)
    answers = {
        number: int(value)
        for number in range(len(taken.questions))
        if (value := request.form.get(f"q{number}", "")).isdecimal()
    }
    _finish(launch, score=taken.grade(answers), minutes=taken.minutes, faults=_faults())
    return redirect(url_for("report", launch_id=launch.id), 303)


def complete(launch_id: str) -> AnyResponse:
    """Complete at once, with the score and the time that the form names."""
    launch = _own_launch(launch_id)
    _finish(
        launch,
        score=_number(request.form.get("score"), "score", 0, 100, default=100),
        minutes=int(_number(request.form.get("minutes"), "minutes", 0, 6000, default=_course(launch).minutes)),
        faults=parse_faults([*_faults(), *request.form.getlist("fault")]),
    )
    return redirect(url_for("report", launch_id=launch.id), 303)


def report(launch_id: str) -> str:
    """The learner's result, and what was reported with each answer."""
    return _report_page(_own_launch(launch_id), is_admin=False)


def send_again(launch_id: str) -> AnyResponse:
    """The retry and release buttons on the learner's page."""
    launch = _own_launch(launch_id)
    _requeue(launch)
    return redirect(url_for("report", launch_id=launch.id), 303)


def _finish(launch: Launch, *, score: float, minutes: int, faults: tuple[str, ...]) -> None:
    sandbox = _sandbox()
    outcome = Outcome(score, _course(launch).pass_mark, minutes)
    sandbox.store.finish_launch(
        launch.id,
        score=score,
        minutes=minutes,
        now=sandbox.clock(),
        reports=_closing_reports(sandbox, launch.claims, outcome, faults),
    )
    # At once, so that the page which follows shows the hub's answers.
    sandbox.courier.deliver(launch.id)


def _requeue(launch: Launch, *, clean: bool | None = None) -> None:
    """Send again what the hub has not accepted: one report, or all of the launch."""
    sandbox = _sandbox()
    wanted = request.values.get("report", "")
    open_reports = [
        one.id
        for one in sandbox.store.reports_of(launch.id)
        if (str(one.id) == wanted if wanted else one.status != "acknowledged")
    ]
    is_clean = request.values.get("clean") == "1" if clean is None else clean
    sandbox.store.requeue(open_reports, now=sandbox.clock(), clean=is_clean)
    sandbox.courier.deliver(launch.id)


def _report_page(launch: Launch, *, is_admin: bool) -> str:
    store = _sandbox().store
    shown = _course(launch)
    outcome = None
    if launch.score is not None and launch.minutes is not None:
        outcome = Outcome(launch.score, shown.pass_mark, launch.minutes)
    reports = [(one, store.exchanges_of(one.id)) for one in store.reports_of(launch.id)]
    return render_template(
        "report.html", launch=launch, course=shown, outcome=outcome, reports=reports, is_admin=is_admin
    )


# The picker of a platform's administrator


def picker(launch_id: str) -> str:
    """The courses that she may take into her catalogue."""
    launch = _own_launch(launch_id)
    several = settings_of(launch.claims).get("accept_multiple") is True
    return render_template("picker.html", courses=_sandbox().courses.values(), several=several)


def pick(launch_id: str) -> str:
    """What she chose, in a form that goes back to her platform."""
    sandbox = _sandbox()
    launch = _own_launch(launch_id)
    settings = settings_of(launch.claims)
    picked = [course for key, course in sandbox.courses.items() if key in request.form.getlist("course")]
    if settings.get("accept_multiple") is not True:
        picked = picked[:1]
    items = [content_item(course, sandbox.tool.redirect_uri) for course in picked]
    token = response_token(launch.claims, items, sandbox.tool.key, now=int(sandbox.clock()), nonce=sandbox.new_id())
    return_url = settings["deep_link_return_url"]
    g.form_target = _origin(return_url)
    return render_template("picker.html", picked=picked, token=token, return_url=return_url)


# The administrator's pages


def home() -> str:
    """What this LMS is, how to connect it, and the latest launches."""
    sandbox = _sandbox()
    is_admin = _is_admin()
    launches = sandbox.store.latest_launches(50) if is_admin else []
    return render_template(
        "home.html",
        is_admin=is_admin,
        courses=sandbox.courses.values(),
        tool=sandbox.tool,
        platforms=sandbox.tool.platforms.all() if is_admin else (),
        launches=[(one, _course(one), sandbox.store.reports_of(one.id)) for one in launches],
        active=sandbox.store.get_faults(),
    )


def admin_launch(launch_id: str) -> str:
    """Any launch, as its own browser sees it, with the claims."""
    _require_admin()
    return _report_page(_launch(launch_id), is_admin=True)


def admin_send_again(launch_id: str) -> AnyResponse:
    """The retry and release buttons on the administrator's page."""
    _require_admin()
    _requeue(_launch(launch_id))
    return redirect(url_for("admin_launch", launch_id=launch_id), 303)


def show_faults() -> AnyResponse | str:
    """The faults that are set for everybody, as a page or as JSON."""
    _require_admin()
    active = _sandbox().store.get_faults()
    if _wants_json():
        return jsonify(faults=list(active), known=list(FAULTS))
    return render_template("faults.html", active=names(active), known=FAULTS)


def set_faults() -> AnyResponse:
    """Set the faults for everybody: a form with ``fault`` fields, or JSON ``{"faults": [...]}``."""
    _require_admin()
    wanted = _json_list("faults") if request.is_json else request.form.getlist("fault")
    faults = parse_faults(wanted)
    _sandbox().store.set_faults(faults)
    if request.is_json:
        return jsonify(faults=list(faults), known=list(FAULTS))
    return redirect(url_for("show_faults"), 303)


# JSON for unattended use


def api_launches() -> Response:
    """The latest launches, newest first."""
    _require_admin()
    return jsonify(launches=[_launch_as_json(one) for one in _sandbox().store.latest_launches(100)])


def api_launch(launch_id: str) -> Response:
    """One launch with its reports and every exchange with the hub."""
    _require_admin()
    return jsonify(_launch_as_json(_launch(launch_id)))


def api_complete(launch_id: str) -> Response:
    """Complete a launch: ``{"score": 0..100, "minutes": n, "faults": [...]}``, each of them optional."""
    _require_admin()
    launch = _launch(launch_id)
    given = _json_object()
    _finish(
        launch,
        score=_number(given.get("score"), "score", 0, 100, default=100),
        minutes=int(_number(given.get("minutes"), "minutes", 0, 6000, default=_course(launch).minutes)),
        faults=parse_faults([*_faults(), *_json_list("faults")]),
    )
    return jsonify(_launch_as_json(_launch(launch_id)))


def api_retry(launch_id: str) -> Response:
    """Send again what the hub has not accepted: ``{"clean": true}`` takes the faults away."""
    _require_admin()
    _requeue(_launch(launch_id), clean=_json_object().get("clean") is True)
    return jsonify(_launch_as_json(_launch(launch_id)))


def healthz() -> Response:
    """Alive."""
    return jsonify(status="ok")


def _launch_as_json(launch: Launch) -> dict[str, Any]:
    store = _sandbox().store
    return {
        "id": launch.id,
        "url": url_for("course", launch_id=launch.id, _external=True),
        "course": _course(launch).title["id"],
        "claims": launch.claims,
        "score": launch.score,
        "minutes": launch.minutes,
        "finished": launch.finished_at is not None,
        "reports": [_report_as_json(one) for one in store.reports_of(launch.id)],
    }


def _report_as_json(one: Report) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "status": one.status,
        "explanation": one.explanation,
        "attempts": one.attempts,
        "faults": list(one.faults),
        "payload": one.payload,
        "exchanges": [asdict(exchange) for exchange in _sandbox().store.exchanges_of(one.id)],
    }


# What requests say


def _launch(launch_id: str) -> Launch:
    found = _sandbox().store.find_launch(launch_id)
    if found is None:
        abort(404)
    return found


def _own_launch(launch_id: str) -> Launch:
    found = _launch(launch_id)
    if found.browser != request.cookies.get(BROWSER_COOKIE):
        abort(403, description=translator(g.language)("forbidden"))
    return found


def _course(launch: Launch) -> Course:
    return course_of(launch.claims, _sandbox().courses)


def _faults() -> tuple[str, ...]:
    """What misbehaves now: set for everybody, in this browser's cookie, or in this request's query."""
    return parse_faults(
        [*_sandbox().store.get_faults(), request.cookies.get(FAULTS_COOKIE, ""), *request.args.getlist("fault")]
    )


def _number(given: object, name: str, least: float, most: float, *, default: float) -> float:
    if given is None or given == "":
        return default
    try:
        number = float(str(given))
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise SandboxError(f"{name} must be a number from {least:g} to {most:g}, not {given!r}.")
    return number


def _json_object() -> dict[str, Any]:
    given = request.get_json() if request.get_data() else {}
    if not isinstance(given, dict):
        raise SandboxError("The body must be a JSON object.")
    return given


def _json_list(name: str) -> list[str]:
    given = _json_object().get(name, [])
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise SandboxError(f"{name} must be a list of texts.")
    return given


def _wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def _is_admin() -> bool:
    if _sandbox().admin_anywhere:
        return True
    return request.remote_addr is not None and ipaddress.ip_address(request.remote_addr).is_loopback


def _require_admin() -> None:
    if not _is_admin():
        abort(403, description=translator(g.language)("admin_only"))


# Every request and every answer


def _refuse_foreign_names() -> Response | None:
    """A page of another site must not reach these pages by a name that it made point here (DNS rebinding).

    Our own check: Werkzeug's list of trusted hosts cannot hold an IPv6 address.
    """
    ours = {urlsplit(_sandbox().tool.base_url).hostname, "127.0.0.1", "localhost", "::1"}
    if urlsplit(f"//{request.host}").hostname in ours:
        return None
    return Response("This LMS is not known by that name.\n", 400, mimetype="text/plain")


def _refuse_foreign_forms() -> None:
    """A form of another site may post to the launch address alone."""
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != request.host
    if is_foreign and request.method == "POST" and not request.path.startswith("/lti/"):
        abort(403, description="This form was sent by another site.")


def _choose_language() -> None:
    for wanted in (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wanted in LANGUAGES:
            g.language = wanted
            return
    g.language = "id"


def _page_values() -> dict[str, Any]:
    language = getattr(g, "language", "id")

    def at(moment: float) -> str:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def pretty(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, indent=2)

    return {
        "t": translator(language),
        "language": language,
        "languages": LANGUAGES,
        "at": at,
        "pretty": pretty,
        "CLAIM": CLAIM,
        "FAULTS": FAULTS,
    }


def _secure(response: Response) -> Response:
    if request.args.get("lang") in LANGUAGES:
        _set_cookie(response, LANGUAGE_COOKIE, request.args["lang"], None)
    ancestors = " ".join(sorted({_origin(one.issuer) for one in _registered()}))
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; {getattr(g, 'script_source', '')} style-src 'self'; img-src 'self'; base-uri 'none';"
        f" form-action 'self' {getattr(g, 'form_target', '')}; frame-ancestors 'self' {ancestors}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Not "no-referrer": with it a browser sends its own forms with "Origin: null".
    response.headers["Referrer-Policy"] = "same-origin"
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _registered() -> tuple[Any, ...]:
    try:
        return _sandbox().tool.platforms.all()
    except SandboxError:
        return ()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _set_cookie(response: AnyResponse, name: str, value: str, lifetime: int | None) -> None:
    is_https = _sandbox().tool.base_url.startswith("https:")
    # Over http a browser takes no SameSite=None; on one host name Lax is enough, ports do not make a site.
    response.set_cookie(
        name, value, max_age=lifetime, httponly=True, secure=is_https, samesite="None" if is_https else "Lax"
    )


def _refused(error: SandboxError) -> tuple[Response | str, int]:
    if request.path.startswith("/api/") or request.is_json:
        return jsonify(error=str(error)), 400
    check = error.check if isinstance(error, LaunchError) else None
    return render_template("error.html", check=check, reason=str(error)), 400


def _http_error(error: HTTPException) -> tuple[Response | str, int]:
    code = error.code or 500
    reason = translator(getattr(g, "language", "id"))("not_found") if code == 404 else str(error.description)
    if request.path.startswith("/api/") or request.is_json:
        return jsonify(error=reason), code
    return render_template("error.html", check=None, reason=reason, title=f"{code}"), code


_ROUTES: tuple[tuple[str, Callable[..., Any], list[str]], ...] = (
    ("/lti/login", login, ["GET", "POST"]),
    ("/lti/launch", launch, ["POST"]),
    ("/lti/jwks", jwks, ["GET"]),
    ("/lti/register", register_here, ["GET"]),
    ("/learn/<launch_id>", course, ["GET"]),
    ("/learn/<launch_id>/lessons/<int:number>", lesson, ["GET"]),
    ("/learn/<launch_id>/quiz", quiz, ["GET"]),
    ("/learn/<launch_id>/quiz", answer_quiz, ["POST"]),
    ("/learn/<launch_id>/complete", complete, ["POST"]),
    ("/learn/<launch_id>/report", report, ["GET"]),
    ("/learn/<launch_id>/again", send_again, ["POST"]),
    ("/pick/<launch_id>", picker, ["GET"]),
    ("/pick/<launch_id>", pick, ["POST"]),
    ("/", home, ["GET"]),
    ("/launches/<launch_id>", admin_launch, ["GET"]),
    ("/launches/<launch_id>/again", admin_send_again, ["POST"]),
    ("/faults", show_faults, ["GET"]),
    ("/faults", set_faults, ["POST"]),
    ("/api/launches", api_launches, ["GET"]),
    ("/api/launches/<launch_id>", api_launch, ["GET"]),
    ("/api/launches/<launch_id>/complete", api_complete, ["POST"]),
    ("/api/launches/<launch_id>/retry", api_retry, ["POST"]),
    ("/healthz", healthz, ["GET"]),
)
