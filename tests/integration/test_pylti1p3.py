"""A tool that follows PyLTI1p3's own example, with none of the care that ours adds, is launched by the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browsertest import sign_in
from hub.demo.visitor import Visitor
from wkmbpeers.prepared import NAME, PASSWORD, Course, PreparedHub, stop
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, wait_until

TOOL = Path(__file__).parents[1] / "peers" / "pylti1p3" / "tool.py"
TITLE = "Analisis Kebijakan"
CUSTOM = "https://purl.imsglobal.org/spec/lti/claim/custom"


@dataclass(frozen=True)
class PlainTool:
    """The running tool, registered at a hub that has one course of it."""

    hub: PreparedHub
    url: str

    def launch(self, visitor: Visitor) -> dict[str, Any]:
        self.hub.sign_in(visitor)
        page = self.hub.launch(visitor, TITLE)
        assert page.status_code == 200, page.text[:3000]
        assert page.url == f"{self.url}/launch", f"{page.url}: {page.text[:3000]}"
        found = page.json()
        assert isinstance(found, dict)
        return found


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as one:
        yield one


@pytest.fixture
def start_tool(hub_process: HubProcess, tmp_path: Path) -> Iterator[Callable[..., PlainTool]]:
    """Start the tool and register it under a name of this machine: to browsers another name is another site."""
    hub, port = PreparedHub(hub_process), free_port()
    platform, log = tmp_path / "platform.json", tmp_path / "tool.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(TOOL)],
            env=os.environ | {"PORT": str(port), "PLATFORM": str(platform), "KEY": str(tmp_path / "key.pem")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start(host: str = "127.0.0.1", *options: str) -> PlainTool:
        url = f"http://{host}:{port}"
        wait_until(lambda: answers(port, "/jwks"), what="the tool", process=process, log=log)
        hub.add_learner()
        addresses = ["--login-url", f"{url}/login", "--redirect-uri", f"{url}/launch"]
        addresses += ["--target-link-uri", f"{url}/launch", "--jwks-url", f"{url}/jwks"]
        addresses += ["--deep-linking-url", f"{url}/launch", *options]
        platform.write_text(json.dumps(hub.add_tool("pylti1p3", *addresses)), "utf-8")
        hub.add_course("pylti1p3", Course("https://vendor.contoh.example/analisis", TITLE, f"{url}/launch"))
        return PlainTool(hub, url)

    try:
        yield start
    finally:
        stop(process)


@pytest.fixture
def tool(start_tool: Callable[..., PlainTool]) -> PlainTool:
    return start_tool()


def test_it_reads_the_members_finds_its_line_item_and_its_score_becomes_jp(tool: PlainTool, visitor: Visitor):
    """Launch, Names and Roles, Assignment and Grade Services, each through the library's own classes."""
    launch = tool.launch(visitor)
    assert launch["name"] == NAME

    members = visitor.get(f"{tool.url}/members/{launch['launch']}")
    assert members.status_code == 200, members.text
    assert [(one["name"], one["user_id"]) for one in members.json()["members"]] == [(NAME, launch["sub"])]

    first, second = (visitor.post(f"{tool.url}/own-line-item/{launch['launch']}") for _ in range(2))
    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert first.json()["label"] == "Tugas"

    finished = visitor.post(f"{tool.url}/finish/{launch['launch']}", data={"score": "90"})
    assert finished.status_code == 200, finished.text
    assert [one["resultScore"] for one in finished.json()["results"]] == [90]
    assert tool.hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5


def test_its_courses_are_picked_and_confirmed(tool: PlainTool, visitor: Visitor):
    """Deep linking: its answer, made by the library, lands as a draft and becomes a course that is launched."""
    tool.hub.sign_in_admin(visitor)
    tool.hub.pick(visitor, "pylti1p3")

    tool.hub.confirm_draft(visitor, "Kursus PyLTI1p3", form="NKL04", programme_jp="3", requires="completed")

    visitor.cookies.clear()
    tool.hub.sign_in(visitor)
    page = tool.hub.launch(visitor, "Kursus PyLTI1p3")
    assert page.url == f"{tool.url}/launch", page.text[:3000]
    assert page.json()["claims"][CUSTOM]["course"] == "pylti1p3-1"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_browser_opens_its_course_in_a_frame_or_in_the_whole_window(
    start_tool: Callable[..., PlainTool], browser: Browser, host: str
):
    """In a frame of the same site the launch goes through. In one across sites the tool's cookies are kept back, and it
    fails; the button of the hub's page opens the course in the whole window then. Both times data can be kept."""
    tool = start_tool(host, "--framed")
    context = browser.new_context(locale="id-ID")
    page = context.new_page()
    sign_in(page, tool.hub.url, "siti", PASSWORD)
    page.goto(f"{tool.hub.url}/courses")
    page.get_by_role("link", name=TITLE).first.click()
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    page.locator("form[action$='/launch'] button").first.click()

    frame = page.frame_locator("iframe[name=course]").locator("body")
    expect(frame).to_contain_text('"launch"' if host == "127.0.0.1" else '"error"')
    inside = page.frame(name="course")
    assert inside is not None
    kept = inside.evaluate(STORAGE, tool.hub.url)
    page.locator("form[action$='/launch'] button").click()
    page.wait_for_url(f"{tool.url}/launch")

    expect(page.locator("body")).to_contain_text('"launch"')
    assert kept == ["lti.put_data", "v1", None, "bad_request"]
    context.close()


#: What a tool asks of the page around it: what it can, to keep a value and give it back, one that is not there, no key.
STORAGE = """async (hub) => {
  const ask = (said) => new Promise((done) => {
    const message_id = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
    const heard = (event) => {
      if (event.origin !== hub || event.data.message_id !== message_id) return;
      window.removeEventListener("message", heard);
      done(event.data);
    };
    window.addEventListener("message", heard);
    window.parent.postMessage({ ...said, message_id }, hub);
  });
  const can = await ask({ subject: "lti.capabilities" });
  await ask({ subject: "lti.put_data", key: "state-1", value: "v1" });
  const there = await ask({ subject: "lti.get_data", key: "state-1" });
  const none = await ask({ subject: "lti.get_data", key: "state-2" });
  const wrong = await ask({ subject: "lti.put_data", value: "v" });
  return [can.supported_messages.map((each) => each.subject)[1], there.value, none.value, wrong.error.code];
}"""
