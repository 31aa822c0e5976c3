"""What a machine could do at best, measured once: the floors of every stage come from it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CopyRate:
    """Best rate of one copy. `direction` is "h2d" or "d2h", `memory` "pageable" or "pinned"."""

    direction: str
    memory: str
    size_bytes: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class MatrixRate:
    """Best rate of a large matrix product in one dtype ("fp32", "tf32", "fp16", "bf16").

    "fp32" is without TF32, as torch multiplies by default; "tf32" is float32 with TF32 allowed.
    """

    dtype: str
    flops_per_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Best rates of a machine and of one of its devices.

    Attributes:
        fingerprint: of machine, device, threads and versions; they hold for it alone.
        created: when, as ISO 8601.
        device: resolved device; device_name, cpu: of the hardware; threads: torch's on the CPU.
        copies: of the link, empty on a CPU, where nothing is copied between devices.
        matrix: of the device.
        memory_bytes_per_s: of the device's memory, read and written bytes together.
        launch_ns: host time of launching one small operation on the device.
        host_copy_bytes_per_s: of one core copying within the host's memory (read + written).
        core_bytes_per_s: of one core's simplest arithmetic over a large array (read + written).
    """

    fingerprint: str
    created: str
    device: str
    device_name: str
    cpu: str
    threads: int
    copies: tuple[CopyRate, ...]
    matrix: tuple[MatrixRate, ...]
    memory_bytes_per_s: float
    launch_ns: float
    host_copy_bytes_per_s: float
    core_bytes_per_s: float

    def flops_per_s(self, dtype: str) -> float | None:
        """Matrix rate of a dtype, None where it was not measured."""
        return next((rate.flops_per_s for rate in self.matrix if rate.dtype == dtype), None)


@dataclass(frozen=True, slots=True)
class StageFloor:
    """The least time a stage could take on this machine, and what bounds it.

    Attributes:
        stage: its name.
        floor_ns: the largest of the times below (Williams, Waterman and Patterson, Roofline,
            CACM 52 (2009) 65-76: work over rate, traffic over bandwidth).
        bound_by: "arithmetic", "memory", "link" or "launches".
        reached_ratio: floor over the measured median: 1 is the hardware's limit.
        flops_ratio: for forward, the time its FLOPs need at the matrix rates they may use over the
            measured one (MFU: Chowdhery et al., PaLM, 2022, appendix B); None elsewhere.
    """

    stage: str
    floor_ns: float
    bound_by: str
    reached_ratio: float
    flops_ratio: float | None = None


def limits_fingerprint(
    cpu: str, device_name: str, threads: int, torch: str, driver: str | None, gpu: str | None = None
) -> str:
    """What limits hold for, in 16 hexadecimal digits.

    Args:
        cpu: its name. device_name: of the device, the same on a CPU. threads: torch's.
        torch: its version. driver, gpu: the GPU's, and its address; None on a CPU.
    """
    text = json.dumps([cpu, device_name, threads, torch, driver, gpu])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def limits_from(data: Mapping[str, Any]) -> Limits:
    """Make limits from a plain mapping, as they are kept."""
    return Limits(
        **{
            **data,
            "copies": tuple(CopyRate(**rate) for rate in data["copies"]),
            "matrix": tuple(MatrixRate(**rate) for rate in data["matrix"]),
        }
    )
