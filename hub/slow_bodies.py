"""A limit of time on request bodies, which granian does not have: who lets the hub wait is answered 408.

granian reads a body for the thread that asks for it, and such a read cannot be given up. The request can be answered
meanwhile, though, by another thread: the client is told, closes its connection, and that ends the read.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import structlog
from werkzeug.exceptions import RequestTimeout

log = structlog.get_logger()

#: What granian calls for a request: with its protocol, which takes one answer, and with what becomes the environ.
Runner: TypeAlias = Callable[[Any, dict[str, Any]], int]

#: So much of a body has to come within the limit, that is 3 kB/s at 20 seconds.
_PIECE = 1 << 16


class _Answered(BaseException):
    """The request was answered while its body was waited for: nothing more is done for it.

    No Exception, because those become answers, and are counted.
    """


class Watch:
    """Who waits for a piece of a body in this process, and the thread that answers those who wait for too long."""

    def __init__(self, seconds: float) -> None:
        """``seconds``: within which each 64 kB of a body have to come, or what is left of it."""
        self._seconds = seconds
        #: Whoever takes a body out of it decides what becomes of its request.
        self._waiting: dict[_Body, float] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look after the bodies of this process, until `stop` or its end."""
        threading.Thread(target=self._look, name="slow-bodies", daemon=True).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._stopped.set()

    def over(self, run: Runner) -> Runner:
        """The same, with a limit on the body of each request."""

        def runner(protocol: Any, scope: dict[str, Any]) -> int:
            if scope.get("CONTENT_LENGTH", "0") == "0" and "HTTP_TRANSFER_ENCODING" not in scope:
                return run(protocol, scope)
            stream = scope["wsgi.input"]

            def refuse() -> None:
                run(_Last(protocol), {**scope, "wsgi.input": _Late(self._seconds)})

            scope["wsgi.input"] = _Body(stream, self, refuse)
            try:
                return run(protocol, scope)
            except _Answered:
                return RequestTimeout.code

        return runner

    def wait(self, body: _Body, size: int, read: Callable[[int], bytes]) -> bytes:
        """What the read gives, unless it takes too long."""
        self._waiting[body] = time.monotonic() + self._seconds
        try:
            piece = read(size)
        finally:
            was_answered = self._waiting.pop(body, None) is None
        if was_answered:
            raise _Answered
        return piece

    def _look(self) -> None:
        while not self._stopped.wait(min(1.0, self._seconds / 4)):
            now = time.monotonic()
            for body, until in self._waiting.copy().items():
                if until <= now and self._waiting.pop(body, None) is not None:
                    self._refuse(body)

    def _refuse(self, body: _Body) -> None:
        try:
            body.refuse()
        except Exception as error:  # The outermost loop of its thread, without which nobody is answered any more.
            log.error("slow_body_not_answered", exc_info=error)


class _Body:
    """The stream of a request that is waited for so long and no longer. It has `read` alone, all that is asked for."""

    __slots__ = ("_stream", "_watch", "refuse")

    def __init__(self, stream: Any, watch: Watch, refuse: Callable[[], None]) -> None:
        self._stream, self._watch, self.refuse = stream, watch, refuse

    def read(self, size: int | None = None) -> bytes:
        """At most so many bytes, fewer only at the end; all of them where no number is given."""
        if size is not None and 0 <= size <= _PIECE:
            return self._watch.wait(self, size, self._stream.read)
        left = sys.maxsize if size is None or size < 0 else size
        pieces = []
        while left and (piece := self.read(min(_PIECE, left))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


class _Late:
    """The stream of a body that did not come: whoever reads it answers so, each address in its own form."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def read(self, _size: int | None = None) -> NoReturn:
        raise RequestTimeout(f"The body did not come within {self._seconds:g} seconds. Send the request again, whole.")


class _Last:
    """granian's protocol for the last answer on a connection (RFC 9110 15.5.9)."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self._protocol.response_bytes(status, [*headers, ("Connection", "close")], body)

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Any) -> None:
        self._protocol.response_iter(status, [*headers, ("Connection", "close")], body)
