"""Runs to rows and back: a header of JSON, compressed columns, levels and verdicts.

A sample takes some bytes here, where JSON takes a hundred: columns of one kind compress well.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from depthprof.errors import BadRunFile
from depthprof.records import (
    TOTAL,
    BlockConditions,
    Comparison,
    Digest,
    Estimate,
    Interruptions,
    Level,
    Policy,
    Result,
    Run,
    Samples,
    decode,
    encode,
)
from depthprof.storage.database.tables import LEVELS, RUNS

_PLACES = ("launch", "turn", "block", "side", "start_ns")
_INTERRUPTIONS = tuple(field.name for field in fields(Interruptions))
_CONDITIONS = tuple(field.name for field in fields(BlockConditions))

Columns = dict[str, NDArray[np.int64]]


def pack(run: Run, policy: Policy) -> tuple[str, bytes, str]:
    """Split a run into its header and its columns.

    Returns:
        Header, columns, and the SHA-256 of what they mean: however they were laid out in memory
        and compressed, the same run has the same.
    """
    samples = run.samples
    columns: Columns = {name: getattr(samples, name) for name in _PLACES}
    columns["host_ns"] = samples.host_ns
    if samples.device_ns is not None:
        columns["device_ns"] = samples.device_ns
    if samples.interruptions is not None:
        for name in _INTERRUPTIONS:
            columns[f"interruptions.{name}"] = getattr(samples.interruptions, name)
    if run.conditions is not None:
        for name in _CONDITIONS:
            columns[f"conditions.{name}"] = getattr(run.conditions, name)
    empty = replace(run, samples=_no_samples(samples.stages), conditions=None)
    file = io.BytesIO()
    small: dict[str, Any] = {name: _small(column) for name, column in columns.items()}
    np.savez_compressed(file, **small)
    header = encode(empty, policy)
    content = hashlib.sha256(header.encode())
    for name, column in sorted(columns.items()):
        content.update(f"{name}{column.shape}".encode())
        content.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    return header, file.getvalue(), content.hexdigest()


def unpack(header: str, columns: bytes, name: str) -> tuple[Run, Policy]:
    """Put a run together again, exactly as it was.

    Raises:
        BadRunFile: the header or the columns are not whole; the sentence carries `name`.
    """
    run, policy = decode(header, name)
    try:
        with np.load(io.BytesIO(columns), allow_pickle=False) as file:
            known = {key: _column(file[key]) for key in file.files}
        interruptions = _group(known, "interruptions.")
        conditions = _group(known, "conditions.")
        samples = Samples(
            **{key: known[key] for key in _PLACES},
            host_ns=known["host_ns"],
            device_ns=known.get("device_ns"),
            stages=run.samples.stages,
            interruptions=Interruptions(**interruptions) if interruptions else None,
        )
        return (
            replace(
                run,
                samples=samples,
                conditions=BlockConditions(**conditions) if conditions else None,
            ),
            policy,
        )
    except (KeyError, TypeError, ValueError, OSError, BadZipFile) as error:
        raise BadRunFile(
            f"the samples of {name} are not whole: {type(error).__name__} {error}"
        ) from error


def _group(known: Columns, prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): column
        for name, column in known.items()
        if name.startswith(prefix)
    }


def _small(column: NDArray[np.int64]) -> NDArray[Any]:
    """The same numbers in the smallest type that holds them."""
    if not column.size:
        return column
    low, high = int(column.min()), int(column.max())
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return column.astype(kind)
    return column


def _column(stored: NDArray[Any]) -> NDArray[np.int64]:
    column = stored.astype(np.int64)
    column.flags.writeable = False
    return column


def _no_samples(stages: tuple[str, ...]) -> Samples:
    none = np.empty(0, dtype=np.int64)
    return Samples(none, none, none, none, none, np.empty((0, len(stages)), np.int64), None, stages)


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
    """A value as JSON, and the digest that stands for it."""
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
