"""What each command does: ask for a result, then hand it to the reporters."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from depthprof.cli import output
from depthprof.cli.keeping import keep
from depthprof.cli.options import changed_policy, paired_policy
from depthprof.errors import EXIT_REFUSED, BadInput, OutputError
from depthprof.records import Judged
from depthprof.units import shown

EXIT_WARNINGS = 3
"""What `doctor` ends with if it has something to warn of."""

MEASURED_AGAIN = (
    "the limits that were kept are of one kernel each and no hardware bound;"
    " they were measured again"
)


def compare(arguments: Namespace) -> int:
    """Measure two sides in turns, judge, report."""
    return _measure(arguments, (arguments.baseline, arguments.candidate))


def profile(arguments: Namespace) -> int:
    """Measure one side, report."""
    return _measure(arguments, (arguments.baseline,))


def calibrate(arguments: Namespace) -> int:
    """Compare a side with itself, save what came of it, and show it."""
    from dataclasses import asdict

    from depthprof import api
    from depthprof.cli.progress import progress_display
    from depthprof.cli.sides import side_plans
    from depthprof.report.calibrated import print_calibration, sentence

    (side,) = side_plans(arguments, (arguments.baseline,))
    if side.checkpoint is not None:
        raise BadInput("calibrate takes no --checkpoint: speed does not depend on weights")
    with progress_display(arguments.quiet, arguments.budget) as on_progress:
        found = api.calibrate(
            side.variant,
            side.workload,
            images=arguments.images,
            allow=side.allow,
            strict=arguments.strict,
            comparisons=arguments.comparisons,
            budget_s=arguments.budget,
            policy=paired_policy(arguments, side.workload.model),
            on_progress=on_progress,
        )
    if output.write_json(arguments.json, {"schema": 1, "kind": "calibration", **asdict(found)}):
        return 0
    if arguments.quiet:
        output.say(sentence(found))
        return 0
    print_calibration(found, output.console())
    return 0


def doctor(arguments: Namespace) -> int:
    """Look at this machine and say what would spoil a measurement."""
    from dataclasses import asdict

    if arguments.timing is not None:
        return _timing(arguments)
    from depthprof.records import Workload
    from depthprof.system.doctor import examine

    device = Workload(device=arguments.device).device  # refuses what is no device
    if not 0 < arguments.watch <= 3600:
        raise BadInput(f"watch is {arguments.watch!r} s, but must be above 0 and at most 3600")
    findings = examine(device, arguments.watch)
    warnings = [finding for finding in findings if finding.status == "warning"]
    code = EXIT_WARNINGS if warnings else 0
    found = [asdict(finding) for finding in findings]
    document = {"schema": 1, "kind": "doctor", "fit": not warnings, "findings": found}
    if output.write_json(arguments.json, document | {"exit_code": code}):
        return code
    from depthprof.cli.findings import print_findings

    print_findings(findings, output.console())
    return code


def _timing(arguments: Namespace) -> int:
    """Hold our clocks against torch.profiler's: 0 they agree, 3 they do not."""
    from dataclasses import asdict

    from depthprof.cli.timing_side import checked_timing, was_checked

    found = checked_timing(arguments)
    code = 0 if found.agrees and was_checked(found) else EXIT_WARNINGS
    document = {"schema": 1, "kind": "timing", "agrees": found.agrees, **asdict(found)}
    if output.write_json(arguments.json, document | {"exit_code": code}):
        return code
    from depthprof.report.timed import print_timing

    print_timing(found, output.console())
    return code


def limits(arguments: Namespace) -> int:
    """Measure, or find, what this machine and a device can do at best; keep it and show it."""
    from dataclasses import asdict

    from depthprof import api
    from depthprof.storage.peak_rates import kept_limits, outdated

    known = {} if arguments.fresh else kept_limits()
    found = api.limits(arguments.device, arguments.threads, fresh=arguments.fresh)
    if outdated(known, found):
        output.warn(MEASURED_AGAIN)
    if output.write_json(arguments.json, {"schema": 1, "kind": "limits", **asdict(found)}):
        return 0
    from depthprof.report.limited import print_limits

    print_limits(found, output.console())
    return 0


