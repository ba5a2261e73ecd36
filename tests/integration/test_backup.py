"""A backup is made while the hub runs, and restored into an empty home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wkmbtest.processes import HubProcess


@pytest.fixture
def database_kind() -> str:
    """PostgreSQL has backups of its own."""
    return "sqlite"


def test_what_was_stored_is_in_the_restored_hub(new_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    hub = new_hub().start()
    hub.wkmb("user", "add", "admin", "--role", "admin", "--password-stdin", stdin="kata sandi yang panjang\n")
    copy = tmp_path / "copy.sqlite3"

    hub.wkmb("db", "backup", str(copy))
    refused = hub.wkmb("db", "restore", str(copy), check=False)
    other = HubProcess(tmp_path, f"sqlite:///{tmp_path}/other/hub.sqlite3")
    other.wkmb("db", "restore", str(copy))

    assert refused.returncode == 1
    assert "Move it away first" in refused.stderr
    assert "admin" in other.wkmb("user", "list").stdout


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database")
    hub = HubProcess(tmp_path, f"sqlite:///{tmp_path}/hub.sqlite3")

    done = hub.wkmb("db", "restore", str(tmp_path / "text"), check=False)

    assert done.returncode == 1
    assert "is no sound database" in done.stderr
    assert not (tmp_path / "hub.sqlite3").exists()
