"""The light pipeline's stages as pytest-benchmark benchmarks, run by the study in a process."""

from typing import Any

import pytest

from depthprof.study.injection import METHODS
from depthprof.study.pyperf_light import stage_call


@pytest.mark.parametrize("stage", METHODS)
def test_stage(stage: str, benchmark: Any) -> None:
    """Time one stage with pytest-benchmark's own defaults."""
    call, value = stage_call(stage)
    benchmark(call, value)
