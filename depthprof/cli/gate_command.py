"""`depthprof gate`: a run against a baseline, or two commits against each other, in CI."""

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from depthprof.cli.commands import policy_from, write_json
from depthprof.cli.keeping import keep, opened
from depthprof.errors import BadInput, NamesClash, OutputError
from depthprof.measure import Plan, SidePlan
from depthprof.records import Digest, Gated, Judged, Policy
from depthprof.settings import GATE_THRESHOLD_RATIO, GateSettings, Settings, read_settings

EXIT_BISECT_SKIP = 125
"""What `git bisect run` takes for "cannot be tested" (git-bisect(1))."""

GATE_LAUNCHES = 8
"""Launches of a run that is held against one of another time: two more than could decide."""


def gate(arguments: Namespace) -> int:
    """Judge, report, and end with the code that says how it went."""
    settings = read_settings()
    if arguments.merge_base and arguments.against is None:
        raise BadInput("--merge-base says where a branch left REF, so it needs --against REF")
    if arguments.against is not None:
        gated = _against(arguments, settings)
    else:
        gated = _with_baseline(arguments, settings)
    _report(gated, arguments)
    if arguments.bisect and gated.exit_code not in (0, 1):
        return EXIT_BISECT_SKIP
    return gated.exit_code


def gate_policy(arguments: Namespace, settings: GateSettings) -> Callable[[str], Policy]:
    """What counts as slower, by model: the settings, and the options before them."""

    def policy_of(model: str) -> Policy:
        known = settings.thresholds(model)
        stages = {} if arguments.threshold is not None else known.stages
        policy = Policy(
            threshold_ratio=known.threshold_ratio or GATE_THRESHOLD_RATIO,
            floor_ns=Policy().floor_ns if known.floor_ns is None else known.floor_ns,
            fail_on=settings.fail_on,
            stage_ratios=tuple(stages.items()),
        )
        return policy_from(arguments, policy)

    return policy_of


def _with_baseline(arguments: Namespace, settings: Settings) -> Gated:
    from depthprof.regression import gate_digests

    policy_of = gate_policy(arguments, settings.gate)
    baseline = _baseline(arguments, settings.gate)  # refused before anything is measured
    candidate = _candidate(arguments, settings, policy_of)
    if baseline.run == candidate.run and arguments.file is None:
        raise BadInput(
            f"the newest run, {candidate.run}, is the baseline itself: nothing was measured since;"
            " measure first, or name a side to measure now, such as `depthprof gate v2`"
        )
    allow = (*settings.gate.allow, *arguments.allow)
    return gate_digests(baseline, candidate, policy_of, allow)


def _baseline(arguments: Namespace, settings: GateSettings) -> Digest:
    if arguments.file is not None:
        from depthprof.comparison import digest
        from depthprof.runfile import read_baseline

        known = read_baseline(arguments.file)
        if isinstance(known, Digest):
            return known
        return digest(known[0], known[1], Path(arguments.file).name)
    with opened(arguments) as store:
        return store.digest(store.baseline(arguments.name or settings.baseline))


def _candidate(
    arguments: Namespace, settings: Settings, policy_of: Callable[[str], Policy]
) -> Digest:
    from depthprof.comparison import digest

    if arguments.baseline is not None:
        judged = _measure_one(arguments, settings, policy_of)
        identity = keep(judged, arguments, None)
        return digest(judged.run, judged.policy, identity or "the run just measured")
    word = arguments.run or "newest"
    if Path(word).exists():
        from depthprof.runfile import read_run

        run, policy = read_run(word)
        return digest(run, policy, Path(word).name)
    with opened(arguments) as store:
        return store.digest(store.find(word))


def _measure_one(
    arguments: Namespace, settings: Settings, policy_of: Callable[[str], Policy]
) -> Judged:
    from depthprof.cli.sides import side_plans

    sides = side_plans(arguments, (arguments.baseline,))
    plan = _plan(arguments, sides, arguments.launches or settings.gate.launches or GATE_LAUNCHES)
    return _carry_out(plan, policy_of(sides[0].workload.model), arguments)


