"""Rules about the code that neither ruff nor import-linter can state."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hub", "connectors", "lrs", "mappings")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
SANDBOX = ROOT / "connectors" / "sandbox"
#: May know which database it is: the one file, and Alembic's own.
DIALECT = {ROOT / "lrs" / "database.py", ROOT / "lrs" / "wire.py", *(ROOT / "hub" / "migrations").rglob("*.py")}

SQL_FREE = [path for path in SOURCES if path not in DIALECT and SANDBOX not in path.parents]


def relative(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def imported(path: Path) -> Iterator[str]:
    """Every module that the file imports, by its full name."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            yield ".".join(part for part in (base, node.module or "") if part)


def test_tests_are_no_packages_so_that_import_hub_finds_the_hub() -> None:
    found = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("__init__.py")]

    # Peers have environments of their own, full of other people's packages.
    assert [path for path in found if not {".venv", "node_modules"} & set(path.parts)] == []


def test_config_holds_data_only() -> None:
    assert list((ROOT / "config").rglob("*.py")) == []


@pytest.mark.parametrize("path", relative([path for path in SOURCES if path.is_relative_to(SANDBOX)]))
def test_the_sandbox_is_a_program_of_its_own(path: Path) -> None:
    """It stands for somebody else's LMS: what it shares with the hub would not be tested by it."""
    ours = {name for name in imported(path) if name.split(".")[0] in PACKAGES}

    assert {name for name in ours if not f"{name}.".startswith("connectors.sandbox.")} == set()


@pytest.mark.parametrize("path", relative([path for path in SOURCES if path.stat().st_size]))
def test_each_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no module docstring"


@pytest.mark.parametrize(
    "path", relative([path for path in SOURCES if path not in DIALECT and SANDBOX not in path.parents])
)
def test_one_file_knows_the_dialect_and_the_transactions(path: Path) -> None:
    text = path.read_text()

    for pattern in (
        r"sqlalchemy\.dialects",
        r"\.dialect\.name",
        r"\bconn\.(begin|begin_nested|commit|rollback)\(",
        r"pg_(try_)?advisory",
        r"\bdiag\.constraint_name",
        r"\bPRAGMA\b",
    ):
        assert not re.search(pattern, text), f"{pattern} belongs in lrs/database.py"


@pytest.mark.parametrize("path", relative(SOURCES))
def test_no_module_is_named_for_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "misc", "common", "data", "process"}
