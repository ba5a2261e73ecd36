"""The string formats of xAPI: UUID, IRI, mail address, language tag, timestamp, duration, media type.

Each check answers yes or no; `lrs.validate` says where and why. They are hand-written because the libraries
are wrong or slow: see DEPENDENCIES (rfc3986 is lax, rfc3987-syntax takes 12 ms an IRI, duration parsers take `PT`).
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# RFC 3987, absolute IRI with optional fragment. A private character is allowed in the query alone.
_UCS = (
    "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    + "".join(f"{chr(plane << 16)}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 14))
    + "\U000e1000-\U000efffd"
)
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
_CHARS = rf"A-Za-z0-9\-._~!$&'()*+,;={_UCS}"
_PCT = "%[0-9A-Fa-f]{2}"
_IRI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*+:"
    r"(?=.)"
    r"(?://"
    rf"(?:(?:[{_CHARS}:]++|{_PCT})*+@)?"
    rf"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[{_CHARS}:]+\]|(?:[{_CHARS}]++|{_PCT})++|(?=/))(?::[0-9]*+)?"
    rf"(?:/(?:[{_CHARS}:@/]++|{_PCT})*+)?"
    rf"|(?!//)(?:[{_CHARS}:@/]++|{_PCT})*+)"
    rf"(?:\?(?:[{_CHARS}:@/?{_PRIVATE}]++|{_PCT})*+)?"
    rf"(?:\#(?:[{_CHARS}:@/?]++|{_PCT})*+)?"
)

_MBOX = re.compile(r"mailto:[^\s@<>()\[\],;:\\\"?#\x00-\x1f]+@[^\s@<>()\[\],;:\\\"?#/\x00-\x1f]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128}")

# RFC 5646 section 2.1, with the grandfathered tags that its grammar does not cover.
_LANGUAGE = re.compile(
    r"(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+"
    r"|en-gb-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)"
    r"|sgn-(?:be-fr|be-nl|ch-de))",
    # Without ASCII, the long s and the Kelvin sign count as letters s and k.
    re.IGNORECASE | re.ASCII,
)

#: Tags of up to this many characters are remembered.
_SHORT = 35

# RFC 3339 (which lets a space stand for the T), and what ISO 8601 adds that is in use: a comma, a short or basic
# offset, none at all.
_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_TIMESTAMP = re.compile(_CLOCK + r"(?:[.,][0-9]+)?(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?")
_RFC3339 = re.compile(_CLOCK + r"(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_DURATION = re.compile(
    rf"P(?=[0-9T])(?:{_NUMBER}W|(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)"
)
_FRACTION_NOT_LAST = re.compile(r"[.,][0-9]+[A-Z].*[0-9]")

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# A tab is the one control character that RFC 9110 (5.6.4) has in a quoted string. A line end would end the header.
_CONTROLS = r"\x00-\x08\x0a-\x1f\x7f-\x9f"
_QUOTED = rf"\"(?:[^\"\\{_CONTROLS}]|\\[^{_CONTROLS}])*\""
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|{_QUOTED}))*[ \t]*")

_VERSION = re.compile(r"1\.0(?:\.[0-9]+)?|2\.0(?:\.[0-9]+)?")


def is_uuid(text: str) -> bool:
    """The standard string form of RFC 4122: 8-4-4-4-12 hex digits."""
    return _UUID.fullmatch(text) is not None


def is_iri(text: str) -> bool:
    """An absolute IRI, or IRL, with its scheme (RFC 3987)."""
    return _IRI.fullmatch(text) is not None


def is_mbox(text: str) -> bool:
    """``mailto:`` and one address."""
    return _MBOX.fullmatch(text) is not None


def is_sha1(text: str) -> bool:
    """40 hex digits."""
    return _SHA1.fullmatch(text) is not None


def is_sha2(text: str) -> bool:
    """The hex digits of SHA-224, SHA-256, SHA-384 or SHA-512."""
    return _SHA2.fullmatch(text) is not None


def is_language_tag(text: str) -> bool:
    """Well-formed by RFC 5646."""
    return _is_language_tag(text) if len(text) <= _SHORT else _LANGUAGE.fullmatch(text) is not None


# A hub meets a handful of them, and each statement has half a dozen.
@functools.lru_cache(maxsize=1024)
def _is_language_tag(text: str) -> bool:
    return _LANGUAGE.fullmatch(text) is not None


def is_media_type(text: str) -> bool:
    """``type/subtype`` with parameters (RFC 9110, 8.3.1)."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def is_statement_version(text: str) -> bool:
    """1.0, 1.0.x, 2.0 or 2.0.x."""
    return _VERSION.fullmatch(text) is not None


def is_duration(text: str) -> bool:
    """ISO 8601:2004, 4.4.3.2: designators, not the date-like form; a fraction in the last component alone."""
    return _DURATION.fullmatch(text) is not None and _FRACTION_NOT_LAST.search(text) is None


def is_rfc3339(text: str) -> bool:
    """The profile of ISO 8601 that xAPI 2.0 asks for: with an offset, nothing abbreviated."""
    return _RFC3339.fullmatch(text) is not None


def parse_timestamp(text: str) -> datetime | None:
    """The moment of an RFC 3339 or ISO 8601 date and time, UTC where it names no offset; None if it is none.

    An offset of minus zero means "unknown" and is refused (Data 4.5); so are 24:00 and leap seconds, which
    have no agreed place on the time line.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    if sign == "-" and hours == "00" and minutes in (None, "00"):
        return None
    try:
        moment = datetime.fromisoformat(text.upper().replace(",", "."))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
