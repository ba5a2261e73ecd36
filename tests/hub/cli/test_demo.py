"""``wkmb demo``: what it says when it cannot start, and what a second start finds."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hub.demo import seed
from hub.runtime import Hub
from hub.systems import registry
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess


@pytest.mark.parametrize("taken", ["hub", "sandbox"])
def test_a_port_that_is_taken_is_one_line_that_names_the_way_out(tmp_path: Path, taken: str) -> None:
    hub = HubProcess(tmp_path, f"sqlite:///{tmp_path}/hub.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        busy = listener.getsockname()[1]
        ports = {"hub": free_port(), "sandbox": free_port()} | {taken: busy}

        options = ["--port", str(ports["hub"]), "--sandbox-port", str(ports["sandbox"])]
        done = hub.wkmb("demo", "--serve", *options, check=False)

    option = {"hub": "port=", "sandbox": "sandbox_port="}[taken]
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"Error: Port {busy} of 127.0.0.1 is taken. End what listens there, or ")
    assert f"make run {option}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_makes_nothing_again_and_follows_the_sandbox_to_its_new_port(hub: Hub) -> None:
    first = seed.seed(hub, "http://127.0.0.1:8090")
    again = seed.seed(hub, "http://127.0.0.1:8090")
    moved = seed.seed(hub, "http://127.0.0.1:9999")

    assert first == again == moved
    with hub.db.read() as conn:
        tool = registry.named_tool(conn, seed.PROVIDER)
        listed = hub.courses.current(conn).listed
    launched = {each.course.launch_url for each in listed if each.course.provider == seed.PROVIDER} - {""}
    assert tool.login_url == "http://127.0.0.1:9999/lti/login"
    assert launched == {"http://127.0.0.1:9999/lti/launch"}
