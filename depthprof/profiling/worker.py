"""The worker that profiles below the stage: loads a side as the measuring one does."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from depthprof.pipelines.check import blame
from depthprof.profiling.parts import (
    CudaPartClock,
    HostPartClock,
    Part,
    dearest,
    hooked,
    network_of,
    part_times,
    parts_of,
)
from depthprof.profiling.recording import (
    WARM_UP_ITERATIONS,
    Recording,
    record,
    with_stages,
    write_trace,
)
from depthprof.profiling.timing import adds_up, device_stages, host_stages, range_cost_ns
from depthprof.records import STAGES, Drilled, PartTime, StageTiming, Timing
from depthprof.runner.clock import Clock, clock_for
from depthprof.runner.iteration import Block, Iteration, StageFailed
from depthprof.runner.process import Answer, Command, serve
from depthprof.runner.worker import Worker
from depthprof.system.machine import device_name

FORWARD = STAGES.index("forward")
PART_ITERATIONS = 10
"""Iterations that time the parts."""

NO_KERNELS = (
    "torch.profiler recorded no kernels (another profiler may hold CUPTI, or it may not be allowed"
    " to): the device's clock could not be checked"
)
NO_DEVICE = "a CPU has no device clock to check; the host's spans were held against torch.profiler"


class ProfilingWorker(Worker):
    """The sides of one process, loaded once and profiled on command."""

    def profile(self, command: Command) -> Answer:
        """Trace some iterations of a side, time its parts, write a trace, as the command asks."""
        trace = command["trace"]
        return self._profiled(
            command,
            lambda *side: profile_pipeline(
                *side, modules=command["modules"], trace=None if trace is None else Path(trace)
            ),
        )

    def timing(self, command: Command) -> Answer:
        """Compare the clocks of a side's device with torch.profiler's."""
        return self._profiled(command, compare_clocks)

    def _profiled(self, command: Command, act: Callable[..., Drilled | Timing]) -> Answer:
        side, device = self.sides[command["side"]], command["device"]
        try:
            with torch.no_grad():
                given = (clock_for(device), side.batches, command["iterations"], device)
                return asdict(act(side.pipeline, *given))
        except StageFailed as failure:
            raise blame(failure.__cause__ or failure, failure.stage) from failure


def profile_pipeline(
    pipeline: Any,
    clock: Clock,
    batches: Sequence[Any],
    iterations: int,
    device: str,
    *,
    modules: bool,
    trace: Path | None,
) -> Drilled:
    """Record some iterations of a side; time its parts and write a trace where that is asked for.

    Args:
        pipeline: loaded and checked. clock: of its `device`, "cpu" or "cuda:N".
        batches: of pictures. iterations: traced ones. modules: time the parts and sum up the ops.
        trace: file to write.

    Raises:
        PipelineError, StageFailed: see `recording.record`. OutputError: the trace's file.
    """
    recording = record(pipeline, clock, batches, iterations)
    if trace is not None:
        write_trace(with_stages(recording), trace)
    parts: tuple[PartTime, ...] = ()
    forward_ns, note = None, ""
    if modules:
        parts, forward_ns, note = _parts(pipeline, clock, batches, device)
    return Drilled(
        iterations=iterations,
        clock="device" if clock.has_device else "host",
        forward_ns=forward_ns,
        whole_ns=median(row[-1] - row[0] for row in recording.marks_ns),
        parts=parts,
        ops=dearest(recording.timeline, iterations) if modules else (),
        apart_ns=recording.alignment.apart_ns,
        note=note,
        trace=None if trace is None else str(trace),
    )


def compare_clocks(
    pipeline: Any, clock: Clock, batches: Sequence[Any], iterations: int, device: str
) -> Timing:
    """Compare our clocks with torch.profiler's over some iterations."""
    recording = record(pipeline, clock, batches, iterations)
    found, note = _device_stages(recording)
    host = host_stages(recording.marks_ns, recording.timeline.ranges)
    return Timing(
        device=device,
        device_name=device_name(device),
        iterations=iterations,
        stages=(*found, *host),
        range_ns=range_cost_ns(recording.marks_ns, recording.timeline.ranges),
        apart_ns=recording.alignment.apart_ns,
        adds_up=adds_up(recording.marks_ns),
        note=note,
    )


def _device_stages(recording: Recording) -> tuple[tuple[StageTiming, ...], str]:
    if not recording.device_marks_ns:
        return (), NO_DEVICE
    if not recording.timeline.works:
        return (), NO_KERNELS
    return device_stages(
        recording.device_marks_ns, recording.profiler_marks_ns, recording.timeline
    ), ""


def _parts(
    pipeline: Any, clock: Clock, batches: Sequence[Any], device: str
) -> tuple[tuple[PartTime, ...], float | None, str]:
    """Times of the parts, time of forward with them, and a sentence where there are none."""
    network = network_of(pipeline)
    if network is None:
        name = type(pipeline).__name__
        return (), None, f"{name} holds no torch.nn.Module in an attribute: forward has no parts"
    parts = parts_of(network)
    iteration = Iteration(pipeline, clock)
    rows, spans = _hooked_rows(parts, iteration, batches, device)
    found = part_times(parts, rows)
    if not found:
        name = type(network).__name__
        return (), None, f"no part of {name} was called by itself (a compiled network?)"
    return found, median(spans), ""


def _hooked_rows(
    parts: Sequence[Part], iteration: Iteration, batches: Sequence[Any], device: str
) -> tuple[list[tuple[tuple[int, ...], list[int]]], list[int]]:
    """Calls of parts with their times, and forward's span, an entry an iteration."""
    with hooked(parts, HostPartClock()) as calls:
        iteration.block(batches, 1)
    on_cuda = device.startswith("cuda")
    clock = CudaPartClock(2 * len(calls), device) if on_cuda else HostPartClock()
    rows, spans = [], []
    with hooked(parts, clock) as calls:
        for number in range(WARM_UP_ITERATIONS + PART_ITERATIONS):
            calls.clear()
            block = iteration.block(batches[number % len(batches) :], 1)
            row = (tuple(calls), clock.gaps_ns())
            if number >= WARM_UP_ITERATIONS:
                rows.append(row)
                spans.append(_forward_ns(block))
    return rows, spans


def _forward_ns(block: Block) -> int:
    if block.device_ns:
        return block.device_ns[0][FORWARD]
    return [then - first for first, then in itertools.pairwise(block.marks_ns[0])][FORWARD]


def main() -> None:
    """Serve until the parent is done."""
    worker = ProfilingWorker()
    serve({"load": worker.load, "profile": worker.profile, "timing": worker.timing})


if __name__ == "__main__":
    main()
