"""V2 as published. Source: DepthAnything/Depth-Anything-V2 at a561b84, dpt.py and run.py.

With a max_depth it is the metric V2 of the folder metric_depth of the same repository, whose run.py
colours by Spectral, so that near is red in both.
"""

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from depthprof.pipelines.published import Published
from depthprof.records import Workload


class V2(Published):
    """Min-max on the host, colours by matplotlib's Spectral_r (metric: Spectral) in float64."""

    version = "v2"
    align_corners = True

    def __init__(self, workload: Workload, checkpoint: Path | None = None) -> None:
        super().__init__(workload, checkpoint)
        self._colours = matplotlib.colormaps[
            "Spectral_r" if workload.max_depth is None else "Spectral"
        ]

    def colour(self, depth: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Depth float32 [H, W] -> uint8 [H, W, 3] BGR."""
        rgba = self._colours(grey(depth))
        return (rgba[:, :, :3] * 255)[:, :, ::-1].astype(np.uint8)


def grey(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale float32 [H, W] to uint8 0..255 by its extremes; a constant depth becomes 0."""
    span = depth.max() - depth.min()
    if span == 0:
        return np.zeros(depth.shape, dtype=np.uint8)
    scaled = (depth - depth.min()) / span * 255.0
    return np.asarray(scaled.astype(np.uint8))
