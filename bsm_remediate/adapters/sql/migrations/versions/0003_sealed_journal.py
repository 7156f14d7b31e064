"""The journal's entries have a final position and a link; from where to where it is sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("bsm_event", sa.Column("sealed", sa.BigInteger))
    op.add_column("bsm_event", sa.Column("link", sa.Text))
    op.create_index("bsm_event_sealed", "bsm_event", ["sealed"], unique=True)
    is_waiting = sa.text("sealed IS NULL")
    op.create_index(
        "bsm_event_waiting", "bsm_event", ["position"], sqlite_where=is_waiting, postgresql_where=is_waiting
    )
    op.drop_index("bsm_event_subject", "bsm_event")
    op.create_index("bsm_event_subject", "bsm_event", ["subject", "sealed"])
    journal = op.create_table(
        "bsm_journal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("begin_position", sa.BigInteger, nullable=False),
        sa.Column("begin_link", sa.Text, nullable=False),
        sa.Column("begin_proof", sa.Text, nullable=False),
        sa.Column("head_position", sa.BigInteger, nullable=False),
        sa.Column("head_link", sa.Text, nullable=False),
    )
    empty = {"begin_position": 0, "begin_link": "", "begin_proof": "", "head_position": 0, "head_link": ""}
    op.bulk_insert(journal, [{"id": 1, **empty}])
