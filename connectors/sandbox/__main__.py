"""Start the sandbox: ``python -m connectors.sandbox --port 8090 --home DIR``."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from .courier import Courier
from .courses import load_courses
from .errors import SandboxError
from .keys import load_key
from .lti import Tool
from .platforms import Platforms, parse_platform
from .store import Store
from .web import Sandbox, create_app
from .wire import Wire


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sandbox", description="LMS Sandbox: a fictional LMS to try a hub with.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on; 0 takes a free one (default 8090)")
    parser.add_argument("--home", type=Path, required=True, help="directory of its database, key and registration")
    parser.add_argument("--base-url", help="its address for browsers (default http://HOST:PORT)")
    parser.add_argument("--admin-anywhere", action="store_true", help="show administrators' pages to every address")
    one = parser.add_argument_group("a platform", "written into HOME/registration.json, as `wkmb tool add --json` says")
    one.add_argument("--registration", type=Path, help="take the file with that JSON in the place of HOME's")
    for name in ("issuer", "client-id", "auth-url", "token-url", "jwks-url"):
        one.add_argument(f"--{name}")
    one.add_argument("--deployment-id", action="append", dest="deployment_ids", metavar="ID")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run until a signal; 2 where the configuration is wrong, 1 where the port is taken."""
    options = parse_arguments(arguments)
    try:
        platforms = _platforms(options)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return _serve(options, platforms)


def _platforms(options: argparse.Namespace) -> Platforms:
    options.home.mkdir(parents=True, exist_ok=True)
    platforms = Platforms(options.registration or options.home / "registration.json")
    given = {
        name: getattr(options, name)
        for name in ("issuer", "client_id", "auth_url", "token_url", "jwks_url", "deployment_ids")
        if getattr(options, name)
    }
    if given:
        platforms.save(parse_platform(given, "command line"))
    platforms.all()
    return platforms


def _serve(options: argparse.Namespace, platforms: Platforms) -> int:
    # The socket comes first: with port 0 the address, and with it every URL we give out, is known only then.
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        print(
            f"sandbox: cannot listen on {options.host} port {options.port} ({error.strerror})."
            " Stop what uses it, or give another --port.",
            file=sys.stderr,
        )
        return 1
    port = listener.getsockname()[1]
    base_url = (options.base_url or _address(options.host, port)).rstrip("/")
    key = load_key(options.home / "key.pem")
    store = Store(options.home / "sandbox.sqlite3")
    courier = Courier(store, platforms, key, clock=time.time, new_id=_new_id)
    tool = Tool(platforms, key, store, Wire(lambda exchange: None, time.time), time.time, base_url)
    app = create_app(Sandbox(tool, store, courier, load_courses(), time.time, _new_id, options.admin_anywhere))
    server = make_server(options.host, port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno())
    # A daemon: what it has not delivered waits in the database, so that stopping need not wait for a slow hub.
    courier_thread = threading.Thread(target=courier.run, name="courier", daemon=True)
    courier_thread.start()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"LMS Sandbox: {base_url}", flush=True)
    try:
        server.serve_forever()
    finally:
        courier.stop()
        courier_thread.join(timeout=2)
        server.server_close()
        listener.close()
    return 0


def _address(host: str, port: int) -> str:
    """What a browser on this machine calls us; a wildcard is no address to call."""
    called = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{called}]:{port}" if ":" in called else f"http://{called}:{port}"


class _Quiet(WSGIRequestHandler):
    """No line per request: addresses of pages are what lets a browser back in."""

    def log(self, type: str, message: str, *args: object) -> None:
        if type == "error":
            super().log(type, message, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _new_id() -> str:
    return str(uuid.uuid4())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
