"""From a run to a comparison: stage by stage, with intervals. Decides nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthprof.records import (
    Comparison,
    Estimate,
    Policy,
    Reason,
    Run,
    SkippedSamples,
    StageComparison,
    StageSummary,
)
from depthprof.stats.interim import launch_share, look_number
from depthprof.stats.paired import (
    LAYOUT_RATIO,
    batched,
    exponential,
    fewest_pairs,
    fewest_processes,
    hodges_lehmann,
    launch_interval,
    launches_scatter,
    lie_apart,
    look_share,
    shared_confidence,
)
from depthprof.units import percent
from depthprof.verdict.evidence import UNLIKE, Evidence, absent_stage, evidence
from depthprof.verdict.pairing import Pairs, by_launch, pair_blocks
from depthprof.verdict.quality import Flags, Floats, Integers
from depthprof.verdict.summaries import summaries

SHOWN_ALL_THE_SAME = ("spoilt", "too_few_processes")
"""Problems that leave a ratio to be shown, though none to be judged."""


def compare(
    run: Run, policy: Policy, *, known: Evidence | None = None, is_last: bool = True
) -> Comparison:
    """Compare the two sides of a run stage by stage.

    An interval reaches as far as either of two does: the pairs' (signed rank), and the launches'
    (Student), for all pairs of a launch share its memory layout; but no further beyond the pairs'
    than layouts can move a stage at all (stats.LAYOUT_RATIO); sides in separate processes have that
    bound only where all processes of one are beyond all of the other, and fewer than
    `stats.FEWEST_SEPARATE` of them decide nothing. The intervals of all ratios hold at
    once with `policy.confidence`: Bonferroni over the stages and the total. Those of the pairs hold
    at every look there was or could have been, by the share of the error that this look has. The
    launches' layouts are drawn once, so looking again is not quite another look (LAUNCH_LOOKS);
    more launches are, and so those before and those with them have a share each
    (looks.launch_share). Where the sides have unlike batches every figure is per picture.

    Args:
        run: of two sides. policy: its confidence counts.
        known: the run's evidence, where it was gathered before.
        is_last: launches too few to tell their spread leave layouts all the room they can have.
            While a run's launches follow each other the first ones are looked at without, to see
            whether they have been heard enough.

    Raises:
        ValueError: the run has one side only.
    """
    if not run.is_comparison:
        raise ValueError("a comparison needs a run of two sides")
    known = known or evidence(run)
    shared = shared_confidence(policy.confidence, len(known.names))
    batches = _divisors(run)
    sides = [summaries(known, side, shared, batches[side]) for side in (0, 1)]
    pairs = pair_blocks(known)
    look = look_number(len(pairs.launch))
    confidence = 1 - (1 - shared) * look_share(look)
    launches = len(np.unique(pairs.launch))
    by_launches = 1 - (1 - shared) * launch_share(
        launches, shared=run.shared, may_grow=run.may_grow
    )
    return Comparison(
        stages=tuple(
            _stage(
                name,
                (a, b),
                _spans(known, pairs, column, batches),
                (confidence, by_launches),
                _Processes(launches, run.shared, is_last),
            )
            for column, (name, a, b) in enumerate(zip(known.names, *sides, strict=True))
        ),
        skipped=skipped_samples(known, pairs),
        per="iteration" if batches == (1, 1) else "picture",
        confidence=policy.confidence,
        look=look,
        neighbours_ratio=known.sound.neighbours_ratio,
    )


def medians(known: Evidence, policy: Policy) -> tuple[StageSummary, ...]:
    """Summarise the one side of a run stage by stage, the total last.

    The medians' intervals hold at every look there was or could have been, as in `compare`.
    """
    shared = shared_confidence(policy.confidence, len(known.names))
    blocks = len(np.unique(np.stack([known.launch, known.turn]), axis=1).T)
    return summaries(known, 0, 1 - (1 - shared) * look_share(look_number(blocks)))


@dataclass(frozen=True, slots=True)
class _Processes:
    """How many processes (of a side) there are, whether the sides share them, and no more follow.

    `is_last` is False while a run's processes follow each other and more are to come.
    """

    count: int
    shared: bool
    is_last: bool

    @property
    def are_few(self) -> bool:
        """Whether their spread is not known."""
        return self.count < fewest_processes(shared=self.shared)

    def room(self, spans: "_Spans") -> float:
        """By what ratio they may have moved a stage, beyond what its pairs say."""
        if self.are_few and not self.is_last:
            return 1.0
        levels = [by_launch(side, spans.launch) for side in spans.ns]
        bounded = self.shared or self.are_few or lie_apart(*levels)
        return LAYOUT_RATIO if bounded else math.inf

    def problem(self) -> Reason | None:
        """Say that separate processes are too few, where they are."""
        if self.shared or not (self.is_last and self.are_few):
            return None
        count = f"{self.count} process{'' if self.count == 1 else 'es'}"
        text = (
            f"{count} a side cannot tell the code from what a process does to its times; sides in"
            f" separate processes need at least {fewest_processes(shared=False)} each"
        )
        return Reason("too_few_processes", text)


class _Spans:
    """One stage's sound pairs by its clock: float64 [2, pairs], their launches, what was spoilt."""

    def __init__(self, known: Evidence, pairs: Pairs, column: int, ns: Floats) -> None:
        sound: Flags = np.logical_not(np.isnan(ns).any(axis=0))
        self.clock = known.clocks[column]
        self.ns = ns[:, sound]
        self.launch: Integers = pairs.launch[sound]
        self.measured = len(sound)
        self.absent = known.absent(column)
        self.spoilt_ratio = known.sound.spoilt_ratio(column)
        self.mostly_spoilt = known.mostly_spoilt(column)
        self.neighbours_ratio = known.sound.neighbours_ratio

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


