"""The LMSs that launch the hub: what an administrator registers of them, and their deployments.

A platform is named by its issuer and the ``client_id`` that it gave to the hub; one issuer may have given several
(a cloud LMS has one issuer for all its customers). A deployment that a launch names and nobody has registered is kept
as *pending*: an administrator sees it and decides (LTI 1.3 Core section 3.1.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from hub import journal
from hub.errors import HubError, NotFound
from hub.lti_tool.tables import platform_deployments, platforms
from hub.systems import door, registry
from lrs.database import insert_new

if TYPE_CHECKING:
    from hub.runtime import Hub

#: LTI 1.3 Core sections 5.3.3 and 3.1.3: ids have at most 255 ASCII characters.
LONGEST_ID = 255

#: Unknown deployments of one platform that wait for a decision; further ones are refused without a trace.
MOST_PENDING = 50
MOST_DEPLOYMENTS = 1000

ACTIVE, PENDING, DISABLED = "active", "pending", "disabled"

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(f"[ -~]{{1,{LONGEST_ID}}}")


@dataclass(frozen=True, slots=True)
class Platform:
    """An LMS that launches the hub. ``refusal``: the check that failed at the last launch refused, when and why."""

    id: int
    name: str
    connector: int
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    token_audience: str | None
    internal: bool
    disabled: bool
    refusal: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class PlatformDeployment:
    """One tenant of a platform; ``status`` is active, pending or disabled."""

    id: int
    platform: int
    deployment_id: str
    status: str


@dataclass(frozen=True, slots=True)
class NewPlatform:
    """What an administrator says of a platform, or the platform of itself; ``registration_token`` is sealed.

    Only one that registered itself may be without a deployment: its first launch names it."""

    name: str
    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    jwks_url: str
    deployments: tuple[str, ...]
    token_audience: str | None = None
    internal: bool = False
    registration_url: str | None = None
    registration_token: bytes | None = None


def find(conn: sa.Connection, name: str) -> Platform | None:
    """The platform of that name."""
    row = conn.execute(_select().where(platforms.c.name == name)).first()
    return None if row is None else _platform(row)


def named(conn: sa.Connection, name: str) -> Platform:
    """The platform of that name, which must exist."""
    found = find(conn, name)
    if found is None:
        action = "`wkmb platform list` shows all; `wkmb platform add` makes one."
        raise NotFound("unknown_platform", f"There is no platform {name!r}.", action=action)
    return found


def get(conn: sa.Connection, platform_id: int) -> Platform:
    """The platform with that number."""
    row = conn.execute(_select().where(platforms.c.id == platform_id)).first()
    if row is None:
        raise NotFound("unknown_platform", f"There is no platform number {platform_id}.")
    return _platform(row)


def list_all(conn: sa.Connection) -> tuple[Platform, ...]:
    """All of them, by name. There is one per institution."""
    return tuple(_platform(row) for row in conn.execute(_select().order_by(platforms.c.name)))


def of_connector(conn: sa.Connection, connector: int) -> tuple[Platform, ...]:
    """A system's platforms, by name."""
    query = _select().where(platforms.c.connector == connector).order_by(platforms.c.name)
    return tuple(_platform(row) for row in conn.execute(query))


def of_issuer(conn: sa.Connection, issuer: str) -> tuple[Platform, ...]:
    """The registrations with an issuer: each of its ``client_id`` is one. Whatever text it is."""
    if not _ID.fullmatch(issuer):
        return ()
    query = _select().where(platforms.c.issuer == issuer).order_by(platforms.c.id)
    return tuple(_platform(row) for row in conn.execute(query))


def deployments_of(conn: sa.Connection, platform_id: int) -> tuple[PlatformDeployment, ...]:
    """A platform's deployments, the first one added first."""
    at = platform_deployments.c
    query = sa.select(platform_deployments).where(at.platform == platform_id).order_by(at.id)
    return tuple(_deployment(row) for row in conn.execute(query))


def find_deployment(conn: sa.Connection, platform_id: int, deployment_id: str) -> PlatformDeployment | None:
    """The deployment that launches name so."""
    at = platform_deployments.c
    query = sa.select(platform_deployments).where(at.platform == platform_id, at.deployment_id == deployment_id)
    row = conn.execute(query).first()
    return None if row is None else _deployment(row)


