"""The published preprocessing, the same in both versions.

Source: run.py and depth_anything/util/transform.py of V1, image2tensor in depth_anything_v2/dpt.py
of V2: float64 arithmetic in OpenCV's cubic resize, ImageNet's mean and deviation.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depthprof.pipelines.sizing import network_size

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

Pixels = NDArray[np.uint8]


class Preprocess:
    """Pictures uint8 [H, W, 3] BGR to one tensor float32 [B, 3, h, w] on the CPU."""

    def __init__(self, input_size: int, square: bool) -> None:
        self._input_size = input_size
        self._square = square

    def __call__(self, images: Sequence[Pixels]) -> Tensor:
        """Convert, resize and normalise each picture, and stack them."""
        if len(images) == 1:
            return torch.from_numpy(self.picture(images[0]))[None]
        return torch.from_numpy(np.stack([self.picture(image) for image in images]))

    def picture(self, image: Pixels) -> NDArray[np.float32]:
        """One picture: uint8 [H, W, 3] BGR -> float32 [3, h, w], normalised."""
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB) / 255.0, dtype=np.float64)
        height, width = image.shape[:2]
        height, width = network_size(height, width, self._input_size, self._square)
        resized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC)
        normal = (resized - np.asarray(MEAN)) / np.asarray(DEVIATION)
        return np.ascontiguousarray(normal.transpose(2, 0, 1)).astype(np.float32)
