"""Requests in a closed loop, and what they cost the server: wall time here, CPU from /proc of its processes."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import sysconf
from pathlib import Path
from typing import Any

VERBS = [
    ("launched", 6), ("initialized", 9), ("completed", 7), ("passed", 4), ("failed", 2), ("experienced", 14),
    ("answered", 18), ("attempted", 5), ("interacted", 6), ("progressed", 8), ("terminated", 4), ("registered", 2),
]  # fmt: skip
ACTORS, COURSES, MODULES = 20_000, 2_000, 8
HOME, SITE = "https://asn.example.go.id", "https://belajar.example.go.id"
_TICK = sysconf("SC_CLK_TCK")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Cost:
    """What one measurement found: times in milliseconds, CPU of the server in milliseconds a request."""

    seconds: float
    times: tuple[float, ...]
    cpu: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds


def some_statement(rng: random.Random, now: datetime) -> dict[str, Any]:
    """About 1.2 kB, as a course of civil servants sends them; half of it about a tenth of people and courses."""
    course, actor = _skewed(rng, COURSES), _skewed(rng, ACTORS)
    verb = rng.choices([name for name, _ in VERBS], [weight for _, weight in VERBS])[0]
    url = f"{SITE}/kursus/{course:05d}"
    title = f"Manajemen Pelayanan Publik tingkat {course % 4 + 1} angkatan {course}"
    return {
        "actor": {
            "objectType": "Agent",
            "name": f"Pegawai Nomor {actor:05d}",
            "account": {"homePage": HOME, "name": f"1990{actor:014d}"},
        },
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en-US": verb, "id-ID": verb}},
        "object": {
            "objectType": "Activity",
            "id": f"{url}/modul/{_skewed(rng, MODULES)}",
            "definition": {
                "name": {"id-ID": f"{title} - modul", "en-US": f"Course {course} module"},
                "description": {"id-ID": f"Modul dari pelatihan {title} bagi aparatur sipil negara"},
                "type": "http://adlnet.gov/expapi/activities/module",
            },
        },
        "result": {
            "score": {"scaled": rng.randrange(101) / 100, "raw": rng.randrange(101), "min": 0, "max": 100},
            "completion": True,
            "duration": f"PT{rng.randrange(60)}M{rng.randrange(60)}S",
        },
        "context": {
            "registration": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "platform": "Hub Pembelajaran ASN",
            "language": "id-ID",
            "contextActivities": {
                "parent": [{"objectType": "Activity", "id": url}],
                "grouping": [{"objectType": "Activity", "id": f"{SITE}/program/{course % 40:02d}"}],
                "category": [{"id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}],
            },
        },
        "timestamp": (now - timedelta(seconds=rng.randrange(31_536_000))).isoformat(timespec="milliseconds"),
    }


def _skewed(rng: random.Random, count: int) -> int:
    return int(count * rng.random() ** 3.3)


def bodies(count: int, batch: int, seed: int) -> list[bytes]:
    """Requests to send: single statements, or arrays of ``batch``."""
    rng, now = random.Random(seed), datetime.now(UTC)
    made = [[some_statement(rng, now) for _ in range(batch)] for _ in range(count)]
    return [json.dumps(each if batch > 1 else each[0], separators=(",", ":")).encode() for each in made]


class Client:
    """One keep-alive connection with a credential. It does no more than it must: each time that is told includes it."""

    def __init__(self, port: int, key: str, secret: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        token = base64.b64encode(f"{key}:{secret}".encode()).decode()
        headers = {
            "Host": f"127.0.0.1:{port}",
            "Authorization": f"Basic {token}",
            "X-Experience-API-Version": "1.0.3",
            "Content-Type": "application/json",
        }
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def post(self, body: bytes) -> bytes:
        return self._send(f"POST /xapi/statements HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n", body)

    def get(self, path: str) -> bytes:
        return self._send(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n", b"")

    def _send(self, head: str, body: bytes) -> bytes:
        self._socket.sendall(head.encode() + body)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            self._receive(received)
        length = _LENGTH.search(received, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        while len(received) < whole:
            self._receive(received)
        content = bytes(received[end + 4 :])
        if not received.startswith(b"HTTP/1.1 2"):
            raise AssertionError(f"{head.splitlines()[0]}: {bytes(received[:end])!r} {content[:300]!r}")
        return content

    def _receive(self, received: bytearray) -> None:
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("The server has closed the connection")
        received += piece


def measure(
    work: Sequence[bytes], send: Callable[[Client, bytes], object], clients: Sequence[Client], pids: Sequence[int]
) -> Cost:
    """Send every body, each client its share, one after the other."""
    times: list[float] = []
    lock = threading.Lock()

    def loop(client: Client, share: Sequence[bytes]) -> None:
        own = []
        for body in share:
            start = time.perf_counter()
            send(client, body)
            own.append(time.perf_counter() - start)
        with lock:
            times.extend(own)

    shares = [work[number :: len(clients)] for number in range(len(clients))]
    threads = [threading.Thread(target=loop, args=pair) for pair in zip(clients, shares, strict=True)]
    before, start = cpu_of(pids), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, spent = time.perf_counter() - start, cpu_of(pids) - before
    return Cost(seconds, tuple(each * 1000 for each in times), cpu=spent / len(times) * 1000)


def cpu_of(pids: Sequence[int]) -> float:
    """Seconds of CPU that these processes and all below them have used, ended children included."""
    nanoseconds = ticks = 0
    for pid in _family(pids):
        with contextlib.suppress(OSError):
            # What ran is told in nanoseconds, of each thread; of children that have ended in ticks alone.
            nanoseconds += sum(
                int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")
            )
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]))
    return nanoseconds / 1e9 + ticks / _TICK


def memory_of(pids: Sequence[int]) -> float:
    """Resident megabytes of the largest of these processes and all below them."""
    sizes = [0.0]
    for pid in _family(pids):
        try:
            sizes.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * sysconf("SC_PAGE_SIZE") / 1e6)
        except OSError:
            continue
    return max(sizes)


def _family(pids: Sequence[int]) -> set[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(text.partition(" ")[0]))
    found, todo = set(pids), list(pids)
    while todo:
        for child in parents.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found
