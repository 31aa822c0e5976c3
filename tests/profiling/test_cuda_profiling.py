"""The CUDA clock against torch.profiler, its manners, and traces, on a real GPU.

Skipped where there is none; scripts/gpu_acceptance.sh runs it.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depthprof import Workload
from depthprof.profiling.client import check_timing, profile_below
from depthprof.records import DEVICE_STAGES, STAGES, TOTAL, Timing
from depthprof.runner import SidePlan
from depthprof.runner.clock import CudaClock
from depthprof.runner.iteration import Iteration, StageFailed

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


class QuietClock(CudaClock):
    """Lets torch wait in the sync stage alone; anywhere else it raises."""

    def wait(self, value: Any) -> Any:
        torch.cuda.set_sync_debug_mode("default")
        try:
            return super().wait(value)
        finally:
            torch.cuda.set_sync_debug_mode("error")


class Pinned:
    """Copies through page-locked memory without blocking: no stage of it has to wait."""

    def __init__(self) -> None:
        self.up = torch.randn(1, 3, 98, 98).pin_memory()
        self.down = torch.empty(1, 98, 98).pin_memory()
        self.weights = torch.randn(98, 98, device="cuda")

    def preprocess(self, images: Any) -> torch.Tensor:
        del images
        return self.up

    def h2d(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.to("cuda", non_blocking=True)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return (batch @ self.weights).mean(dim=1)

    def postprocess(self, depth: torch.Tensor) -> torch.Tensor:
        return depth * 2

    def d2h(self, depth: torch.Tensor) -> torch.Tensor:
        return self.down.copy_(depth, non_blocking=True)

    def deliver(self, depth: torch.Tensor) -> list[Any]:
        return [np.zeros(depth.shape)]


class Impatient(Pinned):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        assert batch.mean().item() < 1e9
        return super().forward(batch)


@pytest.fixture
def _forbidden_to_wait() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


prototype = pytest.mark.filterwarnings("ignore:Synchronization debug mode")


@prototype
@pytest.mark.usefixtures("_forbidden_to_wait")
def test_only_the_sync_stage_waits() -> None:
    iteration = Iteration(Pinned(), QuietClock("cuda:0"))
    block = iteration.block([["picture"]], 5)
    assert len(block.device_ns) == 5


@prototype
@pytest.mark.usefixtures("_forbidden_to_wait")
def test_a_stage_that_waits_would_be_found_out() -> None:
    with pytest.raises(StageFailed, match="forward"):
        Iteration(Impatient(), QuietClock("cuda:0")).block([["picture"]], 1)


def test_no_event_and_no_memory_is_made_inside_an_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    event = torch.cuda.Event

    def counted(**options: Any) -> Any:
        made.append(1)
        return event(**options)

    monkeypatch.setattr(torch.cuda, "Event", counted)
    iteration = Iteration(Pinned(), CudaClock("cuda:0"))
    iteration.block([["picture"]], 5)
    assert len(made) == 5 * (len(STAGES) + 1)
    before = torch.cuda.memory_stats()["num_device_alloc"]
    iteration.block([["picture"]], 5)
    assert len(made) == 5 * (len(STAGES) + 1)
    assert torch.cuda.memory_stats()["num_device_alloc"] == before


def side(variant: str) -> SidePlan:
    return SidePlan("a", variant, variant, Workload(device="cuda"))


@pytest.fixture(scope="module", params=["v1", "v2"])
def timing(request: pytest.FixtureRequest) -> Timing:
    return check_timing(side(request.param))


def test_device_spans_agree_with_the_profilers_time_stamps(timing: Timing) -> None:
    device = {stage.stage: stage for stage in timing.stages if stage.clock == "device"}
    assert set(device) == set(DEVICE_STAGES)
    apart = {n: (s.ours_ns, s.theirs_ns, s.difference_ns) for n, s in device.items()}
    assert all(stage.agrees for stage in device.values()), apart
    assert device["forward"].works is not None
    assert device["forward"].works > 50


def test_host_spans_agree_with_the_profilers_ranges(timing: Timing) -> None:
    host = {stage.stage: stage for stage in timing.stages if stage.clock == "host"}
    assert set(host) == {*STAGES, TOTAL}
    apart = {n: (s.ours_ns, s.theirs_ns, s.difference_ns) for n, s in host.items()}
    assert all(stage.agrees for stage in host.values()), apart
    assert timing.adds_up


def test_a_stage_is_never_shorter_than_its_kernels(timing: Timing) -> None:
    for stage in timing.stages:
        if stage.work_ns is not None and stage.busy_ns is not None:
            assert stage.busy_ns <= stage.work_ns
            assert stage.ours_ns >= stage.work_ns - max(5_000, 0.02 * stage.work_ns)


def test_a_trace_has_kernels_and_both_of_our_lines(tmp_path: Path) -> None:
    file = tmp_path / "trace.json.gz"
    found = profile_below(side("v2"), modules=True, trace=file)
    assert found.clock == "device"
    assert {op.kind for op in found.ops} <= {"kernel", "copy", "set"}
    assert any(op.stage == "forward" for op in found.ops)
    assert found.forward_ns is not None
    assert 0.5 * found.forward_ns < sum(part.median_ns for part in found.parts)
    document = json.loads(gzip.decompress(file.read_bytes()))
    assert any(event.get("cat") == "kernel" for event in document["traceEvents"])
    ours = [e for e in document["traceEvents"] if e.get("pid") == "depthprof" and e["ph"] == "X"]
    assert [e["name"] for e in ours if e["tid"] == 1] == [*STAGES] * found.iterations
    assert abs(document["depthprof"]["device_clock_apart_ns"]) < 50_000
