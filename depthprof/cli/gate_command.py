"""`depthprof gate`: a run against a baseline, or two commits against each other, in CI."""

import os
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.keeping import keep, opened
from depthprof.cli.options import policy_options
from depthprof.cli.planning import carry_out, plan_from
from depthprof.errors import EXIT_REFUSED, BadInput, DepthprofError, OutputError, StoreError
from depthprof.records import Digest, Gated, Judged, Policy, SideGate
from depthprof.runner import SidePlan
from depthprof.storage.settings import GateSettings, Settings, read_settings
from depthprof.storage.text_files import append_text

if TYPE_CHECKING:
    from depthprof.verdict.policy import Evidence

GATE_LAUNCHES = 8
"""Launches of a run that is held against one of another time: two more than could decide."""


def gate(arguments: Namespace) -> int:
    """Judge, report, and end with the code that says how it went."""
    try:
        gated, lost = _gated(arguments)
    except DepthprofError as error:
        _refused(error, arguments)
        raise
    _report(gated, arguments)
    if lost is not None:  # the verdict is told all the same
        output.warn(str(lost))
        return EXIT_REFUSED
    return gated.exit_code


def _gated(arguments: Namespace) -> tuple[Gated, DepthprofError | None]:
    """The outcome, and why a run that was measured could not be kept, if it could not."""
    settings = read_settings()
    if arguments.merge_base and arguments.against is None:
        raise BadInput("--merge-base says where a branch left REF, so it needs --against REF")
    if arguments.allow and arguments.against is not None:
        raise BadInput("--against measures both on this machine, so there is nothing to --allow")
    if arguments.against is not None:
        return _against(arguments, settings), None
    return _with_baseline(arguments, settings)


def _refused(error: DepthprofError, arguments: Namespace) -> None:
    """Tell the files that CI reads of a refusal too."""
    label = arguments.baseline or "the newest run"
    side = SideGate(label, Policy(), problem=str(error))
    words = arguments.against or arguments.file or arguments.name or "the baseline"
    try:
        _files(Gated(str(words), label, (side,), (), False, EXIT_REFUSED), arguments)
    except OutputError as unwritten:  # the refusal itself is what must be said
        output.warn(str(unwritten))


def gate_policy(
    arguments: Namespace, settings: GateSettings, evidence: "Evidence"
) -> Callable[[str], Policy]:
    """What counts as slower, by model."""
    from depthprof.verdict.policy import policy_for

    options = policy_options(arguments)
    return lambda model: policy_for(evidence, settings, model, options)


def _with_baseline(arguments: Namespace, settings: Settings) -> tuple[Gated, DepthprofError | None]:
    from depthprof.verdict.noise import kept_calibration
    from depthprof.verdict.unpaired import gate_asked, gate_digests

    policy_of = gate_policy(arguments, settings.gate, "unpaired")
    allow = (*settings.gate.allow, *arguments.allow)
    baseline = _baseline(arguments, settings.gate)  # refused before anything is measured
    side = None if arguments.baseline is None else _side(arguments)
    if side is not None:
        refused = gate_asked(baseline, side.label, side.workload, policy_of, allow)
        if refused is not None:
            return refused, None
    candidate, lost = _candidate(arguments, settings, policy_of, side)
    if (baseline.created, baseline.levels) == (candidate.created, candidate.levels):
        raise BadInput(
            f"the newest run, {candidate.run}, is the baseline itself: nothing was measured since;"
            " measure first, or name a side to measure now, such as `depthprof gate v2`"
        )
    only = None if side is None else side.label
    return gate_digests(baseline, candidate, policy_of, allow, kept_calibration, only), lost


def _baseline(arguments: Namespace, settings: GateSettings) -> Digest:
    if arguments.file is not None:
        from depthprof.storage.run_files import read_baseline
        from depthprof.verdict import digest

        known = read_baseline(arguments.file)
        if isinstance(known, Digest):
            return known
        return digest(known[0], known[1], Path(arguments.file).name)
    with opened(arguments) as store:
        return store.digest(store.baseline(arguments.name or settings.baseline))


def _candidate(
    arguments: Namespace,
    settings: Settings,
    policy_of: Callable[[str], Policy],
    side: SidePlan | None,
) -> tuple[Digest, DepthprofError | None]:
    from depthprof.verdict import digest

    if side is not None:
        judged = _measure_one(arguments, settings, policy_of, side)
        identity, lost = _keep(judged, arguments)
        name = identity or "the run just measured"
        return digest(judged.run, judged.policy, name), lost
    word = arguments.run or "newest"
    if Path(word).exists():
        from depthprof.storage.run_files import read_run

        run, policy = read_run(word)
        return digest(run, policy, Path(word).name), None
    with opened(arguments) as store:
        return store.digest(store.find(word)), None


