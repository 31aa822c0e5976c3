"""Runs with their samples, sides, levels, verdicts and tags."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of the first schema."""
    for name in ("environments", "workloads"):
        op.create_table(
            name,
            sa.Column("id", sa.String(64), primary_key=True),
            sa.Column("document", sa.Text, nullable=False),
        )
    _runs()
    _sides()
    _levels()
    _verdicts()
    op.create_table(
        "tags",
        sa.Column(
            "run", sa.String(16), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("tag", sa.String(100), primary_key=True),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("created", sa.String(40), nullable=False, index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("ended", sa.String(16), nullable=False),
        sa.Column("commit_sha", sa.String(64), index=True),
        sa.Column("dirty", sa.Boolean),
        sa.Column("environment", sa.String(64), sa.ForeignKey("environments.id"), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("header", sa.Text, nullable=False),
        sa.Column("columns", sa.LargeBinary, nullable=False),
    )


def _sides() -> None:
    op.create_table(
        "sides",
        sa.Column(
            "run", sa.String(16), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.String(8), primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("workload", sa.String(64), sa.ForeignKey("workloads.id"), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("machine", sa.String(64), nullable=False, index=True),
    )


def _levels() -> None:
    op.create_table(
        "levels",
        sa.Column("run", sa.String(16), primary_key=True),
        sa.Column("side", sa.String(8), primary_key=True),
        sa.Column("stage", sa.String(32), primary_key=True),
        sa.Column("clock", sa.String(16), nullable=False),
        sa.Column("median_ns", sa.Float, nullable=False),
        sa.Column("low_ns", sa.Float, nullable=False),
        sa.Column("high_ns", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("launches_ns", sa.Text, nullable=False),
        sa.Column("spoilt_ratio", sa.Float, nullable=False),
    )
    op.create_index("levels_by_side", "levels", ["run", "side"])


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column(
            "run", sa.String(16), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("stage", sa.String(32), primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("ratio", sa.Float),
        sa.Column("low_ratio", sa.Float),
        sa.Column("high_ratio", sa.Float),
        sa.Column("is_culprit", sa.Boolean, nullable=False),
    )