def _against(arguments: Namespace, settings: Settings) -> Gated:
    from depthprof.cli.sides import side_plans
    from depthprof.regression import gate_turns
    from depthprof.repository import Repository

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
    with ExitStack() as stack:
        folder = stack.enter_context(repository.worktree(commit))
        before, after = _both_commits(both, repository.root, folder)
        before = replace(before, label=f"{label} at {commit[:10]}")
        after = replace(after, label=label)
        launches = arguments.launches or settings.gate.launches
        policy = gate_policy(arguments, settings.gate)(after.workload.model)
        plan = _plan(arguments, (before, after), launches)
        try:
            judged = _carry_out(plan, policy, arguments)
        except NamesClash:  # modules of one name in both: a worker each then
            judged = _carry_out(replace(plan, separate=True), policy, arguments)
    keep(judged, arguments, None)
    return gate_turns(judged, f"{commit[:10]} ({arguments.against})", repository.described())


def _both_commits(
    sides: tuple[SidePlan, ...], root: Path, folder: Path
) -> tuple[SidePlan, SidePlan]:
    """Let the first side be what it was at the commit whose files are in `folder`."""
    from depthprof.pipelines.own_code import is_file
    from depthprof.pipelines.registry import VARIANTS

    before, after = sides
    place, _, name = before.variant.rpartition(":")
    here = Path.cwd().resolve().relative_to(root.resolve())
    if before.variant in VARIANTS:
        if not (folder / "depthprof" / "__init__.py").is_file():
            raise BadInput(
                f'"{before.variant}" is depthprof\'s own, and its code is not in {root}:'
                " name a pipeline of this repository, path/to/file.py:NAME"
            )
        return replace(before, folder=folder), replace(after, folder=root)
    if not is_file(place):
        return replace(before, folder=folder / here), after
    path = Path(place).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BadInput(f"{place} is not in the repository {root}; --against compares its commits")
    earlier = folder / path.relative_to(root.resolve())
    if not earlier.is_file():
        raise BadInput(f"there is no {place} at {folder.name}: renamed, or not made yet")
    return replace(before, variant=f"{earlier}:{name}"), after


def _plan(arguments: Namespace, sides: tuple[SidePlan, ...], launches: int | None) -> Plan:
    return Plan(
        sides=sides,
        images=tuple(Path(image) for image in arguments.images),
        budget_s=arguments.budget,
        launches=launches,
        seed=0 if arguments.seed is None else arguments.seed,
        command=shlex.join(["python", "-m", "depthprof", *sys.argv[1:]]),
    )


def _carry_out(plan: Plan, policy: Policy, arguments: Namespace) -> Judged:
    from depthprof import api
    from depthprof.cli.progress import progress_display

    with progress_display(arguments.quiet, plan.budget_s) as on_progress:
        return api.carry_out(plan, policy, on_progress)


def _report(gated: Gated, arguments: Namespace) -> None:
    from depthprof.report.annotations import annotations
    from depthprof.report.gated import gate_document, gate_sentence
    from depthprof.report.gated_markdown import gate_markdown
    from depthprof.report.junit import junit

    if arguments.junit is not None:
        _write(Path(arguments.junit), junit(gated))
    if arguments.markdown is not None:
        _write(Path(arguments.markdown), gate_markdown(gated))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        _append(Path(summary), gate_markdown(gated))
    if write_json(arguments.json, gate_document(gated)):
        return
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(annotations(gated)))
    if arguments.quiet:
        print(gate_sentence(gated))
        return
    from rich.console import Console

    from depthprof.report.gated_terminal import print_gated

    print_gated(gated, Console())


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error


def _append(file: Path, text: str) -> None:
    try:
        with file.open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError as error:
        raise OutputError(f"could not write the job summary {file}: {error.strerror}") from error
