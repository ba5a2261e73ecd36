"""Carry out the Dockerfile without a container engine: ``make rehearsal``.

Each instruction is done in a folder that stands for the image's file system: COPY from a clean export of the last
commit, RUN as it is written (with the folder before each absolute path), then ENTRYPOINT and CMD as a user without
rights, and HEALTHCHECK against it. Not shown by this: the base image, and `useradd` (which would change this machine).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PORT = "8080"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, with its continuation lines joined."""

    name: str
    text: str
    stage: int

    @property
    def words(self) -> list[str]:
        """The arguments, of the JSON form or of the shell form."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


def instructions(text: str) -> Iterator[Instruction]:
    """What the Dockerfile says, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stage = 0
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        stage += name == "FROM"
        yield Instruction(name, rest.strip(), stage)


def health_command(text: str) -> list[str]:
    """What HEALTHCHECK runs."""
    (check,) = [instruction for instruction in instructions(text) if instruction.name == "HEALTHCHECK"]
    return list(json.loads(check.text[check.text.index("[") :]))


class Rehearsal:
    """The file system of the image under ``root``, filled instruction by instruction."""

    def __init__(self, root: Path, context: Path) -> None:
        self.root = root
        self.context = context
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WKMB_")}
        self.environment["PATH"] = f"{self._python_folder()}:{self.environment['PATH']}"
        self.folder = root
        self.last: dict[str, list[str]] = {}

    def carry_out(self, instruction: Instruction) -> None:
        """Do one instruction; an unknown one ends the rehearsal, so that it cannot quietly show less."""
        print(f"{instruction.name} {instruction.text}", flush=True)
        getattr(self, f"_{instruction.name.lower()}")(instruction)

    def _from(self, _: Instruction) -> None:
        self.folder = self.root

    def _workdir(self, instruction: Instruction) -> None:
        self.folder = self._inside(instruction.text)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _run(self, instruction: Instruction) -> None:
        if instruction.text.startswith("useradd "):
            print("  (not done here: it would add a user to this machine)")
            return
        command = re.sub(r"(?<![\w.])/(opt|dist|src|var/lib/wkmb)\b", rf"{self.root}/\1", instruction.text)
        subprocess.run(["sh", "-ec", command], cwd=self.folder, env=self.environment, check=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = [word for word in instruction.words if not word.startswith("--")]
        if "--from=" in instruction.text:
            # Both stages lie in one folder here, so that the environment's own paths stay true.
            if sources != [target] or not self._inside(target).is_dir():
                raise SystemExit(f"COPY from another stage to another place is not rehearsed: {instruction.text}")
            return
        for source in sources:
            origin, place = self.context / source, self.folder / target
            if origin.is_dir():
                shutil.copytree(origin, place, dirs_exist_ok=True)
            else:
                place = place / origin.name if target.endswith("/") else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(origin, place)

    def _env(self, instruction: Instruction) -> None:
        for word in instruction.words:
            name, _, value = word.partition("=")
            value = re.sub(r"(?<![\w.])/(opt|var/lib/wkmb)\b", rf"{self.root}/\1", value)
            self.environment[name] = value.replace("$PATH", self.environment["PATH"])

    def _entrypoint(self, instruction: Instruction) -> None:
        self.last[instruction.name] = instruction.words

    _cmd = _entrypoint

    def _user(self, instruction: Instruction) -> None:
        if instruction.text in {"root", "0"}:
            raise SystemExit("the image would run as root")

    def _volume(self, _: Instruction) -> None:
        """A volume is the folder itself here."""

    _expose = _stopsignal = _healthcheck = _volume

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _python_folder(self) -> Path:
        """A folder whose ``python`` is one that other users may run too, as the base image's is."""
        folder = self.root / "usr/local/bin"
        folder.mkdir(parents=True)
        found = Path(sys.executable).resolve()
        system = Path("/usr/bin/python3")
        (folder / "python").symlink_to(system if found.is_relative_to("/root") and system.exists() else found)
        return folder


def free_port() -> str:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def serve(rehearsal: Rehearsal, check: list[str]) -> None:
    """Start the image's command as a user without rights, ask after its health, and end it."""
    home = Path(rehearsal.environment["WKMB_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        os.chown(home, 10001, 10001)
        user = {"user": 10001, "group": 10001, "extra_groups": []}
    options: dict[str, Any] = {"cwd": home, "env": rehearsal.environment, **user}
    program = shutil.which(rehearsal.last["ENTRYPOINT"][0], path=rehearsal.environment["PATH"])
    if program is None:
        raise SystemExit("the image's entry point is not in it")
    subprocess.run([program, "db", "upgrade"], check=True, **options)
    port = free_port()
    command = [program, *(port if word == PORT else word for word in rehearsal.last["CMD"])]
    health = [word.replace(f":{PORT}/", f":{port}/") for word in check]
    health[0] = shutil.which(health[0], path=rehearsal.environment["PATH"]) or health[0]
    if subprocess.run(health, stderr=subprocess.DEVNULL, **options).returncode == 0:
        raise SystemExit("the health check passes although nothing runs")
    print(f"start {' '.join(command)}", flush=True)
    server = subprocess.Popen(command, **options)
    try:
        wait_healthy(server, health, options)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(15)
    print(f"healthy; ended with {code} on SIGTERM", flush=True)


def wait_healthy(server: subprocess.Popen[bytes], health: list[str], options: dict[str, Any]) -> None:
    """Return once the health check passes; the image has 30 seconds."""
    for _ in range(60):
        if subprocess.run(health, stderr=subprocess.DEVNULL, **options).returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.5)
    raise SystemExit("the image's command did not become healthy")


def main() -> None:
    """Carry out every instruction, then serve."""
    with tempfile.TemporaryDirectory(prefix="wkmb-image-") as folder:
        Path(folder).chmod(0o755)
        context = Path(folder) / "context"
        subprocess.run(["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), str(context)], check=True)
        root = Path(folder) / "root"
        root.mkdir()
        text = (context / "Dockerfile").read_text()
        rehearsal = Rehearsal(root, context)
        for instruction in instructions(text):
            rehearsal.carry_out(instruction)
        serve(rehearsal, health_command(text))


if __name__ == "__main__":
    main()
