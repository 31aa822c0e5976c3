"""What a machine and one of its devices can do at best, measured part by part in some seconds.

Every part repeats its work for a stated time and keeps the best, so it always ends.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import torch

from depthprof.records import (
    CopyRate,
    Limits,
    MatrixRate,
    MemoryRate,
    TheoreticalRate,
)
from depthprof.records.traits import limits_name
from depthprof.system.machine import cpu_name, device_name
from depthprof.system.nvml import driver_version, torch_address
from depthprof.system.peak_rates.device import copy_rates, gpu_matrix_rates, gpu_tensors, launch_ns
from depthprof.system.peak_rates.kernels import best_of_kernels, cpu_kernels
from depthprof.system.peak_rates.memory import array_bytes as fitting_bytes
from depthprof.system.peak_rates.memory import (
    arrays,
    core_bytes_per_s,
    device_memory,
    host_copy_bytes_per_s,
    host_memory,
)
from depthprof.system.peak_rates.theory import cpu_theory, gpu_theory
from depthprof.system.peak_rates.timing import CudaTimed, host_timed

__all__ = ["fingerprint_of", "measure_limits"]


def measure_limits(device: str, array_bytes: int | None = None) -> Limits:
    """Measure what this machine and a device can do at best, with torch's threads as they are.

    Args:
        device: resolved, "cpu" or "cuda:N".
        array_bytes: size of an array on the host; None takes one that no cache holds.
    """
    source, target = arrays(array_bytes or fitting_bytes())
    on_host = torch.from_numpy(source), torch.from_numpy(target)
    with torch.no_grad():
        memory = host_memory(*on_host, host_timed)
        found = _of_gpu(torch.device(device)) if device.startswith("cuda") else _of_cpu()
    memory += found.memory
    return Limits(
        fingerprint=fingerprint_of(device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device,
        device_name=device_name(device),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        copies=found.copies,
        matrix=best_of_kernels(found.kernels),
        memory_bytes_per_s=memory[-1].bytes_per_s,
        launch_ns=found.launch_ns,
        host_copy_bytes_per_s=host_copy_bytes_per_s(source, target),
        core_bytes_per_s=core_bytes_per_s(source, target),
        kernels=found.kernels,
        memory=tuple(memory),
        theoretical=found.theoretical,
    )


def fingerprint_of(device: str) -> str:
    """Fingerprint of the limits that this process would measure on a resolved device."""
    on_gpu = device.startswith("cuda")
    driver = driver_version() if on_gpu else None
    address = torch_address(device) if on_gpu else None
    gpu = None if address is None else address.uuid or address.pci or device
    return limits_name(
        cpu_name(), device_name(device), torch.get_num_threads(), torch.__version__, driver, gpu
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What is measured of a device; `memory` is empty for a CPU, whose memory is the host's."""

    kernels: tuple[MatrixRate, ...]
    launch_ns: float
    theoretical: tuple[TheoreticalRate, ...]
    copies: tuple[CopyRate, ...] = ()
    memory: tuple[MemoryRate, ...] = ()


def _of_cpu() -> Found:
    threads = torch.get_num_threads()
    return Found(
        kernels=cpu_kernels(threads),
        launch_ns=launch_ns(torch.device("cpu"), lambda: None),
        theoretical=cpu_theory(threads),
    )


def _of_gpu(device: torch.device) -> Found:
    timed = CudaTimed(torch.cuda, device)
    found = Found(
        copies=copy_rates(device, timed),
        kernels=gpu_matrix_rates(device, timed),
        memory=tuple(device_memory(*gpu_tensors(device), timed)),
        launch_ns=launch_ns(device, partial(torch.cuda.synchronize, device)),
        theoretical=gpu_theory(torch.cuda.get_device_properties(device)),
    )
    torch.cuda.empty_cache()  # others on the GPU may want what the large tensors took
    return found