def _keep(judged: Judged, arguments: Namespace) -> tuple[str | None, DepthprofError | None]:
    """Keep a run in the store; where that fails, as a file, and say so."""
    from depthprof.report import folder

    try:
        return keep(judged, arguments, None), None
    except (BadInput, StoreError) as error:
        written = folder.write(judged, "reports")
        return None, StoreError(f"{error}. The run is kept in {written / 'run.json'}")


def _measure_one(
    arguments: Namespace, settings: Settings, policy_of: Callable[[str], Policy], side: SidePlan
) -> Judged:
    launches = arguments.launches or settings.gate.launches or GATE_LAUNCHES
    plan = plan_from(arguments, (side,), launches)
    return carry_out(plan, policy_of(side.workload.model), arguments)


def _side(arguments: Namespace) -> SidePlan:
    """The one side that is to be measured now."""
    from depthprof.cli.sides import side_plans

    (side,) = side_plans(arguments, (arguments.baseline,))
    return side


def _against(arguments: Namespace, settings: Settings) -> Gated:
    from depthprof.cli.sides import side_plans
    from depthprof.storage.git import Repository
    from depthprof.verdict.unpaired import gate_turns

    if arguments.baseline is None:
        raise BadInput("--against REF measures now: name the side, such as `gate mine.py:make`")
    if arguments.run is not None:
        raise BadInput("--against REF measures now, so --run has nothing to name")
    repository = Repository.around(Path.cwd())
    commit = (repository.merge_base if arguments.merge_base else repository.commit)(
        arguments.against
    )
    both = side_plans(arguments, (arguments.baseline, arguments.baseline))
    label = both[0].label.removesuffix(" (a)")
    with repository.worktree(commit) as folder:
        before, after = _both_commits(both, repository.root, folder)
        before = replace(before, label=f"{label} at {commit[:10]}")
        after = replace(after, label=label)
        launches = arguments.launches or settings.gate.launches
        policy = gate_policy(arguments, settings.gate, "paired")(after.workload.model)
        plan = plan_from(arguments, (before, after), launches)
        judged = carry_out(plan, policy, arguments)
    return gate_turns(judged, f"{commit[:10]} ({arguments.against})", repository.described())


def _both_commits(
    sides: tuple[SidePlan, ...], root: Path, folder: Path
) -> tuple[SidePlan, SidePlan]:
    """Let the first side be what it was at the commit whose files are in `folder`."""
    from depthprof.pipelines.own_code import is_file
    from depthprof.pipelines.registry import VARIANTS

    before = replace(sides[0], instead_of=root.resolve(), tree=folder.resolve())
    after = replace(sides[1], tree=root.resolve())
    place, _, name = before.variant.rpartition(":")
    if before.variant in VARIANTS:
        if not (folder / "depthprof" / "__init__.py").is_file():
            raise BadInput(
                f'"{before.variant}" is depthprof\'s own, and its code is not in {root}:'
                " name a pipeline of this repository, path/to/file.py:NAME"
            )
        return replace(before, folder=folder), replace(after, folder=root)
    if not is_file(place):
        return replace(before, folder=folder), after
    path = Path(place).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BadInput(f"{place} is not in the repository {root}; --against compares its commits")
    earlier = folder / path.relative_to(root.resolve())
    if not earlier.is_file():
        raise BadInput(f'there is no "{place}" at {folder.name}')
    return replace(before, variant=f"{earlier}:{name}"), after


def _files(gated: Gated, arguments: Namespace) -> None:
    """Write what CI reads: JUnit, the job summary, annotations."""
    from depthprof.report.annotations import annotations
    from depthprof.report.gated_markdown import gate_markdown
    from depthprof.report.junit import junit

    if arguments.junit is not None:
        output.write_text(Path(arguments.junit), junit(gated))
    if arguments.markdown is not None:
        output.write_text(Path(arguments.markdown), gate_markdown(gated))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        _append(Path(summary), gate_markdown(gated))
    if os.environ.get("GITHUB_ACTIONS") == "true" and arguments.json != "-":
        output.say("\n".join(annotations(gated)))


def _report(gated: Gated, arguments: Namespace) -> None:
    from depthprof.report.gated import gate_document, gate_sentence

    _files(gated, arguments)
    if output.write_json(arguments.json, gate_document(gated)):
        return
    if arguments.quiet:
        output.say(gate_sentence(gated))
        return
    from depthprof.report.gated_terminal import print_gated

    print_gated(gated, output.console())


def _append(file: Path, text: str) -> None:
    try:
        append_text(file, text)
    except OSError as error:
        raise OutputError(f"could not write the job summary {file}: {error.strerror}") from error
