"""From a run to a comparison: stage by stage, with intervals. Decides nothing."""

import math
from collections.abc import Sequence

import numpy as np

from depthprof.records import (
    Comparison,
    Estimate,
    Grounds,
    Policy,
    Reason,
    Run,
    SkippedSamples,
    StageComparison,
    StageSummary,
)
from depthprof.stats.interim import FEWEST_AT_THE_END, LAST, analysis_number
from depthprof.stats.layouts import UnitMean, unit_mean
from depthprof.stats.paired import exponential
from depthprof.units import percent
from depthprof.verdict.evidence import UNLIKE, Evidence, absent_stage, evidence
from depthprof.verdict.grounds import Rule
from depthprof.verdict.pairing import Pairs, by_launch, pair_blocks, seconds_per_pair
from depthprof.verdict.quality import Flags, Floats, Integers
from depthprof.verdict.summaries import summaries

SHOWN_ALL_THE_SAME = ("spoilt", "too_few_processes", "too_few_layouts")
"""Problems that leave a ratio to be shown, though none to be judged."""


def compare(run: Run, policy: Policy, *, known: Evidence | None = None) -> Comparison:
    """Compare the two sides of a run stage by stage.

    Every row has one estimate, the mean over memory layouts (stats.layouts), and two kinds of
    interval around it: the one that is shown, of this row and with `policy.confidence`; and the
    grounds that decide, whose errors are shared out among the analyses (stats.interim). Processes
    are the units where they differ more than layouts do, and where the sides are in separate ones.
    Where the sides have unlike batches every figure is per picture.

    Args:
        run: of two sides. policy: its confidence counts.
        known: the run's evidence, where it was gathered before.

    Raises:
        ValueError: the run has one side only.
    """
    if not run.is_comparison:
        raise ValueError("a comparison needs a run of two sides")
    known = known or evidence(run)
    batches = _divisors(run)
    sides = [summaries(known, side, policy.confidence, batches[side]) for side in (0, 1)]
    pairs = pair_blocks(known)
    segments = len(np.unique(pairs.segment))
    rule = Rule(
        policy.confidence,
        analysis=LAST if run.ended_as_planned else analysis_number(segments),
        processes=len(np.unique(pairs.launch)),
        shared=run.shared,
    )
    return Comparison(
        stages=tuple(
            _stage(name, (a, b), _spans(known, pairs, column, batches), rule)
            for column, (name, a, b) in enumerate(zip(known.names, *sides, strict=True))
        ),
        skipped=skipped_samples(known, pairs),
        per="iteration" if batches == (1, 1) else "picture",
        confidence=policy.confidence,
        analysis=rule.analysis,
        background_load_ratio=known.sound.background_load_ratio,
        seconds_per_pair=seconds_per_pair(run),
    )


def medians(known: Evidence, policy: Policy) -> tuple[StageSummary, ...]:
    """Summarise the one side of a run stage by stage, the total last."""
    return summaries(known, 0, policy.confidence)


class _Spans:
    """One stage's sound pairs by its clock: float64 [2, pairs], where they were taken."""

    def __init__(self, known: Evidence, pairs: Pairs, column: int, ns: Floats) -> None:
        sound: Flags = np.logical_not(np.isnan(ns).any(axis=0))
        self.clock = known.clocks[column]
        self.ns = ns[:, sound]
        self.launch: Integers = pairs.launch[sound]
        self.layout: Integers = pairs.layout[sound]
        self.measured = len(sound)
        self.absent = known.absent(column)
        self.rejected_ratio = known.sound.rejected_ratio(column)
        self.mostly_rejected = known.mostly_rejected(column)
        self.background_load_ratio = known.sound.background_load_ratio

    def log_ratios(self) -> Floats | None:
        """Log of candidate / baseline, pair by pair; None where a block took no time at all."""
        if not (self.ns > 0).all() or self.clock == UNLIKE:
            return None
        return np.asarray(np.log(self.ns[1] / self.ns[0]))

    def mean(self, values: Floats | None, rule: Rule) -> UnitMean | None:
        """Mean of one value a pair over layouts or processes."""
        if values is None:
            return None
        return unit_mean(values, self.layout, self.launch, by_process=not rule.shared)


