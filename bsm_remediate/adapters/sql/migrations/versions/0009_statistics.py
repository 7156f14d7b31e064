"""Statistics that outlast the journal: its entries in chapters, and what metrics were."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "bsm_statistics",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("recorded_since", sa.Double),
        sa.Column("kept_at", sa.Double),
    )
    op.execute("INSERT INTO bsm_statistics (id, position) VALUES (1, 0)")
    op.create_table(
        "bsm_chapter",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("latest_at", sa.Double, nullable=False),
        sa.Column("is_over", sa.Boolean, nullable=False),
    )
    op.create_index("bsm_chapter_key", "bsm_chapter", ["key", "id"])
    op.create_index("bsm_chapter_time", "bsm_chapter", ["is_over", "latest_at"])
    op.create_table(
        "bsm_chapter_entry",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("chapter", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("is_end", sa.Boolean, nullable=False),
    )
    op.create_index("bsm_chapter_entry_chapter", "bsm_chapter_entry", ["chapter", "position"])
    op.create_table(
        "bsm_metric_series",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
    )
    op.create_index("bsm_metric_series_policy", "bsm_metric_series", ["policy"])
    op.create_table(
        "bsm_metric_bucket",
        sa.Column("resolution", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("total", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("beyond_s", sa.Double, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bsm_metric_roll",
        sa.Column("resolution", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("through", sa.BigInteger, nullable=False),
    )
