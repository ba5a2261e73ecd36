"""Login and launch as use cases: from the parameters of a request to a value that says what happened.

Read, check (no transaction is open while a key set is fetched), then one write: the login is consumed, the person
linked and signed in, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _

from hub.access import accounts
from hub.keysets import Jwk, KeySets, Source
from hub.lti import scores
from hub.lti.scopes import LINEITEM, SCORE
from hub.lti_tool import gradebooks, logins, members, messages, people, platforms, pylti
from hub.lti_tool.claims import Expected, LaunchRefused, shown
from hub.lti_tool.gradebooks import Place
from hub.lti_tool.logins import Login
from hub.lti_tool.messages import Launch
from hub.lti_tool.people import Known, Unknown
from hub.lti_tool.platforms import ACTIVE, DISABLED, PENDING, Platform
from hub.lti_tool.pylti import Awaited, Parameters
from hub.people import identity
from hub.statements import ingest

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Longer values of one parameter are refused: nobody's hint is that long, and it would be sent back.
LONGEST = 8 * 1024


@dataclass(frozen=True, slots=True)
class LoginBegun:
    """Where to send the browser."""

    url: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A launch that went through. ``token`` is a new session, if one was begun; ``is_signed_in``: there was one."""

    platform: Platform
    launch: Launch
    person: Known | Unknown
    token: str | None = None
    is_signed_in: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same launch again, from the same browser: its page was refreshed."""

    login: Login


Outcome: TypeAlias = Accepted | Repeated | LaunchRefused


# Login -----------------------------------------------------------------------------------------------------------


def begin_login(hub: Hub, given: Mapping[str, str], browser: str) -> LoginBegun | LaunchRefused:
    """Answer a platform that initiates a login (Security Framework 5.1.1.1): send the browser to it with our request.

    ``browser`` is what the browser's cookie holds, or will.
    """
    refused = _check_login(hub, given)
    if refused:
        return refused
    platform = _find_platform(hub, given)
    if isinstance(platform, LaunchRefused):
        return platform
    parameters = Parameters(given, is_https=hub.settings.is_https)
    begun = pylti.begin(parameters, platform, launch_url(hub), hub.random)
    if isinstance(begun, LaunchRefused):
        return begun
    with hub.db.write() as conn:
        logins.write(
            conn,
            hub,
            platform=platform.id,
            state=begun.state,
            nonce=begun.nonce,
            browser=browser,
            target_link_uri=given["target_link_uri"],
        )
    return LoginBegun(begun.url)


def launch_url(hub: Hub) -> str:
    """Where id_tokens are posted to: the hub's one redirect URI."""
    return f"{hub.base_url}/lti/tool/launch"


def _check_login(hub: Hub, given: Mapping[str, str]) -> LaunchRefused | None:
    for name in ("iss", "login_hint", "target_link_uri"):
        if not given.get(name):
            return LaunchRefused(name, _("The platform sent no %(name)s.", name=name))
    for name, value in given.items():
        if len(value) > LONGEST:
            # Not by the name that the sender chose: checks are counted by theirs.
            return LaunchRefused("parameter", _("%(name)s is too long.", name=name[:40]))
    if not is_ours(hub, given["target_link_uri"]):
        why = _("target_link_uri is %(value)s, which is no address of the hub.", value=shown(given["target_link_uri"]))
        return LaunchRefused("target_link_uri", why)
    return None


def is_ours(hub: Hub, url: str) -> bool:
    """Whether this is an address at the hub: same scheme, host and port, and no name in front of it."""
    try:
        parts, ours = urlsplit(url), urlsplit(hub.base_url)
    except ValueError:
        return False
    if any(c.isspace() or c == "\\" or not c.isprintable() for c in url):
        return False
    return (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)


