"""Our spans held against torch.profiler's, stage by stage. Pure: plain values in, plain values out.

What can be compared on the device: our mark is an event, reached when all work launched before it
has ended, and not before the host has put it there. So from the profiler's own time stamps a mark
lies at the later of both, and a stage is the gap between two such marks. That gap is longer than
the stage's work from first start to last end where the device waited for the host, as it does
before every copy that the host first has to prepare; the busy time is shorter still, by the pauses
between kernels. All three are told apart.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from depthprof.profiling.timeline import Marks, Queue, Range, Timeline, Work, in_rows, stage_at
from depthprof.records import DEVICE_STAGES, STAGES, TOTAL, StageTiming

AGREE_RATIO = 0.02
AGREE_NS = 5_000
"""Two spans agree within 2 % or 5 us, whichever is more."""

SLACK_NS = 1_000
"""By so much a range may seem longer than the span around it: two clocks, read and rounded."""

RANGE_NS = 100_000
"""Entering and leaving a range of the profiler costs the host 5 us with warm caches and up to 60
after a long forward (measured); more than this beside a stage is something else."""


def agree(ours_ns: float, theirs_ns: float) -> bool:
    """Whether two spans are within 2 % of theirs, or 5 us."""
    return abs(ours_ns - theirs_ns) <= max(AGREE_RATIO * abs(theirs_ns), AGREE_NS)


def adds_up(marks_ns: Marks) -> bool:
    """Whether marks never run backwards, no iterations overlap, and spans sum to the whole."""
    ends = [row[-1] for row in marks_ns]
    starts = [row[0] for row in marks_ns]
    spans = [_spans(row) for row in marks_ns]
    whole = [end - start for start, end in zip(starts, ends, strict=True)]
    apart = all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    return apart and all(min(row) >= 0 for row in spans) and [sum(row) for row in spans] == whole


def range_cost_ns(marks_ns: Marks, ranges: Sequence[Range]) -> float:
    """What entering and leaving a range costs the host: the median over stages and iterations."""
    rows = zip(marks_ns, in_rows(ranges, len(marks_ns)), strict=True)
    return median(
        span - (one.end_ns - one.start_ns)
        for marks, own in rows
        for span, one in zip(_spans(marks), own, strict=True)
    )


def host_stages(marks_ns: Marks, ranges: Sequence[Range]) -> tuple[StageTiming, ...]:
    """Compare host spans with the profiler's ranges in them, stage by stage; then the whole.

    A range lies inside its span, so theirs is never longer; what is left over is the price of the
    range, which is the profiler's doing. They agree where that is at most 2 % or RANGE_NS.

    Args:
        marks_ns: a row an iteration, in our time. ranges: of the same iterations, in theirs.
    """
    ours = [[*_spans(row), row[-1] - row[0]] for row in marks_ns]
    theirs = [
        [*(one.end_ns - one.start_ns for one in row), row[-1].end_ns - row[0].start_ns]
        for row in in_rows(ranges, len(marks_ns))
    ]
    made = []
    for place, stage in enumerate((*STAGES, TOTAL)):
        pairs = [(a[place], b[place]) for a, b in zip(ours, theirs, strict=True)]
        one = _stage_timing(stage, "host", pairs)
        most_ns = max(AGREE_RATIO * one.theirs_ns, RANGE_NS)
        made.append(replace(one, agrees=-SLACK_NS <= one.difference_ns <= most_ns))
    return tuple(made)


def device_stages(
    device_marks_ns: Marks, host_marks_ns: Marks, timeline: Timeline
) -> tuple[StageTiming, ...]:
    """Compare device spans with what the profiler's time stamps say of the same marks.

    Args:
        device_marks_ns: a row an iteration, CUDA events, in any epoch.
        host_marks_ns: the host's marks of the same, in the profiler's time. Where the profiler saw
            each event recorded, its own time stamps of that are taken instead.
        timeline: of the same iterations.
    """
    marks = expected_marks(host_marks_ns, timeline)
    by_stage = _by_stage(timeline, len(host_marks_ns))
    made = []
    for stage in DEVICE_STAGES:
        place = STAGES.index(stage)
        ours = [row[place + 1] - row[place] for row in device_marks_ns]
        theirs = [row[place + 1] - row[place] for row in marks]
        one = _stage_timing(stage, "device", list(zip(ours, theirs, strict=True)))
        made.append(_with_work(one, ours, by_stage[stage]))
    return tuple(made)


def expected_marks(host_marks_ns: Marks, timeline: Timeline) -> list[list[int]]:
    """Where the marks lie on the device, by the profiler alone, in its time.

    An event is reached once all work launched before it has ended, and not before it is recorded
    (CUDA Runtime API, cudaEventRecord).
    """
    queue = Queue(timeline.works)
    return [
        [max(host_ns, queue.done_ns(host_ns) or host_ns) for host_ns in row]
        for row in recorded_marks(host_marks_ns, timeline.records_ns)
    ]


def recorded_marks(host_marks_ns: Marks, records_ns: Sequence[int]) -> list[list[int]]:
    """When each mark was put into the stream: as the profiler saw it, else our own time stamps."""
    widths = [len(row) for row in host_marks_ns]
    if len(records_ns) != sum(widths):
        return [list(row) for row in host_marks_ns]
    taken = iter(records_ns)
    return [list(itertools.islice(taken, width)) for width in widths]


def busy_ns(works: Sequence[Work]) -> int:
    """Time in which at least one of some works ran."""
    total, done_ns = 0, min((work.start_ns for work in works), default=0)
    for work in sorted(works, key=lambda one: one.start_ns):
        total += max(0, work.end_ns - max(work.start_ns, done_ns))
        done_ns = max(done_ns, work.end_ns)
    return total


def _with_work(one: StageTiming, ours: Sequence[int], rows: Sequence[list[Work]]) -> StageTiming:
    """Add the stage's kernels and copies, where every iteration had some."""
    if not all(rows):
        return one
    spans = [max(w.end_ns for w in row) - min(w.start_ns for w in row) for row in rows]
    difference = median(a - b for a, b in zip(ours, spans, strict=True))
    work_ns = median(spans)
    return replace(
        one,
        work_ns=work_ns,
        busy_ns=median(busy_ns(row) for row in rows),
        works=round(median(len(row) for row in rows)),
        work_agrees=agree(work_ns + difference, work_ns),
    )


def _by_stage(timeline: Timeline, iterations: int) -> dict[str, list[list[Work]]]:
    """Work by the stage that launched it, an entry an iteration."""
    rows = in_rows(timeline.ranges, iterations)
    found: dict[str, list[list[Work]]] = {s: [[] for _ in rows] for s in STAGES}
    starts = [row[0].start_ns for row in rows]
    for work in timeline.works:
        stage = stage_at(timeline.ranges, work.launched_ns)
        if stage and work.launched_ns is not None:
            number = sum(start <= work.launched_ns for start in starts) - 1
            found[stage][number].append(work)
    return found


def _stage_timing(stage: str, clock: str, pairs: Sequence[tuple[int, int]]) -> StageTiming:
    """Medians of ours, theirs and the difference, from a pair an iteration."""
    difference = median(ours - theirs for ours, theirs in pairs)
    theirs_ns = median(theirs for _, theirs in pairs)
    agrees = agree(theirs_ns + difference, theirs_ns)
    return StageTiming(
        stage, clock, median(ours for ours, _ in pairs), theirs_ns, difference, agrees
    )


def _spans(row: Sequence[int]) -> list[int]:
    return [then - first for first, then in itertools.pairwise(row)]
