"""What torch.profiler recorded, as plain values; and its time base held against ours.

Source: the Chrome trace that `torch.profiler.profile.export_chrome_trace` writes (Kineto): complete
events with `ts` and `dur` in microseconds, three decimals; categories user_annotation (ranges),
cpu_op, cuda_runtime and cuda_driver (calls), kernel, gpu_memcpy and gpu_memset (work of the
device); `args.correlation` is the same in a call and the work it launched.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import Any

from depthprof.records import STAGES

PREFIX = "depthprof "
"""Begins the name of every range of ours, so that a pipeline's own ranges are told apart."""

KINDS = {"kernel": "kernel", "gpu_memcpy": "copy", "gpu_memset": "set"}
CALLS = ("cuda_runtime", "cuda_driver")
RECORD = "cudaEventRecord"
"""Runtime calls whose name begins so put a mark into a stream (cudaEventRecordWithFlags too)."""

Marks = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Range:
    """One stage of one iteration, in the profiler's time."""

    stage: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Work:
    """A kernel, copy or set on the device; `launched_ns` is the host's call, None if unknown."""

    name: str
    kind: str
    start_ns: int
    end_ns: int
    launched_ns: int | None


@dataclass(frozen=True, slots=True)
class Op:
    """An operator on the host; ops of one thread are nested."""

    name: str
    thread: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that was recorded, each in the order of its start.

    `records_ns` are the ends of the calls that recorded an event outside of every stage's range:
    on CUDA those are our marks, put into the stream.
    """

    ranges: tuple[Range, ...]
    works: tuple[Work, ...]
    ops: tuple[Op, ...]
    records_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Another clock is ours plus `offset_ns`, give or take `apart_ns`.

    `apart_ns` is negative where no offset satisfies every pair of readings: by so much at least the
    clocks disagree.
    """

    offset_ns: int
    apart_ns: float


def read_timeline(document: Mapping[str, Any]) -> Timeline:
    """Read an exported trace; events of other kinds are left alone."""
    events = [e for e in document["traceEvents"] if e.get("ph") == "X" and "cat" in e]
    calls = [event for event in events if event["cat"] in CALLS]
    launched = {_correlation(call): _start_ns(call) for call in calls}
    launched.pop(None, None)
    ranges = _sorted(
        Range(event["name"].removeprefix(PREFIX), _start_ns(event), _end_ns(event))
        for event in events
        if event["cat"] == "user_annotation" and _is_stage(event["name"])
    )
    return Timeline(
        ranges,
        _sorted(_work(event, launched) for event in events if event["cat"] in KINDS),
        _sorted(
            Op(event["name"], str(event["tid"]), _start_ns(event), _end_ns(event))
            for event in events
            if event["cat"] == "cpu_op"
        ),
        _outside(
            ranges, sorted(_end_ns(call) for call in calls if call["name"].startswith(RECORD))
        ),
    )


