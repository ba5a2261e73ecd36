"""Alembic's entry point: runs the steps in the caller's transaction (`hub.migrations.steps`)."""

from __future__ import annotations

from alembic import context

from hub.migrations.steps import declared

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=declared(), compare_type=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
