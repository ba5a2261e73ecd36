"""Connected systems as an administrator sees them: what belongs to each, how it does, and what to do next.

The health of a system is one of `HEALTHS`, worst first, and always comes with its next step in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask_babel import gettext as _

from connectors.base import Check
from hub.lti_tool import gradebooks, members, platforms
from hub.lti_tool.members import Context
from hub.lti_tool.platforms import Platform, PlatformDeployment
from hub.systems import connections, credentials, registry, sync
from hub.systems.credentials import Credential
from hub.systems.registry import Connector, Tool
from hub.web import words
from lrs import query
from lrs.agents import Identifier

if TYPE_CHECKING:
    from hub.runtime import Hub

HEALTHS = ("failing", "attention", "untested", "off", "ok")

#: Kinds that the hub itself calls: whether they work is known only after a test.
CALLED = ("lti", "xapi-pull")
#: Kinds that can be tested at all.
TESTABLE = (*CALLED, "xapi-push", "csv", "siasn")

SORTS = ("name", "kind", "health", "tested", "reported")


@dataclass(frozen=True, slots=True)
class System:
    """One connector with everything that belongs to it."""

    connector: Connector
    tools: tuple[Tool, ...]
    credentials: tuple[Credential, ...]
    tested_at: datetime | None
    checks: tuple[Check, ...]
    pull: sync.Status | None
    reported_at: datetime | None

    @property
    def is_off(self) -> bool:
        """Whether everything by which it is connected has been disabled."""
        disabled = [tool.disabled for tool in self.tools] + [each.disabled for each in self.credentials]
        return bool(disabled) and all(disabled) and self.pull is None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that makes a new system work; ``endpoint`` is the page where it is done, if not this one."""

    text: str
    is_done: bool
    endpoint: str = ""


def steps(system: System, *, has_courses: bool) -> tuple[Step, ...]:
    """What is to be done from the first entry to the first report, in order; nothing for a system that brings none."""
    kind = system.connector.kind
    is_tested = bool(system.checks) and all(check.outcome != "failed" for check in system.checks)
    first = {
        "lti": Step(_("Enter the values of this page in that LMS, then test this connection."), is_tested),
        "xapi-push": Step(_("Add a key and hand it over together with the address."), bool(system.credentials)),
        "xapi-pull": Step(_("Test this connection."), is_tested),
        "csv": Step(_("Import a completion file as soon as there is one."), system.reported_at is not None),
    }
    if kind not in first:
        return ()
    return (
        first[kind],
        Step(_("Bring its courses into the catalogue."), has_courses, "courses.listed"),
        Step(_("Let one participant complete a course: the first report shows here."), system.reported_at is not None),
    )


@dataclass(frozen=True, slots=True)
class Health:
    """How a system does, and what to do next; ``step`` is empty where there is nothing to do."""

    code: str
    why: str
    step: str = ""


def health(system: System) -> Health:
    """How a system does, the worst thing first."""
    if system.is_off:
        return Health("off", _("Everything of it is disabled."), _("Enable it when it should work again."))
    if system.pull is not None and system.pull.health in ("failing", "paused"):
        return _of_pull(system.pull)
    for outcome, code in (("failed", "failing"), ("warning", "attention")):
        # Whether it has reported is known without a test, and better.
        found = next((each for each in system.checks if each.outcome == outcome and each.code != "reports"), None)
        if found is not None:
            why = f"{words.connection_check(found.code)}: {words.connection_reason(found.reason, found.detail)}"
            return Health(code, why, _("Correct it, then test again."))
    return _of_reports(system)


def _of_pull(pull: sync.Status) -> Health:
    why = words.connection_reason(pull.error_code or "", pull.error or "")
    if pull.health == "paused":
        return Health("failing", why, _("Fetching is paused. Correct it, then fetch again."))
    return Health("attention", why, _("It is tried again by itself. Test the connection if it stays."))


def _of_reports(system: System) -> Health:
    """Nothing failed; perhaps nothing has happened yet."""
    kind = system.connector.kind
    if kind in CALLED and system.tested_at is None and (system.pull is None or system.pull.last_ended is None):
        return Health("untested", _("It has not been tested yet."), _("Test the connection."))
    if kind == "xapi-push" and not system.credentials:
        return Health("attention", _("It has no key to report with."), _("Add a key and hand it over."))
    if kind == "xapi-push" and system.reported_at is None:
        return Health("untested", _("Nothing was reported yet."), _("Enter key and secret on the other side."))
    if kind == "csv" and system.reported_at is None:
        return Health("untested", _("No file was imported yet."), _("Import its first file."))
    return Health("ok", _("Works"))


