"""Some iterations under torch.profiler, every stage a range; and the trace of them as a file.

Source of the trace: Trace Event Format (Google), and what torch.profiler exports. Times are
microseconds since `baseTimeNanoseconds`, in the profiler's clock; ours are moved into it.
"""

import gc
import gzip
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from depthprof.errors import OutputError, PipelineError
from depthprof.pipelines.contract import METHODS
from depthprof.profiling.timeline import (
    PREFIX,
    Alignment,
    Timeline,
    aligned,
    device_aligned,
    read_timeline,
)
from depthprof.records import STAGES
from depthprof.runner.clock import Clock, CudaClock
from depthprof.runner.iteration import Iteration
from depthprof.storage.text_files import system_text

WARM_UP_ITERATIONS = 3
"""Iterations before the profiler starts; as many as are kept follow under it and are thrown away,
because its own start costs some milliseconds."""

PROCESS = "depthprof"
HOST_LINE, DEVICE_LINE = "stages, host clock", "stages, device clock (CUDA events)"

FIRST, LAST = STAGES[0], STAGES[-1]


class Ranges:
    """The range of the stage that runs: opened by its call, closed at the mark after it.

    It is not closed when the call returns, because what the stage was given is freed only then,
    before the mark: dropping the host's batch after its copy took longer than the copy on an H200.

    Args:
        nvtx: torch.cuda.nvtx, or what stands in for it; None leaves NVTX out. With it a range
            around the whole iteration, numbered, is pushed too: Nsight Systems shows both.
    """

    def __init__(self, nvtx: Any = None) -> None:
        self._nvtx = nvtx
        self._number = 0
        self._stage = ""
        self._range: Any = None

    def opened_by(self, call: Callable[[Any], Any], stage: str) -> Callable[[Any], Any]:
        """Let a stage's call open its range; a call that raises closes it."""

        def ranged(value: Any) -> Any:
            self._open(stage)
            try:
                return call(value)
            except BaseException:
                self.close(failed=True)
                raise

        return ranged

    def close(self, *, failed: bool = False) -> None:
        """Close the range that is open, if any; the iteration's with the last stage, or failed."""
        if self._range is None:
            return
        self._range.__exit__(None, None, None)
        self._range = None
        if self._nvtx is not None:
            self._nvtx.range_pop()
            if failed or self._stage == LAST:
                self._nvtx.range_pop()

    def _open(self, stage: str) -> None:
        self._stage = stage
        if self._nvtx is not None:
            if stage == FIRST:
                self._nvtx.range_push(f"{PREFIX}iteration {self._number}")
                self._number += 1
            self._nvtx.range_push(PREFIX + stage)
        self._range = record_function(PREFIX + stage)
        self._range.__enter__()


def annotated(pipeline: Any, clock: Clock, ranges: Ranges) -> Iteration:
    """Iterations of a pipeline, each stage of which opens a range; the clock's marks close it.

    Args:
        pipeline: any object with the methods of `pipelines.contract.Pipeline`.
    """

    def now() -> int:
        ranges.close()
        return clock.now()

    stages = {m: ranges.opened_by(getattr(pipeline, m), stage) for stage, m in METHODS.items()}
    own = {name: getattr(clock, name) for name in ("has_device", "begin", "record", "device_ns")}
    wait = ranges.opened_by(clock.wait, "sync")
    return Iteration(SimpleNamespace(**stages), SimpleNamespace(**own, now=now, wait=wait))


@dataclass(frozen=True, slots=True)
class Recording:
    """What both clocks and the profiler say of the same iterations.

    Attributes:
        document: the Chrome trace. timeline: the same, read.
        marks_ns: host marks, a row an iteration, in our time.
        alignment: from our host clock to the profiler's.
        device_marks_ns: CUDA events since the first of them; empty where there are none.
    """

    document: dict[str, Any]
    timeline: Timeline
    marks_ns: list[list[int]]
    alignment: Alignment
    device_marks_ns: list[list[int]]

    @property
    def profiler_marks_ns(self) -> list[list[int]]:
        """The host marks in the profiler's time."""
        offset = self.alignment.offset_ns
        return [[mark + offset for mark in row] for row in self.marks_ns]


def record(pipeline: Any, clock: Clock, batches: Sequence[Any], iterations: int) -> Recording:
    """Run iterations of a pipeline under torch.profiler, every stage a range.

    Args:
        pipeline: loaded and checked. clock: of its device. batches: of pictures, taken in turn.
        iterations: how many are kept.

    Raises:
        PipelineError: the profiler did not record every stage.
        StageFailed: a stage raised.
    """
    on_cuda = isinstance(clock, CudaClock)
    iteration = annotated(pipeline, clock, Ranges(torch.cuda.nvtx if on_cuda else None))
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_cuda
    found: dict[str, Any] = {}
    iteration.block(batches, WARM_UP_ITERATIONS)
    gc.collect()
    with (
        torch.no_grad(),
        profile(
            activities=activities,
            schedule=schedule(wait=0, warmup=1, active=1, repeat=1),
            on_trace_ready=lambda done: found.update(_exported(done)),
        ) as profiler,
    ):
        iteration.block(batches, iterations)
        profiler.step()
        block = iteration.block(batches, iterations)
        device = clock.device_marks_ns() if isinstance(clock, CudaClock) else []
        profiler.step()
    timeline = read_timeline(found)
    try:
        alignment = aligned(block.marks_ns, timeline.ranges)
    except ValueError as error:
        raise PipelineError(
            f"{error}; run fewer iterations, or none of your own profiling"
        ) from error
    return Recording(found, timeline, block.marks_ns, alignment, device)


def _exported(done: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        done.export_chrome_trace(str(file))
        return dict(json.loads(system_text(file)))


def with_stages(recording: Recording) -> dict[str, Any]:
    """Add our stages and marks to a recorded trace, as lines of a process of their own.

    On CUDA there are two lines, one a clock. Both clocks are moved into the profiler's time by
    bracketing (see `timeline.aligned`), and the trace says under `depthprof` how far apart they may
    be.
    """
    events = [*recording.document["traceEvents"], *_named(HOST_LINE, 0)]
    events += _line(recording.profiler_marks_ns, 0)
    device = device_aligned(
        recording.device_marks_ns,
        recording.profiler_marks_ns if recording.device_marks_ns else [],
        recording.timeline.works,
    )  # None on a CPU, or where no kernel was recorded
    apart = {"host_clock_apart_ns": recording.alignment.apart_ns}
    if device is not None:
        rows = [[m + device.offset_ns for m in row] for row in recording.device_marks_ns]
        events += [*_named(DEVICE_LINE, 1), *_line(rows, 1)]
        apart["device_clock_apart_ns"] = device.apart_ns
    return {**recording.document, "traceEvents": events, PROCESS: apart}


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
