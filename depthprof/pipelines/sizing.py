"""The size of the network's input, as the published Resize computes it.

Source: depth_anything/util/transform.py of both versions, with resize_method "lower_bound" and
ensure_multiple_of 14.
"""

import numpy as np

from depthprof.records import PATCH_PIXELS, Workload


def network_size(height: int, width: int, input_size: int, square: bool) -> tuple[int, int]:
    """Return the network input (h, w) in pixels for a picture of height and width.

    With the aspect ratio kept, the shorter side becomes the input size and the longer follows;
    each is rounded to a multiple of 14, half to even, and up where that falls below input_size.
    """
    if square:
        side = _multiple(input_size, input_size)
        return side, side
    scale = max(input_size / height, input_size / width)
    return _multiple(scale * height, input_size), _multiple(scale * width, input_size)


def size_note(workload: Workload) -> str | None:
    """Say it where the input size is not a multiple of 14; None where it is."""
    side = _multiple(workload.input_size, workload.input_size)
    if side == workload.input_size:
        return None
    return (
        f"input size {workload.input_size} is not a multiple of {PATCH_PIXELS}:"
        f" rounded to {side}, as published"
    )


def _multiple(pixels: float, least: int) -> int:
    rounded = int(np.round(pixels / PATCH_PIXELS)) * PATCH_PIXELS
    if rounded < least:
        rounded = int(np.ceil(pixels / PATCH_PIXELS)) * PATCH_PIXELS
    return rounded
