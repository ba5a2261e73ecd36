"""``wkmb`` as one types it, in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli import cli
from hub.runtime import Hub, open_hub
from hub.settings import read


@dataclass(frozen=True)
class Terminal:
    """A terminal at which somebody works on one hub; files that she names lie in ``folder``."""

    environment: dict[str, str]
    folder: Path

    def __call__(self, *arguments: str, stdin: str = "", expect: int = 0) -> Result:
        """Type ``wkmb`` with these arguments; it must end with the exit code that is expected."""
        runner = CliRunner(env=self.environment)
        result = runner.invoke(cli, arguments, input=stdin, catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == expect, f"{result.exit_code}: {result.output}"
        return result

    def json(self, *arguments: str, stdin: str = "", expect: int = 0) -> Any:
        """The same with ``--json``; gives the value that was printed."""
        return json.loads(self(*arguments, "--json", stdin=stdin, expect=expect).stdout)

    def refused(self, *arguments: str, stdin: str = "", code: int = 1) -> str:
        """The one line that says why it could not be done."""
        said = self(*arguments, stdin=stdin, expect=code).stderr.strip().splitlines()
        assert said, "it says what is wrong"
        if code == 1:
            assert len(said) == 1, said
        return said[-1]

    def file(self, name: str, text: str) -> str:
        """A file beside the terminal."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)


@pytest.fixture
def wkmb(new_database: Callable[..., str], tmp_path: Path) -> Terminal:
    """Types commands at a hub of the test's own, on SQLite and on PostgreSQL."""
    environment = {
        "WKMB_HOME": str(tmp_path / "home"),
        "WKMB_DATABASE_URL": new_database(),
        "WKMB_BASE_URL": "https://hub.example",
        "WKMB_SECRET_KEY": "tests-only-" + "k" * 32,
    }
    return Terminal(environment, tmp_path)


@pytest.fixture
def served(wkmb: Terminal) -> Iterator[Hub]:
    """The hub that the terminal works on, in another process as it were."""
    hub = open_hub(read(wkmb.environment), pool_size=4)
    yield hub
    hub.close()
