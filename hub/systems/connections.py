"""Does a connection work? What the "test" button and ``wkmb connector test`` ask of a system, and what they found.

A system that the hub calls is called (no transaction is open meanwhile); one that calls the hub cannot be, so it is
looked up what it would need and when it last reported. The newest findings of each system are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
import requests
import sqlalchemy as sa

from connectors import checks
from connectors.base import Check, ConnectorError
from connectors.external_lrs import ExternalLRS
from connectors.http import describe
from hub.jp import siasn
from hub.lti import claims, launches, tokens
from hub.lti.claims import AuthenticationRequest
from hub.lti.keys import SigningKeys
from hub.lti.scopes import MEMBERSHIP_READ
from hub.lti_tool import platforms
from hub.lti_tool.platforms import Platform, PlatformDeployment
from hub.lti_tool.services import Services
from hub.systems import credentials, pulls, registry, sync
from hub.systems.credentials import Credential
from hub.systems.registry import Connector, Deployment, Tool
from hub.tables import connection_tests
from lrs import query
from lrs.agents import Identifier
from lrs.database import upsert

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Scopes that let a system report.
_MAY_WRITE = frozenset({"all", "statements/write"})


@dataclass(frozen=True, slots=True)
class Tested:
    """What the newest test of a system found, and when."""

    at: datetime
    checks: tuple[Check, ...]

    @property
    def has_failed(self) -> bool:
        return any(check.outcome == "failed" for check in self.checks)


def test(hub: Hub, connector_id: int) -> tuple[Check, ...]:
    """Try this system's connections, and keep what was found."""
    with hub.db.read() as conn:
        connector = registry.get_connector(conn, connector_id)
    found = tuple(_TESTS[connector.kind](hub, connector))
    text = orjson.dumps([asdict(check) for check in found]).decode()
    row = {"connector": connector_id, "at": hub.clock(), "checks": text}
    hub.db.run(lambda conn: upsert(conn, connection_tests, row, update=["at", "checks"]))
    return found


def last(conn: sa.Connection, connector_id: int) -> Tested | None:
    """What the newest test found."""
    row = conn.execute(sa.select(connection_tests).where(connection_tests.c.connector == connector_id)).first()
    return None if row is None else _tested(row)


def last_of_all(conn: sa.Connection) -> dict[int, Tested]:
    """The newest test of each system, by the connector's number."""
    return {row.connector: _tested(row) for row in conn.execute(sa.select(connection_tests))}


def test_tool(hub: Hub, tool: Tool, deployed: tuple[Deployment, ...]) -> Iterator[Check]:
    """Whether an LMS can be launched, and its signatures checked."""
    if tool.disabled:
        detail = f"{tool.name} is disabled: it is not launched. `wkmb tool enable {tool.name}` takes that back."
        yield Check("launch", "warning", "disabled", detail)
    if not any(not each.disabled for each in deployed):
        yield Check("deployments", "failed", "no_deployment", f"Every deployment of {tool.name} is disabled.")
    with hub.new_session(internal=tool.internal) as session:
        answered = checks.check_address(session, tool.login_url, hub.clock)
        yield from answered
        if tool.jwks_url is None:
            yield Check("public_key", "ok", "entered", "Its public key is entered here.")
        else:
            yield checks.check_jwks(session, tool.jwks_url, hub.clock)
        if not tool.disabled and answered[0].outcome == "ok":
            yield _dry_launch(session, hub, tool, deployed)
    with hub.db.read() as conn:
        yield _check_token_use(tool, tokens.last_granted(conn, tool.id))


