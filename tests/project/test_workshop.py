"""The fixtures that the other tests stand on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from lrs.database import Database
from wkmbtest.network import NetworkBanned, is_loopback
from wkmbtest.postgresql import free_port
from wkmbtest.requirements import missing, required


def test_each_test_has_a_migrated_database_of_its_own(new_database: Callable[..., str]) -> None:
    urls = [new_database(), new_database()]

    for url in urls:
        database = Database(url, pool_size=1)
        with database.write() as conn:
            conn.execute(sa.text("CREATE TABLE mine (id INTEGER PRIMARY KEY)"))
        database.close()

    assert len(set(urls)) == 2


def test_an_empty_database_has_no_table(empty_database_url: str) -> None:
    database = Database(empty_database_url, pool_size=1)

    with database.read() as conn:
        assert sa.inspect(conn).get_table_names() == []

    database.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "hub.localhost", "", None, "127.9.9.9"])
def test_loopback_is_reachable(host: str | None) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "10.0.0.1", "169.254.169.254"])
def test_other_hosts_are_banned(host: str) -> None:
    assert not is_loopback(host)

    with pytest.raises(NetworkBanned), socket.socket() as client:
        client.connect((host, 80))


@pytest.mark.parametrize("name", ["example.org", "localhost.example.org"])
def test_names_are_not_resolved(name: str) -> None:
    with pytest.raises(NetworkBanned):
        socket.getaddrinfo(name, 443)


def test_what_is_missing_is_skipped_unless_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WKMB_TEST_REQUIRE", "chromium")

    with pytest.raises(pytest.skip.Exception):
        missing("node", "no node here")
    with pytest.raises(pytest.fail.Exception, match="demands chromium"):
        missing("chromium", "no Chromium here")


def test_a_misspelt_requirement_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WKMB_TEST_REQUIRE", "postgres")

    with pytest.raises(pytest.UsageError, match="postgres"):
        required()


def test_the_browser_opens_a_page(browser: Browser) -> None:
    page = browser.new_page()

    page.set_content("<title>Halo</title>")

    assert page.title() == "Halo"
    page.close()


def test_a_free_port_is_free(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


def test_pages_are_looked_at_by_the_helper_that_waits_for_them() -> None:
    """Whoever runs axe or asks for the page's width right after a click sees half of a page on a busy machine."""
    root = Path(__file__).parents[1]
    own = {root / "support" / "browsertest.py", Path(__file__)}

    looking = {path for path in root.rglob("test_*.py") if "axe_playwright" in path.read_text("utf-8")} - own

    assert looking == set()
