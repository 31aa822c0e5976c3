"""The dearest kernels or operators of some iterations. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from depthprof.profiling.timeline import Op, Timeline, stage_at
from depthprof.records import OpTime

DEAREST = 10


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
