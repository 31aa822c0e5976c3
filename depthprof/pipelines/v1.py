"""V1 as published. Source: LiheYoung/Depth-Anything at 1d03336, run.py."""

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from depthprof.pipelines.published import Published

_TINY = float(np.finfo(np.float32).tiny)
"""Least divisor of the min-max: a constant depth then gives 0 / tiny = 0 and not NaN."""


class V1(Published):
    """Min-max on the device, colours by OpenCV's INFERNO table."""

    version = "v1"
    align_corners = False

    def finish(self, depth: Tensor) -> Tensor:
        """Scale each picture to 0..255 by its own extremes, unless the product is the depth.

        A constant depth, which the published code divides 0 by 0, becomes 0 everywhere.
        """
        if self.workload.product == "depth":
            return depth
        if len(depth) == 1:  # the published expression, its two minima included
            span = (depth.max() - depth.min()).clamp_min(_TINY)
            return (depth - depth.min()) / span * 255.0
        least, most = depth.amin(dim=(1, 2), keepdim=True), depth.amax(dim=(1, 2), keepdim=True)
        return (depth - least) / (most - least).clamp_min(_TINY) * 255.0

    def colour(self, depth: NDArray[np.float32]) -> NDArray[np.uint8]:
        """0..255 float32 [H, W] -> uint8 [H, W, 3] BGR."""
        coloured = cv2.applyColorMap(depth.astype(np.uint8), cv2.COLORMAP_INFERNO)
        return np.asarray(coloured, dtype=np.uint8)
