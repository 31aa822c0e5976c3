"""Which GPU is meant: its UUID or PCI address, since CUDA_VISIBLE_DEVICES renumbers them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

PREFIXES = ("GPU-", "MIG-")
"""How NVML begins the UUID of a GPU, and of a slice of one."""


@dataclass(frozen=True, slots=True)
class GpuAddress:
    """What names a GPU in every process; None where it is not known.

    Attributes:
        uuid: with NVML's prefix, "GPU-..." or "MIG-...", or without it, as torch gives it.
        pci: "domain:bus:device.function", such as "00000000:3B:00.0".
        index: NVML's number. It is a guess (CUDA may count in another order) and taken only where
            nothing else is known.
    """

    uuid: str | None = None
    pci: str | None = None
    index: int | None = None


def torch_address(device: str, environ: Mapping[str, str] | None = None) -> GpuAddress:
    """Ask torch which GPU a resolved device "cuda:N" is.

    torch names the UUID from version 2.4 on and the PCI address from 2.8 on. A slice (MIG) that
    CUDA_VISIBLE_DEVICES names goes before torch's word, because CUDA may give the UUID of the whole
    GPU for it (cuDeviceGetUuid). The number is NVML's only if CUDA counts as NVML does.
    """
    import torch

    known = os.environ if environ is None else environ
    number = device_number(device)
    words = [word.strip() for word in known.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    word = words[number] if number < len(words) else ""
    if word.startswith("MIG-"):
        return GpuAddress(uuid=word)
    properties = torch.cuda.get_device_properties(device)
    uuid = getattr(properties, "uuid", None)
    bus = getattr(properties, "pci_bus_id", None)
    return GpuAddress(
        uuid=(word if word.startswith("GPU-") else None) if uuid is None else str(uuid),
        pci=None if bus is None else _pci(properties, bus),
        index=int(word) if word.isdecimal() else number,
    )


def device_number(device: str) -> int:
    """The number of a device "cuda:N"; that of "cuda" and "auto" is 0."""
    return int(device.partition(":")[2] or 0)


def _pci(properties: object, bus: int) -> str:
    domain = getattr(properties, "pci_domain_id", 0)
    device = getattr(properties, "pci_device_id", 0)
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"
