"""The CUDA clock on a real GPU. Skipped where there is none; scripts/gpu_acceptance.sh runs it."""

import itertools
import os
import subprocess
import sys
from statistics import median

import pytest
import torch

from depthprof import Workload, load_pipeline
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.records import STAGES
from depthprof.runner.clock import CudaClock, clock_for
from depthprof.runner.iteration import Iteration
from depthprof.runner.observe import observe
from depthprof.system.doctor.gpu import gpu_facts
from depthprof.system.nvml import Gpu, NotVisible, connected, located, torch_address
from depthprof.system.peak_rates import measure_limits
from depthprof.system.peak_rates.device import COPY_SIZES_BYTES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

FORWARD, SYNC = STAGES.index("forward"), STAGES.index("sync")


def blocks(variant: str, iterations: int = 30) -> tuple[list[list[int]], list[list[int]]]:
    """Host and device spans of a warmed-up published pipeline."""
    pipeline = load_pipeline(variant, Workload(device="cuda"))
    images = [load_pictures(None, keeps_aspect=True).pictures[0][0]]
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


def test_limits_of_a_gpu_are_sane() -> None:
    limits = measure_limits("cuda:0")
    rates = {(one.direction, one.memory, one.size_bytes): one.bytes_per_s for one in limits.copies}
    assert len(rates) == 2 * 2 * len(COPY_SIZES_BYTES)
    largest = max(size for _, _, size in rates)
    for direction in ("h2d", "d2h"):
        pinned, pageable = (rates[direction, kind, largest] for kind in ("pinned", "pageable"))
        assert pinned >= 0.9 * pageable
        assert pinned >= rates[direction, "pinned", 64 << 10]
    assert limits.flops_per_s("fp16") is not None
    products = {one.dtype: one.flops_per_s for one in limits.matrix}
    assert products["fp16"] > products["fp32"]
    assert limits.memory_bytes_per_s > max(rates.values())
    assert 0 < limits.launch_ns < 1e6


def test_published_copies_are_pageable_and_memory_has_peaks() -> None:
    pipeline = load_pipeline("v2", Workload(input_size=98, device="cuda"))
    images = [load_pictures(None, keeps_aspect=True).pictures[0][0]]
    calls = Iteration(pipeline, clock_for("cuda:0")).calls
    with torch.no_grad():
        found = observe(pipeline, calls, images, "cuda:0")
    for stage in ("h2d", "d2h"):
        copied = found.trait("pageable_copy", stage)
        work = found.work_of(stage)
        assert copied is not None
        assert work is not None
        assert copied.amount == work.written_bytes > 0
    where = found.trait("weights_on")
    assert where is not None
    assert where.where == "cuda:0"
    peaks = found.memory
    assert peaks.weights_bytes is not None
    assert peaks.device_allocated_bytes is not None
    assert peaks.device_reserved_bytes is not None
    assert peaks.weights_bytes <= peaks.device_allocated_bytes <= peaks.device_reserved_bytes


# --- which card -------------------------------------------------------------------------------

COUNT = """
import ctypes
cuda, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)
print(0 if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) else count.value)
"""
"""CUDA's own count, which reads the environment as it starts."""


def test_the_card_that_nvml_describes_is_the_one_that_torch_uses() -> None:
    for number in range(torch.cuda.device_count()):
        device = f"cuda:{number}"
        meant = Gpu(connected(), located(device)).uuid
        assert Gpu(connected(), torch_address(device)).uuid == meant
        facts = gpu_facts(device=device)
        assert facts.name == torch.cuda.get_device_name(number)
        assert facts.sm_clock_mhz is not None
        assert facts.guests is not None


@pytest.mark.parametrize(
    "value",
    [
        *("", "-1", "0", " 0 ", "+0", "0x", "99", "99,0", "0,99", "0,0", "all", "GPU-", "{uuid}"),
        *("{begins}", "{begins},99", "{uuid},{uuid}", "{uuid}, {uuid}", "{bare}", "0,{uuid}"),
    ],
)
def test_as_many_cards_are_visible_as_cuda_shows(value: str) -> None:
    """CUDA is asked in a process of its own; our reading is held against it."""
    uuid = Gpu(connected(), torch_address("cuda:0")).uuid
    value = value.format(uuid=uuid, begins=uuid[:10], bare=uuid.removeprefix("GPU-"))
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": value}
    done = subprocess.run(
        [sys.executable, "-c", COUNT], env=environ, capture_output=True, text=True, check=True
    )
    ours = 0
    try:
        while True:
            located(f"cuda:{ours}", environ=environ)
            ours += 1
    except NotVisible:
        assert ours == int(done.stdout), value
