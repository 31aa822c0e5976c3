"""The study's results on disk: a line of JSON a comparison, appended as they come."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from depthprof.errors import BadRunFile
from depthprof.records import WARM_UP_TURN, Run

FILE = "comparisons.jsonl"


class Store:
    """Results in a folder; samples, if kept, in another, since they are large."""

    def __init__(self, folder: Path, samples: Path | None = None) -> None:
        self.folder = folder
        self._samples = samples
        folder.mkdir(parents=True, exist_ok=True)
        if samples is not None:
            samples.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[dict[str, Any]]:
        """All results so far; a last line that was cut short is left out.

        Raises:
            BadRunFile: another line is no JSON.
        """
        file = self.folder / FILE
        if not file.exists():
            return []
        rows = []
        for number, line in enumerate(_whole(file.read_bytes()).splitlines(), 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise BadRunFile(
                    f"{file}, line {number} is not JSON ({error}); take the line out, and its"
                    " comparison is measured again"
                ) from error
        return rows

    def add(self, row: dict[str, Any], run: Run) -> None:
        """Append a result; keep the samples of its run where a folder for them was given.

        What a study that was stopped left of its last line is taken away first.
        """
        line = json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
        with (self.folder / FILE).open("a+b") as file:
            file.seek(0)
            file.truncate(len(_whole(file.read())))
            file.write(line.encode())
        if self._samples is not None:
            keep_samples(self._samples / f"{row['name'].replace('/', '_')}.npz", run)


def _whole(data: bytes) -> bytes:
    """The lines that were written to their end."""
    return data[: data.rfind(b"\n") + 1]


def keep_samples(path: Path, run: Run) -> None:
    """Write what the peers judge: every measured iteration, none left out."""
    samples = run.samples
    judged = samples.turn != WARM_UP_TURN
    np.savez_compressed(
        path,
        launch=samples.launch[judged].astype(np.int16),
        turn=samples.turn[judged].astype(np.int32),
        side=samples.side[judged].astype(np.int8),
        host_ns=samples.host_ns[judged],
        device_ns=np.zeros(0) if samples.device_ns is None else samples.device_ns[judged],
    )
