"""A person with a browser that runs no scripts: it keeps cookies, follows redirects and submits forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

SECONDS = 20

#: Fields that only the messages of LTI have: login initiation, authentication request and response, what was picked.
MESSAGE = frozenset({"login_hint", "id_token", "error", "redirect_uri", "JWT"})

#: Messages in a row before we give up: login, authentication, and a hop of each side's own are four.
HOPS = 6


class Lost(Exception):
    """The page is not the one that was expected; the message shows what it is."""


@dataclass
class Form:
    """One form of a page, with the values it came with."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    has_fields_to_fill: bool = False
    is_invisible: bool = False

    @property
    def posts_itself(self) -> bool:
        """Whether a script would submit it: a message of LTI in which a person has nothing to fill in.

        A page's other forms without visible fields (signing out, say) wait for their button.
        """
        is_message = self.method == "post" and not MESSAGE.isdisjoint(self.fields)
        return is_message and (self.is_invisible or not self.has_fields_to_fill)


@dataclass
class Link:
    """One link of a page and the text in it."""

    href: str
    text: str = ""


class Page(HTMLParser):
    """The forms and links of an HTML page."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[Link] = []
        self._url = response.url
        self._form: Form | None = None
        self._link: Link | None = None
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._url, given.get("action") or self._url)
            is_invisible = "display:none" in given.get("style", "").replace(" ", "")
            self._form = Form(action, given.get("method", "get").lower(), is_invisible=is_invisible)
            self.forms.append(self._form)
        elif tag == "a" and "href" in given:
            self._link = Link(urljoin(self._url, given["href"]))
            self.links.append(self._link)
        elif self._form is not None and tag in {"input", "textarea", "select"}:
            self._add_field(self._form, given)

    @staticmethod
    def _add_field(form: Form, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind not in {"hidden", "submit", "button"}:
            form.has_fields_to_fill = True
        if given.get("name") and (kind not in {"checkbox", "radio"} or "checked" in given):
            form.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._link.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "a":
            self._link = None


class Visitor(requests.Session):
    """The browser. `follow` does what its scripts would do: submit the forms that submit themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["Accept"] = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Like any request, with a limit of time."""
        kwargs.setdefault("timeout", SECONDS)
        return super().request(method, url, *args, **kwargs)

    def submit(self, page: requests.Response, ending: str = "", **fields: str) -> requests.Response:
        """Submit the page's first form whose address ends in ``ending``, with these fields filled in."""
        forms = [form for form in Page(page).forms if form.action.partition("?")[0].endswith(ending)]
        if not forms:
            raise Lost(f"{page.status_code} {page.url} has no form for {ending!r}:\n{page.text[:2000]}")
        return self.send_form(forms[0], **fields)

    def send_form(self, form: Form, /, **fields: str) -> requests.Response:
        """Submit a form."""
        values = form.fields | fields
        if form.method == "get":
            return self.get(form.action, params=values)
        return self.post(form.action, data=values)

    def open(self, page: requests.Response, text: str, within: str) -> requests.Response:
        """Follow the page's first link to somewhere ``within`` that has this text in it."""
        links = [link for link in Page(page).links if within in link.href and text in link.text]
        if not links:
            raise Lost(f"{page.status_code} {page.url} has no link {text!r}:\n{page.text[:2000]}")
        return self.get(links[0].href)

    def follow(self, page: requests.Response) -> requests.Response:
        """Submit what submits itself, until there is a page for a person."""
        for _ in range(HOPS):
            messages = [form for form in Page(page).forms if form.posts_itself]
            if not messages:
                return page
            page = self.send_form(messages[0])
        raise Lost(f"{page.url} goes on and on")
