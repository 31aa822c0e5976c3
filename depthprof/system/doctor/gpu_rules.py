"""What the GPU's facts mean for a measurement: pure rules."""

from depthprof.system.doctor.findings import OK, WARNING, Finding, unknown
from depthprof.system.doctor.gpu import GpuFacts

BUSY_LIMIT_PERCENT = 5
HEAT_MARGIN_C = 10

ONLY_CPU = "only the CPU can be measured"


def no_gpu(why: str, *, is_warning: bool) -> Finding:
    """Say why nothing is known of a GPU; a warning only where one was asked for."""
    if not is_warning:
        return Finding("GPU", OK, f"none found ({why}): {ONLY_CPU}")
    matters = "nothing can be said of the GPU, and nothing of it is watched while measuring"
    advice = "see whether `nvidia-smi` works; install the NVIDIA driver, or use --device cpu"
    return Finding("GPU", WARNING, why, matters, advice)


def no_visible(why: str, *, is_warning: bool) -> Finding:
    """Say why CUDA shows no such card; no warning where the environment is meant to hide all."""
    if not is_warning:
        return Finding("GPU", OK, f"{why}; {ONLY_CPU}")
    matters = "a run uses the cards that CUDA shows; with --device auto it takes the CPU if none is"
    advice = "name a card that is there (`nvidia-smi -L` lists them), or use --device cpu"
    return Finding("GPU", WARNING, why, matters, advice)


def judge_gpu(facts: GpuFacts) -> list[Finding]:
    """Say of each fact whether it disturbs a measurement."""
    return [
        Finding("GPU", OK, facts.name),
        _judge_switch(facts, "persistence"),
        _judge_clocks(facts),
        _judge_faults(facts),
        _judge_heat(facts),
        _judge_power(facts),
        _judge_guests(facts),
        _judge_link(facts),
        *(_judge_switch(facts, field) for field in ("ecc", "mig", "confidential")),
    ]


SWITCHES = {
    # field: its name, the setting that matters, what it is then, why, what to do
    "persistence": (
        "GPU persistence",
        "off",
        WARNING,
        "the driver unloads between programs, so each process starts cold and slow",
        "sudo nvidia-smi -pm 1",
    ),
    "ecc": (
        "ECC",
        "on",
        OK,
        "on GPUs with GDDR memory its check bits take some of the bandwidth",
        "compare only with runs that have it on",
    ),
    "mig": (
        "MIG",
        "on",
        WARNING,
        "a slice has part of the GPU and shares memory paths and power with the others",
        "compare only with runs on the same slice, or have MIG switched off",
    ),
    "confidential": (
        "confidential computing",
        "on",
        WARNING,
        "h2d and d2h are encrypted through a bounce buffer and take several times as long",
        "compare only with runs that have it on, or use a machine without",
    ),
}


def _judge_switch(facts: GpuFacts, field: str) -> Finding:
    name, matters, status, why, advice = SWITCHES[field]
    value = getattr(facts, field)
    if value is None:
        return _unknown(name, facts, field)
    setting = "on" if value else "off"
    return (
        Finding(name, status, setting, why, advice)
        if setting == matters
        else Finding(name, OK, setting)
    )


def _judge_clocks(facts: GpuFacts) -> Finding:
    if facts.sm_clock_mhz is None or facts.max_sm_clock_mhz is None:
        return _unknown("GPU clocks", facts, "sm_clock_mhz", "max_sm_clock_mhz")
    what = f"SM at {facts.sm_clock_mhz} MHz, at most {facts.max_sm_clock_mhz} MHz"
    locked = facts.application_clock_mhz
    if locked is not None and locked < facts.max_sm_clock_mhz:
        return Finding("GPU clocks", OK, f"{what}, application clock {locked} MHz")
    why = "they follow load, heat and power; paired sides share that, runs of two times do not"
    advice = "sudo nvidia-smi -lgc MHZ locks them at one they can hold; NVML does not show a lock"
    return Finding("GPU clocks", OK, f"{what}; no lower one is set", why, advice)


def _judge_faults(facts: GpuFacts) -> Finding:
    if facts.faults is None:
        return _unknown("GPU throttling", facts, "faults")
    if facts.faults:
        why = "the clock is held down, so times grow with no change of the code"
        what = ", ".join(facts.faults)
        return Finding("GPU throttling", WARNING, what, why, "let it cool; check fans and power")
    return Finding("GPU throttling", OK, "none now")


def _judge_heat(facts: GpuFacts) -> Finding:
    if facts.heat_c is None:
        return _unknown("GPU heat", facts, "heat_c")
    what = f"{facts.heat_c} C"
    if facts.slowdown_c is not None:
        what += f", slows down at {facts.slowdown_c} C"
        if facts.heat_c > facts.slowdown_c - HEAT_MARGIN_C:
            why = "it will throttle as soon as it works"
            return Finding("GPU heat", WARNING, what, why, "let it cool, or see to its airflow")
    return Finding("GPU heat", OK, what)


def _judge_power(facts: GpuFacts) -> Finding:
    limit, usual = facts.power_limit_w, facts.default_power_limit_w
    if limit is None or usual is None:
        return _unknown("GPU power", facts, "power_limit_w", "default_power_limit_w")
    if limit < usual:
        why = "heavy stages run below the clock that this GPU has elsewhere"
        what = f"limit {limit:.0f} W, usually {usual:.0f} W"
        return Finding("GPU power", WARNING, what, why, f"sudo nvidia-smi -pl {usual:.0f}")
    return Finding("GPU power", OK, f"limit {limit:.0f} W")


def _judge_guests(facts: GpuFacts) -> Finding:
    if facts.guests is None:
        return _unknown("GPU neighbours", facts, "guests")
    busy = facts.busy_percent
    what = f"{facts.guests} other processes" if facts.guests != 1 else "1 other process"
    if busy is not None:
        what += f", GPU busy {busy} % of the time"
    if facts.guests or (busy or 0) > BUSY_LIMIT_PERCENT:
        why = "kernels of other processes run between those that are measured"
        return Finding("GPU neighbours", WARNING, what, why, "stop them (see `nvidia-smi`)")
    return Finding("GPU neighbours", OK, what)


def _judge_link(facts: GpuFacts) -> Finding:
    width, widest = facts.pcie_width, facts.max_pcie_width
    if width is None or widest is None:
        return _unknown("PCIe", facts, "pcie_width", "max_pcie_width")
    now, most = facts.pcie_generation, facts.max_pcie_generation
    what = f"generation {now} of {most}, width x{width} of x{widest}"
    working = (facts.busy_percent or 0) > BUSY_LIMIT_PERCENT
    slow = working and now is not None and most is not None and now < most
    if width < widest or slow:
        why = "h2d and d2h take longer than this GPU needs"
        return Finding("PCIe", WARNING, what, why, "check slot, riser and BIOS settings")
    idle = " (an idle link drops its generation)" if now != most else ""
    return Finding("PCIe", OK, what + idle)


def _unknown(name: str, facts: GpuFacts, *wanted: str) -> Finding:
    """Say why the first of some facts that has a reason is not known."""
    reasons = [facts.reasons[one] for one in wanted if one in facts.reasons]
    return unknown(name, reasons[0] if reasons else "NVML gives none")
