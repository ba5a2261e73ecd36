"""Judge the LRS by ADL's public conformance suite: ``make conformance SUITE=/path/to/lrs-conformance-test-suite``.

The suite is a project of others: clone it, run ``npm install`` in it, and name its folder. It is run for both versions
of xAPI against a hub of its own, on SQLite, or on the empty database that ``WKMB_DATABASE_URL`` names.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WKMB = str(ROOT / ".venv" / "bin" / "wkmb")
VERSIONS = ("1.0.3", "2.0.0")


def wait_ready(server: subprocess.Popen[bytes], port: int) -> None:
    """Return once the hub answers; it has a minute."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("conformance: the hub did not start")


def judge(suite: Path, version: str, port: int, key: str, secret: str) -> dict[str, int]:
    """The suite's own summary for one version: total, passed, failed, version."""
    command = ["node", "bin/console_runner.js", "--xapiVersion", version, "--errors"]
    command += [
        "--endpoint",
        f"http://127.0.0.1:{port}/xapi",
        "--basicAuth",
        "--authUser",
        key,
        "--authPassword",
        secret,
    ]
    done = subprocess.run(command, cwd=suite, stdout=subprocess.PIPE, text=True)
    summaries = [line for line in done.stdout.splitlines() if line.startswith('{"')]
    if not summaries:
        raise SystemExit(f"conformance: the suite said nothing; has `npm install` been run in {suite}?\n{done.stdout}")
    print(f"xAPI {version}: {summaries[-1]}")
    print("".join(f"  {line}\n" for line in done.stdout.splitlines() if "log written" in line), end="", flush=True)
    return dict(json.loads(summaries[-1]))


def main() -> None:
    """Start a hub, run the suite for each version, end with 1 if a test failed."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "bin" / "console_runner.js").exists():
        raise SystemExit("conformance: name the folder of the suite: make conformance SUITE=DIR")
    suite = Path(sys.argv[1]).resolve()
    key, secret = "conformance", secrets.token_urlsafe(24)
    with socket.socket() as probe, tempfile.TemporaryDirectory(prefix="wkmb-conformance-") as home:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "WKMB_HOME": home, "WKMB_SECRET_KEY": secrets.token_urlsafe(48)}
        subprocess.run([WKMB, "db", "upgrade"], env=environment, check=True)
        subprocess.run(
            [WKMB, "credential", "add", key, "--key", key, "--secret-stdin", "--scope", "all"],
            env=environment,
            input=secret.encode(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        with (Path(home) / "serve.log").open("wb") as log:
            command = [WKMB, "serve", "--host", "127.0.0.1", "--port", str(port)]
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_ready(server, port)
            failed = sum(judge(suite, version, port, key, secret)["failed"] for version in VERSIONS)
        finally:
            server.terminate()
            server.wait(20)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
