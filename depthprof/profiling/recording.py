"""Some iterations under torch.profiler: the thin part that touches torch.

What is read out of them is made by pure functions elsewhere.
"""

import gc
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from depthprof.errors import PipelineError
from depthprof.profiling.annotate import AnnotatedClock, AnnotatedPipeline, Ranges
from depthprof.profiling.timeline import Alignment, Timeline, aligned, read_timeline
from depthprof.runner.clock import Clock, CudaClock
from depthprof.runner.iteration import Iteration
from depthprof.storage.text_files import system_text

WARM_UP_ITERATIONS = 3
"""Iterations before the profiler starts; as many as are kept follow under it and are thrown away,
because its own start costs some milliseconds."""


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
    ranges = Ranges(torch.cuda.nvtx if on_cuda else None)
    iteration = Iteration(AnnotatedPipeline(pipeline, ranges), AnnotatedClock(clock, ranges))
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
