"""All limits of a machine and one device, one part after the other; some seconds in all.

Every part repeats its work for a stated time and keeps the best, so it always ends.
"""

from datetime import UTC, datetime
from functools import partial

import torch

from depthprof.limits.best import CudaTimed, host_timed
from depthprof.limits.copies import copy_rates
from depthprof.limits.device import gpu_tensors, launch_ns, memory_bytes_per_s
from depthprof.limits.host import array_bytes as fitting_bytes
from depthprof.limits.host import arrays, core_bytes_per_s, host_copy_bytes_per_s
from depthprof.limits.matrix import cpu_matrix_rates, gpu_matrix_rates
from depthprof.machine import cpu_name, device_name
from depthprof.nvml import driver_version, torch_address
from depthprof.records import CopyRate, Limits, MatrixRate, limits_fingerprint


def measure_limits(device: str, array_bytes: int | None = None) -> Limits:
    """Measure what this machine and a device can do at best, with torch's threads as they are.

    Args:
        device: resolved, "cpu" or "cuda:N".
        array_bytes: size of an array on the host; None takes one that no cache holds.
    """
    source, target = arrays(array_bytes or fitting_bytes())
    with torch.no_grad():
        copies, matrix, memory_rate, launch = (
            _of_gpu(torch.device(device))
            if device.startswith("cuda")
            else _of_cpu(torch.from_numpy(source), torch.from_numpy(target))
        )
    return Limits(
        fingerprint=fingerprint_of(device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device,
        device_name=device_name(device),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        copies=copies,
        matrix=matrix,
        memory_bytes_per_s=memory_rate,
        launch_ns=launch,
        host_copy_bytes_per_s=host_copy_bytes_per_s(source, target),
        core_bytes_per_s=core_bytes_per_s(source, target),
    )


def fingerprint_of(device: str) -> str:
    """Fingerprint of the limits that this process would measure on a resolved device."""
    on_gpu = device.startswith("cuda")
    driver = driver_version() if on_gpu else None
    address = torch_address(device) if on_gpu else None
    gpu = None if address is None else address.uuid or address.pci or device
    return limits_fingerprint(
        cpu_name(), device_name(device), torch.get_num_threads(), torch.__version__, driver, gpu
    )


Found = tuple[tuple[CopyRate, ...], tuple[MatrixRate, ...], float, float]


def _of_cpu(source: torch.Tensor, target: torch.Tensor) -> Found:
    return (
        (),
        cpu_matrix_rates(host_timed),
        memory_bytes_per_s(source, target, host_timed),
        launch_ns(source.device, lambda: None),
    )


def _of_gpu(device: torch.device) -> Found:
    timed = CudaTimed(torch.cuda, device)
    found = (
        copy_rates(device, timed),
        gpu_matrix_rates(device, timed),
        memory_bytes_per_s(*gpu_tensors(device), timed),
        launch_ns(device, partial(torch.cuda.synchronize, device)),
    )
    torch.cuda.empty_cache()  # others on the GPU may want what the large tensors took
    return found
