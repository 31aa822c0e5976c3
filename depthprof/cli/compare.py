"""`depthprof compare` and `depthprof profile`: measure two sides, or one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from depthprof.cli import output
from depthprof.cli.options import (
    Command,
    FailingOptions,
    KeepOptions,
    MeasuringOptions,
    PolicyOptions,
    PrintOptions,
    WorkloadOptions,
    argument,
    flag,
    option,
    paired_policy,
)
from depthprof.cli.report import publish
from depthprof.errors import EXIT_REFUSED, DepthprofError

if TYPE_CHECKING:
    from depthprof.records import Result
    from depthprof.runner import Plan
    from depthprof.stats.interim import Until

LOST = ("interrupted", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions(PrintOptions):
    """What is printed and where reports go."""

    out: str = option("DIR", "report folders [reports]", default="reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """What is below the stage."""

    TITLE: ClassVar[str] = "below the stage (in iterations after the timed ones)"

    trace: str | None = option("FILE", "write a trace for Perfetto there (.json or .json.gz)")
    modules: bool = flag("parts of forward, and the most expensive kernels or operators")
    trace_iterations: int = option("N", "iterations traced [3]", default=3, type=int)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What both commands take."""

    baseline: str = argument("A", "the baseline, or what to profile, such as v1")
    work: WorkloadOptions
    measuring: MeasuringOptions
    no_observe: bool = flag("no untimed iteration that counts work and memory, no hardware bounds")
    printed: OutputOptions
    keeping: KeepOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions(_Measured):
    """Of `compare`."""

    candidate: str = argument("B", "the candidate, such as v2")
    separate: bool = flag("a worker process for each side, not one for both")
    fast: bool = flag("stop at the first clear culprit, whatever else is undecided")
    policy: FailingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions(_Measured):
    """Of `profile`."""

    policy: PolicyOptions
    trace: TraceOptions


def compare(settings: CompareOptions) -> int:
    """Measure two sides in alternating blocks, decide, report."""
    sides = (settings.baseline, settings.candidate)
    until: Until = "culprit" if settings.fast else "decided"
    return _measure(settings, sides, settings.policy, separate=settings.separate, until=until)


def profile(settings: ProfileOptions) -> int:
    """Measure one side, report."""
    return _measure(settings, (settings.baseline,), settings.policy, trace=settings.trace)


def _measure(
    settings: _Measured,
    texts: tuple[str, ...],
    policy: PolicyOptions,
    *,
    separate: bool = False,
    until: "Until" = "decided",
    trace: TraceOptions | None = None,
) -> int:
    from depthprof import api
    from depthprof.cli.measuring import carry_out, plan_from, side_plans
    from depthprof.report import folder

    printed = settings.printed
    sides = side_plans(settings.work, texts)
    resolved = paired_policy(policy, sides[-1].workload.model)
    plan = plan_from(
        sides,
        settings.work,
        settings.measuring,
        processes=settings.measuring.processes,
        separate=separate,
        until=until,
        observe=not settings.no_observe,
    )
    api.check_plan(plan)
    if trace is not None and not (trace.modules or trace.trace):
        trace = None
    if trace is not None:
        check_tracing(trace)
    out = Path(printed.out)
    folder.reserve(out)
    has_conditions = not printed.quiet and printed.json != "-"
    judged = carry_out(plan, resolved, quiet=printed.quiet, has_conditions=has_conditions)
    try:
        judged = judged if trace is None else traced(judged, plan, trace)
    finally:  # whatever happens in there, what was measured is kept
        code = publish(judged, out, settings.keeping, printed)
    return code


def check_tracing(trace: TraceOptions) -> None:
    """Refuse what could not be traced, before anything is measured.

    Raises:
        BadInput: a trace file without a folder, or a number of iterations that is none.
    """
    from depthprof.profiling.client import check_iterations, check_trace

    check_iterations(trace.trace_iterations)
    if trace.trace is not None:
        check_trace(Path(trace.trace))


def traced(judged: "Result", plan: "Plan", trace: TraceOptions) -> "Result":
    """Add what separate iterations show.

    What was measured is kept whatever happens here: a failure is a warning and exit code 2.
    """
    if judged.run.ended in LOST:
        output.warn("not traced, because the run ended early")
        return judged
    from depthprof.profiling.client import profile_below

    try:
        found = profile_below(
            plan.sides[0],
            plan.images,
            modules=trace.modules,
            trace=None if trace.trace is None else Path(trace.trace),
            iterations=trace.trace_iterations,
        )
    except DepthprofError as error:
        output.warn(f"no trace and no modules: {error}")
    except KeyboardInterrupt:
        output.warn("no trace and no modules: stopped")
    else:
        return replace(judged, drilled=found)
    return replace(judged, exit_code=EXIT_REFUSED)


COMMANDS = {
    "compare": Command(
        CompareOptions,
        compare,
        ("compare v1 v2 --model small", "compare v2 v2@fp16,sdpa --device cuda --images photos/"),
    ),
    "profile": Command(
        ProfileOptions,
        profile,
        ("profile v2 --batch 8", "profile mine.py:make --trace trace.json.gz --modules"),
    ),
}
