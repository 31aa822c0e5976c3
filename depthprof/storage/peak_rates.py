"""Limits on disk: a file for each machine, device and torch, named after its fingerprint."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from depthprof.records import CopyRate, Limits, MemoryRate, limits_from
from depthprof.storage.machine_files import Words, kept_files, read_kept, write_kept

FOLDER = Path(".depthprof/limits")
"""Where limits are kept, in the folder depthprof is called from."""

LIMITS_SCHEMA = 2
"""1 had the rates of one kernel each: still read, but they are measured again (records, METHOD)."""

WORDS = Words(
    name="limits",
    broken="does not hold whole limits",
    again="`depthprof limits --fresh`",
    newer="delete it",
    its="those",
)
_RATES = (
    "memory_bytes_per_s",
    "launch_ns",
    "host_copy_bytes_per_s",
    "core_bytes_per_s",
)


def write_limits(limits: Limits, folder: Path = FOLDER) -> Path:
    """Write limits and return their file; older ones of the same machine are replaced.

    Raises:
        OutputError: they cannot be written.
    """
    return write_kept(folder, limits.fingerprint, LIMITS_SCHEMA, asdict(limits))


def kept_limits(folder: Path = FOLDER) -> dict[str, Limits]:
    """All limits that are kept, by fingerprint; a broken file is refused before any measuring.

    Raises:
        BadRunFile: some are not whole, of a newer schema, or not those of their file's name.
    """
    files = kept_files(folder)
    return {file.stem: read_kept(file, LIMITS_SCHEMA, _whole, WORDS) for file in files}


def outdated(known: Mapping[str, Limits], found: Limits) -> bool:
    """Whether limits were measured again because those that are kept were found another way.

    Args:
        known: kept before, by fingerprint. found: now.
    """
    return found.fingerprint not in known and any(
        (one.device_name, one.threads) == (found.device_name, found.threads) and not one.kernels
        for one in known.values()
    )


def _whole(document: dict[str, Any]) -> Limits:
    """Make limits of a document whose every figure is a rate.

    Raises:
        KeyError, TypeError, ValueError: something is missing, unknown or no figure.
    """
    limits = limits_from(document)
    words = (limits.fingerprint, limits.created, limits.device, limits.device_name, limits.cpu)
    if not all(isinstance(word, str) for word in words):
        raise ValueError("a name is not a text")
    moves: tuple[CopyRate | MemoryRate, ...] = (*limits.copies, *limits.memory)
    sizes = [limits.threads, *(rate.size_bytes for rate in moves)]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError("a number of threads or a size is not a positive whole number")
    rates = [getattr(limits, name) for name in _RATES]
    rates += [rate.bytes_per_s for rate in moves]
    rates += [rate.flops_per_s for rate in (*limits.matrix, *limits.kernels)]
    rates += [rate.per_s for rate in limits.theoretical]
    for rate in rates:
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(f"{rate!r} is not a number")
        if not 0 < rate < math.inf:
            raise ValueError(f"{rate!r} is not a rate")
    return limits
