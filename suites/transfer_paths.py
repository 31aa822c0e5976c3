"""The published pipelines with another way to the device and back."""

from typing import Any

import torch

from depthprof import Workload, load_pipeline

METHODS = ("preprocess", "h2d", "forward", "postprocess", "d2h", "deliver")


class _Path:
    """A published pipeline; the subclasses replace its copies. Needs a GPU."""

    version: str

    def __init__(self, workload: Workload, checkpoint: Any = None) -> None:
        published = load_pipeline(self.version, workload, checkpoint=checkpoint)
        self.weights = published.weights  # type: ignore[attr-defined]
        self.device = torch.device(workload.device)
        for name in METHODS:
            if not hasattr(type(self), name):
                setattr(self, name, getattr(published, name))


class _Pinned(_Path):
    """Copies through page-locked memory, which is allocated once a size, without blocking."""

    def h2d(self, batch: Any) -> Any:
        staging = self._staging("_up", batch)
        staging.copy_(batch)
        return staging.to(self.device, non_blocking=True)

    def d2h(self, depth: Any) -> Any:
        if isinstance(depth, list):
            return [one.cpu() for one in depth]
        staging = self._staging("_down", depth)
        staging.copy_(depth, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return staging

    def _staging(self, name: str, like: Any) -> Any:
        kept = getattr(self, name, None)
        if kept is None or kept.shape != like.shape or kept.dtype != like.dtype:
            kept = torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
            setattr(self, name, kept)
        return kept


class _Reduced(_Path):
    """Copies half as many bytes: float16 on the way, what the pipeline expects at either end."""

    def h2d(self, batch: Any) -> Any:
        return batch.half().to(self.device).float()

    def d2h(self, depth: Any) -> Any:
        if isinstance(depth, list):
            return [one.half().cpu().float() for one in depth]
        return depth.half().cpu().float()


class PinnedV1(_Pinned):
    version = "v1"


class PinnedV2(_Pinned):
    version = "v2"


class ReducedV1(_Reduced):
    version = "v1"


class ReducedV2(_Reduced):
    version = "v2"
