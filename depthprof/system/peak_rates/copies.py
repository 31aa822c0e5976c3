"""The link between host and GPU: one copy at a time, by size, direction and kind of memory."""

from collections.abc import Callable, Sequence

import torch

from depthprof.records import CopyRate
from depthprof.system.peak_rates.best import Timed, best_s

SIZES_BYTES = (64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20)
PART_S = 0.03

Allocate = Callable[[int, bool], torch.Tensor]
"""Gives bytes on the host, uint8 [size], in pinned memory or not."""


def copy_rates(
    device: torch.device,
    timed: Timed,
    allocate: Allocate | None = None,
    sizes_bytes: Sequence[int] = SIZES_BYTES,
) -> tuple[CopyRate, ...]:
    """Bytes a second of single copies to and from a device.

    A pinned copy is put into the queue and waited for, a pageable one blocks by itself, as CUDA
    has it (CUDA Runtime API, API synchronization behavior).

    Args:
        device: the GPU. timed: seconds between two of its events.
        allocate: memory on the host; None is torch's.
        sizes_bytes: of the copies.
    """
    rates = []
    for size_bytes in sizes_bytes:
        there = torch.zeros(size_bytes, dtype=torch.uint8, device=device)
        for memory in ("pageable", "pinned"):
            pinned = memory == "pinned"
            try:
                here = (allocate or _host_bytes)(size_bytes, pinned)
            except RuntimeError:  # the system lets nobody lock so much memory
                continue
            for direction, target, source in (("h2d", there, here), ("d2h", here, there)):
                took_s = best_s(timed, _copy(target, source, pinned), PART_S)
                rates.append(CopyRate(direction, memory, size_bytes, size_bytes / took_s))
    return tuple(rates)


def _copy(target: torch.Tensor, source: torch.Tensor, pinned: bool) -> Callable[[], object]:
    return lambda: target.copy_(source, non_blocking=pinned)


def _host_bytes(size_bytes: int, pinned: bool) -> torch.Tensor:
    return torch.zeros(size_bytes, dtype=torch.uint8, pin_memory=pinned)
