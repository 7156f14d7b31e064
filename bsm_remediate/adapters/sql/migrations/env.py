"""Runs the migrations on the connection that the store gives, inside its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="bsm_alembic_version")
context.run_migrations()
