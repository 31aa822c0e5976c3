"""From a version, a size and perhaps a file to a network that is ready to run.

Speed does not depend on the values of weights, so a comparison needs no download: a seed will do.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from depthprof.errors import BadCheckpoint
from depthprof.networks.checkpoint import read_checkpoint, sha256_of
from depthprof.networks.configs import config_for
from depthprof.networks.fitting import Fitted, fitted, shape_of
from depthprof.networks.foreign import names_appearance
from depthprof.networks.network import DepthAnything
from depthprof.networks.vit import check_attention
from depthprof.records import SIZES, Weights


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
        # as `to_empty` does, but that imports SymPy to ask for strides: 0.7 s a process
        model._apply(lambda one: torch.empty(one.shape, dtype=one.dtype))  # type: ignore[no-untyped-call]
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


_DIM_KEY = "pretrained.cls_token"
_DIMS = dict(zip((384, 768, 1024, 1536), SIZES, strict=True))
LAST_BIAS = "depth_head.scratch.output_conv2.2.bias"
LAST_BIAS_VALUE = 1.0
"""Positive, because a ReLU follows: otherwise every depth would be zero."""


def fill(model: nn.Module, seed: int) -> None:
    """Draw every parameter of a model in place, the same for both versions of a size.

    Matrices and kernels are normal with deviation 1 / sqrt(fan-in), so that activations keep their
    size (He et al., arXiv:1502.01852, without the factor for ReLU) and stay finite in fp16; norms
    are the identity, layer scales 0.1, other vectors small.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            _draw(key, parameter, generator)


def _draw(key: str, parameter: Tensor, generator: torch.Generator) -> None:
    if key == LAST_BIAS:
        parameter.fill_(LAST_BIAS_VALUE)
    elif key.endswith(".gamma"):
        parameter.fill_(0.1)
    elif "norm" in key:
        parameter.fill_(1.0 if key.endswith(".weight") else 0.0)
    elif key.endswith(".weight"):
        fan_in = math.prod(parameter.shape[1:])
        parameter.normal_(0.0, 1 / math.sqrt(fan_in), generator=generator)
    else:
        parameter.normal_(0.0, 0.02, generator=generator)


def load_strictly(model: nn.Module, found: Fitted, path: Path, size: str) -> None:
    """Put tensors into a model of the same keys and shapes, as float32, in the model's place.

    Raises:
        BadCheckpoint: other keys or shapes (the first of each kind is named), or no floats.
    """
    expected, tensors = model.state_dict(), found.tensors
    missing = [key for key in expected if key not in tensors]
    extra = [key for key in tensors if key not in expected]
    unlike = [
        key
        for key, ours in expected.items()
        if shape_of(tensors.get(key)) not in (None, ours.shape)
    ]
    if missing or extra or unlike:
        raise _does_not_fit(found, expected, f"{path}", size, (missing, extra, unlike))
    whole = next((key for key in expected if not tensors[key].is_floating_point()), None)
    if whole is not None:
        kind = str(tensors[whole].dtype).removeprefix("torch.")
        raise BadCheckpoint(
            f"{path} does not hold plain weights: {whole} is of type {kind}, as quantised weights"
            " are; give the weights they were made of"
        )
    model.load_state_dict({key: tensors[key].float() for key in expected}, assign=True)


def _does_not_fit(
    found: Fitted,
    expected: Mapping[str, Tensor],
    path: str,
    size: str,
    keys: tuple[Sequence[str], Sequence[str], Sequence[str]],
) -> BadCheckpoint:
    missing, extra, unlike = keys
    done = f" ({', '.join(found.steps)})" if found.steps else ""
    guess = _guess(found)
    counts = f"{_keys('missing', missing)}, {_keys('unknown', extra)}"
    if not unlike:
        return BadCheckpoint(f"{path}{done} does not fit model {size}: {counts}{guess}")
    theirs, ours = tuple(found.tensors[unlike[0]].shape), tuple(expected[unlike[0]].shape)
    more = f", {counts}" if missing or extra else ""
    return BadCheckpoint(
        f"{path}{done} is not a checkpoint of model {size}: {unlike[0]} has shape {theirs} there,"
        f" {ours} in {size}{more}{guess}"
    )


def _guess(found: Fitted) -> str:
    looks = names_appearance(found.names)
    known = found.tensors.get(_DIM_KEY)
    size = _DIMS.get(known.shape[-1]) if known is not None and known.ndim else None
    looks = looks or (f"model {size}" if size else None)
    return f"; the file looks like {looks}" if looks else ""


def _keys(what: str, keys: Sequence[str]) -> str:
    return f"{what} keys: {len(keys)}" + (f" (first: {keys[0]})" if keys else "")
