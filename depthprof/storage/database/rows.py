"""Runs to and from what the store keeps: a header of JSON, compressed columns, levels.

A sample takes some bytes here, where JSON takes a hundred: columns of one kind compress well.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from depthprof.errors import BadRunFile
from depthprof.records import (
    TOTAL,
    BlockConditions,
    Digest,
    Estimate,
    Interruptions,
    Level,
    Policy,
    Run,
    Samples,
    decode,
    encode,
)
from depthprof.storage.database.tables import LEVELS, RUNS, SIDES, TAGS, VERDICTS
from depthprof.units import shown

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


@dataclass(frozen=True, slots=True)
class RunRow:
    """A stored run in one line.

    Attributes:
        id: its identity. created: ISO 8601, UTC. kind: "comparison" or "profile".
        ended: why measuring ended. commit: of the working folder. labels: of the sides.
        culprit: the slower stage, if any. tags: in alphabetical order.
    """

    id: str
    created: str
    kind: str
    ended: str
    commit: str | None
    dirty: bool | None
    labels: tuple[str, ...]
    culprit: str | None
    tags: tuple[str, ...]


def stored_rows(connection: Connection, tag: str | None, limit: int | None) -> list[RunRow]:
    """Runs of a tag, or all, the newest first."""
    query = select(*_LISTED).order_by(RUNS.c.created.desc(), RUNS.c.id).limit(limit)
    if tag is not None:
        tagged = TAGS.c.tag == shown(tag)  # a database takes no other text
        query = query.join(TAGS, TAGS.c.run == RUNS.c.id).where(tagged)
    found = connection.execute(query).all()
    names = [row.id for row in found]
    labels = _grouped(connection, select(SIDES.c.run, SIDES.c.label), names, SIDES.c.name)
    tags = _grouped(connection, select(TAGS.c.run, TAGS.c.tag), names, TAGS.c.tag)
    culprit = select(VERDICTS.c.run, VERDICTS.c.stage).where(VERDICTS.c.is_culprit)
    culprits = _grouped(connection, culprit, names, VERDICTS.c.stage)
    return [
        RunRow(
            row.id,
            row.created,
            row.kind,
            row.ended,
            row.commit_sha,
            row.dirty,
            labels.get(row.id, ()),
            next(iter(culprits.get(row.id, ())), None),
            tags.get(row.id, ()),
        )
        for row in found
    ]


_LISTED = (RUNS.c.id, RUNS.c.created, RUNS.c.kind, RUNS.c.ended, RUNS.c.commit_sha, RUNS.c.dirty)


def _grouped(
    connection: Connection, query: Select[Any], names: Sequence[str], order: Any
) -> dict[str, tuple[str, ...]]:
    """Second column's texts by the first one, of some runs."""
    found: dict[str, list[str]] = {}
    wanted = set(names)
    for run, text in connection.execute(query.order_by(order)):
        if run in wanted:
            found.setdefault(run, []).append(text)
    return {run: tuple(texts) for run, texts in found.items()}
