"""Profiling below the stage, from the parent process: a worker is started, asked and ended."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depthprof.errors import BadInput
from depthprof.records import Drilled, Timing, built
from depthprof.runner import Plan, SidePlan
from depthprof.runner.process import Layout, WorkerProcess
from depthprof.runner.process_group import BLOCK_LIMIT_S, LOAD_LIMIT_S

WORKER = "depthprof.profiling.worker"
TRACE_ITERATIONS = 3
TIMING_ITERATIONS = 20
MOST_ITERATIONS = 1000
"""The profiler keeps everything in memory: a few thousand events an iteration."""


def profile_below(
    side: SidePlan,
    images: Sequence[Path] = (),
    *,
    modules: bool,
    trace: Path | None,
    iterations: int = TRACE_ITERATIONS,
) -> Drilled:
    """Trace some iterations of a side below its stages, in a worker of their own.

    Args:
        side: what to profile. images: pictures and folders.
        modules: time the parts of the network, and sum up kernels or operators.
        trace: file to write a Chrome trace to, None for none.
        iterations: traced ones.

    Raises:
        DepthprofError: refused, the side failed, or the trace could not be written.
    """
    command = {"modules": modules, "trace": None if trace is None else str(trace.resolve())}
    return built(Drilled, _ask("profile", side, images, iterations, command))


def check_timing(side: SidePlan) -> Timing:
    """Compare our clocks with torch.profiler's in a worker of their own; errors as above."""
    return built(Timing, _ask("timing", side, (), TIMING_ITERATIONS, {}))


def check_iterations(iterations: int) -> None:
    """Refuse a number of iterations that cannot be traced.

    Raises:
        BadInput: none at all, or more than the profiler can keep.
    """
    if not 1 <= iterations <= MOST_ITERATIONS:
        raise BadInput(
            f"{iterations!r} iterations cannot be traced; give a number from 1 to {MOST_ITERATIONS}"
        )


def check_trace(trace: Path) -> None:
    """Refuse a trace file that cannot be written, before anything is measured.

    Raises:
        BadInput: its folder is not there, or it is a folder itself.
    """
    if trace.is_dir():
        raise BadInput(f"the trace {trace} is a folder; name a file in it, such as trace.json")
    if not trace.resolve().parent.is_dir():
        raise BadInput(f"the folder of the trace {trace} does not exist; make it first")


def _ask(
    what: str, side: SidePlan, images: Sequence[Path], iterations: int, options: dict[str, Any]
) -> dict[str, Any]:
    check_iterations(iterations)
    plan = Plan((side,), images=tuple(images))
    with WorkerProcess(Layout(0, 0), WORKER, side.folder, side.instead_of) as worker:
        loaded = worker.ask(plan.load_command(plan.sides), LOAD_LIMIT_S)
        device = loaded["sides"][side.name]["device"]
        command = {"command": what, "side": side.name, "device": device, "iterations": iterations}
        return worker.ask({**command, **options}, BLOCK_LIMIT_S)
