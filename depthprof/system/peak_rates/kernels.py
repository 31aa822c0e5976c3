"""Matrix products of a CPU through every library at hand: whichever is fastest is the peak rate.

Which one that is depends on the processor: torch's own product is mostly MKL's, which need not use
all that a processor of another maker has; its convolutions and mkldnn tensors are oneDNN's; NumPy
and OpenCV have a BLAS each. All are measured in turn, again and again, so that no bad moment
meets one alone.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from depthprof.records import MatrixRate
from depthprof.system.machine import usable_cores
from depthprof.system.peak_rates.timing import Act, best_s, host_timed

SIDES = (512, 1024)
"""Sides of the matrices; which one suits caches and blocking best differs by kernel."""

TRIAL_SIDE = 256
MOST_S = 0.03
"""A product that would take longer is not measured; where none is shorter, the trial counts."""

PART_S = 0.015
CYCLES = 3
POOL_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
"""In the order in which OpenBLAS asks (its README, "Setting the number of threads")."""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Matrices = tuple[torch.Tensor, torch.Tensor]
Kernel = Callable[[Matrices], Act]
"""Makes the act that multiplies two matrices [n, n] of one dtype."""


@dataclass(frozen=True, slots=True)
class _Product:
    dtype: str
    kernel: str
    side: int
    act: Act


def cpu_kernels(threads: int, sides: Sequence[int] = SIDES) -> tuple[MatrixRate, ...]:
    """The best rate of each kernel and dtype that torch, NumPy and OpenCV have here.

    Args:
        threads: torch's, as set. sides: n of the matrices [n, n].
    """
    seen: dict[tuple[str, str], float] = {}
    products = list(_products(KERNELS if pools_hold(threads) else TORCH_KERNELS, sides))
    for _ in range(CYCLES):
        for one in products:
            key = (one.dtype, one.kernel)
            rate = 2 * one.side**3 / best_s(host_timed, one.act, PART_S)
            seen[key] = max(rate, seen.get(key, 0.0))
    return tuple(MatrixRate(dtype, rate, kernel) for (dtype, kernel), rate in seen.items())


def pools_hold(threads: int) -> bool:
    """Whether NumPy's and OpenCV's BLAS use so many threads at most.

    They have pools of their own, which torch's setting does not reach: of all cores, unless
    OpenBLAS found one of its variables when it was loaded. What several cores reach together is no
    peak rate of one. Processor times do not show it: they are counted in steps of milliseconds.
    """
    wanted = next((os.environ[name] for name in POOL_VARIABLES if os.environ.get(name)), "")
    return usable_cores() <= threads or (wanted.isdecimal() and 0 < int(wanted) <= threads)


def best_of_kernels(kernels: Sequence[MatrixRate]) -> tuple[MatrixRate, ...]:
    """The fastest kernel of each dtype."""
    dtypes = dict.fromkeys(one.dtype for one in kernels)
    return tuple(
        max((one for one in kernels if one.dtype == dtype), key=lambda one: one.flops_per_s)
        for dtype in dtypes
    )


def _products(known: Sequence[tuple[str, Kernel]], sides: Sequence[int]) -> Iterator[_Product]:
    for dtype in DTYPES:
        for kernel, make in known:
            trial = _product(dtype, kernel, make, TRIAL_SIDE)
            if trial is None:
                continue
            trial_s = best_s(host_timed, trial.act, 0.0)
            fitting = [n for n in sides if trial_s * (n / TRIAL_SIDE) ** 3 <= MOST_S]
            made = [_product(dtype, kernel, make, side) for side in fitting] or [trial]
            yield from (one for one in made if one is not None)


def _product(dtype: str, kernel: str, make: Kernel, side: int) -> _Product | None:
    """None where this torch does not have the kernel, or not for the dtype."""
    values = torch.Generator().manual_seed(0)
    pair = [torch.randn(side, side, generator=values).to(DTYPES[dtype]) for _ in range(2)]
    try:
        act = make((pair[0], pair[1]))
        act()
    except (RuntimeError, TypeError, AttributeError, cv2.error):
        return None
    return _Product(dtype, kernel, side, act)


def _torch_mm(pair: Matrices) -> Act:
    out = torch.empty_like(pair[0])
    return lambda: torch.mm(*pair, out=out)


def _torch_mm_of_transposed(pair: Matrices) -> Act:
    """As a linear layer multiplies."""
    out = torch.empty_like(pair[0])
    return lambda: torch.mm(pair[0], pair[1].t(), out=out)


def _mkldnn_linear(pair: Matrices) -> Act:
    """What `torch.utils.mkldnn.to_mkldnn` makes of a linear layer."""
    first, second = (one.to_mkldnn() for one in pair)
    linear = torch._C._nn.mkldnn_linear
    return lambda: linear(first, second, None)


def _convolution(pair: Matrices) -> Act:
    """The product as a convolution of 1 x 1, channels last: [1, n, 1, n] with [n, n, 1, 1]."""
    side = len(pair[0])
    picture, weight = (
        pair[0].reshape(1, side, 1, side).to(memory_format=torch.channels_last),
        pair[1].reshape(side, side, 1, 1).to(memory_format=torch.channels_last),
    )
    return lambda: torch.conv2d(picture, weight)


def _numpy_matmul(pair: Matrices) -> Act:
    first, second = (one.numpy() for one in pair)  # TypeError for bfloat16
    if first.dtype != np.float32:
        raise TypeError("NumPy has a BLAS for float32 alone")
    out = np.empty_like(first)
    return lambda: np.matmul(first, second, out=out)


def _cv2_gemm(pair: Matrices) -> Act:
    first, second = (one.numpy() for one in pair)
    nothing = np.zeros_like(first)
    return lambda: cv2.gemm(first, second, 1.0, nothing, 0.0)


TORCH_KERNELS: tuple[tuple[str, Kernel], ...] = (
    ("torch.mm", _torch_mm),
    ("torch.mm", _torch_mm_of_transposed),
    ("torch mkldnn_linear", _mkldnn_linear),
    ("torch conv2d, channels last", _convolution),
)
KERNELS = (
    *TORCH_KERNELS,
    ("numpy.matmul", _numpy_matmul),
    ("cv2.gemm", _cv2_gemm),
)
