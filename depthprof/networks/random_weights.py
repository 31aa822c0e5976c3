"""Weights from a seed: speed does not depend on their values, so a comparison needs no download."""

import math

import torch
from torch import Tensor, nn

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
