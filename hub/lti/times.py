"""Times as LTI's services send them: ISO 8601 with a zone, in every spelling that tools use."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2}))?)"
)


def parse_time(text: str) -> datetime | None:
    """The moment in UTC, or None where the text is none.

    A zone is required (AGS 2.0 section 3.4.9): Z, +00:00, and as tools write it too +0000 and +00. A fraction of a
    second need not be there; what is beyond microseconds is cut off.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found['date']}T{found['time']}+00:00")
        zone = timezone(_offset(found))
        at = at.replace(microsecond=int((found["fraction"] or "0")[:6].ljust(6, "0")), tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _offset(found: re.Match[str]) -> timedelta:
    if found["sign"] is None:
        return timedelta(0)
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    return -offset if found["sign"] == "-" else offset
