"""``wkmb serve`` and ``wkmb worker``: the two kinds of process."""

from __future__ import annotations

import os
import signal
import threading

import click

from hub import migrations
from hub.cli.base import Failed, opened, require_free, seek_cycles_rarely, settings
from hub.operations import logs
from hub.runtime import open_hub
from hub.settings import serve_at, share_metrics, shared_metrics


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
@click.option("--no-worker", is_flag=True, help="Do not start `wkmb worker` beside it.")
def serve(host: str, port: int, workers: int, no_worker: bool) -> None:
    """Serve pages, LRS, LTI and API, and start the worker beside it."""
    require_free(host, port, "choose another with --port")
    serve_at(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    with opened() as hub:  # Refuses wrong settings and a database that is not migrated, before anything is started.
        share_metrics(hub.settings.home / "metrics")
    # Not at the top: it imports prometheus_client, which wants to know the folder by then.
    from hub import serving

    serving.serve(host, port, workers, with_worker=not no_worker)


@click.command()
@click.option("--with-parent", is_flag=True, hidden=True, help="End when the process that started it is gone.")
def worker(with_parent: bool) -> None:
    """Recompute learners whose statements changed, and poll other systems; several may run at once."""
    from hub import worker as work
    from hub.operations.metrics import Metrics

    logs.configure()
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    if with_parent:
        threading.Thread(target=_follow_parent, args=(stopping, os.getppid()), daemon=True).start()
    hub = open_hub(settings(), pool_size=8, traced=True)
    seek_cycles_rarely()
    try:
        migrations.require_newest(hub.db)
        work.run(hub, stopping, Metrics(shared_metrics()))
    except migrations.NotMigrated as error:
        raise Failed(str(error)) from error
    finally:
        hub.close()


def _follow_parent(stopping: threading.Event, parent: int) -> None:
    """A server that was killed leaves no worker behind."""
    while not stopping.wait(1.0):
        if os.getppid() != parent:
            stopping.set()
