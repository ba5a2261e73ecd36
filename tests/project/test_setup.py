"""``make setup`` on a bare machine, and the locks that it installs from."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def locked(name: str) -> dict[str, Requirement]:
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = [line.split(" --hash")[0] for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(entry.name): entry for entry in map(Requirement, lines)}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_exact_versions_with_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    entries = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))

    assert "://" not in text
    assert "index" not in text
    for entry in filter(None, entries):
        assert re.match(r"[\w.-]+(\[\w+\])?==[\w.]+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_what_the_project_asks_for_is_in_the_runtime_lock() -> None:
    lock = locked("runtime.txt")

    for asked in map(Requirement, PROJECT["project"]["dependencies"]):
        (pin,) = lock[canonicalize_name(asked.name)].specifier
        assert asked.specifier.contains(pin.version), asked


def test_tests_run_on_the_versions_that_the_hub_runs_on() -> None:
    runtime, dev = locked("runtime.txt"), locked("dev.txt")

    assert {name: str(dev[name]) for name in runtime} == {name: str(entry) for name, entry in runtime.items()}


def test_the_wheel_is_made_from_locked_tools() -> None:
    asked = [Requirement(text) for text in PROJECT["build-system"]["requires"]]

    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]
    assert {canonicalize_name(entry.name) for entry in asked} <= set(locked("build.txt"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what setup needs, without an environment."""
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def bootstrap(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run setup in the copy, on a machine without uv."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    return subprocess.run(
        [sys.executable, project / "scripts" / "bootstrap.py", "runtime"],
        env={**clean, "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_failed_download_ends_in_one_line_that_says_what_to_do(project: Path) -> None:
    done = bootstrap(project, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("setup: a package could not be downloaded")
    assert not (project / ".venv" / "wkmb-setup").exists(), "the next run must try again"


def test_a_python_without_pip_is_told_what_to_install(project: Path) -> None:
    # Debian without python3-venv and python3-pip: neither module can be imported.
    for name in ("ensurepip", "pip"):
        (project / "blocked" / name).mkdir(parents=True)
        (project / "blocked" / name / "__init__.py").write_text("raise ImportError('not on this machine')")
    script = project / "scripts" / "bootstrap.py"
    script.write_text(script.read_text().replace("/usr/share/python-wheels", "/nonexistent"))

    done = bootstrap(project, PYTHONPATH=str(project / "blocked"))

    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr.splitlines()[-1]
    assert not (project / ".venv").exists(), "half an environment was left"


def load_bootstrap() -> ModuleType:
    specification = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_an_old_python_is_named_and_a_newer_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    with pytest.raises(SystemExit) as ended:
        load_bootstrap().use_new_enough_python()

    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("\n") == 1
    assert "Python 3.11 or newer is needed" in said
    assert "is 3.9" in said


def test_the_script_can_be_read_by_a_python_that_is_too_old() -> None:
    text = (ROOT / "scripts" / "bootstrap.py").read_text()

    compile(text, "bootstrap.py", "exec", dont_inherit=True)
    for new in (":=", "match ", " | None", "removeprefix", "from __future__"):
        assert new not in text, f"{new!r} is newer than the oldest python3 that has to say so"
