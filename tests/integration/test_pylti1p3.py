"""A tool that follows PyLTI1p3's own example, with none of the care that ours adds, is launched by the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.demo.visitor import Visitor
from wkmbpeers.prepared import NAME, Course, PreparedHub, stop
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, wait_until

TOOL = Path(__file__).parents[1] / "peers" / "pylti1p3" / "tool.py"
TITLE = "Analisis Kebijakan"


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
def tool(hub_process: HubProcess, tmp_path: Path) -> Iterator[PlainTool]:
    hub = PreparedHub(hub_process)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
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
    try:
        wait_until(lambda: answers(port, "/jwks"), what="the tool", process=process, log=log)
        hub.add_learner()
        addresses = ["--login-url", f"{url}/login", "--redirect-uri", f"{url}/launch"]
        addresses += ["--target-link-uri", f"{url}/launch", "--jwks-url", f"{url}/jwks"]
        platform.write_text(json.dumps(hub.add_tool("pylti1p3", *addresses)), "utf-8")
        hub.add_course("pylti1p3", Course("https://vendor.contoh.example/analisis", TITLE, f"{url}/launch"))
        yield PlainTool(hub, url)
    finally:
        stop(process)


def test_its_score_becomes_jp(tool: PlainTool, visitor: Visitor):
    launch = tool.launch(visitor)

    finished = visitor.post(f"{tool.url}/finish/{launch['launch']}", data={"score": "90"})

    assert launch["name"] == NAME
    assert finished.status_code == 200, finished.text
    assert [one["resultScore"] for one in finished.json()["results"]] == [90]
    assert tool.hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5


def test_it_finds_or_makes_its_own_line_item(tool: PlainTool, visitor: Visitor):
    launch = tool.launch(visitor)

    first, second = (visitor.post(f"{tool.url}/own-line-item/{launch['launch']}") for _ in range(2))

    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert first.json()["label"] == "Tugas"


def test_it_reads_the_members(tool: PlainTool, visitor: Visitor):
    launch = tool.launch(visitor)

    members = visitor.get(f"{tool.url}/members/{launch['launch']}")

    assert members.status_code == 200, members.text
    assert [(one["name"], one["user_id"]) for one in members.json()["members"]] == [(NAME, launch["sub"])]
