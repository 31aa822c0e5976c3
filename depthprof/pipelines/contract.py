"""What a pipeline is: one method a stage, each taking only what the one before it gave."""

from typing import Any, Protocol, runtime_checkable

METHODS = {
    "preprocess": "preprocess",
    "h2d": "h2d",
    "forward": "forward",
    "postprocess": "postprocess",
    "d2h": "d2h",
    "return": "deliver",
}
"""Stage -> method. `sync` is the harness's own; `return` is a keyword in Python."""


@runtime_checkable
class Pipeline(Protocol):
    """One way from host pictures to the product, cut at the stages.

    B pictures an iteration; h, w is the network's input, H, W the picture's own size.
    """

    def preprocess(self, images: list[Any]) -> Any:
        """B arrays uint8 [H, W, 3] BGR -> float [B, 3, h, w] tensor on the CPU."""

    def h2d(self, batch: Any) -> Any:
        """CPU tensor -> the same on the device."""

    def forward(self, batch: Any) -> Any:
        """[B, 3, h, w] -> [B, h, w] on the device, without waiting for it."""

    def postprocess(self, depth: Any) -> Any:
        """-> [B, H, W, ...] on the device, or a list of B tensors [H, W, ...]."""

    def d2h(self, depth: Any) -> Any:
        """Device tensor, or list of B -> the same on the CPU."""

    def deliver(self, depth: Any) -> Any:
        """-> a list of B products: uint8 [H, W, 3] BGR ("image") or float32 [H, W] ("depth")."""


PADDING_BYTES = 1_234_567


class Renamed:
    """A pipeline handed through: the very methods of `pipeline` under another class.

    What it is a placebo for: a new version that moves code and memory about and does the same
    work. Its memory is allocated after a padding, so it lies elsewhere than without.
    """

    def __init__(self, pipeline: Any, padding: bytearray) -> None:
        self.weights = getattr(pipeline, "weights", None)
        self.padding = padding
        for method in METHODS.values():
            setattr(self, method, getattr(pipeline, method))


def padding() -> bytearray:
    """Memory that is taken before a placebo is loaded, and kept with it."""
    return bytearray(PADDING_BYTES)
