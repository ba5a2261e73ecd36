"""The one way out: a guarded `requests.Session` for every call that the hub makes to another system.

What it adds to requests:

- **Where to** (SSRF): without ``internal`` only https and public addresses; with it http and private or loopback
  addresses too; link-local addresses (cloud metadata lives there) never. The name is resolved once, the address is
  checked and the connection goes to exactly that address, so a name that changes its answer in between (DNS
  rebinding) gains nothing. The same on every redirect.
- **How long**: 3 s to connect, 10 s between two bytes, 20 s for all headers, 30 s for a whole answer.
- **How much**: 1 MiB of answer, counted after decompression, unless the caller sets another limit.
- **How often**: idempotent calls are repeated up to three times with jitter after a lost connection, 429 or
  502-504. A POST is sent once, unless the caller says ``repeatable=True``.
- **What else**: no redirects unless asked for, no proxies or .netrc from the environment, no cookies, TLS verified.

Failures are `RequestFailed`: a `ConnectorError` for us, a `requests.RequestException` for libraries that are handed
this session (PyLTI1p3).
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import stamina
import urllib3
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_match_hostname import CertificateError

from connectors.base import ConnectorError

MIB = 1024 * 1024

#: RFC 9110 section 9.2.2: repeating these has the effect of doing them once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
#: Answers that say "later", not "no".
BUSY = frozenset({429, 502, 503, 504})
#: A Retry-After beyond this is for the caller's own schedule, not for a thread that waits.
LONGEST_WAIT = 5.0
#: All the headers of an answer have to be there by then.
LONGEST_HEADERS = 20.0

#: RFC 6052, and RFC 4291 section 2.5.5.1: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RequestFailed(ConnectorError, requests.RequestException):
    """A call to another system that got no usable answer."""


class AddressRefused(requests.RequestException):
    """The name leads to an address that this connector may not reach."""


class _PlainHTTP(AddressRefused):
    """http where only https is allowed."""


class _LinkLocal(AddressRefused):
    """An address that no connector may reach."""


class _TooLarge(requests.RequestException):
    """The answer is longer than the limit."""


class _TooSlow(requests.RequestException):
    """The answer did not end in time."""


class _Busy(Exception):
    """An answer that is worth asking for again; carries it for the last attempt."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class GuardedSession(requests.Session):
    """A `requests.Session` that cannot be talked into reaching, reading or waiting for what it should not.

    One per (internal or not) and purpose; may be shared by threads, since it keeps no cookies.
    """

    def __init__(
        self,
        *,
        internal: bool = False,
        max_bytes: int = MIB,
        connect_timeout: float = 3.0,
        read_timeout: float = 10.0,
        total_timeout: float = 30.0,
        attempts: int = 3,
        wait: float = 0.2,
        follow_redirects: bool = False,
    ) -> None:
        super().__init__()
        self.internal = internal
        self.trust_env = False
        self.max_redirects = 5
        self.headers.update({"User-Agent": "wkmb-hub", "Accept-Encoding": "identity"})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._timeout = (connect_timeout, read_timeout)
        self._attempts = attempts
        self._wait = wait
        self._follow_redirects = follow_redirects
        kind = _InternalAdapter if internal else _PublicAdapter
        self.mount("https://", kind(True, max_bytes, total_timeout))
        self.mount("http://", kind(False, max_bytes, total_timeout))

    # The signature is that of requests, plus `repeatable`.
    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, repeatable: bool | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send, repeating as the module says; gives the last answer, whatever its status.

        ``repeatable`` overrides what the method says: true for a POST whose ids make it idempotent.
        """
        url = str(url)
        may_repeat = method.upper() in IDEMPOTENT if repeatable is None else repeatable
        attempts = self._attempts if may_repeat else 1
        try:
            for attempt in stamina.retry_context(
                on=_backoff,
                attempts=attempts,
                timeout=60,
                wait_initial=self._wait,
                wait_max=2.0,
                wait_jitter=self._wait,
            ):
                with attempt, _translated(method, url):
                    response = super().request(method, url, *args, **kwargs)
                    if may_repeat and response.status_code in BUSY:
                        raise _Busy(response)
                    return response
        except _Busy as busy:
            return busy.response
        raise AssertionError("retry_context always returns or raises")

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """One call, or one hop of it: limits that no caller can lift."""
        kwargs["proxies"] = {}  # a proxy would resolve the name itself, behind the guard's back
        kwargs["allow_redirects"] = bool(kwargs.get("allow_redirects")) and self._follow_redirects
        if not kwargs.get("timeout"):
            kwargs["timeout"] = self._timeout
        with _translated(request.method or "", request.url or ""):
            return super().send(request, **kwargs)


class _BoundedAdapter(IPFilterAdapter):  # type: ignore[misc]
    """Reads the whole answer within limits, before requests or a redirect can read it without."""

    def __init__(self, is_https: bool, max_bytes: int, total_timeout: float) -> None:
        super().__init__(is_https_proto=is_https)
        self._is_https = is_https
        self._max_bytes = max_bytes
        self._total_timeout = total_timeout

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        deadline = time.monotonic() + self._total_timeout
        kwargs["stream"] = True
        response: requests.Response = super().send(request, **kwargs)
        whole = False
        try:
            response._content = self._body(response, deadline)
            whole = True
        except urllib3.exceptions.DecodeError as error:
            raise requests.exceptions.ContentDecodingError(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error
        finally:
            if not whole:  # given up half-way: this connection is of no further use
                response.close()
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """The decoded body. `read1` returns after one read from the socket, so a slow trickle meets the deadline."""
        if int(_digits(response.headers.get("Content-Length"))) > self._max_bytes:
            raise _TooLarge(self._max_bytes)
        body = bytearray()
        while chunk := response.raw.read1(65536, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                raise _TooLarge(self._max_bytes)
            if time.monotonic() > deadline:
                raise _TooSlow(self._total_timeout)
        return bytes(body)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        # The manager has this mapping for exactly this purpose; http and https differ in the class they extend only.
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Punctual:
    """Hangs up on a server whose headers trickle: each byte in time, the last one never."""

    sock: socket.socket | None

    def getresponse(self) -> Any:
        late = threading.Event()
        timer = threading.Timer(LONGEST_HEADERS, _hang_up, (self.sock, late))
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()
        if late.is_set():  # http.client takes the end of the connection for the end of the headers
            response.close()
            raise TimeoutError("headers")
        return response


class _Connection(_Punctual, HTTPConnection):
    pass


class _TLSConnection(_Punctual, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def _hang_up(sock: socket.socket | None, late: threading.Event) -> None:
    late.set()
    if sock is not None:
        # Not through the TLS object, which another thread is reading from.
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _PublicAdapter(_BoundedAdapter):
    """https to public addresses: requests-hardened's filter, and whatever IANA does not call global beside it."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if not self._is_https:
            raise _PlainHTTP("http")
        return super().send(request, **kwargs)

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(*args, **kwargs)
        address = ipaddress.ip_address(host_params["host"].strip("[]"))
        if not _is_public(address):
            raise AddressRefused(str(address))
        return host_params, pool_kwargs


