"""`depthprof calibrate` and `depthprof limits`: measured once on a machine, and kept."""

from dataclasses import asdict, dataclass

from depthprof.cli import output
from depthprof.cli.options import (
    Command,
    PolicyOptions,
    PrintOptions,
    WorkloadOptions,
    argument,
    flag,
    option,
    paired_policy,
)
from depthprof.errors import BadInput

MEASURED_AGAIN = (
    "the bounds that were kept are of one kernel each and no hardware bounds;"
    " they were measured again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """Of `calibrate`."""

    baseline: str = argument("A", "a side [v2]", nargs="?", default="v2")
    work: WorkloadOptions
    comparisons: int = option("N", "of identical code [6]", default=6, type=int)
    budget: float = option(
        "SECONDS",
        "how long each may take; the detectable change is stated for it [90]",
        default=90.0,
        type=float,
    )
    policy: PolicyOptions
    printed: PrintOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsOptions:
    """Of `limits`."""

    device: str = option("DEVICE", "auto, cpu, cuda[:N]", default="auto")
    threads: int | None = option("N", "torch threads [CPU: all cores but one]", type=int)
    fresh: bool = flag("measure again, whatever is kept")
    json: str | None = option("FILE", "write the bounds there as JSON; - prints nothing else")


def calibrate(settings: CalibrateOptions) -> int:
    """Compare a side with itself, save what came of it, and show it."""
    from depthprof import api
    from depthprof.cli.measuring import progress_display, side_plans
    from depthprof.report.tables import calibration_sentence, print_calibration

    (side,) = side_plans(settings.work, (settings.baseline,))
    if side.checkpoint is not None:
        raise BadInput("calibrate takes no --checkpoint: speed does not depend on weights")
    with progress_display(settings.budget, quiet=settings.printed.quiet) as on_progress:
        found = api.calibrate(
            side.variant,
            side.workload,
            images=settings.work.images,
            allow=side.allow,
            strict=settings.work.strict,
            comparisons=settings.comparisons,
            budget_s=settings.budget,
            policy=paired_policy(settings.policy, side.workload.model),
            on_progress=on_progress,
        )
    document = {"schema": 1, "kind": "calibration", **asdict(found)}
    if output.write_json(settings.printed.json, document):
        return 0
    if settings.printed.quiet:
        output.say(calibration_sentence(found))
    else:
        print_calibration(found, output.console())
    return 0


def limits(settings: LimitsOptions) -> int:
    """Measure, or find, the hardware bounds of this machine and a device; keep and show them."""
    from depthprof import api
    from depthprof.report.tables import print_limits
    from depthprof.storage.machine_files import kept_limits, outdated

    known = {} if settings.fresh else kept_limits()
    found = api.limits(settings.device, settings.threads, fresh=settings.fresh)
    if outdated(known, found):
        output.warn(MEASURED_AGAIN)
    if not output.write_json(settings.json, {"schema": 1, "kind": "limits", **asdict(found)}):
        print_limits(found, output.console())
    return 0


COMMANDS = {
    "calibrate": Command(
        CalibrateOptions, calibrate, ("calibrate v2", "calibrate v2 --comparisons 12 --batch 8")
    ),
    "limits": Command(LimitsOptions, limits, ("limits", "limits --device cuda:0 --fresh")),
}