def report(arguments: Namespace) -> int:
    """Make the reports of a saved run again; its own policy holds unless options change it."""
    from depthprof.report import folder
    from depthprof.storage.run_files import read_drilled, read_run
    from depthprof.verdict.decision import judge

    path = Path(arguments.path)
    run, saved = read_run(path)
    written = path if path.is_dir() else path.parent
    judged = replace(judge(run, changed_policy(arguments, saved)), drilled=read_drilled(written))
    folder.rewrite(judged, written)
    _tell(judged, written, arguments)
    return 0


def variants(arguments: Namespace) -> int:
    """List what can be measured."""
    del arguments
    from depthprof.cli.listing import print_variants

    print_variants(output.console())
    return 0


def _measure(arguments: Namespace, texts: tuple[str, ...]) -> int:
    from depthprof import api
    from depthprof.cli.drilling import check_drilling, drill
    from depthprof.cli.planning import carry_out, plan_from
    from depthprof.cli.sides import side_plans
    from depthprof.report import folder

    sides = side_plans(arguments, texts)
    policy = paired_policy(arguments, sides[-1].workload.model)
    plan = plan_from(arguments, sides, arguments.launches, observe=not arguments.no_observe)
    api.check_plan(plan)
    check_drilling(arguments)
    out = Path(arguments.out)
    folder.reserve(out)
    judged = carry_out(plan, policy, arguments)
    try:
        judged = drill(judged, plan.sides[0], plan.images, arguments)
    finally:  # whatever happens in there, what was measured is kept
        code = _report(judged, out, arguments)
    return code


def _report(judged: Judged, out: Path, arguments: Namespace) -> int:
    """Keep a run, write its reports and print it, in this order: a console that fails loses none.

    Each is tried whatever became of the one before it.
    """
    from depthprof.report import folder

    written = unwritten = None
    try:
        try:
            written = folder.write(judged, out)
        except OutputError as error:
            unwritten = error
        finally:
            keep(judged, arguments, written)
    finally:
        _tell(judged, written, arguments)
    if unwritten is not None:
        output.warn(str(unwritten))
        return EXIT_REFUSED
    return judged.exit_code


def gate(arguments: Namespace) -> int:
    """Judge a run against a baseline, or two commits against each other."""
    from depthprof.cli import gate_command

    return gate_command.gate(arguments)


def runs(arguments: Namespace) -> int:
    """List, show, tag, delete, export or import kept runs."""
    from depthprof.cli import runs_command

    return runs_command.runs(arguments)


def baseline(arguments: Namespace) -> int:
    """Set, show or list baselines."""
    from depthprof.cli import runs_command

    return runs_command.baseline(arguments)


def history(arguments: Namespace) -> int:
    """Show how stages changed over the kept runs."""
    from depthprof.cli import history_command

    return history_command.history(arguments)


def _tell(judged: Judged, written: Path | None, arguments: Namespace) -> None:
    from depthprof.report.drilled import print_drilled
    from depthprof.report.summary import summary
    from depthprof.report.terminal import print_judged
    from depthprof.report.wording import describe_failure, sentence

    if arguments.json is not None and output.write_json(arguments.json, summary(judged, written)):
        return
    if arguments.quiet:
        output.say(sentence(judged))
        for failure in judged.run.failures:
            output.say(describe_failure(judged.run, failure))
        return
    print_judged(judged, output.console())
    if judged.drilled is not None:
        print_drilled(judged.drilled, output.console())
    if written is not None:
        output.say(f"report: {shown(written / 'report.html')}")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "compare": compare,
    "profile": profile,
    "report": report,
    "calibrate": calibrate,
    "doctor": doctor,
    "limits": limits,
    "variants": variants,
    "gate": gate,
    "runs": runs,
    "baseline": baseline,
    "history": history,
}