def _find_platform(hub: Hub, given: Mapping[str, str]) -> Platform | LaunchRefused:
    with hub.db.read() as conn:
        found = platforms.of_issuer(conn, given["iss"])
        client_id, deployment_id = given.get("client_id"), given.get("lti_deployment_id")
        if not found:
            return LaunchRefused("iss", _("%(value)s is not registered here.", value=shown(given["iss"])))
        if client_id:
            found = tuple(each for each in found if each.client_id == client_id)
        # client_id is optional (LTI 1.3 Core 4.1.3), but where an issuer gave several the hub cannot guess.
        if len(found) != 1:
            why = _("client_id is %(value)s: no registration of this platform.", value=shown(client_id))
            return LaunchRefused("client_id", why)
        [platform] = found
        refused = _check_open(conn, platform, deployment_id)
    return refused or platform


def _check_open(conn: sa.Connection, platform: Platform, deployment_id: str | None) -> LaunchRefused | None:
    """Whether the platform, and the deployment if it is named, may launch."""
    if platform.disabled:
        return LaunchRefused("platform", _("%(name)s is switched off at the hub.", name=platform.name))
    if not deployment_id:
        return None
    known = {each.deployment_id: each.status for each in platforms.deployments_of(conn, platform.id)}
    return _check_deployment(platform, deployment_id, known.get(deployment_id))


def _check_deployment(platform: Platform, deployment_id: str, status: str | None) -> LaunchRefused | None:
    if status == ACTIVE:
        return None
    named = {"name": platform.name, "deployment": shown(deployment_id)}
    if status == DISABLED:
        return LaunchRefused("deployment", _("Deployment %(deployment)s of %(name)s is switched off.", **named))
    if status == PENDING:
        why = _("Deployment %(deployment)s of %(name)s waits for an administrator of the hub.", **named)
        return LaunchRefused("deployment", why)
    return LaunchRefused("deployment", _("Deployment %(deployment)s of %(name)s is not registered here.", **named))


# Launch ----------------------------------------------------------------------------------------------------------


def launch(
    hub: Hub,
    key_sets: KeySets[Jwk],
    given: Mapping[str, str],
    *,
    browser: str,
    find_session: Callable[[], accounts.Session | None],
) -> Outcome:
    """Take what the platform's page posted, with what the browser's cookies say of it."""
    if "error" in given:
        # OpenID Connect Core 3.1.2.6: the platform could not authenticate, login_required for instance.
        error = f"{given['error']}: {given.get('error_description', '')}"[:200]
        return LaunchRefused("platform_error", _("The platform answered: %(error)s", error=error))
    if not given.get("state"):
        return LaunchRefused("state", _("The launch has no state."))
    with hub.db.read() as conn:
        login = logins.find(conn, hub, given["state"])
        if login is None:
            return LaunchRefused("state", _("This launch was not begun at the hub, or too long ago."))
        # Told apart from the case above by nobody who does not know the state.
        if not logins.is_of_browser(hub, login, browser):
            return LaunchRefused("browser", _("This launch was begun in another browser, or cookies are blocked."))
        platform = platforms.get(conn, login.platform)
        deployed = {each.deployment_id: each.status for each in platforms.deployments_of(conn, platform.id)}
    if login.consumed_at is not None:
        return _repeat(hub, login, given)
    if platform.disabled:
        return LaunchRefused("platform", _("%(name)s is switched off at the hub.", name=platform.name))
    found = _read(hub, key_sets, given, login, platform)
    if isinstance(found, LaunchRefused):
        return _refuse(hub, platform, found)
    status = deployed.get(found.deployment_id)
    if status != ACTIVE:
        return _refuse_deployment(hub, platform, found.deployment_id, status)
    session = find_session()
    return hub.db.run(lambda conn: _accept(conn, hub, login, platform, found, given["id_token"], session))


def _repeat(hub: Hub, login: Login, given: Mapping[str, str]) -> Repeated | LaunchRefused:
    """The token is not looked at again: what was decided stays decided."""
    if login.token == logins.digest_token(hub, given.get("id_token", "")):
        return Repeated(login)
    return LaunchRefused("state", _("This launch has been used."))


