"""From a version, a size and perhaps a file to a network that is ready to run."""

from pathlib import Path

import torch

from depthprof.networks.attention import check_attention
from depthprof.networks.checkpoint import read_checkpoint, sha256_of
from depthprof.networks.configs import config_for
from depthprof.networks.fitting import fitted, load_strictly
from depthprof.networks.network import DepthAnything
from depthprof.networks.random_weights import fill
from depthprof.records import Weights


def load_model(
    version: str,
    size: str,
    *,
    attention: str = "published",
    checkpoint: Path | None = None,
    seed: int = 0,
    max_depth: float | None = None,
) -> DepthAnything:
    """Load the network in float32 on the CPU, in eval mode, without gradients.

    Args and errors are those of `depthprof.load_model`. `model.weights` says where the parameters
    came from, `model.notes` what was done to a checkpoint to load it.
    """
    config = config_for(version, size, max_depth)
    check_attention(attention)
    with torch.device("meta"):  # no memory and no time for values that are replaced at once
        model = DepthAnything(config, attention)
    if checkpoint is None:
        model.to_empty(device="cpu")
        fill(model, seed)
        source, sha256 = "random", None
    else:
        found = fitted(read_checkpoint(checkpoint), model.state_dict(), checkpoint)
        load_strictly(model, found, checkpoint, config.size)
        if found.steps:
            model.notes = (f"checkpoint {checkpoint.name}: {', '.join(found.steps)}",)
        source, sha256 = str(checkpoint), sha256_of(checkpoint)
    count = sum(parameter.numel() for parameter in model.parameters())
    model.weights = Weights(source, sha256, seed if checkpoint is None else None, count)
    return model.eval().requires_grad_(False)
