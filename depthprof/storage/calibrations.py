"""Calibrations on disk: a file each, named after what it holds for."""

from dataclasses import asdict
from pathlib import Path

from depthprof.records import Calibration
from depthprof.records.calibration import calibration_from
from depthprof.storage.machine_files import Words, kept_files, read_kept, write_kept

FOLDER = Path(".depthprof/calibration")
"""Where calibrations are kept, in the folder depthprof is called from."""

CALIBRATION_SCHEMA = 1
WORDS = Words(
    name="calibration",
    broken="is not a whole calibration",
    again="`depthprof calibrate` again",
    newer="calibrate again",
    its="that",
)


def write_calibration(calibration: Calibration, folder: Path = FOLDER) -> Path:
    """Write a calibration and return its file; an older one of the same machine is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    return write_kept(folder, calibration.fingerprint, CALIBRATION_SCHEMA, asdict(calibration))


def find_calibration(fingerprint: str, folder: Path = FOLDER) -> Calibration | None:
    """Read the calibration with this fingerprint, None if there is none.

    Raises:
        BadRunFile: there is one, but it is not whole, or of a newer schema.
    """
    try:
        file = folder / f"{fingerprint}.json"
        return read_kept(file, CALIBRATION_SCHEMA, calibration_from, WORDS)
    except FileNotFoundError:
        return None


def check_calibrations(folder: Path = FOLDER) -> None:
    """Read all calibrations, so that a broken one is refused before anything is measured.

    Raises:
        BadRunFile: one is not whole, or of a newer schema.
    """
    for file in kept_files(folder):
        find_calibration(file.stem, folder)
