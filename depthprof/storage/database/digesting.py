"""Digests to rows and back: what gates and histories read, without touching a sample."""

import json
from typing import Any

from sqlalchemy import Connection, select

from depthprof.records import TOTAL, Digest, Estimate, Level, decode
from depthprof.storage.database.tables import LEVELS, RUNS


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


def digest_of(connection: Connection, identity: str) -> Digest:
    """Read a run's digest; its header says who the sides are and what failed."""
    header = connection.execute(select(RUNS.c.header).where(RUNS.c.id == identity)).scalar_one()
    run, _ = decode(header, f"the run {identity}")
    rows = connection.execute(select(LEVELS).where(LEVELS.c.run == identity)).all()
    order = {stage: place for place, stage in enumerate((*run.samples.stages, TOTAL))}
    levels = [
        Level(
            row.side,
            row.stage,
            row.clock,
            Estimate(row.median_ns, row.low_ns, row.high_ns, row.confidence),
            tuple(json.loads(row.launches_ns)),
            row.spoilt_ratio,
        )
        for row in rows
    ]
    levels.sort(key=lambda level: (level.side, order.get(level.stage, len(order))))
    return Digest(
        identity,
        run.created,
        run.sides,
        run.environment,
        run.pictures,
        tuple(levels),
        run.ended,
        run.failures,
    )
