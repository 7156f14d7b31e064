"""Replicas and who of them leads; what runs were ordered to do."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "bsm_replica",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("beat_at", sa.Double, nullable=False),
    )
    op.create_table(
        "bsm_leader",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("replica", sa.Text, nullable=False),
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("beat_at", sa.Double, nullable=False),
    )
    op.create_table(
        "bsm_work_order",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
