"""Every call that leaves the hub: where it may go, how long it takes, how much it reads, how often it is made."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import ConnectorError
from connectors.http import GuardedSession, RequestFailed, describe, get_json, require_ok, retry_after


def inside(**settings: Any) -> GuardedSession:
    """A session of an internal connector that does not make the tests wait."""
    return GuardedSession(internal=True, wait=0.001, **settings)


PUBLIC = GuardedSession(wait=0.001)

# Where to ------------------------------------------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "0.0.0.0", "0", "localhost", "LOCALHOST.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "127.0.0.1.",
    "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "192.0.0.1", "192.0.2.1", "203.0.113.1", "240.0.0.1", "255.255.255.255", "224.0.0.1", "[fc00::1]", "[fd00::1]",
    "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[2001::1]",
]  # fmt: skip

LINK_LOCAL = [
    "169.254.169.254", "169.254.1.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]",
]  # fmt: skip


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the short, octal and hexadecimal spellings as the system's resolver does (inet_aton), without asking."""
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(OSError):
            host = socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
        return real(host.rstrip("."), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize("host", PRIVATE + LINK_LOCAL)
def test_a_public_connector_reaches_no_private_address_in_any_spelling(host: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        PUBLIC.get(f"https://{host}/jwks")

    assert refused.value.code == "address_refused"
    assert not refused.value.retryable


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "100.64.0.1"])
def test_the_refusal_of_a_private_address_says_what_to_do(host: str) -> None:
    with pytest.raises(RequestFailed, match="--internal") as refused:
        PUBLIC.get(f"https://{host}/")

    assert refused.value.code == "address_refused"


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize("host", LINK_LOCAL)
def test_link_local_addresses_are_refused_even_inside(host: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        inside().get(f"http://{host}/latest/meta-data")

    assert refused.value.code == "address_refused"


def test_link_local_says_why_even_inside() -> None:
    with pytest.raises(RequestFailed, match="link-local") as refused:
        inside().get("http://169.254.169.254/latest/meta-data")

    assert refused.value.code == "address_refused"


def test_http_is_refused_without_internal() -> None:
    with pytest.raises(RequestFailed, match="http is not allowed"):
        PUBLIC.get("http://93.184.216.34/")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "gopher://x/", "//x", "x", "", "https://",
                                 "https://a b/", "https://[::1/", "https://host:99999/", "https://" + "a" * 64 + ".id/",
                                 "http://{name}/", "https://\u0000/"])  # fmt: skip
