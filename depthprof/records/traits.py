"""What must be alike for the times of two runs to be comparable, and the fingerprint of it.

One list of fields serves all: the gate names those that differ, the store and the suites' storage
keep runs of unlike machines apart.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields

from depthprof.records.run import Environment, Picture, Side
from depthprof.records.workload import Workload

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
    """Fingerprint of all traits: 16 hexadecimal digits."""
    known = traits(environment, side, pictures)
    if side.workload.max_depth is None:  # so that a machine keeps the name from before this field
        del known["max_depth"]
    text = json.dumps(known, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