def _dry_launch(session: requests.Session, hub: Hub, tool: Tool, deployed: tuple[Deployment, ...]) -> Check:
    """Begin a launch of nobody, and judge the tool's authentication request. No id_token is ever made."""
    parameters = {
        "iss": hub.base_url,
        "login_hint": "test",
        "target_link_uri": tool.target_link_uri,
        "lti_message_hint": "test",
        "client_id": tool.client_id,
        "lti_deployment_id": next((each.deployment_id for each in deployed if not each.disabled), ""),
    }
    answer = checks.find_redirect(session, launches.with_parameters(tool.login_url, parameters))
    if isinstance(answer, Check):
        return answer
    ours = f"{hub.base_url}/lti/platform/auth"
    address, _, query = answer.partition("?")
    if address != ours:
        detail = f"It sends the browser to {describe(address)}, not to {ours}. Correct it on its side."
        return Check("dry_launch", "failed", "auth_url", detail)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if asked.get("client_id") != tool.client_id:
        shown = repr(asked.get("client_id"))[:120]
        detail = f"client_id is {shown}, not {tool.client_id}. Correct it on its side."
        return Check("dry_launch", "failed", "client_id", detail)
    request = AuthenticationRequest.of(asked)
    refusal = claims.check_address(request, tool) or claims.check_request(request)
    if refusal is not None:
        shown = repr(asked.get(refusal.check, "missing"))[:200]
        detail = f"{refusal.why} It sent {shown}."
        return Check("dry_launch", "failed", "request_wrong", detail)
    return Check("dry_launch", "ok", "launchable", "Its answer to the beginning of a launch is as it should be.")


def _check_token_use(tool: Tool, granted_at: datetime | None) -> Check:
    """The tool fetches tokens from the hub: whether it has done so."""
    if granted_at is None:
        detail = f"{tool.name} has not fetched an access token in the last hour; it does so when it sends a score."
        return Check("token", "skipped", "no_token_yet", detail)
    return Check("token", "ok", "token_fetched", f"It fetched an access token on {granted_at:%Y-%m-%d at %H:%M} UTC.")


def test_platform(hub: Hub, platform: Platform, deployed: tuple[PlatformDeployment, ...]) -> Iterator[Check]:
    """Whether an LMS that launches the hub can be asked for its keys, and what its launches wait for."""
    if platform.disabled:
        yield Check("launch", "warning", "disabled", f"{platform.name} is disabled: its launches are refused.")
    waiting = sum(each.status == platforms.PENDING for each in deployed)
    if waiting:
        detail = f"{waiting} deployment(s) of {platform.name} wait for a decision; until then they are refused."
        yield Check("deployments", "warning", "pending", detail)
    if not any(each.status == platforms.ACTIVE for each in deployed):
        yield Check("deployments", "failed", "no_deployment", f"{platform.name} has no active deployment.")
    with hub.new_session(internal=platform.internal) as session:
        answered = checks.check_address(session, platform.auth_url, hub.clock)
        yield from answered
        yield checks.check_jwks(session, platform.jwks_url, hub.clock)
        if not platform.disabled and answered[0].outcome == "ok":
            yield _dry_request(session, hub, platform)
    if not platform.disabled:
        yield _fetch_token(hub, platform)
    if platform.refusal is not None:
        detail = f"{platform.refusal['why']} ({platform.refusal['check']}, {platform.refusal['at'][:16]} UTC)"
        yield Check("last_launch", "warning", "launch_refused", detail)


def _dry_request(session: requests.Session, hub: Hub, platform: Platform) -> Check:
    """Ask the platform to sign nobody in. It cannot; but it knows the hub and its address, or says so."""
    parameters = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": f"{hub.base_url}/lti/tool/launch",
        "login_hint": "test",
        "state": "test",
        "nonce": "test",
    }
    url = launches.with_parameters(platform.auth_url, parameters)
    try:
        response = session.get(url, allow_redirects=False)
    except ConnectorError as error:
        return checks.failed("dry_launch", error)
    if response.status_code in (404, 405, 410) or response.status_code >= 500:
        detail = f"{describe(url)} answered {response.status_code} to a request for a launch. Check the address."
        return Check("dry_launch", "failed", "login_refused", detail)
    detail = f"{describe(url)} answered {response.status_code} to a request for a launch of nobody."
    return Check("dry_launch", "ok", "request_answered", detail)


def _fetch_token(hub: Hub, platform: Platform) -> Check:
    """Ask for a new access token: address, audience, our keys and our clock, as the platform sees them."""
    try:
        with Services(hub, SigningKeys(), platform) as services:
            services.token(MEMBERSHIP_READ, fresh=True)
    except ConnectorError as error:
        if error.status in (400, 401, 403):
            advice = "Check client_id, token audience and the hub's key set address there, and both clocks."
            return Check("token", "failed", "token_refused", f"{error.where}: {error.why}. {advice}")
        return checks.failed("token", error)
    return Check("token", "ok", "token_given", "It gives the hub access tokens.")


