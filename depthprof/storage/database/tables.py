"""The store's tables, as the newest schema has them; migrations/ leads there from any older one."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

ENVIRONMENTS = Table(
    "environments",
    METADATA,
    Column("id", String(64), primary_key=True),  # SHA-256 of `document`
    Column("document", Text, nullable=False),
)

WORKLOADS = Table(
    "workloads",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("id", String(16), primary_key=True),  # the first digits of `sha256`
    Column("sha256", String(64), nullable=False, unique=True),  # of the run as JSON
    Column("created", String(40), nullable=False, index=True),  # ISO 8601, UTC
    Column("kind", String(16), nullable=False),  # comparison, profile
    Column("ended", String(16), nullable=False),
    Column("commit_sha", String(64), index=True),
    Column("dirty", Boolean),
    Column("environment", ForeignKey("environments.id"), nullable=False),
    Column("command", Text, nullable=False),
    Column("header", Text, nullable=False),  # the run as JSON without its columns
    Column("columns", LargeBinary, nullable=False),  # the samples, numpy's npz
)

SIDES = Table(
    "sides",
    METADATA,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(8), primary_key=True),
    Column("label", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("workload", ForeignKey("workloads.id"), nullable=False),
    Column("document", Text, nullable=False),  # the side as JSON
    Column("machine", String(64), nullable=False, index=True),  # what must be alike to compare
)

LEVELS = Table(
    "levels",
    METADATA,
    Column("run", String(16), primary_key=True),
    Column("side", String(8), primary_key=True),
    Column("stage", String(32), primary_key=True),
    Column("clock", String(16), nullable=False),
    Column("median_ns", Float, nullable=False),
    Column("low_ns", Float, nullable=False),
    Column("high_ns", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("launches_ns", Text, nullable=False),  # JSON list, a median a launch
    Column("spoilt_ratio", Float, nullable=False),
)

VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", String(32), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("code", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("ratio", Float),
    Column("low_ratio", Float),
    Column("high_ratio", Float),
    Column("is_culprit", Boolean, nullable=False),
)

TAGS = Table(
    "tags",
    METADATA,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(100), primary_key=True),
)

BASELINES = Table(
    "baselines",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("set_at", String(40), nullable=False),
    Column("revision", Integer, nullable=False),  # counts how often it was set
)

Index("levels_by_side", LEVELS.c.run, LEVELS.c.side)
