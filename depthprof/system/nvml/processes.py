"""Which of the processes on a GPU are ours: those that we started, by their ancestors."""

import os
from collections.abc import Collection
from pathlib import Path

from depthprof.records import UNKNOWN
from depthprof.storage.text_files import system_text

PROC = Path("/proc")


def others(
    pids: Collection[int], own_count: int = 1, own: int | None = None, proc: Path = PROC
) -> int:
    """Count the processes on a GPU that are not ours.

    NVML numbers processes as the host does. In a container those numbers are none of ours; then
    as many are taken off as we have there.

    Args:
        pids: what NVML lists. own_count: how many of them must be ours.
        own: our process; None is this one. proc: where the system tells of processes.

    Returns:
        How many; -1 where the list is empty (not even ours is in it, so it is hidden from us) or
        where the system does not tell of processes.
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