# Kinds -----------------------------------------------------------------------------------------------------------


def _test_lti(hub: Hub, connector: Connector) -> Iterator[Check]:
    with hub.db.read() as conn:
        tools = [
            (tool, registry.deployments_of(conn, tool.id)) for tool in registry.tools_of_connector(conn, connector.id)
        ]
        launching = [
            (each, platforms.deployments_of(conn, each.id)) for each in platforms.of_connector(conn, connector.id)
        ]
    if not tools and not launching:
        action = f"wkmb tool add NAME --connector {connector.name}"
        yield Check("launch", "failed", "no_tool", f"{connector.name} has no tool to launch. Add one: {action}.")
    for tool, deployed in tools:
        yield from (replace(each, subject=tool.name) for each in test_tool(hub, tool, deployed))
    for platform, registered in launching:
        yield from (replace(each, subject=platform.name) for each in test_platform(hub, platform, registered))


def _test_pull(hub: Hub, connector: Connector) -> Iterator[Check]:
    try:
        with hub.db.read() as conn:
            settings = pulls.lrs_settings(conn, hub, connector)
    except ConnectorError as error:
        yield checks.failed("credential", error)
        return
    with hub.new_session(internal=connector.internal) as session:
        yield from ExternalLRS(settings, session).test(hub.clock)


def _test_push(hub: Hub, connector: Connector) -> Iterator[Check]:
    """It calls the hub: whether it may, and whether it did."""
    with hub.db.read() as conn:
        reporting = credentials.of_connector(conn, connector.id)
        yield _check_credentials(connector, reporting, hub.clock())
        reported = max(filter(None, (_last_report(conn, hub, each) for each in reporting)), default=None)
    yield _check_reports(reported, "Let it send a statement, then test again.")


def _test_csv(hub: Hub, connector: Connector) -> Iterator[Check]:
    with hub.db.read() as conn:
        runs = sync.recent_runs(conn, connector.id, limit=1)
    action = f"Import a file: wkmb connector sync {connector.name} --file FILE."
    yield _check_reports(runs[0].started if runs else None, action)


def _test_siasn(hub: Hub, connector: Connector) -> Iterator[Check]:
    try:
        with siasn.opened(hub, connector) as system:
            yield from system.test(hub.clock)
    except ConnectorError as error:
        yield checks.failed("credential", error)


_TESTS: Mapping[str, Callable[[Hub, Connector], Iterator[Check]]] = MappingProxyType(
    {
        "lti": _test_lti,
        "xapi-pull": _test_pull,
        "xapi-push": _test_push,
        "csv": _test_csv,
        "siasn": _test_siasn,
    }
)


def _check_credentials(connector: Connector, credentials: tuple[Credential, ...], now: datetime) -> Check:
    if not credentials:
        action = f"Add one: wkmb credential add NAME --key K --secret-stdin --connector {connector.name}."
        return Check("credential", "failed", "no_credential", f"{connector.name} has no credential. {action}")
    usable = [each for each in credentials if not each.disabled and (each.expires is None or each.expires > now)]
    if not usable:
        return Check("credential", "failed", "expired", "Every credential of it is disabled or over. Add one.")
    if not any(each.scopes & _MAY_WRITE for each in usable):
        detail = "No credential of it was given statements/write. Add one that was."
        return Check("credential", "failed", "may_not_write", detail)
    return Check("credential", "ok", "entered", f"{len(usable)} credential(s) of it may send statements.")


def _last_report(conn: sa.Connection, hub: Hub, credential: Credential) -> datetime | None:
    """When the newest statement of this credential was stored: its authority says whose it is (`hub.access.auth`)."""
    authority = Identifier("account", hub.base_url, f"credential/{credential.name}")
    asked = query.StatementQuery(agent=authority, related_agents=True)
    found = query.find(conn, asked, limit=1).statements
    return found[0].stored if found else None


def _check_reports(reported: datetime | None, action: str) -> Check:
    if reported is None:
        return Check("reports", "warning", "never", f"It has not reported anything yet. {action}")
    return Check("reports", "ok", "reported", f"It last reported on {reported:%Y-%m-%d at %H:%M} UTC.")


def _tested(row: sa.Row[tuple[object, ...]]) -> Tested:
    return Tested(row.at, tuple(Check(**each) for each in orjson.loads(row.checks)))
