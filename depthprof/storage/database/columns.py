"""A run as it lies in the store: a header of JSON, and its samples as compressed columns.

A sample takes some bytes here, where JSON takes a hundred: columns of one kind compress well.
"""

import hashlib
import io
from dataclasses import fields, replace
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import BadRunFile
from depthprof.records import BlockConditions, Interruptions, Policy, Run, Samples, decode, encode

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