def healths() -> dict[str, str]:
    """The states of a system in a word or two."""
    return {
        "failing": _("Fails"),
        "attention": _("Needs attention"),
        "untested": _("Not tried yet"),
        "off": _("Disabled"),
        "ok": _("Works"),
    }


def list_systems(conn: sa.Connection, hub: Hub) -> list[System]:
    """All systems by name. There is one per institution, so the list is read whole."""
    tools, reporting = registry.list_tools(conn), credentials.list_all(conn)
    tested = connections.last_of_all(conn)
    return [_system(conn, hub, each, tools, reporting, tested.get(each.id)) for each in registry.list_connectors(conn)]


def read(conn: sa.Connection, hub: Hub, connector: Connector) -> System:
    """One system."""
    tools = registry.tools_of_connector(conn, connector.id)
    reporting = credentials.of_connector(conn, connector.id)
    return _system(conn, hub, connector, tools, reporting, connections.last(conn, connector.id))


def _system(
    conn: sa.Connection,
    hub: Hub,
    connector: Connector,
    tools: Iterable[Tool],
    reporting: Iterable[Credential],
    tested: connections.Tested | None,
) -> System:
    own = tuple(each for each in reporting if each.connector == connector.id)
    return System(
        connector=connector,
        tools=tuple(each for each in tools if each.connector == connector.id),
        credentials=own,
        tested_at=tested.at if tested else None,
        checks=tested.checks if tested else (),
        pull=sync.status(conn, connector.id, hub.clock()),
        reported_at=_reported_at(conn, hub, connector, own),
    )


def _reported_at(
    conn: sa.Connection, hub: Hub, connector: Connector, credentials: Sequence[Credential]
) -> datetime | None:
    """When it last brought something: by a pull or file, or by one of its credentials."""
    runs = sync.recent_runs(conn, connector.id, limit=1) if connector.kind in ("xapi-pull", "csv") else []
    times = [run.started for run in runs] + [_last_of(conn, hub, credential) for credential in credentials]
    return max((at for at in times if at is not None), default=None)


def _last_of(conn: sa.Connection, hub: Hub, credential: Credential) -> datetime | None:
    """When a credential last stored a statement: the end of its authority's index."""
    authority = Identifier("account", hub.base_url, f"credential/{credential.name}")
    mine = query.Mine(authority, f"credential:{credential.id}")
    page = query.find(conn, query.StatementQuery(mine=mine), limit=1)
    return page.statements[0].stored if page.statements else None


#: Membership lists that a system's page shows.
MOST_CONTEXTS = 20


@dataclass(frozen=True, slots=True)
class Launching:
    """An LMS that launches the hub, as a system's page shows it; ``entered`` is what its administrator enters there."""

    platform: Platform
    deployed: tuple[PlatformDeployment, ...]
    entered: tuple[tuple[str, str], ...]
    has_failed_scores: bool
    contexts: tuple[Context, ...]


def of_system(conn: sa.Connection, hub: Hub, connector: int) -> list[Launching]:
    """The LMSs of one system."""
    return [
        Launching(
            each,
            platforms.deployments_of(conn, each.id),
            _entered_there(hub),
            bool(gradebooks.of_platform(conn, each.id, gradebooks.FAILED, limit=1)),
            members.of_platform(conn, each, limit=MOST_CONTEXTS),
        )
        for each in platforms.of_connector(conn, connector)
    ]


def _entered_there(hub: Hub) -> tuple[tuple[str, str], ...]:
    tool = f"{hub.base_url}/lti/tool"
    return (
        (_("Tool URL, redirect URI and deep linking URL"), f"{tool}/launch"),
        (_("Login initiation URL"), f"{tool}/login"),
        (_("Public keyset URL (JWKS)"), f"{tool}/jwks"),
    )


def chosen(systems: Iterable[System], *, kind: str, state: str, sort: str) -> list[tuple[System, Health]]:
    """The systems of one kind and state (empty: all), in the order asked for."""
    found = [(system, health(system)) for system in systems]
    found = [each for each in found if kind in ("", each[0].connector.kind) and state in ("", each[1].code)]
    return sorted(found, key=lambda each: (_order(each[0], each[1], sort), each[0].connector.name))


def _order(system: System, state: Health, sort: str) -> tuple[bool, float | str]:
    """What a list is ordered by; the newest time first, and none at the end."""
    if sort == "kind":
        return False, words.kinds().get(system.connector.kind, "")
    if sort == "health":
        return False, HEALTHS.index(state.code)
    if sort in ("tested", "reported"):
        at = system.tested_at if sort == "tested" else system.reported_at
        return at is None, -at.timestamp() if at else 0
    return False, ""
