"""The GPU's facts, by NVML, and what they mean for a measurement.

Each question is asked by itself (nvml.questions), so that what one GPU or driver does not answer
leaves the others' answers, with the reason.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import itemgetter
from typing import Any

from depthprof.records import CLOCK_FAULTS, CLOCK_REASONS
from depthprof.system.doctor.findings import OK, WARNING, Finding, unknown
from depthprof.system.nvml import Gpu, connected, shut_down, visible_address, within
from depthprof.system.nvml.library import PATIENCE_S


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What NVML answered; None where it did not. Clocks in MHz, heat in degrees Celsius.

    `reasons` says by a fact's name why it is not known.
    """

    name: str = "GPU"
    persistence: bool | None = None
    sm_clock_mhz: int | None = None
    max_sm_clock_mhz: int | None = None
    application_clock_mhz: int | None = None
    guests: int | None = None
    busy_percent: int | None = None
    faults: tuple[str, ...] | None = None
    heat_c: int | None = None
    slowdown_c: int | None = None
    power_limit_w: float | None = None
    default_power_limit_w: float | None = None
    pcie_generation: int | None = None
    max_pcie_generation: int | None = None
    pcie_width: int | None = None
    max_pcie_width: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    confidential: bool | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


def _faults(reasons: int) -> tuple[str, ...]:
    """Clock reasons that are faults. A power cap, application clocks and idling are not."""
    return tuple(word for bit, word in CLOCK_REASONS.items() if bit & reasons & CLOCK_FAULTS)


def _watts(milliwatts: int) -> float:
    return milliwatts / 1000


MADE_OF: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "busy_percent": ("utilisation", itemgetter(0)),
    "faults": ("throttle_reasons", _faults),
    "heat_c": ("temperature_c", int),
    "power_limit_w": ("power_limit_mw", _watts),
    "default_power_limit_w": ("default_power_limit_mw", _watts),
    "guests": ("compute_pids", frozenset),
}
"""Facts that are not the answer to the question of their name: the question, what is made of it."""


def gpu_facts(
    nvml: Any = None,
    device: str = "auto",
    environ: Mapping[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> GpuFacts:
    """Ask NVML about one GPU.

    Args:
        nvml: a stand-in for pynvml. device: "auto", "cuda" or "cuda:N", as CUDA counts.
        environ: where CUDA_VISIBLE_DEVICES is. patience_s: a driver that takes longer hangs.

    Raises:
        NvmlAbsent: NVML does not work, CUDA shows no such card, or the GPU is lost.
    """
    return within(patience_s, lambda: _asked(nvml, device, environ))


def _asked(nvml: Any, device: str, environ: Mapping[str, str] | None) -> GpuFacts:
    known = connected(nvml)
    try:
        return _facts(Gpu(known, visible_address(known, device, environ)))
    finally:
        shut_down(known)


def _facts(gpu: Gpu) -> GpuFacts:
    known, reasons = {}, {}
    for name in (one.name for one in fields(GpuFacts) if one.name != "reasons"):
        question, made = MADE_OF.get(name, (name, lambda answer: answer))
        answer = gpu.answer(question)
        if answer not in (None, ""):
            known[name] = made(answer)
        if why := gpu.reason(question):
            reasons[name] = why
    if "guests" in known:  # unknown without those that compute, since those are what matters
        everyone = known["guests"] | (gpu.answer("graphics_pids") or frozenset())
        known["guests"] = len(everyone - {os.getpid()})
    return GpuFacts(**known, reasons=reasons)


BUSY_LIMIT_PERCENT = 5
HEAT_MARGIN_C = 10


def gpu_findings(facts: GpuFacts) -> list[Finding]:
    """Say of each fact whether it disturbs a measurement."""
    return [
        Finding("GPU", OK, facts.name),
        _check_switch(facts, "persistence"),
        _check_clocks(facts),
        _check_faults(facts),
        _check_heat(facts),
        _check_power(facts),
        _check_guests(facts),
        _check_link(facts),
        *(_check_switch(facts, field) for field in ("ecc", "mig", "confidential")),
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


def _check_switch(facts: GpuFacts, field: str) -> Finding:
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


def _check_clocks(facts: GpuFacts) -> Finding:
    if facts.sm_clock_mhz is None or facts.max_sm_clock_mhz is None:
        return _unknown("GPU clocks", facts, "sm_clock_mhz", "max_sm_clock_mhz")
    what = f"SM at {facts.sm_clock_mhz} MHz, at most {facts.max_sm_clock_mhz} MHz"
    locked = facts.application_clock_mhz
    if locked is not None and locked < facts.max_sm_clock_mhz:
        return Finding("GPU clocks", OK, f"{what}, application clock {locked} MHz")
    why = "they follow load, heat and power; paired sides share that, runs of two times do not"
    advice = "sudo nvidia-smi -lgc MHZ locks them at one they can hold; NVML does not show a lock"
    return Finding("GPU clocks", OK, f"{what}; no lower one is set", why, advice)


def _check_faults(facts: GpuFacts) -> Finding:
    if facts.faults is None:
        return _unknown("GPU throttling", facts, "faults")
    if facts.faults:
        why = "the clock is held down, so times grow with no change of the code"
        what = ", ".join(facts.faults)
        return Finding("GPU throttling", WARNING, what, why, "let it cool; check fans and power")
    return Finding("GPU throttling", OK, "none now")


def _check_heat(facts: GpuFacts) -> Finding:
    if facts.heat_c is None:
        return _unknown("GPU heat", facts, "heat_c")
    what = f"{facts.heat_c} C"
    if facts.slowdown_c is not None:
        what += f", slows down at {facts.slowdown_c} C"
        if facts.heat_c > facts.slowdown_c - HEAT_MARGIN_C:
            why = "it will throttle as soon as it works"
            return Finding("GPU heat", WARNING, what, why, "let it cool, or see to its airflow")
    return Finding("GPU heat", OK, what)


def _check_power(facts: GpuFacts) -> Finding:
    limit, usual = facts.power_limit_w, facts.default_power_limit_w
    if limit is None or usual is None:
        return _unknown("GPU power", facts, "power_limit_w", "default_power_limit_w")
    if limit < usual:
        why = "heavy stages run below the clock that this GPU has elsewhere"
        what = f"limit {limit:.0f} W, usually {usual:.0f} W"
        return Finding("GPU power", WARNING, what, why, f"sudo nvidia-smi -pl {usual:.0f}")
    return Finding("GPU power", OK, f"limit {limit:.0f} W")


def _check_guests(facts: GpuFacts) -> Finding:
    if facts.guests is None:
        return _unknown("GPU background load", facts, "guests")
    busy = facts.busy_percent
    what = f"{facts.guests} other processes" if facts.guests != 1 else "1 other process"
    if busy is not None:
        what += f", GPU busy {busy} % of the time"
    if facts.guests or (busy or 0) > BUSY_LIMIT_PERCENT:
        why = "kernels of other processes run between those that are measured"
        return Finding("GPU background load", WARNING, what, why, "stop them (see `nvidia-smi`)")
    return Finding("GPU background load", OK, what)


def _check_link(facts: GpuFacts) -> Finding:
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
