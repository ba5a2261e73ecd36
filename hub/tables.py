"""The hub's own tables: people, systems, launches, recognition, and who did what.

Small ones (systems, courses, policies) are copied to every node of a cluster: ``distribution`` is "reference". Those
that grow with people or events name the column by which they are spread; it is in each of their keys, no foreign key
joins them, and no value of theirs is made by the database (docs/decisions/0002-core-not-orm.md). Everything of one
learner lies together under ``learner``, her internal id: an opaque UUID that is also her LTI ``sub`` and the name of
her account in statements that the hub writes.
"""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: A truth value without a CHECK that the two databases would spell differently.
_Flag = sa.Boolean(create_constraint=False)

REFERENCE = {"distribution": "reference"}

# Systems -------------------------------------------------------------------------------------------------

#: One external system; a course's ``provider`` is its name. ``title``: what people see, None: the name. ``settings`` is
#: JSON whose members the kind decides, ``secret`` what the hub must send itself, sealed. ``trusted_centi_jp``: how much
#: JP a certificate of it may assert.
connectors = sa.Table(
    "connectors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("internal", _Flag, nullable=False),
    sa.Column("vocabulary", sa.String(32), nullable=False),
    sa.Column("trusted_centi_jp", sa.Integer),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("title", sa.String(200)),
    info=REFERENCE,
)

#: Who may call the LRS and the API. ``secret`` is a keyed digest; the one before stays good until ``previous_until``.
credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("key", sa.String(255), nullable=False, unique=True),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("previous_secret", sa.LargeBinary),
    sa.Column("previous_until", UTCDateTime),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("connector", sa.Integer),
    sa.Column("per_minute", sa.Integer),
    sa.Column("expires", UTCDateTime),
    sa.Column("disabled", _Flag, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    info=REFERENCE,
)