class _InternalAdapter(_BoundedAdapter):
    """Any address of a system that the admin marked as internal, but for link-local and multicast ones.

    requests-hardened has no such middle way, so its one step (resolve, check, connect to what was checked) is
    taken here with another check.
    """

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host_params, pool_kwargs = HTTPAdapter.build_connection_pool_key_attributes(self, request, verify, cert)
        host, port = host_params["host"], host_params["port"]
        if not host:
            raise requests.exceptions.InvalidURL("no host")
        shown = f"[{host}]" if ":" in host else host
        request.headers["Host"] = shown if port is None else f"{shown}:{port}"
        if self._is_https:
            pool_kwargs["assert_hostname"] = pool_kwargs["server_hostname"] = host  # type: ignore[typeddict-unknown-key]
        address = _resolve(host, port or (443 if self._is_https else 80))
        host_params["host"] = f"[{address}]" if address.version == 6 else str(address)
        return host_params, pool_kwargs


def _resolve(host: str, port: int) -> Address:
    """The first address of the name, refused if it is link-local or multicast in any spelling."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    address = ipaddress.ip_address(found[0][4][0])
    meant = _embedded(address)
    if meant.is_link_local or meant.is_multicast or address.is_link_local or address.is_multicast:
        raise _LinkLocal(str(address))
    return address


def _is_public(address: Address) -> bool:
    """Global by IANA's registries, and not one of the two retired kinds that Python still calls global."""
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _IPV4_COMPATIBLE):
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _digits(text: str | None) -> str:
    return text if text and text.isascii() and text.isdigit() and len(text) < 19 else "0"


def _backoff(error: Exception) -> bool | float:
    """Whether to repeat, and for an answer with Retry-After when."""
    if isinstance(error, _Busy):
        wait = retry_after(error.response)
        return wait <= LONGEST_WAIT and wait if wait else True
    return isinstance(error, RequestFailed) and error.retryable


def retry_after(response: requests.Response) -> float | None:
    """Seconds that the other side asks us to wait. The date form is not read: it needs a clock, and is rare."""
    text = _digits(response.headers.get("Retry-After"))
    return float(text) or None


# What may go wrong ----------------------------------------------------------------------------------------------


def describe(url: str) -> str:
    """The address as it may be shown and logged: no credentials, no query, no fragment, no NIP."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
    except ValueError:
        return "(not an address)"
    host = f"[{host}]" if ":" in host else host
    path = re.sub("[0-9]{18}", "(nip)", parts.path)
    return f"{parts.scheme}://{host}{port}{path}" if host else "(not an address)"


@contextmanager
def _translated(method: str, url: str) -> Iterator[None]:
    try:
        yield
    except RequestFailed:
        raise
    except (requests.RequestException, OSError, UnicodeError, ValueError) as error:
        # Without the cause: its text quotes the address with its query, which may hold a token.
        raise _failed(f"{method.upper()} {describe(url)}", _host(url), error) from None


def _host(url: str) -> str:
    """The host of an address for a message, empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _failed(where: str, host: str, error: Exception) -> RequestFailed:
    """The kind of failure, from the innermost cause outwards."""
    for cause in reversed(list(_causes(error))):
        for kinds, code, retryable, why, advice in _KINDS:
            if isinstance(cause, kinds):
                # A name that does not exist stays so; a resolver that did not answer may do so next time.
                again = cause.errno == socket.EAI_AGAIN if isinstance(cause, socket.gaierror) else retryable
                reason = why.format(name=host or "the host", detail=_detail(cause))
                return RequestFailed(where, reason, advice, code=code, retryable=again)
    reason = f"it is not an address that can be called ({type(error).__name__})"
    return RequestFailed(
        where, reason, "Give an address such as https://lms.example.go.id/path", code="address_invalid"
    )