def add(conn: sa.Connection, hub: Hub, new: NewPlatform, *, by: str, connector: str | None = None) -> Platform:
    """Register a platform with its deployments; without ``connector`` a connector of its name is made."""
    check(new)
    if connector is None:
        owner = registry.find_connector(conn, new.name) or registry.add_connector(
            conn, hub, new.name, "lti", by=by, internal=new.internal
        )
    else:
        owner = registry.named_connector(conn, connector)
    row = {
        "name": new.name,
        "connector": owner.id,
        "issuer": new.issuer,
        "client_id": new.client_id,
        "auth_url": new.auth_url,
        "token_url": new.token_url,
        "jwks_url": new.jwks_url,
        "token_audience": new.token_audience,
        "internal": new.internal,
        "disabled": False,
        "created_at": hub.clock(),
        "registration_url": new.registration_url,
        "registration_token": new.registration_token,
    }
    found = insert_new(conn, platforms, [row], returning=_COLUMNS)
    if not found:
        raise _taken(conn, new)
    platform = _platform(found[0])
    for deployment_id in new.deployments:
        _insert_deployment(conn, hub, platform, deployment_id, ACTIVE)
    detail = {"connector": owner.name, "issuer": new.issuer, "client_id": new.client_id}
    _record(conn, hub, by, "platform.add", f"platform:{new.name}", **detail)
    return platform


def add_deployment(
    conn: sa.Connection, hub: Hub, platform: Platform, deployment_id: str, *, by: str
) -> PlatformDeployment:
    """Let a deployment launch: a new one, or one that is pending or switched off."""
    _check_deployments([deployment_id])
    if find_deployment(conn, platform.id, deployment_id) is None:
        if len(deployments_of(conn, platform.id)) >= MOST_DEPLOYMENTS:
            raise HubError("deployments", f"{platform.name} has {MOST_DEPLOYMENTS} deployments, the most there may be.")
        _insert_deployment(conn, hub, platform, deployment_id, ACTIVE)
    return _set_status(conn, hub, platform, deployment_id, ACTIVE, by)


def disable_deployment(
    conn: sa.Connection, hub: Hub, platform: Platform, deployment_id: str, *, by: str
) -> PlatformDeployment:
    """Refuse what this deployment launches."""
    return _set_status(conn, hub, platform, deployment_id, DISABLED, by)


def note_deployment(conn: sa.Connection, hub: Hub, platform: Platform, deployment_id: str) -> bool:
    """Keep a deployment that a signed launch named and nobody knows as pending; False where it is not kept."""
    there = deployments_of(conn, platform.id)
    if any(each.deployment_id == deployment_id for each in there):
        return True
    if sum(each.status == PENDING for each in there) >= MOST_PENDING or not _ID.fullmatch(deployment_id):
        return False
    _insert_deployment(conn, hub, platform, deployment_id, PENDING)
    return True


def set_disabled(conn: sa.Connection, hub: Hub, platform: Platform, *, disabled: bool, by: str) -> None:
    """Refuse every launch of this platform, or take that back."""
    conn.execute(sa.update(platforms).where(platforms.c.id == platform.id).values(disabled=disabled))
    _record(conn, hub, by, "platform.disable" if disabled else "platform.enable", f"platform:{platform.name}")


def note_refusal(conn: sa.Connection, hub: Hub, platform_id: int, check: str, why: str) -> None:
    """Remember the last launch that was refused, so that an administrator sees which check failed."""
    said = {"check": check, "why": why, "at": hub.clock().isoformat()}
    conn.execute(sa.update(platforms).where(platforms.c.id == platform_id).values(refusal=orjson.dumps(said).decode()))


def find_registration(conn: sa.Connection, platform_id: int) -> tuple[str, bytes] | None:
    """Where a dynamic registration can be read and changed, and the sealed token for it."""
    query = sa.select(platforms.c.registration_url, platforms.c.registration_token)
    row = conn.execute(query.where(platforms.c.id == platform_id)).first()
    return None if row is None or row.registration_url is None else (row.registration_url, row.registration_token)


def registration(hub: Hub, platform: Platform, deployed: Iterable[PlatformDeployment]) -> dict[str, Any]:
    """What the platform's administrator enters on the other side, and by what names it is known here."""
    tool = f"{hub.base_url}/lti/tool"
    return {
        "name": platform.name,
        "client_id": platform.client_id,
        "deployment_ids": [each.deployment_id for each in deployed],
        "issuer": platform.issuer,
        "auth_url": platform.auth_url,
        "token_url": platform.token_url,
        "jwks_url": f"{tool}/jwks",
        "login_url": f"{tool}/login",
        "redirect_uris": [f"{tool}/launch"],
        "target_link_uri": f"{tool}/launch",
        "deep_linking_url": f"{tool}/launch",
    }


