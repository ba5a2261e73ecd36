"""The web server: granian in front of the application, and the worker beside it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import flask
import structlog
from granian import Granian
from granian.constants import Interfaces

from hub.application import create_app
from hub.operations import logs
from hub.operations.metrics import Metrics
from hub.runtime import open_hub
from hub.settings import read, shared_metrics

log = structlog.get_logger()

#: The server has no time limit on a body that arrives slowly, so one slow client may cost one of these threads.
THREADS = 32

#: What the server itself says, an answer that broke off among it, goes the way of all logs (`hub.operations.logs`).
_LOGS = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def application() -> flask.Flask:
    """The application of one server process, on the environment's settings; granian calls it in each."""
    logs.configure()
    return create_app(open_hub(read(), pool_size=THREADS, traced=True), Metrics(shared_metrics()))


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
