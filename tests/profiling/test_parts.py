"""Which parts a network has, whose they are, and how their times are summed up."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from depthprof import Workload, load_pipeline
from depthprof.networks import DepthAnything, config_for
from depthprof.profiling.parts import HostPartClock, Part, hooked, network_of, part_times, parts_of


class Holder:
    """A pipeline that holds what it is given."""

    def __init__(self, **held: Any) -> None:
        self.__dict__.update(held)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.unused = nn.Linear(4, 4)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = self.stem(values)
        for block in self.blocks:
            values = block(self.stem(values))
        return values


def test_the_published_network_is_cut_into_embedding_blocks_norm_and_head() -> None:
    with torch.device("meta"):
        parts = parts_of(DepthAnything(config_for("v2", "small")))
    groups = [part.group for part in parts]
    assert groups.count("patch embedding") == groups.count("norm") == 1
    assert groups.count("blocks") == 12
    names = {part.name for part in parts if part.group == "head"}
    assert {"depth_head.projects.0", "depth_head.scratch.refinenet4"} <= names
    assert "depth_head.scratch" not in names  # it is never called


def test_every_parameter_of_the_published_network_that_is_used_is_in_one_part() -> None:
    with torch.device("meta"):
        network = DepthAnything(config_for("v1", "base"))
    inside = [id(p) for part in parts_of(network) for p in part.module.parameters()]
    assert len(inside) == len(set(inside))
    outside = {n for n, p in network.named_parameters() if id(p) not in set(inside)}
    assert outside == {f"pretrained.{n}" for n in ("cls_token", "pos_embed", "mask_token")}


def test_another_network_is_cut_at_its_direct_children() -> None:
    parts = parts_of(Net())
    assert [part.name for part in parts] == [
        *("stem", "blocks.0", "blocks.1", "blocks.2", "unused"),
    ]
    assert [part.group for part in parts] == ["stem", "blocks", "blocks", "blocks", "unused"]


def test_the_network_is_the_largest_module_that_a_pipeline_holds() -> None:
    network = Net()
    assert network_of(Holder(small=nn.Linear(1, 1), net=network)) is network
    assert network_of(Holder(forward=Holder(net=network))) is None
    assert network_of(Holder(wrapped=nn.Sequential(network))) is network
    assert network_of(Holder(pipeline="none")) is None


def test_a_pipeline_that_borrows_its_methods_is_followed_to_the_lender() -> None:
    lender = load_pipeline("v2", Workload(device="cpu", input_size=28))
    borrower = Holder(forward=lender.forward)
    assert isinstance(network_of(borrower), DepthAnything)


def test_hooks_time_each_call_and_are_gone_afterwards() -> None:
    network = Net()
    clock = HostPartClock()
    with hooked(parts_of(network), clock) as calls, torch.no_grad():
        network(torch.ones(2, 4))
    gaps = clock.gaps_ns()
    assert calls == [0, 0, 1, 0, 2, 0, 3]
    assert len(gaps) == 7
    assert all(gap >= 0 for gap in gaps)
    times = part_times(parts_of(network), [(calls, gaps)])
    assert [(time.name, time.calls) for time in times] == [
        *(("stem", 4), ("blocks.0", 1), ("blocks.1", 1), ("blocks.2", 1)),
    ]
    network(torch.ones(2, 4))
    assert clock.gaps_ns() == []
    assert clock.gaps_ns() == []  # reading starts again


def test_a_part_inside_a_part_is_not_counted_twice() -> None:
    inner = nn.Linear(4, 4)
    outer = nn.Sequential(inner, nn.ReLU())
    clock = HostPartClock()
    parts = [Part("outer", "outer", outer), Part("inner", "inner", inner)]
    with hooked(parts, clock) as calls:
        outer(torch.ones(1, 4))
        inner(torch.ones(1, 4))
    assert calls == [0, 1]
    assert len(clock.gaps_ns()) == 2


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), min_size=1, max_size=9))
def test_times_are_medians_over_iterations_of_sums_over_calls(rows: list[list[int]]) -> None:
    parts = [Part(name, name, nn.Identity()) for name in ("first", "second", "never")]
    first, second = part_times(parts, [((1, 0, 1), row) for row in rows])
    assert (first.name, first.calls) == ("second", 2)
    assert (second.name, second.calls) == ("first", 1)
    sums = sorted(row[0] + row[2] for row in rows)
    middle = len(sums) // 2
    assert first.median_ns == pytest.approx((sums[middle] + sums[-middle - 1]) / 2)
    assert part_times(parts, []) == ()
