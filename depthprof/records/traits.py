"""What must be alike for the times of two runs to be comparable, and the names made of it.

One list of fields serves all: the gate names those that differ, the store and the suites' storage
keep runs of unlike machines apart.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from depthprof.records.machine import METHOD
from depthprof.records.run import Environment, Picture, Side
from depthprof.records.workload import Workload, workload_document

IGNORED = ("seed", "device", "threads")
"""Fields of a workload that do not count as asked for: seeds move no time, device and threads count
as they really were."""


def traits(environment: Environment, side: Side, pictures: Sequence[Picture]) -> dict[str, str]:
    """What must be alike for times to be comparable, by the name of the field."""
    known = {
        "gpu": environment.gpu or "none",
        "driver": _major(environment.driver),
        "cuda": _minor(environment.cuda),
        "cudnn": environment.cudnn or "none",
        "cpu": environment.cpu,
        "cpu_cores": str(environment.cpu_cores),
        "platform": _platform(environment.platform),
        "python": _minor(environment.python),
        "torch": _minor(environment.torch),
        "numpy": _minor(environment.numpy),
        "opencv": _minor(environment.opencv),
        "device": side.device.partition(":")[0],
        "device_name": side.device_name,
        "threads": str(side.threads),
        "pictures": _sizes(pictures),
    }
    return known | workload_traits(side.workload)


def machine_name(environment: Environment, side: Side, pictures: Sequence[Picture]) -> str:
    """What the store calls a machine: the fingerprint of all traits."""
    known = traits(environment, side, pictures)
    if side.workload.max_depth is None:  # so that a machine keeps the name from before this field
        del known["max_depth"]
    return fingerprint(known)


def calibration_name(
    sides: Sequence[Side], known: Environment, pictures: Sequence[Picture], *, shared: bool
) -> str:
    """What a calibration holds for: machine, software, workload and pictures.

    Which variant was measured is not in it: versions of one model are compared with each other.
    Sides of unlike workloads have no such name, and the text says so.

    Args:
        sides: as they were. known: the machine and its software. pictures: those shown.
        shared: whether the sides lived in one worker; one side alone always does.
    """
    work = [
        workload_document(side.workload) | {"seed": 0, "threads": side.threads} for side in sides
    ]
    if work[0] != work[-1]:
        return "unlike workloads"
    machine = (known.cpu, known.cpu_cores, known.memory_bytes >> 28, known.platform.split()[0])
    sizes = [(picture.height, picture.width) for picture in pictures]
    software = (known.python.rpartition(".")[0], known.torch, known.gpu, known.driver, known.cuda)
    return fingerprint([work[0], machine, software, sizes, shared])


def limits_name(
    cpu: str, device_name: str, threads: int, torch: str, driver: str | None, gpu: str | None = None
) -> str:
    """What peak rates hold for: one device, by its address where it is a GPU.

    Args:
        cpu: its name. device_name: of the device, the same on a CPU. threads: torch's.
        torch: its version. driver, gpu: the GPU's, and its address; None on a CPU.
    """
    return fingerprint([cpu, device_name, threads, torch, driver, gpu, METHOD])


def fingerprint(facts: Any, digits: int = 16) -> str:
    """First hexadecimal digits of the SHA-256 of facts (JSON with sorted keys)."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def workload_traits(workload: Workload) -> dict[str, str]:
    """The part of the traits that a workload determines, by the name of its field."""
    return {
        field.name: str(getattr(workload, field.name))
        for field in fields(Workload)
        if field.name not in IGNORED
    }


def _major(version: str | None) -> str:
    return "none" if version is None else version.partition(".")[0]


def _minor(version: str | None) -> str:
    return "none" if version is None else ".".join(version.split("+")[0].split(".")[:2])


def _platform(text: str) -> str:
    """System and architecture; the kernel is left out, since systems update it by themselves."""
    words = text.split()
    return f"{words[0]} {words[-1]}" if words else "unknown"


def _sizes(pictures: Sequence[Picture]) -> str:
    return ", ".join(f"{picture.width}x{picture.height}" for picture in pictures) or "none"
