"""What an LMS calls a person whom the hub launched there: names that follow from the launch alone.

Only the hub's own launch makes such a name, so nobody has to tell the hub whose it is. A further kind of LMS is a
further function in `_KINDS`; one that makes up names of its own has none.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

#: How the user name of a Moodle's account begins that a launch made.
MOODLE_PREFIX = "enrol_lti_13_"

_MOODLE_LOGIN = "/enrol/lti/login.php"


class Account(NamedTuple):
    """An account as statements name it (xAPI 1.0.3 section 4.1.2.4)."""

    homepage: str
    name: str


def of_launched(login_url: str, issuer: str, sub: str) -> tuple[Account, ...]:
    """The accounts that this person has at the tool with this login address, launched by ``issuer`` as ``sub``."""
    return tuple(found for kind in _KINDS if (found := kind(login_url, issuer, sub)) is not None)


def is_of_launch(name: str) -> bool:
    """Whether an account of this name can only be one that a launch made."""
    return name.startswith(MOODLE_PREFIX)


def _moodle(login_url: str, issuer: str, sub: str) -> Account | None:
    """A Moodle's: its address is its wwwroot and a path that no other LMS has (auth/lti, ``create_new_account``)."""
    parts = urlsplit(login_url)
    if not parts.path.endswith(_MOODLE_LOGIN):
        return None
    wwwroot = urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix(_MOODLE_LOGIN), "", ""))
    # SHA-1 is Moodle's choice of a name, and protects nothing.
    digest = hashlib.sha1(f"{issuer}_{sub}".encode(), usedforsecurity=False).hexdigest()
    return Account(wwwroot, MOODLE_PREFIX + digest)


_KINDS = (_moodle,)
