"""What a stage moves, and where a pipeline keeps its network."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from depthprof.runner.checking import devices, networks, weights, weights_bytes
from depthprof.runner.observe import extents, traffic

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


@st.composite
def values(draw: st.DrawFn) -> Any:
    shape = draw(shapes)
    kind = draw(st.sampled_from(["tensor", "array", "list", "dict"]))
    if kind == "tensor":
        return torch.zeros(shape)
    if kind == "array":
        return np.zeros(shape, dtype=draw(st.sampled_from([np.uint8, np.float64])))
    inner = [torch.zeros(shape), np.zeros(shape), "text", 3, None]
    return inner if kind == "list" else {"depth": inner}


def total(value: Any) -> int:
    return sum(one.size_bytes for one in extents(value))


@given(values(), values())
def test_what_is_new_is_read_and_written_and_what_is_handed_through_is_not(
    first: Any, second: Any
) -> None:
    assert total(first) > 0
    assert traffic(extents(first), extents(second)) == (total(first), total(second))
    assert traffic(extents(first), extents(first)) == (0, 0)
    assert traffic(extents(first), extents([first, second])) == (0, total(second))


@given(shapes)
def test_views_in_either_direction_are_handed_through(shape: tuple[int, ...]) -> None:
    tensor = torch.zeros(shape)
    array = np.zeros(shape)
    for given_value, gives in (
        (tensor, tensor[None]),
        (tensor, tensor.numpy()),
        (tensor, [tensor.numpy()[..., ::-1]]),
        (array, torch.from_numpy(array)[None]),
        (array[..., :1], array.reshape(-1)),
    ):
        assert traffic(extents(given_value), extents(gives)) == (0, 0)
    assert traffic(extents(tensor), extents(tensor.clone()))[1] == tensor.nbytes


def test_bytes_are_those_of_the_elements() -> None:
    assert total(torch.zeros(3, 4, dtype=torch.float16)) == 24
    assert total(torch.zeros(1, 4).expand(3, 4)) == 48
    assert total([np.zeros((2, 2)), [np.zeros(3, np.uint8)]]) == 35
    sparse = torch.sparse_coo_tensor(
        torch.tensor([[0]]), torch.tensor([1.0]), (4,), check_invariants=True
    )
    assert total(sparse) == 16
    assert [one.place for one in extents(torch.zeros(2, device="meta"))] == ["meta"]


class Own:
    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network

    def forward(self, batch: object) -> object:
        return batch


class Touchy:
    """Answers every question for an attribute with an error."""

    def __init__(self, network: torch.nn.Module) -> None:
        object.__setattr__(self, "kept", network)

    def __getattribute__(self, name: str) -> object:
        raise ValueError(name)


def closed_over(network: torch.nn.Module) -> object:
    def forward(batch: object) -> object:
        return network, batch

    return forward


@pytest.mark.parametrize(
    "wrap",
    [
        Own,
        Touchy,
        lambda net: SimpleNamespace(models=[{"depth": net}]),
        lambda net: SimpleNamespace(forward=Own(net).forward),
        lambda net: SimpleNamespace(forward=partial(net, 1)),
        lambda net: SimpleNamespace(forward=closed_over(net)),
        lambda net: SimpleNamespace(inner=SimpleNamespace(inner=Own(net))),
        lambda net: SimpleNamespace(a=net, b=net),
    ],
)
def test_a_network_is_found_wherever_a_pipeline_keeps_it(wrap: Any) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    found = networks(wrap(network))
    assert found == [network]
    assert weights_bytes(weights(found)) == 4 * (6 + 2 + 2 + 2 + 2 + 2) + 8
    assert devices(weights(found)) == "cpu"


def test_where_there_is_no_network_none_is_found_and_no_circle_is_run() -> None:
    circle = SimpleNamespace(library=torch, kind=torch.nn.Linear, values=[torch.zeros(2)])
    circle.itself = circle
    assert networks(circle) == []
    assert devices([]) == ""
    spread = [torch.zeros(1), torch.zeros(1, device="meta")]
    assert devices(spread) == "cpu, meta"
