"""The schema of the first version: the LRS, systems, people, launches, recognition, pulls and exports.

Revision: 0001, after none
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
    )
    op.create_index("ix_access_tokens_expires", "access_tokens", ["expires"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=True),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_accounts")),
    )
    op.create_table(
        "activity_definitions",
        sa.Column("activity_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("activity", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("activity_key", "digest", name=op.f("pk_activity_definitions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "agent_names",
        sa.Column("agent_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("agent_key", "digest", name=op.f("pk_agent_names")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attachments",
        sa.Column("sha2", sa.LargeBinary(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha2", name=op.f("pk_attachments")),
    )
    op.create_table(
        "audit_log",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month", "at", "id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "connection_tests",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connector", name=op.f("pk_connection_tests")),
    )
    op.create_table(
        "connector_runs",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("started", UTCDateTime(), nullable=False),
        sa.Column("ended", UTCDateTime(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("cursor_from", sa.Text(), nullable=True),
        sa.Column("cursor_to", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("connector", "id", name=op.f("pk_connector_runs")),
    )
    op.create_index("ix_connector_runs_connector_started", "connector_runs", ["connector", "started"], unique=False)
    op.create_table(
        "connector_state",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("lease_owner", UUIDKey(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", UTCDateTime(), nullable=True),
        sa.Column("last_ended", UTCDateTime(), nullable=True),
        sa.Column("last_error_code", sa.String(length=64), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("connector", name=op.f("pk_connector_state")),
    )
    op.create_index("ix_connector_state_due_at", "connector_state", ["due_at"], unique=False)
    op.create_table(
        "connectors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("internal", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("vocabulary", sa.String(length=32), nullable=False),
        sa.Column("trusted_centi_jp", sa.Integer(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connectors")),
        sa.UniqueConstraint("name", name=op.f("uq_connectors_name")),
    )
    op.create_table(
        "course_versions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_course_versions")),
    )
    op.create_table(
        "courses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
        sa.UniqueConstraint("course", name=op.f("uq_courses_course")),
    )
    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", UTCDateTime(), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=True),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("expires", UTCDateTime(), nullable=True),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("key", name=op.f("uq_credentials_key")),
        sa.UniqueConstraint("name", name=op.f("uq_credentials_name")),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
        sa.UniqueConstraint("tool", "deployment_id", name=op.f("uq_deployments_tool_deployment_id")),
        sa.UniqueConstraint("tool", "name", name=op.f("uq_deployments_tool_name")),
    )
    op.create_table(
        "dictionaries",
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_dictionaries")),
    )
    op.create_table(
        "documents",
        sa.Column("context", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("registration", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.String(length=40), nullable=False),
        sa.Column("updated", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("context", "document", name=op.f("pk_documents")),
    )
    op.create_table(
        "enrollments",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("deployment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("registration", UUIDKey(), nullable=False),
        sa.Column("launch", UUIDKey(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("learner", "deployment", "course", name=op.f("pk_enrollments")),
    )
    op.create_table(
        "entries",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("policy_digest", sa.String(length=64), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("course_digest", sa.String(length=64), nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("centi_jp", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("reverses", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("learner", "key", name=op.f("pk_entries")),
        sa.UniqueConstraint("learner", "position", name=op.f("uq_entries_learner_position")),
    )
    op.create_index("ix_entries_learner_policy_year", "entries", ["learner", "policy", "year"], unique=False)
    op.create_table(
        "entry_evidence",
        sa.Column("statement", UUIDKey(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("statement", "learner", "position", name=op.f("pk_entry_evidence")),
    )
    op.create_table(
        "floors",
        sa.Column("node", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", UUIDKey(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_floors")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identities",
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("homepage", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=True),
        sa.Column("linked_by", sa.String(length=128), nullable=True),
        sa.Column("linked_at", UTCDateTime(), nullable=True),
        sa.Column("first_seen", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", name=op.f("pk_identities")),
    )
    op.create_index(
        "ix_identities_unresolved",
        "identities",
        ["first_seen"],
        unique=False,
        postgresql_where=sa.text("learner IS NULL"),
        sqlite_where=sa.text("learner IS NULL"),
    )
    op.create_table(
        "inbox",
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("actor_key", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "launches",
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("course", sa.Integer(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("registration", UUIDKey(), nullable=False),
        sa.Column("target_link_uri", sa.Text(), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("hint_used_at", UTCDateTime(), nullable=True),
        sa.Column("fetch_secret", sa.LargeBinary(length=32), nullable=True),
        sa.Column("fetched_at", UTCDateTime(), nullable=True),
        sa.Column("token", sa.LargeBinary(length=32), nullable=True),
        sa.Column("token_until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launches")),
    )
    op.create_table(
        "learner_actors",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("learner", "actor_key", name=op.f("pk_learner_actors")),
    )
    op.create_table(
        "learner_nips",
        sa.Column("nip", sa.String(length=18), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("nip", name=op.f("pk_learner_nips")),
    )
    op.create_index("ix_learner_nips_learner", "learner_nips", ["learner"], unique=False)
    op.create_table(
        "learners",
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("nip", sa.String(length=18), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("employer", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=200), nullable=False),
        sa.Column("supervisor_nip", sa.String(length=18), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learners")),
    )
    op.create_index("ix_learners_name", "learners", ["name"], unique=False)
    op.create_index("ix_learners_supervisor", "learners", ["supervisor_nip", "name", "id"], unique=False)
    op.create_index("ix_learners_unit", "learners", ["employer", "unit", "name", "id"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", UUIDKey(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "lineitems",
        sa.Column("context", sa.String(length=32), nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("course", sa.Integer(), nullable=False),
        sa.Column("is_coupled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("context", "id", name=op.f("pk_lineitems")),
    )
    op.create_table(
        "pending",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("learner", "policy", "course", name=op.f("pk_pending")),
    )
    op.create_table(
        "plans",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("removed_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("learner", "year", "course", name=op.f("pk_plans")),
    )
    op.create_table(
        "policies",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_policies")),
    )
    op.create_table(
        "policy_activations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("from_year", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_activations")),
    )
    op.create_table(
        "pulled_statements",
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("run", UUIDKey(), nullable=False),
        sa.Column("stored", sa.Text(), nullable=True),
        sa.Column("authority", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pulled_statements")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
    )
    op.create_index("ix_rate_limits_until", "rate_limits", ["until"], unique=False)
    op.create_table(
        "recompute_failures",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("set_aside", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("learner", name=op.f("pk_recompute_failures")),
    )
    op.create_table(
        "results",
        sa.Column("lineitem", UUIDKey(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("score", UUIDKey(), nullable=False),
        sa.Column("timestamp", UTCDateTime(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("given", sa.Text(), nullable=True),
        sa.Column("maximum", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("lineitem", "learner", name=op.f("pk_results")),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "scores",
        sa.Column("lineitem", UUIDKey(), nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("statement", UUIDKey(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("lineitem", "id", name=op.f("pk_scores")),
    )
    op.create_table(
        "set_aside_statements",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("run", UUIDKey(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("connector", "id", name=op.f("pk_set_aside_statements")),
    )
    op.create_index("ix_set_aside_statements_connector_at", "set_aside_statements", ["connector", "at"], unique=False)
    op.create_table(
        "siasn_entries",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.String(length=64), nullable=False),
        sa.Column("siasn_id", sa.String(length=64), nullable=True),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("is_settled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("sending_until", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("connector", "entry", name=op.f("pk_siasn_entries")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("active_from", UTCDateTime(), nullable=False),
        sa.Column("published_until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "statement_ids",
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("actor_key", sa.BigInteger(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_ids")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statement_index",
        sa.Column("dim", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("matched", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_key", sa.BigInteger(), nullable=False),
        sa.Column("verb_key", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dim", "seq", "matched", name=op.f("pk_statement_index")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statement_references",
        sa.Column("target", UUIDKey(), nullable=False),
        sa.Column("referrer", UUIDKey(), nullable=False),
        sa.Column("actor_key", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "referrer", name=op.f("pk_statement_references")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statements",
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", "seq", name=op.f("pk_statements")),
    )
    op.create_table(
        "tools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("login_url", sa.Text(), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("jwks_url", sa.Text(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("target_link_uri", sa.Text(), nullable=False),
        sa.Column("deep_linking_url", sa.Text(), nullable=True),
        sa.Column("names", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("internal", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tools")),
        sa.UniqueConstraint("client_id", name=op.f("uq_tools_client_id")),
        sa.UniqueConstraint("name", name=op.f("uq_tools_name")),
    )
    op.create_index("ix_tools_connector", "tools", ["connector"], unique=False)
    op.create_table(
        "used_tokens",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_tokens")),
    )
    op.create_index("ix_used_tokens_expires", "used_tokens", ["expires"], unique=False)
    op.create_table(
        "voids",
        sa.Column("target", UUIDKey(), nullable=False),
        sa.Column("voider", UUIDKey(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=True),
        sa.Column("may_void_any", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("effective", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("target", "voider", name=op.f("pk_voids")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "web_sessions",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_sessions")),
    )
    op.create_index("ix_web_sessions_expires", "web_sessions", ["expires"], unique=False)

    # A new hub recognizes by the regulation in force: PerLAN 10/2018 speaks of learning from its first whole year on.
    op.execute(
        sa.table(
            "policy_activations",
            sa.column("policy", sa.String),
            sa.column("from_year", sa.Integer),
            sa.column("at", UTCDateTime()),
            sa.column("by", sa.String),
        )
        .insert()
        .values(policy="perlan-10-2018", from_year=2019, at=datetime(2026, 11, 24, tzinfo=UTC), by="hub")
    )
