"""What the machine and its GPU showed beside the measuring, sampled at moments of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TelemetryColumns:
    """Readings as int64 columns of length t; -1 is unknown, or was not offered.

    Attributes:
        at_ns: host clock (perf_counter_ns, on Linux the same in all processes) halfway through
            the reading. cost_ns: how long the reading took.
        gpu_busy_percent: NVML's utilisation: part of the last sampling period in which any kernel
            ran, however few of its multiprocessors. memory_busy_percent: likewise of memory access.
        sm_clock_mhz, memory_clock_mhz, power_mw, temperature_c: as NVML tells.
        memory_used_bytes: of the whole device, other processes included.
        pcie_sent_bytes_per_s, pcie_received_bytes_per_s: by the GPU.
        throttle_reasons: NVML's clocks event reasons, as bits.
        other_processes: compute processes on the GPU that are not ours.
        energy_mj: NVML's total energy counter, millijoules since the driver was loaded.
        sm_active_permille, tensor_active_permille, dram_active_permille: GPM metrics between this
            reading and the one before (Hopper and newer).
        host_busy_ns, host_stolen_ns, host_pressure_ns: counters since boot, of all cores.
        host_available_bytes: memory that could be had without swapping.
    """

    at_ns: Integers
    cost_ns: Integers
    gpu_busy_percent: Integers
    memory_busy_percent: Integers
    sm_clock_mhz: Integers
    memory_clock_mhz: Integers
    power_mw: Integers
    temperature_c: Integers
    memory_used_bytes: Integers
    pcie_sent_bytes_per_s: Integers
    pcie_received_bytes_per_s: Integers
    throttle_reasons: Integers
    other_processes: Integers
    energy_mj: Integers
    sm_active_permille: Integers
    tensor_active_permille: Integers
    dram_active_permille: Integers
    host_busy_ns: Integers
    host_stolen_ns: Integers
    host_pressure_ns: Integers
    host_available_bytes: Integers

    def __len__(self) -> int:
        return len(self.at_ns)


TELEMETRY_COLUMNS = tuple(field.name for field in fields(TelemetryColumns))


@dataclass(frozen=True, slots=True, eq=False)
class Telemetry:
    """Readings of the host and of one GPU, and what could not be had, each as a sentence.

    `gpu` names the device by NVML's UUID, None where there is none or NVML did not answer.
    """

    gpu: str | None
    interval_s: float
    columns: TelemetryColumns
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns)


def telemetry_document(telemetry: Telemetry) -> dict[str, Any]:
    """Write telemetry as a plain mapping for JSON."""
    return {
        "gpu": telemetry.gpu,
        "interval_s": telemetry.interval_s,
        "notes": list(telemetry.notes),
        "columns": {name: getattr(telemetry.columns, name).tolist() for name in TELEMETRY_COLUMNS},
    }


def telemetry_from(data: Mapping[str, Any]) -> Telemetry:
    """Make telemetry from what `telemetry_document` wrote.

    Raises:
        ValueError: its columns have unlike lengths.
    """
    columns = {
        name: np.asarray(data["columns"][name], dtype=np.int64) for name in TELEMETRY_COLUMNS
    }
    if len({column.shape for column in columns.values()}) > 1:
        raise ValueError("its columns of telemetry have unlike lengths")
    return Telemetry(
        data["gpu"], data["interval_s"], TelemetryColumns(**columns), tuple(data["notes"])
    )