# What is checked at the door -------------------------------------------------------------------------------------


def check(new: NewPlatform) -> None:
    """Refuse a registration with which no launch could succeed."""
    _check_spelling(new.name)
    addresses = {"issuer": new.issuer, "authentication URL": new.auth_url, "token URL": new.token_url,
                 "JWKS URL": new.jwks_url}  # fmt: skip
    for what, url in addresses.items():
        door.check_url(what, url, internal=new.internal)
    for what, text in (("issuer", new.issuer), ("client_id", new.client_id)):
        if not _ID.fullmatch(text):
            action = "Copy it from the platform's administration."
            raise HubError(what, f"{what} must have 1 to {LONGEST_ID} ASCII characters.", action=action)
    if new.token_audience is not None and not 0 < len(new.token_audience) <= 2000:
        raise HubError("token_audience", "The token audience is empty or too long.", action="Leave it out.")
    if len(new.deployments) > MOST_DEPLOYMENTS:
        raise HubError("deployments", f"A platform has at most {MOST_DEPLOYMENTS} deployments.", action="Split it.")
    _check_deployments(new.deployments)


def check_name(conn: sa.Connection, name: str) -> None:
    """Refuse what a new platform cannot be called."""
    _check_spelling(name)
    if find(conn, name):
        raise HubError("name_taken", f"There is a platform {name} already.", action="Choose another name.", status=409)


def _check_spelling(name: str) -> None:
    if not _NAME.fullmatch(name):
        action = "Use up to 64 letters, digits, dots, hyphens and underscores, such as lms-ministry."
        raise HubError("name", f"{name[:80]!r} is no name of a platform.", action=action)


def _check_deployments(ids: Iterable[str]) -> None:
    for each in ids:
        if not _ID.fullmatch(each):
            action = f"Use 1 to {LONGEST_ID} ASCII characters, as the platform shows it."
            raise HubError("deployment", f"{each[:80]!r} is no deployment id.", action=action)


def _taken(conn: sa.Connection, new: NewPlatform) -> HubError:
    if find(conn, new.name):
        detail, action = f"There is a platform {new.name} already.", "Choose another name."
    else:
        detail = f"{new.issuer} with the client_id {new.client_id} is registered already."
        action = "`wkmb platform list` shows its name."
    return HubError("name_taken", detail, action=action, status=409)


#: What `Platform` is made of.
_COLUMNS = tuple(platforms.c[name] for name in Platform.__dataclass_fields__)


def _select() -> sa.Select[Any]:
    return sa.select(*_COLUMNS)


# Rows ------------------------------------------------------------------------------------------------------------


def _insert_deployment(conn: sa.Connection, hub: Hub, platform: Platform, deployment_id: str, status: str) -> None:
    row = {"platform": platform.id, "deployment_id": deployment_id, "status": status, "created_at": hub.clock()}
    insert_new(conn, platform_deployments, [row], returning=[platform_deployments.c.id])


def _set_status(
    conn: sa.Connection, hub: Hub, platform: Platform, deployment_id: str, status: str, by: str
) -> PlatformDeployment:
    at = platform_deployments.c
    update = sa.update(platform_deployments).where(at.platform == platform.id, at.deployment_id == deployment_id)
    row = conn.execute(update.values(status=status).returning(*at)).first()
    if row is None:
        action = f"`wkmb platform show {platform.name}` shows them."
        raise NotFound("unknown_deployment", f"{platform.name} has no deployment {deployment_id!r}.", action=action)
    action = "deployment.enable" if status == ACTIVE else "deployment.disable"
    _record(conn, hub, by, action, f"platform:{platform.name}/{deployment_id}")
    return _deployment(row)


def _record(conn: sa.Connection, hub: Hub, by: str, action: str, object: str, **detail: Any) -> None:
    journal.record(conn, who=by, action=action, object=object, now=hub.clock(), new_id=hub.new_id, **detail)


def _platform(row: sa.Row[Any]) -> Platform:
    return Platform(
        id=row.id,
        name=row.name,
        connector=row.connector,
        issuer=row.issuer,
        client_id=row.client_id,
        auth_url=row.auth_url,
        token_url=row.token_url,
        jwks_url=row.jwks_url,
        token_audience=row.token_audience,
        internal=row.internal,
        disabled=row.disabled,
        refusal=None if row.refusal is None else orjson.loads(row.refusal),
    )


def _deployment(row: sa.Row[Any]) -> PlatformDeployment:
    return PlatformDeployment(row.id, row.platform, row.deployment_id, row.status)
