"""The gate over two runs: are they alike, which stage got slower, what could have been seen.

Verdicts come from `depthprof.verdict.decision.decide`, as those of a paired comparison do; only the
evidence differs: the processes of two times instead of pairs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import NormalDist

from depthprof.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REFUSED, EXIT_SLOWER
from depthprof.records import (
    Calibration,
    Comparison,
    Digest,
    Gated,
    Judged,
    Policy,
    Side,
    SideGate,
    StageComparison,
    Status,
    Workload,
)
from depthprof.records.judgement import CLEARANCE
from depthprof.stats.paired import shared_confidence
from depthprof.stats.rank_sum import fewest_launches
from depthprof.verdict import compare_digests
from depthprof.verdict.comparability import differences, differences_asked, is_same_code
from depthprof.verdict.decision import decide

POWER = 0.95

REMEDY = "more --processes or a quieter machine to both, or measure both now with --against"
"""What may decide what runs of two times do not."""

PolicyOf = Callable[[str], Policy]
"""What counts as slower for a model's size."""

CalibrationOf = Callable[[Digest, Side], Calibration | None]


def gate_digests(
    baseline: Digest,
    candidate: Digest,
    policy_of: PolicyOf,
    allow: Sequence[str] = (),
    calibration_of: CalibrationOf = lambda *_: None,
    only: str | None = None,
) -> Gated:
    """Judge every side of a later run against the same side of an earlier one.

    Args:
        baseline: the earlier run. candidate: the later one.
        policy_of: what counts as slower, by model.
        allow: fields in which the runs may differ.
        calibration_of: what the machine was found able to tell apart of a side, if it is known.
        only: the one side that was asked for; None where all of the baseline's are.

    Raises:
        BadInput: a field to allow that does not exist.
    """
    later = {_name(side): side for side in candidate.sides}
    sides, missing = [], []
    unasked = _unasked(baseline, only)
    for side in (one for one in baseline.sides if _name(one) not in unasked):
        other = later.get(_name(side))
        if other is None:
            missing.append(_name(side))
        else:
            policy = policy_of(side.workload.model)
            policy = replace(policy, calibration=calibration_of(candidate, other))
            sides.append(_side(baseline, candidate, (side, other), policy, allow))
    names = (_described(baseline), _described(candidate))
    known = {_name(side) for side in baseline.sides}
    return Gated(
        *names,
        sides=tuple(sides),
        missing=tuple(missing),
        is_paired=False,
        exit_code=_exit_code(sides, missing),
        added=tuple(name for name in later if name not in known),
        unasked=unasked,
    )


def gate_asked(
    baseline: Digest, label: str, asked: Workload, policy_of: PolicyOf, allow: Sequence[str] = ()
) -> Gated | None:
    """The outcome that can be told before a side is measured: that it is refused; else None.

    Args:
        baseline: the earlier run. label: of the side to measure. asked: its workload.
        policy_of: what counts as slower, by model. allow: fields in which they may differ.

    Raises:
        BadInput: a field to allow that does not exist.
    """
    unasked = _unasked(baseline, label)
    is_known = len(unasked) < len({_name(side) for side in baseline.sides})
    sides = [
        SideGate(label, policy_of(side.workload.model), differences=unlike)
        for side in baseline.sides
        if _name(side) == label and (unlike := differences_asked(baseline, side, asked, allow))
    ]
    if is_known and not sides:
        return None
    return Gated(
        _described(baseline),
        label,
        sides=tuple(sides),
        missing=(),
        is_paired=False,
        exit_code=EXIT_REFUSED,
        added=() if is_known else (label,),
        unasked=unasked,
    )


def gate_turns(judged: Judged, baseline: str, candidate: str) -> Gated:
    """The same outcome of two sides that were measured in turns, in one run."""
    run, comparison = judged.run, judged.comparison
    if comparison is None or judged.judgement is None:
        raise ValueError("a gate in turns needs a run of two sides")
    launches = len({int(launch) for launch in run.samples.launch})
    side = SideGate(
        label=_name(run.sides[1]),
        policy=judged.policy,
        problem=run.failures[0].text if run.failures else None,
        is_same_code=is_same_code(*run.sides),
        launches=(launches, launches),
        detectable=detectable(comparison, judged.policy),
        comparison=comparison,
        judgement=judged.judgement,
        notes=tuple(dict.fromkeys(note for one in run.sides for note in one.notes)),
    )
    code = judged.exit_code
    if code == EXIT_PASS and _undecidable(side):
        code = EXIT_INCONCLUSIVE
    return Gated(baseline, candidate, (side,), (), True, code)


