"""A pipeline that differs from another only harmlessly: in its name, and in where memory lies."""

from typing import Any

PADDING_BYTES = 1_234_567
METHODS = ("preprocess", "h2d", "forward", "postprocess", "d2h", "deliver")


class Renamed:
    """A pipeline handed through: the very methods of `pipeline` under another class.

    What it is a placebo for: a new version that moves code and memory about and does the same
    work. Its memory is allocated after a padding, so it lies elsewhere than without.
    """

    def __init__(self, pipeline: Any, padding: bytearray) -> None:
        self.weights = getattr(pipeline, "weights", None)
        self.padding = padding
        for method in METHODS:
            setattr(self, method, getattr(pipeline, method))


def padding() -> bytearray:
    """Memory that is taken before a placebo is loaded, and kept with it."""
    return bytearray(PADDING_BYTES)
