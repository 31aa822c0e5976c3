"""`profile --trace` and `--modules`: iterations of their own, after the timed ones."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.errors import DepthprofError
from depthprof.records import Judged

if TYPE_CHECKING:
    from depthprof.runner import SidePlan

LOST = ("interrupted", "failed")


def check_drilling(arguments: Namespace) -> None:
    """Refuse what could not be traced, before anything is measured.

    Raises:
        BadInput: a trace file without a folder, or a number of iterations that is none.
    """
    if not _wanted(arguments):
        return
    from depthprof.profiling.client import check_iterations, check_trace

    check_iterations(arguments.trace_iterations)
    if arguments.trace is not None:
        check_trace(Path(arguments.trace))


def drill(judged: Judged, side: "SidePlan", images: Sequence[Path], arguments: Namespace) -> Judged:
    """Add what separate iterations show, where it was asked for.

    What was measured is kept whatever happens here: a failure is told on standard error, and the
    exit code is 2 then.
    """
    if not _wanted(arguments):
        return judged
    if judged.run.ended in LOST:
        output.warn("not traced, because the run ended early")
        return judged
    from depthprof.profiling.client import profile_below

    trace = None if arguments.trace is None else Path(arguments.trace)
    try:
        found = profile_below(
            side,
            images,
            modules=arguments.modules,
            trace=trace,
            iterations=arguments.trace_iterations,
        )
    except DepthprofError as error:
        output.warn(f"no trace and no modules: {error}")
        return replace(judged, exit_code=2)
    except KeyboardInterrupt:
        output.warn("no trace and no modules: stopped")
        return replace(judged, exit_code=2)
    return replace(judged, drilled=found)


def _wanted(arguments: Namespace) -> bool:
    return bool(getattr(arguments, "modules", False) or getattr(arguments, "trace", None))
