"""The first layer whose values are not finite, and the parameters that are not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from depthprof.errors import PipelineError
from depthprof.networks import DepthAnything
from depthprof.networks.loading import fill
from depthprof.runner.checking import where_nonfinite
from tests.networks.test_network import tiny

BATCH = torch.ones(1, 3, 28, 28)


class Held:
    """A pipeline that holds a network."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def where(self, batch: Any = BATCH) -> str:
        with torch.no_grad():
            return where_nonfinite(self, self.network, batch)


def network(spoil: Callable[[DepthAnything], None] = lambda _: None) -> DepthAnything:
    model = DepthAnything(tiny())
    fill(model, 0)
    with torch.no_grad():
        spoil(model)
    return model


def set_to(name: str, value: float, count: int | None = None) -> Callable[[DepthAnything], None]:
    def spoil(model: DepthAnything) -> None:
        model.get_parameter(name).view(-1)[:count] = value

    return spoil


@pytest.mark.parametrize(
    ("name", "count", "said", "layer"),
    [
        (
            "pretrained.blocks.2.mlp.fc1.weight",
            3,
            "1 of 127 parameters are not finite, the first pretrained.blocks.2.mlp.fc1.weight"
            " ({} in 3 of 4096 values)",
            "the first layer to give such values is pretrained.blocks.2.mlp.fc1",
        ),
        ("pretrained.patch_embed.proj.bias", None, "({} in 32 of 32 values)", "patch_embed.proj"),
        (
            "pretrained.pos_embed",
            None,
            "the first pretrained.pos_embed",
            "such values arise before pretrained.blocks.0.norm1, in the arithmetic around it",
        ),
        (
            "depth_head.scratch.output_conv2.2.weight",
            1,
            "({} in 1 of 32 values)",
            "is depth_head.scratch.output_conv2.2",
        ),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_parameter_and_the_layer_are_named(
    name: str, count: int | None, said: str, layer: str, value: float
) -> None:
    found = Held(network(set_to(name, value, count))).where()
    assert said.format("NaN" if value != value else "infinity") in found
    assert layer in found


def test_an_overflow_has_a_layer_and_no_parameter() -> None:
    def spoil(model: DepthAnything) -> None:
        set_to("pretrained.blocks.1.mlp.fc2.weight", 60_000.0)(model)
        set_to("pretrained.blocks.1.mlp.fc2.bias", 60_000.0)(model)

    found = Held(network(spoil).half()).where(BATCH.half())
    assert found == (
        "the first layer to give such values is pretrained.blocks.1.mlp.fc2 (fp16 ends at 65504)"
    )


def test_the_network_is_left_as_it_was() -> None:
    model = network(set_to("pretrained.norm.bias", float("nan")))
    assert Held(model).where()
    assert not any(layer._forward_hooks for layer in model.modules())


class Pairs(nn.Module):
    def forward(self, batch: Tensor) -> dict[str, list[Tensor]]:
        return {"depth": [batch / 0]}


def test_layers_that_give_mappings_and_pipelines_without_a_network() -> None:
    assert Held(Pairs()).where() == "the first layer to give such values is Pairs"
    assert where_nonfinite(object(), lambda batch: batch / 0, BATCH) == ""
    assert Held(network()).where() == ""


def test_a_second_run_that_fails_is_not_told() -> None:
    def fails(_: Any) -> Any:
        raise PipelineError("the stage forward raised")

    assert where_nonfinite(Held(network()), fails, BATCH) == ""
