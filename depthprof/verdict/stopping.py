"""Whether measuring may end: what is decided, and what more blocks or processes would decide."""

import math
from statistics import stdev

from depthprof.records import (
    TOTAL,
    WARM_UP_TURN,
    Comparison,
    Estimate,
    Policy,
    Run,
    StageComparison,
    Status,
)
from depthprof.stats.interim import MORE_LAUNCHES, Look, launch_share
from depthprof.stats.paired import FEWEST_LAUNCHES, fewest_processes, student_quantile
from depthprof.verdict.comparison import compare, medians
from depthprof.verdict.decision import decide_stage
from depthprof.verdict.evidence import evidence

CLEAR_RATIO = 1.5
"""From this ratio on a stage that is SLOWER is a clear case."""

SMALL_BESIDE_RATIO = 0.5
"""What is surely below this part of a clear case's difference is not waited for."""


def look_at(run: Run, policy: Policy, *, may_grow: bool = False) -> Look:
    """Say whether measuring may end: all stages decided, or all medians of a profile precise.

    A comparison may be ended by its verdicts because its intervals hold at all looks at once
    (stats.look_share). More turns of a launch do not change what its memory layout does: where its
    launches' scatter keeps a stage undecided, more of them are asked for, if they would decide it,
    the run `may_grow` and there is no clear case; if not, it is waited for no longer.
    A profile has no verdict; it ends once every median's interval is narrow: half-width at most a
    quarter of the threshold, or half the floor (fixed-width intervals: Chow and Robbins, Ann. Math.
    Stat. 36 (1965) 457-462).
    """
    if not run.is_comparison:
        rows = medians(evidence(run), policy)
        narrow = all(_narrow(row.median_ns, policy) for row in rows)
        return Look.END if narrow else Look.GO_ON
    heard = len({int(launch) for launch in run.samples.launch[run.samples.turn != WARM_UP_TURN]})
    is_last = heard >= fewest_processes(shared=run.shared)
    comparison = compare(run, policy, is_last=is_last)
    waiting = undecided(comparison, policy)
    scattering = [row for row in waiting if row.scatters]
    more = heard + MORE_LAUNCHES
    error = (
        (1 - comparison.confidence) / len(comparison.stages) * launch_share(more, shared=run.shared)
    )
    may_grow = may_grow and not _clear_ns(comparison, policy)
    if may_grow and any(_would_decide(row, policy, more, 1 - error) for row in scattering):
        return Look.MORE_LAUNCHES
    if len(scattering) < len(waiting):
        return Look.GO_ON
    return Look.SCATTERED if waiting else Look.END


def undecided(comparison: Comparison, policy: Policy) -> list[StageComparison]:
    """Stages that are waited for.

    Those are all that are INCONCLUSIVE, but where a clear case is decided, not what is small
    beside it.

    A case is clear where a stage is slower by half or more. Then an undecided stage is not waited
    for if its difference is surely below half of that stage's: it can be neither culprit nor the
    exit code's cause. Such stages stay INCONCLUSIVE, and their reason is said.
    """
    small_ns = SMALL_BESIDE_RATIO * _clear_ns(comparison, policy)
    return [
        row
        for row in comparison.stages
        if decide_stage(row, policy)[0] is Status.INCONCLUSIVE and not _is_below(row, small_ns)
    ]


def _clear_ns(comparison: Comparison, policy: Policy) -> float:
    """The difference of the clear case, the largest where there are several; 0: there is none."""
    clear = [
        row.difference_ns.value
        for row in comparison.stages
        if row.difference_ns is not None and row.stage != TOTAL and _is_clear(row)
        if decide_stage(row, policy)[0] is Status.SLOWER
    ]
    return max(0.0, *clear) if clear else 0.0


def _would_decide(row: StageComparison, policy: Policy, launches: int, confidence: float) -> bool:
    """Whether so many launches would decide a stage, should they scatter as those heard do.

    It is worth starting them if the interval they are expected to give, around the ratio seen so
    far, fits into the band, or lies beyond it.
    """
    if row.ratio is None or len(row.launch_ratios) < FEWEST_LAUNCHES:
        return False
    logs = [math.log(ratio) for ratio in row.launch_ratios]
    width = student_quantile(launches - 1, confidence) * stdev(logs) / math.sqrt(launches)
    centre = abs(math.log(row.ratio.value))
    median_ns = row.baseline.median_ns.value
    clear, reach = map(math.log1p, policy.needed(row.stage, median_ns))
    beyond = centre - clear if centre > reach else 0.0
    within = math.log1p(policy.least_of(row.stage, median_ns)) - centre
    return width < max(beyond, within)


def _is_clear(row: StageComparison) -> bool:
    return row.ratio is not None and row.ratio.value >= CLEAR_RATIO


def _is_below(row: StageComparison, limit_ns: float) -> bool:
    difference = row.difference_ns
    if difference is None or row.stage == TOTAL:
        return False
    return max(abs(difference.low), abs(difference.high)) <= limit_ns


def _narrow(median: Estimate, policy: Policy) -> bool:
    width_ns = median.high - median.low
    sure = median.confidence >= policy.confidence
    narrow_ns = math.log1p(policy.threshold_ratio) / 2 * median.value
    return sure and width_ns <= max(policy.floor_ns, narrow_ns)
