"""One core and the host's memory: copying, and the simplest arithmetic."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depthprof.storage.text_files import system_text
from depthprof.system.machine import free_memory_bytes
from depthprof.system.peak_rates.best import best_s, host_timed

PART_S = 0.15
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
    took_s = best_s(host_timed, lambda: np.copyto(target, source), PART_S)
    return (source.nbytes + target.nbytes) / took_s


def core_bytes_per_s(source: Floats, target: Floats) -> float:
    """One core multiplies each float32 by a number: bytes read and written, a second."""
    factor = np.float32(1.0001)
    took_s = best_s(host_timed, lambda: np.multiply(source, factor, out=target), PART_S)
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
