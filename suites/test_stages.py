"""Every stage of v1 and v2, side by side: `pytest suites/ -k stage`."""

from typing import Any

import pytest

from depthprof.records import STAGES


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("stage", STAGES)
def test_stage(depth_profile: Any, depth_model: str, stage: str, variant: str) -> None:
    depth_profile("v1", "v2", model=depth_model, of=variant, stage=stage)
