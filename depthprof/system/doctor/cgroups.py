"""What the cgroups of this process allow it, in version 2 and in version 1.

Sources: kernel Documentation/admin-guide/cgroup-v2.rst (cpu.max, cpu.stat) and
scheduler/sched-bwc.rst; cgroups(7) for /proc/self/cgroup.
"""

from contextlib import suppress
from pathlib import Path

from depthprof.storage.text_files import system_text


def cgroups(root: Path) -> list[Path]:
    """Folders of this process's cgroup and all above it, of version 2 and of version 1's cpu."""
    base = root / "sys/fs/cgroup"
    folders = [base, base / "cpu"]
    for line in (text_of(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = base / controllers if controllers else base
        inner = top / path.lstrip("/")
        folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)]
    return list(dict.fromkeys(folders))


def quota_cores(root: Path) -> float | None:
    """Fewest cores any of the cgroups may use; "max" and -1 are no limit.

    Sources: kernel Documentation/admin-guide/cgroup-v2.rst (cpu.max), scheduler/sched-bwc.rst.
    """
    found = []
    for folder in cgroups(root):
        words = (text_of(folder / "cpu.max") or "").split()
        if not words:
            words = [text_of(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
        with suppress(ValueError, IndexError, ZeroDivisionError):
            found.append(int(words[0]) / int(words[1]))
    return min((cores for cores in found if cores > 0), default=None)


def throttled_periods(root: Path) -> int | None:
    """Most periods in which any of the cgroups was throttled so far."""
    found = []
    for folder in cgroups(root):
        for line in (text_of(folder / "cpu.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled" and value.isdecimal():
                found.append(int(value))
    return max(found, default=None)


def text_of(file: Path) -> str | None:
    """Text of a small file, None where there is none to read."""
    try:
        return system_text(file).strip() or None
    except OSError:
        return None
