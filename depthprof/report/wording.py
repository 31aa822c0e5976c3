"""The words all reports share, so that terminal, Markdown and HTML say the same."""

from depthprof.records import (
    TOTAL,
    WARM_UP_TURN,
    Decision,
    Failure,
    Memory,
    Result,
    Run,
    Side,
    SkippedSamples,
    StageComparison,
    StageSummary,
    Status,
    TimerView,
    Verdict,
    workload_differences,
)
from depthprof.report import calibrated
from depthprof.report.active import activity_lines
from depthprof.report.pictured import picture_lines
from depthprof.units import binary_size, duration, percent, times

DEVICE_MARK = "*"
DEVICE_LEGEND = (
    "* by the device's clock; the other rows by the host's. The two are never added, so the shares"
    " of * rows overlap those of sync."
)
FEW_PAIRS = 12
"""Pairs of the first look, enough for a verdict at the default confidence."""

NEIGHBOURS_WORTH_RATIO = 0.05
"""Neighbours that use less of the CPU than this are not worth a sentence."""

BLAME_WORTH_NS = 10_000
"""A wait shorter than this is not worth a sentence about timers."""

ENDS = {
    "budget": "the budget was used up",
    "decided": "every stage was decided, or the case was clear",
    "scattered": "the launches differ so much that more turns would decide no more",
    "precise": "every interval was narrow enough",
    "interrupted": "Ctrl-C was pressed",
    "failed": "a side failed",
}


def title(run: Run) -> str:
    """What was measured: "v1 against v2" or "v1"."""
    if not run.is_comparison:
        return f"profile of {run.sides[0].label}"
    return f"{run.sides[1].label} against {run.sides[0].label}"


def headings(run: Run, width: int = 12) -> tuple[str, ...]:
    """Labels of the sides, cut for the head of a narrow column; never alike."""
    short = [_shortened(side.label, width) for side in run.sides]
    if len(set(short)) < len(short):
        short = [side.name for side in run.sides]
    return tuple(short)


def legend_labels(run: Run) -> tuple[str, ...]:
    """Labels for a figure's legend, which leaves out what begins with an underscore."""
    return tuple(f" {label}" if label[:1] == "_" else label for label in headings(run, 30))


def _shortened(label: str, width: int) -> str:
    """Leave out the path of a user's pipeline, then cut from the left."""
    if len(label) > width:
        variant, at, options = label.partition("@")
        label = variant.rpartition(":")[2] + at + options
    return label if len(label) <= width else f"...{label[3 - width :]}"


def facts(judged: Result) -> list[tuple[str, str]]:
    """The conditions of the run as pairs of a word and a text, one line each."""
    run = judged.run
    side = run.sides[0]
    lines = [("workload", describe_workload(side))]
    if run.is_comparison:
        differing = workload_differences(side.workload, run.sides[1].workload)
        if differing:
            lines.append((f"of {run.sides[1].label}", describe_differences(run, differing)))
    lines.append(("device", ", ".join(dict.fromkeys(_device(one) for one in run.sides))))
    lines += [("weights", text) for text in dict.fromkeys(_weights(run))]
    lines += picture_lines(run)
    lines.append(("measured", _measured(run)))
    lines += activity_lines(run, judged.measured.activity, headings(run))
    lines += [("memory", text) for text in memory(run)]
    lines += [("note", note) for note in dict.fromkeys(n for one in run.sides for n in one.notes)]
    return lines


def memory(run: Run) -> list[str]:
    """One line: what an iteration of each side held at most; none where nobody looked.

    On a GPU what torch allocated and reserved there, then what the process had resident.
    """
    texts = []
    for side in run.sides:
        peaks = side.observed.memory if side.observed else Memory(None, None)
        parts = [
            f"{binary_size(size_bytes)}{where}"
            for size_bytes, where in (
                (peaks.device_allocated_bytes, " allocated"),
                (peaks.device_reserved_bytes, " reserved on the GPU"),
                (peaks.host_peak_bytes, " on the host"),
            )
            if size_bytes is not None
        ]
        if parts:
            texts.append(f"{side.label} {', '.join(parts)}")
    return [f"at most {'; '.join(texts)}"] if texts else []


def describe_workload(side: Side) -> str:
    """One line: model, network input, batch, dtype, attention, product."""
    work = side.workload
    inputs = ", ".join(f"{shape[-1]}x{shape[-2]}" for shape in side.input_shapes)
    metric = "" if work.max_depth is None else f", max-depth {work.max_depth:g} m"
    return (
        f"model {work.model}, network input {inputs} (w x h), batch {work.batch}, {work.dtype},"
        f" attention {work.attention}, product {work.product}{metric}"
    )


def describe_differences(run: Run, names: tuple[str, ...]) -> str:
    """One line: the fields in which side b's workload differs, as "batch 8 (not 1)"."""
    first, second = (side.workload for side in run.sides)
    return ", ".join(
        f"{name.replace('_', '-')} {getattr(second, name)} (not {getattr(first, name)})"
        for name in names
    )


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
    """The one sentence under the table: the judgement's, or where a profile's time goes."""
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
    """Why stages are undecided, a line for each reason, and what would decide them."""
    if judged.comparison is None or judged.judgement is None:
        return []
    stages: dict[str, list[str]] = {}
    for verdict in judged.judgement.verdicts:
        if verdict.status in (Status.INCONCLUSIVE, Status.INCOMPARABLE):
            why = _without_interval(judged.comparison.stage(verdict.stage), verdict)
            stages.setdefault(why, []).append(verdict.stage)
    lines = [f"{', '.join(names)}: {text}" for text, names in stages.items()]
    return [f"undecided, {line}" for line in lines]


