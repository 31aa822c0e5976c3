"""How many floating-point operations a second a large square matrix product reaches, by dtype."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from depthprof.limits.best import Timed, best_s
from depthprof.records import MatrixRate

CPU_SIDES = (1024, 512, 256)
GPU_SIDES = (8192, 4096, 2048, 1024)
"""Sides of the matrices, the largest that fits is taken; a trial with the smallest tells."""

MOST_S = 0.2
"""A product that would take longer is too large."""

PART_S = 0.15
MEMORY_SHARE = 4
TF32_FROM_CAPABILITY = 8
"""TF32 came with compute capability 8.0 (CUDA C++ Programming Guide, tensor cores)."""


def cpu_matrix_rates(timed: Timed) -> tuple[MatrixRate, ...]:
    """Rates of the CPU, with torch's threads as they are set. What is too slow is left out."""
    found = {
        name: flops_per_s(dtype, torch.device("cpu"), timed, CPU_SIDES)
        for name, dtype in (
            ("fp32", torch.float32),
            ("fp16", torch.float16),
            ("bf16", torch.bfloat16),
        )
    }
    return tuple(MatrixRate(name, rate) for name, rate in found.items() if rate is not None)


def gpu_matrix_rates(device: torch.device, timed: Timed) -> tuple[MatrixRate, ...]:
    """Rates of a GPU: fp32 without TF32 (torch's default), tf32, fp16 and bf16."""
    free, _ = torch.cuda.mem_get_info(device)
    sides = tuple(side for side in GPU_SIDES if 3 * 4 * side**2 <= free // MEMORY_SHARE)
    rates: dict[str, float | None] = {}
    if sides:
        rates |= _fp32_rates(device, timed, sides)
        rates["fp16"] = flops_per_s(torch.float16, device, timed, sides)
        rates["bf16"] = flops_per_s(torch.bfloat16, device, timed, sides)
    return tuple(MatrixRate(name, rate) for name, rate in rates.items() if rate is not None)


def flops_per_s(
    dtype: torch.dtype, device: torch.device, timed: Timed, sides: Sequence[int]
) -> float | None:
    """Rate of [n, n] x [n, n], a multiply-add being two operations; None if it cannot be had.

    Args:
        dtype: of the matrices. device: where they lie.
        timed: how a product is timed.
        sides: n to choose from, largest first; the smallest is tried first.
    """
    try:
        trial_s = _product_s(sides[-1], dtype, device, timed, 0.0)
        fitting = [n for n in sides if trial_s * (n / sides[-1]) ** 3 <= MOST_S]
        if not fitting:
            return None
        took_s = _product_s(fitting[0], dtype, device, timed, PART_S)
    except RuntimeError:  # no such product in this torch, or no memory for it
        return None
    return float(2 * fitting[0] ** 3 / took_s)


def _product_s(
    side: int, dtype: torch.dtype, device: torch.device, timed: Timed, limit_s: float
) -> float:
    # random values: a product of constants draws less power, and a GPU then clocks higher
    values = torch.Generator(device).manual_seed(0)
    first, second = (
        torch.randn(side, side, generator=values, device=device, dtype=dtype) for _ in range(2)
    )
    out = torch.empty(side, side, device=device, dtype=dtype)
    return best_s(timed, lambda: torch.mm(first, second, out=out), limit_s)


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
