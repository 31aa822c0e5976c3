"""What a stage is given and what it gives, in bytes, by walking the values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

DEEPEST = 4
"""Lists within lists are followed so far."""


@dataclass(frozen=True, slots=True)
class Extent:
    """One tensor or array: its own bytes, and the memory [start, end) it lies in or is a view of.

    `place` is the device; memory of unknown place has start and end 0.
    """

    place: str
    start: int
    end: int
    size_bytes: int

    def shares(self, other: "Extent") -> bool:
        """Whether both lie in the same memory."""
        return self.place == other.place and self.start < other.end and other.start < self.end


def extents(value: Any, depth: int = 0) -> list[Extent]:
    """The tensors and arrays in a value, and in lists, tuples and dictionaries of them."""
    if isinstance(value, Tensor):
        return [_of_tensor(value)]
    if isinstance(value, np.ndarray):
        return [_of_array(value)]
    if depth >= DEEPEST:
        return []
    return [extent for item in _items(value) for extent in extents(item, depth + 1)]


def traffic(given: Sequence[Extent], gives: Sequence[Extent]) -> tuple[int, int]:
    """Bytes a stage has to read and has to write, at least.

    What is handed through (the same memory comes out that went in, such as a copy to the device it
    is on already) has to be neither read nor written.

    Returns:
        Bytes read, bytes written.
    """
    read = sum(one.size_bytes for one in given if not any(map(one.shares, gives)))
    written = sum(one.size_bytes for one in gives if not any(map(one.shares, given)))
    return read, written


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _of_tensor(tensor: Tensor) -> Extent:
    own = tensor.numel() * tensor.element_size()
    try:
        storage = tensor.untyped_storage()
        start = storage.data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse and other tensors without a storage
        return Extent(str(tensor.device), 0, 0, own)
    return Extent(str(tensor.device), start, start + storage.nbytes() if start else 0, own)


def _of_array(array: np.ndarray[Any, Any]) -> Extent:
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    start = int(owner.__array_interface__["data"][0])
    return Extent("cpu", start, start + owner.nbytes, array.nbytes)
