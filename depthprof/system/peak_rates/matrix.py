"""How many operations a second a large square matrix product reaches on a GPU, by dtype."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from depthprof.records import MatrixRate
from depthprof.system.peak_rates.best import Timed, best_s

GPU_SIDES = (8192, 4096, 2048, 1024)
"""Sides of the matrices; a trial with the smallest shows which ones fit."""

TRIED = 2
"""So many of the largest that fit are measured: waves of blocks fill a GPU unevenly."""

KERNEL = "torch.mm"
MOST_S = 0.2
"""A product that would take longer is too large."""

PART_S = 0.1
MEMORY_SHARE = 4
TF32_FROM_CAPABILITY = 8
"""TF32 came with compute capability 8.0 (CUDA C++ Programming Guide, tensor cores)."""


def gpu_matrix_rates(device: torch.device, timed: Timed) -> tuple[MatrixRate, ...]:
    """Rates of a GPU: fp32 without TF32 (torch's default), tf32, fp16 and bf16."""
    free, _ = torch.cuda.mem_get_info(device)
    sides = tuple(side for side in GPU_SIDES if 3 * 4 * side**2 <= free // MEMORY_SHARE)
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
        rates = [2 * n**3 / _product_s(n, dtype, device, timed, PART_S) for n in fitting[::-1]]
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
