"""Calibrations on disk: a file each, named after what it holds for."""

import json
from dataclasses import asdict
from pathlib import Path

from depthprof.errors import BadRunFile, OutputError
from depthprof.records import Calibration
from depthprof.records.calibration import calibration_from

FOLDER = Path(".depthprof/calibration")
"""Where calibrations are kept, in the folder depthprof is called from."""

CALIBRATION_SCHEMA = 1


def write_calibration(calibration: Calibration, folder: Path = FOLDER) -> Path:
    """Write a calibration and return its file; an older one of the same machine is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    file = folder / f"{calibration.fingerprint}.json"
    document = {"schema": CALIBRATION_SCHEMA, **asdict(calibration)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error
    return file


def find_calibration(fingerprint: str, folder: Path = FOLDER) -> Calibration | None:
    """Read the calibration with this fingerprint, None if there is none.

    Raises:
        BadRunFile: there is one, but it is not whole, or of a newer schema.
    """
    file = folder / f"{fingerprint}.json"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRunFile(f"the calibration {file} cannot be read ({error})") from error
    try:
        document = json.loads(text)
        newer = document.pop("schema") > CALIBRATION_SCHEMA
        known = None if newer else calibration_from(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRunFile(
            f"{file} is not a whole calibration ({type(error).__name__}: {error});"
            " delete it, or run `depthprof calibrate` again"
        ) from error
    if known is None:
        raise BadRunFile(f"{file} is of a newer depthprof; calibrate again or upgrade")
    if known.fingerprint != fingerprint:
        raise BadRunFile(
            f"{file} holds the calibration {known.fingerprint}, not that of its name; delete it"
        )
    return known


def check_calibrations(folder: Path = FOLDER) -> None:
    """Read all calibrations, so that a broken one is refused before anything is measured.

    Raises:
        BadRunFile: one is not whole, or of a newer schema.
    """
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        find_calibration(file.stem, folder)
