"""A pipeline and a clock whose stages are ranges for torch.profiler and, on CUDA, for NVTX."""

from collections.abc import Callable
from typing import Any

from torch.profiler import record_function

from depthprof.pipelines.contract import METHODS
from depthprof.records import STAGES
from depthprof.runner.clock import Clock

PREFIX = "depthprof "
"""Begins the name of every range of ours, so that a pipeline's own ranges are told apart."""

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
        if stage not in STAGES:
            raise ValueError(f"no such stage: {stage!r}")

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


class AnnotatedPipeline:
    """The stages of a pipeline, each opening a range named after it.

    Args:
        pipeline: any object with the methods of `pipelines.contract.Pipeline`.
        ranges: closed by the clock of the same iterations.
    """

    def __init__(self, pipeline: Any, ranges: Ranges) -> None:
        for stage, method in METHODS.items():
            setattr(self, method, ranges.opened_by(getattr(pipeline, method), stage))


class AnnotatedClock:
    """A clock whose marks close the ranges, and whose waiting is one; all else is its own."""

    def __init__(self, clock: Clock, ranges: Ranges) -> None:
        def now() -> int:
            ranges.close()
            return clock.now()

        self.now = now
        self.has_device = clock.has_device
        self.begin = clock.begin
        self.record = clock.record
        self.device_ns = clock.device_ns
        self.wait = ranges.opened_by(clock.wait, "sync")
