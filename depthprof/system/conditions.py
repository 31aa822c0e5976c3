"""Instruments that watch the machine: what other work did to the process that measures.

Every reading degrades to UNKNOWN where the system has none (no /proc on macOS and Windows, no
thread accounting on either). Sources are named at each function.
"""

import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns

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
    """Whether this system counts a thread's switches."""
    return RUSAGE_THREAD is not None


class BlockWatch:
    """Reads the machine's counters before and after a block; never inside one.

    Args:
        gpu: reads the GPU's witnesses at a block's end (nvml.GpuWatch.read); None: there is none.
    """

    def __init__(self, gpu: Callable[[], dict[str, int]] | None = None) -> None:
        self._gpu = gpu
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
            found |= self._gpu()
        return [found.get(name, UNKNOWN) for name in WITNESSES]


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
