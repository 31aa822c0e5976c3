"""The verdict: one pure function from a comparison and a policy. Reporters only read it."""

import math
from dataclasses import replace
from statistics import NormalDist

from depthprof.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REFUSED, EXIT_SLOWER
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
from depthprof.records.judgement import CLEARANCE
from depthprof.stats.paired import FEWEST_LAUNCHES, LAYOUT_RATIO, shared_confidence
from depthprof.units import duration, percent, times
from depthprof.verdict.analysis import analyse
from depthprof.verdict.headline import REMEDY, failure_sentence, remedy_of, sentence

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
    verdicts = tuple(Verdict(row.stage, *decide_stage(row, policy)) for row in comparison.stages)
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
        exit_code=exit_code(verdicts, policy),
        detectable=detectable(comparison, policy),
    )


def decide_stage(row: StageComparison, policy: Policy) -> tuple[Status, Reason]:
    """Decide on one stage from its intervals; a change must reach the threshold and the floor."""
    if row.problem is not None and row.problem.code != "zero_length":
        incomparable = row.problem.code in ("unlike_clocks", "absent_stage")
        return Status.INCOMPARABLE if incomparable else Status.INCONCLUSIVE, row.problem
    difference = row.difference_ns
    if difference is None:
        return Status.INCONCLUSIVE, Reason("no_interval", "no interval could be computed")
    if not _finite(difference) or not _finite(row.ratio):
        return Status.INCONCLUSIVE, Reason("not_finite", "an interval has no finite bounds")
    if max(abs(difference.low), abs(difference.high)) <= policy.floor_ns:
        text = f"any difference is within {duration(policy.floor_ns)}"
        return Status.SAME, Reason("within_floor", text)
    if row.ratio is None:
        return Status.INCONCLUSIVE, row.problem or Reason("no_ratio", "there is no ratio")
    return _decide_by_ratio(row, row.ratio, difference, policy)


def exit_code(verdicts: tuple[Verdict, ...], policy: Policy) -> int:
    """Exit code of the verdicts: 0 pass, 1 slower, 3 inconclusive, as `policy.fail_on` allows."""
    statuses = {verdict.status for verdict in verdicts}
    if Status.SLOWER in statuses and "slower" in policy.fail_on:
        return EXIT_SLOWER
    undecided = statuses & {Status.INCONCLUSIVE, Status.INCOMPARABLE}
    return EXIT_INCONCLUSIVE if undecided and "inconclusive" in policy.fail_on else EXIT_PASS


def detectable(comparison: Comparison, policy: Policy) -> tuple[tuple[str, float], ...]:
    """By stage, the smallest slow-down that would have been found with 95 %.

    The standard error is the interval's half-width over the normal quantile of its confidence.
    Stages without an interval are left out.
    """
    shared = shared_confidence(policy.confidence, len(comparison.stages))
    quantile = NormalDist().inv_cdf((1 + shared) / 2)
    found = []
    for row in comparison.stages:
        if row.ratio is not None and row.difference_ns is not None and row.ratio.low > 0:
            half = math.log(row.ratio.high / row.ratio.low) / 2
            needed = policy.needed(row.stage, row.baseline.median_ns.value)
            found.append((row.stage, detectable_ratio(needed, half, half / quantile)))
    return tuple(found)


def detectable_ratio(
    needed: tuple[float, float], half: float, error: float, half_error: float = 0.0
) -> float:
    """Minimum detectable change: the smallest slow-down called SLOWER with probability POWER.

    Its estimate must reach what is needed, and its interval clear a part of it: so the change lies
    above that part by the interval's half-width, and above both by 1.645 standard errors.

    Args:
        needed: as `Policy.needed` gives it. half: half-width of the interval of the log ratio.
        error: standard error of the log ratio. half_error: of the half-width.
    """
    clear, reach = map(math.log1p, needed)
    chance = NormalDist().inv_cdf(POWER)
    surely = clear + half + chance * math.hypot(error, half_error)
    return math.expm1(max(surely, reach + chance * error))


def _decide_by_ratio(
    row: StageComparison, ratio: Estimate, difference: Estimate, policy: Policy
) -> tuple[Status, Reason]:
    change = _change(row, ratio, difference, policy)
    interval, band = times(ratio.low, ratio.high), percent(policy.threshold_of(row.stage))
    if change is not None and _disagree(row, change):
        return _disagreement(row)
    if change is not None:
        code = "above_threshold" if change is Status.SLOWER else "below_threshold"
        clear = percent(policy.clearance_of(row.stage))
        text = (
            f"ratio {times(ratio.value)} ({interval}): more than {band}, surely more than {clear}"
        )
        return change, Reason(code, text + _on_trust(row))
    same = policy.own_threshold_of(row.stage)  # a noisy machine makes unsure, not equal
    if 1 / (1 + same) <= ratio.low and ratio.high <= 1 + same:
        return Status.SAME, Reason("within_threshold", f"ratio {interval}, within {percent(same)}")
    return Status.INCONCLUSIVE, _unsure(row, ratio, difference, policy)


