"""Memory of the host and of a device: passes over arrays of several sizes, by several kernels.

What lies in a cache moves several times as fast as what lies in memory, and writing alone, reading
alone and both together each have their own rate. So there is no one peak rate: for each size the
best kernel is kept.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from depthprof.records import MemoryRate
from depthprof.system.peak_rates.best import Act, Timed, best_s

SIZES_BYTES = (256 << 10, 2 << 20, 8 << 20, 32 << 20)
"""Sizes of an array beside the largest: within the caches of a CPU, and of a GPU."""

PART_S = 0.01

Pair = tuple[torch.Tensor, torch.Tensor]


def host_memory(source: torch.Tensor, target: torch.Tensor, timed: Timed) -> list[MemoryRate]:
    """Best rates of the host's memory, by size, on one core and on torch's threads.

    Args:
        source, target: float32 [n] on the CPU, beyond its caches. timed: of the host.
    """
    return _rates("host", (source, target), timed, (*_device_kernels(), *_core_kernels()))


def device_memory(source: torch.Tensor, target: torch.Tensor, timed: Timed) -> list[MemoryRate]:
    """Best rates of a device's memory, by size. Tensors float32 [n] there, beyond its caches."""
    return _rates("device", (source, target), timed, _device_kernels())


Kernel = tuple[str, int, Callable[[torch.Tensor, torch.Tensor], Act]]
"""Its name, how many arrays it reads and writes, what makes the act of a source and a target."""


def _rates(where: str, pair: Pair, timed: Timed, kernels: Sequence[Kernel]) -> list[MemoryRate]:
    """One rate for each size of an array, the best; its bytes are those of source and target."""
    rates = []
    for source, target in _cuts(pair):
        best = (0.0, "")
        for name, passes, make in kernels:
            took_s = best_s(timed, make(source, target), PART_S)
            best = max(best, (passes * source.nbytes / took_s, name))
        rates.append(MemoryRate(where, source.nbytes + target.nbytes, *best))
    return rates


def _cuts(pair: Pair) -> Iterator[Pair]:
    """The beginnings of both arrays, by size, and at last the whole of them."""
    source, target = pair
    for size_bytes in SIZES_BYTES:
        if size_bytes < source.nbytes:
            count = size_bytes // source.element_size()
            yield source[:count], target[:count]
    yield pair


def _device_kernels() -> tuple[Kernel, ...]:
    return (
        ("copy", 2, lambda source, target: lambda: target.copy_(source)),
        ("fill", 1, lambda _, target: lambda: target.fill_(1.0)),
        ("sum", 1, lambda source, _: lambda: torch.sum(source)),
        # a triad (McCalpin, STREAM): reads both, writes one
        (
            "triad",
            3,
            lambda source, target: lambda: torch.add(source, target, alpha=0.5, out=target),
        ),
    )


def _core_kernels() -> tuple[Kernel, ...]:
    """NumPy's, which run on the core that calls."""
    return (
        ("numpy copy", 2, lambda source, target: _numpy(np.copyto, target, source)),
        ("numpy fill", 1, lambda _, target: _numpy(np.ndarray.fill, target, 1.0)),
        ("numpy add", 3, lambda source, target: _numpy(np.add, source, target, target)),
    )


def _numpy(act: Callable[..., object], *given: torch.Tensor | float) -> Act:
    arrays = [one.numpy() if isinstance(one, torch.Tensor) else one for one in given]
    return lambda: act(*arrays)
