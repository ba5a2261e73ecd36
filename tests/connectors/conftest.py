"""Servers of other systems for the tests of connectors: real sockets on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer

from connectors.http import GuardedSession

#: What a badly behaved server does with one connection.
Behave = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _close_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes what a test's sessions keep open; a socket that is only collected would be a warning in a later test."""
    made: list[GuardedSession] = []
    original = GuardedSession.__init__

    def remember(session: GuardedSession, **settings: Any) -> None:
        original(session, **settings)
        made.append(session)

    monkeypatch.setattr(GuardedSession, "__init__", remember)
    yield
    for session in made:
        session.close()


@pytest.fixture
def raw_server() -> Iterator[Callable[[Behave], str]]:
    """Starts a server that does with each connection what it is told; gives its address."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(behave: Behave) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        behave(connection)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


class Certificates:
    """Makes self-signed certificates for 127.0.0.1 and the name `localhost`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, *, days: int = 2, address: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
        """The certificate's file, and a server's context with it; negative ``days`` have expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=30))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .sign(key, hashes.SHA256())
        )
        pem = self._folder / f"{address}-{days}.pem"
        private = self._folder / f"{address}-{days}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, private)
        return pem, context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def tls_server(certificates: Certificates) -> Iterator[Callable[..., tuple[HTTPServer, Path]]]:
    """Starts an HTTPS server with a certificate as described; gives it and the certificate's file."""
    servers: list[HTTPServer] = []

    def start(**kind: Any) -> tuple[HTTPServer, Path]:
        pem, context = certificates.make(**kind)
        server = HTTPServer(host="127.0.0.1", port=0, ssl_context=context)
        server.start()
        servers.append(server)
        return server, pem

    yield start
    for server in servers:
        server.clear()
        server.stop()
