"""A whole launch at the hub over a bare RS256 signature, in one run: `.venv/bin/python tests/bench/launch.py`.

Not a test. A launch is what the hub does as platform: the employee's click (login initiation), and the tool's
authentication request, answered by a page with the id_token. The server runs as its users run it, on a database; its
CPU, and on PostgreSQL that of the database's server, is set against the CPU of a signature made with a key object that
is there already. The same for an access token. Prints a table with the floors and aims of the project.
"""

from __future__ import annotations

import argparse
import html
import http.client
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: E402
from joserfc import jwt  # noqa: E402
from joserfc.jwk import RSAKey  # noqa: E402
from load import cpu_of  # noqa: E402
from visible import NIP, write_csv  # noqa: E402

from hub.demo.visitor import Page, Visitor  # noqa: E402
from wkmbtest import postgresql  # noqa: E402
from wkmbtest.processes import HubProcess  # noqa: E402

#: How often launches and signatures take turns, and how often each is done before anything is measured.
TURNS, WARMING = 20, 20

PASSWORD = "kata sandi yang panjang 7"
TOOL = "https://lan.contoh.example"
ALL = " ".join(f"https://purl.imsglobal.org/spec/lti-ags/scope/{name}" for name in ("lineitem", "score"))


@dataclass
class Browser:
    """A signed-in employee's browser on one connection, and the tool that it is sent to."""

    port: int
    cookie: str
    csrf: str

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def launch(self) -> str:
        """From the click to the id_token."""
        login = dict(parse_qsl(urlsplit(self.click()).query))
        page = self.send("GET", "/lti/platform/auth?" + urlencode(request(login)))[1]
        return html.unescape(re.findall(r'name="id_token" value="([^"]+)"', page)[0])

    def click(self) -> str:
        """Start the course; gives where the browser is sent."""
        return self.send("POST", "/courses/1/launch", urlencode({"csrf_token": self.csrf}))[0]

    def send(self, method: str, path: str, body: str | None = None) -> tuple[str, str]:
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status not in (200, 303):
            raise AssertionError(f"{method} {path}: {answer.status} {text[:300]}")
        return answer.headers.get("Location", ""), text


def request(login: dict[str, str]) -> dict[str, str]:
    """What a tool asks when it is told to begin."""
    return {
        "client_id": login["client_id"],
        "redirect_uri": f"{TOOL}/launch",
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "nonce": uuid.uuid4().hex,
        "state": uuid.uuid4().hex,
        "login_hint": login["login_hint"],
        "lti_message_hint": login["lti_message_hint"],
    }


class Series:
    """What one piece of work costs these processes, measured in turns with a bare signature: what else the machine does
    meanwhile meets both. The first times are not counted."""

    def __init__(self, work: Callable[[], object], pids: list[int]) -> None:
        self._work = work
        self._pids = pids
        self.cpu: list[float] = []  # Milliseconds of CPU, of each turn.
        self.signatures: list[float] = []  # The same over that of a signature.
        self.took: list[float] = []  # Milliseconds, of each time.
        for _ in range(WARMING):
            work()

    def turn(self, times: int, signature: float) -> None:
        """Do it so many times, one after the other."""
        before = cpu_of(self._pids)
        for _ in range(times):
            start = time.perf_counter()
            self._work()
            self.took.append((time.perf_counter() - start) * 1000)
        self.cpu.append((cpu_of(self._pids) - before) / times * 1000)
        self.signatures.append(self.cpu[-1] / signature)


def signature(key: rsa.RSAPrivateKey, times: int = 200) -> float:
    """Milliseconds of CPU of a bare RS256 signature of a text as long as an id_token, with a key object at hand."""
    text = b"x" * 3000
    before = time.process_time()
    for _ in range(times):
        key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return (time.process_time() - before) / times * 1000


