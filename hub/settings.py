"""What the environment says: the only reader of it. Each variable is documented in docs/operations.md.

A variable is ``WKMB_`` and the field's name in capitals. Its value may lie in a file instead, named by the variable
with ``_FILE`` behind it, which is how secrets are given. An unknown ``WKMB_`` name is refused: a misspelt setting
that is silently ignored is found out too late.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa

#: Shorter ones could be guessed.
SECRET_LENGTH = 32

VERSIONS = ("1.0.3", "2.0.0")

_METRICS = "PROMETHEUS_MULTIPROC_DIR"

#: Where `serve` notes its address for commands that run beside it.
_NOTE = "base_url"

#: What only tests and the container of the hub itself use.
_OTHERS = frozenset({"WKMB_TEST_DATABASE_URL", "WKMB_TEST_REQUIRE"})


class SettingsError(ValueError):
    """A setting cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of one hub, checked."""

    home: Path
    database_url: str
    base_url: str
    secret_key: bytes
    timezone: ZoneInfo
    xapi_default_version: str = VERSIONS[-1]
    max_body_bytes: int = 32 * 1024 * 1024
    body_seconds: int = 20
    traces: bool = False
    key_rotation_days: int = 90

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the hub over TLS; cookies depend on it."""
        return self.base_url.startswith("https://")


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the environment (the process's own, unless one is given). Raises `SettingsError`."""
    given = _Given(os.environ if environment is None else environment)
    given.refuse_unknown()
    home = Path(given.text("home", "./var")).absolute()
    database_url = _database_url(given.text("database_url", f"sqlite:///{home / 'hub.sqlite3'}"))
    return Settings(
        home=home,
        database_url=database_url,
        base_url=_base_url(given.text("base_url", _last_served(home))),
        secret_key=_secret_key(given.text("secret_key", ""), home, database_url),
        timezone=_timezone(given.text("timezone", "Asia/Jakarta")),
        xapi_default_version=_choice("WKMB_XAPI_DEFAULT_VERSION", given.text("xapi_default_version", VERSIONS[-1])),
        max_body_bytes=_size("WKMB_MAX_BODY_BYTES", given.text("max_body_bytes", str(32 * 1024 * 1024))),
        body_seconds=_seconds("WKMB_BODY_SECONDS", given.text("body_seconds", "20")),
        traces=_switch("WKMB_TRACES", given.text("traces", "off")),
        key_rotation_days=_days("WKMB_KEY_ROTATION_DAYS", given.text("key_rotation_days", "90")),
    )


def serve_at(address: str) -> None:
    """Make this the hub's address where the environment names none: for the processes that this one starts, and,
    noted in the data directory, for commands that are typed beside it."""
    if os.environ.get("WKMB_BASE_URL") or os.environ.get("WKMB_BASE_URL_FILE"):
        return
    os.environ["WKMB_BASE_URL"] = address
    note = Path(os.environ.get("WKMB_HOME") or "./var") / _NOTE
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(address, encoding="ascii")


def share_metrics(folder: Path) -> None:
    """Have this process and those that it starts count in files of this folder, which is emptied.

    Before prometheus_client is imported, which looks for the folder then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink()
    os.environ[_METRICS] = str(folder)


def shared_metrics() -> Path | None:
    """Where this process's counters are, if they are shared."""
    path = os.environ.get(_METRICS)
    return Path(path) if path else None


def _last_served(home: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (home / _NOTE).read_text(encoding="ascii").strip()
    return "http://127.0.0.1:8080"


def environment_with(**values: str) -> dict[str, str]:
    """This process's environment with other settings, for a process that it starts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WKMB_")}
    return kept | {f"WKMB_{name.upper()}": value for name, value in values.items()}


class _Given:
    """The hub's part of an environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {name: value for name, value in environment.items() if name.startswith("WKMB_")}

    def refuse_unknown(self) -> None:
        names = [f"WKMB_{field.name.upper()}" for field in fields(Settings)]
        known = {*names, *(f"{name}_FILE" for name in names)} | _OTHERS
        for name in sorted(self._values.keys() - known):
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"Did you mean {near[0]}?" if near else "docs/operations.md lists every setting."
            raise SettingsError(f"{name} is no setting of the hub. {advice}")

    def text(self, field: str, default: str) -> str:
        name = f"WKMB_{field.upper()}"
        path = self._values.get(f"{name}_FILE")
        if path is None:
            return self._values.get(name) or default
        if self._values.get(name):
            raise SettingsError(f"{name} and {name}_FILE are both set. Keep one of them.")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: {path} cannot be read ({error}). Name a readable file.") from error


def _database_url(text: str) -> str:
    try:
        backend = sa.make_url(text).get_backend_name()
    except sa.exc.ArgumentError as error:
        raise SettingsError(f"WKMB_DATABASE_URL is no URL of a database. {_DATABASES}") from error
    if backend not in {"sqlite", "postgresql"}:
        raise SettingsError(f"WKMB_DATABASE_URL names {backend}, which the hub does not run on. {_DATABASES}")
    return text


_DATABASES = "Use sqlite:////path/file or postgresql://user:password@host/name."


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"WKMB_BASE_URL: {text} is no address. Use https://host, for example https://hub.go.id.")
    if parts.path.rstrip("/"):
        raise SettingsError(f"WKMB_BASE_URL: {text} has a path. The hub is served at the root of a host of its own.")
    return text.rstrip("/")


def _secret_key(text: str, home: Path, database_url: str) -> bytes:
    if not text and database_url.startswith("sqlite"):
        text = _own_secret(home / "secret_key")
    if not text:
        raise SettingsError(
            "WKMB_SECRET_KEY is missing: on PostgreSQL several machines share it. "
            "Make one with `openssl rand -hex 32` and give it as WKMB_SECRET_KEY_FILE."
        )
    if len(text) < SECRET_LENGTH:
        raise SettingsError(f"WKMB_SECRET_KEY is shorter than {SECRET_LENGTH} characters. Use `openssl rand -hex 32`.")
    return text.encode()


def _own_secret(path: Path) -> str:
    """The secret of a hub on SQLite: made once, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written whole, then given its name: of two first starts at once one names it, and both read the same.
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.touch(0o600)
        unfinished.write_text(secrets.token_hex(SECRET_LENGTH), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(unfinished)
        unfinished.unlink()
    return path.read_text(encoding="ascii").strip()


def _timezone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"WKMB_TIMEZONE: {text} is no time zone. Use a name such as Asia/Jakarta.") from error


def _choice(name: str, text: str) -> str:
    if text not in VERSIONS:
        raise SettingsError(f"{name}: {text} is not one of {', '.join(VERSIONS)}.")
    return text


def _switch(name: str, text: str) -> bool:
    if text not in {"on", "off"}:
        raise SettingsError(f"{name}: {text} is neither on nor off.")
    return text == "on"


def _size(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= 2**31:
        raise SettingsError(f"{name}: {text} is no size. Use a number of bytes, at least 1024.")
    return int(text)


def _seconds(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 3600:
        raise SettingsError(f"{name}: {text} is no number of seconds. Use 1 to 3600.")
    return int(text)


def _days(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not (int(text) == 0 or 7 <= int(text) <= 3650):
        raise SettingsError(f"{name}: {text} is no number of days. Use 7 to 3650, or 0 for never.")
    return int(text)
