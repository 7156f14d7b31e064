"""How many answered controls each replica keeps to: a pause waits until all do."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("bsm_replica", sa.Column("seen", sa.BigInteger, nullable=False, server_default="0"))