def _spans(known: Evidence, pairs: Pairs, column: int, batches: Sequence[int]) -> _Spans:
    per_picture = pairs.judged_ns[:, :, column] / np.asarray(batches)[:, None]
    return _Spans(known, pairs, column, per_picture)


def _stage(
    name: str,
    sides: tuple[StageSummary, StageSummary],
    spans: _Spans,
    confidences: tuple[float, float],
    processes: _Processes,
) -> StageComparison:
    """Compare one stage; the confidences are the pairs' and the launches'."""
    ratio = within = difference = None
    scatters = False
    problem = _problem(name, spans, confidences[0], processes)
    room = processes.room(spans)
    if problem is None or problem.code in ("zero_length", *SHOWN_ALL_THE_SAME):
        differences_ns = spans.differences_ns()
        candidate_ns = float(np.median(spans.ns[1])) if len(differences_ns) else 0.0
        difference = _widened(
            _centre(differences_ns, spans.launch, confidences[0]),
            launch_interval(by_launch(differences_ns, spans.launch), confidences[1]),
            _room_ns(room, candidate_ns),
        )
    logs = spans.log_ratios()
    centres = () if logs is None or spans.clock == UNLIKE else by_launch(logs, spans.launch)
    if logs is not None and (problem is None or problem.code in SHOWN_ALL_THE_SAME):
        pairs = _centre(logs, spans.launch, confidences[0])
        within = exponential(pairs)
        most = math.log(room)
        by_launches = launch_interval(centres, confidences[1])
        ratio = exponential(_widened(pairs, by_launches, (most, most)))
        scatters = problem is None and launches_scatter(logs, spans.launch)
    return StageComparison(
        stage=name,
        clock=spans.clock,
        baseline=sides[0],
        candidate=sides[1],
        ratio=ratio,
        difference_ns=difference,
        launch_ratios=tuple(math.exp(centre) for centre in centres),
        pairs=spans.ns.shape[1],
        problem=problem,
        spoilt_ratio=spans.spoilt_ratio,
        within=within,
        scatters=scatters,
    )


def _room_ns(room: float, candidate_ns: float) -> tuple[float, float]:
    """What a ratio that processes may have is worth, downwards and upwards."""
    if room == math.inf:
        return math.inf, math.inf
    return (1 - 1 / room) * candidate_ns, (room - 1) * candidate_ns


def _problem(name: str, spans: _Spans, confidence: float, processes: _Processes) -> Reason | None:
    """Say why these data could never decide; None where they may."""
    pairs, needed = spans.ns.shape[1], fewest_pairs(confidence)
    if spans.clock == UNLIKE:
        text = "one side is timed by its device's clock, the other has none"
        return Reason("unlike_clocks", text)
    if spans.absent:
        return absent_stage(name)
    if (few := processes.problem()) is not None:
        return few
    if spans.mostly_spoilt:
        return Reason("spoilt", _spoilt_text(spans))
    if pairs < needed:
        left_out = spans.measured - pairs
        text = f"{pairs} pairs were measured; fewer than {needed} can decide nothing"
        if left_out:
            text = (
                f"{pairs} of {spans.measured} pairs are sound; fewer than {needed} decide nothing"
            )
        return Reason("too_few_pairs", text)
    if not (spans.ns > 0).all():
        return Reason("zero_length", "a block took no time the clock could see: there is no ratio")
    return None


def _spoilt_text(spans: _Spans) -> str:
    text = f"{percent(spans.spoilt_ratio)} of a side's samples were spoilt by the machine"
    if spans.neighbours_ratio is None:
        return text
    return f"{text}; other processes used {percent(spans.neighbours_ratio)} of the CPU"


def _centre(values: Floats, launch: Integers, confidence: float) -> Estimate | None:
    return hodges_lehmann(batched(values, launch), confidence)


def _widened(
    pairs: Estimate | None, launches: Estimate | None, most: tuple[float, float]
) -> Estimate | None:
    """The pairs' estimate, its interval as far as either reaches, but by `most` at each end.

    Where the launches' spread is unknown it is taken to be all that layouts can do.
    """
    if pairs is None:
        return None
    low, high = pairs.low - most[0], pairs.high + most[1]
    if launches is not None:
        low, high = max(low, launches.low), min(high, launches.high)
    low, high = min(low, pairs.low), max(high, pairs.high)
    return Estimate(pairs.value, low, high, pairs.confidence)


def skipped_samples(known: Evidence, pairs: Pairs | None = None) -> SkippedSamples:
    """Count the samples that were rejected, by rule, and those whose block has no partner."""
    by_rule = dict(known.sound.by_rule)
    if pairs is not None and pairs.unpaired_samples:
        by_rule["block without its partner"] = pairs.unpaired_samples
    return SkippedSamples(sum(by_rule.values()), by_rule)
