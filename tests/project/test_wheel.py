"""The wheel holds what the hub needs to run: not only modules."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("connectors", "hub", "lrs", "mappings")
PARTS = (*PACKAGES, "scripts", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel made from a copy of the work tree, by the backend that pip would call, without pip's own network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
        else:
            shutil.copy(ROOT / name, source)
    command = f"import build_backend; build_backend.build_wheel({str(target)!r})"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=source, env={"PYTHONPATH": "scripts"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def shipped_files() -> set[str]:
    """Every file of the four packages that the repository holds, or would hold at the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return {name for name in listed if name and (ROOT / name).exists()}


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    # Catalogues of messages travel compiled; what they were compiled from may stay behind.
    needed = {name for name in shipped_files() if not name.endswith((".po", ".pot", ".md"))}

    assert needed - set(wheel.namelist()) == set()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}

    assert {root for root in roots if not root.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_compiled_translations(wheel: zipfile.ZipFile) -> None:
    catalogues = {name.removesuffix(".po") for name in shipped_files() if name.endswith(".po")}

    assert {f"{name}.mo" for name in catalogues} <= set(wheel.namelist())
