"""Calibrations and limits: a JSON file for each machine, named after what it holds for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from depthprof.errors import BadRunFile, OutputError
from depthprof.records import Calibration, Limits, check_figures, explained, made, plain
from depthprof.storage.text_files import NotText, read_text, write_text

CALIBRATION_FOLDER = Path(".depthprof/calibration")
LIMITS_FOLDER = Path(".depthprof/limits")
"""Where they are kept, in the folder depthprof is called from."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One kind of file: what it holds, and how refusals speak of it."""

    record: type[Calibration] | type[Limits]
    schema: int
    name: str
    broken: str
    again: str


_CALIBRATION = _Form(
    Calibration,
    1,
    name="calibration",
    broken="is not a whole calibration",
    again="`depthprof calibrate` again",
)
_LIMITS = _Form(
    Limits,
    2,  # 1 had the rates of one kernel each: still read, but they are measured again
    name="limits",
    broken="does not hold whole limits",
    again="`depthprof limits --fresh`",
)


def write_calibration(calibration: Calibration, folder: Path = CALIBRATION_FOLDER) -> Path:
    """Write a calibration and return its file; an older one of the same machine is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    return _write(folder, calibration, _CALIBRATION)


def find_calibration(fingerprint: str, folder: Path = CALIBRATION_FOLDER) -> Calibration | None:
    """Read the calibration with this fingerprint, None if there is none.

    Raises:
        BadRunFile: there is one, but it is not whole, or of a newer schema.
    """
    try:
        found: Calibration = _read(folder / f"{fingerprint}.json", _CALIBRATION)
    except FileNotFoundError:
        return None
    return found


def check_calibrations(folder: Path = CALIBRATION_FOLDER) -> None:
    """Read all calibrations, so that a broken one is refused before anything is measured.

    Raises:
        BadRunFile: one is not whole, or of a newer schema.
    """
    for file in folder.glob("*.json"):
        _read(file, _CALIBRATION)


def write_limits(limits: Limits, folder: Path = LIMITS_FOLDER) -> Path:
    """Write limits and return their file; older ones of the same machine are replaced.

    Raises:
        OutputError: they cannot be written.
    """
    return _write(folder, limits, _LIMITS)


def kept_limits(folder: Path = LIMITS_FOLDER) -> dict[str, Limits]:
    """All limits that are kept, by fingerprint; a broken file is refused before any measuring.

    Raises:
        BadRunFile: some are not whole, of a newer schema, or not those of their file's name.
    """
    return {file.stem: _read(file, _LIMITS) for file in sorted(folder.glob("*.json"))}


def outdated(known: Mapping[str, Limits], found: Limits) -> bool:
    """Whether limits were measured again because those that are kept were found another way.

    Args:
        known: kept before, by fingerprint. found: now.
    """
    return found.fingerprint not in known and any(
        (one.device_name, one.threads) == (found.device_name, found.threads) and not one.kernels
        for one in known.values()
    )


def _write(folder: Path, record: Calibration | Limits, form: _Form) -> Path:
    file = folder / f"{record.fingerprint}.json"
    text = json.dumps({"schema": form.schema, **plain(record)}, indent=2, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error
    return file


def _read(file: Path, form: _Form) -> Any:
    """Read a file; FileNotFoundError where there is none.

    Raises:
        BadRunFile: it cannot be read, is not whole, is of a newer schema, or holds for another
            fingerprint than that of its name.
    """
    try:
        text = read_text(file)
    except FileNotFoundError:
        raise
    except (NotText, OSError) as error:
        why = f"it is not text: {error}" if isinstance(error, NotText) else error
        raise BadRunFile(f"the {form.name} {file} cannot be read ({why})") from error
    try:
        document = json.loads(text)
        newer = document.pop("schema") > form.schema
        record = None if newer else _whole(document, form)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRunFile(
            f"{file} {form.broken} ({explained(error)}); delete it, or run {form.again}"
        ) from error
    if record is None:
        raise BadRunFile(f"{file} is of a newer depthprof; delete it or upgrade")
    if record.fingerprint != file.stem:
        held = f"{form.name} {record.fingerprint}"
        raise BadRunFile(f"{file} holds the {held}, not that of its name; delete it")
    return record


def _whole(document: dict[str, Any], form: _Form) -> Calibration | Limits:
    """Make a record whose every figure means something: rates are above 0, noise may be 0.

    Raises:
        KeyError, TypeError, ValueError: something is missing, unknown or no figure.
    """
    if unknown := set(document) - {field.name for field in fields(form.record)}:
        raise ValueError(f"{min(unknown)} is unknown")
    record = made(form.record, document)
    check_figures(record, zero=form.record is Calibration)
    return record
