"""The GPU as NVML shows it: found by UUID or PCI address, asked one question at a time.

Nothing here is loaded before a CUDA device is in use, and nothing here is trusted to answer: a
question that is refused is -1 and, once, a sentence. Source: NVIDIA Management Library (NVML) API
reference guide; the names are its functions'.
"""

from depthprof.system.nvml.gpu import Gpu, find_handle
from depthprof.system.nvml.library import NvmlAbsent, connected, driver_version, shut_down, within
from depthprof.system.nvml.reader import GpuReader, GpuWatch
from depthprof.system.nvml.visible import (
    GpuAddress,
    NotVisible,
    located,
    torch_address,
    visible_address,
)

__all__ = [
    "Gpu",
    "GpuAddress",
    "GpuReader",
    "GpuWatch",
    "NotVisible",
    "NvmlAbsent",
    "connected",
    "driver_version",
    "find_handle",
    "located",
    "shut_down",
    "torch_address",
    "visible_address",
    "within",
]
