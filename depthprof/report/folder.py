"""The report folder: written beside its place and moved there whole, or not at all."""

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from depthprof.errors import OutputError
from depthprof.records import Result, Run, encode
from depthprof.report.figures import draw
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.storage.run_files import DRILLED_FILE, RUN_FILE
from depthprof.storage.text_files import write_text


def reserve(out: Path) -> None:
    """Make sure, before anything is measured, that reports can be written below `out`.

    Raises:
        OutputError: a file is in the way, the folder is not writable, or the disk is full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".depthprof-") as trial:
            (Path(trial) / "trial").write_bytes(b"x" * 4096)
    except OSError as error:
        raise _refusal(out, error) from error


def write(judged: Result, out: str | Path) -> Path:
    """Write the report folder of a run below `out`, and return it.

    Everything is written to a hidden folder first and moved at the end, so that a report is whole
    or not there. Where an error that nobody foresaw keeps the reports from being made, the run
    itself is left there, and a note of the error names it.

    Raises:
        OutputError: no space, or not writable; nothing is left behind.
    """
    out = Path(out)
    reserve(out)
    made = Path(tempfile.mkdtemp(dir=out, prefix=".depthprof-"))
    try:
        return _written(judged, made, out)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise _refusal(out, error) from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def rewrite(judged: Result, folder: Path) -> None:
    """Make the reports again beside an existing run.json, each file replaced whole.

    Raises:
        OutputError: no space, or not writable; the reports that were there stay.
    """
    reserve(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".depthprof-") as made:
            _reports(judged, Path(made), folder)
            for file in Path(made).iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        raise _refusal(folder, error) from error


def folder_name(run: Run) -> str:
    """Name of a run's folder: "20260101-120000-v1-vs-v2-small"."""
    time = datetime.fromisoformat(run.created).strftime("%Y%m%d-%H%M%S")
    labels = [_safe(side.label) for side in run.sides]
    middle = "-vs-".join(labels) if run.is_comparison else f"profile-{labels[0]}"
    return f"{time}-{middle}-{run.sides[0].workload.model}"


def _written(judged: Result, made: Path, out: Path) -> Path:
    place = _free(out / folder_name(judged.run))
    write_text(made / RUN_FILE, encode(judged.run, judged.policy))
    try:
        _reports(judged, made, place)
    except OSError:
        raise
    except Exception as error:  # a fault of ours must not cost what was measured
        for file in made.iterdir():
            if file.name != RUN_FILE:
                file.unlink()
        _move(made, place)
        error.add_note(f"the run is kept, `depthprof report {place}` makes its reports")
        raise
    _move(made, place)
    return place


def _move(made: Path, place: Path) -> None:
    made.chmod(0o755)
    made.rename(place)


def _reports(judged: Result, folder: Path, place: Path) -> None:
    figures = draw(judged, folder)
    document = json.dumps(summary(judged, place), indent=2, allow_nan=False)
    texts: dict[str, Callable[[], str]] = {
        "summary.json": lambda: document + "\n",
        "report.md": lambda: markdown(judged),
        "report.html": lambda: html(judged, figures),
    }
    drilled = judged.drilled
    if drilled is not None:
        texts[DRILLED_FILE] = lambda: json.dumps(asdict(drilled), indent=2) + "\n"
    for name, make in texts.items():
        write_text(folder / name, make())


def _free(place: Path) -> Path:
    number = 2
    free = place
    while free.exists():
        free = place.with_name(f"{place.name}-{number}")
        number += 1
    return free


def _safe(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.@=]+", "-", label).strip("-.")[-60:] or "side"


def _refusal(out: Path, error: OSError) -> OutputError:
    return OutputError(
        f"no report can be written to {out}: {error.strerror or error}; name another folder with"
        " --out"
    )
