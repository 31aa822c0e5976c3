"""The profiler's trace read, and two clocks brought together, where the truth is known."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof.profiling.timeline import (
    Queue,
    Work,
    aligned,
    device_aligned,
    read_timeline,
    stage_at,
)
from depthprof.records import STAGES
from tests.profiling.made import Machine, iterations

EPOCHS = st.integers(-(10**12), 10**12)


@given(iterations, EPOCHS)
def test_host_clocks_are_aligned_within_what_they_claim(
    stages: list[dict[str, Any]], epoch_ns: int
) -> None:
    made = Machine(epoch_ns).run(stages)
    found = aligned(made.host_marks_ns, read_timeline(made.document).ranges)
    assert 0 < found.apart_ns <= 350
    assert abs(found.offset_ns - epoch_ns) <= found.apart_ns + 1


@given(iterations, EPOCHS)
def test_device_clocks_are_aligned_within_what_they_claim(
    stages: list[dict[str, Any]], epoch_ns: int
) -> None:
    machine = Machine(epoch_ns)
    made = machine.run(stages)
    host = [[mark + epoch_ns for mark in row] for row in made.host_marks_ns]
    timeline = read_timeline(made.document)
    found = device_aligned(made.device_marks_ns, host, timeline.works)
    assert found is not None
    first = timeline.records_ns[0]  # the first mark is reached at once: nothing was launched yet
    assert found.apart_ns >= 0
    assert abs(found.offset_ns - first) <= found.apart_ns + 1


def test_clocks_that_run_at_unlike_speed_are_found_out() -> None:
    made = Machine().run([{"forward": [(0, 2_000_000)]}] * 5)
    fast = [[round(mark * 1.01) for mark in row] for row in made.host_marks_ns]
    assert aligned(fast, read_timeline(made.document).ranges).apart_ns < 0


def test_without_work_there_is_no_device_alignment() -> None:
    made = Machine().run([{}])
    works = read_timeline(made.document).works
    assert device_aligned(made.device_marks_ns, made.host_marks_ns, works) is None


@given(iterations)
def test_every_kernel_is_found_with_the_stage_that_launched_it(
    stages: list[dict[str, Any]],
) -> None:
    made = Machine().run(stages)
    timeline = read_timeline(json.loads(json.dumps(made.document)))
    for stage in STAGES:
        expected = sorted(span for row in made.spans_ns[stage] for span in row)
        here = [w for w in timeline.works if stage_at(timeline.ranges, w.launched_ns) == stage]
        assert [(work.start_ns, work.end_ns) for work in here] == expected
    assert len(timeline.records_ns) == 8 * len(stages)


def test_a_stage_that_was_not_recorded_is_told() -> None:
    made = Machine().run([{}, {}])
    ranges = read_timeline(made.document).ranges
    with pytest.raises(ValueError, match="13 ranges of stages where 14 were run"):
        aligned(made.host_marks_ns, ranges[:-1])


def test_other_events_are_left_alone() -> None:
    events = [
        {"ph": "M", "name": "process_name", "ts": 0.0},
        {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#1", "ts": 1.0, "dur": 2.0},
        {"ph": "X", "cat": "user_annotation", "name": "forward", "ts": 1.0, "dur": 2.0},
        {"ph": "X", "cat": "gpu_user_annotation", "name": "depthprof forward", "ts": 1, "dur": 2},
        {"ph": "X", "cat": "Trace", "name": "PyTorch Profiler (0)", "ts": 1.0, "dur": 2.0},
        {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD", "ts": 1.5, "dur": 0.25, "args": {}},
    ]
    timeline = read_timeline({"traceEvents": events})
    assert timeline.ranges == timeline.ops == timeline.records_ns == ()
    assert timeline.works == (Work("Memcpy HtoD", "copy", 1_500, 1_750, None),)
    assert stage_at(timeline.ranges, None) == ""


works = st.lists(
    st.builds(
        lambda at, late, ns: Work("k", "kernel", at + late, at + late + ns, at),
        st.integers(0, 100),
        st.integers(0, 50),
        st.integers(0, 50),
    )
)


@given(works, st.integers(-1, 160))
def test_the_queue_answers_as_a_search_through_all_would(found: list[Work], at_ns: int) -> None:
    queue = Queue(found)
    before = [w.end_ns for w in found if w.launched_ns is not None and w.launched_ns < at_ns]
    after = [w.start_ns for w in found if w.launched_ns is not None and w.launched_ns >= at_ns]
    assert queue.done_ns(at_ns) == max(before, default=None)
    assert queue.next_ns(at_ns) == min(after, default=None)
