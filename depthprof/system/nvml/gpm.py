"""GPM: what multiprocessors, tensor cores, memory and link did between two moments.

Of Hopper and newer. Two samples of counters are compared; NVML asks for more than 100 ms between
them (NVML API reference, GPM functions, nvmlGpmMetricsGet).
"""

import math
from typing import Any

from depthprof.records import UNKNOWN
from depthprof.system.nvml.gpu import Gpu
from depthprof.system.nvml.library import refusals

BETWEEN_NS = 120_000_000
"""Least time between two samples."""

PERMILLE_PER_PERCENT = 10
BYTES_PER_MIB = 2**20

METRICS = {
    # column: (name after NVML_GPM_METRIC_, its number in nvmlGpmMetricId_t, factor to our unit)
    "sm_active_permille": ("SM_UTIL", 2, PERMILLE_PER_PERCENT),
    "tensor_active_permille": ("ANY_TENSOR_UTIL", 5, PERMILLE_PER_PERCENT),
    "dram_active_permille": ("DRAM_BW_UTIL", 10, PERMILLE_PER_PERCENT),
    "pcie_sent_bytes_per_s": ("PCIE_TX_PER_SEC", 20, BYTES_PER_MIB),
    "pcie_received_bytes_per_s": ("PCIE_RX_PER_SEC", 21, BYTES_PER_MIB),
}
WHAT = "SM, tensor and memory activity (GPM)"


LINK_COLUMNS = ("pcie_sent_bytes_per_s", "pcie_received_bytes_per_s")


class Gpm:
    """Keeps the sample before and gives the metrics since. Close it: its samples are NVML's.

    Attributes:
        offered: whether NVML says that it has them.
        has_link: whether it gives the link's traffic, as far as is known: being offered does not
            keep a driver from refusing.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._samples: list[Any] = []
        self._taken_ns: int | None = None
        self.offered = self.has_link = self._is_offered()

    def read(self, now_ns: int) -> dict[str, int]:
        """Give the metrics since the last sample; nothing where that is too short ago.

        Raises:
            NvmlAbsent: the GPU is gone.
        """
        if not self.offered or not self._is_due(now_ns):
            return {}
        if self._gpu.ask(WHAT, lambda: self._take(self._samples[1])) is None:
            self._taken_ns = None  # the next sample has nothing to be compared with
            self.has_link = False
            return {}
        answer = None
        if self._taken_ns is not None:
            answer = self._gpu.ask(WHAT, self._compared)
            given = answer or {}
            self.has_link = all(given.get(name, UNKNOWN) != UNKNOWN for name in LINK_COLUMNS)
        self._samples.reverse()
        self._taken_ns = now_ns
        return {} if answer is None else answer

    def close(self) -> None:
        """Give the samples back."""
        nvml = self._gpu.nvml
        for sample in self._samples:
            try:
                nvml.nvmlGpmSampleFree(sample)
            except refusals(nvml):  # the driver is gone, and its memory with it
                break
        self._samples = []
        self.offered = False

    def _is_due(self, now_ns: int) -> bool:
        return self._taken_ns is None or now_ns - self._taken_ns >= BETWEEN_NS

    def _is_offered(self) -> bool:
        gpu, nvml = self._gpu, self._gpu.nvml
        support = gpu.ask(WHAT, lambda: nvml.nvmlGpmQueryDeviceSupport(gpu.whole))
        if support is None:
            return False
        if not support.isSupportedDevice:
            gpu.refused(WHAT, "it takes a Hopper GPU or a newer one")
            return False
        for _ in range(2):
            sample = gpu.ask(WHAT, nvml.nvmlGpmSampleAlloc)
            if sample is None:
                self.close()
                return False
            self._samples.append(sample)
        return True

    def _take(self, sample: Any) -> bool:
        gpu = self._gpu
        if gpu.instance is None:
            gpu.nvml.nvmlGpmSampleGet(gpu.whole, sample)
        else:
            gpu.nvml.nvmlGpmMigSampleGet(gpu.whole, gpu.instance, sample)
        return True

    def _compared(self) -> dict[str, int]:
        """Have NVML compute the metrics between the two samples."""
        nvml = self._gpu.nvml
        wanted = nvml.c_nvmlGpmMetricsGet_t()
        wanted.version = nvml.NVML_GPM_METRICS_GET_VERSION
        wanted.numMetrics = len(METRICS)
        wanted.sample1, wanted.sample2 = self._samples
        for place, (name, number, _) in enumerate(METRICS.values()):
            wanted.metrics[place].metricId = getattr(nvml, f"NVML_GPM_METRIC_{name}", number)
        answered = nvml.nvmlGpmMetricsGet(wanted)
        return {
            column: _scaled(answered.metrics[place], factor)
            for place, (column, (_, _, factor)) in enumerate(METRICS.items())
        }


def _scaled(metric: Any, factor: int) -> int:
    if metric.nvmlReturn or not math.isfinite(metric.value) or metric.value < 0:
        return UNKNOWN
    return round(float(metric.value) * factor)
