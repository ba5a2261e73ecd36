"""The system's Chromium, driven by Playwright, and node. Neither is downloaded by the tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from wkmbtest.requirements import missing

#: Chromium speaks to its maker at every start, unless told not to; nobody but this machine has a name.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Chromium's program: ``CHROMIUM``, else what the PATH has."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    return missing("chromium", "Chromium is not installed: browser tests are left out")


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Browser]:
    """One Chromium for the process; a test makes itself a context in it, with the language and size it wants."""
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        sandbox = [] if os.geteuid() != 0 else ["--no-sandbox"]
        chromium = playwright.chromium.launch(executable_path=browser_path, args=[*QUIET, *sandbox], timeout=120_000)
        # How long a page that never comes is waited for; on a busy machine a good one may take seconds.
        expect.set_options(timeout=30_000)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def node_path() -> str:
    """Node's program, for peers in JavaScript."""
    found = shutil.which("node")
    if found is None:
        missing("node", "node is not installed: peers written in JavaScript are left out")
    return found
