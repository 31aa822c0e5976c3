"""The device: tensors beyond its caches, and what the host pays to launch one operation on it."""

from collections.abc import Callable
from time import perf_counter_ns

import torch

from depthprof.system.peak_rates.best import best_s
from depthprof.system.peak_rates.host import MEMORY_SHARE

PART_S = 0.15
GPU_BYTES = 512 << 20
"""A tensor in a GPU's memory; its last cache holds a tenth of that at most (2025)."""

LAUNCHES = 500
"""Launches in one row, few enough that the queue of a GPU takes them all."""


def gpu_tensors(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors float32 on a GPU, as large as is asked for or its free memory allows."""
    free, _ = torch.cuda.mem_get_info(device)
    count = min(GPU_BYTES, max(1 << 20, free // MEMORY_SHARE)) // 4
    return torch.ones(count, device=device), torch.zeros(count, device=device)


def launch_ns(device: torch.device, wait: Callable[[], object]) -> float:
    """Host time of one small operation in a long row of them, in nanoseconds.

    Args:
        device: where they run. wait: until the device has done all it was given.
    """
    one = torch.zeros(1, device=device)

    def row_s(act: Callable[[], object]) -> float:
        wait()
        started = perf_counter_ns()
        act()
        took_ns = perf_counter_ns() - started
        wait()
        return max(1, took_ns) / 1e9

    def row() -> None:
        for _ in range(LAUNCHES):
            one.add_(1.0)

    return best_s(row_s, row, PART_S) * 1e9 / LAUNCHES
