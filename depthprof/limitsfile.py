"""Limits on disk: a file for each machine, device and torch, named after its fingerprint."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from depthprof.errors import BadRunFile, OutputError
from depthprof.records import Limits, limits_from

FOLDER = Path(".depthprof/limits")
"""Where limits are kept, in the folder depthprof is called from."""

LIMITS_SCHEMA = 1
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
    file = folder / f"{limits.fingerprint}.json"
    document = {"schema": LIMITS_SCHEMA, **asdict(limits)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error
    return file


def read_limits(file: Path) -> Limits:
    """Read the limits in a file.

    Raises:
        BadRunFile: they are not whole, of a newer schema, or not those of the file's name.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRunFile(f"the limits {file} cannot be read ({error})") from error
    try:
        document = json.loads(text)
        newer = document.pop("schema") > LIMITS_SCHEMA
        known = None if newer else _whole(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRunFile(
            f"{file} does not hold whole limits ({type(error).__name__}: {error});"
            " delete it, or run `depthprof limits --fresh`"
        ) from error
    if known is None:
        raise BadRunFile(f"{file} is of a newer depthprof; delete it or upgrade")
    if known.fingerprint != file.stem:
        raise BadRunFile(
            f"{file} holds the limits {known.fingerprint}, not those of its name; delete it"
        )
    return known


def kept_limits(folder: Path = FOLDER) -> dict[str, Limits]:
    """All limits that are kept, by fingerprint; a broken file is refused before any measuring.

    Raises:
        BadRunFile: see `read_limits`.
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return {file.stem: read_limits(file) for file in files}


def _whole(document: dict[str, Any]) -> Limits:
    """Make limits of a document whose every figure is a rate.

    Raises:
        KeyError, TypeError, ValueError: something is missing, unknown or no figure.
    """
    limits = limits_from(document)
    words = (limits.fingerprint, limits.created, limits.device, limits.device_name, limits.cpu)
    if not all(isinstance(word, str) for word in words):
        raise ValueError("a name is not a text")
    sizes = [limits.threads, *(rate.size_bytes for rate in limits.copies)]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError("a number of threads or a size is not a positive whole number")
    rates = [getattr(limits, name) for name in _RATES]
    rates += [rate.bytes_per_s for rate in limits.copies]
    rates += [rate.flops_per_s for rate in limits.matrix]
    for rate in rates:
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(f"{rate!r} is not a number")
        if not 0 < rate < math.inf:
            raise ValueError(f"{rate!r} is not a rate")
    return limits
