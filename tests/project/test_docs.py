"""What the documents list is what there is."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.cli import cli
from hub.settings import Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def table_cells(text: str, column: int) -> set[str]:
    """What stands in one column of every table in ``text``, without its heads."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {row[column].strip() for row in rows if not set(row[0].strip()) <= {"-"}}


def declared() -> set[str]:
    groups = [*PROJECT["dependency-groups"].values(), *PROJECT["project"]["optional-dependencies"].values()]
    texts = PROJECT["project"]["dependencies"] + [text for group in groups for text in group if isinstance(text, str)]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def test_each_dependency_has_a_row_that_says_why_and_no_row_is_left_over() -> None:
    cells = table_cells((ROOT / "docs" / "dependencies.md").read_text(), 1) - {"package"}

    listed = {canonicalize_name(name) for cell in cells for name in cell.split(", ")}

    assert listed == declared()


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):(?!=)", text, re.MULTILINE))

    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert targets == set(re.findall(r"^make (\S+)", said, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert targets == set(phony.replace("\\\n", " ").split())


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.exists()], ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|mailto:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def commands(group: click.Group, prefix: str = "wkmb") -> Iterator[str]:
    """Every command by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def test_each_command_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()

    # What follows in capitals, brackets or as an option are parameters.
    documented = re.findall(r"^\| `(wkmb(?: [a-z][a-z-]*)+)", text, re.MULTILINE)

    assert sorted(documented) == sorted(commands(cli))


def test_each_setting_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()

    documented = re.findall(r"^\| `(WKMB_[A-Z_]+)` \|", text, re.MULTILINE)

    assert sorted(documented) == sorted(f"WKMB_{field.name.upper()}" for field in dataclasses.fields(Settings))
