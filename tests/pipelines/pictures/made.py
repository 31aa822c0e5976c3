"""Pictures that tests write."""

from pathlib import Path

import cv2
import numpy as np

COLOUR = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
GRAY = COLOUR[..., 0]


def written(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", COLOUR)[1])
