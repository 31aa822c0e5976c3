"""The harness on devices whose truth is known: who is given the time, and who the wait."""

import itertools
import time
from statistics import median

import pytest

from depthprof.records import STAGES
from depthprof.runner.iteration import Iteration, StageFailed
from depthprof.verdict.timer_view import timer_view
from scripts.figures import harness_overhead_ns
from tests.fakes import ThreadDevice, ThreadPipeline, VirtualDevice, VirtualPipeline
from tests.runs import run_of_blocks

FORWARD, SYNC, D2H = (STAGES.index(stage) for stage in ("forward", "sync", "d2h"))


def spans(row: list[int]) -> list[int]:
    return [then - first for first, then in itertools.pairwise(row)]


def test_virtual_device_gives_exact_host_and_device_spans() -> None:
    device = VirtualDevice(launch_ns=10)
    block = Iteration(VirtualPipeline(device), device).block([["picture"]], 1)
    assert spans(block.marks_ns[0]) == [700, 10, 10, 10, 20 + 8_000 + 60 - 30, 90, 400]
    # The device's own view: forward has its time, sync has none, because its work is done.
    assert block.device_ns[0][1:6] == [20, 8_000, 60, 0, 90]


def test_host_spans_tile_the_iteration_and_time_between_is_in_none() -> None:
    device = VirtualDevice()
    iteration = Iteration(VirtualPipeline(device), device)
    first = iteration.block([["picture"]], 2).marks_ns
    device.work_on_host(5_000_000)  # what happens between blocks
    second = iteration.block([["picture"]], 2).marks_ns
    for row in (*first, *second):
        assert sum(spans(row)) == row[-1] - row[0] == 9_270
    assert first[1][0] == first[0][-1]


def test_wait_is_synced_where_a_naive_host_timer_blames_d2h() -> None:
    device = VirtualDevice()
    block = Iteration(VirtualPipeline(device), device).block([["picture"]], 5)
    view = timer_view(run_of_blocks(block), 0)
    assert view.wait_ns == 8_050
    assert view.blamed_ns == view.host_ns["d2h"] == 8_050 + 90
    assert view.host_ns["forward"] == 10
    assert list(view.owners_ns) == ["forward", "postprocess"]
    assert view.owners_ns["forward"] == 8_050 - 60
    assert "sync" not in view.host_ns


def test_thread_device_times_forward_and_the_wait_goes_to_sync() -> None:
    device = ThreadDevice()
    pipeline = ThreadPipeline(device, forward_s=0.03)
    try:
        block = Iteration(pipeline, device).block([["picture"]], 9)
        naive_d2h = median(naive_d2h_ns(pipeline) for _ in range(9))
    finally:
        device.close()
    host = [median(column) for column in zip(*map(spans, block.marks_ns), strict=True)]
    forward_ns = median(row[FORWARD] for row in block.device_ns)
    assert forward_ns >= 30e6  # a sleep never ends early
    assert host[FORWARD] < 0.3 * forward_ns  # the host only launched it
    assert host[SYNC] > 0.9 * 30e6
    assert host[D2H] < 0.3 * forward_ns
    # A timer without sync really sees what our view of it says: the wait, charged to d2h.
    view = timer_view(run_of_blocks(block), 0)
    assert view.blamed_ns > 0.9 * 30e6
    assert naive_d2h == pytest.approx(view.blamed_ns, rel=0.25)
    assert next(iter(view.owners_ns)) == "forward"


def naive_d2h_ns(pipeline: ThreadPipeline) -> int:
    """What a host timer around each call shows for d2h when nobody synchronises."""
    value = pipeline.preprocess("picture")
    value = pipeline.postprocess(pipeline.forward(pipeline.h2d(value)))
    start = time.perf_counter_ns()
    pipeline.d2h(value)
    return time.perf_counter_ns() - start


@pytest.mark.parametrize("stage", ["preprocess", "h2d", "forward", "postprocess", "d2h", "return"])
@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_a_stage_that_raises_is_named(stage: str, kind: type[BaseException]) -> None:
    device = VirtualDevice()
    pipeline = VirtualPipeline(device)

    def fail(value: object) -> object:
        raise kind(value)

    setattr(pipeline, "deliver" if stage == "return" else stage, fail)
    with pytest.raises(StageFailed) as caught:
        Iteration(pipeline, device).block([["picture"]], 1)
    assert caught.value.stage == stage
    assert isinstance(caught.value.__cause__, kind)
    if stage in ("preprocess", "h2d"):
        with pytest.raises(StageFailed) as caught:
            Iteration(pipeline, device).prepare(["picture"])
        assert caught.value.stage == stage
    else:
        Iteration(pipeline, device).prepare(["picture"])


def test_batches_are_taken_in_turn() -> None:
    seen: list[object] = []
    device = VirtualDevice()
    pipeline = VirtualPipeline(device)
    pipeline.preprocess = lambda value: seen.append(value) or value  # type: ignore[method-assign, func-returns-value]
    Iteration(pipeline, device).block([["one"], ["two"]], 3)
    assert seen == [["one"], ["two"], ["one"]]


def test_the_harness_adds_at_most_3_microseconds_to_an_iteration() -> None:
    # A difference of turns within one run, its median: neighbours slow both sides alike.
    assert harness_overhead_ns(turns=400) <= 3_000
