"""What was concluded: estimates with intervals, comparisons by stage, verdicts with reasons."""

import math
import warnings
from dataclasses import dataclass
from enum import StrEnum

from depthprof.errors import BadInput, nearest
from depthprof.records.machine import Calibration

FAIL_ON = ("slower", "inconclusive")
"""What fails a comparison by default: "inconclusive" is an undecided total, or an undecided stage
that could explain a change of it."""

FAILING_WORDS = (*FAIL_ON, "undecided")
"""What `--fail-on` chooses from: "undecided" is any undecided stage."""

NEGLIGIBLE_RATIO = 0.005
"""A stage is negligible if, whatever it does, that is at most this part of the whole."""

CLEARANCE = 1 / 3
"""Part of the threshold (and of the floor) that the whole interval of a change must lie beyond,
while its estimate must reach all of it. So with 3 % a change is called by its name when it is
surely more than 1 % and most likely more than 3 %; whole intervals beyond 3 % would need a change
of 5 % to be known to 2 %."""


class Status(StrEnum):
    """The six verdicts."""

    FASTER = "FASTER"
    SAME = "SAME"
    NEGLIGIBLE = "NEGLIGIBLE"
    SLOWER = "SLOWER"
    INCONCLUSIVE = "INCONCLUSIVE"
    INCOMPARABLE = "INCOMPARABLE"


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as slower, and how sure one must be.

    Attributes:
        threshold_ratio: relative change that matters; 0.03 means the band 1/1.03 to 1.03.
        floor_ns: absolute change that matters, in nanoseconds; a difference must reach both.
        confidence: of the intervals shown, each of its row by itself.
        fail_on: which of FAILING_WORDS give a failing exit code.
        calibration: what this machine was found able to tell apart; what is called slower or faster
            must clear the noise floor too. What is called the same is not measured by it.
        stage_ratios: stages with a threshold of their own, as (stage, ratio).
    """

    threshold_ratio: float = 0.03
    floor_ns: float = 5_000.0
    confidence: float = 0.95
    fail_on: tuple[str, ...] = FAIL_ON
    calibration: Calibration | None = None
    stage_ratios: tuple[tuple[str, float], ...] = ()

    def needed(
        self, stage: str, median_ns: float, noise_ratio: float | None = None
    ) -> tuple[float, float]:
        """What a change's interval must clear (see CLEARANCE) and its estimate reach.

        That is the stage's threshold, the floor, or the machine's noise floor, the largest of them.

        Args:
            median_ns: the stage's length in the baseline.
            noise_ratio: the machine's noise floor; None takes the calibration's.
        """
        noise = self.noise_of(stage) if noise_ratio is None else noise_ratio
        floor = self.floor_ns / median_ns if median_ns > 0 else 0.0
        least = max(self.own_threshold_of(stage), floor)
        return max(CLEARANCE * least, noise), max(least, noise)

    def noise_of(self, stage: str) -> float:
        """The machine's noise floor for a stage; 0 where no calibration knows it."""
        known = self.calibration.stage(stage) if self.calibration else None
        return known.noise_ratio if known else 0.0

    def own_threshold_of(self, stage: str) -> float:
        """Relative change that matters in one stage, whatever the machine can tell apart."""
        return dict(self.stage_ratios).get(stage, self.threshold_ratio)

    def __post_init__(self) -> None:
        for ratio in (self.threshold_ratio, *dict(self.stage_ratios).values()):
            if not 0 < ratio < 10:
                raise BadInput(
                    f"threshold is {ratio!r}, but must be above 0 and below 10 (0.03 means 3 %)"
                )
        if not 0 <= self.floor_ns < math.inf:
            raise BadInput(f"floor is {self.floor_ns!r} ns, but must be 0 or more and finite")
        if not 0.5 <= self.confidence < 1:
            raise BadInput(
                f"confidence is {self.confidence!r}, but must be at least 0.5 and below 1"
            )
        for name in self.fail_on:
            if name not in FAILING_WORDS:
                known = nearest(name, (*FAILING_WORDS, "never"))
                raise BadInput(f'unknown --fail-on "{name}"; {known}')


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; `confidence` is the one its interval was made for."""

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is what it is: a code for programs, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One side's figures for one stage: median with interval, quartiles, share of the iteration.

    `share_ratio` is None where the stage is judged by the device's clock, because device and host
    spans are never added. `host_ns` and `device_ns` are the medians by either clock.
    """

    median_ns: Estimate
    quartiles_ns: tuple[float, float]
    share_ratio: float | None
    host_ns: float
    device_ns: float | None


