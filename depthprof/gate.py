"""The verdict: one pure function from a comparison and a policy. Reporters only read it."""

import math
from dataclasses import replace

from depthprof import comparison as comparing
from depthprof.account import failure_sentence, sentence
from depthprof.records import (
    TOTAL,
    Comparison,
    Estimate,
    Judged,
    Judgement,
    Policy,
    Reason,
    Run,
    StageComparison,
    Status,
    Verdict,
)
from depthprof.units import duration, percent, times

EXIT_PASS, EXIT_SLOWER, EXIT_REFUSED, EXIT_INCONCLUSIVE = 0, 1, 2, 3


def judge(run: Run, policy: Policy) -> Judged:
    """Judge a run: its comparison and verdicts, or its profile where it has one side."""
    if not run.is_comparison:
        failed = EXIT_REFUSED if run.failures else EXIT_PASS
        return Judged(run, policy, failed, profile=comparing.profile(run, policy))
    comparison = comparing.compare(run, policy)
    labels = (run.sides[0].label, run.sides[1].label)
    judgement = decide(comparison, policy, labels)
    if run.failures:
        judgement = replace(judgement, sentence=failure_sentence(run), exit_code=EXIT_REFUSED)
    return Judged(run, policy, judgement.exit_code, comparison=comparison, judgement=judgement)


def decide(
    comparison: Comparison, policy: Policy, labels: tuple[str, str] = ("a", "b")
) -> Judgement:
    """Decide on every stage and the whole, name the culprit, and set the exit code.

    The culprit is the slower stage with the largest absolute difference: a stage much changed
    disturbs its small neighbours, which then are its followers.
    """
    verdicts = tuple(Verdict(row.stage, *decide_stage(row, policy)) for row in comparison.stages)
    slower = _slower_stages(comparison, verdicts)
    culprit = slower[0] if slower else None
    explained = None if culprit is None else _explained_ratio(comparison, culprit)
    return Judgement(
        verdicts=verdicts,
        culprit=culprit,
        followers=tuple(slower[1:]),
        explained_ratio=explained,
        sentence=sentence(comparison, verdicts, culprit, explained, policy, labels),
        exit_code=exit_code(verdicts, policy),
    )


def decide_stage(row: StageComparison, policy: Policy) -> tuple[Status, Reason]:
    """Decide on one stage from its intervals; a change must clear the threshold and the floor."""
    if row.problem is not None and row.problem.code != "zero_length":
        incomparable = row.problem.code == "unlike_clocks"
        return Status.INCOMPARABLE if incomparable else Status.INCONCLUSIVE, row.problem
    difference = row.difference_ns
    if difference is None:
        return Status.INCONCLUSIVE, Reason("no_interval", "no interval could be computed")
    if max(abs(difference.low), abs(difference.high)) <= policy.floor_ns:
        text = f"any difference is within {duration(policy.floor_ns)}"
        return Status.SAME, Reason("within_floor", text)
    if row.ratio is None:
        return Status.INCONCLUSIVE, row.problem or Reason("no_ratio", "there is no ratio")
    return _decide_by_ratio(row, policy)


def exit_code(verdicts: tuple[Verdict, ...], policy: Policy) -> int:
    """Exit code of the verdicts: 0 pass, 1 slower, 3 inconclusive, as `policy.fail_on` allows."""
    statuses = {verdict.status for verdict in verdicts}
    if Status.SLOWER in statuses and "slower" in policy.fail_on:
        return EXIT_SLOWER
    undecided = statuses & {Status.INCONCLUSIVE, Status.INCOMPARABLE}
    return EXIT_INCONCLUSIVE if undecided and "inconclusive" in policy.fail_on else EXIT_PASS


def _decide_by_ratio(row: StageComparison, policy: Policy) -> tuple[Status, Reason]:
    ratio, difference = row.ratio, row.difference_ns
    if ratio is None or difference is None:
        raise ValueError("a decision by ratio needs both intervals")
    top, bottom = 1 + policy.threshold_ratio, 1 / (1 + policy.threshold_ratio)
    interval = times(ratio.low, ratio.high)
    band = percent(policy.threshold_ratio)
    if ratio.low > top and difference.low > policy.floor_ns:
        if min(row.launch_ratios) <= 1:
            return _disagreement(row)
        return Status.SLOWER, Reason("above_threshold", f"ratio {interval}, above +{band}")
    if ratio.high < bottom and difference.high < -policy.floor_ns:
        if max(row.launch_ratios) >= 1:
            return _disagreement(row)
        return Status.FASTER, Reason("below_threshold", f"ratio {interval}, below -{band}")
    if bottom <= ratio.low and ratio.high <= top:
        return Status.SAME, Reason("within_threshold", f"ratio {interval}, within {band}")
    text = f"ratio {interval}: neither within {times(bottom, top)} nor clear of it"
    return Status.INCONCLUSIVE, Reason("wide_interval", text)


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


def precise(run: Run, policy: Policy) -> bool:
    """Whether every interval is narrow enough to stop measuring.

    Narrow means a half-width of at most a quarter of the threshold, or half the floor. It looks at
    the widths and not at the verdicts, so that stopping does not favour a verdict (fixed-width
    intervals: Chow and Robbins, Ann. Math. Stat. 36 (1965) 457-462).
    """
    if not run.is_comparison:
        rows = comparing.profile(run, policy).stages
        return all(_narrow_median(summary.median_ns, policy) for _, _, summary in rows)
    return all(_narrow(row, policy) for row in comparing.compare(run, policy).stages)


def _narrow(row: StageComparison, policy: Policy) -> bool:
    difference, ratio = row.difference_ns, row.ratio
    if difference is not None and difference.high - difference.low <= policy.floor_ns:
        return True
    if ratio is None:
        return False
    return math.log(ratio.high / ratio.low) <= _narrow_width(policy)


def _narrow_median(median: Estimate, policy: Policy) -> bool:
    width_ns = median.high - median.low
    enough = median.confidence >= policy.confidence
    return enough and width_ns <= max(policy.floor_ns, _narrow_width(policy) * median.value)


def _narrow_width(policy: Policy) -> float:
    return math.log1p(policy.threshold_ratio) / 2
