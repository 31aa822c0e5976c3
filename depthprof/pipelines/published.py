"""What the published pipelines share: preprocessing, transfer, the network, the depth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from depthprof.networks import load_model
from depthprof.networks.attention import check_attention
from depthprof.pipelines.device import resolve_device
from depthprof.pipelines.preprocess import Pixels, Preprocess
from depthprof.records import Workload

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
        return Preprocess(self.workload.input_size, self.workload.square)(images)

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
