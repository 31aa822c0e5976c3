"""Several pictures an iteration, by stage; `--depth-batches 1,4` says how many."""

from typing import Any

import pytest

from depthprof.records import STAGES, TOTAL


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("stage", [*STAGES, TOTAL])
def test_batch(
    depth_profile: Any,
    depth_model: str,
    depth_batch: int,
    depth_asked: Any,
    stage: str,
    variant: str,
) -> None:
    depth_profile(
        "v1",
        "v2",
        model=depth_model,
        batch=depth_batch,
        input_size=depth_asked.batch_input_size,
        budget_s=depth_asked.batch_budget_s,
        of=variant,
        stage=stage,
    )
