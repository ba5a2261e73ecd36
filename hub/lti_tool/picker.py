"""``/lti/tool/select``: the page on which a teacher of an LMS picks what to link, and the form that takes it back.

She needs no account here: the platform has said who she is, and her browser is the one that began the login. The
state is what the page's form is protected by; it is known to this browser alone.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import flask
from flask_babel import gettext as _

from hub import headers
from hub.learning.catalogue import Listed
from hub.lti import keys
from hub.lti.keys import SigningKeys
from hub.lti_tool import deep_linking, frames, logins, platforms
from hub.lti_tool.claims import LaunchRefused
from hub.lti_tool.deep_linking import Item
from hub.lti_tool.messages import Launch, Selection
from hub.lti_tool.pages import browser, read_parameters, refused
from hub.lti_tool.platforms import Platform
from hub.runtime import Hub, current
from hub.web import texts

#: The most that one page shows; the search finds the others.
MOST = 100

#: The most that one response holds.
MOST_CHOSEN = 50

JP_PAGE = "jp"


@dataclass(frozen=True, slots=True)
class _Choice:
    """A deep linking request that is under way in this browser."""

    platform: Platform
    launch: Launch
    selection: Selection


class Picker:
    """The views; one object per application, because it keeps opened keys."""

    def __init__(self, signing_keys: SigningKeys) -> None:
        self._keys = signing_keys

    def show(self) -> flask.typing.ResponseReturnValue:
        """The courses, those that the search finds."""
        hub, state = current(), flask.request.args.get("state", "")
        choice = _find(hub, state)
        if isinstance(choice, LaunchRefused):
            return refused("select", choice)
        text = flask.request.args.get("q", "")[:100]
        with hub.db.read() as conn:
            listed = hub.courses.current(conn).listed
        found = [each for each in listed if _is_like(each, text)]
        frames.allow(choice.platform)
        headers.allow_form_action(choice.selection.return_url)
        return flask.render_template(
            "lti_tool/select.html",
            choice=choice,
            state=state,
            text=text,
            found=found[:MOST],
            is_more=len(found) > MOST,
            takes_anything=deep_linking.takes(choice.selection),
            jp_page=JP_PAGE,
            texts=texts,
        )

    def answer(self) -> flask.typing.ResponseReturnValue:
        """Take what was chosen back to the platform; nothing chosen is an answer too (D06: cancelled)."""
        hub, given = current(), read_parameters(repeatable="item")
        choice = _find(hub, given.get("state", ""))
        if isinstance(choice, LaunchRefused):
            return refused("select", choice)
        items = self._items(hub, given.getlist("item"), choice.selection)
        said = deep_linking.response_claims(
            [deep_linking.content_item(item, choice.selection, hub.base_url) for item in items],
            choice.selection,
            issuer=choice.launch.issuer,
            client_id=choice.launch.client_id,
            deployment_id=choice.launch.deployment_id,
            nonce=base64.urlsafe_b64encode(hub.random(24)).decode(),
            now=hub.clock(),
            message=_("Nothing was chosen.") if not items else "",
        )
        token = self._keys.sign(hub, keys.ensure(hub), said)
        frames.allow(choice.platform)
        headers.allow_form_action(choice.selection.return_url)
        return flask.render_template(
            "lti_tool/return.html", action=choice.selection.return_url, token=token, platform=choice.platform
        )

    @staticmethod
    def _items(hub: Hub, chosen: Sequence[str], selection: Selection) -> list[Item]:
        """What was chosen and is there; one where the platform takes no more (section 4.4.1 ``accept_multiple``)."""
        with hub.db.read() as conn:
            by_id = hub.courses.current(conn).by_id
        items = []
        for each in dict.fromkeys(chosen):
            if each == JP_PAGE:
                items.append(Item(_("My JP"), _("How many hours (JP) you have this year, and what is still missing.")))
            elif each.isascii() and each.isdigit() and len(each) < 10 and (listed := by_id.get(int(each))):
                items.append(Item(texts.course_title(listed.course), listed.institution, listed))
        return items[: MOST_CHOSEN if selection.accept_multiple else 1]


def _find(hub: Hub, state: str) -> _Choice | LaunchRefused:
    with hub.db.read() as conn:
        login = logins.find(conn, hub, state) if state else None
        launch = None if login is None else login.launch
        if login is None or launch is None or launch.selection is None:
            return LaunchRefused("state", _("This choice is over. Begin it again on your learning platform."))
        if not logins.is_of_browser(hub, login, browser()):
            return LaunchRefused("browser", _("This launch was begun in another browser, or cookies are blocked."))
        platform = platforms.get(conn, login.platform)
    if platform.disabled:
        return LaunchRefused("platform", _("%(name)s is switched off at the hub.", name=platform.name))
    return _Choice(platform, launch, launch.selection)


def _is_like(listed: Listed, text: str) -> bool:
    course = listed.course
    all_of_it = f"{course.title('id')} {course.title('en')} {course.provider} {listed.institution}".casefold()
    return all(word in all_of_it for word in text.casefold().split())
