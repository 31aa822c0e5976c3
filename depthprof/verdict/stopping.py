"""Whether measuring may end before its budget does."""

import math

from depthprof.errors import EXIT_SLOWER
from depthprof.records import TOTAL, Comparison, Estimate, Policy, Run, Status, Verdict
from depthprof.stats.interim import Until
from depthprof.verdict.comparison import compare, medians
from depthprof.verdict.decision import verdicts_of
from depthprof.verdict.evidence import evidence
from depthprof.verdict.exit_codes import could_explain, exit_code

CLEAR_RATIO = 1.5
"""From this ratio on a stage that is SLOWER is a clear culprit."""


def may_end(run: Run, policy: Policy, until: Until = "decided") -> bool:
    """Say whether a growing run may end, at an early analysis (stats.interim).

    A comparison may be ended by its verdicts, because they hold at all its analyses at once. A
    profile has none; it ends once every median's interval is narrow: half-width at most a quarter
    of the threshold, or half the floor (fixed-width intervals: Chow and Robbins, Ann. Math. Stat.
    36 (1965) 457-462).

    Args:
        run: so far; its `ended` is what it would be. policy: what counts as slower.
        until: "decided": no stage is left undecided, and none that is negligible looks slower.
            "culprit": or one is slower by half and more, and by more than any undecided one can be.
            "exit code": or one is slower, which fails, or no undecided stage that would fail could
            alone make the total slower by a third of its threshold.
    """
    if not run.is_comparison:
        return all(_narrow(row.median_ns, policy) for row in medians(evidence(run), policy))
    comparison = compare(run, policy)
    verdicts = verdicts_of(comparison, policy)
    waiting = [verdict.stage for verdict in verdicts if verdict.status is Status.INCONCLUSIVE]
    looks_slower = any(_looks_slower(comparison, verdict, policy) for verdict in verdicts)
    if until == "culprit" and _has_culprit(comparison, verdicts):
        return True
    if until == "exit code":
        if exit_code(comparison, verdicts, policy) == EXIT_SLOWER:
            return True
        if "undecided" not in policy.fail_on:
            waiting = [one for one in waiting if could_explain(comparison, one, policy, part=True)]
        return not waiting
    return not waiting and not looks_slower


def _looks_slower(comparison: Comparison, verdict: Verdict, policy: Policy) -> bool:
    """Whether a negligible stage would be SLOWER if its estimates were the truth."""
    row = comparison.stage(verdict.stage)
    if verdict.status is not Status.NEGLIGIBLE or row.ratio is None or row.difference_ns is None:
        return False
    reach = policy.needed(row.stage, row.baseline.median_ns.value)[1]
    return row.ratio.value > 1 + reach and row.difference_ns.value > policy.floor_ns


def _has_culprit(comparison: Comparison, verdicts: tuple[Verdict, ...]) -> bool:
    status = {verdict.stage: verdict.status for verdict in verdicts}
    slower_ns, open_ns = 0.0, 0.0
    for row in comparison.stages:
        difference, ratio = row.difference_ns, row.ratio
        if row.stage == TOTAL:
            continue
        if status[row.stage] is Status.INCONCLUSIVE:
            open_ns = max(open_ns, math.inf if difference is None else difference.high)
        if difference is None:
            continue
        if status[row.stage] is Status.SLOWER and ratio and ratio.value >= CLEAR_RATIO:
            slower_ns = max(slower_ns, difference.value)
    return slower_ns > open_ns


def _narrow(median: Estimate, policy: Policy) -> bool:
    width_ns = median.high - median.low
    sure = median.confidence >= policy.confidence
    narrow_ns = math.log1p(policy.threshold_ratio) / 2 * median.value
    return sure and width_ns <= max(policy.floor_ns, narrow_ns)
