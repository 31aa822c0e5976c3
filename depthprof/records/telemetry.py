"""What the machine did while samples were taken: which are disturbed, and what the GPU showed."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""Stands where the system does not report it, or it was not read."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Of every iteration, what happened to the thread that measured it. -1 is unknown.

    The stage columns are filled only where asking after each mark costs no more than a thousandth
    of an iteration; else the iteration as a whole is known.

    Attributes:
        involuntary: int64 [n], context switches forced upon the thread: another took its core.
        voluntary: int64 [n], switches it asked for: sleeping, waiting for a lock or for a device.
        stage_cpu_ns: int64 [n, stages], CPU time of the thread.
        stage_involuntary: int64 [n, stages]; stage_voluntary: int64 [n, stages].

    Sources: getrusage(2), RUSAGE_THREAD; clock_gettime(2), CLOCK_THREAD_CPUTIME_ID.
    """

    involuntary: Integers
    voluntary: Integers
    stage_cpu_ns: Integers
    stage_involuntary: Integers
    stage_voluntary: Integers


@dataclass(frozen=True, slots=True, eq=False)
class BlockConditions:
    """Of every block, what the machine did meanwhile: int64 columns of length m, -1 is unknown.

    Attributes:
        launch: the process of the block. block: its number within the process.
        wall_ns: from the block's beginning to its end. cpu_ns: CPU time of the whole process.
        busy_ns: time in which any core of the machine worked, this process included.
        stolen_ns: time in which the hypervisor ran another guest (proc_stat(5), steal).
        pressure_ns: time in which some task of the machine waited for a core
            (kernel Documentation/accounting/psi.rst, cpu, some).
        others_involuntary: forced switches of the process's other threads.
        throttled: NVML's clocks event reasons that are faults, as bits. sm_clock_mhz: of the GPU.
    """

    launch: Integers
    block: Integers
    wall_ns: Integers
    cpu_ns: Integers
    busy_ns: Integers
    stolen_ns: Integers
    pressure_ns: Integers
    others_involuntary: Integers
    throttled: Integers
    sm_clock_mhz: Integers

    def __len__(self) -> int:
        return len(self.block)


WITNESSES = tuple(field.name for field in fields(BlockConditions))[2:]
"""What is read once a block, in the order of the columns."""


CLOCK_REASONS = {
    0x1: "idle",
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat",
    0x40: "heat (hardware)",
    0x80: "power brake",
    0x100: "clocks set for a display",
}
"""NVML's clocks event reasons (nvmlClocksEventReasons), by their bit, in words."""

CLOCK_FAULTS = 0x8 | 0x20 | 0x40 | 0x80
"""Reasons that are faults. A power cap, clocks that were asked for and idling are not."""


@dataclass(frozen=True, slots=True, eq=False)
class TelemetryColumns:
    """Readings as int64 columns of length t; -1 is unknown, or was not offered.

    Attributes:
        at_ns: host clock (perf_counter_ns, on Linux the same in all processes) halfway through
            the reading. cost_ns: how long the reading took.
        gpu_busy_percent: NVML's utilisation: part of the last sampling period (1/6 to 1 s) in which
            any kernel ran, however few of its multiprocessors. memory_busy_percent: likewise of
            memory access.
        sm_clock_mhz, memory_clock_mhz, power_mw, temperature_c: as NVML reports.
        memory_used_bytes: of the whole device, other processes included.
        pcie_sent_bytes_per_s, pcie_received_bytes_per_s: by the GPU; from GPM where offered, else
            over 20 ms, in every fourth reading.
        throttle_reasons: NVML's clocks event reasons, as bits.
        other_processes: compute processes on the GPU that are not ours; -1 also where the list is
            empty, since then not even ours are shown.
        energy_mj: NVML's total energy counter, millijoules since the driver was loaded.
        sm_active_permille, tensor_active_permille, dram_active_permille: GPM metrics (Hopper and
            newer) since the reading before that has them: multiprocessors at work, any tensor core
            at work, memory bandwidth of the most there is.
        host_busy_ns, host_stolen_ns, host_pressure_ns: counters since boot, of all cores.
        host_available_bytes: memory that could be had without swapping.
    """

    at_ns: Integers
    cost_ns: Integers
    gpu_busy_percent: Integers
    memory_busy_percent: Integers
    sm_clock_mhz: Integers
    memory_clock_mhz: Integers
    power_mw: Integers
    temperature_c: Integers
    memory_used_bytes: Integers
    pcie_sent_bytes_per_s: Integers
    pcie_received_bytes_per_s: Integers
    throttle_reasons: Integers
    other_processes: Integers
    energy_mj: Integers
    sm_active_permille: Integers
    tensor_active_permille: Integers
    dram_active_permille: Integers
    host_busy_ns: Integers
    host_stolen_ns: Integers
    host_pressure_ns: Integers
    host_available_bytes: Integers

    def __len__(self) -> int:
        return len(self.at_ns)