def _read(
    hub: Hub, key_sets: KeySets[Jwk], given: Mapping[str, str], login: Login, platform: Platform
) -> Launch | LaunchRefused:
    expected = Expected(
        platform.issuer, platform.client_id, login.target_link_uri, platform.internal, hub.clock()
    )  # fmt: skip
    awaited = Awaited(given["state"], login.nonce, lambda nonce: logins.digest_nonce(hub, nonce))
    found = pylti.receive(
        Parameters(given, is_https=hub.settings.is_https),
        platform,
        awaited,
        expected,
        hub.new_session(internal=platform.internal),
        lambda kid: key_sets.find(hub, Source(platform.jwks_url, platform.internal, platform.name), kid),
    )
    if isinstance(found, LaunchRefused):
        return found
    return messages.read(found, client_id=platform.client_id, is_internal=platform.internal)


def _accept(
    conn: sa.Connection,
    hub: Hub,
    login: Login,
    platform: Platform,
    found: Launch,
    id_token: str,
    session: accounts.Session | None,
) -> Accepted | LaunchRefused:
    if not logins.consume(conn, hub, login, id_token, found):
        return LaunchRefused("state", _("This launch has been used."))
    members.note(conn, hub, platform, found)
    if found.is_deep_linking:
        # Whoever makes a link for others needs no account here, and is nobody's learner for it.
        return Accepted(platform, found, Unknown(other=False))
    person = people.recognize(conn, hub, found, session)
    if isinstance(person, Unknown):
        return Accepted(platform, found, person)
    settle(conn, hub, login, platform, found, person.learner)
    is_signed_in = session is not None and session.learner == person.learner
    token = None if is_signed_in else people.begin_session(conn, hub, person.learner)
    return Accepted(platform, found, person, token, is_signed_in)


def settle(conn: sa.Connection, hub: Hub, login: Login, platform: Platform, found: Launch, learner: UUID) -> None:
    """It is known whose launch this is: note her, and where the score of her course goes, too."""
    logins.set_learner(conn, login, learner)
    place = _gradebook(platform, found)
    if place is not None and found.course is not None:
        standing = scores.standing(conn, hub, learner, found.course)
        if gradebooks.note(conn, hub, learner, found.course, place, standing) and standing is None:
            # What the provider has reported by xAPI is for the worker to weigh (`reported`).
            ingest.wake(conn, identity.one_actor_each(conn, [learner]), now=hub.clock(), new_id=hub.new_id)


def _gradebook(platform: Platform, found: Launch) -> Place | None:
    """Where the platform wants scores of this launch; teachers get none."""
    grades, link = found.grades, found.resource_link_id
    if grades is None or link is None or found.is_teacher or SCORE not in grades.scopes:
        return None
    lineitems = grades.lineitems if LINEITEM in grades.scopes else None
    if grades.lineitem is None and lineitems is None:
        return None
    return Place(platform.id, found.deployment_id, link, found.sub, grades.lineitem, lineitems)


def _refuse(hub: Hub, platform: Platform, refused: LaunchRefused) -> LaunchRefused:
    with hub.db.write() as conn:
        platforms.note_refusal(conn, hub, platform.id, refused.check, refused.why)
    return refused


def _refuse_deployment(hub: Hub, platform: Platform, deployment_id: str, status: str | None) -> LaunchRefused:
    """A deployment that the platform itself has named, under its signature, is kept for an administrator."""
    with hub.db.write() as conn:
        if status is None and platforms.note_deployment(conn, hub, platform, deployment_id):
            status = PENDING
        refused = _check_deployment(platform, deployment_id, status)
        assert refused is not None  # noqa: S101  # it is not active
        platforms.note_refusal(conn, hub, platform.id, refused.check, refused.why)
    return refused
