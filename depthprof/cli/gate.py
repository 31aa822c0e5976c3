"""`depthprof gate`: a run against a baseline, or two commits against each other, in CI."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from depthprof.cli import output
from depthprof.cli.options import (
    Command,
    FailingOptions,
    KeepOptions,
    MeasuringOptions,
    WorkloadOptions,
    argument,
    flag,
    option,
)
from depthprof.cli.report import GatePrintOptions, keep, opened, write_ci_files
from depthprof.errors import EXIT_REFUSED, BadInput, DepthprofError, OutputError, StoreError

if TYPE_CHECKING:
    from depthprof.records import Digest, Policy, Result
    from depthprof.runner import SidePlan
    from depthprof.storage.settings import GateSettings, Settings
    from depthprof.verdict.policy import Evidence

    PolicyOf = Callable[[str], Policy]
    """What counts as slower, by model."""

GATE_PROCESSES = 8
"""Processes of a run that is compared with one of another time: two more than could decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineOptions:
    """What to compare with."""

    TITLE: ClassVar[str] = "against what"

    name: str | None = option("NAME", "a baseline by name [main]", exclusive=True)
    file: str | None = option("FILE", "a committed baseline, or a run.json", exclusive=True)
    against: str | None = option(
        "REF",
        "a commit of this repository: both are measured now, in alternation (best in CI)",
        exclusive=True,
    )
    merge_base: bool = flag("with --against: where this branch left REF")
    run: str | None = option("RUN", "the run to compare, or a run.json [newest]")
    allow: tuple[str, ...] = option(
        "FIELD", "compare although the runs differ in this field", default=(), action="append"
    )
    bisect: bool = flag("exit with 125 where nothing was decided (git bisect)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """Of `gate`."""

    baseline: str | None = argument(
        "A",
        "measure this side now, such as v2; without it the newest run is compared",
        nargs="?",
        default=None,
    )
    to: BaselineOptions
    work: WorkloadOptions
    measuring: MeasuringOptions
    policy: FailingOptions
    printed: GatePrintOptions
    keeping: KeepOptions


def gate(settings: GateOptions) -> int:
    """Compare, report, and end with the code of the outcome."""
    try:
        gated, lost = _gated(settings)
    except DepthprofError as error:
        _refused(error, settings)
        raise
    _report(gated, settings.printed)
    if lost is not None:  # the verdict is printed all the same
        output.warn(str(lost))
        return EXIT_REFUSED
    return gated.exit_code


def _gated(settings: GateOptions) -> "tuple[Result, DepthprofError | None]":
    """The outcome, and why a run that was measured could not be kept, if it could not."""
    from depthprof.storage.settings import read_settings

    project, to = read_settings(), settings.to
    if to.merge_base and to.against is None:
        raise BadInput("--merge-base says where a branch left REF, so it needs --against REF")
    if to.allow and to.against is not None:
        raise BadInput("--against measures both on this machine, so there is nothing to --allow")
    if to.against is not None:
        return _against(to.against, settings, project), None
    return _with_baseline(settings, project)


def _refused(error: DepthprofError, settings: GateOptions) -> None:
    """Write a refusal to the files that CI reads too."""
    from depthprof.records import Decision, Policy, Result

    label = settings.baseline or "the newest run"
    side = Decision(Policy(), label=label, problem=str(error))
    words = settings.to.against or settings.to.file or settings.to.name or "the baseline"
    try:
        refused = Result(
            side.policy,
            EXIT_REFUSED,
            (side,),
            baseline=words,
            candidate=label,
            is_paired=False,
        )
        write_ci_files(refused, settings.printed)
    except OutputError as unwritten:  # the refusal itself is what must be said
        output.warn(str(unwritten))


def gate_policy(
    options: FailingOptions, project: "GateSettings", evidence: "Evidence"
) -> "PolicyOf":
    """What counts as slower, by model."""
    from depthprof.verdict.policy import policy_for

    changes = options.changes()
    return lambda model: policy_for(evidence, project, model, changes)


def _with_baseline(
    settings: GateOptions, project: "Settings"
) -> "tuple[Result, DepthprofError | None]":
    from depthprof.cli.measuring import side_plans
    from depthprof.verdict.noise import kept_calibration
    from depthprof.verdict.unpaired import gate_asked, gate_digests

    policy_of = gate_policy(settings.policy, project.gate, "unpaired")
    allow = (*project.gate.allow, *settings.to.allow)
    baseline = _baseline(settings, project.gate)  # refused before anything is measured
    side = None
    if settings.baseline is not None:
        (side,) = side_plans(settings.work, (settings.baseline,))
        refused = gate_asked(baseline, side.label, side.workload, policy_of, allow)
        if refused is not None:
            return refused, None
    candidate, lost = _candidate(settings, project, policy_of, side)
    if (baseline.created, baseline.levels) == (candidate.created, candidate.levels):
        raise BadInput(
            f"the newest run, {candidate.run}, is the baseline itself: nothing was measured since;"
            " measure first, or name a side to measure now, such as `depthprof gate v2`"
        )
    only = None if side is None else side.label
    return gate_digests(baseline, candidate, policy_of, allow, kept_calibration, only), lost


def _baseline(settings: GateOptions, project: "GateSettings") -> "Digest":
    from depthprof.records import Digest
    from depthprof.storage.run_files import read_baseline
    from depthprof.verdict import digest

    file = settings.to.file
    if file is not None:
        known = read_baseline(file)
        return known if isinstance(known, Digest) else digest(*known, Path(file).name)
    with opened(settings.keeping) as store:
        return store.digest(store.baseline(settings.to.name or project.baseline))


def _candidate(
    settings: GateOptions, project: "Settings", policy_of: "PolicyOf", side: "SidePlan | None"
) -> "tuple[Digest, DepthprofError | None]":
    from depthprof.storage.run_files import read_run
    from depthprof.verdict import digest

    if side is not None:
        asked = settings.measuring.processes or project.gate.processes or GATE_PROCESSES
        judged = _measured(settings, (side,), asked, policy_of(side.workload.model))
        identity, lost = _kept(judged, settings.keeping)
        return replace(judged.measured.digest, run=identity or "the run just measured"), lost
    word = settings.to.run or "newest"
    if Path(word).exists():
        return digest(*read_run(word), Path(word).name), None
    with opened(settings.keeping) as store:
        return store.digest(store.find(word)), None


def _measured(
    settings: GateOptions, sides: "tuple[SidePlan, ...]", processes: int | None, policy: "Policy"
) -> "Result":
    from depthprof.cli.measuring import carry_out, plan_from

    plan = plan_from(
        sides, settings.work, settings.measuring, processes=processes, until="exit code"
    )
    return carry_out(plan, policy, quiet=settings.printed.quiet, has_conditions=False)


def _kept(judged: "Result", keeping: KeepOptions) -> tuple[str | None, DepthprofError | None]:
    """Keep a run in the store; where that fails, as a file, and say so."""
    from depthprof.report import folder

    try:
        return keep(judged, keeping, None), None
    except (BadInput, StoreError) as error:
        written = folder.write(judged, "reports")
        return None, StoreError(f"{error}. The run is kept in {written / 'run.json'}")


def _against(reference: str, settings: GateOptions, project: "Settings") -> "Result":
    from depthprof.cli.measuring import both_commits, side_plans
    from depthprof.storage.git import Repository
    from depthprof.verdict.unpaired import gate_turns

    if settings.baseline is None:
        raise BadInput("--against REF measures now: name the side, such as `gate mine.py:make`")
    if settings.to.run is not None:
        raise BadInput("--against REF measures now, so --run has nothing to name")
    repository = Repository.around(Path.cwd())
    find = repository.merge_base if settings.to.merge_base else repository.commit
    commit = find(reference)
    both = side_plans(settings.work, (settings.baseline, settings.baseline))
    label = both[0].label.removesuffix(" (a)")
    with repository.worktree(commit) as folder:
        before, after = both_commits(both, repository.root, folder)
        before = replace(before, label=f"{label} at {commit[:10]}")
        after = replace(after, label=label)
        asked = settings.measuring.processes or project.gate.processes
        policy = gate_policy(settings.policy, project.gate, "paired")(after.workload.model)
        judged = _measured(settings, (before, after), asked, policy)
    return gate_turns(judged, f"{commit[:10]} ({reference})", repository.described())


def _report(gated: "Result", printed: GatePrintOptions) -> None:
    from depthprof.report.gated import gate_document, gate_sentence
    from depthprof.report.terminal import print_gated

    write_ci_files(gated, printed)
    if output.write_json(printed.json, gate_document(gated)):
        return
    if printed.quiet:
        output.say(gate_sentence(gated))
    else:
        print_gated(gated, output.console())


COMMANDS = {
    "gate": Command(
        GateOptions,
        gate,
        ("gate mine.py:make --against origin/main --merge-base", "gate v2 --name main"),
    )
}
