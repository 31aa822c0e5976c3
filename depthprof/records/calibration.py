"""What a machine can tell apart, as `depthprof calibrate` found it."""

from dataclasses import dataclass

from depthprof.units import keep_shown


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
