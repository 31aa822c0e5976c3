"""A GPU's readings: a row of telemetry, what a block needs, and whose processes are on it."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthprof.records import CLOCK_FAULTS, UNKNOWN
from depthprof.storage.text_files import system_text
from depthprof.system.nvml.gpm import Gpm
from depthprof.system.nvml.gpu import Gpu
from depthprof.system.nvml.library import NvmlAbsent, connected
from depthprof.system.nvml.visible import GpuAddress

LINK_EVERY = 4
"""Of so many rows one asks for the bytes sent and one for those received: NVML counts them for
20 ms while we wait (nvmlDeviceGetPcieThroughput)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Columns that a question fills; it is asked in rows of number % every == first.

    `question` is one of `questions.QUESTIONS`; the one column of a number has its name.
    """

    question: str
    columns: tuple[str, ...] = ()
    every: int = 1
    first: int = 0


READINGS = (
    Reading("sm_clock_mhz"),
    Reading("memory_clock_mhz"),
    Reading("power_mw"),
    Reading("energy_mj"),
    Reading("temperature_c"),
    Reading("throttle_reasons"),
    Reading("utilisation", ("gpu_busy_percent", "memory_busy_percent")),
    Reading("memory_used_bytes"),
    Reading("compute_pids", ("other_processes",)),
)
LINK_READINGS = (
    Reading("pcie_sent_bytes_per_s", every=LINK_EVERY, first=0),
    Reading("pcie_received_bytes_per_s", every=LINK_EVERY, first=2),
)


class GpuReader:
    """Reads a row at each call. Close it.

    Args:
        gpu: the GPU. own_count: processes of ours that are on it (see `processes.others`).
    """

    def __init__(self, gpu: Gpu, own_count: int = 1) -> None:
        self._gpu = gpu
        self._own_count = own_count
        self._gpm = Gpm(gpu)
        self._rows = 0

    @property
    def uuid(self) -> str:
        """Of the GPU or slice."""
        return self._gpu.uuid

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not offered so far, a sentence each."""
        return tuple(self._gpu.notes)

    def read(self, now_ns: int) -> dict[str, int]:
        """Read a row; what was not asked or not answered is left out or -1.

        Raises:
            NvmlAbsent: the GPU or its driver is gone.
        """
        row: dict[str, int] = {}
        link = () if self._gpm.has_link else LINK_READINGS
        for reading in (*READINGS, *link):
            if self._rows % reading.every == reading.first:
                row |= self._read(reading)
        self._rows += 1
        metrics = self._gpm.read(now_ns)
        known = {name for name, value in row.items() if value != UNKNOWN}
        return row | {
            name: value
            for name, value in metrics.items()
            if value != UNKNOWN or name not in known  # what the link gave stays
        }

    def close(self) -> None:
        """Give back what NVML lent."""
        self._gpm.close()

    def _read(self, reading: Reading) -> dict[str, int]:
        columns = reading.columns or (reading.question,)
        answer = self._gpu.answer(reading.question)
        if answer is None:
            return dict.fromkeys(columns, UNKNOWN)
        if isinstance(answer, frozenset):
            answer = others(answer, self._own_count)
        values = answer if isinstance(answer, tuple) else (answer,)
        return {name: int(value) for name, value in zip(columns, values, strict=True)}


class GpuWatch:
    """Reads throttle faults and SM clock; nothing where NVML does not answer, or no longer.

    Args:
        address: which GPU. nvml: a stand-in for pynvml.
    """

    def __init__(self, address: GpuAddress, nvml: Any = None) -> None:
        self._gpu: Gpu | None = None
        try:
            self._gpu = Gpu(connected(nvml), address)
        except NvmlAbsent:
            return

    def read(self) -> dict[str, int]:
        """Read the clock reasons that are faults (a power cap is normal) and the clock in MHz."""
        gpu = self._gpu
        if gpu is None:
            return {}
        try:
            reasons, clock_mhz = gpu.answer("throttle_reasons"), gpu.answer("sm_clock_mhz")
        except NvmlAbsent:  # the GPU is gone; the run will hear of it from torch
            self._gpu = None
            return {}
        return {
            "throttled": UNKNOWN if reasons is None else reasons & CLOCK_FAULTS,
            "sm_clock_mhz": UNKNOWN if clock_mhz is None else clock_mhz,
        }


PROC = Path("/proc")


def others(
    pids: Collection[int], own_count: int = 1, own: int | None = None, proc: Path = PROC
) -> int:
    """Count the processes on a GPU that are not ours.

    NVML numbers processes as the host does. In a container those numbers are none of ours; then
    as many are taken off as we have there.

    Args:
        pids: what NVML lists. own_count: how many of them must be ours.
        own: our process; None is this one. proc: where the system lists processes.

    Returns:
        How many; -1 where the list is empty (not even ours is in it, so it is hidden from us) or
        where the system lists none.
    """
    if not pids or not (proc / "self").exists():
        return UNKNOWN
    me = os.getpid() if own is None else own
    lines = {pid: _ancestors(pid, proc) for pid in pids}
    strangers = [pid for pid, line in lines.items() if me not in line]
    unseen = [pid for pid, line in lines.items() if not line]
    if unseen and len(strangers) == len(lines):
        return max(0, len(lines) - own_count)
    return len(strangers)


def _ancestors(pid: int, proc: Path) -> list[int]:
    """A process, its parent and so on; empty where there is no such process here."""
    line: list[int] = []
    while pid > 0 and pid not in line:
        parent = _parent(pid, proc)
        if parent is None:
            break
        line.append(pid)
        pid = parent
    return line


def _parent(pid: int, proc: Path) -> int | None:
    """Parent of a process: the fourth field of /proc/PID/stat, after a name in brackets."""
    try:
        return int(system_text(proc / str(pid) / "stat").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
