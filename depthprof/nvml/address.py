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

    torch names the UUID from version 2.4 on and the PCI address from 2.8 on; what it does not name
    is taken from CUDA_VISIBLE_DEVICES. A slice (MIG) that is named there goes before torch's word,
    because CUDA may give the UUID of the whole GPU for it (cuDeviceGetUuid).
    """
    import torch

    visible = visible_address(device, environ)
    if visible.uuid is not None and visible.uuid.startswith("MIG-"):
        return visible
    properties = torch.cuda.get_device_properties(device)
    uuid = getattr(properties, "uuid", None)
    bus = getattr(properties, "pci_bus_id", None)
    return GpuAddress(
        uuid=visible.uuid if uuid is None else str(uuid),
        pci=None if bus is None else _pci(properties, bus),
        index=visible.index,
    )


def visible_address(device: str, environ: Mapping[str, str] | None = None) -> GpuAddress:
    """Tell without torch which GPU a device ("auto", "cuda" or "cuda:N") is, as well as it goes.

    CUDA_VISIBLE_DEVICES holds numbers or (shortened) UUIDs. A number counts as CUDA counts, the
    fastest first unless CUDA_DEVICE_ORDER is PCI_BUS_ID, so with unlike GPUs it may be wrong
    (CUDA C++ Programming Guide, environment variables).
    """
    known = os.environ if environ is None else environ
    number = int(device.partition(":")[2] or 0)
    words = [word.strip() for word in known.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    word = words[number] if number < len(words) else ""
    if word.startswith(PREFIXES):
        return GpuAddress(uuid=word)
    return GpuAddress(index=int(word) if word.isdigit() else number)


def _pci(properties: object, bus: int) -> str:
    domain = getattr(properties, "pci_domain_id", 0)
    device = getattr(properties, "pci_device_id", 0)
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"
