"""Fresh memory for arrays, behind random padding; without torch."""

from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_PADDING_BYTES = 2_000_000

LINE_BYTES, ROOM_BYTES = 64, 4096
"""Data begin at a random multiple of a cache line within the first page of a larger piece."""


class Places:
    """Draws where copies come to lie.

    Attributes:
        random: draws. padding: to be kept until the next layout, so that nothing moves back.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.padding: list[Any] = []

    def array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Copy an array to fresh memory."""
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            return array.copy(order="K")
        self.padding.append(np.empty(self.padding_bytes(), np.uint8))  # which nobody touches
        piece = np.empty(array.nbytes + ROOM_BYTES + LINE_BYTES, np.uint8)
        begin = -piece.ctypes.data % LINE_BYTES + self.offset_bytes()
        flat = piece[begin : begin + array.nbytes].view(array.dtype)
        copy = flat.reshape(array.shape, order="C" if array.flags.c_contiguous else "F")
        copy[...] = array
        copy.flags.writeable = array.flags.writeable
        return copy

    def offset_bytes(self) -> int:
        """Draw where in a piece of memory data begin."""
        return LINE_BYTES * self.random.randrange(ROOM_BYTES // LINE_BYTES)

    def padding_bytes(self) -> int:
        """Draw the size of a padding."""
        return self.random.randrange(1, LARGEST_PADDING_BYTES)
