"""One folder per test run, shared by the workers of pytest-xdist and removed at its end.

The process that the user started (xdist's controller, or pytest itself) owns it and names it by its own
process id, so that a later run finds and clears what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

PREFIX = "wkmb-tests-"

#: Memory that looks like a folder, and how much of it must be free. A database of PostgreSQL is 600 files, which each
#: test has made and removed again: here that takes hundredths of a second, on a disk up to a whole one.
MEMORY, ROOM = Path("/dev/shm"), 2 * 1024**3


@dataclass(frozen=True)
class SharedFolder:
    """A folder that all processes of one run see, with a lock to make something in it once."""

    path: Path
    worker: str
    owns: bool
    #: Called with the folder before it is removed, by the owner.
    closing: list[Callable[[Path], None]] = field(default_factory=list)

    @property
    def run(self) -> str:
        """A name for this run that no other run on this machine has now."""
        return self.path.name.removeprefix(PREFIX)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Only one process of this run is inside at a time."""
        with (self.path / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


SHARED = pytest.StashKey[SharedFolder]()


def _parent() -> Path:
    """Where folders of runs lie: in memory, where there is room for it and ``TMPDIR`` does not say otherwise."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        return MEMORY
    return Path(tempfile.gettempdir())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def abandoned() -> Iterator[Path]:
    """The folders of runs that ended without cleaning up."""
    for path in chain.from_iterable(parent.glob(f"{PREFIX}*") for parent in (MEMORY, Path(tempfile.gettempdir()))):
        pid = path.name.removeprefix(PREFIX)
        if pid.isdigit() and not _is_alive(int(pid)) and os.access(path, os.W_OK):
            yield path


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[SHARED] = SharedFolder(Path(given["wkmb_shared"]), str(given["workerid"]), owns=False)
        return
    path = _parent() / f"{PREFIX}{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o755)
    config.stash[SHARED] = SharedFolder(path, "main", owns=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["wkmb_shared"] = str(node.config.stash[SHARED].path)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(SHARED, None)
    if folder is None or not folder.owns:
        return
    for path in (folder.path, *abandoned()):
        for close in folder.closing:
            close(path)
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_folder(pytestconfig: pytest.Config) -> SharedFolder:
    """What the processes of this run share."""
    return pytestconfig.stash[SHARED]
