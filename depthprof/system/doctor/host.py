"""The host: cores, threads, load, pressure, steal, governor, quota, memory, clock.

Sources: proc_stat(5), proc_loadavg(5), proc_meminfo(5), cgroups(7); kernel Documentation/
accounting/psi.rst, admin-guide/pm/cpufreq.rst, admin-guide/cgroup-v2.rst (cpu.max, cpu.stat),
scheduler/sched-bwc.rst, timers/timekeeping.rst.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter_ns, sleep

from depthprof.records import UNKNOWN as NOT_KNOWN
from depthprof.storage.text_files import system_text
from depthprof.system.conditions import pressure_ns, stat_ns
from depthprof.system.machine import free_memory_bytes, usable_cores

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
CLOCK_SOURCE = "sys/devices/system/clocksource/clocksource0/current_clocksource"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the system shows; None where it does not.

    Ratios are parts of the watched time; `busy_ratio` and `steal_ratio` of the usable cores' (of
    all cores' where they are not listed one by one).
    """

    usable_cores: int
    machine_cores: int
    threads_wanted: Mapping[str, str] = field(default_factory=dict)
    load_1min: float | None = None
    pressure_ratio: float | None = None
    busy_ratio: float | None = None
    steal_ratio: float | None = None
    governors: tuple[str, ...] | None = None
    boost: bool | None = None
    smt: bool | None = None
    quota_cores: float | None = None
    has_cgroup: bool = False
    throttled_periods: int | None = None
    virtual: bool | None = None
    memory_bytes: int | None = None
    clock_source: str | None = None
    clock_cost_ns: float = 0.0
    clock_step_ns: int = 0


def host_facts(root: Path, watch_s: float, environment: Mapping[str, str]) -> HostFacts:
    """Read the facts from /proc and /sys below `root`, watching the counters for `watch_s`."""
    cores = usable_cores()
    grown, passed_ns = _grown(root, watch_s)
    all_cores_ns = passed_ns * _counted_cores(root)
    cost_ns, step_ns = _clock()
    return HostFacts(
        usable_cores=cores,
        machine_cores=os.cpu_count() or cores,
        threads_wanted={n: environment[n] for n in THREAD_VARIABLES if n in environment},
        load_1min=_load(root),
        pressure_ratio=_part(grown["pressure_ns"], passed_ns),
        busy_ratio=_part(grown["busy_ns"], all_cores_ns),
        steal_ratio=_part(grown["steal_ns"], all_cores_ns),
        governors=_governors(root),
        boost=_boost(root),
        smt=_flag(root / "sys/devices/system/cpu/smt/active"),
        quota_cores=quota_cores(root),
        has_cgroup=any((folder / "cpu.stat").exists() for folder in cgroups(root)),
        throttled_periods=grown["throttled"],
        virtual=_virtual(root),
        memory_bytes=free_memory_bytes(root / "proc/meminfo") or None,
        clock_source=text_of(root / CLOCK_SOURCE),
        clock_cost_ns=cost_ns,
        clock_step_ns=step_ns,
    )


def _grown(root: Path, watch_s: float) -> tuple[dict[str, int | None], int]:
    """By how much the counters grow in `watch_s`, and the nanoseconds that really passed."""
    before, began = _counters(root), perf_counter_ns()
    sleep(watch_s)
    after, passed_ns = _counters(root), perf_counter_ns() - began
    grown = {
        name: None if value is None or (then := after[name]) is None else then - value
        for name, value in before.items()
    }
    return grown, passed_ns


def _counters(root: Path) -> dict[str, int | None]:
    busy_ns, steal_ns = _stat(root)
    return {
        "pressure_ns": _pressure(root),
        "busy_ns": busy_ns,
        "steal_ns": steal_ns,
        "throttled": throttled_periods(root),
    }


def _stat(root: Path) -> tuple[int | None, int | None]:
    """Busy and stolen time of the usable cores; of all where cores are not listed one by one."""
    lines = _core_lines(root) or (b"cpu",)
    known = [stat_ns(root / "proc/stat", line) for line in lines]
    if any(NOT_KNOWN in one for one in known):
        return None, None
    return sum(busy for busy, _ in known), sum(stolen for _, stolen in known)


def _core_lines(root: Path) -> tuple[bytes, ...]:
    """Names of the usable cores' lines in /proc/stat, none where one of them is missing."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    wanted = [f"cpu{core}".encode() for core in sorted(os.sched_getaffinity(0))]
    lines = (text_of(root / "proc/stat") or "").splitlines()
    known = {line.partition(" ")[0].encode() for line in lines}
    return tuple(wanted) if known.issuperset(wanted) else ()


def _counted_cores(root: Path) -> int:
    """How many cores the figures of `_stat` are over."""
    return len(_core_lines(root)) or os.cpu_count() or 1


def _pressure(root: Path) -> int | None:
    known = pressure_ns(root / "proc/pressure/cpu")
    return None if known == NOT_KNOWN else known


def _part(grown: int | None, whole: int) -> float | None:
    return None if grown is None else min(1.0, max(0.0, grown / max(1, whole)))


def _flag(file: Path) -> bool | None:
    text = text_of(file)
    return None if text is None else text == "1"


def _load(root: Path) -> float | None:
    text = text_of(root / "proc/loadavg")
    try:
        return float(text.split()[0]) if text else os.getloadavg()[0]
    except (ValueError, OSError, AttributeError):
        return None


def _governors(root: Path) -> tuple[str, ...] | None:
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    found = {text for file in files if (text := text_of(file))}
    return tuple(sorted(found)) or None


def _boost(root: Path) -> bool | None:
    off = _flag(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    return _flag(root / "sys/devices/system/cpu/cpufreq/boost") if off is None else not off


def _virtual(root: Path) -> bool | None:
    text = text_of(root / "proc/cpuinfo")
    return None if text is None else " hypervisor" in text


def _clock() -> tuple[float, int]:
    """Cost of a reading of the host's clock, and the smallest step it ever shows."""
    readings = [perf_counter_ns() for _ in range(20_000)]
    steps = [then - first for first, then in pairwise(readings)]
    return float(median(steps)), min((step for step in steps if step > 0), default=0)


def cgroups(root: Path) -> list[Path]:
    """Folders of this process's cgroup and all above it, of version 2 and of version 1's cpu."""
    base = root / "sys/fs/cgroup"
    folders = [base, base / "cpu"]
    for line in (text_of(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = base / controllers if controllers else base
        inner = top / path.lstrip("/")
        folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)]
    return list(dict.fromkeys(folders))


def quota_cores(root: Path) -> float | None:
    """Fewest cores any of the cgroups may use; "max" and -1 are no limit.

    Sources: kernel Documentation/admin-guide/cgroup-v2.rst (cpu.max), scheduler/sched-bwc.rst.
    """
    found = []
    for folder in cgroups(root):
        words = (text_of(folder / "cpu.max") or "").split()
        if not words:
            words = [text_of(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
        with suppress(ValueError, IndexError, ZeroDivisionError):
            found.append(int(words[0]) / int(words[1]))
    return min((cores for cores in found if cores > 0), default=None)


def throttled_periods(root: Path) -> int | None:
    """Most periods in which any of the cgroups was throttled so far."""
    found = []
    for folder in cgroups(root):
        for line in (text_of(folder / "cpu.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled" and value.isdecimal():
                found.append(int(value))
    return max(found, default=None)


def text_of(file: Path) -> str | None:
    """Text of a small file, None where there is none to read."""
    try:
        return system_text(file).strip() or None
    except OSError:
        return None
