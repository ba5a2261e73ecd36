"""The tables of the hub as a tool: the LMSs that launch it, and the launches that are under way."""

from __future__ import annotations

import sqlalchemy as sa

from hub.tables import REFERENCE, accounts
from lrs.database import UTCDateTime, UUIDKey, metadata

#: A truth value without a CHECK that the two databases would spell differently.
_Flag = sa.Boolean(create_constraint=False)

#: An LMS that launches the hub (LTI 1.3 platform). ``token_audience`` is what its token endpoint wants as ``aud``
#: where that is not its own address. ``refusal`` is JSON: the last launch that was refused, for its administrator.
#: ``registration_url`` is where a dynamic registration can be read and changed, with the sealed ``registration_token``.
platforms = sa.Table(
    "platforms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("connector", sa.Integer, nullable=False),
    sa.Column("issuer", sa.String(255), nullable=False),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("auth_url", sa.Text, nullable=False),
    sa.Column("token_url", sa.Text, nullable=False),
    sa.Column("jwks_url", sa.Text, nullable=False),
    sa.Column("token_audience", sa.Text),
    sa.Column("internal", _Flag, nullable=False),
    sa.Column("disabled", _Flag, nullable=False),
    sa.Column("refusal", sa.Text),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("registration_url", sa.Text),
    sa.Column("registration_token", sa.LargeBinary),
    sa.UniqueConstraint("issuer", "client_id"),
    sa.Index("ix_platforms_connector", "connector"),
    info=REFERENCE,
)

#: One tenant of a platform. ``status``: active, disabled, or pending: one that a launch named and nobody knew.
platform_deployments = sa.Table(
    "platform_deployments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("platform", sa.Integer, nullable=False),
    sa.Column("deployment_id", sa.String(255), nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("platform", "deployment_id"),
    info=REFERENCE,
)

#: The courses of platforms whose membership lists launches have named, and what became of the last reading: members
#: linked then, linked before and unresolved, or in ``failure`` why there was none. ``context`` is empty where a
#: platform has one list for everything.
platform_contexts = sa.Table(
    "platform_contexts",
    metadata,
    sa.Column("platform", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("context", sa.String(255), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("next_at", UTCDateTime, nullable=False),
    sa.Column("read_at", UTCDateTime),
    sa.Column("linked", sa.Integer),
    sa.Column("same", sa.Integer),
    sa.Column("unresolved", sa.Integer),
    sa.Column("failure", sa.Text),
    sa.Column("failures", sa.SmallInteger),
    sa.Index("ix_platform_contexts_next_at", "next_at", "platform"),
    sa.Index("ix_platform_contexts_platform_next_at", "platform", "next_at"),
    info={"distribution": "platform"},
)

#: A login that a platform initiated. ``id`` is the digest of its ``state``; ``browser`` and ``nonce`` are digests of
#: what that browser's cookie and the id_token have to hold. It is consumed once; from then on ``token`` is the digest
#: of the id_token that did it, and ``launch`` (JSON) what was launched.
tool_logins = sa.Table(
    "tool_logins",
    metadata,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),
    sa.Column("platform", sa.Integer, nullable=False),
    sa.Column("browser", sa.LargeBinary(32), nullable=False),
    sa.Column("nonce", sa.LargeBinary(32), nullable=False),
    sa.Column("target_link_uri", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("expires", UTCDateTime, nullable=False),
    sa.Column("consumed_at", UTCDateTime),
    sa.Column("token", sa.LargeBinary(32)),
    sa.Column("launch", sa.Text),
    sa.Column("learner", UUIDKey),
    sa.Index("ix_tool_logins_expires", "expires"),
    info={"distribution": "id"},
)

#: Access tokens that platforms gave to the hub, sealed, for every process. ``scopes`` is the digest of what was asked;
#: ``expires`` is a minute before the token does.
platform_tokens = sa.Table(
    "platform_tokens",
    metadata,
    sa.Column("platform", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scopes", sa.LargeBinary(32), primary_key=True),
    sa.Column("token", sa.LargeBinary, nullable=False),
    sa.Column("expires", UTCDateTime, nullable=False),
    info=REFERENCE,
)

#: A launch knows the learner and asks for her account.
sa.Index("ix_accounts_learner", accounts.c.learner)
