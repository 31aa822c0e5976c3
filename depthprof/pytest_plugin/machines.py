"""Which machine this is, before anything is measured and without importing torch."""

import json
import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib import metadata
from typing import Any

from depthprof.system.machine import cpu_name, usable_cores
from depthprof.system.nvml import NvmlAbsent, driver_version


def machine_facts(device: str, threads: int | None) -> dict[str, Any]:
    """Describe what decides how fast a pipeline is here, besides its code.

    Args:
        device: as asked for, "auto", "cpu", "cuda" or "cuda:N".
        threads: as asked for; None leaves it to depthprof, by the number of cores.

    Returns:
        gpu, driver, cpu, cpu_cores, versions and threads; the GPU's are None where none is used.
    """
    torch = _version("torch")
    gpu = None if device == "cpu" or torch.endswith("+cpu") else gpu_name(device)
    return {
        "gpu": gpu,
        "driver": None if gpu is None else driver_version(),
        "cpu": cpu_name(),
        "cpu_cores": usable_cores(),
        "torch": torch,
        "numpy": _version("numpy"),
        "opencv": _version("opencv-python-headless"),
        "threads": "auto" if threads is None else threads,
    }


def gpu_name(device: str) -> str | None:
    """Name of a GPU by NVML, None where there is none."""
    from depthprof.system.doctor.gpu import gpu_facts

    try:
        return gpu_facts(device=device).name
    except NvmlAbsent:
        return None


def fingerprint(facts: dict[str, Any]) -> str:
    """First figures of the SHA-256 of the facts: unlike machines differ in it."""
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def folder_name(usual: str, facts: dict[str, Any]) -> str:
    """Name of the folder that keeps this machine's runs apart.

    Args:
        usual: what pytest-benchmark calls this machine, such as "Linux-CPython-3.12-64bit".
    """
    words = [usual, facts["gpu"] or facts["cpu"], f"torch-{facts['torch']}", fingerprint(facts)]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)


def unlike_machines(
    now: Mapping[str, Any], before: Mapping[str, Any], allow: Collection[str]
) -> str | None:
    """Say in what two machines differ beyond small versions; None where in nothing.

    Args:
        now, before: their facts; those that either lacks do not count.
        allow: facts that may differ, as `allow` of [tool.depthprof.gate] names them.
    """
    known = {name.replace("-", "_") for name in allow}
    unlike = [
        f"{name} {now[name]} (was {before[name]})"
        for name in now
        if name in before and name not in known
        if _coarse(name, now[name]) != _coarse(name, before[name])
    ]
    if not unlike:
        return None
    return (
        f"it is of another machine: {', '.join(unlike)}; what may differ is listed under allow in"
        " [tool.depthprof.gate]"
    )


def _coarse(name: str, value: object) -> object:
    """A version without the part that makes no figure another one, as `records.traits` has it."""
    parts = {"driver": 1, "torch": 2, "numpy": 2, "opencv": 2}.get(name)
    if parts is None or not isinstance(value, str):
        return value
    return value.partition("+")[0].split(".")[:parts]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