def _without_interval(row: StageComparison, verdict: Verdict) -> str:
    """The reason without the ratio's interval, which the table shows: like reasons are alike."""
    if row.ratio is None:
        return verdict.reason.text
    return verdict.reason.text.removeprefix(f"ratio {times(row.ratio.low, row.ratio.high)}: ")


def followers(judgement: Decision) -> list[str]:
    """The other slower stages, where there are any."""
    return [f"also slower: {', '.join(judgement.followers)}"] if judgement.followers else []


def left_out(skipped: SkippedSamples, what: str = "judgement") -> list[str]:
    """How many samples were left out of what and by which rule, where there are any."""
    if not skipped.count:
        return []
    rules = ", ".join(f"{count} ({rule})" for rule, count in skipped.by_rule.items())
    return [f"left out of the {what}: {rules}"]


def larger_budget(judged: Result) -> list[str]:
    """How long enough pairs would take at the pace of this run, where there are too few."""
    rows = judged.comparison.stages if judged.comparison else ()
    few = next((r for r in rows if r.problem and r.problem.code == "too_few_pairs"), None)
    if few is None or few.ratio or judged.run.ended != "budget" or not few.pairs:
        return []
    needed_s = 1.5 * judged.run.budget_s * FEW_PAIRS / few.pairs
    return [f"at this pace --budget {needed_s:.0f} would give enough pairs"]


def remarks(judged: Result) -> list[str]:
    """What else a reader must know: followers, timers, left-out samples, failures."""
    lines = [f"FAILED {describe_failure(judged.run, item)}" for item in judged.run.failures]
    if judged.judgement:
        lines += followers(judged.judgement)
    lines += unsure(judged)
    lines += larger_budget(judged)
    lines += timer_sentences(judged)
    what = "judgement" if judged.comparison else "figures"
    lines += left_out(judged.measured.skipped, what)
    if judged.measured.per == "picture":
        lines.append("the batches differ, so every figure is per picture")
    if judged.run.is_comparison and not judged.run.shared:
        lines.append(
            "each side had a worker of its own: differences between processes widen the intervals"
        )
    lines += conditions(judged)
    if judged.run.ended == "interrupted":
        lines.append("interrupted: these are the figures up to then")
    return lines


def conditions(judged: Result) -> list[str]:
    """What the machine did, and what it is known to be able to tell apart."""
    lines = []
    by_cpu = [stage for stage, clock in judged.measured.clocks.items() if clock == "cpu"]
    if by_cpu:
        lines.append(
            f"{', '.join(by_cpu)}: {'judged' if judged.comparison else 'timed'} by CPU time,"
            " because other processes preempted too many samples"
        )
    neighbours = judged.comparison.neighbours_ratio if judged.comparison else None
    if neighbours is not None and neighbours >= NEIGHBOURS_WORTH_RATIO:
        lines.append(f"other processes used {percent(neighbours)} of the CPU meanwhile")
    known = judged.policy.calibration
    if known is not None and judged.comparison is not None:
        lines.append(f"calibrated on {known.created[:10]}: {calibrated.sentence(known)}")
    return lines


def timer_sentences(judged: Result) -> list[str]:
    """What a host timer without a sync stage would have blamed, where it would have."""
    return [
        f"{side.label}: {timer_sentence(view)}"
        for side, view in zip(judged.run.sides, judged.measured.timers, strict=True)
        if view.wait_ns >= BLAME_WORTH_NS
    ]


def timer_sentence(view: TimerView) -> str:
    """One sentence on the naive timer: what it blames d2h for, and whose time it really is."""
    owners = ", ".join(f"{duration(ns)} are {stage}" for stage, ns in view.owners_ns.items())
    owed = f" ({owners})" if owners else ""
    return (
        f"a host timer without sync blames d2h for {duration(view.blamed_ns)};"
        f" {duration(view.wait_ns)} of them are waiting{owed}"
    )


def describe_failure(run: Run, failure: Failure) -> str:
    """One line: which side, in which launch, and what happened."""
    label = next((side.label for side in run.sides if side.name == failure.side), None)
    where = f"{label}, " if label else ""
    return f"{where}launch {failure.launch + 1}: {failure.text}"


def _device(side: Side) -> str:
    threads = f", {side.threads} threads" if side.threads != 1 else ", 1 thread"
    return f"{side.device_name} ({side.device}{threads})"


def _weights(run: Run) -> list[str]:
    texts = []
    for side in run.sides:
        weights = side.weights
        if weights is None:
            texts.append(f"{side.label}: its own")
        elif weights.sha256 is None:
            texts.append(f"random, seed {weights.seed} (speed does not depend on their values)")
        else:
            texts.append(f"{side.label}: {weights.source}, sha256 {weights.sha256[:12]}")
    return texts


def _measured(run: Run) -> str:
    judged = int((run.samples.turn != WARM_UP_TURN).sum())
    turns = sum(launch.turns for launch in run.launches)
    return (
        f"{judged} iterations in {turns} turns over {len(run.launches)}"
        f" {'launch' if len(run.launches) == 1 else 'launches'},"
        f" {run.elapsed_s:.0f} s; ended because {ENDS.get(run.ended, run.ended)}"
    )
