"""Alerts, runs and their locks, the journal, people's controls."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Position = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "bsm_alert_change",
        sa.Column("position", _Position, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("annotations", sa.Text, nullable=False),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
        sa.Column("received_at", sa.Double, nullable=False),
    )
    op.create_table(
        "bsm_alert",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("position", _Position, nullable=False, unique=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
    )
    op.create_index("bsm_alert_status", "bsm_alert", ["status"])
    op.create_table(
        "bsm_run",
        sa.Column("number", _Position, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("planned_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("is_over", sa.Boolean, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.UniqueConstraint("id"),
    )
    op.create_index("bsm_run_open", "bsm_run", ["is_over", "ended_at"])
    op.create_table(
        "bsm_lock",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
    )
    op.create_index("bsm_lock_run", "bsm_lock", ["run"])
    op.create_table(
        "bsm_fence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("latest", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "bsm_event",
        sa.Column("position", _Position, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("bsm_event_subject", "bsm_event", ["subject", "position"])
    op.create_table(
        "bsm_control",
        sa.Column("id", _Position, primary_key=True, autoincrement=True),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("until", sa.Double),
        sa.Column("done", sa.Boolean),
        sa.Column("answer", sa.Text),
    )
    op.create_table(
        "bsm_standing",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
