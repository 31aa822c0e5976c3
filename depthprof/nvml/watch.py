"""The GPU once a block: its clock, and whether a fault holds it down."""

from typing import Any

from depthprof.nvml.address import GpuAddress
from depthprof.nvml.gpu import Gpu
from depthprof.nvml.library import NvmlAbsent, connected
from depthprof.records import CLOCK_FAULTS, UNKNOWN


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
            reasons = gpu.number("the throttle reasons", gpu.clock_reasons)
            clock_mhz = gpu.number(
                "the SM clock", lambda: gpu.nvml.nvmlDeviceGetClockInfo(gpu.whole, 1)
            )
        except NvmlAbsent:  # the GPU is gone; the run will hear of it from torch
            self._gpu = None
            return {}
        faults = reasons if reasons == UNKNOWN else reasons & CLOCK_FAULTS
        return {"throttled": faults, "sm_clock_mhz": clock_mhz}
