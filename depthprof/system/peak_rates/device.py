"""The device: matrix products of a GPU, copies over its link, tensors, and what launches cost."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns

import torch

from depthprof.records import CopyRate, MatrixRate
from depthprof.system.peak_rates.memory import MEMORY_SHARE
from depthprof.system.peak_rates.timing import Timed, best_s

GPU_SIDES = (8192, 4096, 2048, 1024)
"""Sides of the matrices; a trial with the smallest shows which ones fit."""

TRIED = 2
"""So many of the largest that fit are measured: waves of blocks fill a GPU unevenly."""

KERNEL = "torch.mm"
MOST_S = 0.2
"""A product that would take longer is too large."""

MATRIX_PART_S = 0.1
MATRIX_SHARE = 4
TF32_FROM_CAPABILITY = 8
"""TF32 came with compute capability 8.0 (CUDA C++ Programming Guide, tensor cores)."""


def gpu_matrix_rates(device: torch.device, timed: Timed) -> tuple[MatrixRate, ...]:
    """Rates of a GPU: fp32 without TF32 (torch's default), tf32, fp16 and bf16."""
    free, _ = torch.cuda.mem_get_info(device)
    sides = tuple(side for side in GPU_SIDES if 3 * 4 * side**2 <= free // MATRIX_SHARE)
    rates: dict[str, float | None] = {}
    if sides:
        rates |= _fp32_rates(device, timed, sides)
        rates["fp16"] = flops_per_s(torch.float16, device, timed, sides)
        rates["bf16"] = flops_per_s(torch.bfloat16, device, timed, sides)
    return tuple(MatrixRate(name, rate, KERNEL) for name, rate in rates.items() if rate is not None)


def flops_per_s(
    dtype: torch.dtype, device: torch.device, timed: Timed, sides: Sequence[int]
) -> float | None:
    """Best rate of [n, n] x [n, n], a multiply-add being two operations; None if it cannot be had.

    The largest that fit are tried, as they are and with either of them transposed: kernels differ.

    Args:
        dtype: of the matrices. device: where they lie.
        timed: how a product is timed.
        sides: n to choose from, largest first; the smallest is tried first.
    """
    try:
        trial_s = _product_s(sides[-1], dtype, device, timed, 0.0)
        fitting = [n for n in sides if trial_s * (n / sides[-1]) ** 3 <= MOST_S][:TRIED]
        rates = [
            2 * n**3 / _product_s(n, dtype, device, timed, MATRIX_PART_S) for n in fitting[::-1]
        ]
    except RuntimeError:  # no such product in this torch, or no memory for it
        return None
    return max(rates, default=None)


def _product_s(
    side: int, dtype: torch.dtype, device: torch.device, timed: Timed, limit_s: float
) -> float:
    # random values: a product of constants draws less power, and a GPU then clocks higher
    values = torch.Generator(device).manual_seed(0)
    first, second = (
        torch.randn(side, side, generator=values, device=device, dtype=dtype) for _ in range(2)
    )
    out = torch.empty(side, side, device=device, dtype=dtype)
    layouts = ((first, second), (first, second.t()), (first.t(), second))
    return min(
        best_s(timed, partial(torch.mm, *pair, out=out), limit_s / len(layouts)) for pair in layouts
    )


def _fp32_rates(
    device: torch.device, timed: Timed, sides: Sequence[int]
) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    with _kept_precision() as known:
        if not known:
            return found
        torch.set_float32_matmul_precision("highest")
        found["fp32"] = flops_per_s(torch.float32, device, timed, sides)
        if torch.cuda.get_device_capability(device)[0] >= TF32_FROM_CAPABILITY:
            torch.set_float32_matmul_precision("high")
            found["tf32"] = flops_per_s(torch.float32, device, timed, sides)
    return found


@contextmanager
def _kept_precision() -> Iterator[bool]:
    """Set torch's precision of float32 products back at the end; False where it cannot be read.

    It cannot where a pipeline set it through both of torch's interfaces for it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some versions warn of either interface
        try:
            before = torch.get_float32_matmul_precision()
        except RuntimeError:
            yield False
            return
        try:
            yield True
        finally:
            torch.set_float32_matmul_precision(before)


COPY_SIZES_BYTES = (64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20)
COPY_PART_S = 0.03

Allocate = Callable[..., torch.Tensor]
"""Of a size and `pinned=`: bytes on the host, uint8 [size], in pinned memory or not."""


def copy_rates(
    device: torch.device,
    timed: Timed,
    allocate: Allocate | None = None,
    sizes_bytes: Sequence[int] = COPY_SIZES_BYTES,
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
                here = (allocate or _host_bytes)(size_bytes, pinned=pinned)
            except RuntimeError:  # the system lets nobody lock so much memory
                continue
            for direction, target, source in (("h2d", there, here), ("d2h", here, there)):
                took_s = best_s(timed, _copy(target, source, pinned=pinned), COPY_PART_S)
                rates.append(CopyRate(direction, memory, size_bytes, size_bytes / took_s))
    return tuple(rates)


def _copy(target: torch.Tensor, source: torch.Tensor, *, pinned: bool) -> Callable[[], object]:
    return lambda: target.copy_(source, non_blocking=pinned)


def _host_bytes(size_bytes: int, *, pinned: bool) -> torch.Tensor:
    return torch.zeros(size_bytes, dtype=torch.uint8, pin_memory=pinned)


LAUNCH_PART_S = 0.15
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

    return best_s(row_s, row, LAUNCH_PART_S) * 1e9 / LAUNCHES
