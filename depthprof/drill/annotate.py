"""A pipeline and a clock whose stages are ranges for torch.profiler and, on CUDA, for NVTX."""

from collections.abc import Callable
from typing import Any

from torch.profiler import record_function

from depthprof.clock import Clock
from depthprof.pipelines.contract import METHODS
from depthprof.records import STAGES

PREFIX = "depthprof "
"""Begins the name of every range of ours, so that a pipeline's own ranges are told apart."""


class AnnotatedPipeline:
    """The stages of a pipeline, each in a range named after it.

    Args:
        pipeline: any object with the methods of `pipelines.contract.Pipeline`.
        nvtx: torch.cuda.nvtx, or what stands in for it; None leaves NVTX out. With it a range
            around the whole iteration, numbered, is pushed too: Nsight Systems shows both.
    """

    def __init__(self, pipeline: Any, nvtx: Any = None) -> None:
        calls = {method: getattr(pipeline, method) for method in METHODS.values()}
        for stage, method in METHODS.items():
            setattr(self, method, in_range(calls[method], stage, nvtx))
        if nvtx is not None:
            self._number = 0
            self._nvtx = nvtx
            self.preprocess = self._opening(self.preprocess)
            self.deliver = self._closing(self.deliver)

    preprocess: Callable[[Any], Any]
    deliver: Callable[[Any], Any]

    def _opening(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def preprocess(images: Any) -> Any:
            self._nvtx.range_push(f"{PREFIX}iteration {self._number}")
            self._number += 1
            return call(images)

        return preprocess

    def _closing(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def deliver(depth: Any) -> Any:
            try:
                return call(depth)
            finally:
                self._nvtx.range_pop()

        return deliver


class AnnotatedClock:
    """A clock whose waiting is a range too; all else is the clock's own."""

    def __init__(self, clock: Clock, nvtx: Any = None) -> None:
        self.now = clock.now
        self.has_device = clock.has_device
        self.begin = clock.begin
        self.record = clock.record
        self.device_ns = clock.device_ns
        self.wait = in_range(clock.wait, "sync", nvtx)


def in_range(call: Callable[[Any], Any], stage: str, nvtx: Any = None) -> Callable[[Any], Any]:
    """Put a stage's call into a range of torch.profiler and, where there is `nvtx`, of NVTX."""
    if stage not in STAGES:
        raise ValueError(f"no such stage: {stage!r}")
    name = PREFIX + stage

    def ranged(value: Any) -> Any:
        with record_function(name):
            return call(value)

    def pushed(value: Any) -> Any:
        nvtx.range_push(name)
        try:
            return ranged(value)
        finally:
            nvtx.range_pop()

    return ranged if nvtx is None else pushed
