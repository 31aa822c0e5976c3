"""A pipeline with stages of about 1.3 / 0.04 / 5 / 0.1 / - / 0.04 / 0.5 ms, without torch.

It works on arrays the way a pipeline does (convert, scale, copy, roots), so
that caches, allocation and preemption act on it as on the real ones.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

LAYERS = 250
QUANTISATIONS = 11
MIXTURES = 4


class Light:
    """One instance is one side: it has arrays of its own, placed wherever its turn to allocate is.

    Args:
        random: draws the padding between arrays where the layout is shuffled; None shuffles none.
    """

    weights = None

    def __init__(self, random: Random | None = None) -> None:
        drawn = np.random.default_rng(0)
        self._padding: list[bytearray] = []

        def pad() -> None:
            if random is not None:
                self._padding.append(bytearray(random.randrange(1, 300_000)))

        pad()
        self._activations = drawn.random(45_000, dtype=np.float32)
        pad()
        self._scratch = np.empty_like(self._activations)
        pad()
        self._depth = drawn.random(280_000, dtype=np.float32)
        pad()
        self._on_device = np.empty_like(self._depth)
        pad()
        self._on_host = np.empty_like(self._depth)
        pad()
        self._scaled = np.empty((600, 512, 3), dtype=np.float32)

    def relocate(self, move: Callable[[Any], Any]) -> None:
        """Put every array elsewhere in memory."""
        self._activations = move(self._activations)
        self._scratch = move(self._scratch)
        self._depth = move(self._depth)
        self._on_device = move(self._on_device)
        self._on_host = move(self._on_host)
        self._scaled = move(self._scaled)

    def preprocess(self, images: Any) -> Any:
        """Convert, scale and mix a picture [600, 512, 3] uint8."""
        np.multiply(images[0], np.float32(1 / 255), out=self._scaled)
        for _ in range(MIXTURES):
            np.sqrt(self._scaled, out=self._scaled)
        return self._scaled

    def h2d(self, value: Any) -> Any:
        """Copy 1.1 MB."""
        del value
        np.copyto(self._on_device, self._depth)
        return self._on_device

    def forward(self, value: Any) -> Any:
        """Layers of roots over activations that fit a cache (tanh is slow on some CPUs)."""
        np.multiply(self._activations, value[0], out=self._scratch)
        for _ in range(LAYERS):
            np.sqrt(self._scratch, out=self._scratch)
        return self._scratch

    def postprocess(self, value: Any) -> Any:
        """Elementwise work on the depth map."""
        del value
        np.sqrt(self._on_device, out=self._on_device)
        np.multiply(self._on_device, np.float32(0.5), out=self._on_device)
        return self._on_device

    def d2h(self, value: Any) -> Any:
        """Copy the result, 1.1 MB."""
        np.copyto(self._on_host, value)
        return self._on_host

    def deliver(self, value: Any) -> Any:
        """Quantise the depth map to bytes, some times over."""
        for _ in range(QUANTISATIONS):
            quantised = (value * np.float32(85)).astype(np.uint8)
        return quantised
