"""A throw-away PostgreSQL cluster: made from the binaries that are found, listening on loopback only.

PostgreSQL refuses to run as root, so a run by root hands the cluster to an unprivileged user. Nothing of it
is worth a disk flush, since it is deleted at the end, unless durability itself is measured.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NEEDED = ("initdb", "postgres", "pg_ctl")


class ClusterFailed(RuntimeError):
    """The cluster did not start; the message ends in what PostgreSQL said."""


def find_binaries() -> Path | None:
    """The folder with the server's programs: on the PATH, else Debian's newest version."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in NEEDED):
            return folder
    return None


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    """A cluster in ``folder``. Another process of the same run may have started it.

    A ``durable`` one has PostgreSQL's own settings: what was committed is on disk, vacuum runs.
    """

    folder: Path
    binaries: Path
    durable: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> str:
        """Make the cluster, where there is none, and start it; gives its address as a URL without a database."""
        if not self.data.exists():
            self._make()
        for attempt in range(3):
            port = free_port()
            try:
                self._call("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.folder / "log"),
                           "-o", _settings(port, durable=self.durable), "start")  # fmt: skip
            except ClusterFailed:
                if attempt == 2:
                    raise
            else:
                return f"postgresql://wkmb@127.0.0.1:{port}"
        raise AssertionError("the last attempt returns or raises")

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700)
        account = _unprivileged()
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        options = ["-U", "wkmb", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._call("initdb", "-D", str(self.data), *options)

    def _call(self, program: str, *arguments: str) -> None:
        account = _unprivileged()
        identity: dict[str, Any] = {}
        if account is not None:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        # A file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
        with (self.folder / "output").open("ab") as output:
            done = subprocess.run(
                [self.binaries / program, *arguments],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **identity,
            )
        if done.returncode != 0:
            said = "".join(path.read_text(errors="replace") for path in self.folder.glob("[ol]*") if path.is_file())
            raise ClusterFailed(f"{program} ended with {done.returncode}: {said[-2000:]}")


def stop(folder: Path) -> None:
    """End the server whose cluster is in ``folder``, if there is one, at once: its data are deleted next."""
    data = folder / "data"
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return
    if not _serves(pid, data):
        return
    os.kill(pid, signal.SIGQUIT)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


def _serves(pid: int, data: Path) -> bool:
    """Whether process ``pid`` is the server of ``data``, and not a later process with a number used again."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == data.resolve() if Path("/proc/self").exists() else True
    except PermissionError:
        return False


def _settings(port: int, *, durable: bool) -> str:
    values: dict[str, Any] = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": 300,
        "jit": "off",
        "dynamic_shared_memory_type": "mmap",
        "timezone": "UTC",
    }
    if not durable:
        values |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")
        # The cluster may lie in memory: the log of what was is not kept longer than it must be.
        values |= {"max_wal_size": "256MB", "wal_level": "minimal", "max_wal_senders": 0}
    return " ".join(f"-c {name}='{value}'" for name, value in values.items())


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server: nobody in particular, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ClusterFailed("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
