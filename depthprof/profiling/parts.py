"""Where the time goes below the stage: parts of the network, kernels and operators."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter_ns
from typing import Any

import torch
from torch import nn

from depthprof.networks import DepthAnything
from depthprof.pipelines.contract import METHODS
from depthprof.profiling.timeline import Op, Timeline, stage_at
from depthprof.records import OpTime, PartTime

DEAREST = 10
GROUPS = {
    "pretrained.patch_embed": "patch embedding",
    "pretrained.blocks": "blocks",
    "pretrained.norm": "norm",
    "depth_head": "head",
}
"""Parts of our own network by the beginning of their path."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module that is called by itself, its path in the network and the group it counts to.

    Hooks time it, in iterations made for it. Parts do not overlap.
    """

    name: str
    group: str
    module: nn.Module


def network_of(pipeline: Any) -> nn.Module | None:
    """Find the network of a pipeline: the largest module among its attributes.

    A pipeline that borrows its methods from another one is followed to that one.
    """
    methods = (getattr(pipeline, method, None) for method in METHODS.values())
    owners = [pipeline, *(getattr(method, "__self__", None) for method in methods)]
    held = [v for owner in owners for v in getattr(owner, "__dict__", {}).values()]
    modules = [value for value in (*owners, *held) if isinstance(value, nn.Module)]
    found = max(modules, key=_parameters, default=None)
    return None if found is None else _unwrapped(found)


def parts_of(network: nn.Module) -> tuple[Part, ...]:
    """Cut a network into parts: of ours by encoder and head, of another one by direct children.

    A container without a forward of its own (ModuleList) is never called, so its children count.
    """
    if not isinstance(network, DepthAnything):
        return tuple(
            Part(name, child, module)
            for child, top in network.named_children()
            for name, module in _called(child, top)
        )
    return tuple(
        Part(name, next(group for start, group in GROUPS.items() if name.startswith(start)), module)
        for half in ("pretrained", "depth_head")
        for child, top in network.get_submodule(half).named_children()
        for name, module in _called(f"{half}.{child}", top)
    )


class HostPartClock:
    """Stamps of the host's clock, for a device that works while it is called."""

    def __init__(self) -> None:
        self._stamps: list[int] = []

    def stamp(self) -> None:
        """Take the next time stamp."""
        self._stamps.append(perf_counter_ns())

    def gaps_ns(self) -> list[int]:
        """Gap between the first and second stamp, third and fourth, and so on; starts again."""
        stamps, self._stamps = self._stamps, []
        return [end - start for start, end in _pairs(stamps)]


class CudaPartClock:
    """CUDA events on the stream in use, made before they are needed.

    Args:
        count: stamps that will be taken between two readings. device: "cuda:N".
    """

    def __init__(self, count: int, device: str) -> None:
        self._stream = torch.cuda.current_stream(torch.device(device))
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(count)]
        for event in self._events:
            event.record(self._stream)  # torch makes the event when it is first recorded
        self._taken = 0

    def stamp(self) -> None:
        """Record the next event."""
        self._events[self._taken].record(self._stream)
        self._taken += 1

    def gaps_ns(self) -> list[int]:
        """As of `HostPartClock`; waits for the last event."""
        taken, self._taken = self._events[: self._taken], 0
        if taken:
            taken[-1].synchronize()
        return [round(start.elapsed_time(end) * 1e6) for start, end in _pairs(taken)]


@contextmanager
def hooked(parts: Sequence[Part], clock: HostPartClock | CudaPartClock) -> Iterator[list[int]]:
    """Hooks on parts, and the indices of those that are called, in the order of calling.

    A part that is called inside another one counts to that one.
    """
    calls: list[int] = []
    depth = 0

    def begin(place: int, *_: object) -> None:
        nonlocal depth
        depth += 1
        if depth == 1:
            calls.append(place)
            clock.stamp()

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0:
            clock.stamp()

    with ExitStack() as hooks:
        for place, part in enumerate(parts):
            hooks.enter_context(part.module.register_forward_pre_hook(partial(begin, place)))
            hooks.enter_context(part.module.register_forward_hook(end))
        yield calls


def part_times(
    parts: Sequence[Part], rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> tuple[PartTime, ...]:
    """Sum up calls and times by part, and take medians over the iterations. Pure.

    Args:
        parts: those that were hooked.
        rows: an iteration each: indices of parts in the order called, and the time of each call.

    Returns:
        The parts that were called, in the order first called.
    """
    if not rows:
        return ()
    calls = rows[0][0]
    times = []
    for place in dict.fromkeys(calls):
        sums = [sum(ns for one, ns in zip(*row, strict=True) if one == place) for row in rows]
        part = parts[place]
        times.append(PartTime(part.name, part.group, median(sums), calls.count(place)))
    return tuple(times)


def _unwrapped(module: nn.Module) -> nn.Module:
    """What a module that merely holds another one holds: its parts are of interest."""
    children = list(module.children())
    while len(children) == 1 and list(children[0].children()):
        module = children[0]
        children = list(module.children())
    return module


def _called(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The module itself if it has a forward, else those below it that have one."""
    if type(module).forward is not nn.Module.forward:
        yield name, module
        return
    for child, inner in module.named_children():
        yield from _called(f"{name}.{child}", inner)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _pairs(stamps: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(stamps[::2], stamps[1::2], strict=True)


def dearest(timeline: Timeline, iterations: int, count: int = DEAREST) -> tuple[OpTime, ...]:
    """Sum up by name and stage, and take the dearest: of the device's work where there is any.

    Args:
        timeline: of the iterations. iterations: how many. count: how many to give.
    """
    found = _works(timeline) if timeline.works else _ops(timeline)
    summed: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for name, stage, kind, self_ns in found:
        summed[name, stage, kind].append(self_ns)
    times = [
        OpTime(*key, sum(spans) / iterations, len(spans) / iterations)
        for key, spans in summed.items()
    ]
    return tuple(sorted(times, key=lambda one: (-one.self_ns, one.name, one.stage))[:count])


def self_times(ops: Sequence[Op]) -> list[tuple[Op, int]]:
    """Each op with its time less that of the ops directly inside it, by thread.

    Args:
        ops: sorted by start, an op before those inside it.
    """
    spent = [op.end_ns - op.start_ns for op in ops]
    around: dict[str, list[int]] = defaultdict(list)
    for place, op in enumerate(ops):
        stack = around[op.thread]
        while stack and ops[stack[-1]].end_ns <= op.start_ns:
            stack.pop()
        if stack:
            spent[stack[-1]] -= op.end_ns - op.start_ns
        stack.append(place)
    return list(zip(ops, spent, strict=True))


def _works(timeline: Timeline) -> Iterable[tuple[str, str, str, int]]:
    for work in timeline.works:
        stage = stage_at(timeline.ranges, work.launched_ns)
        yield work.name, stage, work.kind, work.end_ns - work.start_ns


def _ops(timeline: Timeline) -> Iterable[tuple[str, str, str, int]]:
    for op, self_ns in self_times(timeline.ops):
        stage = stage_at(timeline.ranges, op.start_ns)
        if stage:
            yield op.name, stage, "op", self_ns
