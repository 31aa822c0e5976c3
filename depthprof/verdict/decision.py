"""The verdict: one pure function from a comparison and a policy. Reporters only read it."""

import math
from dataclasses import replace
from statistics import NormalDist

from depthprof.errors import EXIT_PASS, EXIT_REFUSED
from depthprof.records import (
    TOTAL,
    Comparison,
    Decision,
    Estimate,
    Policy,
    Reason,
    Result,
    Run,
    StageComparison,
    Status,
    Verdict,
)
from depthprof.records.judgement import CLEARANCE, NEGLIGIBLE_RATIO
from depthprof.stats.interim import LARGE_RATIO
from depthprof.units import duration, percent, times
from depthprof.verdict.analysis import analyse
from depthprof.verdict.exit_codes import exit_code
from depthprof.verdict.headline import REMEDY, failure_sentence, remedy_of, sentence
from depthprof.verdict.undecided import why_undecided

POWER = 0.95
"""Probability with which a minimum detectable change is found."""


def judge(run: Run, policy: Policy) -> Result:
    """Judge a run: its analysis, and where it has two sides what is decided of them."""
    analysis = analyse(run, policy)
    comparison = analysis.comparison
    if comparison is None:
        return Result(policy, EXIT_REFUSED if run.failures else EXIT_PASS, analysis=analysis)
    labels = (run.sides[0].label, run.sides[1].label)
    decision = decide(comparison, policy, labels, remedy_of(comparison))
    if run.failures:
        decision = replace(decision, sentence=failure_sentence(run), exit_code=EXIT_REFUSED)
    return Result(policy, decision.exit_code, (decision,), analysis)


def decide(
    comparison: Comparison,
    policy: Policy,
    labels: tuple[str, str] = ("a", "b"),
    remedy: str = REMEDY,
) -> Decision:
    """Decide on every stage and the whole, name the culprit, and set the exit code.

    The culprit is the slower stage with the largest absolute difference: a stage much changed
    disturbs its small neighbours, which then are its followers.

    Args:
        comparison: of both sides. policy: what counts as slower.
        labels: of the sides, for the sentence. remedy: what to do where nothing is decided.
    """
    verdicts = verdicts_of(comparison, policy)
    slower = _slower_stages(comparison, verdicts)
    culprit = slower[0] if slower else None
    explained = None if culprit is None else _explained_ratio(comparison, culprit)
    return Decision(
        policy=policy,
        comparison=comparison,
        verdicts=verdicts,
        culprit=culprit,
        followers=tuple(slower[1:]),
        explained_ratio=explained,
        sentence=sentence(comparison, verdicts, culprit, explained, policy, labels, remedy),
        exit_code=exit_code(comparison, verdicts, policy),
        detectable=detectable(comparison, policy),
    )


def verdicts_of(comparison: Comparison, policy: Policy) -> tuple[Verdict, ...]:
    """Decide on every stage and the total; an undecided stage that cannot matter is negligible."""
    found = []
    for row in comparison.stages:
        status, reason = decide_stage(row, policy)
        if status is Status.INCONCLUSIVE and _is_negligible(comparison, row, policy):
            status, reason = Status.NEGLIGIBLE, _negligible(comparison, row)
        elif status is Status.INCONCLUSIVE:
            reason = why_undecided(comparison, row, policy, reason)
        found.append(Verdict(row.stage, status, reason))
    return tuple(found)


def decide_stage(row: StageComparison, policy: Policy) -> tuple[Status, Reason]:
    """Decide on one stage by its grounds; a change must reach the threshold and the floor."""
    if row.problem is not None and row.problem.code != "zero_length":
        incomparable = row.problem.code in ("unlike_clocks", "absent_stage")
        return Status.INCOMPARABLE if incomparable else Status.INCONCLUSIVE, row.problem
    grounds = row.grounds
    if row.difference_ns is None:
        return Status.INCONCLUSIVE, Reason("no_interval", "no interval could be computed")
    if not all(map(_finite, (grounds.change, grounds.same, grounds.same_ns, row.ratio))):
        return Status.INCONCLUSIVE, Reason("not_finite", "an interval has no finite bounds")
    same_ns = grounds.same_ns
    if same_ns is not None and max(abs(same_ns.low), abs(same_ns.high)) <= policy.floor_ns:
        text = f"any difference is within {duration(policy.floor_ns)}"
        return Status.SAME, Reason("within_floor", text)
    if row.ratio is None or grounds.change is None:
        return Status.INCONCLUSIVE, row.problem or Reason("no_ratio", "there is no ratio")
    change = _change(row, grounds.change, policy)
    if change is not None:
        return change, _of_change(row, grounds.change, change, policy)
    same, within = grounds.same, policy.own_threshold_of(row.stage)
    if same is not None and 1 / (1 + within) <= same.low and same.high <= 1 + within:
        text = f"ratio {times(same.low, same.high)}, within {percent(within)}"
        return Status.SAME, Reason("within_threshold", text)
    text = f"ratio {times(row.ratio.low, row.ratio.high)}"
    return Status.INCONCLUSIVE, Reason("wide_interval", text)