def detectable(comparison: Comparison, policy: Policy) -> tuple[tuple[str, float], ...]:
    """By stage, the smallest slow-down that would have been found with 95 %.

    Its estimate must reach threshold and floor, and its interval clear a part of them (CLEARANCE):
    so it lies above that part by the interval's half-width, and above both by 1.645 standard
    errors, which are that half-width over the normal quantile of its confidence. Stages without an
    interval are left out.
    """
    return tuple(
        (row.stage, _detectable(row, policy, len(comparison.stages)))
        for row in comparison.stages
        if row.ratio is not None and row.difference_ns is not None and row.ratio.low > 0
    )


def _detectable(row: StageComparison, policy: Policy, statements: int) -> float:
    if row.ratio is None:
        raise ValueError("what could be seen is told by the ratio's interval")
    half = math.log(row.ratio.high / row.ratio.low) / 2
    shared = shared_confidence(policy.confidence, statements)
    more = NormalDist().inv_cdf(POWER) / NormalDist().inv_cdf((1 + shared) / 2)
    median_ns = row.baseline.median_ns.value
    floor = policy.floor_ns / median_ns if median_ns > 0 else 0.0
    clear = math.log1p(max(policy.clearance_of(row.stage), CLEARANCE * floor)) + half * (1 + more)
    reach = math.log1p(max(policy.threshold_of(row.stage), floor)) + half * more
    return math.expm1(max(clear, reach))


def _unasked(baseline: Digest, only: str | None) -> tuple[str, ...]:
    """Sides of a baseline that are not the one asked for; none where all are asked for."""
    names = dict.fromkeys(_name(side) for side in baseline.sides)
    return () if only is None else tuple(name for name in names if name != only)


def _side(
    baseline: Digest,
    candidate: Digest,
    sides: tuple[Side, Side],
    policy: Policy,
    allow: Sequence[str],
) -> SideGate:
    label = _name(sides[1])
    unlike = differences(baseline, candidate, sides, allow)
    if unlike:
        return SideGate(label, policy, differences=unlike)
    names = (sides[0].name, sides[1].name)
    problem = _problem(baseline, names[0], "the baseline") or _problem(
        candidate, names[1], "the newer run"
    )
    if problem is not None:
        return SideGate(label, policy, problem=problem)
    comparison = compare_digests(baseline, candidate, names, policy)
    shared = shared_confidence(policy.confidence, len(comparison.stages))
    return SideGate(
        label=label,
        policy=policy,
        is_same_code=is_same_code(*sides),
        launches=(baseline.launches_of(names[0]), candidate.launches_of(names[1])),
        fewest_launches=fewest_launches(shared),
        detectable=detectable(comparison, policy),
        comparison=comparison,
        judgement=decide(comparison, policy, (f"{label} then", f"{label} now"), REMEDY),
    )


def _problem(digest: Digest, side: str, what: str) -> str | None:
    failure = next((one for one in digest.failures if one.side in (side, None)), None)
    if failure is not None:
        return f"{what} failed: {failure.text}"
    if not digest.levels_of(side):
        return f"{what} measured nothing of it"
    return None


def _exit_code(sides: Sequence[SideGate], missing: Sequence[str]) -> int:
    if missing or not sides or any(side.differences or side.problem for side in sides):
        return EXIT_REFUSED
    if any(_undecidable(side) for side in sides):
        return EXIT_INCONCLUSIVE
    codes = {side.judgement.exit_code for side in sides if side.judgement is not None}
    for code in (EXIT_REFUSED, EXIT_SLOWER, EXIT_INCONCLUSIVE):
        if code in codes:
            return code
    return EXIT_PASS


def _undecidable(side: SideGate) -> bool:
    """Whether not one stage is decided: such a gate has seen nothing, whatever `fail_on` lets pass.

    So has one in which a stage cannot be compared.
    """
    if side.judgement is None:
        return False
    found = {verdict.status for verdict in side.judgement.verdicts}
    return Status.INCOMPARABLE in found or found == {Status.INCONCLUSIVE}


def _name(side: Side) -> str:
    """What a side is called from run to run: its label, without "(a)" and "(b)"."""
    return side.label.removesuffix(f" ({side.name})")


def _described(digest: Digest) -> str:
    commit = digest.environment.commit
    at = f" at {commit[:10]}{' with changes' if digest.environment.dirty else ''}" if commit else ""
    return f"{digest.run or 'the run'} of {digest.created[:16].replace('T', ' ')}{at}"
