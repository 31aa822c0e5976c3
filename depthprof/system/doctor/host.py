"""The host: cores, threads, load, pressure, steal, governor, quota, memory, clock.

Sources: proc_stat(5), proc_loadavg(5), proc_meminfo(5); kernel Documentation/accounting/psi.rst,
admin-guide/pm/cpufreq.rst, admin-guide/cgroup-v2.rst (cpu.max), timers/timekeeping.rst.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter_ns, sleep

from depthprof.records import UNKNOWN as UNTOLD
from depthprof.system.conditions import pressure_ns, stat_ns
from depthprof.system.doctor.cgroups import cgroups, quota_cores, text_of, throttled_periods
from depthprof.system.doctor.findings import OK, WARNING, Finding, unknown
from depthprof.system.machine import usable_cores
from depthprof.units import binary_size, duration, percent

PRESSURE_LIMIT_RATIO = 0.05
BUSY_LIMIT_RATIO = 0.05
STEAL_LIMIT_RATIO = 0.01
LOAD_LIMIT_RATIO = 0.5
"""Load average a usable core above which the last minute was not quiet."""

CLOCK_LIMIT_NS = 1_000
MEMORY_LIMIT_BYTES = 2 * 2**30
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SLOW_CLOCK_SOURCES = ("hpet", "acpi_pm", "jiffies", "pit")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the system tells; None where it does not.

    Ratios are parts of the watched time; `busy_ratio` and `steal_ratio` of the usable cores' (of
    all cores' where they are not told one by one).
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


NO_CPUFREQ = "no cpufreq here; a virtual machine hides it"
SPEED_UP = "cores that speed up under load make the first samples slower than the later ones"


def host_facts(root: Path, watch_s: float, environment: Mapping[str, str]) -> HostFacts:
    """Read the facts from /proc and /sys below `root`, watching the counters for `watch_s`."""
    cores = usable_cores()
    before, began = _counters(root), perf_counter_ns()
    sleep(watch_s)
    after, passed_ns = _counters(root), perf_counter_ns() - began
    grown = {
        name: None if after[name] is None or value is None else (after[name] or 0) - value
        for name, value in before.items()
    }
    all_cores_ns = passed_ns * _told_cores(root)
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
        memory_bytes=_memory(root),
        clock_source=text_of(
            root / "sys/devices/system/clocksource/clocksource0/current_clocksource"
        ),
        clock_cost_ns=cost_ns,
        clock_step_ns=step_ns,
    )


def judge_host(facts: HostFacts) -> list[Finding]:
    """Say of each fact whether it spoils a measurement."""
    return [
        _judge_cores(facts),
        _judge_threads(facts),
        _judge_load(facts),
        _judge_busy(facts),
        _judge_pressure(facts),
        _judge_steal(facts),
        _judge_governor(facts),
        _judge_boost(facts),
        _judge_quota(facts),
        _judge_memory(facts),
        _judge_clock(facts),
        _judge_virtual(facts),
    ]


def _judge_cores(facts: HostFacts) -> Finding:
    what = f"{facts.usable_cores} usable of {facts.machine_cores}"
    if facts.smt:
        what += ", two threads a core (SMT): neighbours on the same core share its units"
    if facts.usable_cores < 2:
        why = "everything else on the machine takes its time from what is measured"
        return Finding("cores", WARNING, what, why, "give it at least two cores")
    return Finding("cores", OK, what)


def _judge_threads(facts: HostFacts) -> Finding:
    wanted = {n: int(v) for n, v in facts.threads_wanted.items() if v.isdecimal()}
    what = ", ".join(f"{name}={value}" for name, value in facts.threads_wanted.items())
    if any(value > facts.usable_cores for value in wanted.values()):
        why = f"more threads than the {facts.usable_cores} usable cores take turns on them"
        return Finding("threads", WARNING, what, why, "unset it, or set --threads")
    if any(value == facts.usable_cores > 1 for value in wanted.values()):
        why = "a parallel region waits for its slowest thread, and no core is left for others"
        advice = f"set --threads {facts.usable_cores - 1}"
        return Finding("threads", WARNING, what, why, advice)
    default = (
        f"all cores but one ({max(1, facts.usable_cores - 1)}) unless --threads says otherwise"
    )
    return Finding("threads", OK, what or default)


def _judge_load(facts: HostFacts) -> Finding:
    if facts.load_1min is None:
        return unknown("load", "no load average here")
    what = f"{facts.load_1min:.2f} in the last minute"
    if facts.load_1min > LOAD_LIMIT_RATIO * facts.machine_cores:  # it is the whole machine's
        why = "other work was running a moment ago and may come back while measuring"
        return Finding("load", WARNING, what, why, "wait until it is over, or stop it (see `top`)")
    return Finding("load", OK, what)


def _judge_busy(facts: HostFacts) -> Finding:
    if facts.busy_ratio is None:
        return unknown("neighbours", "no /proc/stat")
    what = f"other processes used {percent(facts.busy_ratio)} of the CPU"
    if facts.busy_ratio > BUSY_LIMIT_RATIO:
        why = "they preempt what is measured, and share its caches, memory and power"
        return Finding("neighbours", WARNING, what, why, "stop them, or measure elsewhere")
    return Finding("neighbours", OK, what)


def _judge_pressure(facts: HostFacts) -> Finding:
    if facts.pressure_ratio is None:
        return unknown("pressure", "no /proc/pressure/cpu: an old kernel, or psi=0")
    what = f"tasks waited for a core {percent(facts.pressure_ratio)} of the time"
    if facts.pressure_ratio > PRESSURE_LIMIT_RATIO:
        why = "there is more to run than cores: whatever is measured will wait too"
        return Finding("pressure", WARNING, what, why, "stop other work, or give more cores")
    return Finding("pressure", OK, what)


def _judge_steal(facts: HostFacts) -> Finding:
    if facts.steal_ratio is None:
        return unknown("steal", "no /proc/stat")
    what = f"the hypervisor took {percent(facts.steal_ratio)} of the CPU"
    if facts.steal_ratio > STEAL_LIMIT_RATIO:
        why = "another virtual machine ran on these cores; no program here can see or stop it"
        return Finding("steal", WARNING, what, why, "use a machine whose cores are not shared")
    return Finding("steal", OK, what)


def _judge_governor(facts: HostFacts) -> Finding:
    if facts.governors is None:
        return unknown("governor", NO_CPUFREQ, SPEED_UP, "set it on the host, if it is yours")
    what = ", ".join(facts.governors)
    if set(facts.governors) != {"performance"}:
        advice = "cpupower frequency-set -g performance"
        return Finding("governor", WARNING, what, SPEED_UP, advice)
    return Finding("governor", OK, what)


def _judge_boost(facts: HostFacts) -> Finding:
    if facts.boost is None:
        return unknown("boost", NO_CPUFREQ)
    if not facts.boost:
        return Finding("boost", OK, "off")
    why = "the clock follows heat and what the other cores do; sides in turns share it, runs do not"
    advice = "for runs of two times (`gate` with a baseline) switch it off"
    return Finding("boost", OK, "on", why, advice)


def _judge_quota(facts: HostFacts) -> Finding:
    if facts.quota_cores is None:
        return Finding("quota", OK, "none") if facts.has_cgroup else unknown("quota", "no cgroup 2")
    what = f"{facts.quota_cores:.3g} cores"
    if facts.throttled_periods:
        what += f", used up {facts.throttled_periods} times while watching"
    if facts.quota_cores < facts.usable_cores or facts.throttled_periods:
        why = "once the quota of a period is used up, everything stands still until the next"
        advice = "pin whole cores instead (--cpuset-cpus), or raise the quota to them"
        return Finding("quota", WARNING, what, why, advice)
    return Finding("quota", OK, what)


def _judge_memory(facts: HostFacts) -> Finding:
    if facts.memory_bytes is None:
        return unknown("memory", "no /proc/meminfo")
    what = f"{binary_size(facts.memory_bytes)} free"
    if facts.memory_bytes < MEMORY_LIMIT_BYTES:
        why = "launches cannot be held side by side, and swapping stalls for milliseconds"
        return Finding("memory", WARNING, what, why, "free some, or use a smaller --model")
    return Finding("memory", OK, what)


def _judge_clock(facts: HostFacts) -> Finding:
    source = facts.clock_source or "source not told"
    cost, step = duration(facts.clock_cost_ns), duration(facts.clock_step_ns)
    what = f"{source}; a reading costs {cost}, its smallest step is {step}"
    slow = facts.clock_cost_ns > CLOCK_LIMIT_NS or facts.clock_step_ns > CLOCK_LIMIT_NS
    if slow or facts.clock_source in SLOW_CLOCK_SOURCES:
        why = "eight marks an iteration cost as much as a short stage, or cannot tell it at all"
        return Finding("clock", WARNING, what, why, "boot with clocksource=tsc, if it is stable")
    return Finding("clock", OK, what)


def _judge_virtual(facts: HostFacts) -> Finding:
    if facts.virtual is None:
        return unknown("virtual machine", "no /proc/cpuinfo")
    if facts.virtual:
        why = "governor, boost and neighbours on the host are hidden from here"
        advice = "see steal above, and measure what it can tell apart: `depthprof calibrate`"
        return Finding("virtual machine", OK, "yes", why, advice)
    return Finding("virtual machine", OK, "no")


def _counters(root: Path) -> dict[str, int | None]:
    busy_ns, steal_ns = _stat(root)
    return {
        "pressure_ns": _pressure(root),
        "busy_ns": busy_ns,
        "steal_ns": steal_ns,
        "throttled": throttled_periods(root),
    }


def _stat(root: Path) -> tuple[int | None, int | None]:
    """Busy and stolen time of the usable cores; of all where cores are not told one by one."""
    lines = _core_lines(root) or (b"cpu",)
    known = [stat_ns(root / "proc/stat", line) for line in lines]
    if any(UNTOLD in one for one in known):
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


def _told_cores(root: Path) -> int:
    """How many cores the figures of `_stat` are over."""
    return len(_core_lines(root)) or os.cpu_count() or 1


def _pressure(root: Path) -> int | None:
    known = pressure_ns(root / "proc/pressure/cpu")
    return None if known == UNTOLD else known


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


def _memory(root: Path) -> int | None:
    for line in (text_of(root / "proc/meminfo") or "").splitlines():
        words = line.split()
        if line.startswith("MemAvailable:") and len(words) > 1 and words[1].isdecimal():
            return int(words[1]) * 1024
    return None


def _clock() -> tuple[float, int]:
    """Cost of a reading of the host's clock, and the smallest step it ever shows."""
    readings = [perf_counter_ns() for _ in range(20_000)]
    steps = [then - first for first, then in pairwise(readings)]
    return float(median(steps)), min((step for step in steps if step > 0), default=0)
