"""Faults on demand: how this LMS misbehaves when it is asked to.

A fault is a word; ``late`` may carry seconds (``late:30``). Some act on when a report is sent, the others on
what is sent. The report that is kept is always the right one, so that it can be sent again without its fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .errors import SandboxError

#: Every fault, in the order in which pages show them.
FAULTS: Final = (
    "late",
    "duplicate",
    "refused",
    "wrong_key",
    "wrong_user",
    "wrong_actor",
    "wrong_registration",
    "replayed_fetch",
    "garbage",
)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Whether reports wait for a person (``held``) or for some seconds."""

    held: bool = False
    delay: float = 0.0


def parse_faults(words: Iterable[str]) -> tuple[str, ...]:
    """The faults named, once each; an unknown one is refused by name."""
    found: dict[str, None] = {}
    for word in words:
        for part in word.replace(";", ",").split(","):
            fault = part.strip()
            if fault:
                _check(fault)
                found[fault] = None
    return tuple(found)


def _check(fault: str) -> None:
    name, _, seconds = fault.partition(":")
    if name not in FAULTS or (seconds and (name != "late" or not seconds.isdecimal())):
        raise SandboxError(f"Unknown fault {fault!r}. Known: {', '.join(FAULTS)}; late may be late:SECONDS.")


def lateness(faults: Iterable[str]) -> Lateness:
    """When reports with these faults may be sent."""
    for fault in faults:
        name, _, seconds = fault.partition(":")
        if name == "late":
            return Lateness(delay=float(seconds)) if seconds else Lateness(held=True)
    return Lateness()


def names(faults: Iterable[str]) -> frozenset[str]:
    """The faults' names without their arguments."""
    return frozenset(fault.partition(":")[0] for fault in faults)
