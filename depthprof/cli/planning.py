"""From arguments and sides to a plan, and from a plan to what was measured by it."""

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from depthprof.cli import output
from depthprof.records import Judged, Policy
from depthprof.report.pictured import left_out_lines
from depthprof.runner import Plan, SidePlan
from depthprof.runner.plan import TELEMETRY_S


def plan_from(
    arguments: Namespace,
    sides: tuple[SidePlan, ...],
    launches: int | None,
    observe: bool = False,
) -> Plan:
    """Plan to measure sides as the arguments say.

    Args:
        arguments: of the command line. sides: baseline first.
        launches: None: as many as are needed. observe: look at an iteration of each side besides.
    """
    return Plan(
        sides=sides,
        images=tuple(Path(image) for image in arguments.images),
        budget_s=arguments.budget,
        launches=launches,
        separate=getattr(arguments, "separate", False),
        seed=0 if arguments.seed is None else arguments.seed,
        command=shlex.join(["python", "-m", "depthprof", *sys.argv[1:]]),
        telemetry_s=None if arguments.no_telemetry else TELEMETRY_S,
        observe=observe,
        strict=arguments.strict,
    )


def carry_out(plan: Plan, policy: Policy, arguments: Namespace) -> Judged:
    """Measure and judge, and show how it goes.

    Raises:
        DepthprofError: as `depthprof.compare`.
    """
    from depthprof import api
    from depthprof.cli.progress import progress_display

    with progress_display(arguments.quiet, plan.budget_s) as on_progress:
        judged = api.carry_out(plan, policy, on_progress)
    if arguments.quiet or arguments.json == "-" or arguments.command == "gate":
        _tell_left_out(judged)  # nobody else does: these print no conditions
    return judged


def _tell_left_out(judged: Judged) -> None:
    for text in left_out_lines(judged.run.left_out):
        output.warn(f"left out: {text}")
