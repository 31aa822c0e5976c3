"""One loaded side, looked into: its parts and ops, its trace, its clocks. Runs in the worker."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from depthprof.profiling.ops import dearest
from depthprof.profiling.parts import (
    CudaPartClock,
    Hooked,
    HostPartClock,
    Part,
    PartClock,
    network_of,
    part_times,
    parts_of,
)
from depthprof.profiling.recording import WARM_UP_ITERATIONS, Recording, record
from depthprof.profiling.timing import adds_up, device_stages, host_stages, range_cost_ns
from depthprof.profiling.trace import with_stages, write_trace
from depthprof.records import STAGES, Drilled, PartTime, Timing
from depthprof.runner.clock import Clock
from depthprof.runner.iteration import Block, Iteration
from depthprof.system.machine import device_name

FORWARD = STAGES.index("forward")
PART_ITERATIONS = 10
"""Iterations that time the parts."""

NO_KERNELS = (
    "torch.profiler recorded no kernels (another profiler may hold CUPTI, or it may not be allowed"
    " to): the device's clock could not be checked"
)
NO_DEVICE = "a CPU has no device clock to check; the host's spans were held against torch.profiler"


def drilled(
    pipeline: Any,
    clock: Clock,
    batches: Sequence[Any],
    iterations: int,
    device: str,
    *,
    modules: bool,
    trace: Path | None,
) -> Drilled:
    """Look into a side: record some iterations, time its parts if asked, write a trace if asked.

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


def timing(
    pipeline: Any, clock: Clock, batches: Sequence[Any], iterations: int, device: str
) -> Timing:
    """Hold our clocks against torch.profiler's over some iterations."""
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


def _device_stages(recording: Recording) -> tuple[tuple[Any, ...], str]:
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
    with Hooked(parts, HostPartClock()) as counting:
        iteration.block(batches, 1)
    stamps = 2 * len(counting.calls)
    on_cuda = device.startswith("cuda")
    part_clock: PartClock = CudaPartClock(stamps, device) if on_cuda else HostPartClock()
    rows, spans = [], []
    with Hooked(parts, part_clock) as hooked:
        for number in range(WARM_UP_ITERATIONS + PART_ITERATIONS):
            hooked.calls.clear()
            block = iteration.block(batches[number % len(batches) :], 1)
            row = (tuple(hooked.calls), part_clock.gaps_ns())
            if number >= WARM_UP_ITERATIONS:
                rows.append(row)
                spans.append(_forward_ns(block))
    return rows, spans


def _forward_ns(block: Block) -> int:
    if block.device_ns:
        return block.device_ns[0][FORWARD]
    return [then - first for first, then in itertools.pairwise(block.marks_ns[0])][FORWARD]
