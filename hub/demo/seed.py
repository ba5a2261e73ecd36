"""Fictional people, systems and courses. Every name, number and address here is made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.access import accounts
from hub.learning import catalogue, certifications, needs, plan, rtl
from hub.learning.certifications import Result
from hub.people import learners
from hub.runtime import Hub
from hub.statements import ingest
from hub.systems import credentials, registry
from lrs import statements
from lrs.statements import Writer
from mappings import shipped
from mappings.course import Course
from mappings.rtl import Item

NIP = "198501012010011001"
SECOND_NIP, SUPERVISOR_NIP = "199002022015022002", "197001011995011001"
#: The demo listens on this machine alone, and says this to whoever starts it.
PASSWORD = "belajar-merdeka"  # noqa: S105
BY = "demo"

READER_KEY = "demo-pembaca"

PROVIDER, KNOWLEDGE = "balai-pelatihan-contoh", "kms-contoh"
TITLES = {PROVIDER: "Balai Pelatihan Contoh", KNOWLEDGE: "KMS Kementerian Contoh"}
LAUNCHED = "Pelayanan Publik Digital"
SCHEME = "certification-bkn"
#: A classical training whose hours wait for an approved follow-up plan.
FOLLOWED_UP = "https://belajar.contoh.example/kepemimpinan-melayani"

_LEARNERS = f"""nip,name,email,status,employer,unit,supervisor_nip
{NIP},Peserta Satu,peserta.satu@contoh.example,PNS,Kementerian Contoh,Biro Contoh,{SUPERVISOR_NIP}
{SECOND_NIP},Peserta Dua,peserta.dua@contoh.example,PPPK,Kementerian Contoh,Biro Contoh,{SUPERVISOR_NIP}
{SUPERVISOR_NIP},Atasan Contoh,atasan.contoh@contoh.example,PNS,Kementerian Contoh,Biro Contoh,
"""

_COURSES = """\
id,aliases,provider,title_id,title_en,form,scope,programme_jp,minutes,days,requires,min_score,repeat,\
valid_from,valid_until,launch_url,deployment,custom,competencies
https://belajar.contoh.example/pelayanan-publik-digital,,{provider},Pelayanan Publik Digital,Digital Public Service,\
NKL04,national,4.5,135,,completed;score,0.7,once,,,{tool}/lti/launch,,course=pelayanan-publik-digital,Pelayanan Publik:3
https://belajar.contoh.example/keamanan-informasi-dasar,,{provider},Keamanan Informasi Dasar,Information Security,\
NKL03,national,,90,,completed;passed,0.7,once,,,{tool}/lti/launch,,course=keamanan-informasi-dasar
{followed_up},,{provider},Kepemimpinan Melayani,Servant Leadership,\
KL03,national,8,,2,completed;rtl_approved,,once,,,,,,Integritas:2
https://kms.contoh.example/manajemen-talenta,,{kms},Membaca: Manajemen Talenta ASN,Reading: Talent Management,\
NKL09,national,,90,,completed,,once,,,,,
https://kms.contoh.example/budaya-melayani,,{kms},Membaca: Budaya Melayani,Reading: A Culture of Service,\
NKL09,national,,45,,completed,,once,,,,,
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in to the demo."""

    username: str
    role: str
    says: str
    nip: str | None = None


ACCOUNTS = (
    Account("peserta", "learner", "an employee: catalogue, plan, hours", NIP),
    Account("atasan", "learner", "her supervisor: follow-up plans that wait for a decision", SUPERVISOR_NIP),
    Account("admin", "admin", "an administrator: connected systems"),
    Account("operator", "operator", "an operator: systems, people and replays, but no evidence of anybody"),
    Account("auditor", "auditor", "an auditor: why an hour counts"),
)


def seed(hub: Hub, tool_url: str, reader_secret: str | None = None) -> Mapping[str, Any]:
    """Make everything, and only once; gives the registration that the sandbox LMS needs.

    Where the sandbox has another address than it had last time, its tool and its courses follow it there.

    For people to try there is a plan and something that was learned before. With ``reader_secret`` a program tries
    it: it begins with nothing, and has a credential to ask the API.
    """
    sandbox = _sandbox(tool_url)
    with hub.db.write() as conn:
        tool = registry.find_tool(conn, PROVIDER)
        is_new = tool is None
        if tool is None:
            registry.add_connector(conn, hub, KNOWLEDGE, "xapi-push", by=BY, title=TITLES[KNOWLEDGE])
            registry.add_connector(conn, hub, PROVIDER, "lti", by=BY, internal=True, title=TITLES[PROVIDER])
            tool = registry.add_tool(conn, hub, sandbox, by=BY)
            if reader_secret is not None:
                credentials.add(conn, hub, READER_KEY, by=BY, key=READER_KEY, secret=reader_secret, scopes=["api/read"])
            _people(conn, hub)
            _courses(conn, hub, tool_url)
        elif tool.target_link_uri != sandbox.target_link_uri:
            tool = registry.update_tool(conn, hub, tool, sandbox, by=BY)
            _courses(conn, hub, tool_url)
        registration = registry.registration(hub, tool, registry.deployments_of(conn, tool.id))
    if is_new and reader_secret is None:
        _plan(hub)
        _report(hub)
        _follow_up(hub)
        _certification(hub)
        _needs(hub)
    return registration


def _sandbox(tool_url: str) -> registry.NewTool:
    return registry.NewTool(
        name=PROVIDER,
        login_url=f"{tool_url}/lti/login",
        redirect_uris=(f"{tool_url}/lti/launch",),
        target_link_uri=f"{tool_url}/lti/launch",
        jwks_url=f"{tool_url}/lti/jwks",
        deep_linking_url=f"{tool_url}/lti/launch",
        names=True,
        internal=True,
    )


def _people(conn: sa.Connection, hub: Hub) -> None:
    learners.import_learners(conn, hub, learners.read_learners(_LEARNERS).rows)
    for account in ACCOUNTS:
        learner = _learner(conn, account.nip).id if account.nip else None
        accounts.add(conn, hub, account.username, account.role, PASSWORD, learner)


def _courses(conn: sa.Connection, hub: Hub, tool_url: str) -> None:
    text = _COURSES.format(provider=PROVIDER, kms=KNOWLEDGE, tool=tool_url, followed_up=FOLLOWED_UP)
    found = catalogue.read_courses(conn, text, shipped.policy("perlan-10-2018"))
    if found.problems:
        raise ValueError("; ".join(str(problem) for problem in found.problems))
    catalogue.import_courses(conn, hub, found.courses, by=BY)


def _plan(hub: Hub) -> None:
    """This year's plan holds what the sandbox offers."""
    with hub.db.write() as conn:
        learner, today = _learner(conn), hub.today()
        for listed in hub.courses.current(conn).listed:
            if listed.course.provider == PROVIDER:
                plan.add(conn, learner.id, today.year, listed.id, hub.clock())


