"""One sentence that says what a comparison came to: the culprit and what it explains."""

from depthprof.records import TOTAL, Comparison, Policy, Run, StageComparison, Status, Verdict
from depthprof.units import duration, percent, signed_duration, times

MORE_THAN_ALL = 1.005
"""From this share of the whole's difference on, the rest of the stages made up for some of it."""


REMEDY = "a larger --budget or a quieter machine"
"""What may decide what is undecided."""

MORE_PROCESSES = "--processes 10, or measure both sides in one process"
"""What may decide where there were too few separate processes."""


def remedy_of(comparison: Comparison) -> str:
    """What may decide what a comparison leaves undecided."""
    problems = [row.problem for row in comparison.stages if row.problem is not None]
    few = any(problem.code == "too_few_processes" for problem in problems)
    return MORE_PROCESSES if few else REMEDY


def sentence(
    comparison: Comparison,
    verdicts: tuple[Verdict, ...],
    culprit: str | None,
    explained_ratio: float | None,
    policy: Policy,
    labels: tuple[str, str],
    remedy: str = REMEDY,
) -> str:
    """Say in one sentence what was found, for a person in a hurry."""
    status = {verdict.stage: verdict.status for verdict in verdicts}
    if culprit is not None:
        return _blame(comparison, culprit, explained_ratio, status[TOTAL], labels)
    undecided = [v.stage for v in verdicts if v.status is Status.INCONCLUSIVE]
    if status[TOTAL] is Status.SLOWER:
        row = comparison.stage(TOTAL)
        return (
            f"{labels[1]} is slower as a whole ({_change(row)}), but no single stage is"
            f" told apart; give {remedy}."
        )
    if TOTAL in undecided:
        return _undecided(verdicts, undecided, labels, remedy)
    rest = f"; not decided: {', '.join(undecided)}." if undecided else "."
    return _no_slower(comparison, verdicts, policy, labels) + rest


def failure_sentence(run: Run) -> str:
    """Say in one sentence which side failed; what was measured before it stays."""
    failure = run.failures[0]
    label = next((side.label for side in run.sides if side.name == failure.side), "a worker")
    where = f" in the stage {failure.stage}" if failure.stage else ""
    return f"{label} failed{where}: the figures are what was measured before."


def _blame(
    comparison: Comparison,
    culprit: str,
    explained_ratio: float | None,
    whole: Status,
    labels: tuple[str, str],
) -> str:
    row = comparison.stage(culprit)
    start = (
        f"{culprit} is slower in {labels[1]}: {duration(row.candidate.median_ns.value)} against"
        f" {duration(row.baseline.median_ns.value)} ({_change(row)})"
    )
    if explained_ratio is not None and explained_ratio > MORE_THAN_ALL:
        return f"{start}, more than {_whole(comparison)}, because other stages are faster."
    if explained_ratio is not None:
        return f"{start}, which explains {percent(explained_ratio)} of {_whole(comparison)}."
    total = comparison.stage(TOTAL)
    share = percent(row.candidate.share_ratio or 0.0)
    if whole is Status.SAME:
        return f"{start}; at {share} of the {comparison.per} it leaves {_same(total)}."
    if whole is Status.FASTER:
        return f"{start}, yet the whole is faster ({_change(total)})."
    return (
        f"{start}; the whole's difference ({_interval_ns(total)}) is too uncertain to say how much"
        " of it that explains."
    )


def _whole(comparison: Comparison) -> str:
    total = comparison.stage(TOTAL)
    difference = total.difference_ns
    extra = signed_duration(difference.value) if difference else "the difference"
    return f"the whole's {extra} an {comparison.per}".replace("an picture", "a picture")


def _same(total: StageComparison) -> str:
    ratio = total.ratio
    figure = f" (ratio {times(ratio.low, ratio.high)})" if ratio else ""
    return f"the whole the same{figure}"


def _undecided(
    verdicts: tuple[Verdict, ...], stages: list[str], labels: tuple[str, str], remedy: str
) -> str:
    first = next(verdict for verdict in verdicts if verdict.stage == stages[0])
    return (
        f"The data do not decide whether {labels[1]} is slower in {', '.join(stages)}"
        f" ({first.reason.text}); give {remedy}."
    )


def _no_slower(
    comparison: Comparison,
    verdicts: tuple[Verdict, ...],
    policy: Policy,
    labels: tuple[str, str],
) -> str:
    faster = [v.stage for v in verdicts if v.status is Status.FASTER and v.stage != TOTAL]
    if faster:
        best = min((comparison.stage(stage) for stage in faster), key=_difference_ns)
        return f"No stage of {labels[1]} is found slower; {best.stage} is faster ({_change(best)})"
    if any(v.status is Status.FASTER for v in verdicts):
        return f"{labels[1]} is faster as a whole ({_change(comparison.stage(TOTAL))})"
    if any(v.status is Status.INCONCLUSIVE for v in verdicts):
        total = comparison.stage(TOTAL).ratio
        figure = f" (ratio {times(total.low, total.high)})" if total else ""
        return f"As a whole, {labels[1]} is as fast as {labels[0]}{figure}"
    own = "its threshold" if policy.stage_ratios else percent(policy.threshold_ratio)
    limits = f"{own} or {duration(policy.floor_ns)}"
    small = [v.stage for v in verdicts if v.status is Status.NEGLIGIBLE]
    if small:
        what = "every stage that matters"
        return f"{labels[1]} is as fast as {labels[0]} in {what}, within {limits}"
    return f"{labels[1]} is as fast as {labels[0]} in every stage compared, within {limits}"


def _difference_ns(row: StageComparison) -> float:
    return row.difference_ns.value if row.difference_ns else 0.0


def _change(row: StageComparison) -> str:
    """The change in words: "+6.48 ms, x16.4, interval 15.9 - 16.9"."""
    parts = []
    if row.difference_ns:
        parts.append(signed_duration(row.difference_ns.value))
    if row.ratio:
        parts.append(f"x{times(row.ratio.value)}")
        parts.append("interval " + times(row.ratio.low, row.ratio.high))
    return ", ".join(parts)


def _interval_ns(row: StageComparison) -> str:
    if row.difference_ns is None:
        return "unknown"
    return f"{signed_duration(row.difference_ns.low)} to {signed_duration(row.difference_ns.high)}"
