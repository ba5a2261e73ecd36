"""No test leaves this machine: a name is not resolved and an address not connected to unless it is loopback.

An audit hook sees every call of the interpreter, also those of libraries that kept their own reference to
`socket`. It is not an `OSError`: code under test that copes with a broken network must not cope with this.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

import pytest


class NetworkBanned(RuntimeError):
    """A test tried to leave this machine. Start a server on 127.0.0.1, or pass a double."""


def is_loopback(host: object) -> bool:
    """Whether ``host`` is this machine: empty, a loopback address, or a name under ``localhost``."""
    if host is None or host == "" or host == b"":
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host).split("%")[0])
    except ValueError:
        return False
    return True


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        # AF_UNIX has a path, AF_INET and AF_INET6 a tuple that begins with the host.
        if isinstance(args[1], tuple) and not is_loopback(args[1][0]):
            raise NetworkBanned(f"{event} to {args[1][0]}")
    # Reading a literal address asks nobody.
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"} and not (is_loopback(args[0]) or _is_address(args[0])):
        raise NetworkBanned(f"{event} of {args[0]}")


def pytest_configure(config: pytest.Config) -> None:
    # A hook cannot be removed again, and need not be: this process runs tests and nothing else.
    sys.addaudithook(_refuse)
