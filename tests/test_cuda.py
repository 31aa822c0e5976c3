"""The CUDA clock on a real GPU. Skipped where there is none; scripts/gpu_acceptance.sh runs it."""

import itertools
from statistics import median

import pytest
import torch

from depthprof import Workload, load_pipeline
from depthprof.clock import CudaClock, clock_for
from depthprof.iteration import Iteration
from depthprof.pictures import load_pictures
from depthprof.records import STAGES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

FORWARD, SYNC = STAGES.index("forward"), STAGES.index("sync")


def blocks(variant: str, iterations: int = 30) -> tuple[list[list[int]], list[list[int]]]:
    """Host and device spans of a warmed-up published pipeline."""
    pipeline = load_pipeline(variant, Workload(device="cuda"))
    images = [load_pictures(None, keeps_aspect=True)[0][0]]
    iteration = Iteration(pipeline, clock_for("cuda:0"))
    with torch.no_grad():
        iteration.block([images], 10)
        block = iteration.block([images], iterations)
    host = [[b - a for a, b in itertools.pairwise(row)] for row in block.marks_ns]
    return host, block.device_ns


@pytest.mark.parametrize("variant", ["v1", "v2"])
def test_device_spans_are_there_and_fit_into_the_iteration(variant: str) -> None:
    host, device = blocks(variant)
    for host_row, device_row in zip(host, device, strict=True):
        assert all(span >= 0 for span in device_row)
        assert sum(device_row) == pytest.approx(sum(host_row), rel=0.2)
        assert device_row[FORWARD] <= sum(host_row)


def test_forward_is_the_device_s_and_the_wait_is_in_sync() -> None:
    host, device = blocks("v2")
    forward_ns = median(row[FORWARD] for row in device)
    launch_ns = median(row[FORWARD] for row in host)
    wait_ns = median(row[SYNC] for row in host)
    assert forward_ns > 0
    assert launch_ns + wait_ns >= 0.5 * forward_ns


def test_device_span_of_a_known_kernel_agrees_with_a_synchronised_timing() -> None:
    values = torch.randn(8192, 8192, device="cuda")
    clock = CudaClock("cuda:0")
    for _ in range(3):
        values @ values
    torch.cuda.synchronize()
    clock.begin(10, 2)
    for number in range(10):
        clock.record(number, 0)
        values @ values
        clock.record(number, 1)
    ours_ns = median(row[0] for row in clock.device_ns())
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(10):
        values @ values
    end.record()
    torch.cuda.synchronize()
    assert ours_ns == pytest.approx(start.elapsed_time(end) * 1e5, rel=0.1)
