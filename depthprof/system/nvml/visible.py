"""Which cards CUDA shows, and in which order: CUDA_VISIBLE_DEVICES held against NVML's list.

Source: CUDA Programming Guide, 5.2.1 (device enumeration): an empty value shows no card; the order
is the list's; "if an invalid index is encountered, only devices with indices that appear before the
invalid index in the list are visible"; UUIDs may be shortened as long as they are unique. What the
guide leaves open is as torch has it (torch.cuda._parse_visible_devices): a number is read as
strtoul does, a list is all numbers, all GPU- or all MIG-, as its first word is, and a card named
twice shows none. Numbers are taken in nvidia-smi's order, which is that of CUDA_DEVICE_ORDER=
PCI_BUS_ID; by default CUDA counts the fastest card first, so among unlike cards torch is asked.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from depthprof.system.nvml.library import (
    PATIENCE_S,
    NvmlAbsent,
    connected,
    container_hint,
    in_words,
    refusals,
    shut_down,
    text,
    within,
)

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
    words = [word.strip() for word in known.get(VARIABLE, "").split(",")]
    word = words[number] if number < len(words) else ""
    if word.startswith("MIG-"):
        return GpuAddress(uuid=word)
    properties = torch.cuda.get_device_properties(device)
    uuid, bus = (getattr(properties, name, None) for name in ("uuid", "pci_bus_id"))
    return GpuAddress(
        uuid=(word if word.startswith("GPU-") else None) if uuid is None else str(uuid),
        pci=None if bus is None else _pci(properties, bus),
        index=int(word) if word.isdecimal() else number,
    )


def device_number(device: str) -> int:
    """The number of "cuda:N", 0 of "cuda" and "auto"."""
    return int(device.partition(":")[2] or 0)


def _pci(properties: object, bus: int) -> str:
    domain = getattr(properties, "pci_domain_id", 0)
    device = getattr(properties, "pci_device_id", 0)
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"


VARIABLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
HIDES_ALL = ("", "-1")
"""The usual values that hide all cards."""

WITHOUT_CUDA = (ImportError, AssertionError, AttributeError, RuntimeError)
"""What torch raises where it is built without CUDA or cannot start it."""


class NotVisible(NvmlAbsent):
    """CUDA shows no card, or none of that number; the text is a sentence that says why.

    `is_meant` is true where that is no mistake: there is no card, or all are hidden.
    """

    def __init__(self, why: str, *, is_meant: bool = False) -> None:
        super().__init__(why)
        self.is_meant = is_meant


@dataclass(frozen=True, slots=True)
class Card:
    """One card of NVML's list; `uuid` and `name` are "" where they are hidden from us."""

    uuid: str
    name: str


def located(device: str, nvml: Any = None, environ: Mapping[str, str] | None = None) -> GpuAddress:
    """As `visible_address`, with NVML started for it and left again, however long it hangs."""

    def found() -> GpuAddress:
        known = connected(nvml)
        try:
            return visible_address(known, device, environ)
        finally:
            shut_down(known)

    return within(PATIENCE_S, found)


def visible_address(nvml: Any, device: str, environ: Mapping[str, str] | None = None) -> GpuAddress:
    """Find which card a device ("auto", "cuda" or "cuda:N") is, without a CUDA context.

    Args:
        nvml: initialised. device: as CUDA counts. environ: None is this process's.

    Raises:
        NotVisible: CUDA shows no such card. NvmlAbsent: NVML does not list its cards.
    """
    known = os.environ if environ is None else environ
    cards = _cards(nvml)
    if not cards:
        raise NotVisible(f"no NVIDIA card is here{container_hint(known)}", is_meant=True)
    value = known.get(VARIABLE)
    shown = _shown(nvml, listed(value), cards)
    if not shown:
        raise NotVisible(
            _why_none(value or "", len(cards)), is_meant=(value or "").strip() in HIDES_ALL
        )
    number = device_number(device)
    if number >= len(shown):
        raise NotVisible(_why_not(number, len(shown), len(cards), value))
    one = shown[number]
    if isinstance(one, str):
        return GpuAddress(uuid=one)
    by_number = value is None or not value.startswith(PREFIXES)
    if by_number and known.get(ORDER) != "PCI_BUS_ID" and len({card.name for card in cards}) > 1:
        return _by_torch(device) or GpuAddress(index=one)
    return GpuAddress(uuid=cards[one].uuid or None, index=one)