_PUBLIC_ONLY = "Use https and a public address, or mark the connector as internal (--internal) if it is in your network"

#: What may go wrong, each with its code, whether a retry may help, why, and what to do. First match wins.
_KINDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool, str, str], ...] = (
    (_PlainHTTP, "address_refused", False, "http is not allowed for this connector", _PUBLIC_ONLY),
    (_LinkLocal, "address_refused", False, "{name} is {detail}, a link-local or multicast address: always refused",
     "Give the address of the system itself"),
    ((AddressRefused, InvalidIPAddress), "address_refused", False, "{name} is {detail}, a private or reserved address",
     _PUBLIC_ONLY),
    (_TooLarge, "too_large", False, "the answer is longer than {detail} bytes",
     "Check that the address is the right one"),
    (_TooSlow, "timeout", True, "the answer had not ended after {detail} seconds", "Try again later"),
    (ssl.SSLCertVerificationError, "tls", False, "the certificate of {name} is not accepted: {detail}",
     "Ask its administrator to renew the certificate or complete its chain"),
    (CertificateError, "tls", False, "the certificate of {name} is for another host ({detail})",
     "Use the name that is in the certificate, or ask its administrator for one with this name"),
    (ssl.SSLError, "tls", False, "no TLS connection with {name}: {detail}",
     "Check that the port speaks TLS 1.2 or newer"),
    (socket.gaierror, "unresolved", False, "the name {name} has no address", "Check its spelling and the DNS"),
    (UnicodeError, "address_invalid", False, "{name} is not a valid host name", "Check its spelling"),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), "timeout", True,
     "{name} did not accept the connection in time", "Check the address and the firewall between, or try later"),
    ((requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError), "timeout", True,
     "{name} did not answer in time", "Try again later"),
    (ConnectionRefusedError, "refused", True, "{name} refuses the connection",
     "Check the port, and that the system is running"),
    (requests.TooManyRedirects, "redirected", False, "it redirects again and again", "Give the final address"),
    (requests.exceptions.ContentDecodingError, "unreadable", False, "the answer cannot be decompressed",
     "Tell the other side's administrator"),
    ((requests.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError,
      ConnectionError), "connection_lost", True, "the connection with {name} was lost before the answer was complete",
     "Try again later"),
)  # fmt: skip


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and what it wraps, outermost first; urllib3 and requests wrap in args and `reason` too."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((each for each in inner if isinstance(each, BaseException)), None)


def _detail(cause: BaseException) -> str:
    """The part of a cause that is safe to show: an address, a limit, or what OpenSSL says."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return str(cause.verify_message)
    if isinstance(cause, ssl.SSLError):
        return str(cause.reason or "handshake failed")
    if isinstance(cause, CertificateError | AddressRefused | InvalidIPAddress | _TooLarge | _TooSlow):
        return str(cause)
    if isinstance(cause, OSError) and cause.errno:
        return errno.errorcode.get(cause.errno, str(cause.errno))
    return type(cause).__name__


def require_ok(response: requests.Response) -> requests.Response:
    """The response if its status is 2xx; else `RequestFailed` that says what the status means for the admin."""
    status = response.status_code
    if 200 <= status < 300:
        return response
    where = f"{response.request.method} {describe(response.url)}"
    code, retryable, advice = _meaning(status)
    if code == "redirected":
        advice = f"Give the final address: it points to {describe(response.headers.get('Location', ''))}"
    raise RequestFailed(
        where, f"it answered {status}", advice, code=code, retryable=retryable, status=status,
        retry_after=retry_after(response),
    )  # fmt: skip


def _meaning(status: int) -> tuple[str, bool, str]:
    if 300 <= status < 400:
        return "redirected", False, ""
    if status in (401, 403):
        return "credential_refused", False, "Check key and secret, and what the other side allows them"
    if status in (404, 405, 410):
        return "not_found", False, "Check the address"
    if status == 429 or status >= 500:
        return "unavailable", True, "Try again later; if it stays, tell the other side's administrator"
    return "request_refused", False, "Check address and settings of this connector"


def get_json(session: requests.Session, url: str, *, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON value at the address (a JWKS, an OpenID configuration); anything else is `RequestFailed`."""
    response = require_ok(session.get(url, headers={"Accept": "application/json", **(headers or {})}))
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise RequestFailed(
            f"GET {describe(url)}", "the answer is not JSON", "Check that the address is the right one", code="not_json"
        ) from None
