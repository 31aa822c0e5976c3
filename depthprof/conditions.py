"""Instruments that watch the machine: what other work did to the process that measures.

Every reading degrades to UNKNOWN where the system does not tell (no /proc on macOS and Windows, no
thread accounting on either, no NVML without an NVIDIA driver). Sources are named at each function.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

from depthprof.records import UNKNOWN, WITNESSES

try:
    import resource

    RUSAGE_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)
except ImportError:  # Windows has no such module
    RUSAGE_THREAD = None

PRESSURE = Path("/proc/pressure/cpu")
STAT = Path("/proc/stat")
TICK_NS = 1_000_000_000 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)

CPU_NS: Callable[[], int] = thread_time_ns
"""CPU time of the thread (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID): about 0.4 us a reading."""


def switches() -> tuple[int, int]:
    """Involuntary and voluntary context switches of this thread so far (getrusage(2))."""
    if RUSAGE_THREAD is None:
        return UNKNOWN, UNKNOWN
    usage = resource.getrusage(RUSAGE_THREAD)
    return usage.ru_nivcsw, usage.ru_nvcsw


def can_watch() -> bool:
    """Whether this system tells a thread's switches."""
    return RUSAGE_THREAD is not None


class BlockWatch:
    """Reads the machine's counters before and after a block; never inside one.

    Args:
        device: resolved device; on "cuda:N" NVML is asked too.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._gpu = GpuWatch(device) if device.startswith("cuda") else None
        self._before: dict[str, int] = {}

    def begin(self) -> None:
        """Note the counters."""
        self._before = _counters()

    def end(self) -> list[int]:
        """Return what happened since `begin`, in the order of `records.WITNESSES`."""
        after = _counters()
        found = {
            name: value - self._before[name]
            if UNKNOWN not in (value, self._before[name])
            else UNKNOWN
            for name, value in after.items()
        }
        if self._gpu is not None:
            found |= self._gpu.read()
        return [found.get(name, UNKNOWN) for name in WITNESSES]


class GpuWatch:
    """The GPU's clock and faults by NVML; all UNKNOWN where it does not answer."""

    def __init__(self, device: str, nvml: Any = None) -> None:
        import pynvml

        self._nvml = pynvml if nvml is None else nvml
        self._handle: Any = None
        with suppress(pynvml.NVMLError):  # no driver, or no such GPU: nothing is known
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByIndex(nvml_index(device))

    def read(self) -> dict[str, int]:
        """Read the throttle reasons that are faults, and the SM clock in MHz."""
        if self._handle is None:
            return {}
        nvml, handle = self._nvml, self._handle
        reasons = self._ask(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        return {
            "throttled": reasons if reasons == UNKNOWN else reasons & self._faults(),
            "sm_clock_mhz": self._ask(
                lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
            ),
        }

    def _faults(self) -> int:
        """Reasons that are faults: heat, power brake, hardware slowdown. A power cap is normal."""
        names = ("HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
        bits = (getattr(self._nvml, f"nvmlClocksThrottleReason{name}", 0) for name in names)
        return sum(set(bits))

    def _ask(self, question: Callable[[], int]) -> int:
        try:
            return int(question())
        except self._nvml.NVMLError:  # not every GPU answers everything
            return UNKNOWN


def nvml_index(device: str) -> int:
    """Index NVML gives a CUDA device; CUDA_VISIBLE_DEVICES renumbers what torch sees."""
    number = int(device.partition(":")[2] or 0)  # "auto" and "cuda" are the first
    visible = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if number < len(visible) and visible[number].isdigit():
        return int(visible[number])
    return number


def _counters() -> dict[str, int]:
    involuntary, _ = switches()
    busy_ns, stolen_ns = stat_ns()
    everyones = UNKNOWN
    if involuntary != UNKNOWN:
        everyones = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - involuntary
    return {
        "wall_ns": perf_counter_ns(),
        "cpu_ns": process_time_ns(),
        "busy_ns": busy_ns,
        "stolen_ns": stolen_ns,
        "pressure_ns": pressure_ns(),
        "others_involuntary": everyones,
    }


def stat_ns(path: Path = STAT, line: bytes = b"cpu") -> tuple[int, int]:
    """Busy and stolen time since boot, from /proc/stat: of all cores, or of one by its line.

    Fields (proc_stat(5)): user nice system idle iowait irq softirq steal guest guest_nice; guest
    time is part of user time already.
    """
    try:
        with path.open("rb") as file:
            words = file.readline().split()
            while words and words[0] != line:
                words = file.readline().split()
        user, nice, system, _, _, irq, softirq, steal = (int(word) for word in words[1:9])
    except (OSError, ValueError):
        return UNKNOWN, UNKNOWN
    return (user + nice + system + irq + softirq) * TICK_NS, steal * TICK_NS


def pressure_ns(path: Path = PRESSURE) -> int:
    """Nanoseconds since boot in which some task waited for a core (/proc/pressure/cpu)."""
    try:
        first = path.read_bytes().split(b"\n", 1)[0]
        return int(first.rpartition(b"total=")[2]) * 1_000
    except (OSError, ValueError):
        return UNKNOWN
