"""A body that was cut off, is too long, or lies about its length is refused: over a socket, on the server in use."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from werkzeug.exceptions import BadRequest, HTTPException, LengthRequired, RequestEntityTooLarge, UnsupportedMediaType

from hub.bodies import read_body
from wkmbtest.postgresql import free_port
from wkmbtest.processes import kill_group, wait_until

ROOT = Path(__file__).parents[2]
LIMIT = 1000

APP = f"""
from werkzeug.exceptions import HTTPException
from hub.bodies import read_body

def app(environ, start_response):
    try:
        body = read_body(environ, limit={LIMIT}, chunked=environ["PATH_INFO"] == "/chunked")
        status, answer = "200 OK", str(len(body)).encode()
    except HTTPException as error:
        status, answer = f"{{error.code}} X", (error.description or "").encode()
    start_response(status, [("Content-Length", str(len(answer)))])
    return [answer]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that says how long a body was."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "length.py").write_text(APP)
    number = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(number)]
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "length:app"],
            cwd=folder,
            env={"PYTHONPATH": f"{ROOT}:{folder}", "PATH": ""},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_until(lambda: _listens(number), what="granian", process=server, log=log)
    yield number
    kill_group(server)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def send(port: int, request: bytes, *, finish: bool = False) -> int:
    """The status of the answer to raw bytes; with ``finish`` nothing more is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    return int(answer.split(b" ", 2)[1]) if answer else 0


def put(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_whole_body_is_taken(port: int) -> None:
    assert send(port, put("/", "Content-Length: 5", body=b"12345")) == 200


def test_an_answer_has_one_date(port: int) -> None:
    """RFC 9110 6.6.1; clients of some LRSs stumble over two."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(put("/", "Content-Length: 0"))
        answer = connection.recv(1000).lower()

    assert answer.count(b"\r\ndate:") == 1


def test_a_body_that_was_cut_off_is_never_taken(port: int) -> None:
    """The server may also drop the connection; it must not answer 200."""
    assert send(port, put("/", "Content-Length: 500", body=b"12345"), finish=True) in (0, 400)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(port: int) -> None:
    assert send(port, put("/", f"Content-Length: {LIMIT + 1}", body=b"x" * (LIMIT + 1))) == 413


def test_a_chunked_body_is_refused_where_it_would_be_stored(port: int) -> None:
    assert send(port, put("/", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")) == 411


def test_a_chunked_body_is_taken_up_to_the_limit(port: int) -> None:
    long = b"%x\r\n%s\r\n0\r\n\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1))

    assert send(port, put("/chunked", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")) == 200
    assert send(port, put("/chunked", "Transfer-Encoding: chunked", body=long)) == 413


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"CONTENT_LENGTH": "4"}, BadRequest),
        ({"CONTENT_LENGTH": "-1"}, BadRequest),
        ({"CONTENT_LENGTH": "3x"}, BadRequest),
        ({"CONTENT_LENGTH": "٣"}, BadRequest),
        ({"CONTENT_LENGTH": "1001"}, RequestEntityTooLarge),
        ({"CONTENT_LENGTH": "3", "HTTP_TRANSFER_ENCODING": "chunked"}, BadRequest),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, LengthRequired),
        ({"CONTENT_LENGTH": "3", "HTTP_CONTENT_ENCODING": "gzip"}, UnsupportedMediaType),
    ],
)
def test_each_lie_has_its_own_answer(environ: dict[str, str], error: type[HTTPException]) -> None:
    with pytest.raises(error):
        read_body({"wsgi.input": BytesIO(b"abc"), **environ}, limit=LIMIT, chunked=False)


def test_no_body_is_an_empty_one() -> None:
    assert read_body({"wsgi.input": BytesIO(b"abc")}, limit=LIMIT) == b""
    assert read_body({"wsgi.input": BytesIO(b"abc"), "CONTENT_LENGTH": ""}, limit=LIMIT) == b""
