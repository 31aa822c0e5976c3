"""Ranges around stages: for torch.profiler, and for NVTX where there is a GPU."""

import pytest

from depthprof.clock import HostClock
from depthprof.drill.annotate import AnnotatedClock, AnnotatedPipeline, in_range
from depthprof.iteration import Iteration, StageFailed
from tests.fakes import VirtualDevice, VirtualPipeline


class Nvtx:
    """What torch.cuda.nvtx is told, and how deep its ranges are nested."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.depth = 0

    def range_push(self, name: str) -> None:
        self.said.append(f"{self.depth} {name}")
        self.depth += 1

    def range_pop(self) -> None:
        self.depth -= 1


def test_stages_are_nvtx_ranges_inside_a_numbered_iteration() -> None:
    device, nvtx = VirtualDevice(), Nvtx()
    pipeline = AnnotatedPipeline(VirtualPipeline(device), nvtx)
    Iteration(pipeline, AnnotatedClock(device, nvtx)).block([["picture"]], 2)
    stages = ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h", "return")
    expected = [[f"0 depthprof iteration {n}", *(f"1 depthprof {s}" for s in stages)] for n in "01"]
    assert nvtx.said == [*expected[0], *expected[1]]
    assert nvtx.depth == 0


def test_an_annotated_pipeline_does_and_takes_what_the_bare_one_does() -> None:
    bare, annotated = VirtualDevice(), VirtualDevice()
    first = Iteration(VirtualPipeline(bare), bare).block([["picture"]], 3)
    pipeline = AnnotatedPipeline(VirtualPipeline(annotated))
    second = Iteration(pipeline, AnnotatedClock(annotated)).block([["picture"]], 3)
    assert first.marks_ns == second.marks_ns
    assert first.device_ns == second.device_ns


def test_a_stage_that_raises_closes_its_range() -> None:
    nvtx = Nvtx()

    def fail(value: object) -> object:
        raise ZeroDivisionError(value)

    with pytest.raises(ZeroDivisionError):
        in_range(fail, "forward", nvtx)("batch")
    assert nvtx.depth == 0
    pipeline = VirtualPipeline(VirtualDevice())
    pipeline.deliver = fail  # type: ignore[method-assign]
    with pytest.raises(StageFailed):
        Iteration(AnnotatedPipeline(pipeline, nvtx), HostClock()).block([["picture"]], 1)
    assert nvtx.depth == 0


def test_what_is_no_stage_has_no_range() -> None:
    with pytest.raises(ValueError, match="no such stage: 'forwards'"):
        in_range(str, "forwards")
