"""Every question to a GPU in one table: NVML's function, and what is made of its answer.

Source: NVIDIA Management Library (NVML) API reference guide; enumerations are nvmlClockType_t,
nvmlTemperatureSensors_t, nvmlTemperatureThresholds_t and nvmlPcieUtilCounter_t.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from depthprof.system.nvml.library import text

SM_CLOCK, MEMORY_CLOCK = 1, 2
CORE_SENSOR = 0
SLOWDOWN_THRESHOLD = 1
SENT, RECEIVED = 0, 1
BYTES_PER_KB = 1_000

WHOLE, SLICE, SYSTEM = "whole", "slice", "system"
"""Whose handle a function takes: the whole GPU's, the slice's (where there is one), nobody's."""

OTHER_NAMES = {
    "nvmlDeviceGetCurrentClocksEventReasons": ("nvmlDeviceGetCurrentClocksThrottleReasons",),
    "nvmlDeviceGetComputeRunningProcesses": ("nvmlDeviceGetComputeRunningProcesses_v2",),
    "nvmlDeviceGetGraphicsRunningProcesses": ("nvmlDeviceGetGraphicsRunningProcesses_v2",),
    "nvmlDeviceGetTemperature": ("nvmlDeviceGetTemperatureV",),
}
"""By function, what gives the same answer where driver or binding lack it: older names, and newer
ones. Drivers before 450 know only a first version of the lists of processes, and no nvidia-ml-py
that we take offers that one."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        what: in words, after "NVML does not tell".
        function: of NVML. arguments: after the handle.
        of: WHOLE, SLICE or SYSTEM.
        read: makes of the function's answer the value: a number, a truth, a text, or a tuple.
    """

    what: str
    function: str
    arguments: tuple[int, ...] = ()
    of: str = WHOLE
    read: Callable[[Any], Any] = int


def _first(modes: Any) -> bool:
    """Of a current and a pending mode."""
    return bool(modes[0])


def _pids(listed: Any) -> frozenset[int]:
    return frozenset(process.pid for process in listed)


def _rates(rates: Any) -> tuple[int, int]:
    return rates.gpu, rates.memory


def _bytes_per_s(kilobytes: int) -> int:
    return kilobytes * BYTES_PER_KB


QUESTIONS = {
    "name": Question("its name", "nvmlDeviceGetName", read=text),
    "persistence": Question("the persistence mode", "nvmlDeviceGetPersistenceMode", read=bool),
    "sm_clock_mhz": Question("the SM clock", "nvmlDeviceGetClockInfo", (SM_CLOCK,)),
    "memory_clock_mhz": Question("the memory clock", "nvmlDeviceGetClockInfo", (MEMORY_CLOCK,)),
    "max_sm_clock_mhz": Question("the highest SM clock", "nvmlDeviceGetMaxClockInfo", (SM_CLOCK,)),
    "application_clock_mhz": Question(
        "the application clock", "nvmlDeviceGetApplicationsClock", (SM_CLOCK,)
    ),
    "power_mw": Question("the power", "nvmlDeviceGetPowerUsage"),
    "power_limit_mw": Question("the power limit", "nvmlDeviceGetPowerManagementLimit"),
    "default_power_limit_mw": Question(
        "the default power limit", "nvmlDeviceGetPowerManagementDefaultLimit"
    ),
    "energy_mj": Question("the energy", "nvmlDeviceGetTotalEnergyConsumption"),
    "temperature_c": Question("the temperature", "nvmlDeviceGetTemperature", (CORE_SENSOR,)),
    "slowdown_c": Question(
        "the temperature of slowing down",
        "nvmlDeviceGetTemperatureThreshold",
        (SLOWDOWN_THRESHOLD,),
    ),
    "throttle_reasons": Question("the throttle reasons", "nvmlDeviceGetCurrentClocksEventReasons"),
    "utilisation": Question(
        "the utilisation", "nvmlDeviceGetUtilizationRates", of=SLICE, read=_rates
    ),
    "memory_used_bytes": Question(
        "the memory in use",
        "nvmlDeviceGetMemoryInfo",
        of=SLICE,
        read=lambda memory: int(memory.used),
    ),
    "compute_pids": Question(
        "the processes on the GPU", "nvmlDeviceGetComputeRunningProcesses", of=SLICE, read=_pids
    ),
    "graphics_pids": Question(
        "the graphics processes on the GPU",
        "nvmlDeviceGetGraphicsRunningProcesses",
        of=SLICE,
        read=_pids,
    ),
    "pcie_sent_bytes_per_s": Question(
        "the PCIe traffic", "nvmlDeviceGetPcieThroughput", (SENT,), read=_bytes_per_s
    ),
    "pcie_received_bytes_per_s": Question(
        "the PCIe traffic", "nvmlDeviceGetPcieThroughput", (RECEIVED,), read=_bytes_per_s
    ),
    "pcie_generation": Question("the PCIe generation", "nvmlDeviceGetCurrPcieLinkGeneration"),
    "max_pcie_generation": Question(
        "the highest PCIe generation", "nvmlDeviceGetMaxPcieLinkGeneration"
    ),
    "pcie_width": Question("the PCIe width", "nvmlDeviceGetCurrPcieLinkWidth"),
    "max_pcie_width": Question("the widest PCIe width", "nvmlDeviceGetMaxPcieLinkWidth"),
    "ecc": Question("ECC", "nvmlDeviceGetEccMode", read=_first),
    "mig": Question("MIG", "nvmlDeviceGetMigMode", read=_first),
    "confidential": Question(
        "confidential computing",
        "nvmlSystemGetConfComputeState",
        of=SYSTEM,
        read=lambda state: bool(getattr(state, "ccFeature", 0)),
    ),
    "uuid": Question("the UUID", "nvmlDeviceGetUUID", of=SLICE, read=text),
    "slice": Question("the number of the MIG slice", "nvmlDeviceGetGpuInstanceId", of=SLICE),
}
"""By a name of ours, which carries the unit."""
