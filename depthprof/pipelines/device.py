"""Where a workload really runs."""

import torch

from depthprof.errors import BadInput
from depthprof.records import Workload


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
    if not count:
        built = torch.version.cuda
        why = "this torch is built without CUDA" if built is None else "torch finds no usable GPU"
        raise BadInput(f"device {wanted} was asked for, but {why}; use --device cpu or auto")
    index = int(wanted.partition(":")[2] or 0)
    if index >= count:
        there = ", ".join(f"cuda:{number}" for number in range(count))
        raise BadInput(f"device {wanted} was asked for, but there are: {there}")
    return workload.changed(device=f"cuda:{index}")
