"""What every test would do again, done once; and what shows nothing by being dear, done cheaply.

- A document of recognition is read by a pure function: one text is parsed once for the process.
- A template is compiled once for the run; its code lies in the run's folder.
- What an application is made of is the same for each: the API's blueprint with its document, and the code that builds
  an address, which Werkzeug compiles anew for every rule of every application. These were four fifths of `create_app`.
- A module is compiled once, not by each of the hundreds of processes that tests start, whatever the environment says.
- Passwords are argon2id as ever, at the least cost it has; `true_password_cost` gives back what the hub asks for.
- The hub's RSA keys are taken in turns from a few that were made once; a test that makes one itself has a new one.
- A worker that has settled somebody on SQLite goes on at once: nobody else wants to write.
- SQLite does not wait for the disk here, no more than the tests' PostgreSQL does; a hub in a process of its own does.
- An exception in a log is a plain traceback, not a picture of every variable.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import argon2
import flask
import jinja2
import pytest
import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.routing import Rule

from hub import api
from hub.access import accounts
from hub.jp import policies, recognition
from hub.lti import keys
from hub.papers import openbadges
from mappings import shipped
from wkmbtest.shared import SHARED

_TRUE_HASHER = accounts._hasher
_KEYS = 16


def pytest_configure(config: pytest.Config) -> None:
    policies.load_policy = shipped.load_policy = functools.cache(shipped.load_policy)  # type: ignore[attr-defined]
    for name in ("vocabulary", "targets", "follow_up", "scheme"):
        setattr(shipped, name, functools.cache(getattr(shipped, name)))
    compiled = config.stash[SHARED].path / "templates"
    compiled.mkdir(exist_ok=True)
    flask.Flask.jinja_options = {"bytecode_cache": jinja2.FileSystemBytecodeCache(str(compiled))}
    api.create_blueprint = functools.cache(api.create_blueprint)
    Rule._compile_builder = _compiled_once(Rule._compile_builder)  # type: ignore[method-assign]
    in_turns = SimpleNamespace(**vars(rsa) | {"generate_private_key": _in_turns(rsa.generate_private_key)})
    keys.rsa = openbadges.rsa = in_turns
    recognition.sleep = lambda seconds: None
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    cheapest = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts._hasher = lambda: cheapest
    sa.event.listen(sa.pool.Pool, "checkout", _without_the_disk)
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


def _compiled_once(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    """The code follows from the parts of the rule alone, unless one of them has a default."""
    known: dict[Any, Any] = {}

    def compiled(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = rule.rule, tuple(rule._trace), append_unknown
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    return compiled


def _in_turns(generate: Callable[..., rsa.RSAPrivateKey]) -> Callable[..., rsa.RSAPrivateKey]:
    """More keys than any test needs at a time; those of one size come round again after that."""
    turns: dict[int, Iterator[rsa.RSAPrivateKey]] = {}

    def generated(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        if key_size not in turns:
            turns[key_size] = cycle(generate(public_exponent, key_size) for _ in range(_KEYS))
        return next(turns[key_size])

    return generated


def _without_the_disk(connection: object, _entry: object, _proxy: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def true_password_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost what they cost in a hub."""
    monkeypatch.setattr(accounts, "_hasher", _TRUE_HASHER)
