"""Ranges around stages: for torch.profiler, and for NVTX where there is a GPU."""

import itertools
from time import sleep

import pytest

from depthprof.pipelines.contract import METHODS
from depthprof.profiling.recording import Ranges, annotated, record
from depthprof.profiling.timeline import in_rows
from depthprof.profiling.timing import host_stages
from depthprof.records import STAGES
from depthprof.runner.clock import HostClock
from depthprof.runner.iteration import Iteration, StageFailed
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
    annotated(VirtualPipeline(device), device, Ranges(nvtx)).block([["picture"]], 2)
    stages = ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h", "return")
    expected = [[f"0 depthprof iteration {n}", *(f"1 depthprof {s}" for s in stages)] for n in "01"]
    assert nvtx.said == [*expected[0], *expected[1]]
    assert nvtx.depth == 0


def test_an_annotated_pipeline_does_and_takes_what_the_bare_one_does() -> None:
    bare, other = VirtualDevice(), VirtualDevice()
    first = Iteration(VirtualPipeline(bare), bare).block([["picture"]], 3)
    second = annotated(VirtualPipeline(other), other, Ranges()).block([["picture"]], 3)
    assert first.marks_ns == second.marks_ns
    assert first.device_ns == second.device_ns


@pytest.mark.parametrize("stage", ["preprocess", "forward", "deliver"])
def test_a_stage_that_raises_closes_its_range(stage: str) -> None:
    nvtx = Nvtx()

    def fail(value: object) -> object:
        raise ZeroDivisionError(value)

    pipeline = VirtualPipeline(VirtualDevice())
    setattr(pipeline, stage, fail)
    with pytest.raises(StageFailed):
        annotated(pipeline, HostClock(), Ranges(nvtx)).block([["picture"]], 1)
    assert nvtx.depth == 0


FREED_S = 0.002


class DearToFree:
    """A batch whose freeing takes long, as that of megabytes may."""

    def __del__(self) -> None:
        sleep(FREED_S)


class Frees(VirtualPipeline):
    """Drops a batch that is dear to free in one stage, as published code does after the copy."""

    def __init__(self, stage: str) -> None:
        super().__init__(VirtualDevice())
        methods = list(METHODS.values())
        place = methods.index(METHODS[stage])
        setattr(self, methods[place - 1], lambda _: DearToFree())
        setattr(self, methods[place], lambda _: "what came of it")


@pytest.mark.parametrize("stage", ["h2d", "forward", "d2h", "return"])
def test_what_a_stage_frees_is_in_its_range_as_in_our_span(stage: str) -> None:
    recording = record(Frees(stage), HostClock(), [["picture"]], 3)
    rows = in_rows(recording.timeline.ranges, 3)
    for row, marks in zip(rows, recording.marks_ns, strict=True):
        by_stage = {one.stage: one.end_ns - one.start_ns for one in row}
        ours = [end - start for start, end in itertools.pairwise(marks)]
        assert by_stage[stage] >= FREED_S * 1e9
        assert ours[STAGES.index(stage)] >= FREED_S * 1e9
    found = {one.stage: one for one in host_stages(recording.marks_ns, recording.timeline.ranges)}
    assert found[stage].difference_ns < 0.5 * FREED_S * 1e9
