"""The store's tables, as the newest schema has them, and the rows that go into them.

migrations/ leads there from any older schema.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

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
    select,
)

from depthprof.errors import BadRunFile
from depthprof.records import Comparison, Digest, Result, Run, Side
from depthprof.records.traits import machine_name

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
    Column("launches_ns", Text, nullable=False),  # JSON list, a median a process
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

ALL_LEVELS = (
    select(
        RUNS.c.id,
        RUNS.c.created,
        RUNS.c.commit_sha,
        RUNS.c.dirty,
        SIDES.c.label,
        SIDES.c.variant,
        SIDES.c.machine,
        SIDES.c.workload,
        LEVELS.c.stage,
        LEVELS.c.clock,
        LEVELS.c.median_ns,
        LEVELS.c.low_ns,
        LEVELS.c.high_ns,
    )
    .join(SIDES, SIDES.c.run == RUNS.c.id)
    .join(LEVELS, (LEVELS.c.run == RUNS.c.id) & (LEVELS.c.side == SIDES.c.name))
    .order_by(RUNS.c.created, RUNS.c.id)
)
"""Every level of every run with its run's date, commit, label and machine, oldest first."""


def utc(moment: str) -> str:
    """A moment in UTC, so that texts sort as times do.

    Raises:
        BadRunFile: it is none.
    """
    try:
        known = datetime.fromisoformat(moment)
    except ValueError:
        raise BadRunFile(f'the run was created at "{moment}", which is no ISO 8601 date') from None
    known = known if known.tzinfo else known.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="seconds")


def run_row(run: Run, identity: str, sha256: str, environment: str) -> dict[str, Any]:
    """Row of a run, without its header and columns."""
    return {
        "id": identity,
        "sha256": sha256,
        "created": utc(run.created),
        "kind": "comparison" if run.is_comparison else "profile",
        "ended": run.ended,
        "commit_sha": run.environment.commit,
        "dirty": run.environment.dirty,
        "environment": environment,
        "command": run.command,
    }


def side_row(run: Run, side: Side, identity: str, workload: str) -> dict[str, str]:
    """Row of one side of a run; `workload` is the identity of its workload."""
    return {
        "run": identity,
        "name": side.name,
        "label": side.label,
        "variant": side.variant,
        "workload": workload,
        "document": json.dumps(asdict(side)),
        "machine": machine_name(run.environment, side, run.pictures),
    }


def verdict_rows(judged: Result, identity: str) -> list[dict[str, Any]]:
    """Rows of a run's verdicts; none of a profile."""
    judgement, comparison = judged.judgement, judged.comparison
    if judgement is None or comparison is None:
        return []
    return [
        {
            "run": identity,
            "stage": verdict.stage,
            "status": verdict.status.value,
            "code": verdict.reason.code,
            "text": verdict.reason.text,
            "is_culprit": verdict.stage == judgement.culprit,
            **_ratio(comparison, verdict.stage),
        }
        for verdict in judgement.verdicts
    ]


def _ratio(comparison: Comparison, stage: str) -> dict[str, float | None]:
    known = comparison.stage(stage).ratio
    if known is None:
        return {"ratio": None, "low_ratio": None, "high_ratio": None}
    return {"ratio": known.value, "low_ratio": known.low, "high_ratio": known.high}


def document(value: Mapping[str, Any]) -> dict[str, str]:
    """A value as JSON, and its SHA-256 as its identity."""
    text = json.dumps(value, sort_keys=True)
    return {"id": hashlib.sha256(text.encode()).hexdigest(), "document": text}


def level_rows(digest: Digest, identity: str) -> list[dict[str, Any]]:
    """Rows of a run's levels."""
    return [
        {
            "run": identity,
            "side": level.side,
            "stage": level.stage,
            "clock": level.clock,
            "median_ns": level.median_ns.value,
            "low_ns": level.median_ns.low,
            "high_ns": level.median_ns.high,
            "confidence": level.median_ns.confidence,
            "launches_ns": json.dumps(level.launches_ns),
            "spoilt_ratio": level.spoilt_ratio,
        }
        for level in digest.levels
    ]
