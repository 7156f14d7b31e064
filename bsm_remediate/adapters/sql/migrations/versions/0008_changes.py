"""Planned changes: one row each, from proposal to review."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "bsm_changes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("proposed_at", sa.Double, nullable=False),
        sa.Column("is_over", sa.Boolean, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        comment="one row per planned change; `value` is the whole of it as JSON",
    )
    op.create_index("bsm_changes_open", "bsm_changes", ["is_over", "proposed_at"])
