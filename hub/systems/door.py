"""What an administrator enters is checked here: what is wrong with an address is said now, not at the first launch."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub.errors import HubError

#: RSA keys below this are refused (1EdTech Security Framework 1.1 section 6.1: RS256; NIST SP 800-131A: 2048 bits).
RSA_BITS = 2048

_LONGEST_URL = 2000
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_url(what: str, url: str, *, internal: bool) -> None:
    """Refuse an address that could never be used: https and public, unless the system is internal.

    A host's name is not resolved here; where it leads is judged with each call (`connectors.http`).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _is_clean(url):
        raise wrong("not_a_url", f"{what}: {url[:200]!r} is no web address.", "Write https://host/path.")
    if "#" in url:
        raise wrong("fragment", f"{what}: {url} has a fragment.", "Leave out # and what follows it.")
    if "@" in parts.netloc:
        raise wrong("user_in_url", f"{what}: the address holds a name or password.", "Leave out what is before @.")
    address = _literal(host)
    if address is not None and (address.is_link_local or address.is_multicast):
        raise wrong("link_local", f"{what}: {host} is link-local or multicast.", "Give the system's own address.")
    if internal:
        return
    if parts.scheme != "https":
        raise wrong("not_https", f"{what}: {url} is not https.", "Use https, or say --internal for your own network.")
    is_local = host == "localhost" or host.endswith(".localhost")
    if is_local or (address is not None and not address.is_global):
        raise wrong("not_public", f"{what}: {host} is no public address.", "Give one, or say --internal.")


def check_public_key(pem: str) -> None:
    """Refuse what signatures of a tool cannot be checked with: RSA from 2048 bits, or an elliptic curve."""
    if "PRIVATE KEY" in pem:
        raise wrong("private_key", "This is a private key, which only the tool may have.", "Give the public one.")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise wrong(
            "public_key", "This is no public key in PEM.", "It begins with -----BEGIN PUBLIC KEY-----."
        ) from error
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS:
        raise wrong("weak_key", f"This RSA key has {key.key_size} bits.", f"Use one of at least {RSA_BITS}.")
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise wrong("public_key", "This key is neither RSA nor of an elliptic curve.", "Use an RSA key of 2048 bits.")


def check_name(what: str, name: str) -> None:
    """Refuse a name that could not stand in an address and in a command as it is."""
    if not NAME.fullmatch(name):
        action = "Use up to 64 letters, digits, dots, hyphens and underscores, such as asn-unggul."
        raise wrong("name", f"{name[:80]!r} is no name of a {what}.", action)


def one_of(choices: Iterable[str]) -> str:
    """The advice to whoever gave none of them."""
    return f"Use one of {', '.join(choices)}."


def wrong(code: str, detail: str, action: str) -> HubError:
    """What was entered cannot be taken."""
    return HubError(code, detail, action=action)


def taken(what: str, name: str) -> HubError:
    """There is one of that name already."""
    return HubError("name_taken", f"There is a {what} {name} already.", action="Choose another name.", status=409)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_clean(url: str) -> bool:
    return len(url) <= _LONGEST_URL and url.isprintable() and not any(c.isspace() or c in '<>"{}|\\^`' for c in url)
