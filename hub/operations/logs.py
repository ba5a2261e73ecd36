"""Logs: one JSON line per event on standard error, with the request's reference, without names of people.

A NIP keeps its first eight digits (the birth date tells two people apart in a log, not who they are).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import flask
import orjson
import structlog

from hub.runtime import current

_NIP_LENGTH = 18
_NIP = re.compile(r"(?<![0-9])([0-9]{8})[0-9]{10}(?![0-9])")


def configure(level: int = logging.INFO) -> None:
    """Set up the logs of this process: what is of this level or graver. Standard output is for results."""
    # What libraries log by the standard library's way comes out as the same lines, masked too.
    shared: list[structlog.types.Processor] = [
        name_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_nips,
    ]
    as_json = structlog.processors.JSONRenderer(_as_json)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask_nips, as_json],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in ("alembic", "apscheduler", "_granian"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, as_json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _as_json(event: Mapping[str, Any], *, default: Callable[[Any], Any]) -> str:
    return orjson.dumps(event, default, orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def name_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog that says during which request it was; most requests log nothing, and get no name."""
    if flask.has_request_context():
        name = flask.g.get("request_name")
        if name is None:
            name = flask.g.request_name = current().new_id().hex[:12]
        event["request"], event["method"] = name, flask.request.method
    return event


def mask_nips(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog that masks every NIP in a text."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) >= _NIP_LENGTH:
            event[name] = mask(value)
    return event


def mask(text: str) -> str:
    """The text with every NIP cut to its first eight digits."""
    return _NIP.sub(r"\1**********", text)
