"""Whether a machine is fit to measure on: facts of the system, and pure rules over them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depthprof.system.doctor.findings import OK, WARNING, Finding
from depthprof.system.doctor.gpu import gpu_facts, gpu_findings
from depthprof.system.doctor.host import host_facts
from depthprof.system.doctor.host_rules import host_findings
from depthprof.system.nvml import NotVisible, NvmlAbsent

__all__ = ["Finding", "examine"]


def examine(
    device: str = "auto", watch_s: float = 1.0, root: Path = Path("/"), nvml: Any = None
) -> tuple[Finding, ...]:
    """Watch this machine for a moment and say what would disturb a measurement.

    Args:
        device: "cpu" leaves GPUs out; "auto" takes the first there is; "cuda:N" asks for one.
        watch_s: seconds to watch load, pressure and steal for.
        root: where /proc and /sys are. nvml: the NVML module; None imports pynvml.

    Returns:
        Findings in the order they are best read in: the host's, then the GPU's.
    """
    found = host_findings(host_facts(root, watch_s, dict(os.environ)))
    if device == "cpu":
        return tuple(found)
    return (*found, *_of_gpu(device, nvml))


ONLY_CPU = "only the CPU can be measured"


def _of_gpu(device: str, nvml: Any) -> Sequence[Finding]:
    is_asked_for = device != "auto"
    try:
        return gpu_findings(gpu_facts(nvml, device))
    except NotVisible as error:
        if not is_asked_for and error.is_meant:  # the environment is to hide all cards
            return [Finding("GPU", OK, f"{error}; {ONLY_CPU}")]
        return [no_visible(str(error))]
    except NvmlAbsent as error:
        if not is_asked_for:
            return [Finding("GPU", OK, f"none found ({error}): {ONLY_CPU}")]
        return [no_gpu(str(error))]


def no_gpu(why: str) -> Finding:
    """Warn that nothing is known of a GPU that was asked for."""
    matters = "nothing is known of the GPU, and nothing of it is watched while measuring"
    advice = "see whether `nvidia-smi` works; install the NVIDIA driver, or use --device cpu"
    return Finding("GPU", WARNING, why, matters, advice)


def no_visible(why: str) -> Finding:
    """Warn that CUDA shows no such card."""
    matters = "a run uses the cards that CUDA shows; with --device auto it takes the CPU if none is"
    advice = "name a card that is there (`nvidia-smi -L` lists them), or use --device cpu"
    return Finding("GPU", WARNING, why, matters, advice)