def test_what_is_no_https_address_is_refused(url: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        PUBLIC.get(url)

    assert not refused.value.retryable


def test_a_name_that_changes_its_answer_is_connected_where_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name is asked once, and the connection goes to the address that was checked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return real("93.184.216.34" if len(asked) == 1 else "127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)

    connected: list[str] = []

    def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    with pytest.raises(RequestFailed, match="refuses"):
        GuardedSession(attempts=1).get("https://rebind.example/jwks")

    assert connected == ["93.184.216.34"]
    assert asked == ["rebind.example"]
    with pytest.raises(RequestFailed, match="private"):
        PUBLIC.get("https://rebind.example/jwks")
    assert connected == ["93.184.216.34"]


def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kwargs: real("192.168.7.7", *args, **kwargs))

    with pytest.raises(RequestFailed, match=r"lms\.example is 192\.168\.7\.7"):
        PUBLIC.get("https://lms.example/jwks")


def test_an_internal_connector_reaches_loopback_by_name_and_number(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_handler(lambda request: Response(request.headers["Host"]))

    for host in ("127.0.0.1", "localhost"):
        answer = inside().get(f"http://{host}:{httpserver.port}/")

        assert answer.text == f"{host}:{httpserver.port}"


def test_the_environment_sends_nothing_elsewhere(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    httpserver.expect_request("/").respond_with_data("direct")

    session = inside()

    assert session.get(httpserver.url_for("/")).text == "direct"
    assert session.get(httpserver.url_for("/"), proxies={"http": "http://127.0.0.1:9"}).text == "direct"


def test_no_cookie_is_kept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_handler(
        lambda request: Response(request.headers.get("Cookie", "none"), headers={"Set-Cookie": "session=1"})
    )
    session = inside()

    session.get(httpserver.url_for("/"))

    assert session.get(httpserver.url_for("/")).text == "none"


# Redirects -----------------------------------------------------------------------------------------------------


def test_redirects_are_not_followed_unless_asked_for(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", 302, {"Location": httpserver.url_for("/new")})
    httpserver.expect_request("/new").respond_with_data("here")

    assert inside().get(httpserver.url_for("/old")).status_code == 302
    assert inside().get(httpserver.url_for("/old"), allow_redirects=True).status_code == 302
    assert inside(follow_redirects=True).get(httpserver.url_for("/old")).text == "here"
    assert inside(follow_redirects=True).get(httpserver.url_for("/old"), allow_redirects=False).status_code == 302


def test_an_unfollowed_redirect_names_the_final_address(httpserver: HTTPServer) -> None:
    target = httpserver.url_for("/new") + "?token=geheim"
    httpserver.expect_request("/old").respond_with_data("", 301, {"Location": target})

    with pytest.raises(RequestFailed, match=r"points to http://localhost:\d+/new$") as moved:
        get_json(inside(), httpserver.url_for("/old"))

    assert moved.value.code == "redirected"


def test_a_redirect_is_checked_like_the_first_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 302, {"Location": "http://169.254.169.254/latest"})

    with pytest.raises(RequestFailed) as refused:
        inside(follow_redirects=True).get(httpserver.url_for("/"))

    assert refused.value.code == "address_refused"


def test_redirects_in_a_circle_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 302, {"Location": "/"})

    with pytest.raises(RequestFailed) as circle:
        inside(follow_redirects=True).get(httpserver.url_for("/"))

    assert circle.value.code == "redirected"


def test_the_body_of_a_redirect_is_limited_too(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("x" * 5000, 302, {"Location": "/new"})

    with pytest.raises(RequestFailed) as refused:
        inside(follow_redirects=True, max_bytes=1000).get(httpserver.url_for("/"))

    assert refused.value.code == "too_large"


# How much ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, 1001])
def test_an_answer_is_read_up_to_the_limit(httpserver: HTTPServer, size: int) -> None:
    httpserver.expect_request("/").respond_with_data("x" * size)

    if size <= 1000:
        assert len(inside(max_bytes=1000).get(httpserver.url_for("/")).content) == size
    else:
        with pytest.raises(RequestFailed, match="longer than 1000 bytes") as refused:
            inside(max_bytes=1000).get(httpserver.url_for("/"))
        assert refused.value.code == "too_large"


def test_an_answer_without_length_is_limited_too(raw_server: Callable[..., str]) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with pytest.raises(RequestFailed) as refused:
        inside(max_bytes=10_000).get(raw_server(endless))

    assert refused.value.code == "too_large"


def test_a_decompression_bomb_is_limited_after_decompression(httpserver: HTTPServer) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    httpserver.expect_request("/").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})

    with pytest.raises(RequestFailed) as refused:
        inside(max_bytes=100_000).get(httpserver.url_for("/"))

    assert refused.value.code == "too_large"


def test_a_compressed_answer_is_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    assert get_json(inside(), httpserver.url_for("/")) == {}


def test_what_is_not_compressed_as_it_says_is_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data(b"not gzip", headers={"Content-Encoding": "gzip"})

    with pytest.raises(RequestFailed) as refused:
        inside().get(httpserver.url_for("/"))

    assert refused.value.code == "unreadable"


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"],
    ids=["length", "chunked"],
)
def test_an_answer_that_was_cut_off_is_no_answer(raw_server: Callable[..., str], head: bytes) -> None:
    url = raw_server(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + head))

    with pytest.raises(RequestFailed) as lost:
        inside().get(url)

    assert lost.value.code == "connection_lost"
    assert lost.value.retryable


def test_a_connection_is_used_again(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("x")
    session = inside()

    for _ in range(3):
        session.get(httpserver.url_for("/"))

    pools = session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]
    assert [pool.num_connections for pool in pools._container.values()] == [1]


# How long ------------------------------------------------------------------------------------------------------


