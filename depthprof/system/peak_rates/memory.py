"""Memory of the host and of a device: passes over arrays of several sizes, by several kernels.

What lies in a cache moves several times as fast as what lies in memory, and writing alone, reading
alone and both together each have their own rate. So there is no one peak rate: for each size the
best kernel is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from depthprof.records import MemoryRate
from depthprof.storage.text_files import system_text
from depthprof.system.machine import free_memory_bytes
from depthprof.system.peak_rates.timing import Act, Timed, best_s, host_timed

CORE_PART_S = 0.15
CACHES = 2
"""Arrays are so many times as large as the last cache, so that they lie in memory."""

LEAST_BYTES, MOST_BYTES, USUAL_BYTES = 32 << 20, 256 << 20, 64 << 20
MEMORY_SHARE = 8
"""No array takes more than this part of the free memory."""

CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")

Floats = NDArray[np.float32]


def arrays(size_bytes: int) -> tuple[Floats, Floats]:
    """Two arrays float32 [size / 4], each page touched."""
    source, target = (np.empty(max(1, size_bytes // 4), dtype=np.float32) for _ in range(2))
    source.fill(1.0)
    target.fill(0.0)
    return source, target


def host_copy_bytes_per_s(source: Floats, target: Floats) -> float:
    """One core copies within memory: bytes read and written, a second."""
    took_s = best_s(host_timed, lambda: np.copyto(target, source), CORE_PART_S)
    return (source.nbytes + target.nbytes) / took_s


def core_bytes_per_s(source: Floats, target: Floats) -> float:
    """One core multiplies each float32 by a number: bytes read and written, a second."""
    factor = np.float32(1.0001)
    took_s = best_s(host_timed, lambda: np.multiply(source, factor, out=target), CORE_PART_S)
    return (source.nbytes + target.nbytes) / took_s


def array_bytes(cache: Path = CACHE_FOLDER, free_bytes: int | None = None) -> int:
    """Size of an array that no cache holds, as far as memory allows.

    Args:
        cache: folder of the kernel (Documentation/ABI/testing/sysfs-devices-system-cpu).
        free_bytes: free memory; None asks the system, 0 is unknown.
    """
    last = _last_cache_bytes(cache)
    wanted = min(MOST_BYTES, max(LEAST_BYTES, CACHES * last)) if last else USUAL_BYTES
    free = free_memory_bytes() if free_bytes is None else free_bytes
    return min(wanted, max(1 << 20, free // MEMORY_SHARE)) if free else wanted


def _last_cache_bytes(folder: Path) -> int:
    """The largest cache of the first core, 0 where the system does not tell."""
    sizes = [0]
    for file in folder.glob("index*/size"):
        try:
            text = system_text(file).strip()
            unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
            sizes.append(int(text.rstrip("KMG")) * unit)
        except (OSError, ValueError):
            continue  # one entry that is none must not hide the others
    return max(sizes)


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
