"""A hub with an employee, a course and a provider, made with the commands that an operator would type.

They run in the test's own process; `tests/integration/test_serve.py` shows that they do in processes of their own.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from hub.demo.visitor import Page, Visitor
from wkmbtest.processes import HubProcess

NIP = "198503152010012004"
NAME = "Siti Rahayu"
PASSWORD = "kata sandi yang panjang 7"
KEY, SECRET = "sistem-uji", "rahasia-sistem-uji-0123456789"


@dataclass(frozen=True)
class Course:
    """A course of the catalogue, as the import file has it."""

    id: str
    title: str
    launch_url: str
    requires: str = "completed;score"
    min_score: str = "0.7"
    programme_jp: str = "4.5"
    custom: str = ""

    def row(self, provider: str) -> dict[str, str]:
        return {
            "id": self.id,
            "aliases": "",
            "provider": provider,
            "title_id": self.title,
            "title_en": self.title,
            "form": "NKL04",
            "scope": "national",
            "programme_jp": self.programme_jp,
            "requires": self.requires,
            "min_score": self.min_score,
            "repeat": "once",
            "launch_url": self.launch_url,
            "custom": self.custom,
        }


@dataclass(frozen=True)
class PreparedHub:
    """A running hub, and what one does with it from outside."""

    process: HubProcess
    in_processes: bool = False
    #: The employee that it is about, and the account that she signs in with.
    nip: str = NIP
    username: str = "siti"

    def type(self, *arguments: str, stdin: str = "") -> str:
        """Type a command at this hub; gives what it printed."""
        if self.in_processes:
            return self.process.wkmb(*arguments, stdin=stdin).stdout
        return self.process.prepare(*arguments, stdin=stdin)

    @property
    def url(self) -> str:
        return self.process.url

    def add_learner(self) -> None:
        """An employee who can sign in, and a credential of another system that may read."""
        self._add_employee()
        self.type("credential", "add", KEY, "--key", KEY, "--secret", SECRET, "--scope", "api/read")

    def with_another_learner(self, number: int) -> PreparedHub:
        """The same hub and one more employee, of whom it knows nothing yet: what was done before is not about her."""
        hub = replace(self, nip=f"{NIP[:15]}{number:03}", username=f"siti-{number}")
        hub._add_employee()
        return hub

    def _add_employee(self) -> None:
        learner = {"nip": self.nip, "name": NAME, "email": f"{self.username}@contoh.example", "status": "PNS"}
        learner |= {"employer": "Kementerian Contoh", "unit": "Biro Contoh"}
        self.import_file("learner", learner)
        account = ["--role", "learner", "--nip", self.nip, "--password-stdin"]
        self.type("user", "add", self.username, *account, stdin=PASSWORD + "\n")

    def add_tool(self, name: str, *options: str) -> dict[str, Any]:
        """Register a tool; gives what the other side needs."""
        answer = json.loads(self.type("tool", "add", name, "--internal", "--names", *options, "--json"))
        assert isinstance(answer, dict)
        return answer

    def add_course(self, provider: str, course: Course) -> None:
        """Import one course of that provider."""
        self.import_file("course", course.row(provider))

    def import_file(self, what: str, row: dict[str, str]) -> None:
        """Import one row: of a ``learner`` or a ``course``, or a link of an ``identity``."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row))
        writer.writeheader()
        writer.writerow(row)
        path = self.process.home / f"{what}.csv"
        path.write_text(text.getvalue(), "utf-8")
        self.type(what, "link" if what == "identity" else "import", str(path))

    def sign_in(self, visitor: Visitor) -> requests.Response:
        """Sign the employee in through the form."""
        return visitor.submit(visitor.get(f"{self.url}/login"), "/login", username=self.username, password=PASSWORD)

    def launch(self, visitor: Visitor, title: str) -> requests.Response:
        """Find the course in the catalogue, open it and start it; gives the provider's first page."""
        catalogue = visitor.get(f"{self.url}/courses")
        links = [link for link in Page(catalogue).links if "/courses/" in link.href and title in link.text]
        assert links, f"{title} is not in the catalogue:\n{catalogue.text[:3000]}"
        return visitor.follow(visitor.submit(visitor.get(links[0].href), "/launch"))

    def sign_in_admin(self, visitor: Visitor) -> None:
        """Make an administrator and sign her in."""
        self.type("user", "add", "admin", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n")
        visitor.submit(visitor.get(f"{self.url}/login"), "/login", username="admin", password=PASSWORD)

    def invite(self, visitor: Visitor, name: str, registration_url: str) -> None:
        """As an administrator, have a tool register itself (LTI Dynamic Registration), look at it, and let it in."""
        form = visitor.get(f"{self.url}/admin/add/lti/invite")
        told = {"name": name, "url": registration_url, "deployments": "default", "names": "1", "internal": "1"}
        invited = visitor.submit(form, "/invite", **told)
        [address] = {link.href for link in Page(invited).links if "registration_token=" in link.href}
        done = visitor.get(address)
        assert done.status_code == 200, done.text[:3000]
        # It is there, and switched off: its button says so.
        visitor.submit(visitor.get(f"{self.url}/admin/systems/{name}"), f"/tools/{name}/enable")

    def pick(self, visitor: Visitor, tool: str) -> None:
        """As the administrator who is signed in, open the tool's picker from the page of its first deployment, and take
        what it gives."""
        system = visitor.get(f"{self.url}/admin/systems/{tool}")
        [deployment] = [link.href for link in Page(system).links if "/deployments/" in link.href]
        picked = visitor.follow(visitor.submit(visitor.get(deployment), "/pick"))
        assert picked.url == f"{self.url}/lti/platform/deep-link", f"{picked.url}: {picked.text[:3000]}"
        assert picked.status_code == 200, picked.text[:3000]

    def confirm_draft(self, visitor: Visitor, title: str, **cells: str) -> None:
        """Say what a picked course is worth, so that it is in the catalogue."""
        waiting = visitor.get(f"{self.url}/admin/courses/drafts")
        [draft] = {link.href for link in Page(waiting).links if title in link.text}
        given = {"scope": "national", "repeat": "once"} | cells
        done = visitor.submit(visitor.get(draft), f"/drafts/{draft.rpartition('/')[2]}", **given)
        assert done.url.endswith("/admin/courses/drafts"), done.text[:3000]

    def ask(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """What the API tells another system."""
        answer = requests.get(f"{self.url}/api/v1{path}", parameters, auth=(KEY, SECRET), timeout=30)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found

    def jp(self, **parameters: int) -> dict[str, Any]:
        """What it is told about the employee's hours, of this year or of another ``year``."""
        return self.ask(f"/learners/{self.nip}/jp", **parameters)

    def jp_when(
        self, holds: Callable[[dict[str, Any]], bool], seconds: float = 60, **parameters: int
    ) -> dict[str, Any]:
        """The same as soon as ``holds`` is true of it; the last answer fails the test when the time is over."""
        end = time.monotonic() + seconds
        while not holds(found := self.jp(**parameters)):
            assert time.monotonic() < end, json.dumps(found, indent=1)
            time.sleep(0.05)
        return found


def standing(year: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a year that were not taken back.

    What comes later about the same completion may replace an entry: the score of it, then its statements.
    """
    taken_back = {entry["reverses"] for entry in year["entries"]}
    return [entry for entry in year["entries"] if entry["reverses"] is None and entry["id"] not in taken_back]


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a provider."""
    process.terminate()
    process.wait(60)


def say(log: Path) -> str:
    """What a provider has written so far."""
    return log.read_text(errors="replace")[-4000:]
