"""The tables of what people undertake beyond single courses: follow-up plans, certifications, and what they need.

`undertakings` and `duties` are derived, like `pending`: written again by each recomputation from what the LRS holds.
"""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: Where a learner stands with a follow-up plan (``kind`` "rtl", ``subject`` a course) or a certification
#: ("certification", a scheme). ``document`` is JSON of `hub.learning.undertakings`.
undertakings = sa.Table(
    "undertakings",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    info={"distribution": "learner"},
)

#: What has to be done next about it: ``who`` is the learner's id, or the NIP of her supervisor; "" where nobody is
#: recorded as that. Nothing is overdue in the database: a day passes without anybody writing.
duties = sa.Table(
    "duties",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("who", sa.String(36), primary_key=True),
    sa.Column("code", sa.String(16), nullable=False),
    sa.Column("from_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    # What waits for somebody, and what waits at all, each in the order in which pages show it.
    sa.Index("ix_duties_who", "who", "due_on", "learner", "kind", "subject"),
    sa.Index("ix_duties_due", "due_on", "learner", "kind", "subject", "who"),
    info={"distribution": "learner"},
)

#: Statements of assessors by whom they are about: the actor of such a statement is who judged, and it has to be found
#: again from the candidate (``actor_key``).
assessments = sa.Table(
    "assessments",
    metadata,
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("statement", UUIDKey, primary_key=True),
    sa.Index("ix_assessments_statement", "statement"),
    info={"distribution": "actor_key"},
)

#: Certification schemes beside those that come with the hub; one that is here never changes.
schemes = sa.Table(
    "schemes",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("added_at", UTCDateTime, nullable=False),
    info={"distribution": "reference"},
)

#: What of follow-up plans differs from the document that comes with the hub, for one provider or one course (``kind``,
#: ``subject``); NULL: as it is without the rule.
follow_up_rules = sa.Table(
    "follow_up_rules",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("is_owed", sa.Boolean(create_constraint=False)),
    sa.Column("submit_within_days", sa.SmallInteger),
    sa.Column("decide_within_days", sa.SmallInteger),
    sa.Column("evaluate_after_months", sa.SmallInteger),
    sa.Column("evaluate_before_months", sa.SmallInteger),
    sa.Column("reference", sa.String(300), nullable=False),
    sa.Column("confirmed", sa.String(8), nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    info={"distribution": "reference"},
)

#: The competencies that a unit, or one person beyond her unit, needs: ``document`` is a JSON list of names and levels.
unit_needs = sa.Table(
    "unit_needs",
    metadata,
    sa.Column("employer", sa.String(200), primary_key=True),
    sa.Column("unit", sa.String(200), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    info={"distribution": "reference"},
)

learner_needs = sa.Table(
    "learner_needs",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    info={"distribution": "learner"},
)