#: An external LMS that the hub launches (LTI 1.3 tool). ``redirect_uris`` is a JSON list; either ``jwks_url`` or
#: ``public_key`` (PEM). ``names``: whether launches carry names and e-mail.
#: ``framed``: its courses open inside the hub's page.
tools = sa.Table(
    "tools",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("connector", sa.Integer, nullable=False),
    sa.Column("client_id", sa.String(64), nullable=False, unique=True),
    sa.Column("login_url", sa.Text, nullable=False),
    sa.Column("redirect_uris", sa.Text, nullable=False),
    sa.Column("jwks_url", sa.Text),
    sa.Column("public_key", sa.Text),
    sa.Column("target_link_uri", sa.Text, nullable=False),
    sa.Column("deep_linking_url", sa.Text),
    sa.Column("names", _Flag, nullable=False),
    sa.Column("internal", _Flag, nullable=False),
    sa.Column("framed", _Flag),
    sa.Column("disabled", _Flag, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Index("ix_tools_connector", "connector"),
    info=REFERENCE,
)

#: One tenant of a tool. ``deployment_id`` is what launches carry, ``name`` what people call it. ``names``: whether
#: launches carry names and e-mail there; None: as the tool has it.
deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("deployment_id", sa.String(255), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("disabled", _Flag, nullable=False),
    sa.Column("names", _Flag),
    sa.UniqueConstraint("tool", "deployment_id"),
    sa.UniqueConstraint("tool", "name"),
    info=REFERENCE,
)

#: What a test of a connection found, newest per system: ``checks`` is a JSON list of `connectors.base.Check`.
connection_tests = sa.Table(
    "connection_tests",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("checks", sa.Text, nullable=False),
    info=REFERENCE,
)

#: The newest thing of each kind that was refused to a tool: ``door`` is launch, token or picking, ``failed`` the
#: check, ``detail`` what it found. One row a kind, however often it happens.
refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("tool", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("door", sa.String(16), primary_key=True),
    sa.Column("failed", sa.String(32), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("error", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    info=REFERENCE,
)

#: An administrator picks courses in a provider's own picker (Deep Linking 2.0): who, where, in which browser.
#: ``response`` is the digest of what came back.
pickings = sa.Table(
    "pickings",
    metadata,
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("username", sa.String(64), nullable=False),
    sa.Column("session", sa.LargeBinary(32), nullable=False),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("deployment", sa.Integer, nullable=False),
    sa.Column("locale", sa.String(8), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("hint_used_at", UTCDateTime),
    sa.Column("response", sa.LargeBinary(32)),
    sa.Index("ix_pickings_created_at", "created_at"),
    info={"distribution": "id"},
)

#: Courses that a provider's picker gave, until an administrator confirms or discards them. ``item`` is the digest of
#: what makes one the same, ``document`` the content item, ``course`` the id that it was confirmed under.
drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("deployment", sa.Integer, nullable=False),
    sa.Column("item", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("picked_by", sa.String(64), nullable=False),
    sa.Column("picked_at", UTCDateTime, nullable=False),
    sa.Column("course", sa.Text),
    sa.UniqueConstraint("deployment", "item"),
    sa.Index("ix_drafts_state", "state", "id"),
    sa.Index("ix_drafts_deployment_state", "deployment", "state", "id"),
    info=REFERENCE,
)

#: The keys that sign id_tokens. A key signs from ``active_from`` until the next one's; it is published until
#: ``published_until`` (None: as long as it signs).
signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("private_key", sa.LargeBinary, nullable=False),
    sa.Column("public_jwk", sa.Text, nullable=False),
    sa.Column("active_from", UTCDateTime, nullable=False),
    sa.Column("published_until", UTCDateTime),
    info=REFERENCE,
)

# The catalogue -------------------------------------------------------------------------------------------

#: The newest version of each course; ``document`` is `mappings.course.Course.to_json`. ``id`` names it in addresses.
courses = sa.Table(
    "courses",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("course", sa.Text, nullable=False, unique=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    info=REFERENCE,
)

#: Every version that ever was: an entry of the ledger keeps the digest of its own.
course_versions = sa.Table(
    "course_versions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("course", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    info=REFERENCE,
)

#: Numbers that go up with each change of something that processes keep in memory ("courses", "systems").
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    info=REFERENCE,
)

# People --------------------------------------------------------------------------------------------------

#: A person with a right to JP. ``nip`` is her current number; all she ever had are in `learner_nips`.
learners = sa.Table(
    "learners",
    metadata,
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("nip", sa.String(18), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("email", sa.String(254)),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("employer", sa.String(200), nullable=False),
    sa.Column("unit", sa.String(200), nullable=False),
    sa.Column("supervisor_nip", sa.String(18)),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    # The first day of a PPPK's contract, where targets are counted by contract year.
    sa.Column("contract_begin", sa.Date),
    sa.Index("ix_learners_name", "name"),
    sa.Index("ix_learners_email", "email"),
    # The people of a unit, and those of a supervisor, each in the order in which pages show them.
    sa.Index("ix_learners_unit", "employer", "unit", "name", "id"),
    sa.Index("ix_learners_supervisor", "supervisor_nip", "name", "id"),
    info={"distribution": "id"},
)

#: Which learner a NIP names, now or formerly: a PPPK's number changes with the contract, a PPPK may become a PNS.
learner_nips = sa.Table(
    "learner_nips",
    metadata,
    sa.Column("nip", sa.String(18), primary_key=True),
    sa.Column("learner", UUIDKey, nullable=False),
    sa.Column("since", UTCDateTime, nullable=False),
    sa.Index("ix_learner_nips_learner", "learner"),
    info={"distribution": "nip"},
)

#: An actor of statements, and whose she is; without ``learner`` it is unresolved. ``linked_by`` says how:
#: "hub", "launch" (of the hub), "launched" (by the hub), "import", "admin:<name>", "rule:<connector>",
#: "nrps:<platform>".
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("homepage", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("learner", UUIDKey),
    sa.Column("linked_by", sa.String(128)),
    sa.Column("linked_at", UTCDateTime),
    sa.Column("first_seen", UTCDateTime, nullable=False),
    sa.Index("ix_identities_unresolved", "first_seen", postgresql_where=sa.text("learner IS NULL"),
             sqlite_where=sa.text("learner IS NULL")),
    info={"distribution": "actor_key"},
)  # fmt: skip

#: What a membership list says of an actor that is nobody's, for who decides whose she is. It is forgotten with that.
identity_hints = sa.Table(
    "identity_hints",
    metadata,
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("email", sa.String(255), nullable=False),
    info={"distribution": "actor_key"},
)

#: The same the other way round: the actors of one learner, beside her.
learner_actors = sa.Table(
    "learner_actors",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    info={"distribution": "learner"},
)

#: Who may sign in; ``learner`` where the account is an employee's. ``role`` is one of `hub.access.accounts.ROLES`.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("username", sa.String(64), primary_key=True),
    sa.Column("password", sa.String(255), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("learner", UUIDKey),
    sa.Column("disabled", _Flag, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    info={"distribution": "username"},
)

#: Who is signed in; ``id`` is the digest of what the browser's cookie holds.
web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),
    sa.Column("username", sa.String(64), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("expires", UTCDateTime, nullable=False),
    sa.Index("ix_web_sessions_expires", "expires"),
    info={"distribution": "id"},
)

#: How often something was done in the window that ends at ``until``; ``key`` is a digest of who and what.
rate_limits = sa.Table(
    "rate_limits",
    metadata,
    sa.Column("key", sa.LargeBinary(16), primary_key=True),
    sa.Column("until", UTCDateTime, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Index("ix_rate_limits_until", "until"),
    info={"distribution": "key"},
)

# Launches ------------------------------------------------------------------------------------------------

#: A launch of a course at a tool. The hint, the fetch and the token are single-use or short-lived, and only digests
#: of what is secret lie here. ``actor`` is JSON. ``document_target``: "iframe" where the course is shown inside the
#: hub's own page, else a window of its own. ``connector``: whose plain content it is, where there is no tool.
launches = sa.Table(
    "launches",
    metadata,
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("learner", UUIDKey, nullable=False),
    sa.Column("session", sa.LargeBinary(32), nullable=False),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("deployment", sa.Integer, nullable=False),
    sa.Column("course", sa.Integer, nullable=False),
    sa.Column("activity", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("registration", UUIDKey, nullable=False),
    sa.Column("target_link_uri", sa.Text, nullable=False),
    sa.Column("locale", sa.String(8), nullable=False),
    sa.Column("document_target", sa.String(8)),
    sa.Column("connector", sa.Integer),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("hint_used_at", UTCDateTime),
    sa.Column("fetch_secret", sa.LargeBinary(32)),
    sa.Column("fetched_at", UTCDateTime),
    sa.Column("token", sa.LargeBinary(32)),
    sa.Column("token_until", UTCDateTime),
    info={"distribution": "id"},
)

#: Launches of one learner of one course: where she may be graded, and her last launch there.
enrollments = sa.Table(
    "enrollments",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("deployment", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("course", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("registration", UUIDKey, nullable=False),
    sa.Column("launch", UUIDKey, nullable=False),
    sa.Column("first_at", UTCDateTime, nullable=False),
    sa.Column("last_at", UTCDateTime, nullable=False),
    info={"distribution": "learner"},
)

#: Access tokens of LTI services, by digest.
access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("expires", UTCDateTime, nullable=False),
    sa.Index("ix_access_tokens_expires", "expires"),
    sa.Index("ix_access_tokens_tool_expires", "tool", "expires"),
    info={"distribution": "id"},
)

#: Assertions and messages that were used once and never again; ``id`` is a digest of sender and ``jti``.
used_tokens = sa.Table(
    "used_tokens",
    metadata,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),
    sa.Column("expires", UTCDateTime, nullable=False),
    sa.Index("ix_used_tokens_expires", "expires"),
    info={"distribution": "id"},
)

#: AGS line items. ``context`` is one course in one deployment; ``is_coupled``: it is that of the course's own link.
lineitems = sa.Table(
    "lineitems",
    metadata,
    sa.Column("context", sa.String(32), primary_key=True),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("deployment", sa.Integer, nullable=False),
    sa.Column("course", sa.Integer, nullable=False),
    sa.Column("is_coupled", _Flag, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    info={"distribution": "context"},
)

#: Scores exactly as received, each for ever.
scores = sa.Table(
    "scores",
    metadata,
    sa.Column("lineitem", UUIDKey, primary_key=True),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("learner", UUIDKey, nullable=False),
    sa.Column("tool", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("statement", UUIDKey, nullable=False),
    sa.Column("received_at", UTCDateTime, nullable=False),
    info={"distribution": "lineitem"},
)

#: The newest score of each learner, as the results service tells it. ``given`` and ``maximum`` are decimal text.
results = sa.Table(
    "results",
    metadata,
    sa.Column("lineitem", UUIDKey, primary_key=True),
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("score", UUIDKey, nullable=False),
    sa.Column("timestamp", UTCDateTime, nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("given", sa.Text),
    sa.Column("maximum", sa.Text),
    sa.Column("comment", sa.Text),
    info={"distribution": "lineitem"},
)

# Recognition ---------------------------------------------------------------------------------------------

#: Wake-ups: written in the transaction that stored a statement, deleted in the one that recomputed its learner.
#: ``bucket`` = actor_key modulo `hub.statements.ingest.BUCKETS`.
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("bucket", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("actor_key", sa.BigInteger, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    info={"distribution": "bucket"},
)

#: The ledger, append-only. ``position`` counts a learner's entries; ``digest`` chains each to the one before, so that
#: no entry can be changed or taken out unseen. ``document`` is what `mappings.evaluate.Recognition.document` says;
#: a reversal repeats that of the entry it ``reverses`` (a position) with negative JP, and says why in ``cause``.
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("key", sa.LargeBinary(32), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("policy_digest", sa.String(64), nullable=False),
    sa.Column("course", sa.Text, nullable=False),
    sa.Column("course_digest", sa.String(64), nullable=False),
    sa.Column("form", sa.String(8), nullable=False),
    sa.Column("period", sa.String(32), nullable=False),
    sa.Column("on", sa.Date, nullable=False),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("centi_jp", sa.Integer, nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("reverses", sa.Integer),
    sa.Column("cause", sa.Text),
    sa.Column("recorded_at", UTCDateTime, nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.UniqueConstraint("learner", "position"),
    sa.Index("ix_entries_learner_policy_year", "learner", "policy", "year"),
    info={"distribution": "learner"},
)

#: Statement -> the entries that rest on it.
entry_evidence = sa.Table(
    "entry_evidence",
    metadata,
    sa.Column("statement", UUIDKey, primary_key=True),
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    info={"distribution": "statement"},
)

#: Courses with evidence that earn nothing yet: derived, written again by each recomputation. ``document`` is JSON.
pending = sa.Table(
    "pending",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("policy", sa.String(64), primary_key=True),
    sa.Column("course", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    info={"distribution": "learner"},
)

#: Recomputations that failed; after three the learner is set aside until somebody asks again.
recompute_failures = sa.Table(
    "recompute_failures",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("set_aside", _Flag, nullable=False),
    info={"distribution": "learner"},
)

#: Policies beside those that come with the hub, and which one is official from which year.
policies = sa.Table(
    "policies",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("added_at", UTCDateTime, nullable=False),
    info=REFERENCE,
)

policy_activations = sa.Table(
    "policy_activations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("from_year", sa.Integer, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("by", sa.String(64), nullable=False),
    # One that was taken back is as if it had not been, and stays on record.
    sa.Column("withdrawn_at", UTCDateTime),
    sa.Column("withdrawn_by", sa.String(64)),
    info=REFERENCE,
)

#: What an employee means to learn in a year. A course taken out keeps its row, so that it can be put back.
plans = sa.Table(
    "plans",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("course", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("added_at", UTCDateTime, nullable=False),
    sa.Column("removed_at", UTCDateTime),
    info={"distribution": "learner"},
)

# Operation -----------------------------------------------------------------------------------------------

#: Who did what: append-only, read by month, newest first.
audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("at", UTCDateTime, primary_key=True),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    info={"distribution": "month"},
)

#: Work that one process at a time may do, and until when it has the right.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("owner", UUIDKey, nullable=False),
    sa.Column("until", UTCDateTime, nullable=False),
    info=REFERENCE,
)
