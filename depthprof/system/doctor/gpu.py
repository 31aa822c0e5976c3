"""The GPU's facts, by NVML: clocks, faults, guests, link, ECC, MIG, confidential computing.

Each question is asked by itself (nvml.questions), so that what one GPU or driver does not answer
leaves the others' answers, and has its reason told.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from depthprof.records import CLOCK_FAULTS, CLOCK_REASONS
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


PLAIN = (
    "persistence",
    "sm_clock_mhz",
    "max_sm_clock_mhz",
    "application_clock_mhz",
    "pcie_generation",
    "max_pcie_generation",
    "pcie_width",
    "max_pcie_width",
    "ecc",
    "mig",
    "confidential",
)
"""Facts that are the answer to the question of their name."""

MADE_OF = {
    "guests": "compute_pids",
    "busy_percent": "utilisation",
    "faults": "throttle_reasons",
    "heat_c": "temperature_c",
    "slowdown_c": "slowdown_c",
    "power_limit_w": "power_limit_mw",
    "default_power_limit_w": "default_power_limit_mw",
}
"""Facts that are made of an answer, and the question's name."""


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
    plain = {name: gpu.answer(name) for name in PLAIN}
    made = {name: gpu.answer(question) for name, question in MADE_OF.items()}
    asked = {name: name for name in PLAIN} | MADE_OF
    return GpuFacts(
        name=gpu.answer("name") or "GPU",
        **plain,
        heat_c=made["heat_c"],
        slowdown_c=made["slowdown_c"],
        guests=_guests(made["guests"], gpu.answer("graphics_pids")),
        busy_percent=None if made["busy_percent"] is None else made["busy_percent"][0],
        faults=_faults(made["faults"]),
        power_limit_w=_watts(made["power_limit_w"]),
        default_power_limit_w=_watts(made["default_power_limit_w"]),
        reasons={name: why for name, question in asked.items() if (why := gpu.reason(question))},
    )


def _guests(compute: frozenset[int] | None, graphics: frozenset[int] | None) -> int | None:
    """Processes but this one; unknown without those that compute, since those are what matters."""
    if compute is None:
        return None
    return len((compute | (graphics or frozenset())) - {os.getpid()})


def _faults(reasons: int | None) -> tuple[str, ...] | None:
    """Clock reasons that are faults. A power cap, application clocks and idling are not."""
    if reasons is None:
        return None
    return tuple(word for bit, word in CLOCK_REASONS.items() if bit & reasons & CLOCK_FAULTS)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
