"""The GPU, by NVML: clocks, faults, guests, link, ECC, MIG, confidential computing.

Each question is asked by itself, so that what one GPU does not answer leaves the others' answers.
Source: NVIDIA Management Library (NVML) API reference; the names are its functions'.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from depthprof.doctor.findings import OK, WARNING, Finding, unknown
from depthprof.nvml import Gpu, NvmlAbsent, connected, visible_address

FAULTS = {
    "HwSlowdown": "hardware slowdown",
    "SwThermalSlowdown": "heat",
    "HwThermalSlowdown": "heat (hardware)",
    "HwPowerBrakeSlowdown": "power brake",
}
"""Clock reasons that are faults. A power cap, application clocks and idling are not."""

BUSY_LIMIT_PERCENT = 5
HEAT_MARGIN_C = 10


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What NVML answered; None where it did not. Clocks in MHz, heat in degrees Celsius."""

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


def gpu_facts(nvml: Any, device: str = "auto") -> GpuFacts | None:
    """Ask NVML about one GPU.

    Args:
        nvml: the module, pynvml or a stand-in. device: "auto", "cuda" or "cuda:N".

    Returns:
        The facts, or None where NVML does not work or knows no such GPU.
    """
    try:
        handle = Gpu(connected(nvml), visible_address(device)).whole
    except NvmlAbsent:
        return None
    ask = _Asker(nvml, handle)
    milliwatts = ask.number("nvmlDeviceGetPowerManagementLimit")
    default_milliwatts = ask.number("nvmlDeviceGetPowerManagementDefaultLimit")
    return GpuFacts(
        name=ask.text("nvmlDeviceGetName") or "GPU",
        persistence=ask.flag("nvmlDeviceGetPersistenceMode"),
        sm_clock_mhz=ask.number("nvmlDeviceGetClockInfo", getattr(nvml, "NVML_CLOCK_SM", 1)),
        max_sm_clock_mhz=ask.number("nvmlDeviceGetMaxClockInfo", getattr(nvml, "NVML_CLOCK_SM", 1)),
        application_clock_mhz=ask.number(
            "nvmlDeviceGetApplicationsClock", getattr(nvml, "NVML_CLOCK_SM", 1)
        ),
        guests=ask.guests(),
        busy_percent=ask.value(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        faults=ask.faults(),
        heat_c=ask.number("nvmlDeviceGetTemperature", getattr(nvml, "NVML_TEMPERATURE_GPU", 0)),
        slowdown_c=ask.number(
            "nvmlDeviceGetTemperatureThreshold",
            getattr(nvml, "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN", 1),
        ),
        power_limit_w=None if milliwatts is None else milliwatts / 1000,
        default_power_limit_w=None if default_milliwatts is None else default_milliwatts / 1000,
        pcie_generation=ask.number("nvmlDeviceGetCurrPcieLinkGeneration"),
        max_pcie_generation=ask.number("nvmlDeviceGetMaxPcieLinkGeneration"),
        pcie_width=ask.number("nvmlDeviceGetCurrPcieLinkWidth"),
        max_pcie_width=ask.number("nvmlDeviceGetMaxPcieLinkWidth"),
        ecc=ask.first_flag("nvmlDeviceGetEccMode"),
        mig=ask.first_flag("nvmlDeviceGetMigMode"),
        confidential=ask.confidential(),
    )


def judge_gpu(facts: GpuFacts | None) -> list[Finding]:
    """Say of each fact whether it spoils a measurement."""
    if facts is None:
        why = "nothing can be said of the GPU, and nothing of it is watched while measuring"
        advice = "see whether `nvidia-smi` works; install the NVIDIA driver, or use --device cpu"
        return [Finding("GPU", WARNING, "NVML does not answer, or knows no such GPU", why, advice)]
    return [
        Finding("GPU", OK, facts.name),
        _judge_persistence(facts),
        _judge_clocks(facts),
        _judge_faults(facts),
        _judge_heat(facts),
        _judge_power(facts),
        _judge_guests(facts),
        _judge_link(facts),
        _judge_ecc(facts),
        _judge_mig(facts),
        _judge_confidential(facts),
    ]


def _judge_persistence(facts: GpuFacts) -> Finding:
    if facts.persistence is None:
        return unknown("GPU persistence", "NVML does not say")
    if not facts.persistence:
        why = "the driver unloads between programs, so each launch starts cold and slow"
        return Finding("GPU persistence", WARNING, "off", why, "sudo nvidia-smi -pm 1")
    return Finding("GPU persistence", OK, "on")


def _judge_clocks(facts: GpuFacts) -> Finding:
    if facts.sm_clock_mhz is None or facts.max_sm_clock_mhz is None:
        return unknown("GPU clocks", "NVML does not say")
    what = f"SM at {facts.sm_clock_mhz} MHz, at most {facts.max_sm_clock_mhz} MHz"
    locked = facts.application_clock_mhz
    if locked is not None and locked < facts.max_sm_clock_mhz:
        return Finding("GPU clocks", OK, f"{what}, application clock {locked} MHz")
    why = "they follow load, heat and power; sides in turns share that, runs of two times do not"
    advice = (
        "sudo nvidia-smi -lgc MHZ locks them at one they can hold; NVML does not tell if it is so"
    )
    return Finding("GPU clocks", OK, f"{what}; no lower one is set", why, advice)


def _judge_faults(facts: GpuFacts) -> Finding:
    if facts.faults is None:
        return unknown("GPU throttling", "NVML does not say")
    if facts.faults:
        why = "the clock is held down, so times grow with no change of the code"
        what = ", ".join(facts.faults)
        return Finding("GPU throttling", WARNING, what, why, "let it cool; check fans and power")
    return Finding("GPU throttling", OK, "none now")


def _judge_heat(facts: GpuFacts) -> Finding:
    if facts.heat_c is None:
        return unknown("GPU heat", "NVML does not say")
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
        return unknown("GPU power", "NVML does not say")
    if limit < usual:
        why = "heavy stages run below the clock that this GPU has elsewhere"
        what = f"limit {limit:.0f} W, usually {usual:.0f} W"
        return Finding("GPU power", WARNING, what, why, f"sudo nvidia-smi -pl {usual:.0f}")
    return Finding("GPU power", OK, f"limit {limit:.0f} W")


def _judge_guests(facts: GpuFacts) -> Finding:
    if facts.guests is None:
        return unknown("GPU neighbours", "NVML does not say")
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
        return unknown("PCIe", "NVML does not say")
    now, most = facts.pcie_generation, facts.max_pcie_generation
    what = f"generation {now} of {most}, width x{width} of x{widest}"
    working = (facts.busy_percent or 0) > BUSY_LIMIT_PERCENT
    slow = working and now is not None and most is not None and now < most
    if width < widest or slow:
        why = "h2d and d2h take longer than this GPU needs"
        return Finding("PCIe", WARNING, what, why, "check slot, riser and BIOS settings")
    idle = " (an idle link drops its generation)" if now != most else ""
    return Finding("PCIe", OK, what + idle)


def _judge_ecc(facts: GpuFacts) -> Finding:
    if facts.ecc is None:
        return unknown("ECC", "this GPU has none, or NVML does not say")
    if not facts.ecc:
        return Finding("ECC", OK, "off")
    why = "on GPUs with GDDR memory its check bits take some of the bandwidth"
    return Finding("ECC", OK, "on", why, "compare only with runs that have it on")


def _judge_mig(facts: GpuFacts) -> Finding:
    if facts.mig is None:
        return unknown("MIG", "this GPU has none, or NVML does not say")
    if facts.mig:
        why = "a slice has part of the GPU and shares memory paths and power with the others"
        advice = "compare only with runs on the same slice, or have MIG switched off"
        return Finding("MIG", WARNING, "on", why, advice)
    return Finding("MIG", OK, "off")


def _judge_confidential(facts: GpuFacts) -> Finding:
    if facts.confidential is None:
        return unknown("confidential computing", "this GPU has none, or NVML does not say")
    if facts.confidential:
        why = "h2d and d2h are encrypted through a bounce buffer and take several times as long"
        advice = "compare only with runs that have it on, or use a machine without"
        return Finding("confidential computing", WARNING, "on", why, advice)
    return Finding("confidential computing", OK, "off")


class _Asker:
    """Asks NVML one question at a time; what it does not answer is None."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def value(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (self._nvml.NVMLError, AttributeError):  # not this GPU, or not this NVML
            return None

    def number(self, function: str, *arguments: Any) -> int | None:
        found = self.value(lambda: getattr(self._nvml, function)(self._handle, *arguments))
        return None if found is None else int(found)

    def flag(self, function: str) -> bool | None:
        found = self.number(function)
        return None if found is None else bool(found)

    def first_flag(self, function: str) -> bool | None:
        """Of a function that gives the current and the pending mode."""
        found = self.value(lambda: getattr(self._nvml, function)(self._handle))
        return None if found is None else bool(found[0])

    def text(self, function: str) -> str | None:
        found = self.value(lambda: getattr(self._nvml, function)(self._handle))
        return found.decode() if isinstance(found, bytes) else found

    def guests(self) -> int | None:
        nvml, handle = self._nvml, self._handle
        lists = [
            self.value(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
            self.value(lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses(handle)),
        ]
        if all(found is None for found in lists):
            return None
        pids = {process.pid for found in lists for process in found or ()}
        return len(pids - {os.getpid()})

    def faults(self) -> tuple[str, ...] | None:
        reasons = self.number("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:
            reasons = self.number("nvmlDeviceGetCurrentClocksThrottleReasons")
        if reasons is None:
            return None
        bits = {name: getattr(self._nvml, f"nvmlClocksThrottleReason{name}", 0) for name in FAULTS}
        return tuple(FAULTS[name] for name, bit in bits.items() if reasons & bit)

    def confidential(self) -> bool | None:
        state = self.value(lambda: self._nvml.nvmlSystemGetConfComputeState())
        return None if state is None else bool(getattr(state, "ccFeature", 0))
