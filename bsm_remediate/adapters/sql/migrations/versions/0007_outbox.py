"""Messages to people, written before they are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "bsm_message",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_index("bsm_message_route", "bsm_message", ["route", "kind", "at"])
    op.create_index("bsm_message_state", "bsm_message", ["state"])
