"""Where a workload really runs."""

import os

import torch

from depthprof.errors import BadInput
from depthprof.records import Workload
from depthprof.system.nvml import NotVisible, NvmlAbsent, located
from depthprof.system.nvml.visible import VARIABLE


def resolve_device(workload: Workload) -> Workload:
    """Return the workload with its device made concrete: "cpu" or "cuda:N".

    Raises:
        BadInput: CUDA asked for where there is none, or a GPU number that is not there.
    """
    wanted = workload.device
    if wanted == "cpu":
        return workload
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return workload.changed(device="cuda:0" if count else "cpu")
    index = int(wanted.partition(":")[2] or 0)
    if index < count:
        return workload.changed(device=f"cuda:{index}")
    if count:
        there = ", ".join(f"cuda:{number}" for number in range(count))
        value = os.environ.get(VARIABLE)
        shown = "" if value is None else f" ({VARIABLE}={value})"
        raise BadInput(f"device {wanted} was asked for, but there are: {there}{shown}")
    built = torch.version.cuda is not None
    why = _why_hidden(wanted) if built else "this torch is built without CUDA"
    raise BadInput(f"device {wanted} was asked for, but {why}; use --device cpu or auto")


def auto_note(asked: str, resolved: str) -> str | None:
    """Say why "auto" became the CPU where the environment hides the cards by mistake, else None."""
    if (asked, resolved) != ("auto", "cpu") or VARIABLE not in os.environ:
        return None
    try:
        located(asked)
    except NotVisible as error:
        return None if error.is_meant else f"device auto is the CPU here: {error}"
    except NvmlAbsent:
        return None
    return None


def _why_hidden(wanted: str) -> str:
    """Why torch does not find a card, by the environment and NVML's list."""
    unusable = "torch finds no usable GPU"
    try:
        located(wanted)
    except NotVisible as error:
        return str(error)
    except NvmlAbsent as error:
        return f"{unusable} ({error})"
    return unusable
