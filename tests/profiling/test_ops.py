"""Self times of nested operators, and what is dearest."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from depthprof.profiling.parts import dearest, self_times
from depthprof.profiling.recording import Ranges, _exported
from depthprof.profiling.timeline import Op, Range, Timeline, read_timeline
from tests.profiling.made import Machine, iterations

trees = st.recursive(
    st.integers(1, 50).map(lambda ns: (ns, [])),
    lambda inner: st.tuples(st.integers(0, 50), st.lists(inner, max_size=3)),
    max_leaves=12,
)


def laid_out(tree: tuple[int, list[Any]], start: int, ops: list[Op], own: list[int]) -> int:
    """Put a tree of (own time, inner ops) on a line; the own time comes first. Gives its end."""
    place = len(ops)
    ops.append(Op("op", "1", start, start))
    own.append(tree[0])
    end = start + tree[0]
    for inner in tree[1]:
        end = laid_out(inner, end, ops, own)
    ops[place] = Op("op", "1", start, end)
    return end


@given(st.lists(trees, max_size=4))
def test_self_times_of_nested_ops_are_exact(forest: list[Any]) -> None:
    ops: list[Op] = []
    own: list[int] = []
    end = 0
    for tree in forest:
        end = laid_out(tree, end, ops, own)
    assert [ns for _, ns in self_times(ops)] == own
    assert sum(own) == end


def test_ops_of_unlike_threads_are_not_nested_in_each_other() -> None:
    ops = [Op("a", "1", 0, 100), Op("b", "2", 10, 40)]
    assert [ns for _, ns in self_times(ops)] == [100, 30]


@given(iterations)
def test_kernels_are_summed_by_name_and_stage(stages: list[dict[str, Any]]) -> None:
    made = Machine().run(stages)
    found = dearest(read_timeline(made.document), len(stages), count=10**6)
    assert all(op.kind == "kernel" for op in found)
    times = [op.self_ns for op in found]
    assert times == sorted(times, reverse=True)
    launched = [ns for row in stages for works in row.values() for _, ns in works]
    assert sum(times) * len(stages) == sum(launched) or abs(
        sum(times) * len(stages) - sum(launched)
    ) < 1e-6 * sum(launched)
    assert round(sum(op.calls for op in found) * len(stages)) == len(launched)


def test_ops_outside_of_every_stage_are_left_out_and_ten_are_given() -> None:
    ops = tuple(Op(f"op {n}", "1", 100 * n, 100 * n + n) for n in range(1, 21))
    timeline = Timeline((Range("forward", 0, 1_500),), (), ops, ())
    found = dearest(timeline, 2)
    assert [op.name for op in found] == [f"op {n}" for n in range(15, 5, -1)]
    assert found[0].self_ns == 7.5
    assert found[0].calls == 0.5


def test_self_times_agree_with_the_profilers_own_table() -> None:
    layer, values = torch.nn.Linear(64, 64), torch.randn(32, 64)
    ranges = Ranges()
    call = ranges.opened_by(lambda x: layer(x).softmax(dim=-1) @ values.T, "forward")
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        call(values)
        ranges.close()
    mine = {op.name: op for op in dearest(read_timeline(_exported(profiler)), 1, count=10**6)}
    theirs = {e.key: e for e in profiler.key_averages() if e.key.startswith("aten::")}
    assert set(mine) == set(theirs)
    for name, event in theirs.items():
        assert mine[name].calls == event.count
        assert abs(mine[name].self_ns - event.self_cpu_time_total * 1e3) <= 10 * event.count + 10
