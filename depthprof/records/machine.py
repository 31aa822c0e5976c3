"""What a machine can do at best, and what it can tell apart, measured once and kept."""

from dataclasses import dataclass

from depthprof.units import keep_shown


@dataclass(frozen=True, slots=True)
class StageCalibration:
    """One stage (or "total") of a calibration.

    Attributes:
        stage: its name. clock: the clock that judged it.
        median_ns: its length in nanoseconds.
        pair_sd_ratio: standard deviation of the log ratio of one pair of blocks.
        launch_sd_ratio: standard deviation of the log ratio between processes, beyond what the
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
        stages: those with enough undisturbed pairs for a figure, the total last.
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


METHOD = 2
"""How peak rates are found; a part of the fingerprint, so that another method measures again.

1 took the device rates of one kernel each; 2 takes the best of several, beside theoretical rates.
"""


@dataclass(frozen=True, slots=True)
class CopyRate:
    """Best rate of one copy. `direction` is "h2d" or "d2h", `memory` "pageable" or "pinned"."""

    direction: str
    memory: str
    size_bytes: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class MatrixRate:
    """Best rate of a large matrix product in one dtype ("fp32", "tf32", "fp16", "bf16").

    "fp32" is without TF32, as torch multiplies by default; "tf32" is float32 with TF32 allowed.
    `kernel` is what reached it, empty in limits of an earlier depthprof.
    """

    dtype: str
    flops_per_s: float
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class MemoryRate:
    """Best rate of memory for a pass over `size_bytes` (read and written), and what reached it.

    `where` is "device", or "host" for the host's memory with up to torch's threads.
    """

    where: str
    size_bytes: int
    bytes_per_s: float
    kernel: str


@dataclass(frozen=True, slots=True)
class TheoreticalRate:
    """What the hardware's units do at their highest clock, in operations or bytes a second.

    `what` is a dtype of the matrix product or "memory"; `basis` is how it was computed, in words.
    """

    what: str
    per_s: float
    basis: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Peak rates of a machine and of one of its devices.

    Attributes:
        fingerprint: of machine, device, threads and versions; they hold for it alone.
        created: when, as ISO 8601.
        device: resolved device; device_name, cpu: of the hardware; threads: torch's on the CPU.
        copies: of the link, empty on a CPU, where nothing is copied between devices.
        matrix: of the device, the best kernel of each dtype.
        memory_bytes_per_s: of the device's memory, read and written bytes together.
        launch_ns: host time of launching one small kernel on the device.
        host_copy_bytes_per_s: of one core copying within the host's memory (read + written).
        core_bytes_per_s: of one core's simplest arithmetic over a large array (read + written).
        kernels: all that were tried for `matrix`. memory: of device and host by size, through the
            caches too. theoretical: of the device. All empty in limits of an earlier depthprof.
    """

    fingerprint: str
    created: str
    device: str
    device_name: str
    cpu: str
    threads: int
    copies: tuple[CopyRate, ...]
    matrix: tuple[MatrixRate, ...]
    memory_bytes_per_s: float
    launch_ns: float
    host_copy_bytes_per_s: float
    core_bytes_per_s: float
    kernels: tuple[MatrixRate, ...] = ()
    memory: tuple[MemoryRate, ...] = ()
    theoretical: tuple[TheoreticalRate, ...] = ()

    def flops_per_s(self, dtype: str) -> float | None:
        """Best measured matrix rate of a dtype, None where it was not measured."""
        return next((rate.flops_per_s for rate in self.matrix if rate.dtype == dtype), None)

    def theoretical_per_s(self, what: str) -> float | None:
        """Theoretical rate of a dtype or of "memory", None where it is not known."""
        return next((rate.per_s for rate in self.theoretical if rate.what == what), None)

    def bound_flops_per_s(self, dtype: str) -> float | None:
        """The matrix rate that nothing beats: the theoretical one, or more if that was measured.

        Where no theoretical rate is known it is the best measured one. Half precision may be
        multiplied as float32, which is the faster where no unit takes it as it is.
        """
        rates = [self.theoretical_per_s(dtype), self.flops_per_s(dtype)]
        known = [rate for rate in rates if rate is not None]
        if known and dtype in ("fp16", "bf16"):
            known.append(self.bound_flops_per_s("fp32") or 0.0)
        return max(known, default=None)

    def bound_bytes_per_s(self, where: str, size_bytes: float) -> float:
        """The memory rate that nothing beats in a pass over `size_bytes` (read and written).

        A smaller pass may lie in a faster cache: the best of all sizes from the largest measured
        one up that is no larger than this, and the theoretical rate of the memory.

        Args:
            where: "device" or "host".
        """
        measured_at = "host" if self.device == "cpu" else where  # a CPU's memory is the host's
        known = [rate for rate in self.memory if rate.where == measured_at]
        if not known:  # limits of an earlier depthprof
            return self.memory_bytes_per_s if where == "device" else self.host_copy_bytes_per_s
        below = [rate.size_bytes for rate in known if rate.size_bytes <= size_bytes]
        least = max(below, default=0)
        theory = self.theoretical_per_s("memory") if where == "device" else None
        measured = max(rate.bytes_per_s for rate in known if rate.size_bytes >= least)
        return max(measured, theory or 0.0)


@dataclass(frozen=True, slots=True)
class StageFloor:
    """The hardware bound of a stage, the least time it could take on this machine.

    Attributes:
        stage: its name.
        floor_ns: the largest of the times below (Williams, Waterman and Patterson, Roofline,
            CACM 52 (2009) 65-76: work over rate, traffic over bandwidth).
        bound_by: "arithmetic", "memory", "link" or "launches".
        reached_ratio: the bound over the measured median: 1 is all that the hardware can do.
        flops_ratio: for forward, the time its FLOPs need at the peak rates they may use over the
            measured one (MFU: Chowdhery et al., PaLM, 2022, appendix B); None elsewhere.
        holds: False where the stage took less, so that the bound is wrong.
    """

    stage: str
    floor_ns: float
    bound_by: str
    reached_ratio: float
    flops_ratio: float | None = None
    holds: bool = True
