"""What the host's facts mean for a measurement: pure rules."""

from depthprof.system.doctor.findings import OK, WARNING, Finding, unknown
from depthprof.system.doctor.host import HostFacts
from depthprof.units import binary_size, duration, percent

PRESSURE_LIMIT_RATIO = 0.05
BUSY_LIMIT_RATIO = 0.05
STEAL_LIMIT_RATIO = 0.01
LOAD_LIMIT_RATIO = 0.5
"""Load average a usable core above which the last minute was not quiet."""

CLOCK_LIMIT_NS = 1_000
MEMORY_LIMIT_BYTES = 2 * 2**30
SLOW_CLOCK_SOURCES = ("hpet", "acpi_pm", "jiffies", "pit")

NO_CPUFREQ = "no cpufreq here; a virtual machine hides it"
SPEED_UP = "cores that speed up under load make the first samples slower than the later ones"


def host_findings(facts: HostFacts) -> list[Finding]:
    """Say of each fact whether it disturbs a measurement."""
    return [
        _check_cores(facts),
        _check_threads(facts),
        _check_load(facts),
        _check_busy(facts),
        _check_pressure(facts),
        _check_steal(facts),
        _check_governor(facts),
        _check_boost(facts),
        _check_quota(facts),
        _check_memory(facts),
        _check_clock(facts),
        _check_virtual(facts),
    ]


def _check_cores(facts: HostFacts) -> Finding:
    what = f"{facts.usable_cores} usable of {facts.machine_cores}"
    if facts.smt:
        what += ", two threads a core (SMT), which share its units"
    if facts.usable_cores < 2:
        why = "everything else on the machine takes its time from what is measured"
        return Finding("cores", WARNING, what, why, "give it at least two cores")
    return Finding("cores", OK, what)


def _check_threads(facts: HostFacts) -> Finding:
    wanted = {n: int(v) for n, v in facts.threads_wanted.items() if v.isdecimal()}
    what = ", ".join(f"{name}={value}" for name, value in facts.threads_wanted.items())
    if any(value > facts.usable_cores for value in wanted.values()):
        why = f"more threads than the {facts.usable_cores} usable cores wait for one another"
        return Finding("threads", WARNING, what, why, "unset it, or set --threads")
    if any(value == facts.usable_cores > 1 for value in wanted.values()):
        why = "a parallel region waits for its slowest thread, and no core is left for others"
        advice = f"set --threads {facts.usable_cores - 1}"
        return Finding("threads", WARNING, what, why, advice)
    default = (
        f"all cores but one ({max(1, facts.usable_cores - 1)}) unless --threads says otherwise"
    )
    return Finding("threads", OK, what or default)


def _check_load(facts: HostFacts) -> Finding:
    if facts.load_1min is None:
        return unknown("load", "no load average here")
    what = f"{facts.load_1min:.2f} in the last minute"
    if facts.load_1min > LOAD_LIMIT_RATIO * facts.machine_cores:  # it is the whole machine's
        why = "other work was running a moment ago and may come back while measuring"
        return Finding("load", WARNING, what, why, "wait until it is over, or stop it (see `top`)")
    return Finding("load", OK, what)


def _check_busy(facts: HostFacts) -> Finding:
    if facts.busy_ratio is None:
        return unknown("background load", "no /proc/stat")
    what = f"other processes used {percent(facts.busy_ratio)} of the CPU"
    if facts.busy_ratio > BUSY_LIMIT_RATIO:
        why = "they preempt what is measured, and share its caches, memory and power"
        return Finding("background load", WARNING, what, why, "stop them, or measure elsewhere")
    return Finding("background load", OK, what)


def _check_pressure(facts: HostFacts) -> Finding:
    if facts.pressure_ratio is None:
        return unknown("pressure", "no /proc/pressure/cpu: an old kernel, or psi=0")
    what = f"tasks waited for a core {percent(facts.pressure_ratio)} of the time"
    if facts.pressure_ratio > PRESSURE_LIMIT_RATIO:
        why = "there is more to run than cores: whatever is measured will wait too"
        return Finding("pressure", WARNING, what, why, "stop other work, or give more cores")
    return Finding("pressure", OK, what)


def _check_steal(facts: HostFacts) -> Finding:
    if facts.steal_ratio is None:
        return unknown("steal", "no /proc/stat")
    what = f"the hypervisor took {percent(facts.steal_ratio)} of the CPU"
    if facts.steal_ratio > STEAL_LIMIT_RATIO:
        why = "another virtual machine ran on these cores; no program here can see or stop it"
        return Finding("steal", WARNING, what, why, "use a machine whose cores are not shared")
    return Finding("steal", OK, what)


def _check_governor(facts: HostFacts) -> Finding:
    if facts.governors is None:
        return unknown("governor", NO_CPUFREQ, SPEED_UP, "set it on the host, if it is yours")
    what = ", ".join(facts.governors)
    if set(facts.governors) != {"performance"}:
        advice = "cpupower frequency-set -g performance"
        return Finding("governor", WARNING, what, SPEED_UP, advice)
    return Finding("governor", OK, what)


def _check_boost(facts: HostFacts) -> Finding:
    if facts.boost is None:
        return unknown("boost", NO_CPUFREQ)
    if not facts.boost:
        return Finding("boost", OK, "off")
    why = "the clock follows heat and other cores; paired sides share it, two runs do not"
    advice = "for runs of two times (`gate` with a baseline) switch it off"
    return Finding("boost", OK, "on", why, advice)


def _check_quota(facts: HostFacts) -> Finding:
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


def _check_memory(facts: HostFacts) -> Finding:
    if facts.memory_bytes is None:
        return unknown("memory", "no /proc/meminfo")
    what = f"{binary_size(facts.memory_bytes)} free"
    if facts.memory_bytes < MEMORY_LIMIT_BYTES:
        why = "processes cannot be held side by side, and swapping stalls for milliseconds"
        return Finding("memory", WARNING, what, why, "free some, or use a smaller --model")
    return Finding("memory", OK, what)


def _check_clock(facts: HostFacts) -> Finding:
    source = facts.clock_source or "unknown source"
    cost, step = duration(facts.clock_cost_ns), duration(facts.clock_step_ns)
    what = f"{source}; a reading costs {cost}, its smallest step is {step}"
    slow = facts.clock_cost_ns > CLOCK_LIMIT_NS or facts.clock_step_ns > CLOCK_LIMIT_NS
    if slow or facts.clock_source in SLOW_CLOCK_SOURCES:
        why = "eight marks an iteration cost as much as a short stage, or cannot resolve it"
        return Finding("clock", WARNING, what, why, "boot with clocksource=tsc, if it is stable")
    return Finding("clock", OK, what)


def _check_virtual(facts: HostFacts) -> Finding:
    if facts.virtual is None:
        return unknown("virtual machine", "no /proc/cpuinfo")
    if facts.virtual:
        why = "governor, boost and other work on the host are hidden from here"
        advice = "see steal above, and find the smallest change that shows: `depthprof calibrate`"
        return Finding("virtual machine", OK, "yes", why, advice)
    return Finding("virtual machine", OK, "no")
