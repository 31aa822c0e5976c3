"""Looking inside, as the doors ask for it: a worker is started, asked once, and ended."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from depthprof.errors import BadInput
from depthprof.records import Drilled, Timing, drilled_from, timing_from
from depthprof.runner import SidePlan
from depthprof.runner.launch import BLOCK_LIMIT_S, LOAD_LIMIT_S
from depthprof.runner.process import Layout, WorkerProcess

WORKER = "depthprof.profiling.worker"
TRACE_ITERATIONS = 3
TIMING_ITERATIONS = 20
MOST_ITERATIONS = 1000
"""The profiler keeps everything in memory: a few thousand events an iteration."""


def look_inside(
    side: SidePlan,
    images: Sequence[Path] = (),
    *,
    modules: bool,
    trace: Path | None,
    iterations: int = TRACE_ITERATIONS,
) -> Drilled:
    """Trace some iterations of a side in a worker of their own.

    Args:
        side: what to look into. images: pictures and folders.
        modules: time the parts of the network, and sum up kernels or operators.
        trace: file to write a Chrome trace to, None for none.
        iterations: traced ones.

    Raises:
        DepthprofError: refused, the side failed, or the trace could not be written.
    """
    command = {"modules": modules, "trace": None if trace is None else str(trace.resolve())}
    return drilled_from(_ask("drill", side, images, iterations, command))


def check_timing(
    side: SidePlan, images: Sequence[Path] = (), iterations: int = TIMING_ITERATIONS
) -> Timing:
    """Hold our clocks against torch.profiler's in a worker of their own; errors as above."""
    return timing_from(_ask("timing", side, images, iterations, {}))


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
    what: str, side: SidePlan, images: Sequence[Path], iterations: int, more: dict[str, Any]
) -> dict[str, Any]:
    check_iterations(iterations)
    with WorkerProcess(Layout(0, 0), WORKER, side.folder, side.instead_of) as worker:
        loaded = worker.ask(_load_command(side, images), LOAD_LIMIT_S)
        device = loaded["sides"][side.name]["device"]
        command = {"command": what, "side": side.name, "device": device, "iterations": iterations}
        return worker.ask({**command, **more}, BLOCK_LIMIT_S)


def _load_command(side: SidePlan, images: Sequence[Path]) -> dict[str, Any]:
    wanted = {
        "name": side.name,
        "variant": side.variant,
        "workload": asdict(side.workload),
        "checkpoint": None if side.checkpoint is None else str(side.checkpoint.resolve()),
        "allow": list(side.allow),
    }
    return {
        "command": "load",
        "sides": [wanted],
        "images": [str(image.absolute()) for image in images],
    }