def listed(value: str | None) -> list[int] | list[str] | None:
    """What CUDA_VISIBLE_DEVICES names, up to the first word that can be no card; None: all."""
    if value is None:
        return None
    words = value.split(",")
    for prefix in PREFIXES:
        if value.startswith(prefix):
            named = list(takewhile(lambda word: word.startswith(prefix), words))  # noqa: B023
            return named if len(set(named)) == len(named) else []
    numbers = list(takewhile(lambda number: number >= 0, map(_number, words)))
    return numbers if len(set(numbers)) == len(numbers) else []


def _number(word: str) -> int:
    """The number that a word begins with, as strtoul reads it; -1 where there is none."""
    found = re.match(r"\s*([+-]?[0-9]+)", word)
    return int(found[1]) if found else -1


def _shown(
    nvml: Any, named: Sequence[int] | Sequence[str] | None, cards: Sequence[Card]
) -> list[int | str]:
    """Cards in CUDA's order, up to the first that is none: NVML's numbers, or UUIDs of slices."""
    if named is None:
        return list(range(len(cards)))
    shown: list[int | str] = []
    for one in named:
        place = _place(nvml, one, cards)
        if place is None:
            break
        if place in shown:  # two beginnings of one UUID
            return []
        shown.append(place)
    return shown


def _place(nvml: Any, one: int | str, cards: Sequence[Card]) -> int | str | None:
    if isinstance(one, int):
        return one if one < len(cards) else None
    if one.startswith("MIG-"):
        try:
            nvml.nvmlDeviceGetHandleByUUID(one)
        except refusals(nvml):
            return None
        return one
    if one in PREFIXES:  # no beginning of a UUID, even where there is one card (CUDA 13.0, H200)
        return None
    found = [number for number, card in enumerate(cards) if card.uuid.startswith(one)]
    return found[0] if len(found) == 1 else None


def _cards(nvml: Any) -> list[Card]:
    """NVML's list, in nvidia-smi's order."""
    try:
        count = int(nvml.nvmlDeviceGetCount())
    except refusals(nvml) as error:
        raise NvmlAbsent(f"NVML does not list its GPUs: {in_words(error)}") from None
    return [
        Card(*(_text(nvml, number, ask) for ask in ("nvmlDeviceGetUUID", "nvmlDeviceGetName")))
        for number in range(count)
    ]


def _text(nvml: Any, number: int, function: str) -> str:
    try:
        return text(getattr(nvml, function)(nvml.nvmlDeviceGetHandleByIndex(number)))
    except refusals(nvml):
        return ""


def _by_torch(device: str) -> GpuAddress | None:
    """What torch gives, which asks CUDA itself; None where it has no CUDA."""
    try:
        found = torch_address(device)
    except WITHOUT_CUDA:
        return None
    return found if found.uuid or found.pci else None


def _why_none(value: str, count: int) -> str:
    cards = "the one card" if count == 1 else f"the {count} cards"
    if value.strip() in HIDES_ALL:
        return f"no card is visible: {VARIABLE}={value} hides {cards}"
    words = [word.strip() for word in value.split(",")]
    if len(set(words)) < len(words):
        return f"no card is visible: {VARIABLE}={value} names a card twice, so CUDA shows none"
    names = "does not name" if count == 1 else "names none of"
    return f"no card is visible: {VARIABLE}={value} {names} {cards}"


def _why_not(number: int, shown: int, count: int, value: str | None) -> str:
    are = "1 card is" if shown == 1 else f"{shown} cards are"
    here = f"{are} here" if value is None else f"{are} visible of {count} ({VARIABLE}={value})"
    return f"there is no cuda:{number}: {here}"
