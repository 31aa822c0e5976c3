"""What the published pipelines share: preprocessing, transfer, the network, the depth.

Source: run.py and depth_anything/util/transform.py of V1 (Resize with resize_method "lower_bound"
and ensure_multiple_of 14), image2tensor in depth_anything_v2/dpt.py of V2: float64 arithmetic in
OpenCV's cubic resize, ImageNet's mean and deviation.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from depthprof.networks import load_model
from depthprof.networks.vit import check_attention
from depthprof.pipelines.device import resolve_device
from depthprof.records import PATCH_PIXELS, Workload


def network_size(height: int, width: int, input_size: int, *, square: bool) -> tuple[int, int]:
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


MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

Pixels = NDArray[np.uint8]


class Preprocess:
    """Pictures uint8 [H, W, 3] BGR to one tensor float32 [B, 3, h, w] on the CPU."""

    def __init__(self, input_size: int, *, square: bool) -> None:
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
        height, width = network_size(height, width, self._input_size, square=self._square)
        resized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC)
        normal = (resized - np.asarray(MEAN)) / np.asarray(DEVIATION)
        return np.ascontiguousarray(normal.transpose(2, 0, 1)).astype(np.float32)


TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Depths = Tensor | list[Tensor]


class Published:
    """A published pipeline; the subclasses say where they differ.

    Attributes:
        version: "v1" or "v2".
        align_corners: of the resize back to the picture.
        weights: where the parameters came from.
    """

    version: str
    align_corners: bool

    def __init__(self, workload: Workload, checkpoint: Path | None = None) -> None:
        workload = resolve_device(workload)
        check_attention(workload.attention, workload.device)
        self.workload = workload
        self.device = torch.device(workload.device)
        self.dtype = TORCH_DTYPES[workload.dtype]
        model = load_model(
            self.version,
            workload.model,
            attention=workload.attention,
            checkpoint=checkpoint,
            seed=workload.seed,
            max_depth=workload.max_depth,
        )
        self.weights = model.weights
        self.model = model.to(device=self.device, dtype=self.dtype)
        self._sizes: list[tuple[int, int]] = []

    def preprocess(self, images: Sequence[Pixels]) -> Tensor:
        """B uint8 [H, W, 3] BGR -> float32 [B, 3, h, w]; the transform is built anew each call."""
        self._sizes = [(image.shape[0], image.shape[1]) for image in images]
        return Preprocess(self.workload.input_size, square=self.workload.square)(images)

    def h2d(self, batch: Tensor) -> Tensor:
        """Copy to the device, pageable and blocking, as published."""
        return batch.to(self.device)

    def forward(self, batch: Tensor) -> Tensor:
        """[B, 3, h, w] float32 -> [B, h, w] in the workload's dtype."""
        depth: Tensor = self.model(batch.to(self.dtype))
        return depth

    def postprocess(self, depth: Tensor) -> Depths:
        """[B, h, w] -> float32 [B, H, W], or a list of B [H, W] where the sizes differ."""
        depth = depth.float()
        if len(set(self._sizes)) == 1:
            return self.finish(self._resized(depth, self._sizes[0]))
        return [
            self.finish(self._resized(one[None], size))[0]
            for one, size in zip(depth, self._sizes, strict=True)
        ]

    def finish(self, depth: Tensor) -> Tensor:
        """What is done on the device after the resize: [B, H, W] -> [B, H, W]."""
        return depth

    def d2h(self, depth: Depths) -> Depths:
        """Copy to the host, pageable and blocking, as published."""
        if isinstance(depth, list):
            return [one.cpu() for one in depth]
        return depth.cpu()

    def deliver(self, depth: Depths) -> list[NDArray[np.generic]]:
        """float32 [B, H, W] or a list -> B products: uint8 [H, W, 3] BGR, or float32 [H, W]."""
        if self.workload.product == "depth":
            return [one.numpy() for one in depth]
        return [self.colour(one.numpy()) for one in depth]

    def colour(self, depth: NDArray[np.float32]) -> NDArray[np.uint8]:
        """float32 [H, W] -> uint8 [H, W, 3] BGR."""
        raise NotImplementedError

    def _resized(self, depth: Tensor, size: tuple[int, int]) -> Tensor:
        return functional.interpolate(
            depth[:, None], size, mode="bilinear", align_corners=self.align_corners
        )[:, 0]
