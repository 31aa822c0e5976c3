"""A trace for Perfetto and chrome://tracing: torch.profiler's own, and our stages beside it.

Source of the format: Trace Event Format (Google), and the trace torch.profiler exports. Times are
microseconds since `baseTimeNanoseconds`, in the profiler's clock; ours are moved into it.
"""

import gzip
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from depthprof.errors import OutputError
from depthprof.profiling.recording import Recording
from depthprof.profiling.timeline import Alignment, device_aligned
from depthprof.records import STAGES

PROCESS = "depthprof"
HOST_LINE, DEVICE_LINE = "stages, host clock", "stages, device clock (CUDA events)"


def with_stages(recording: Recording) -> dict[str, Any]:
    """Add our stages and marks to a recorded trace, as lines of a process of their own.

    On CUDA there are two lines, one a clock. Both clocks are moved into the profiler's time by
    bracketing (see `timeline.aligned`), and the trace says under `depthprof` how far apart they may
    be.
    """
    events = [*recording.document["traceEvents"], *_named(HOST_LINE, 0)]
    events += _line(recording.profiler_marks_ns, 0)
    device = device_alignment(recording)
    apart = {"host_clock_apart_ns": recording.alignment.apart_ns}
    if device is not None:
        rows = [[m + device.offset_ns for m in row] for row in recording.device_marks_ns]
        events += [*_named(DEVICE_LINE, 1), *_line(rows, 1)]
        apart["device_clock_apart_ns"] = device.apart_ns
    return {**recording.document, "traceEvents": events, PROCESS: apart}


def device_alignment(recording: Recording) -> Alignment | None:
    """From our device clock to the profiler's; None on a CPU, or where no kernel was recorded."""
    return device_aligned(
        recording.device_marks_ns,
        recording.profiler_marks_ns if recording.device_marks_ns else [],
        recording.timeline.works,
    )


def write_trace(document: dict[str, Any], file: Path) -> None:
    """Write a trace, packed if the name ends in .gz.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(document, separators=(",", ":"))
    data = text.encode()
    try:
        file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error


def _named(line: str, number: int) -> list[dict[str, Any]]:
    """Names of our process and of one of its lines; they stand above all others."""
    where = {"ph": "M", "pid": PROCESS, "tid": number, "ts": 0}
    return [
        {**where, "name": "process_name", "args": {"name": PROCESS}},
        {**where, "name": "process_sort_index", "args": {"sort_index": -1}},
        {**where, "name": "thread_name", "args": {"name": line}},
        {**where, "name": "thread_sort_index", "args": {"sort_index": number}},
    ]


def _line(rows: Iterable[Sequence[int]], number: int) -> list[dict[str, Any]]:
    """Stages as complete events and marks as instants, times in the profiler's nanoseconds."""
    where = {"pid": PROCESS, "tid": number, "cat": PROCESS}
    made: list[dict[str, Any]] = []
    for iteration, row in enumerate(rows):
        spans = zip(STAGES, itertools.pairwise(row), strict=True)
        made += [
            {**where, "ph": "X", "name": stage, "ts": start / 1_000, "dur": (end - start) / 1_000}
            | {"args": {"iteration": iteration}}
            for stage, (start, end) in spans
        ]
        made += [
            {**where, "ph": "i", "s": "t", "name": f"mark {place}", "ts": mark / 1_000}
            for place, mark in enumerate(row)
        ]
    return made
