"""The gate over two runs: are they alike, which stage got slower, what could have been seen.

Verdicts come from `depthprof.verdict.decision.decide`, as those of a paired comparison do; only the
evidence differs: the processes of two times instead of pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from depthprof.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REFUSED, EXIT_SLOWER
from depthprof.records import (
    Calibration,
    Decision,
    Digest,
    Policy,
    Result,
    Side,
    Workload,
)
from depthprof.stats.paired import shared_confidence
from depthprof.stats.rank_sum import fewest_launches
from depthprof.verdict import compare_digests
from depthprof.verdict.comparability import differences, differences_asked, is_same_code
from depthprof.verdict.decision import decide
from depthprof.verdict.exit_codes import gate_exit_code

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
) -> Result:
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
    known = {_name(side) for side in baseline.sides}
    return Result(
        policy=sides[0].policy if sides else Policy(),
        exit_code=_exit_code(sides, missing),
        sides=tuple(sides),
        baseline=_described(baseline),
        candidate=_described(candidate),
        missing=tuple(missing),
        is_paired=False,
        added=tuple(name for name in later if name not in known),
        unasked=unasked,
    )


def gate_asked(
    baseline: Digest, label: str, asked: Workload, policy_of: PolicyOf, allow: Sequence[str] = ()
) -> Result | None:
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
        Decision(policy_of(side.workload.model), label=label, differences=unlike)
        for side in baseline.sides
        if _name(side) == label and (unlike := differences_asked(baseline, side, asked, allow))
    ]
    if is_known and not sides:
        return None
    return Result(
        policy=policy_of(asked.model),
        exit_code=EXIT_REFUSED,
        sides=tuple(sides),
        baseline=_described(baseline),
        candidate=label,
        is_paired=False,
        added=() if is_known else (label,),
        unasked=unasked,
    )


def gate_turns(judged: Result, baseline: str, candidate: str) -> Result:
    """The same outcome of two sides that were measured in pairs, in one run."""
    run, decision = judged.run, judged.judgement
    if decision is None:
        raise ValueError("a gate in turns needs a run of two sides")
    launches = len({int(launch) for launch in run.samples.launch})
    side = replace(
        decision,
        label=_name(run.sides[1]),
        problem=run.failures[0].text if run.failures else None,
        is_same_code=is_same_code(*run.sides),
        launches=(launches, launches),
        notes=tuple(dict.fromkeys(note for one in run.sides for note in one.notes)),
    )
    code = judged.exit_code
    if code != EXIT_REFUSED and side.comparison is not None:
        code = gate_exit_code(side.comparison, side.verdicts, side.policy)
    return replace(judged, baseline=baseline, candidate=candidate, sides=(side,), exit_code=code)


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
) -> Decision:
    label = _name(sides[1])
    unlike = differences(baseline, candidate, sides, allow)
    if unlike:
        return Decision(policy, label=label, differences=unlike)
    names = (sides[0].name, sides[1].name)
    problem = _problem(baseline, names[0], "the baseline") or _problem(
        candidate, names[1], "the newer run"
    )
    if problem is not None:
        return Decision(policy, label=label, problem=problem)
    comparison = compare_digests(baseline, candidate, names, policy)
    shared = shared_confidence(policy.confidence, len(comparison.stages))
    decision = decide(comparison, policy, (f"{label} then", f"{label} now"), REMEDY)
    return replace(
        decision,
        label=label,
        exit_code=gate_exit_code(comparison, decision.verdicts, policy),
        is_same_code=is_same_code(*sides),
        launches=(baseline.launches_of(names[0]), candidate.launches_of(names[1])),
        fewest_launches=fewest_launches(shared),
    )


def _problem(digest: Digest, side: str, what: str) -> str | None:
    failure = next((one for one in digest.failures if one.side in (side, None)), None)
    if failure is not None:
        return f"{what} failed: {failure.text}"
    if not digest.levels_of(side):
        return f"{what} measured nothing of it"
    return None


def _exit_code(sides: Sequence[Decision], missing: Sequence[str]) -> int:
    if missing or not sides or any(side.differences or side.problem for side in sides):
        return EXIT_REFUSED
    codes = {side.exit_code for side in sides}
    return next((code for code in (EXIT_SLOWER, EXIT_INCONCLUSIVE) if code in codes), EXIT_PASS)


def _name(side: Side) -> str:
    """What a side is called from run to run: its label, without "(a)" and "(b)"."""
    return side.label.removesuffix(f" ({side.name})")


def _described(digest: Digest) -> str:
    commit = digest.environment.commit
    at = f" at {commit[:10]}{' with changes' if digest.environment.dirty else ''}" if commit else ""
    return f"{digest.run or 'the run'} of {digest.created[:16].replace('T', ' ')}{at}"
