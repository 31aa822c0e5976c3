"""The words all reports share, so that terminal, Markdown and HTML say the same."""

from depthprof.records import (
    TOTAL,
    Decision,
    Result,
    SkippedSamples,
    StageComparison,
    StageSummary,
    Status,
    TimerView,
    Verdict,
)
from depthprof.report.conditions import describe_failure
from depthprof.report.tables import calibration_sentence
from depthprof.units import duration, percent, times
from depthprof.verdict.timer_view import is_asynchronous

DEVICE_MARK = "*"
DEVICE_LEGEND = (
    "* by the device's clock; the other rows by the host's. The two are never added, so the shares"
    " of * rows overlap those of sync."
)
NEEDS = "needs about "
"""How a reason begins that says how many pairs would decide."""

BACKGROUND_WORTH_RATIO = 0.05
"""Other processes that use less of the CPU than this are not worth a sentence."""

BLAME_WORTH_NS = 10_000
"""A wait shorter than this is not worth a sentence about timers."""


def spread(summary: StageSummary) -> str:
    """Half the interquartile range relative to the median: "±2%"."""
    middle = summary.median_ns.value
    low, high = summary.quartiles_ns
    return f"±{(high - low) / 2 / middle:.0%}" if middle else ""


def stage_name(stage: str, clock: str) -> str:
    """Name of a row, marked where the device's clock judges it."""
    return f"{stage}{DEVICE_MARK}" if clock == "device" else stage


def share(stage: str, summary: StageSummary) -> str:
    """Share of the iteration, empty for the whole."""
    if stage == TOTAL or summary.share_ratio is None:
        return ""
    return "<0.1 %" if 0 < summary.share_ratio < 0.001 else percent(summary.share_ratio)


def sentence(judged: Result) -> str:
    """The headline under the table: the decision's, or where a profile's time goes."""
    if judged.judgement is not None:
        return judged.judgement.sentence
    (stages,) = judged.measured.sides
    shares = {name: s for name, s in stages.items() if name != TOTAL and s.share_ratio is not None}
    if not shares:
        return ""
    longest = max(shares, key=lambda name: shares[name].share_ratio or 0.0)
    whole = stages[TOTAL]
    return (
        f"{longest} takes {percent(shares[longest].share_ratio or 0.0)} of an iteration of"
        f" {duration(whole.median_ns.value)}."
    )


def unsure(judged: Result) -> list[str]:
    """Why stages are undecided, in one line what would decide them, in others alike reasons."""
    if judged.comparison is None or judged.judgement is None:
        return []
    stages: dict[str, list[str]] = {}
    needs = []
    for verdict in judged.judgement.verdicts:
        if verdict.status in (Status.INCONCLUSIVE, Status.INCOMPARABLE):
            why = _without_interval(judged.comparison.stage(verdict.stage), verdict)
            if why.startswith(NEEDS):
                needs.append(f"{verdict.stage} {why}")
            else:
                stages.setdefault(why, []).append(verdict.stage)
    lines = [f"undecided: {'; '.join(needs)}"] if needs else []
    return lines + [f"undecided, {', '.join(names)}: {text}" for text, names in stages.items()]


def _without_interval(row: StageComparison, verdict: Verdict) -> str:
    """The reason without the ratio's interval, which the table shows: like reasons are alike."""
    if row.ratio is None:
        return verdict.reason.text
    return verdict.reason.text.removeprefix(f"ratio {times(row.ratio.low, row.ratio.high)}; ")


def followers(judgement: Decision) -> list[str]:
    """The other slower stages, where there are any."""
    return [f"also slower: {', '.join(judgement.followers)}"] if judgement.followers else []


def rejected(skipped: SkippedSamples) -> list[str]:
    """How many samples the quality filter rejected, by its rule, where there are any."""
    if not skipped.count:
        return []
    rules = ", ".join(f"{count} ({rule})" for rule, count in skipped.by_rule.items())
    return [f"rejected samples: {rules}"]


def remarks(judged: Result) -> list[str]:
    """What else a reader must know: followers, timers, rejected samples, failures."""
    lines = [f"FAILED {describe_failure(judged.run, item)}" for item in judged.run.failures]
    if judged.judgement:
        lines += followers(judged.judgement)
    lines += unsure(judged)
    lines += timer_sentences(judged)
    lines += rejected(judged.measured.skipped)
    if judged.measured.per == "picture":
        lines.append("the batches differ, so every figure is per picture")
    if judged.run.is_comparison and not judged.run.shared:
        lines.append(
            "the sides ran in separate processes: differences between processes widen the intervals"
        )
    lines += machine_remarks(judged)
    if judged.run.ended == "interrupted":
        lines.append("interrupted: the figures stand on what was measured until then")
    return lines


def machine_remarks(judged: Result) -> list[str]:
    """Background load, and the noise floor of this machine where it is known."""
    lines = []
    by_cpu = [stage for stage, clock in judged.measured.clocks.items() if clock == "cpu"]
    if by_cpu:
        lines.append(
            f"{', '.join(by_cpu)}: {'compared' if judged.comparison else 'timed'} by CPU time,"
            " because other processes preempted too many samples"
        )
    load = judged.comparison.background_load_ratio if judged.comparison else None
    if judged.measured.activity is None and load is not None and load >= BACKGROUND_WORTH_RATIO:
        lines.append(f"other processes used {percent(load)} of the CPU meanwhile")
    known = judged.policy.calibration
    if known is not None and judged.comparison is not None:
        lines.append(f"calibrated on {known.created[:10]}: {calibration_sentence(known)}")
    return lines


def timer_sentences(judged: Result) -> list[str]:
    """What a host timer without a sync stage would have blamed, where it would have."""
    return [
        f"{side.label}: {timer_sentence(view)}"
        for place, (side, view) in enumerate(
            zip(judged.run.sides, judged.measured.timers, strict=True)
        )
        if view.wait_ns >= BLAME_WORTH_NS and is_asynchronous(judged.run, place)
    ]


def timer_sentence(view: TimerView) -> str:
    """One sentence on the naive timer: what it blames d2h for, and whose time it really is."""
    owners = ", ".join(f"{duration(ns)} are {stage}" for stage, ns in view.owners_ns.items())
    owed = f" ({owners})" if owners else ""
    return (
        f"a host timer without sync blames d2h for {duration(view.blamed_ns)};"
        f" {duration(view.wait_ns)} of them are waiting{owed}"
    )
