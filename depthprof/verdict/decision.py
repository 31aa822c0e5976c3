"""The verdict: one pure function from a comparison and a policy. Reporters only read it."""

import math
from dataclasses import replace
from statistics import stdev

from depthprof import verdict as comparing
from depthprof.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REFUSED, EXIT_SLOWER
from depthprof.records import (
    TOTAL,
    WARM_UP_TURN,
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
from depthprof.records.judgement import CLEARANCE
from depthprof.stats.interim import MORE_LAUNCHES, Look, launch_share
from depthprof.stats.paired import FEWEST_LAUNCHES, LAYOUT_RATIO, fewest_processes, student_quantile
from depthprof.units import duration, percent, times
from depthprof.verdict.headline import REMEDY, failure_sentence, remedy_of, sentence

CLEAR_RATIO = 1.5
"""From this ratio on a stage that is SLOWER is a clear case."""

SMALL_BESIDE_RATIO = 0.5
"""What is surely below this part of a clear case's difference is not waited for."""


def judge(run: Run, policy: Policy) -> Judged:
    """Judge a run: its comparison and verdicts, or its profile where it has one side."""
    if not run.is_comparison:
        failed = EXIT_REFUSED if run.failures else EXIT_PASS
        return Judged(run, policy, failed, profile=comparing.profile(run, policy))
    comparison = comparing.compare(run, policy)
    labels = (run.sides[0].label, run.sides[1].label)
    judgement = decide(comparison, policy, labels, remedy_of(comparison))
    if run.failures:
        judgement = replace(judgement, sentence=failure_sentence(run), exit_code=EXIT_REFUSED)
    return Judged(run, policy, judgement.exit_code, comparison=comparison, judgement=judgement)


def decide(
    comparison: Comparison,
    policy: Policy,
    labels: tuple[str, str] = ("a", "b"),
    remedy: str = REMEDY,
) -> Judgement:
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
    return Judgement(
        verdicts=verdicts,
        culprit=culprit,
        followers=tuple(slower[1:]),
        explained_ratio=explained,
        sentence=sentence(comparison, verdicts, culprit, explained, policy, labels, remedy),
        exit_code=exit_code(verdicts, policy),
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


def look_at(run: Run, policy: Policy, may_grow: bool = False) -> Look:
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
        rows = comparing.profile(run, policy).stages
        narrow = all(_narrow(summary.median_ns, policy) for _, _, summary in rows)
        return Look.END if narrow else Look.GO_ON
    heard = len({int(launch) for launch in run.samples.launch[run.samples.turn != WARM_UP_TURN]})
    is_last = heard >= fewest_processes(shared=run.shared)
    comparison = comparing.compare(run, policy, is_last=is_last)
    waiting = undecided(comparison, policy)
    scattering = [row for row in waiting if row.scatters]
    more = heard + MORE_LAUNCHES
    error = (1 - comparison.confidence) / len(comparison.stages) * launch_share(more, run.shared)
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
    floor = math.log1p(policy.floor_ns / row.baseline.median_ns.value)
    logs = [math.log(ratio) for ratio in row.launch_ratios]
    width = student_quantile(launches - 1, confidence) * stdev(logs) / math.sqrt(launches)
    centre = abs(math.log(row.ratio.value))
    needed = max(floor, math.log1p(policy.threshold_of(row.stage)))
    clear = max(CLEARANCE * floor, math.log1p(policy.clearance_of(row.stage)))
    beyond = centre - clear if centre > needed else 0.0
    within = max(floor, math.log1p(policy.own_threshold_of(row.stage))) - centre
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