def prepare(hub: HubProcess, key: RSAKey) -> tuple[Browser, str]:
    """An employee, a tool and its course; gives her browser and the tool's client_id."""
    hub.wkmb("db", "upgrade")
    learner = {"nip": NIP, "name": "Siti Rahayu", "email": "", "status": "PNS", "employer": "Contoh", "unit": "Biro"}
    hub.wkmb("learner", "import", write_csv(hub.home / "learners.csv", [learner]))
    account = ("user", "add", "siti", "--role", "learner", "--nip", NIP, "--password-stdin")
    hub.wkmb(*account, stdin=PASSWORD + "\n")
    public = hub.home / "key.pem"
    public.write_bytes(key.as_pem(private=False))
    tool = ("tool", "add", "lan", "--login-url", f"{TOOL}/login?id=7", "--redirect-uri", f"{TOOL}/launch")
    hub.wkmb(*tool, "--target-link-uri", f"{TOOL}/launch", "--public-key", str(public), "--names")
    course = {
        "id": f"{TOOL}/course/1", "aliases": "", "provider": "lan", "title_id": "Pelayanan Publik",
        "title_en": "Public Service", "form": "NKL04", "scope": "national", "programme_jp": "4.5",
        "requires": "completed", "launch_url": f"{TOOL}/launch",
    }  # fmt: skip
    hub.wkmb("course", "import", write_csv(hub.home / "courses.csv", [course]))
    hub.start("--no-worker", "--workers", "1")
    with Visitor() as visitor:
        visitor.submit(visitor.get(f"{hub.url}/login"), "/login", username="siti", password=PASSWORD)
        page = visitor.get(f"{hub.url}/courses/1")
        csrf = next(form.fields["csrf_token"] for form in Page(page).forms if form.action.endswith("/launch"))
        cookie = "; ".join(f"{each.name}={each.value}" for each in visitor.cookies)
    browser = Browser(hub.port, cookie, csrf)
    return browser, dict(parse_qsl(urlsplit(browser.click()).query))["client_id"]


def assertions(hub: HubProcess, key: RSAKey, client_id: str, count: int) -> Iterator[str]:
    """Requests for a token, signed before the clock runs."""
    now = int(time.time())
    for _ in range(count):
        said = {"iss": client_id, "sub": client_id, "aud": f"{hub.url}/lti/platform/token", "iat": now,
                "exp": now + 300, "jti": str(uuid.uuid4())}  # fmt: skip
        yield urlencode({
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode({"alg": "RS256", "kid": "1"}, said, key, algorithms=["RS256"]),
            "scope": ALL,
        })  # fmt: skip


def report(name: str, hub: HubProcess, pids: list[int], options: argparse.Namespace) -> None:
    """Measure one hub and print its rows: medians of the turns."""
    key, bare = RSAKey.generate_key(2048, private=True), rsa.generate_private_key(public_exponent=65537, key_size=2048)
    browser, client_id = prepare(hub, key)
    assert hub._server is not None
    pids = [hub._server.pid, *pids]
    times = options.launches // TURNS
    logins = [dict(parse_qsl(urlsplit(browser.click()).query)) for _ in range(times * TURNS + WARMING)]
    paths = iter([f"/lti/platform/auth?{urlencode(request(each))}" for each in logins])
    # Fewer than the 600 a minute that a client may ask.
    forms = iter(list(assertions(hub, key, client_id, 20 * TURNS + WARMING)))
    whole = Series(browser.launch, pids)
    authenticated = Series(lambda: browser.send("GET", next(paths)), pids)
    token = Series(lambda: browser.send("POST", "/lti/platform/token", next(forms)), pids)
    signatures = []
    for _ in range(TURNS):
        signatures.append(signature(bare))
        whole.turn(times, signatures[-1])
        authenticated.turn(times, signatures[-1])
        token.turn(20, signatures[-1])
    for what, found, floor, aim in (
        ("a whole launch", whole, "<= 10", "<= 6"),
        ("of it the authentication request", authenticated, "", ""),
        ("an access token", token, "<= 10", "<= 6"),
    ):
        cpu, ratio, took = map(statistics.median, (found.cpu, found.signatures, found.took))
        print(f"| {name} | {what} | {cpu:.2f} | {ratio:.1f} | {floor} | {aim} | {took:.1f} |", flush=True)
    print(f"\n{name}: a bare RS256 signature takes {statistics.median(signatures):.3f} ms CPU\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a launch against a bare RS256 signature")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--launches", type=int, default=500)
    options = parser.parse_args()
    print("| database | what | ms CPU | signatures | floor | aim | median ms |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="wkmb-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        for name, url, pids in databases(home, options.database):
            place = home / name
            place.mkdir()
            hub = HubProcess(place, url)
            try:
                report(name, hub, pids, options)
            finally:
                hub.stop()


def databases(folder: Path, wanted: str) -> Iterator[tuple[str, str, list[int]]]:
    """The databases that are there, with the processes of their servers."""
    if wanted != "postgresql":
        yield "sqlite", f"sqlite:///{folder}/hub.sqlite3", []
    binaries = postgresql.find_binaries() if wanted != "sqlite" else None
    if binaries is not None:
        server = postgresql.Cluster(folder / "cluster", binaries).start()
        try:
            postmaster = int((folder / "cluster" / "data" / "postmaster.pid").read_text().split()[0])
            yield "postgresql", f"{server}/postgres", [postmaster]
        finally:
            postgresql.stop(folder / "cluster")


if __name__ == "__main__":
    main()