def _divisors(run: Run) -> tuple[int, ...]:
    batches = tuple(side.workload.batch for side in run.sides)
    return (1, 1) if batches[0] == batches[1] else batches


def _spans(known: Evidence, pairs: Pairs, column: int, batches: Sequence[int]) -> _Spans:
    per_picture = pairs.judged_ns[:, :, column] / np.asarray(batches)[:, None]
    return _Spans(known, pairs, column, per_picture)


def _stage(
    name: str, sides: tuple[StageSummary, StageSummary], spans: _Spans, rule: Rule
) -> StageComparison:
    logs = spans.log_ratios()
    differences_ns = spans.ns[1] - spans.ns[0]
    ratio, difference = spans.mean(logs, rule), spans.mean(differences_ns, rule)
    grounds = rule.grounds(ratio, difference)
    problem = _problem(name, spans, rule)
    is_shown = problem is None or problem.code in SHOWN_ALL_THE_SAME
    if not is_shown:
        ratio = None
        if problem is not None and problem.code != "zero_length":
            difference = None
    centres = () if logs is None else by_launch(logs, spans.launch)
    return StageComparison(
        stage=name,
        clock=spans.clock,
        baseline=sides[0],
        candidate=sides[1],
        ratio=exponential(_shown(ratio, rule)),
        difference_ns=_shown(difference, rule),
        process_ratios=tuple(math.exp(one) for one in centres),
        pairs=spans.ns.shape[1],
        grounds=grounds if problem is None or problem.code == "zero_length" else Grounds(),
        problem=problem,
        rejected_ratio=spans.rejected_ratio,
    )


def _shown(mean: UnitMean | None, rule: Rule) -> Estimate | None:
    return None if mean is None else mean.interval(rule.confidence)


def _problem(name: str, spans: _Spans, rule: Rule) -> Reason | None:
    """Say why these data could never decide; None where they may."""
    pairs = spans.ns.shape[1]
    if spans.clock == UNLIKE:
        text = "one side is timed by its device's clock, the other has none"
        return Reason("unlike_clocks", text)
    if spans.absent:
        return absent_stage(name)
    if (few := rule.problem()) is not None:
        return few
    if spans.mostly_rejected:
        return Reason("spoilt", _rejected_text(spans))
    if pairs < FEWEST_AT_THE_END:
        text = f"{pairs} pairs were measured; fewer than {FEWEST_AT_THE_END} can decide nothing"
        if spans.measured > pairs:
            text = (
                f"{pairs} of {spans.measured} pairs are sound; fewer than {FEWEST_AT_THE_END}"
                " decide nothing"
            )
        return Reason("too_few_pairs", text)
    count = len(np.unique(spans.layout if rule.shared else spans.launch))
    if count < FEWEST_AT_THE_END:
        unit = "memory layout" if rule.shared else "process"
        plural = "" if count == 1 else "s" if rule.shared else "es"
        text = (
            f"{count} {unit}{plural} cannot tell the code from what a {unit} does to its times;"
            f" at least {FEWEST_AT_THE_END} can"
        )
        return Reason("too_few_layouts", text)
    if not (spans.ns > 0).all():
        return Reason("zero_length", "a block took no time the clock could see: there is no ratio")
    return None


def _rejected_text(spans: _Spans) -> str:
    text = f"{percent(spans.rejected_ratio)} of a side's samples were rejected"
    if spans.background_load_ratio is None:
        return text
    return f"{text}; other processes used {percent(spans.background_load_ratio)} of the CPU"


def skipped_samples(known: Evidence, pairs: Pairs | None = None) -> SkippedSamples:
    """Count the samples that were rejected, by rule, and those whose block has no partner."""
    by_rule = dict(known.sound.by_rule)
    if pairs is not None and pairs.unpaired_samples:
        by_rule["block without its partner"] = pairs.unpaired_samples
    return SkippedSamples(sum(by_rule.values()), by_rule)
