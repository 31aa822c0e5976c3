"""The public functions: load a model or a pipeline, profile one variant, compare two."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.errors import BadInput, BadPicture, OutputError, PipelineError, nearest
from depthprof.pipelines.pictures.files import why_absent
from depthprof.pipelines.registry import check_variant
from depthprof.records import OUTPUT_FAULTS, Calibration, Limits, Policy, Result, Run, Workload
from depthprof.records.workload import describe_workload
from depthprof.report.conditions import left_out_lines
from depthprof.runner import Plan, Progress, SidePlan, measure, take_limits
from depthprof.runner.plan import DEFAULT_BUDGET_S, TELEMETRY_S, OnProgress
from depthprof.stats.interim import UNTIL, Until
from depthprof.storage import machine_files
from depthprof.verdict.decision import judge
from depthprof.verdict.noise import calibrate as summed_up
from depthprof.verdict.noise import calibration_name_of
from depthprof.verdict.stopping import may_end

if TYPE_CHECKING:
    import torch

    from depthprof.pipelines.contract import Pipeline

LEAST_TELEMETRY_S = 0.02
"""Readings that follow each other faster would keep the parent and the driver busy."""


def load_model(
    version: str,
    size: str,
    *,
    attention: str = "published",
    checkpoint: str | Path | None = None,
    seed: int = 0,
    max_depth: float | None = None,
) -> "torch.nn.Module":
    """Load the network of one version and size, in float32 on the CPU, for inference.

    Args:
        version: "v1" or "v2"; checkpoints of both have the same keys, so it is the caller's word.
        size: "small", "base", "large" or "giant" (vits, vitb, vitl, vitg); V1 has no giant.
        attention: "published", "sdpa" or "xformers".
        checkpoint: a .pth or .safetensors file, wrapped or with transformers' names too; None draws
            random weights from `seed`. What was done to load it is in the module's `notes`.
        seed: of the random weights.
        max_depth: in metres, of a metric checkpoint of V2; None for relative depth.

    Returns:
        A module that maps [B, 3, h, w] float32 to [B, h, w] float32, h and w multiples of 14.

    Raises:
        BadInput: unknown version, size or attention.
        BadCheckpoint: a file that is corrupt, holds code, or belongs to another size.
    """
    from depthprof.networks import load_model as load

    path = None if checkpoint is None else Path(checkpoint)
    return load(version, size, attention=attention, checkpoint=path, seed=seed, max_depth=max_depth)


def load_pipeline(
    variant: str, workload: Workload, *, checkpoint: str | Path | None = None
) -> "Pipeline":
    """Load the pipeline that a variant names, on the workload's device.

    Args:
        variant: "v1", "v2", "path/to/file.py:NAME" or "package.module:NAME".
        workload: what it will have to do.
        checkpoint: weights for it; None draws random ones from `workload.seed`.

    Raises:
        BadInput: an unknown variant, or a device that is not there.
        BadCheckpoint: see `load_model`.
        PipelineError: the user's own code raised, or its pipeline lacks a method.
    """
    from depthprof.pipelines.registry import load_pipeline as load

    path = None if checkpoint is None else Path(checkpoint)
    return load(variant, workload, checkpoint=path)


def compare(
    baseline: str,
    candidate: str,
    workload: Workload | None = None,
    *,
    candidate_workload: Workload | None = None,
    images: Sequence[str | Path] = (),
    checkpoints: Mapping[str, str | Path] | None = None,
    allow: Sequence[str] = (),
    budget_s: float = DEFAULT_BUDGET_S,
    processes: int | None = None,
    launches: int | None = None,
    separate: bool = False,
    observe: bool = True,
    until: Until = "decided",
    policy: Policy | None = None,
    on_progress: OnProgress | None = None,
    telemetry_s: float | None = TELEMETRY_S,
    strict: bool = False,
) -> Result:
    """Measure two variants in turns and judge every stage of the candidate.

    Args:
        baseline: variant of side "a"; candidate: variant of side "b".
        workload: what both have to do; `candidate_workload` replaces it for side "b".
        images: pictures or folders; empty takes the photograph that matplotlib ships.
        checkpoints: by side ("a", "b"), a file of weights.
        allow: outputs to measure although they are no depth: "nonfinite", "constant".
        budget_s: seconds it may take, from when the first process has its imports.
        processes: worker processes to start (old name: `launches`); separate: one for each side.
        observe: look at one more iteration of each side, and at what the machine can do.
        until: every stage is "decided", the first clear "culprit", or the "exit code" is certain.
        policy: what counts as slower; on_progress: told after each block.
        telemetry_s: seconds between two readings of GPU and host; None: none are taken.
        strict: refuse a folder with a picture that cannot be read, instead of leaving it out.

    Returns:
        The run, its comparison and its judgement; `depthprof.write_report` writes them down.

    Raises:
        DepthprofError: refused, or failed before anything was measured.
    """
    both = workload or Workload()
    plan = Plan(
        sides=(
            _side("a", baseline, both, checkpoints, allow),
            _side("b", candidate, candidate_workload or both, checkpoints, allow),
        ),
        images=tuple(Path(image) for image in images),
        budget_s=budget_s,
        launches=_processes(processes, launches),
        separate=separate,
        observe=observe,
        until=until,
        seed=both.seed,
        telemetry_s=telemetry_s,
        strict=strict,
    )
    return carry_out(plan, policy or Policy(), on_progress)


def profile(
    variant: str,
    workload: Workload | None = None,
    *,
    images: Sequence[str | Path] = (),
    checkpoint: str | Path | None = None,
    allow: Sequence[str] = (),
    budget_s: float = DEFAULT_BUDGET_S,
    processes: int | None = None,
    launches: int | None = None,
    observe: bool = True,
    policy: Policy | None = None,
    on_progress: OnProgress | None = None,
    telemetry_s: float | None = TELEMETRY_S,
    strict: bool = False,
) -> Result:
    """Measure one variant stage by stage, without a baseline. Arguments as in `compare`."""
    known = workload or Workload()
    checkpoints = None if checkpoint is None else {"a": checkpoint}
    plan = Plan(
        sides=(_side("a", variant, known, checkpoints, allow),),
        images=tuple(Path(image) for image in images),
        budget_s=budget_s,
        launches=_processes(processes, launches),
        observe=observe,
        seed=known.seed,
        telemetry_s=telemetry_s,
        strict=strict,
    )
    return carry_out(plan, policy or Policy(), on_progress)


def calibrate(
    variant: str = "v2",
    workload: Workload | None = None,
    *,
    images: Sequence[str | Path] = (),
    allow: Sequence[str] = (),
    comparisons: int = 6,
    budget_s: float = DEFAULT_BUDGET_S,
    policy: Policy | None = None,
    on_progress: OnProgress | None = None,
    strict: bool = False,
) -> Calibration:
    """Compare a variant with itself, again and again, to learn what this machine can tell apart.

    Every other comparison has a placebo for a candidate: the same work under another name and with
    its memory elsewhere. The result is saved, and `compare` takes it into account.

    Args:
        comparisons: how many; each starts processes of its own.
        budget_s: seconds of each, for which the detectable slow-down is given too.
        The rest is as in `compare`.

    Returns:
        Noise floor and detectable slow-down by stage; `storage.machine_files` has saved it.

    Raises:
        DepthprofError: refused, a side failed, or the result could not be saved.
    """
    if comparisons < 1:
        raise BadInput(f"comparisons is {comparisons!r}, but must be at least 1")
    work, rules = workload or Workload(), replace(policy or Policy(), calibration=None)
    runs: list[Run] = []
    for number in range(comparisons):
        sides = [
            SidePlan(name, f"{variant} ({name})", variant, work, allow=tuple(allow))
            for name in "ab"
        ]
        plan = Plan(
            sides=(sides[0], replace(sides[1], placebo=number % 2 == 1)),
            images=tuple(Path(image) for image in images),
            budget_s=budget_s,
            seed=number,
            strict=strict,
        )
        check_plan(plan)
        tell = _numbered(on_progress or _silent, number + 1, comparisons)
        try:
            run = measure(plan, tell, lambda run: may_end(run, rules))
        except KeyboardInterrupt:
            if not runs:
                raise
            break
        if run.failures:
            raise PipelineError(f"{variant} failed while calibrating: {run.failures[0].text}")
        if run.ended == "interrupted":  # half a comparison is none
            break
        runs.append(run)
    if not runs:
        raise KeyboardInterrupt
    subject = f"{variant}, {describe_workload(work)}"
    if left_out := "; ".join(left_out_lines(runs[0].left_out)):
        subject += f" (left out: {left_out})"
    found = summed_up(runs, len(runs) // 2, rules, budget_s, subject)
    machine_files.write_calibration(found)
    return found


def limits(device: str = "auto", threads: int | None = None, *, fresh: bool = False) -> Limits:
    """Give what this machine and a device can do at best; measured once, and then kept.

    `threads` are torch's, None as `compare` sets them; `fresh` measures again, whatever is kept.

    Raises:
        DepthprofError: no such device, a broken file, or they could not be measured or saved.
    """
    known = {} if fresh else machine_files.kept_limits()
    found = take_limits(Workload(device=device, threads=threads), known)
    if found.fingerprint not in known:
        machine_files.write_limits(found)
    return found


def _numbered(on_progress: OnProgress, number: int, count: int) -> OnProgress:
    def tell(progress: Progress) -> None:
        phase = f"{progress.phase} (comparison {number} of {count})"
        on_progress(replace(progress, phase=phase))

    return tell


def carry_out(plan: Plan, policy: Policy, on_progress: OnProgress | None = None) -> Result:
    """Measure a plan and judge the run; the one place where measuring and judging meet.

    A calibration of this machine and workload joins the policy; measured limits are kept.
    """
    check_plan(plan)
    machine_files.check_calibrations()
    limits_known = machine_files.kept_limits() if plan.observe else {}
    known: dict[str, Calibration | None] = {}

    def policy_of(run: Run) -> Policy:
        name = calibration_name_of(run)
        if name not in known:
            known[name] = machine_files.find_calibration(name)
        return replace(policy, calibration=known[name])

    run = measure(
        plan,
        on_progress or _silent,
        lambda run: may_end(run, policy_of(run), plan.until),
        limits_known,
    )
    if run.limits is not None and run.limits.fingerprint not in limits_known:
        with suppress(OutputError):  # the run has them; the next one will have to measure again
            machine_files.write_limits(run.limits)
    return judge(run, policy_of(run))


def check_plan(plan: Plan) -> None:
    """Refuse what can be seen to be wrong before anything is started.

    Raises:
        BadInput: an unknown variant, a missing file, or a budget that is no time.
        BadPicture: there is nothing to read where a picture should be.
    """
    if not 0 < plan.budget_s < float("inf"):
        raise BadInput(f"budget is {plan.budget_s!r} s, but must be a number of seconds above 0")
    if plan.launches is not None and plan.launches < 1:
        raise BadInput(f"processes is {plan.launches!r}, but must be at least 1")
    if plan.telemetry_s is not None and not LEAST_TELEMETRY_S <= plan.telemetry_s < float("inf"):
        least = f"at least {LEAST_TELEMETRY_S} s, or None for no telemetry"
        raise BadInput(f"telemetry is {plan.telemetry_s!r} s, but must be {least}")
    if plan.until not in UNTIL:
        raise BadInput(f'until is "{plan.until}", which is unknown; {nearest(plan.until, UNTIL)}')
    for side in plan.sides:
        check_variant(side.variant)
        for word in side.allow:
            if word not in OUTPUT_FAULTS:
                raise BadInput(
                    f'unknown kind of output to allow "{word}"; {nearest(word, OUTPUT_FAULTS)}'
                )
        if side.checkpoint is not None and not side.checkpoint.exists():
            raise BadInput(f"the checkpoint {side.checkpoint} does not exist")
    for image in plan.images:
        if (why := why_absent(image)) is not None:
            raise BadPicture(f"the picture {image} {why}")


def _processes(processes: int | None, launches: int | None) -> int | None:
    """The number of processes, by the old name of the argument too."""
    if launches is None:
        return processes
    warnings.warn("launches= is now processes=", DeprecationWarning, stacklevel=3)
    return launches if processes is None else processes


def _side(
    name: str,
    variant: str,
    workload: Workload,
    checkpoints: Mapping[str, str | Path] | None,
    allow: Sequence[str],
) -> SidePlan:
    known = checkpoints or {}
    path = None if known.get(name) is None else Path(known[name])
    return SidePlan(name, variant, variant, workload, path, allow=tuple(allow))


def _silent(_: Progress) -> None:
    pass
