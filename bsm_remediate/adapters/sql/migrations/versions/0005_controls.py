"""What a control needs beside its target: the scope of a pause, the times of a maintenance window."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("bsm_control", sa.Column("details", sa.Text, nullable=False, server_default="{}"))
