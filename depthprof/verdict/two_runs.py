"""Two runs of different times: the process is the unit of evidence, for there are no pairs."""

from dataclasses import replace

import numpy as np

from depthprof.records import (
    TOTAL,
    Comparison,
    Digest,
    Estimate,
    Grounds,
    Level,
    Policy,
    Reason,
    SkippedSamples,
    StageComparison,
    StageSummary,
)
from depthprof.stats.interim import SAME_ERROR
from depthprof.stats.paired import exponential, shared_confidence
from depthprof.stats.rank_sum import can_decide, fewest_launches, shift
from depthprof.units import percent
from depthprof.verdict.evidence import absent_stage
from depthprof.verdict.quality import MOST_REJECTED_RATIO


def compare_digests(
    baseline: Digest, candidate: Digest, sides: tuple[str, str], policy: Policy
) -> Comparison:
    """Compare a side of one run with a side of another, stage by stage.

    Intervals are those of the rank sum over the processes' medians (of their logarithms for the
    ratio). What is shown holds for its row with `policy.confidence`; a change is called by
    intervals that hold for all rows at once (Bonferroni), the same by two one-sided tests.

    Args:
        baseline: the earlier run. candidate: the later one.
        sides: name of the side in each. policy: its confidence counts.

    Raises:
        ValueError: a side has no levels.
    """
    first = {level.stage: level for level in baseline.levels_of(sides[0])}
    second = {level.stage: level for level in candidate.levels_of(sides[1])}
    if not first or not second:
        raise ValueError("a side without a measured iteration cannot be compared")
    stages = sorted({**first, **second}, key=TOTAL.__eq__)  # as they come, the total last
    sure = shared_confidence(policy.confidence, len(stages))
    confidences = (policy.confidence, sure)
    return Comparison(
        stages=tuple(_stage(first.get(name), second.get(name), confidences) for name in stages),
        skipped=SkippedSamples(0, {}),
        per="iteration",
        confidence=policy.confidence,
    )


def _stage(
    first: Level | None, second: Level | None, confidences: tuple[float, float]
) -> StageComparison:
    """Compare the levels of a stage; a run that does not have it is shown without a figure.

    The confidences are of the intervals that are shown, and of those that a change must clear.
    """
    before, known = first or second, second or first
    if before is None or known is None:
        raise ValueError("a stage that neither run has cannot be compared")
    problem = absent_stage(before.stage) if before is not first else None
    problem = problem or _problem(before, second, confidences[1])
    ratio = difference = None
    grounds = Grounds()
    if problem is None or problem.code == "zero_length":
        ns = before.launches_ns, known.launches_ns
        difference = shift(*ns, confidences[0])
        grounds = Grounds(same_ns=shift(*ns, 1 - 2 * SAME_ERROR), units=len(ns[0]), unit="run")
    if problem is None:
        logs = np.log(before.launches_ns), np.log(known.launches_ns)
        ratio = exponential(shift(*logs, confidences[0]))
        grounds = replace(
            grounds,
            change=exponential(shift(*logs, confidences[1])),
            same=exponential(shift(*logs, 1 - 2 * SAME_ERROR)),
        )
    return StageComparison(
        stage=before.stage,
        clock=before.clock,
        baseline=_summary(first),
        candidate=_summary(second),
        ratio=ratio,
        difference_ns=difference,
        process_ratios=() if ratio is None else (ratio.value,),
        pairs=min(len(before.launches_ns), len(known.launches_ns)),
        grounds=grounds,
        problem=problem,
        rejected_ratio=max(before.spoilt_ratio, known.spoilt_ratio),
    )


def _problem(before: Level, after: Level | None, confidence: float) -> Reason | None:
    """Say why these processes could never decide; None where they may."""
    if after is None:
        return absent_stage(before.stage)
    if before.clock != after.clock:
        if "cpu" in (before.clock, after.clock):
            text = "one run is judged by CPU time, because of background load, the other is not"
            return Reason("spoilt", text)
        text = f"one run is timed by the {before.clock}'s clock, the other by the {after.clock}'s"
        return Reason("unlike_clocks", text)
    rejected = max(before.spoilt_ratio, after.spoilt_ratio)
    if rejected > MOST_REJECTED_RATIO:
        return Reason("spoilt", f"{percent(rejected)} of a run's samples were rejected")
    if not (before.launches_ns and after.launches_ns):
        return absent_stage(before.stage)
    counts = len(before.launches_ns), len(after.launches_ns)
    if not can_decide(*counts, confidence):
        needed = fewest_launches(confidence)
        text = f"{counts[0]} processes against {counts[1]}; at least {needed} on each side decide"
        return Reason("too_few_launches", text)
    if min(*before.launches_ns, *after.launches_ns) <= 0:
        return Reason("zero_length", "a process took no time the clock could see: no ratio")
    return None


def _summary(level: Level | None) -> StageSummary:
    if level is None:
        return StageSummary(Estimate(0.0, 0.0, 0.0, 0.0), (0.0, 0.0), None, 0.0, None)
    values = np.asarray(level.launches_ns or (level.median_ns.value,))
    low, high = np.quantile(values, [0.25, 0.75])
    device = level.median_ns.value if level.clock == "device" else None
    return StageSummary(
        median_ns=level.median_ns,
        quartiles_ns=(float(low), float(high)),
        share_ratio=None,
        host_ns=level.median_ns.value,
        device_ns=device,
    )