def detectable(comparison: Comparison, policy: Policy) -> tuple[tuple[str, float], ...]:
    """By stage, the smallest slow-down that would have been found with 95 %.

    Stages without an interval are left out.
    """
    found = []
    for row in comparison.stages:
        change = row.grounds.change
        if change is None or row.difference_ns is None or change.low <= 0:
            continue
        half = math.log(change.high / change.low) / 2
        error = row.grounds.standard_error
        if not error:  # of a rank sum: as if it were normal
            error = half / NormalDist().inv_cdf((1 + change.confidence) / 2)
        clear, reach = policy.needed(row.stage, row.baseline.median_ns.value)
        if row.grounds.only_large:
            clear = max(clear, LARGE_RATIO - 1)
        found.append((row.stage, detectable_ratio((clear, reach), half, error)))
    return tuple(found)


def detectable_ratio(needed: tuple[float, float], half: float, error: float) -> float:
    """Minimum detectable change: the smallest slow-down called SLOWER with probability POWER.

    Its estimate must reach what is needed, and its interval clear a part of it: so the change lies
    above that part by the interval's half-width, and above both by 1.645 standard errors.

    Args:
        needed: as `Policy.needed` gives it. half: half-width of the interval of the log ratio.
        error: standard error of the log ratio.
    """
    clear, reach = map(math.log1p, needed)
    chance = NormalDist().inv_cdf(POWER)
    return math.expm1(max(clear + half, reach) + chance * error)


def _change(row: StageComparison, ratio: Estimate, policy: Policy) -> Status | None:
    """Whether estimate and interval speak of a change, against the threshold and the floor alike.

    What the interval is worth in time is told by the ratio's, as a part of the baseline's median:
    processes whose levels differ leave differences wide where ratios are not.
    """
    needed = policy.needed(row.stage, row.baseline.median_ns.value)
    clear, reach = 1 + needed[0], 1 + needed[1]
    if row.grounds.only_large:
        clear = max(clear, LARGE_RATIO)
    if ratio.low > clear and ratio.value > reach:
        return Status.SLOWER
    if ratio.high < 1 / clear and ratio.value < 1 / reach:
        return Status.FASTER
    return None


def _of_change(row: StageComparison, ratio: Estimate, change: Status, policy: Policy) -> Reason:
    """What a change rests on."""
    own, noise = policy.own_threshold_of(row.stage), policy.noise_of(row.stage)
    clear = LARGE_RATIO - 1 if row.grounds.only_large else max(CLEARANCE * own, noise)
    code = "above_threshold" if change is Status.SLOWER else "below_threshold"
    text = (
        f"ratio {times(ratio.value)} ({times(ratio.low, ratio.high)}): more than"
        f" {percent(max(own, noise))}, surely more than {percent(clear)}"
    )
    return Reason(code, text)


def _finite(estimate: Estimate | None) -> bool:
    return estimate is None or math.isfinite(estimate.low + estimate.value + estimate.high)


def _is_negligible(comparison: Comparison, row: StageComparison, policy: Policy) -> bool:
    """Whether a stage, whatever it does, is at most NEGLIGIBLE_RATIO of the whole."""
    difference, whole_ns = row.grounds.same_ns, comparison.stage(TOTAL).baseline.median_ns.value
    if row.stage == TOTAL or difference is None or not _finite(difference):
        return False
    clear, _ = policy.needed(TOTAL, whole_ns)
    most_ns = min(NEGLIGIBLE_RATIO, clear) * whole_ns
    return max(abs(difference.low), abs(difference.high)) <= most_ns


def _negligible(comparison: Comparison, row: StageComparison) -> Reason:
    difference = row.grounds.same_ns
    whole_ns = comparison.stage(TOTAL).baseline.median_ns.value
    most = max(abs(difference.low), abs(difference.high)) / whole_ns if difference else 0.0
    text = f"whatever it does is at most {percent(most)} of the {comparison.per}"
    return Reason("negligible", text)


def _slower_stages(comparison: Comparison, verdicts: tuple[Verdict, ...]) -> list[str]:
    """Slower stages, the largest absolute difference first.

    Where a device has its own clock, `sync` is the host's wait for work that other stages own, so
    it comes after them whatever its size.
    """
    rows = {row.stage: row for row in comparison.stages}
    waits = any(row.clock == "device" for row in comparison.stages)
    slower = [v.stage for v in verdicts if v.status is Status.SLOWER and v.stage != TOTAL]

    def order(stage: str) -> tuple[bool, float]:
        difference = rows[stage].difference_ns
        return waits and stage == "sync", -(difference.value if difference else 0.0)

    return sorted(slower, key=order)


def _explained_ratio(comparison: Comparison, culprit: str) -> float | None:
    """Share of the whole's difference that the culprit's is; None where the whole's is unsure."""
    part = comparison.stage(culprit).difference_ns
    whole = comparison.stage(TOTAL).difference_ns
    if part is None or whole is None or whole.low <= 0:
        return None
    return part.value / whole.value
