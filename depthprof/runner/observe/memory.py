"""Peaks of memory: of the process on the host, of torch's allocator on a GPU."""

from pathlib import Path
from typing import Any

from depthprof.records import Memory
from depthprof.storage.text_files import system_text

PROCESS = Path("/proc/self")


class PeakWatch:
    """Peaks from `begin` to `end`.

    On the host the kernel's high-water mark of resident memory: writing 5 to clear_refs resets it
    to what is resident now (proc(5), /proc/pid/clear_refs, VmHWM in /proc/pid/status). On a GPU
    torch.cuda.max_memory_allocated and max_memory_reserved: the cache is emptied first, and the
    tensors that another side holds in the same process are taken off both. What the allocator has
    reserved and not handed out stays in the figure, since the iteration is served from it: a small
    one may fit into the spare room of the segments that hold the weights and reserve nothing more.

    Args:
        device: resolved. cuda: torch.cuda, for the GPU. process: where the kernel tells.
    """

    def __init__(self, device: str, cuda: Any, process: Path = PROCESS) -> None:
        self._device = device
        self._cuda = cuda if device.startswith("cuda") else None
        self._process = process
        self._is_reset = False
        self._before_bytes = 0

    def begin(self) -> None:
        """Forget the peaks so far."""
        if self._cuda is not None:
            self._cuda.synchronize(self._device)
            self._cuda.empty_cache()
            self._cuda.reset_peak_memory_stats(self._device)
            self._before_bytes = int(self._cuda.memory_allocated(self._device))
        try:
            (self._process / "clear_refs").write_text("5")
            self._is_reset = True
        except OSError:  # not Linux, or a kernel without it
            self._is_reset = False

    def end(self, weights_bytes: int | None) -> Memory:
        """The peaks since `begin`, beside the bytes of the weights."""
        allocated = reserved = None
        if self._cuda is not None:
            others_bytes = self._before_bytes - (weights_bytes or 0)
            allocated = int(self._cuda.max_memory_allocated(self._device)) - others_bytes
            reserved = int(self._cuda.max_memory_reserved(self._device)) - others_bytes
        return Memory(self._host_peak_bytes(), weights_bytes, allocated, reserved)

    def _host_peak_bytes(self) -> int | None:
        if not self._is_reset:
            return None
        try:
            lines = system_text(self._process / "status").splitlines()
            peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        except (OSError, ValueError, IndexError):
            return None
        return peaks[0] * 1024 if peaks else None  # proc(5): in kB, which are KiB
