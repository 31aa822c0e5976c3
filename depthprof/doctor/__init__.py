"""Whether a machine is fit to measure on: facts read from the system, then judged by pure rules."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from depthprof.doctor.findings import Finding
from depthprof.doctor.gpu import gpu_facts, judge_gpu
from depthprof.doctor.host import host_facts, judge_host

__all__ = ["Finding", "examine"]


def examine(
    device: str = "auto", watch_s: float = 1.0, root: Path = Path("/"), nvml: Any = None
) -> tuple[Finding, ...]:
    """Look at this machine for a moment and say what would spoil a measurement.

    Args:
        device: "cpu" leaves GPUs out; "auto" takes the first there is; "cuda:N" asks for one.
        watch_s: seconds to watch load, pressure and steal for.
        root: where /proc and /sys are. nvml: the NVML module; None imports pynvml.

    Returns:
        Findings in the order they are best read in: the host's, then the GPU's.
    """
    found = judge_host(host_facts(root, watch_s, dict(os.environ)))
    if device == "cpu":
        return tuple(found)
    facts = gpu_facts(import_module("pynvml") if nvml is None else nvml, device)
    if facts is None and device == "auto":
        text = "none found by NVML: only the CPU can be measured"
        return (*found, Finding("GPU", "ok", text))
    return (*found, *judge_gpu(facts))