def test_a_server_that_says_nothing_is_given_up(raw_server: Callable[..., str]) -> None:
    url = raw_server(lambda connection: time.sleep(1))
    started = time.monotonic()

    with pytest.raises(RequestFailed, match="did not answer in time") as late:
        inside(read_timeout=0.1, attempts=1).get(url)

    assert late.value.code == "timeout"
    assert time.monotonic() - started < 0.9


def test_a_body_that_trickles_is_given_up(raw_server: Callable[..., str]) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.05)

    started = time.monotonic()

    with pytest.raises(RequestFailed, match=r"not ended after 0\.3 seconds") as late:
        inside(read_timeout=5, total_timeout=0.3, attempts=1).get(raw_server(trickle))

    assert late.value.code == "timeout"
    assert time.monotonic() - started < 2


def test_headers_that_trickle_are_given_up(raw_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.05)

    monkeypatch.setattr("connectors.http.LONGEST_HEADERS", 0.3)
    started = time.monotonic()

    with pytest.raises(RequestFailed) as late:
        inside(read_timeout=5, attempts=1).get(raw_server(trickle))

    assert late.value.retryable
    assert time.monotonic() - started < 2


# How often -----------------------------------------------------------------------------------------------------


class Flaky:
    """Answers the given statuses one after the other, then 200."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self._lock:
            self.calls += 1
            return Response("done", self.statuses.pop(0) if self.statuses else 200, headers=self.headers)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(httpserver: HTTPServer, status: int) -> None:
    flaky = Flaky(status, status)
    httpserver.expect_request("/").respond_with_handler(flaky)

    assert inside().get(httpserver.url_for("/")).status_code == 200
    assert flaky.calls == 3


def test_after_the_last_attempt_its_answer_is_given(httpserver: HTTPServer) -> None:
    flaky = Flaky(*[503] * 9)
    httpserver.expect_request("/").respond_with_handler(flaky)

    answer = inside().get(httpserver.url_for("/"))

    assert (answer.status_code, flaky.calls) == (503, 3)
    with pytest.raises(RequestFailed) as busy:
        require_ok(answer)
    assert (busy.value.retryable, busy.value.status) == (True, 503)


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_an_answer_that_means_no_is_not_asked_again(httpserver: HTTPServer, status: int) -> None:
    flaky = Flaky(status)
    httpserver.expect_request("/").respond_with_handler(flaky)

    assert inside().get(httpserver.url_for("/")).status_code == status
    assert flaky.calls == 1


def test_a_post_is_sent_once(httpserver: HTTPServer) -> None:
    flaky = Flaky(503)
    httpserver.expect_request("/").respond_with_handler(flaky)

    assert inside().post(httpserver.url_for("/"), data="x").status_code == 503
    assert flaky.calls == 1


def test_a_post_whose_ids_make_it_idempotent_is_repeated(httpserver: HTTPServer) -> None:
    flaky = Flaky(503)
    httpserver.expect_request("/").respond_with_handler(flaky)

    assert inside().request("POST", httpserver.url_for("/"), data="x", repeatable=True).status_code == 200
    assert flaky.calls == 2


def test_a_post_on_a_lost_connection_is_not_repeated(raw_server: Callable[..., str]) -> None:
    calls: list[int] = []
    url = raw_server(lambda connection: calls.append(1))

    with pytest.raises(RequestFailed):
        inside().post(url, data="x")

    assert len(calls) == 1


def test_a_lost_connection_is_repeated_for_a_get(raw_server: Callable[..., str]) -> None:
    calls: list[int] = []

    def second_time(connection: socket.socket) -> None:
        calls.append(1)
        if len(calls) > 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    assert get_json(inside(), raw_server(second_time)) == {}
    assert len(calls) == 2


def test_a_long_retry_after_is_left_to_the_schedule(httpserver: HTTPServer) -> None:
    flaky = Flaky(429, headers={"Retry-After": "3600"})
    httpserver.expect_request("/").respond_with_handler(flaky)

    answer = inside().get(httpserver.url_for("/"))

    assert (answer.status_code, flaky.calls) == (429, 1)
    with pytest.raises(RequestFailed) as busy:
        require_ok(answer)
    assert busy.value.retry_after == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", None), ("", None), ("-3", None), ("soon", None), ("9" * 30, None), ("٣", None)],
)
def test_a_retry_after_that_is_no_number_is_ignored(header: str, seconds: float | None) -> None:
    response = requests.Response()
    response.headers["Retry-After"] = header

    assert retry_after(response) == seconds


# What it says --------------------------------------------------------------------------------------------------


def test_an_error_names_the_address_and_no_secret() -> None:
    url = "http://user:kata-sandi@127.0.0.1:1/register?registration_token=geheim#frag"

    with pytest.raises(ConnectorError) as refused:
        inside(attempts=1).get(url, headers={"Authorization": "Basic cmFoYXNpYQ=="})

    shown = "".join(traceback.format_exception_only(refused.value)) + repr(vars(refused.value))
    assert "http://127.0.0.1:1/register" in shown
    assert refused.value.code == "refused"
    assert [word for word in ("kata-sandi", "geheim", "cmFoYXNpYQ", "user:") if word in shown] == []
    assert refused.value.__suppress_context__  # requests' own text quotes the query


def test_libraries_that_catch_requests_errors_catch_ours() -> None:
    with pytest.raises(requests.RequestException):
        inside(attempts=1).get("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/p?q=1#f", "https://a.example/p"),
        ("https://u:p@a.example:8443/p", "https://a.example:8443/p"),
        ("https://[2001:db8::1]:8443/p", "https://[2001:db8::1]:8443/p"),
        ("https://a.example/pns/198501012010011001?x", "https://a.example/pns/(nip)"),
        ("https://[::1", "(not an address)"),
        ("https://h:99999/", "(not an address)"),
        ("", "(not an address)"),
    ],
)
def test_an_address_is_shown_without_credentials_and_query(url: str, shown: str) -> None:
    assert describe(url) == shown


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(401, "credential_refused", False), (403, "credential_refused", False), (404, "not_found", False),
     (400, "request_refused", False), (429, "unavailable", True), (500, "unavailable", True)],
)  # fmt: skip
def test_a_status_is_explained(httpserver: HTTPServer, status: int, code: str, retryable: bool) -> None:
    httpserver.expect_request("/").respond_with_data("", status)

    with pytest.raises(RequestFailed, match=f"answered {status}") as refused:
        get_json(inside(attempts=1), httpserver.url_for("/"))

    assert (refused.value.code, refused.value.retryable) == (code, retryable)


def test_an_answer_that_is_not_json_is_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("<html>")

    with pytest.raises(RequestFailed) as refused:
        get_json(inside(), httpserver.url_for("/"))

    assert refused.value.code == "not_json"


# TLS -----------------------------------------------------------------------------------------------------------


def test_a_certificate_nobody_vouches_for_is_refused(tls_server: Callable[..., tuple[HTTPServer, Path]]) -> None:
    server, _ = tls_server()

    with pytest.raises(RequestFailed, match="self-signed") as refused:
        inside().get(server.url_for("/"))

    assert (refused.value.code, refused.value.retryable) == ("tls", False)


def test_an_expired_certificate_is_named_so(tls_server: Callable[..., tuple[HTTPServer, Path]]) -> None:
    server, pem = tls_server(days=-1)
    session = inside()
    session.verify = str(pem)

    with pytest.raises(RequestFailed, match="expired"):
        session.get(server.url_for("/"))


def test_a_certificate_of_another_host_is_refused(tls_server: Callable[..., tuple[HTTPServer, Path]]) -> None:
    server, pem = tls_server(address="127.0.0.9")
    session = inside()
    session.verify = str(pem)

    with pytest.raises(RequestFailed, match="another host") as refused:
        session.get(server.url_for("/"))

    assert refused.value.code == "tls"


def test_a_trusted_certificate_is_accepted(tls_server: Callable[..., tuple[HTTPServer, Path]]) -> None:
    server, pem = tls_server()
    server.expect_request("/").respond_with_data("x")
    session = inside()
    session.verify = str(pem)

    assert session.get(server.url_for("/")).text == "x"


def test_http_spoken_to_https_is_a_tls_error(httpserver: HTTPServer) -> None:
    with pytest.raises(RequestFailed) as refused:
        inside().get(f"https://127.0.0.1:{httpserver.port}/")

    assert refused.value.code in {"tls", "connection_lost"}