def aligned(marks_ns: Marks, ranges: Sequence[Range]) -> Alignment:
    """Find the offset from our host clock to the profiler's.

    A stage's range begins after the mark before it and ends before the mark after it. Each gives a
    bound, and the offset lies between the tightest two: the method of bracketing of Cristian,
    Probabilistic clock synchronization, Distributed Computing 3 (1989), with the ranges as the
    readings. The bounds are a few microseconds apart, which is what leaving and entering a range
    costs at its cheapest.

    Args:
        marks_ns: a row an iteration, one mark more than there are stages.
        ranges: of the same iterations, in order.

    Raises:
        ValueError: there are not as many ranges as stages were run.
    """
    by_row = in_rows(ranges, len(marks_ns))
    low = max(r.end_ns - row[i + 1] for row, own in _both(marks_ns, by_row) for i, r in own)
    high = min(r.start_ns - row[i] for row, own in _both(marks_ns, by_row) for i, r in own)
    return Alignment((low + high) // 2, (high - low) / 2)


def device_aligned(
    device_marks_ns: Marks, host_marks_ns: Marks, works: Sequence[Work]
) -> Alignment | None:
    """Find the offset from our device clock (CUDA events) to the profiler's device time.

    On one stream an event is reached after all work launched before it and before all launched
    after it: the last end before it and the first start after it are its bounds.

    Args:
        device_marks_ns: a row an iteration, times since the first mark of all.
        host_marks_ns: when the same marks were recorded, in the profiler's time.
        works: of the device, of these iterations.

    Returns:
        The alignment, or None where no mark has work on both sides.
    """
    queue = Queue(works)
    lows, highs = [], []
    for device_row, host_row in zip(device_marks_ns, host_marks_ns, strict=True):
        for device_ns, host_ns in zip(device_row, host_row, strict=True):
            end_ns, start_ns = queue.done_ns(host_ns), queue.next_ns(host_ns)
            lows += [] if end_ns is None else [end_ns - device_ns]
            highs += [] if start_ns is None else [start_ns - device_ns]
    if not lows or not highs:
        return None
    low, high = max(lows), min(highs)
    return Alignment((low + high) // 2, (high - low) / 2)


class Queue:
    """The device's work in the order launched; work of unknown launch is left out."""

    def __init__(self, works: Sequence[Work]) -> None:
        timed = [(work.launched_ns, work) for work in works if work.launched_ns is not None]
        timed.sort(key=itemgetter(0))
        self._launched_ns = [launched_ns for launched_ns, _ in timed]
        self._done_ns = list(accumulate((work.end_ns for _, work in timed), max))
        starts = (work.start_ns for _, work in reversed(timed))
        self._next_ns = list(accumulate(starts, min))[::-1]

    def done_ns(self, host_ns: int) -> int | None:
        """When all work launched before a moment had ended, None where there was none."""
        place = bisect_left(self._launched_ns, host_ns)
        return self._done_ns[place - 1] if place else None

    def next_ns(self, host_ns: int) -> int | None:
        """When the first work launched from a moment on began, None where none was."""
        place = bisect_left(self._launched_ns, host_ns)
        return self._next_ns[place] if place < len(self._next_ns) else None


def in_rows(ranges: Sequence[Range], iterations: int) -> list[Sequence[Range]]:
    """Cut the ranges into iterations.

    Raises:
        ValueError: their number or their order is not that of the stages.
    """
    if [one.stage for one in ranges] != [*STAGES] * iterations:
        raise ValueError(
            f"the profiler recorded {len(ranges)} ranges of stages where"
            f" {len(STAGES) * iterations} were run"
        )
    width = len(STAGES)
    return [ranges[start : start + width] for start in range(0, len(ranges), width)]


def stage_at(ranges: Sequence[Range], time_ns: int | None) -> str:
    """The stage whose range (sorted, without overlap) holds a moment, "" where none does."""
    if time_ns is None:
        return ""
    place = bisect_right(ranges, time_ns, key=lambda one: one.start_ns) - 1
    return ranges[place].stage if place >= 0 and time_ns <= ranges[place].end_ns else ""


def _both(
    marks_ns: Marks, by_row: Sequence[Sequence[Range]]
) -> Iterable[tuple[Sequence[int], Iterable[tuple[int, Range]]]]:
    return ((row, enumerate(own)) for row, own in zip(marks_ns, by_row, strict=True))


def _sorted(found: Iterable[Any]) -> tuple[Any, ...]:
    """By start; of two with the same start the longer comes first, as it is around the other."""
    return tuple(sorted(found, key=lambda one: (one.start_ns, -one.end_ns)))


def _work(event: Mapping[str, Any], launched: Mapping[int | None, int]) -> Work:
    return Work(
        event["name"],
        KINDS[event["cat"]],
        _start_ns(event),
        _end_ns(event),
        launched.get(_correlation(event)),
    )


def _outside(ranges: Sequence[Range], times_ns: Iterable[int]) -> tuple[int, ...]:
    return tuple(time_ns for time_ns in times_ns if not stage_at(ranges, time_ns))


def _is_stage(name: str) -> bool:
    return name.startswith(PREFIX) and name.removeprefix(PREFIX) in STAGES


def _correlation(event: Mapping[str, Any]) -> int | None:
    found = event.get("args", {}).get("correlation")
    return None if found is None else int(found)


def _start_ns(event: Mapping[str, Any]) -> int:
    return round(float(event["ts"]) * 1_000)


def _end_ns(event: Mapping[str, Any]) -> int:
    return _start_ns(event) + round(float(event["dur"]) * 1_000)
