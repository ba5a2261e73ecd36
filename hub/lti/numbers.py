"""Scores as exact decimals: what was sent comes back as it was, 0.1 included."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_TEXT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")

#: Larger numbers are no scores, and would not come through as they are.
LARGEST = Decimal(10) ** 15


def parse_number(value: Any) -> Decimal | None:
    """The number in a JSON value: a number, or text that is one, such as Moodle's "85.00000". None for any other."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return Decimal(value) if _TEXT.fullmatch(value) else None
    if not isinstance(value, int | float):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and abs(number) < LARGEST else None


def to_json(number: Decimal) -> int | float:
    """The number as JSON has it."""
    return int(number) if number == number.to_integral_value() else float(number)