TELEMETRY_COLUMNS = tuple(field.name for field in fields(TelemetryColumns))


@dataclass(frozen=True, slots=True, eq=False)
class Telemetry:
    """Readings of the host and of one GPU, and what could not be had, each as a sentence.

    `gpu` names the device by NVML's UUID, None where there is none or NVML did not answer.
    """

    gpu: str | None
    interval_s: float
    columns: TelemetryColumns
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class GpuActivity:
    """What a GPU did while one side, or any side, was measured; None where it is not known.

    Attributes:
        busy_ratio: by our own events: device time of h2d, forward, postprocess and d2h over the
            wall time of the iterations. Gaps between the kernels of a stage count as busy.
        nvml_busy_ratio: NVML's utilisation, a kernel ran in the sampling period.
        nvml_memory_busy_ratio: likewise, memory was read or written.
        power_w: mean. power_from: "energy counter" or "power readings".
        energy_per_iteration_j: power_w x mean wall time of the iterations.
        sm_clock_mhz, memory_clock_mhz: medians. least_sm_clock_mhz, highest_temperature_c,
            most_memory_bytes: extremes.
        sm_active_ratio, tensor_active_ratio, dram_active_ratio: means of GPM.
        pcie_sent_bytes_per_s, pcie_received_bytes_per_s: means.
        other_processes: the most at any reading.
        faults, limits: throttle reasons in words, each with the share of readings that had it;
            faults are heat, power brake and hardware slowdown, limits all others.
        own_stretch: whether utilisation, power, energy, GPM and traffic, which look back up to a
            second, are of this side alone; False: of all that was measured, since the sides
            alternated too fast for them.
        readings: how many there were in its blocks.
    """

    busy_ratio: float | None = None
    nvml_busy_ratio: float | None = None
    nvml_memory_busy_ratio: float | None = None
    power_w: float | None = None
    power_from: str | None = None
    energy_per_iteration_j: float | None = None
    sm_clock_mhz: float | None = None
    least_sm_clock_mhz: int | None = None
    memory_clock_mhz: float | None = None
    highest_temperature_c: int | None = None
    most_memory_bytes: int | None = None
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    pcie_sent_bytes_per_s: float | None = None
    pcie_received_bytes_per_s: float | None = None
    other_processes: int | None = None
    faults: tuple[tuple[str, float], ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    own_stretch: bool = False
    readings: int = 0


@dataclass(frozen=True, slots=True)
class HostActivity:
    """What the host did while samples were taken; None where it is not known.

    Attributes:
        others_ratio: part of the machine's cores that other processes used.
        stolen_ratio: part of them that the hypervisor gave to another guest.
        pressure_ratio: part of the time in which some task, ours included, waited for a core.
        least_available_bytes: memory that could still be had without swapping, at the worst.
    """

    others_ratio: float | None = None
    stolen_ratio: float | None = None
    pressure_ratio: float | None = None
    least_available_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """What telemetry and our own events show, ready to be shown.

    Attributes:
        sides: one a side of the run; None for a side that no watched GPU worked for.
        host: of the whole machine. readings, interval_s: how often it was read.
        reading_ns: median time that a reading took.
        notes: what could not be had, and what a figure is not, a sentence each.
    """

    sides: tuple[GpuActivity | None, ...]
    host: HostActivity
    readings: int = 0
    interval_s: float | None = None
    reading_ns: float | None = None
    notes: tuple[str, ...] = ()
