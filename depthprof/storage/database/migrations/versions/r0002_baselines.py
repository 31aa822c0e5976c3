"""Named baselines."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of baselines."""
    op.create_table(
        "baselines",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("run", sa.String(16), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("set_at", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
