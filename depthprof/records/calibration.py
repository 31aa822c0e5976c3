"""What a machine can tell apart, as `depthprof calibrate` found it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depthprof.records.naming import keep_shown


@dataclass(frozen=True, slots=True)
class StageCalibration:
    """One stage (or "total") of a calibration.

    Attributes:
        stage: its name. clock: the clock that judged it.
        median_ns: its length in nanoseconds.
        pair_sd_ratio: standard deviation of the log ratio of one pair of blocks.
        launch_sd_ratio: standard deviation of the log ratio between launches, beyond what the
            pairs explain.
        noise_ratio: relative difference up to which identical code may seem to differ.
        detectable_ratio: smallest slow-down found with the stated power in the stated budget.
        false_alarms: SLOWER or FASTER verdicts on identical code.
    """

    stage: str
    clock: str
    median_ns: float
    pair_sd_ratio: float
    launch_sd_ratio: float
    noise_ratio: float
    detectable_ratio: float
    false_alarms: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Comparisons of identical code on one machine, summed up.

    Attributes:
        fingerprint: of machine, software and workload; it holds for these alone.
        subject: what was measured, in words. created: when, ISO 8601.
        comparisons: A/A comparisons; placebos: those of them whose sides differ harmlessly.
        budget_s: the budget `detectable_ratio` is stated for.
        power: the probability with which it is found.
        stages: those with enough sound pairs to say anything, the total last.
    """

    fingerprint: str
    subject: str
    created: str
    comparisons: int
    placebos: int
    budget_s: float
    power: float
    stages: tuple[StageCalibration, ...]

    def __post_init__(self) -> None:
        keep_shown(self, "subject")

    def stage(self, name: str) -> StageCalibration | None:
        """Return one stage's, or None where it was not calibrated."""
        return next((stage for stage in self.stages if stage.stage == name), None)


def calibration_from(data: Mapping[str, Any]) -> Calibration:
    """Make a calibration of what `dataclasses.asdict` made of one.

    Raises:
        KeyError, TypeError, ValueError: it is not whole, or a figure in it means nothing.
    """
    stages = tuple(StageCalibration(**stage) for stage in data["stages"])
    known = Calibration(**{**data, "stages": stages})
    for stage in stages:
        if not isinstance(stage.stage, str) or not isinstance(stage.clock, str):
            raise TypeError("a stage of it has no name or clock")
        for name in _STAGE_FIGURES:
            _check(getattr(stage, name), f"{name} of {stage.stage}")
    for name in ("comparisons", "placebos", "budget_s", "power"):
        _check(getattr(known, name), name)
    return known


_STAGE_FIGURES = (
    "median_ns",
    "pair_sd_ratio",
    "launch_sd_ratio",
    "noise_ratio",
    "detectable_ratio",
    "false_alarms",
)


def _check(value: object, name: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:  # type: ignore[operator]
        raise ValueError(f"{name} is {value!r}, but must be a finite number of 0 or more")
