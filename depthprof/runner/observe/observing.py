"""The iteration itself: every stage run once under the watches, and what they saw written down.

It is untimed, since watching takes time, and comes after all turns.
"""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch

from depthprof.errors import PipelineError
from depthprof.records import Observed, StageWork, Trait
from depthprof.runner.observe.frames import FrameWatch
from depthprof.runner.observe.memory import PeakWatch
from depthprof.runner.observe.networks import devices, networks, weights, weights_bytes
from depthprof.runner.observe.operators import OperatorWatch
from depthprof.runner.observe.traffic import extents, traffic
from depthprof.runner.observe.traits import SOFTMAX, Seen, traits_of

Calls = Sequence[tuple[str, Callable[[Any], Any]]]
"""The stages in order: name, and what is called."""


def observe(pipeline: object, calls: Calls, images: Sequence[Any], device: str) -> Observed:
    """Run one iteration and look at it.

    Nothing of what is looked at is kept while it runs, so the peaks of memory are the iteration's.

    Args:
        pipeline: whose attributes are searched for the network.
        calls: its stages. images: B pictures uint8 [H, W, 3].
        device: resolved; where the pipeline runs.

    Raises:
        PipelineError: a stage raised.
    """
    held = weights(networks(pipeline))
    held_bytes = weights_bytes(held) if held else None
    least = min(image.shape[0] * image.shape[1] for image in images)
    work: list[StageWork] = []
    traits: list[Trait] = []
    peaks = PeakWatch(device, torch.cuda)
    _watched("sync", torch.relu, torch.zeros(1), least)  # what torch imports late is imported now
    gc.collect()
    peaks.begin()
    value: Any = images
    for stage, call in calls:
        seen, moved, value = _watched(stage, call, value, least, device.startswith("cuda"))
        needed = (held_bytes or 0) if stage == "forward" else 0
        work.append(
            StageWork(
                stage, seen.flops, moved[0] + needed, moved[1], seen.kernels, seen.convolution_flops
            )
        )
        traits += traits_of(stage, seen, devices(held))
    return Observed(tuple(work), peaks.end(held_bytes), tuple(traits))


def _watched(
    stage: str, call: Callable[[Any], Any], value: Any, least: int, on_gpu: bool = False
) -> tuple[Seen, tuple[int, int], Any]:
    """Run one stage; give what was seen, the bytes it moved, and what it gave."""
    given = extents(value)
    operators = OperatorWatch(on_gpu)

    def on_fused(begins: bool) -> None:
        """A fused call that torch itself writes out is not a softmax of the pipeline's."""
        operators.silent = SOFTMAX if begins else frozenset()

    frames = FrameWatch(least, on_fused)
    with operators:
        out = _run(stage, call, value, frames)
    gives = extents(out)
    seen = Seen(
        flops=operators.flops,
        convolution_flops=operators.convolution_flops,
        kernels=operators.kernels,
        operators=operators.names,
        pageable_bytes=operators.pageable_bytes,
        pageable_where=operators.pageable_where,
        float64_bytes=frames.float64_bytes,
        float64_where=frames.float64_where,
        colour_maps=frames.colour_maps,
        fused_calls=frames.fused_calls,
        given_on=", ".join(sorted({one.place for one in given})),
        gives_bytes=sum(one.size_bytes for one in gives),
    )
    return seen, traffic(given, gives), out


def _run(stage: str, call: Callable[[Any], Any], value: Any, frames: FrameWatch) -> Any:
    try:
        with frames.watching():
            return call(value)
    except (Exception, SystemExit) as error:  # the border: a stage may be foreign code
        text = (str(error).strip() or "no text").splitlines()[0]
        raise PipelineError(
            f"the stage {stage} raised {type(error).__name__} while it was looked at: {text}",
            stage=stage,
        ) from error
