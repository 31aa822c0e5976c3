"""Which machine and which software: the environment recorded with every run."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from depthprof.records import Environment
from depthprof.storage.child_processes import run_git
from depthprof.storage.text_files import system_text

CPU_INFO, MEMORY_INFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")

GIT_LIMIT_S = 10


def environment(device: str, driver: str | None = None) -> Environment:
    """Describe this machine, and the GPU behind a resolved device ("cpu" or "cuda:N").

    `driver` is the version by NVML (nvml.driver_version).
    """
    import cv2
    import torch

    on_gpu = device.startswith("cuda")
    known = host_environment() | {"torch": torch.__version__, "opencv": cv2.__version__}
    if on_gpu:
        known |= {
            "gpu": device_name(device),
            "driver": driver,
            "cuda": torch.version.cuda,
            "cudnn": str(torch.backends.cudnn.version()),
        }
    return Environment(**known)


def host_environment() -> dict[str, Any]:
    """Describe the host by itself, as the fields of `Environment`; imports no torch."""
    import numpy

    commit, dirty = git_state(Path.cwd())
    return {
        "depthprof": own_version(),
        "python": platform.python_version(),
        "torch": "not loaded",
        "numpy": numpy.__version__,
        "opencv": "not loaded",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpu_cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "load_1min": load_1min(),
        "commit": commit,
        "dirty": dirty,
    }


def own_version() -> str:
    """Version of depthprof, "unknown" where it runs from a folder without being installed."""
    try:
        return metadata.version("depthprof")
    except metadata.PackageNotFoundError:
        return "unknown"


def device_name(device: str) -> str:
    """Name of a resolved device: the GPU's, or the CPU's."""
    if not device.startswith("cuda"):
        return cpu_name()
    import torch

    return str(torch.cuda.get_device_name(device))


def cpu_name() -> str:
    """Model name of the CPU."""
    try:
        for line in system_text(CPU_INFO).splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: ask the platform instead
    return platform.processor() or platform.machine() or "unknown"


def usable_cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Physical memory in bytes, 0 where it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def free_memory_bytes(file: Path = MEMORY_INFO) -> int:
    """Memory that new processes may take without swapping, 0 where it is unknown."""
    try:
        for line in system_text(file).splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # not Linux, or a very old one
    return 0


def peak_memory_bytes() -> int:
    """Most memory this process ever had resident, 0 where it is unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if platform.system() == "Darwin" else 1024  # getrusage(2), ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def load_1min() -> float | None:
    """Load average of the last minute, None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit of the repository `folder` is in and whether it has changes; None without one."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = run_git(folder, *arguments, limit_s=GIT_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
