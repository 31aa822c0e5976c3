"""Our spans against the profiler's on made-up machines: exact where they are the same."""

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof.profiling.timeline import Work, read_timeline
from depthprof.profiling.timing import (
    adds_up,
    agree,
    busy_ns,
    device_stages,
    expected_marks,
    host_stages,
    range_cost_ns,
)
from depthprof.records import DEVICE_STAGES, STAGES, TOTAL
from tests.profiling.made import EDGE_NS, RECORD_NS, Machine, iterations


@given(iterations)
def test_true_device_spans_differ_by_nothing(stages: list[dict[str, Any]]) -> None:
    made = Machine().run(stages)
    timeline = read_timeline(made.document)
    found = device_stages(made.device_marks_ns, made.host_marks_ns, timeline)
    assert [stage.stage for stage in found] == list(DEVICE_STAGES)
    for stage in found:
        assert stage.difference_ns == 0
        assert stage.agrees
        assert stage.ours_ns == stage.theirs_ns
        assert stage.busy_ns is not None
        assert stage.work_ns is not None
        assert stage.busy_ns <= stage.work_ns <= stage.ours_ns


@given(iterations)
def test_work_and_busy_time_are_those_of_one_iteration(stages: list[dict[str, Any]]) -> None:
    made = Machine().run(stages[:1])
    timeline = read_timeline(made.document)
    for stage in device_stages(made.device_marks_ns, made.host_marks_ns, timeline):
        (spans,) = made.spans_ns[stage.stage]
        assert stage.busy_ns == sum(end - start for start, end in spans)
        assert stage.work_ns == spans[-1][1] - spans[0][0]
        assert stage.works == len(spans)


@given(iterations)
def test_marks_are_placed_even_where_recording_was_not_seen(stages: list[dict[str, Any]]) -> None:
    made = Machine(records=False).run(stages)
    timeline = read_timeline(made.document)
    assert timeline.records_ns == ()
    expected = expected_marks(made.host_marks_ns, timeline)
    first = expected[0][0]
    for ours, theirs in zip(made.device_marks_ns, expected, strict=True):
        for mark, other in zip(ours, theirs, strict=True):
            assert abs(mark - (other - first)) <= RECORD_NS


def test_a_device_clock_that_is_wrong_is_found_out() -> None:
    made = Machine().run([{"h2d": [(0, 900)], "forward": [(0, 4_000_000)]}] * 3)
    timeline = read_timeline(made.document)
    slow = [[round(mark * 0.97) for mark in row] for row in made.device_marks_ns]
    by_stage = {s.stage: s for s in device_stages(slow, made.host_marks_ns, timeline)}
    assert not by_stage["forward"].agrees
    assert by_stage["forward"].difference_ns == pytest.approx(-0.03 * 4e6, rel=0.05)
    assert by_stage["h2d"].agrees  # short: within 5 us


def test_a_stage_that_waits_for_the_host_is_longer_than_its_work() -> None:
    late = {"h2d": [(40_000, 10_000)], "forward": [(0, 500_000)]}
    made = Machine().run([late] * 3)
    found = device_stages(made.device_marks_ns, made.host_marks_ns, read_timeline(made.document))
    by_stage = {stage.stage: stage for stage in found}
    assert by_stage["h2d"].agrees
    assert by_stage["h2d"].work_agrees is False
    assert by_stage["h2d"].ours_ns >= 50_000
    assert by_stage["h2d"].work_ns == 10_000
    assert by_stage["forward"].work_agrees is True
    assert by_stage["d2h"].work_ns is None  # it launched nothing


@given(iterations)
def test_host_ranges_lie_inside_our_spans(stages: list[dict[str, Any]]) -> None:
    made = Machine(epoch_ns=5_000).run(stages)
    ranges = read_timeline(made.document).ranges
    found = host_stages(made.host_marks_ns, ranges)
    assert [stage.stage for stage in found] == [*STAGES, TOTAL]
    cost_ns = RECORD_NS + 2 * EDGE_NS
    assert range_cost_ns(made.host_marks_ns, ranges) == cost_ns
    for stage in found:
        assert stage.agrees
        assert stage.difference_ns == cost_ns
        assert stage.ours_ns == stage.theirs_ns + cost_ns


@pytest.mark.parametrize("wrong_ns", [-3_000, 200_000])
def test_a_host_span_that_is_too_short_or_too_long_is_found_out(wrong_ns: int) -> None:
    made = Machine().run([{}] * 3)
    moved = [[*row[:3], *(mark + wrong_ns for mark in row[3:])] for row in made.host_marks_ns]
    found = {s.stage: s for s in host_stages(moved, read_timeline(made.document).ranges)}
    assert not found["forward"].agrees
    assert found["h2d"].agrees
    assert found["postprocess"].agrees


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=8, max_size=8), min_size=1))
def test_gaps_that_are_never_negative_add_up(gaps: list[list[int]]) -> None:
    times = list(accumulate(gap for row in gaps for gap in row))
    rows = [times[start : start + 8] for start in range(0, len(times), 8)]
    assert adds_up(rows)
    assert not adds_up([[*rows[0][:-1], rows[0][0] - 1]])
    assert not adds_up([rows[0], [mark + rows[0][-1] - rows[0][0] - 1 for mark in rows[0]]])


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_spans_agree_within_two_percent_or_five_microseconds(ours: float, theirs: float) -> None:
    apart = abs(ours - theirs)
    assert agree(ours, theirs) == (apart <= 5_000 or apart <= 0.02 * theirs)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8))
def test_busy_time_counts_every_nanosecond_once(spans: list[tuple[int, int]]) -> None:
    works = [Work("k", "kernel", start, start + ns, None) for start, ns in spans]
    covered = {tick for start, ns in spans for tick in range(start, start + ns)}
    assert busy_ns(works) == len(covered)