def _change(
    row: StageComparison, ratio: Estimate, difference: Estimate, policy: Policy
) -> Status | None:
    """Whether estimate and interval speak of a change, against the threshold and the floor alike.

    What the interval is worth in time is told by the ratio's, as a part of the baseline's median:
    launches whose levels differ leave differences wide where ratios are not.
    """
    reach, clear = 1 + policy.threshold_of(row.stage), 1 + policy.clearance_of(row.stage)
    reach_ns, clear_ns = policy.floor_ns, CLEARANCE * policy.floor_ns
    least_ns, most_ns = _worth_ns(row, ratio)
    if ratio.low > clear and least_ns > clear_ns:
        is_large = ratio.value > reach and difference.value > reach_ns
        return Status.SLOWER if is_large else None
    if ratio.high < 1 / clear and most_ns < -clear_ns:
        is_large = ratio.value < 1 / reach and difference.value < -reach_ns
        return Status.FASTER if is_large else None
    return None


def _worth_ns(row: StageComparison, ratio: Estimate) -> tuple[float, float]:
    """The ratio's interval in nanoseconds of the baseline's median."""
    median_ns = row.baseline.median_ns.value
    return (ratio.low - 1) * median_ns, (ratio.high - 1) * median_ns


def _unsure(row: StageComparison, ratio: Estimate, difference: Estimate, policy: Policy) -> Reason:
    """Why a stage is undecided."""
    clear = 1 + policy.clearance_of(row.stage)
    same = percent(policy.own_threshold_of(row.stage))
    interval, band = times(ratio.low, ratio.high), times(1 / clear, clear)
    text = f"ratio {interval}: neither within {same} nor clear of {band}"
    if ratio.low > clear or ratio.high < 1 / clear:
        text = f"ratio {interval}: a change, but {_lacking(row, ratio, difference, policy)}"
    heard = len(row.launch_ratios)
    if _is_of_few_launches(row):
        what = "launch" if heard == 1 else "launches"
        text += f"; {heard} {what} cannot tell a small change from what a memory layout does"
        return Reason("too_few_launches", text)
    if row.scatters:
        text += f"; {heard} launches differ too much, more --processes would tell"
        return Reason("launches_scatter", text)
    return Reason("wide_interval", text)


def _is_of_few_launches(row: StageComparison) -> bool:
    """Whether a run in turns heard too few launches to know their spread."""
    return row.within is not None and len(row.launch_ratios) < FEWEST_LAUNCHES


def _on_trust(row: StageComparison) -> str:
    """What a change rests on where the launches' spread is not known."""
    if not _is_of_few_launches(row):
        return ""
    return (
        f"; heard in fewer than {FEWEST_LAUNCHES} launches, but beyond the x{LAYOUT_RATIO:g} that"
        " another memory layout could do"
    )


def _finite(estimate: Estimate | None) -> bool:
    return estimate is None or math.isfinite(estimate.low + estimate.value + estimate.high)


def _lacking(row: StageComparison, ratio: Estimate, difference: Estimate, policy: Policy) -> str:
    """What a ratio that is surely a change lacks to be called one."""
    reach = math.log1p(policy.threshold_of(row.stage))
    if abs(math.log(ratio.value)) <= reach:
        return f"neither surely within {percent(policy.threshold_of(row.stage))} nor beyond it"
    value, floor = duration(difference.value), duration(policy.floor_ns)
    if abs(difference.value) <= policy.floor_ns:
        return f"the difference, {value}, is within {floor}"
    least_ns = min(map(abs, _worth_ns(row, ratio)))
    clear = duration(CLEARANCE * policy.floor_ns)
    return f"the difference, at least {duration(least_ns)}, is not clear of {clear}"


def _disagree(row: StageComparison, change: Status) -> bool:
    """Whether more launches than one in eight alone say the contrary."""
    slower = change is Status.SLOWER
    contrary = [ratio <= 1 if slower else ratio >= 1 for ratio in row.launch_ratios]
    return sum(contrary) > len(contrary) // 8


def _disagreement(row: StageComparison) -> tuple[Status, Reason]:
    ratios = ", ".join(times(ratio) for ratio in row.launch_ratios)
    text = f"the launches disagree on the direction: their ratios are {ratios}"
    return Status.INCONCLUSIVE, Reason("launches_disagree", text)


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