def _report(hub: Hub) -> None:
    """What the knowledge system has reported before the demo begins."""
    with hub.db.read() as conn:
        learner = _learner(conn)
        courses = [each.course for each in hub.courses.current(conn).listed if each.course.provider == KNOWLEDGE]
    _completed(hub, KNOWLEDGE, [(learner, course, days) for days, course in enumerate(courses, start=1)])


def _follow_up(hub: Hub) -> None:
    """Two people have finished a training some time ago: one follow-up plan waits for the supervisor, one is late."""
    with hub.db.read() as conn:
        first, second = _learner(conn), _learner(conn, SECOND_NIP)
        listed = hub.courses.current(conn).by_iri[FOLLOWED_UP]
    _completed(hub, PROVIDER, [(first, listed.course, 12), (second, listed.course, 45)])
    item = Item(
        activity="Menyusun standar layanan loket bersama tim",
        indicator="Standar layanan ditetapkan dan dipasang di loket",
        due_on=hub.today() + timedelta(days=60),
        who=first.name,
        monitoring="Rapat bulanan dengan atasan",
    )
    for state in ("planned", "submitted"):
        rtl.take_step(hub, first.id, listed, state, by=first.id, items=[item])


def _certification(hub: Hub) -> None:
    """Somebody has passed the first two stages of a certification; the interview is still to come."""
    with hub.db.read() as conn:
        candidate, assessor = _learner(conn), _learner(conn, SUPERVISOR_NIP)
        scheme = certifications.get_scheme(conn, hub, SCHEME)
    on = hub.today() - timedelta(days=20)
    certifications.record(hub, candidate.id, scheme, Result("cognitive-test", score=840_000, on=on))
    reviewed = Result("portfolio-review", assessor=assessor.id, decision="competent", on=on + timedelta(days=10))
    certifications.record(hub, candidate.id, scheme, reviewed)


def _needs(hub: Hub) -> None:
    """What the unit's work asks for: one course offers some of it, nobody the rest."""
    text = (
        "employer,unit,nip,competencies\nKementerian Contoh,Biro Contoh,,Pelayanan Publik:3;Integritas:3;Kerja sama:2\n"
    )
    rows = needs.read_needs(text).rows
    with hub.db.write() as conn:
        needs.import_needs(conn, rows, {})


def _completed(hub: Hub, provider: str, done: Iterable[tuple[learners.Learner, Course, int]]) -> None:
    """A system reports completions; the number says how many days ago each was."""
    with hub.db.read() as conn:
        owner = registry.named_connector(conn, provider).id
    made = [
        xapi.statement(
            id=xapi.statement_id("demo", course.id, str(learner.id)),
            actor=xapi.account(hub.base_url, str(learner.id)),
            verb="completed",
            object=xapi.activity(course.id, {"id": course.title_id, "en": course.title_en}),
            at=hub.clock() - timedelta(days=days),
        )
        for learner, course, days in done
    ]
    writer = Writer(xapi.account(hub.base_url, f"connector/{provider}"), owner, "hub:demo")
    parsed = statements.parse(orjson.dumps(made))
    ingest.accept(hub, statements.prepare(parsed, version="1.0.3", writer=writer, new_id=hub.new_id))


def _learner(conn: sa.Connection, nip: str = NIP) -> learners.Learner:
    learner = learners.find_by_nip(conn, nip)
    if learner is None:
        raise LookupError(f"The demo's learner {nip} is gone. Remove the data directory and start again.")
    return learner
