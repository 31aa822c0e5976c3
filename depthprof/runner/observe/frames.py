"""What a stage does in Python: float64 arrays it holds, colour maps on the host, fused attention.

Seen through sys.setprofile: the values of local variables when a function returns, and what it
returns. A value that was replaced before that is not seen.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

LIBRARIES = frozenset(
    {"torch", "torchvision", "numpy", "scipy", "matplotlib", "cv2", "PIL", "skimage"}
)
"""What happens inside these is told of the line that called them."""

_OWN = "depthprof.runner.observe"
_FAST, _SUSPENDS = 0x1, 0x20 | 0x80 | 0x200
"""Bits of co_flags (inspect): a function's frame; a generator's or coroutine's, which lives on and
would keep what is looked at."""


class FrameWatch:
    """Looks at every Python frame of a stage while `watching`. It holds no array.

    Attributes:
        float64_bytes, float64_where: the largest float64 array, and the line that had it.
        colour_maps: calls by "matplotlib.colors" and "cv2.applyColorMap".
        fused_calls: calls of torch's scaled_dot_product_attention.

    Args:
        least: elements from which on an array counts.
        on_fused: told True when such a call begins and False when it ends.
    """

    def __init__(self, least: int, on_fused: Callable[[bool], None] | None = None) -> None:
        self._least = least
        self._on_fused = on_fused or (lambda _: None)
        self.float64_bytes = 0
        self.float64_where = ""
        self.colour_maps: Counter[str] = Counter()
        self.fused_calls = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at what runs inside; a profiler that was set before is set again."""
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _see(self, frame: FrameType, event: str, value: Any) -> None:
        if event == "return":
            self._returned(frame, value)
        elif event == "call":
            self._called(frame)
        elif event in ("c_call", "c_return", "c_exception"):
            self._compiled(getattr(value, "__name__", ""), event)

    def _called(self, frame: FrameType) -> None:
        name = frame.f_code.co_qualname
        if name.endswith("Colormap.__call__") and _module(frame) == "matplotlib.colors":
            self.colour_maps["matplotlib.colors"] += 1

    def _compiled(self, name: str, event: str) -> None:
        if name == "scaled_dot_product_attention":
            self.fused_calls += event == "c_call"
            self._on_fused(event == "c_call")
        elif name == "applyColorMap" and event == "c_call":
            self.colour_maps["cv2.applyColorMap"] += 1

    def _returned(self, frame: FrameType, value: Any) -> None:
        flags = frame.f_code.co_flags
        if not flags & _FAST or flags & _SUSPENDS or _root(frame) == _OWN:
            return
        held = max(map(self._size_bytes, (value, *frame.f_locals.values())))
        if held > self.float64_bytes:
            self.float64_bytes, self.float64_where = held, _line(frame)

    def _size_bytes(self, value: Any) -> int:
        """Bytes of a float64 array or tensor on the host that is large enough, else 0."""
        kind = type(value)  # isinstance would ask a stand-in for its class, which may raise
        if issubclass(kind, np.ndarray):
            return value.nbytes if value.dtype == np.float64 and value.size >= self._least else 0
        if issubclass(kind, torch.Tensor):
            counts = value.dtype == torch.float64 and value.is_cpu
            return 8 * value.numel() if counts and value.numel() >= self._least else 0
        return 0


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _root(frame: FrameType) -> str:
    """The package whose code a frame runs; that of `observe` for its own frames."""
    name = _module(frame)
    return _OWN if name.startswith(f"{_OWN}.") else name.partition(".")[0]


def _line(frame: FrameType) -> str:
    """The line that is to blame, "file.py:12": the nearest one outside libraries."""
    blamed: FrameType | None = frame
    while blamed is not None and _root(blamed) in LIBRARIES:
        blamed = blamed.f_back
    if blamed is None or _root(blamed) == _OWN:  # the stage itself is a library's
        blamed = frame
    return f"{Path(blamed.f_code.co_filename).name}:{blamed.f_lineno}"
