"""From a run to a comparison: stage by stage, with intervals. Decides nothing."""

import math
from collections.abc import Sequence

import numpy as np

from depthprof.comparison.pairing import Floats, Integers, Pairs, pair_blocks
from depthprof.comparison.summaries import clock_of, summaries
from depthprof.comparison.timer_view import timer_view
from depthprof.records import (
    TOTAL,
    Comparison,
    Estimate,
    Policy,
    Profile,
    Reason,
    Run,
    SkippedSamples,
    StageComparison,
    StageSummary,
)
from depthprof.stats import batched, fewest_pairs, hodges_lehmann, shared_confidence


def compare(run: Run, policy: Policy) -> Comparison:
    """Compare the two sides of a run stage by stage.

    The intervals of all ratios hold at once with `policy.confidence` (Bonferroni over the stages
    and the total). Where the sides have unlike batches every figure is per picture.

    Raises:
        ValueError: the run has one side only.
    """
    if not run.is_comparison:
        raise ValueError("a comparison needs a run of two sides")
    names = (*run.samples.stages, TOTAL)
    confidence = shared_confidence(policy.confidence, len(names))
    batches = _divisors(run)
    sides = [summaries(run, side, confidence, batches[side]) for side in (0, 1)]
    pairs = pair_blocks(run)
    return Comparison(
        stages=tuple(
            _stage(name, (a, b), _spans(pairs, column, clock_of(name, (a, b)), batches), confidence)
            for column, (name, a, b) in enumerate(zip(names, *sides, strict=True))
        ),
        timers=tuple(timer_view(run, side) for side in (0, 1)),
        skipped=_skipped(pairs),
        per="iteration" if batches == (1, 1) else "picture",
        confidence=policy.confidence,
    )


def profile(run: Run, policy: Policy) -> Profile:
    """Summarise the one side of a run stage by stage, the total last."""
    names = (*run.samples.stages, TOTAL)
    side = summaries(run, 0, shared_confidence(policy.confidence, len(names)))
    return Profile(
        stages=tuple(
            (name, clock_of(name, (summary,)), summary)
            for name, summary in zip(names, side, strict=True)
        ),
        timers=(timer_view(run, 0),),
        skipped=SkippedSamples(0, {}),
    )


class _Spans:
    """One stage's pairs by the clock it is judged by: float64 [2, pairs] and their launches."""

    def __init__(self, ns: Floats, launch: Integers) -> None:
        self.ns = ns
        self.launch = launch

    def log_ratios(self) -> Floats | None:
        """Log of candidate / baseline, pair by pair; None where a block took no time at all."""
        if not (self.ns > 0).all():
            return None
        return np.asarray(np.log(self.ns[1] / self.ns[0]))

    def differences_ns(self) -> Floats:
        """Candidate - baseline, pair by pair."""
        return np.asarray(self.ns[1] - self.ns[0])


def _divisors(run: Run) -> tuple[int, ...]:
    batches = tuple(side.workload.batch for side in run.sides)
    return (1, 1) if batches[0] == batches[1] else batches


def _spans(pairs: Pairs, column: int, clock: str, batches: Sequence[int]) -> _Spans:
    spans_ns = pairs.device_ns if clock == "device" else pairs.host_ns
    return _Spans(spans_ns[:, :, column] / np.asarray(batches)[:, None], pairs.launch)


def _stage(
    name: str, sides: tuple[StageSummary, StageSummary], spans: _Spans, confidence: float
) -> StageComparison:
    clock = clock_of(name, sides)
    ratio = difference = None
    problem = _problem(clock, spans, confidence)
    if problem is None or problem.code == "zero_length":
        difference = _centre(spans.differences_ns(), spans.launch, confidence)
    logs = spans.log_ratios()
    if problem is None and logs is not None:
        ratio = _exponential(_centre(logs, spans.launch, confidence))
    return StageComparison(
        stage=name,
        clock=clock,
        baseline=sides[0],
        candidate=sides[1],
        ratio=ratio,
        difference_ns=difference,
        launch_ratios=() if clock == "unlike" or logs is None else _by_launch(logs, spans.launch),
        pairs=spans.ns.shape[1],
        problem=problem,
    )


def _problem(clock: str, spans: _Spans, confidence: float) -> Reason | None:
    """Say why these data could never decide; None where they may."""
    pairs, needed = spans.ns.shape[1], fewest_pairs(confidence)
    if clock == "unlike":
        text = "one side is timed by its device's clock, the other has none"
        return Reason("unlike_clocks", text)
    if pairs < needed:
        text = f"{pairs} pairs were measured; fewer than {needed} can decide nothing"
        return Reason("too_few_pairs", text)
    if not (spans.ns > 0).all():
        return Reason("zero_length", "a block took no time the clock could see: there is no ratio")
    return None


def _centre(values: Floats, launch: Integers, confidence: float) -> Estimate | None:
    return hodges_lehmann(batched(values, launch), confidence)


def _exponential(estimate: Estimate | None) -> Estimate | None:
    if estimate is None:
        return None
    value, low, high = (math.exp(x) for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.confidence)


def _by_launch(logs: Floats, launch: Integers) -> tuple[float, ...]:
    return tuple(math.exp(np.median(logs[launch == one])) for one in np.unique(launch))


def _skipped(pairs: Pairs) -> SkippedSamples:
    by_rule = {"block without its partner": pairs.unpaired_samples}
    counted = {rule: count for rule, count in by_rule.items() if count}
    return SkippedSamples(sum(counted.values()), counted)
