"""Runs the migrations on the connection that `upgrade` gives."""

from __future__ import annotations

from alembic import context

from cert_exchange.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    transactional_ddl=False,  # the caller's transaction is around all of them
)
context.run_migrations()