@dataclass(frozen=True, slots=True)
class Grounds:
    """What decides on a stage, apart from the interval that is shown of it.

    Attributes:
        change: the ratio with the interval that a change must clear.
        same: the ratio with the interval that must lie within the threshold; None where the data
            are too few to call anything the same.
        same_ns: the same of the difference, in nanoseconds.
        standard_error: of the log ratio.
        units, unit: how many of what the intervals stand on: "layout", "process", "pair", or "run"
            where runs of two times are compared.
        only_large: so few units that only changes beyond stats.interim.LARGE_RATIO are called so.
    """

    change: Estimate | None = None
    same: Estimate | None = None
    same_ns: Estimate | None = None
    standard_error: float = 0.0
    units: int = 0
    unit: str = "layout"
    only_large: bool = False


@dataclass(frozen=True, slots=True)
class StageComparison:
    """One stage (or "total") on both sides.

    Attributes:
        clock: "host", "device", or "cpu" (CPU time of the measuring thread, where background load
            disturbed most of its wall times): the clock this stage is judged by.
        ratio: candidate / baseline, pair by pair; None where it cannot be computed.
        difference_ns: candidate - baseline, pair by pair; None where it cannot be computed.
        process_ratios: the ratio in each process alone, for a look at their agreement.
        pairs: the number of pairs the intervals stand on.
        grounds: what decides.
        problem: why there is no decision to be had from these data; None if there may be one.
        rejected_ratio: the part of its samples that was rejected, on the side with more of it.
    """

    stage: str
    clock: str
    baseline: StageSummary
    candidate: StageSummary
    ratio: Estimate | None
    difference_ns: Estimate | None
    process_ratios: tuple[float, ...]
    pairs: int
    grounds: Grounds = Grounds()
    problem: Reason | None = None
    rejected_ratio: float = 0.0

    @property
    def launch_ratios(self) -> tuple[float, ...]:
        """Deprecated: `process_ratios`."""
        warnings.warn(
            "StageComparison.launch_ratios is now process_ratios", DeprecationWarning, stacklevel=2
        )
        return self.process_ratios


@dataclass(frozen=True, slots=True)
class TimerView:
    """What a host timer without a sync stage would have said of one side, beside what happened.

    Attributes:
        host_ns: by stage, the median such a timer shows: the wait is inside `d2h`.
        blamed_ns: what it shows for d2h (wait and copy together).
        wait_ns: the part of that which is waiting for the device.
        owners_ns: by stage, whose work that wait really was, the largest first.
    """

    host_ns: dict[str, float]
    blamed_ns: float
    wait_ns: float
    owners_ns: dict[str, float]


@dataclass(frozen=True, slots=True)
class SkippedSamples:
    """Samples left out of the judgement, counted by the rule that left them out."""

    count: int
    by_rule: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides, stage by stage, with intervals; no decision yet.

    Attributes:
        stages: in order, the total last.
        per: "iteration", or "picture" where the two sides have unlike batches.
        confidence: of each interval that is shown.
        analysis: number of this early analysis; 0 at the planned end (stats.interim).
        background_load_ratio: part of the machine's cores that other processes used while
            measuring; None where the system does not report it.
        seconds_per_pair: that measuring took, with what lies between pairs; None if unknown.
    """

    stages: tuple[StageComparison, ...]
    skipped: SkippedSamples
    per: str
    confidence: float
    analysis: int = 0
    background_load_ratio: float | None = None
    seconds_per_pair: float | None = None

    def stage(self, name: str) -> StageComparison:
        """Return the comparison of one stage, or of "total"."""
        return next(row for row in self.stages if row.stage == name)
