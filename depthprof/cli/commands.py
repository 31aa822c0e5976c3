"""What each command does: ask the towers, then hand their outcome to the reporters."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthprof import textfile
from depthprof.cli import output
from depthprof.cli.keeping import keep
from depthprof.errors import BadInput, OutputError
from depthprof.records import Judged, Policy
from depthprof.units import shown

EXIT_REFUSED = 2
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
            policy=policy_from(arguments, Policy()),
            on_progress=on_progress,
        )
    if write_json(arguments.json, {"schema": 1, "kind": "calibration", **asdict(found)}):
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
    from depthprof.doctor import examine
    from depthprof.records import Workload

    device = Workload(device=arguments.device).device  # refuses what is no device
    if not 0 < arguments.watch <= 3600:
        raise BadInput(f"watch is {arguments.watch!r} s, but must be above 0 and at most 3600")
    findings = examine(device, arguments.watch)
    warnings = [finding for finding in findings if finding.status == "warning"]
    code = EXIT_WARNINGS if warnings else 0
    found = [asdict(finding) for finding in findings]
    document = {"schema": 1, "kind": "doctor", "fit": not warnings, "findings": found}
    if write_json(arguments.json, document | {"exit_code": code}):
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
    if write_json(arguments.json, document | {"exit_code": code}):
        return code
    from depthprof.report.timed import print_timing

    print_timing(found, output.console())
    return code


def limits(arguments: Namespace) -> int:
    """Measure, or find, what this machine and a device can do at best; keep it and show it."""
    from dataclasses import asdict

    from depthprof import api
    from depthprof.limitsfile import kept_limits, outdated

    known = {} if arguments.fresh else kept_limits()
    found = api.limits(arguments.device, arguments.threads, fresh=arguments.fresh)
    if outdated(known, found):
        output.warn(MEASURED_AGAIN)
    if write_json(arguments.json, {"schema": 1, "kind": "limits", **asdict(found)}):
        return 0
    from depthprof.report.limited import print_limits

    print_limits(found, output.console())
    return 0


def report(arguments: Namespace) -> int:
    """Make the reports of a saved run again; its own policy holds unless options change it."""
    from depthprof.gate import judge
    from depthprof.report import folder
    from depthprof.runfile import read_drilled, read_run

    path = Path(arguments.path)
    run, saved = read_run(path)
    written = path if path.is_dir() else path.parent
    judged = replace(judge(run, policy_from(arguments, saved)), drilled=read_drilled(written))
    folder.rewrite(judged, written)
    _tell(judged, written, arguments)
    return 0


def variants(arguments: Namespace) -> int:
    """List what can be measured."""
    del arguments
    from depthprof.cli.listing import print_variants

    print_variants(output.console())
    return 0


def policy_from(arguments: Namespace, known: Policy) -> Policy:
    """Change a policy by the options that were given.

    Raises:
        BadInput: a threshold, a floor or a --fail-on that means nothing.
    """
    changes: dict[str, object] = {}
    if arguments.threshold is not None:
        changes["threshold_ratio"] = _threshold(arguments.threshold)
    if arguments.floor_us is not None:
        changes["floor_ns"] = arguments.floor_us * 1_000
    fail_on = getattr(arguments, "fail_on", None)
    if fail_on is not None:
        words = tuple(word.strip() for word in fail_on.split(","))
        changes["fail_on"] = () if words == ("never",) else words
    return replace(known, **changes)  # type: ignore[arg-type]


def _measure(arguments: Namespace, texts: tuple[str, ...]) -> int:
    from depthprof import api
    from depthprof.cli.drilling import check_drilling, drill
    from depthprof.cli.planning import carry_out, plan_from
    from depthprof.cli.sides import side_plans
    from depthprof.report import folder

    policy = policy_from(arguments, Policy())
    sides = side_plans(arguments, texts)
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

    if arguments.json is not None and write_json(arguments.json, summary(judged, written)):
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


def write_json(target: str | None, document: dict[str, Any]) -> bool:
    """Write a document where it was asked for; tell whether that was standard output alone."""
    if target is None:
        return False
    text = json.dumps(document, indent=2, allow_nan=False)
    if target == "-":
        output.say(text)
        return True
    try:
        textfile.write_text(Path(target), text + "\n")
    except OSError as error:
        raise OutputError(f"could not write {target}: {error.strerror}") from error
    return False


def write_text(file: Path, text: str) -> None:
    """Write a file below a folder that is made if need be.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        textfile.write_text(file, text)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error


def _threshold(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadInput(f'threshold is "{text}", but must be a number such as 0.05 or 5%') from None


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
