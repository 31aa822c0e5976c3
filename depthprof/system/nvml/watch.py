"""The GPU once a block: its clock, and whether a fault holds it down."""

from typing import Any

from depthprof.records import CLOCK_FAULTS, UNKNOWN
from depthprof.system.nvml.address import GpuAddress
from depthprof.system.nvml.gpu import Gpu
from depthprof.system.nvml.library import NvmlAbsent, connected


class GpuWatch:
    """Reads throttle faults and SM clock; nothing where NVML does not answer, or no longer.

    Args:
        address: which GPU. nvml: a stand-in for pynvml.
    """

    def __init__(self, address: GpuAddress, nvml: Any = None) -> None:
        self._gpu: Gpu | None = None
        try:
            self._gpu = Gpu(connected(nvml), address)
        except NvmlAbsent:
            return

    def read(self) -> dict[str, int]:
        """Read the clock reasons that are faults (a power cap is normal) and the clock in MHz."""
        gpu = self._gpu
        if gpu is None:
            return {}
        try:
            reasons, clock_mhz = gpu.answer("throttle_reasons"), gpu.answer("sm_clock_mhz")
        except NvmlAbsent:  # the GPU is gone; the run will hear of it from torch
            self._gpu = None
            return {}
        return {
            "throttled": UNKNOWN if reasons is None else reasons & CLOCK_FAULTS,
            "sm_clock_mhz": UNKNOWN if clock_mhz is None else clock_mhz,
        }
