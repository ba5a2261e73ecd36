"""The web server: granian in front of the application, and the worker beside it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import flask
import structlog
from granian import Granian
from granian.constants import Interfaces
from granian.server import mp

from hub.application import create_app
from hub.operations import logs
from hub.operations.metrics import Metrics
from hub.runtime import open_hub
from hub.settings import read, shared_metrics
from hub.slow_bodies import Watch

log = structlog.get_logger()

#: A body that arrives slowly costs one of these meanwhile, and the server has no time limit on it: `hub.slow_bodies`.
THREADS = 32

#: What the server itself says, an answer that broke off among it, goes the way of all logs (`hub.operations.logs`).
_LOGS = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def application() -> flask.Flask:
    """The application of one server process, on the environment's settings; granian calls it in each."""
    logs.configure()
    settings = read()
    _limit_bodies(settings.body_seconds)
    return create_app(open_hub(settings, pool_size=THREADS, traced=True), Metrics(shared_metrics()))


def _limit_bodies(seconds: float) -> None:
    """Have each body of this process come within a time.

    What answers a request from elsewhere is granian's protocol, which an application is not given: it is met where
    granian wraps the application. A version of it that has this name no more does not start.
    """
    watch = Watch(seconds)
    watch.start()
    server: Any = mp
    wrap = server._wsgi_call_wrap
    server._wsgi_call_wrap = lambda *given: watch.over(wrap(*given))


def serve(host: str, port: int, processes: int, *, with_worker: bool) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    server = Granian(
        "hub.serving:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=THREADS,
        backpressure=THREADS * 4,
        factory=True,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_dictconfig=_LOGS,
    )
    with _worker() if with_worker else contextlib.nullcontext():
        server.serve()


@contextlib.contextmanager
def _worker() -> Iterator[None]:
    """``wkmb worker`` as a child: started again should it die, ended with the server."""
    stopping = threading.Event()
    # Started here, not in the thread: granian forks meanwhile, and its child would hold the pipe on which Popen waits
    # for the worker's start, so that the thread would never see the worker end.
    current = [_start_worker()]

    def watch() -> None:
        while True:
            code = current[0].wait()
            if stopping.is_set():
                return
            log.error("worker_ended", code=code)
            if stopping.wait(1.0):
                return
            current[:] = [_start_worker()]

    thread = threading.Thread(target=watch, name="worker-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        _end(current)
        thread.join(1.0)


def _start_worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hub", "worker", "--with-parent"])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + 10
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
